//! Check that scratches are found, and that edges, noise, ramps and spots are none.

use ebm_core::{Distribution, NoiseKey, Stream};
use ebm_langevin::Noise;

use super::*;

/// Side of the pictures.
const SIDE: usize = 128;

/// A ramp with slight noise of this standard deviation, and what `add` adds at each row and column.
fn ramp_and(std: f32, add: impl Fn(usize, usize) -> f32) -> Planes {
    let noise = Noise {
        key: NoiseKey::new(7, Stream::Sample, 0),
        distribution: Distribution::Normal,
        scale: std,
    };
    let noise = noise.of_batch(&[0], SIDE * SIDE);
    let value = |(place, noise): (usize, f32)| {
        let (row, column) = (place / SIDE, place % SIDE);
        0.3 + 0.001 * row as f32 + 0.002 * column as f32 + noise + add(row, column)
    };
    Planes {
        pixels: noise.into_iter().enumerate().map(value).collect(),
        shape: ImageShape::new(1, SIDE, SIDE),
    }
}

/// A flat line of one pixel.
fn is_bright(row: usize, column: usize) -> bool {
    (10..118).contains(&column) && row == 20 + column * 9 / 20
}

/// A steep line of two pixels.
fn is_dark(row: usize, column: usize) -> bool {
    let left = (15..110).contains(&row).then(|| 95 - row * 3 / 10);
    left.is_some_and(|left| (left..left + 2).contains(&column))
}

fn scratched() -> Planes {
    ramp_and(0.01, |row, column| {
        match (is_bright(row, column), is_dark(row, column)) {
            (false, false) => 0.0,
            (true, false) => 0.25,
            (false, true) => -0.25,
            (true, true) => 0.0,
        }
    })
}

fn found(picture: &Planes, tone: ScratchTone) -> Vec<bool> {
    let options = ScratchOptions {
        tone,
        ..ScratchOptions::default()
    };
    find_scratches(picture, &options).missing
}

/// Whether one of some pixels is at most so many rows and columns away.
fn is_near(place: usize, most: usize, pixels: impl Fn(usize, usize) -> bool) -> bool {
    let around = |place: usize| place.saturating_sub(most)..(place + most + 1).min(SIDE);
    let mut rows = around(place / SIDE);
    rows.any(|row| around(place % SIDE).any(|column| pixels(row, column)))
}

#[test]
fn a_bright_and_a_dark_line_are_found_and_hardly_anything_else() {
    let mask = found(&scratched(), ScratchTone::Both);
    for is_line in [is_bright, is_dark] {
        let places = (0..SIDE * SIDE).filter(|&place| is_line(place / SIDE, place % SIDE));
        let places: Vec<usize> = places.collect();
        let is_found = |row: usize, column: usize| mask[row * SIDE + column];
        let seen = places.iter().filter(|&&place| is_near(place, 1, is_found));
        let share = seen.count() as f64 / places.len() as f64;
        assert!(share >= 0.95, "{share} of a line");
    }
    let is_line = |row: usize, column: usize| is_bright(row, column) || is_dark(row, column);
    let elsewhere = (0..SIDE * SIDE).filter(|&place| mask[place] && !is_near(place, 3, is_line));
    let share = elsewhere.count() as f64 / (SIDE * SIDE) as f64;
    assert!(share < 0.001, "{share} elsewhere");
}

#[test]
fn a_dark_line_is_not_found_where_bright_ones_are_sought() {
    let mask = found(&scratched(), ScratchTone::Bright);
    let elsewhere = (0..SIDE * SIDE).filter(|&place| mask[place] && !is_near(place, 3, is_bright));
    assert!(elsewhere.count() < SIDE * SIDE / 1000);
    assert!(mask.contains(&true));
}

#[test]
fn edges_noise_ramps_and_spots_are_no_scratches() {
    let pictures = [
        (
            "an edge",
            ramp_and(0.01, |_, column| if column > 60 { 0.4 } else { 0.0 }),
        ),
        (
            "a sloping edge",
            ramp_and(
                0.01,
                |row, column| {
                    if 5 * column + 3 * row > 450 { 0.4 } else { 0.0 }
                },
            ),
        ),
        ("weak noise", ramp_and(0.01, |_, _| 0.0)),
        ("strong noise", ramp_and(0.1, |_, _| 0.0)),
        ("a ramp", ramp_and(0.0, |_, _| 0.0)),
        (
            "a spot",
            ramp_and(0.01, |row, column| {
                let is_spot = (60..64).contains(&row) && (60..68).contains(&column);
                if is_spot { 0.5 } else { 0.0 }
            }),
        ),
    ];
    for (name, picture) in pictures {
        let mask = found(&picture, ScratchTone::Both);
        let share = mask.iter().filter(|&&is| is).count() as f64 / mask.len() as f64;
        assert!(share < 0.001, "{name}: {share}");
    }
}

#[test]
fn a_picture_smaller_than_the_filter_has_none() {
    for (height, width) in [(1, 1), (1, 9), (5, 3), (11, 12)] {
        let shape = ImageShape::new(3, height, width);
        let value = |place: usize| if place % 5 == 2 { 1.0 } else { 0.1 };
        let picture = Planes {
            pixels: (0..shape.pixels()).map(value).collect(),
            shape,
        };
        let mask = find_scratches(&picture, &ScratchOptions::default());
        assert_eq!(mask.size, [height, width]);
        assert_eq!(mask.missing, vec![false; height * width]);
    }
}

#[test]
fn the_transpose_of_a_picture_has_the_transposed_scratches() {
    let picture = scratched();
    let turned = |place: usize| place % SIDE * SIDE + place / SIDE;
    let transposed = Planes {
        pixels: (0..SIDE * SIDE)
            .map(|place| picture.pixels[turned(place)])
            .collect(),
        shape: picture.shape,
    };
    let (mask, other) = (
        found(&picture, ScratchTone::Both),
        found(&transposed, ScratchTone::Both),
    );
    let differs = (0..SIDE * SIDE).filter(|&place| mask[place] != other[turned(place)]);
    // Where a strength is that of the threshold but for rounding, a pixel may differ.
    assert!(differs.count() <= 2);
}

#[test]
fn a_wide_scratch_of_a_large_picture_is_found() {
    let (height, width) = (400, 416);
    let is_line =
        |row: usize, column: usize| (40..360).contains(&column) && (200..206).contains(&row);
    let value = |place: usize| {
        if is_line(place / width, place % width) {
            0.8
        } else {
            0.4
        }
    };
    let picture = Planes {
        pixels: (0..height * width).map(value).collect(),
        shape: ImageShape::new(1, height, width),
    };
    let mask = find_scratches(&picture, &ScratchOptions::default()).missing;
    let places = (0..height * width).filter(|&place| is_line(place / width, place % width));
    assert!(places.clone().filter(|&place| mask[place]).count() >= 95 * places.count() / 100);
}
