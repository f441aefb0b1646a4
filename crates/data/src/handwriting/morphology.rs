//! Fill narrow dark places of a picture, as if it had never been written on.

use super::plane::{Plane, Region};

/// A dark place stays where a square of about twice this share of the picture's longer side fits into it.
const RADIUS: f64 = 1.0 / 8.0;

/// The picture with its narrow dark places filled from beside them: a morphological closing. Ramps and the edges of
/// large areas stay, these one pixel inside.
pub(super) fn closed(grey: &Plane) -> Plane {
    within_margin(grey, |plane, radius| {
        // One more than is taken, so that no rim of a dark area is bright where planes are enlarged.
        eroded(&dilated(plane, radius), radius + 1)
    })
}

/// The picture with narrow dark places filled that are not connected with wide ones: a closing by reconstruction.
///
/// Vincent, *Morphological grayscale reconstruction in image analysis* (1993), §3.
pub(super) fn filled(grey: &Plane) -> Plane {
    within_margin(grey, |plane, radius| {
        let mut filled = dilated(plane, radius);
        loop {
            let mut lower = eroded(&filled, 1);
            for (value, &bound) in lower.pixels.iter_mut().zip(&plane.pixels) {
                *value = value.max(bound);
            }
            let mut pairs = lower.pixels.iter().zip(&filled.pixels);
            if !pairs.any(|(lower, value)| lower < value) {
                return filled;
            }
            filled = lower;
        }
    })
}

/// The greatest value within `radius` rows and columns of each pixel.
pub(super) fn dilated(plane: &Plane, radius: usize) -> Plane {
    chosen(plane, radius, f32::max)
}

/// The least value within `radius` rows and columns of each pixel.
fn eroded(plane: &Plane, radius: usize) -> Plane {
    chosen(plane, radius, f32::min)
}

fn chosen(plane: &Plane, radius: usize, choose: fn(f32, f32) -> f32) -> Plane {
    let near = |at: usize, len: usize| at.saturating_sub(radius)..(at + radius + 1).min(len);
    let mut across = Vec::with_capacity(plane.pixels.len());
    for row in plane.rows() {
        across.extend((0..row.len()).map(|x| {
            let window = &row[near(x, row.len())];
            window.iter().copied().fold(row[x], choose)
        }));
    }
    let across = Plane::new(across, plane.height, plane.width);
    let mut pixels = Vec::with_capacity(plane.pixels.len());
    for y in 0..plane.height {
        let mut line = across.row(y).to_vec();
        for other in near(y, plane.height) {
            for (value, &beside) in line.iter_mut().zip(across.row(other)) {
                *value = choose(*value, beside);
            }
        }
        pixels.extend(line);
    }
    Plane::new(pixels, plane.height, plane.width)
}

/// What `work` makes of a picture that goes on beyond its frame as it ends there, so that a ramp or a dark area
/// at the frame stays.
fn within_margin(grey: &Plane, work: impl Fn(&Plane, usize) -> Plane) -> Plane {
    let longer = grey.height.max(grey.width) as f64;
    let radius = ((RADIUS * longer) as usize).max(1);
    let margin = 2 * radius + 1;
    let inside = |at: usize, len: usize| at.saturating_sub(margin).min(len - 1);
    let (height, width) = (grey.height + 2 * margin, grey.width + 2 * margin);
    let mut pixels = Vec::with_capacity(height * width);
    for y in 0..height {
        let row = grey.row(inside(y, grey.height));
        pixels.extend((0..width).map(|x| row[inside(x, grey.width)]));
    }
    work(&Plane::new(pixels, height, width), radius).cut(&Region {
        rows: margin..margin + grey.height,
        columns: margin..margin + grey.width,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ramp of 32×32 with a dark line of three pixels across.
    fn ramp_with_line() -> (Plane, Plane) {
        let ramp: Vec<f32> = (0..1024).map(|i| 0.5 + (i % 32) as f32 / 100.0).collect();
        let mut line = ramp.clone();
        line[32 * 10..32 * 13]
            .iter_mut()
            .for_each(|grey| *grey = 0.1);
        (Plane::new(ramp, 32, 32), Plane::new(line, 32, 32))
    }

    #[test]
    fn a_narrow_dark_line_on_a_ramp_is_filled_and_the_ramp_stays() {
        let (ramp, line) = ramp_with_line();
        let closed = closed(&line);
        for (found, expected) in closed.pixels.iter().zip(&ramp.pixels) {
            // One pixel of the ramp is 0.01.
            assert!((-1e-6..0.010_01).contains(&(expected - found)));
        }
    }

    #[test]
    fn a_dark_area_at_the_frame_and_its_edge_stay() {
        let halves: Vec<f32> = (0..1024)
            .map(|i| if i % 32 < 3 { 0.2 } else { 0.9 })
            .collect();
        let halves = Plane::new(halves, 32, 32);
        assert_eq!(filled(&halves), halves);
        let closed = closed(&halves);
        for (x, grey) in closed.row(7).iter().enumerate() {
            assert_eq!(*grey, if x < 4 { 0.2 } else { 0.9 });
        }
    }

    #[test]
    fn a_hole_in_ink_is_filled_and_an_open_bay_is_not() {
        // Light ink in the shape of a box, whose dark inside is narrow; then with its right side open.
        let at = |y: usize, x: usize, is_open: bool| {
            let outside = !(10..18).contains(&y) || !(10..18).contains(&x);
            let right = if is_open { 18 } else { 16 };
            let inside = (12..16).contains(&y) && (12..right).contains(&x);
            if outside || inside { 0.1 } else { 0.9 }
        };
        for is_open in [false, true] {
            let pixels = (0..1024).map(|i| at(i / 32, i % 32, is_open)).collect();
            let filled = filled(&Plane::new(pixels, 32, 32));
            let hole = filled.row(13)[13];
            assert_eq!(hole, if is_open { 0.1 } else { 0.9 });
        }
    }
}
