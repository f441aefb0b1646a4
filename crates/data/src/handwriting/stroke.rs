//! Widen the strokes of a thin pen, which would fade in a small image.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::HALF;
use super::plane::Plane;

/// Width of a stroke as a share of the longer side of its character, below which it is widened: three of four of
/// MNIST's test images have wider ones (median 0.113).
const THIN: f64 = 0.1;

/// The ink, its strokes no thinner than [`THIN`]; with a margin where they were widened.
pub(super) fn widened(ink: &Plane) -> Plane {
    let Some(region) = ink.region_above(HALF) else {
        return ink.clone();
    };
    // w + 2r = THIN·(L + 2r).
    let longer = region.longer() as f64;
    let radius = (THIN * longer - stroke_width(ink)) / (2.0 * (1.0 - THIN));
    if radius > 0.0 {
        drawn_with_disc(ink, radius)
    } else {
        ink.clone()
    }
}

/// Width of the strokes in pixels: of a stroke much longer than wide, twice its area by its perimeter.
///
/// The perimeter follows from how often lines in four directions cross it, which are as dense as pixels, along
/// diagonals by √2 denser: Crofton's formula, as in Legland, Kiêu & Devaux, *Computation of Minkowski measures on
/// 2D and 3D binary images* (2007).
fn stroke_width(ink: &Plane) -> f64 {
    let is_ink = |y: usize, x: usize| y < ink.height && x < ink.width && ink.row(y)[x] > HALF;
    let (mut area, mut crossings) = (0.0, 0.0);
    for y in 0..ink.height {
        for x in (0..ink.width).filter(|&x| is_ink(y, x)) {
            area += 1.0;
            for [down, right] in NEIGHBOURS {
                if !is_ink(y.wrapping_add_signed(down), x.wrapping_add_signed(right)) {
                    let is_straight = down == 0 || right == 0;
                    crossings += if is_straight { 1.0 } else { FRAC_1_SQRT_2 };
                }
            }
        }
    }
    2.0 * area / (PI / 8.0 * crossings)
}

const NEIGHBOURS: [[isize; 2]; 8] = [
    [-1, -1],
    [-1, 0],
    [-1, 1],
    [0, -1],
    [0, 1],
    [1, -1],
    [1, 0],
    [1, 1],
];

/// The greatest ink under a disc with a soft edge around each pixel, on a plane with room for the disc.
fn drawn_with_disc(ink: &Plane, radius: f64) -> Plane {
    let reach = (radius + 0.5).ceil() as usize;
    let disc = disc(radius, reach);
    let (height, width) = (ink.height + 2 * reach, ink.width + 2 * reach);
    let mut pixels = vec![0.0_f32; height * width];
    for (y, row) in ink.rows().enumerate() {
        for (x, &strength) in row
            .iter()
            .enumerate()
            .filter(|(_, strength)| **strength > 0.0)
        {
            for &(down, right, coverage) in &disc {
                let pixel = &mut pixels[(y + down) * width + x + right];
                *pixel = pixel.max(coverage * strength);
            }
        }
    }
    Plane::new(pixels, height, width)
}

/// Places of a square of side `2·reach + 1`, and how much of each a disc in its middle covers.
fn disc(radius: f64, reach: usize) -> Vec<(usize, usize, f32)> {
    let side = 2 * reach + 1;
    let place = |index: usize| {
        let (down, right) = (index / side, index % side);
        let [y, x] = [down, right].map(|at| at as f64 - reach as f64);
        let is_middle = down == reach && right == reach;
        let coverage = if is_middle {
            1.0
        } else {
            radius + 0.5 - y.hypot(x)
        };
        (down, right, coverage.clamp(0.0, 1.0) as f32)
    };
    let places = (0..side * side).map(place);
    places.filter(|(.., coverage)| *coverage > 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A straight stroke in the middle of 100×100 pixels.
    fn stroke(width: f64, is_diagonal: bool) -> Plane {
        let at = |place: usize| {
            let [y, x] = [place / 100, place % 100].map(|at| at as f64 - 49.5);
            let (along, across) = if is_diagonal {
                ((x + y) * FRAC_1_SQRT_2, (x - y) * FRAC_1_SQRT_2)
            } else {
                (y, x)
            };
            let inside = (width / 2.0 + 0.5 - across.abs()).min(40.5 - along.abs());
            inside.clamp(0.0, 1.0) as f32
        };
        Plane::new((0..10_000).map(at).collect(), 100, 100)
    }

    #[test]
    fn the_width_of_a_stroke_is_found_in_any_direction() {
        for is_diagonal in [false, true] {
            for width in [2.0, 4.0, 8.0] {
                let found = stroke_width(&stroke(width, is_diagonal));
                assert!((found / width - 1.0).abs() < 0.15, "{found} of {width}");
            }
        }
    }

    #[test]
    fn thin_strokes_are_widened_and_others_stay() {
        let thick = stroke(10.0, false);
        assert_eq!(widened(&thick), thick);
        let wide = widened(&stroke(2.0, false));
        let region = wide.region_above(HALF).unwrap();
        let share = region.columns.len() as f64 / region.rows.len() as f64;
        assert!((share - THIN).abs() < 0.03, "{share}");
    }

    #[test]
    fn a_disc_covers_its_middle_and_fades_at_its_edge() {
        let places = disc(1.0, 2);
        let at = |down, right| {
            let found = places.iter().find(|(y, x, _)| (*y, *x) == (down, right));
            found.map_or(0.0, |(.., coverage)| *coverage)
        };
        assert_eq!((at(2, 2), at(2, 3), at(2, 4)), (1.0, 0.5, 0.0));
        assert!((at(3, 3) - (1.5 - 2.0_f32.sqrt())).abs() < 1e-6);
    }
}
