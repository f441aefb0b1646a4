//! Prepare a photographed or scanned character as those of MNIST were: white on black, sized and centred.
//!
//! LeCun et al., *Gradient-based learning applied to document recognition* (1998), §III.A: size-normalised to
//! fit a box of 20×20 pixels in its proportions, grey at its edges, and shifted so that its centre of mass is
//! in the middle of 28×28.
//!
//! Reading order: `plane` (a grey picture) → `contrast` by `morphology` (how far ink stands out from the paper)
//! → `parts` (which ink is the character) → `ink` (how strong it is) → `stroke` (thin pens) → here.

mod contrast;
mod ink;
mod morphology;
mod on_paper;
mod parts;
mod plane;
mod stroke;

use std::ops::Range;

use thiserror::Error;

use crate::photo::Planes;
use plane::{Plane, Region, Sampling};
use stroke::widened;

pub use on_paper::read_on_paper;

/// Longer side of a character's box, as a share of the side of its frame.
const FILL: f64 = 20.0 / 28.0;
/// Where a character's centre of mass lies, as a share of the side of its frame: the mean over 2 000 test images
/// of MNIST is 14.49 of 28 from the left and from the top, as the middle is there the middle of pixel 14.
const MIDDLE: f64 = 14.5 / 28.0;

/// Longer side of the picture in which ink is looked for.
const LONGEST: usize = 256;
/// A character of a longer side below this is looked at again from nearby, where the picture has more pixels.
const SMALL: usize = 80;

/// Strength of ink, from 0 to 1, at which a stroke ends.
const HALF: f32 = 0.5;

/// A picture without anything that could be written by hand.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no handwriting stands out from its background")]
pub struct NoInk;

/// The one character of a picture, dark on light or light on dark, as MNIST would have it in a square of `side`:
/// white on black.
///
/// Uneven light, specks and what lies at the frame are left out; strokes thinner than most of MNIST's are widened.
///
/// # Shapes
/// - `picture`: grey or in colour, of any size
/// - returns: `[side, side]`, row-major
///
/// # Errors
/// Where nothing stands out from its background.
///
/// # Panics
/// If `picture` or `side` is empty.
pub fn find_handwriting(picture: &Planes, side: usize) -> Result<Vec<u8>, NoInk> {
    assert!(side > 0, "expected a side of at least 1, got 0");
    let grey = picture.grey();
    let grey = Plane::new(grey.pixels, grey.shape.height, grey.shape.width);
    framed(&widened(&ink_of(&grey)?), side)
}

/// The ink of a picture, seen from so near that the character is large.
fn ink_of(grey: &Plane) -> Result<Plane, NoInk> {
    let small = grey.shrunk(LONGEST);
    let ink = ink::ink(&small)?;
    let region = ink.region_above(HALF).ok_or(NoInk)?;
    if region.longer() >= SMALL || small.height == grey.height {
        return Ok(ink);
    }
    let close = grey.cut(&around(&region, &small, grey));
    Ok(ink::ink(&close.shrunk(LONGEST)).unwrap_or(ink))
}

/// The region of `small` and half as much again on every side, in the pixels of the `large` picture.
fn around(region: &Region, small: &Plane, large: &Plane) -> Region {
    let margin = 0.5 * region.longer() as f64;
    let enlarged = |span: &Range<usize>, from: usize, to: usize| {
        let scale = to as f64 / from as f64;
        // A negative float becomes 0: the picture begins there.
        let start = ((span.start as f64 - margin) * scale) as usize;
        let end = ((span.end as f64 + margin) * scale).ceil() as usize;
        start..end.min(to)
    };
    Region {
        rows: enlarged(&region.rows, small.height, large.height),
        columns: enlarged(&region.columns, small.width, large.width),
    }
}

/// The ink at its size and place in a frame, as bytes.
fn framed(ink: &Plane, side: usize) -> Result<Vec<u8>, NoInk> {
    let region = ink.region_above(HALF).ok_or(NoInk)?;
    let step = region.longer() as f64 / (FILL * side as f64);
    let [rows, columns] = ink.centre_of_mass().map(|centre| Sampling {
        start: centre - MIDDLE * side as f64 * step,
        step,
        count: side,
    });
    let framed = ink.resampled(rows, columns);
    let byte = |strength: &f32| (255.0 * strength).round() as u8;
    Ok(framed.pixels.iter().map(byte).collect())
}

#[cfg(test)]
mod tests {
    use ebm_core::ImageShape;

    use super::*;

    const SIDE: usize = 28;

    /// A picture of this size whose grey is a function of row and column.
    fn picture(height: usize, width: usize, grey: impl Fn(usize, usize) -> f32) -> Planes {
        let pixels = (0..height * width).map(|place| grey(place / width, place % width));
        Planes {
            pixels: pixels.collect(),
            shape: ImageShape::new(1, height, width),
        }
    }

    /// Dark strokes on paper that becomes darker to the right: a 7 of this height, its upper left corner and the
    /// radius of the pen.
    fn seven(size: [usize; 2], left: f32, top: f32, tall: f32, pen: f32) -> Planes {
        let corners = [
            [left, top],
            [left + 0.6 * tall, top],
            [left + 0.2 * tall, top + tall],
        ];
        picture(size[0], size[1], |y, x| {
            let at = [x as f32 + 0.5, y as f32 + 0.5];
            let strokes = corners.windows(2);
            let distances = strokes.map(|ends| distance(at, ends[0], ends[1]));
            let coverage = (pen + 0.5 - distances.fold(f32::INFINITY, f32::min)).clamp(0.0, 1.0);
            (0.95 - 0.2 * x as f32 / size[1] as f32) * (1.0 - 0.8 * coverage)
        })
    }

    /// From a point to a line between two others.
    fn distance(at: [f32; 2], from: [f32; 2], to: [f32; 2]) -> f32 {
        let [along, away] = [to, at].map(|point| [point[0] - from[0], point[1] - from[1]]);
        let product = |a: [f32; 2], b: [f32; 2]| a[0] * b[0] + a[1] * b[1];
        let share = (product(away, along) / product(along, along)).clamp(0.0, 1.0);
        (away[0] - share * along[0]).hypot(away[1] - share * along[1])
    }

    /// The 7 that most tests look at, 200 wide and 300 high.
    fn usual() -> Planes {
        seven([300, 200], 50.0, 70.0, 140.0, 8.0)
    }

    fn found(picture: &Planes) -> Vec<u8> {
        find_handwriting(picture, SIDE).unwrap()
    }

    #[track_caller]
    fn assert_near(one: &[u8], other: &[u8], tolerance: u8) {
        let differences = one.iter().zip(other).map(|(a, b)| a.abs_diff(*b));
        let most = differences.max().unwrap();
        assert!(most <= tolerance, "differs by {most}");
    }

    /// Dark bands of a table around a picture: above, below, on the left, on the right.
    fn on_a_table(paper: &Planes, [above, below, left, right]: [usize; 4]) -> Planes {
        let [_, height, width] = paper.shape.dims();
        picture(above + height + below, left + width + right, |y, x| {
            let is_paper =
                (above..above + height).contains(&y) && (left..left + width).contains(&x);
            if is_paper {
                paper.pixels[(y - above) * width + x - left]
            } else {
                0.25
            }
        })
    }

    #[test]
    fn a_dark_stroke_on_paper_becomes_white_on_black_of_twenty_pixels_around_its_mass() {
        for side in [16, 28, 64] {
            let image = find_handwriting(&usual(), side).unwrap();
            let strengths = image.iter().map(|&byte| f32::from(byte) / 255.0);
            let ink = Plane::new(strengths.collect(), side, side);
            let scale = side as f64 / 28.0;
            for centre in ink.centre_of_mass() {
                assert!((centre - 14.5 * scale).abs() < 0.1, "{centre} of {side}");
            }
            let longer = ink.region_above(HALF).unwrap().longer() as f64;
            assert!((longer - 20.0 * scale).abs() <= 1.0, "{longer} of {side}");
            assert!(image.iter().any(|&byte| byte > 250));
            for corner in [0, side - 1, side * (side - 1), side * side - 1] {
                assert_eq!(image[corner], 0);
            }
        }
    }

    #[test]
    fn light_strokes_on_a_dark_ground_give_the_same() {
        let mut inverted = usual();
        inverted
            .pixels
            .iter_mut()
            .for_each(|grey| *grey = 1.0 - *grey);
        assert_near(&found(&usual()), &found(&inverted), 2);
    }

    #[test]
    fn size_and_place_do_not_matter() {
        let expected = found(&usual());
        for other in [
            seven([400, 400], 20.0, 30.0, 280.0, 16.0),
            seven([120, 90], 30.0, 20.0, 70.0, 4.0),
            seven([400, 300], 100.0, 200.0, 140.0, 8.0),
            // Of a picture this large, 35 pixels high where it is first looked for.
            seven([900, 1200], 900.0, 600.0, 140.0, 8.0),
        ] {
            assert_near(&found(&other), &expected, 25);
        }
    }

    #[test]
    fn the_edge_of_a_table_and_specks_are_left_out() {
        let expected = found(&usual());
        for bands in [[0, 0, 30, 0], [60, 0, 80, 0], [30, 40, 20, 60]] {
            assert_near(&found(&on_a_table(&usual(), bands)), &expected, 25);
        }
        let mut specks = usual();
        for (y, x) in [(20, 20), (20, 21), (21, 20), (250, 170), (251, 170)] {
            specks.pixels[y * 200 + x] = 0.1;
        }
        assert_near(&found(&specks), &expected, 3);
    }

    #[test]
    fn a_thin_pen_is_as_strong_as_a_thick_one() {
        let mass = |pen| -> u32 {
            let image = found(&seven([300, 200], 50.0, 70.0, 140.0, pen));
            assert_eq!(image.iter().max(), Some(&255));
            image.iter().copied().map(u32::from).sum()
        };
        let (thin, usual) = (mass(1.0), mass(7.0));
        assert!(4 * thin > 3 * usual, "{thin} and {usual}");
    }

    #[test]
    fn colours_are_seen_by_their_luma() {
        let grey = usual();
        let coloured = Planes {
            pixels: grey.pixels.repeat(3),
            shape: ImageShape::new(3, 300, 200),
        };
        assert_near(&found(&coloured), &found(&grey), 1);
    }

    #[test]
    fn a_picture_without_ink_is_refused() {
        let even = picture(80, 60, |_, _| 0.7);
        assert_eq!(find_handwriting(&even, SIDE), Err(NoInk));
        let shaded = picture(200, 300, |_, x| 0.9 - 0.8 * x as f32 / 300.0);
        assert_eq!(find_handwriting(&shaded, SIDE), Err(NoInk));
        let halves = picture(200, 300, |_, x| if x < 120 { 0.4 } else { 0.8 });
        assert_eq!(find_handwriting(&halves, SIDE), Err(NoInk));
        let dot = picture(1, 1, |_, _| 0.5);
        assert_eq!(find_handwriting(&dot, SIDE), Err(NoInk));
        let mut word = 1_u32;
        let mut noisy = picture(200, 300, |_, _| 0.0);
        for grey in &mut noisy.pixels {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *grey = 0.6 + 0.1 * (word >> 8) as f32 / (1 << 24) as f32;
        }
        assert_eq!(find_handwriting(&noisy, SIDE), Err(NoInk));
    }
}
