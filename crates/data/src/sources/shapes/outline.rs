//! Draw a white square, ellipse or heart with a smooth edge.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_PI_8, PI, SQRT_2};

use crate::factor::{Factors, NUM_PLACES};

/// A point relative to the centre of a shape, upright: to the right, up.
type Point = [f32; 2];

/// How far a point lies outside a shape of some circumradius; negative inside.
type Outline = fn(Point, f32) -> f32;

/// In the order of the classes. For equal radii their areas agree within 5 %, and the centre of
/// each is that of its mass: neither size nor position depends on the shape.
const OUTLINES: [Outline; 3] = [square, ellipse, heart];

/// Draws `factors` into `pixels`, `side` × `side`.
///
/// In a frame one pixel within the border, which stays black, the centre keeps a quarter of the
/// frame away from its sides and the largest circumradius is that quarter. At 64 pixels
/// neighbouring places are one pixel apart.
pub(super) fn render(factors: &Factors, side: usize, pixels: &mut [u8]) {
    let frame = (side - 2) as f32;
    let place = |index| 1.0 + frame * (0.25 + 0.5 * index as f32 / (NUM_PLACES - 1) as f32);
    let (x, y) = (place(factors.x), place(factors.y));
    let radius = 0.25 * frame * factors.size();
    // The system's sine and cosine differ from platform to platform.
    let (sin, cos) = libm::sincosf(factors.degrees().to_radians());
    let outline = OUTLINES[factors.shape as usize];

    pixels.fill(0);
    let reach = |centre: f32| (centre - radius) as usize..(centre + radius).ceil() as usize;
    for row in reach(y) {
        for column in reach(x) {
            let (right, up) = (column as f32 + 0.5 - x, y - row as f32 - 0.5);
            let turned_back = [cos * right + sin * up, cos * up - sin * right];
            // The edge is one pixel wide, so that no pixel beyond the frame gets any of it.
            let coverage = (0.5 - outline(turned_back, radius)).clamp(0.0, 1.0);
            pixels[row * side + column] = (coverage * 255.0).round() as u8;
        }
    }
}

/// Cheaper than `hypot`, whose care for extreme values nothing here needs.
fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// Distance from a square whose sides are level.
fn square([x, y]: Point, radius: f32) -> f32 {
    let (dx, dy) = (
        x.abs() - radius * FRAC_1_SQRT_2,
        y.abs() - radius * FRAC_1_SQRT_2,
    );
    length(dx.max(0.0), dy.max(0.0)) + dx.max(dy).min(0.0)
}

/// Distance from an ellipse 3/2 times as wide as high, to first order at its edge: (k − 1) / |∇k|
/// with k = √(x²/a² + y²/b²).
fn ellipse([x, y]: Point, radius: f32) -> f32 {
    let (a, b) = (radius, radius * 2.0 / 3.0);
    let k = length(x / a, y / b);
    let slope = length(x / (a * a), y / (b * b));
    // At the centre 0 / 0, of which `max` makes b.
    (k - 1.0) * (k / slope).max(b)
}

/// Distance from a heart: a square of diagonal 1 on its lower corner and a half disc on each of
/// its upper sides (after Quilez, *2D distance functions*).
fn heart([x, y]: Point, radius: f32) -> f32 {
    let unit = radius / HEART_HEIGHT;
    let (x, y) = (x.abs() / unit, y / unit + HEART_HEIGHT);
    let outside = if x + y > 1.0 {
        length(x - 0.25, y - 0.75) - SQRT_2 / 4.0
    } else {
        let along_side = 0.5 * (x + y).max(0.0);
        let nearest = length(x - along_side, y - along_side).min(length(x, y - 1.0));
        nearest.copysign(x - y)
    };
    outside * unit
}

/// Height of the centre of mass of [`heart`] above its lower corner, from which no point of it is
/// farther: the square's, 1/2, and the half discs', 3/4 + 1/(3π), weighted with their areas.
const HEART_HEIGHT: f32 = (0.25 + FRAC_PI_8 * (0.75 + 1.0 / (3.0 * PI))) / (0.5 + FRAC_PI_8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::factors;

    const SHAPES: u32 = OUTLINES.len() as u32;

    fn picture(factors: &Factors, side: usize) -> Vec<u8> {
        let mut pixels = vec![7; side * side];
        render(factors, side, &mut pixels);
        pixels
    }

    /// Ink in whole pixels, and its mean position in pixels: column, row.
    fn mass_and_centre(image: &[u8]) -> (f64, [f64; 2]) {
        let side = image.len().isqrt();
        let (mut mass, mut moment) = (0.0, [0.0; 2]);
        for (pixel, &value) in image.iter().enumerate() {
            let ink = f64::from(value) / 255.0;
            mass += ink;
            moment[0] += ink * ((pixel % side) as f64 + 0.5);
            moment[1] += ink * ((pixel / side) as f64 + 0.5);
        }
        (mass, moment.map(|sum| sum / mass))
    }

    #[test]
    fn the_centre_of_mass_lies_where_x_and_y_say() {
        for side in [16, 32, 64, 128] {
            for index in 0..600 {
                let drawn = factors(2, 0, index);
                let (_, centre) = mass_and_centre(&picture(&drawn, side));
                // From a quarter to three quarters of the frame, which leaves one pixel around it.
                let place = |i: u32| 1.0 + (side - 2) as f64 * (0.25 + 0.5 * f64::from(i) / 31.0);
                for (found, expected) in centre.into_iter().zip([drawn.x, drawn.y].map(place)) {
                    let off = found - expected;
                    assert!(off.abs() < 0.1, "{off} pixels for {drawn:?} at {side}");
                }
            }
        }
    }

    #[test]
    fn ink_grows_with_the_square_of_the_size_and_hardly_depends_on_the_shape() {
        for (shape, rotation) in (0..SHAPES).flat_map(|s| (0..16).map(move |r| (s, r))) {
            for size in 0..6 {
                let drawn = Factors {
                    shape,
                    size,
                    rotation,
                    x: 9,
                    y: 20,
                };
                let (mass, _) = mass_and_centre(&picture(&drawn, 64));
                let radius = 15.5 * (0.5 + 0.1 * f64::from(size));
                let area = std::f64::consts::PI * radius * radius * 2.0 / 3.0;
                let ratio = mass / area;
                let tolerance = if shape == 1 { 0.01 } else { 0.06 };
                assert!((ratio - 1.0).abs() < tolerance, "{ratio} for {drawn:?}");
            }
        }
    }

    #[test]
    fn the_border_stays_black_even_beside_the_largest_shapes() {
        for side in [16, 17, 32, 64, 128] {
            for (shape, rotation) in (0..SHAPES).flat_map(|s| (0..16).map(move |r| (s, r))) {
                for (x, y) in [(0, 0), (31, 0), (0, 31), (31, 31)] {
                    let drawn = Factors {
                        shape,
                        size: 5,
                        rotation,
                        x,
                        y,
                    };
                    let image = picture(&drawn, side);
                    for i in 0..side {
                        let ring = [i, (side - 1) * side + i, i * side, i * side + side - 1];
                        assert_eq!(ring.map(|p| image[p]), [0; 4], "{drawn:?} at {side}");
                    }
                }
            }
        }
    }

    #[test]
    fn four_steps_of_rotation_turn_the_picture_by_a_quarter_counter_clockwise() {
        for index in 0..600 {
            let drawn = factors(6, 0, index);
            let turned = Factors {
                rotation: (drawn.rotation + 4) % 16,
                x: drawn.y,
                y: 31 - drawn.x,
                ..drawn
            };
            for side in [16, 33, 64] {
                let (image, turned) = (picture(&drawn, side), picture(&turned, side));
                for (pixel, &value) in image.iter().enumerate() {
                    let (row, column) = (pixel / side, pixel % side);
                    let other = turned[(side - 1 - column) * side + row];
                    assert!(
                        value.abs_diff(other) <= 1,
                        "{drawn:?} at {side}: {value}, {other}"
                    );
                }
            }
        }
    }

    #[test]
    fn shapes_are_solid_and_the_heart_stands_on_its_tip() {
        let upright = |shape| {
            let drawn = Factors {
                shape,
                size: 5,
                rotation: 0,
                x: 15,
                y: 15,
            };
            picture(&drawn, 64)
        };
        // The centre is that of pixel 31; the radius 15.5 pixels.
        let at = |image: &[u8], right: i32, up: i32| image[((31 - up) * 64 + 31 + right) as usize];
        let [square, ellipse, heart] = [0, 1, 2].map(upright);
        assert_eq!(
            [&square, &ellipse, &heart].map(|image| at(image, 0, 0)),
            [255; 3]
        );
        assert_eq!([at(&square, 10, 10), at(&square, 12, 0)], [255, 0]);
        assert_eq!([at(&ellipse, 14, 0), at(&ellipse, 0, 12)], [255, 0]);
        // In the tip and beside it, in the notch and in a lobe.
        assert_eq!([at(&heart, 0, -14), at(&heart, 4, -14)], [255, 0]);
        assert_eq!([at(&heart, 0, 10), at(&heart, 6, 9)], [0, 255]);
    }
}
