//! Say how strong the ink of a character is: 0 for paper, 1 for a stroke, between them at its soft edge.

use super::NoInk;
use super::contrast::{contrast, is_light_on_dark, split};
use super::morphology::dilated;
use super::parts::main_parts;
use super::plane::Plane;

/// The strength of the ink of the one character of a picture, whatever its light.
///
/// # Errors
/// Where nothing stands out.
pub(super) fn ink(grey: &Plane) -> Result<Plane, NoInk> {
    let contrast = if is_light_on_dark(grey) {
        contrast(&grey.inverted())
    } else {
        contrast(grey)
    };
    let split = split(&contrast).ok_or(NoInk)?;
    let is_ink: Vec<bool> = contrast
        .pixels
        .iter()
        .map(|&contrast| contrast >= split.threshold)
        .collect();
    let is_kept = main_parts(&is_ink, [grey.height, grey.width]);
    let full = median_of(&contrast.pixels, &is_kept).ok_or(NoInk)?;
    // Soft edges lie within a pixel of the ink.
    let kept = is_kept.iter().map(|&is_kept| f32::from(u8::from(is_kept)));
    let reach = dilated(&Plane::new(kept.collect(), grey.height, grey.width), 1);
    let pairs = contrast.pixels.iter().zip(&reach.pixels);
    let strength = |(contrast, reach): (&f32, &f32)| {
        reach * ((contrast - split.paper) / (full - split.paper)).clamp(0.0, 1.0)
    };
    Ok(Plane::new(
        pairs.map(strength).collect(),
        grey.height,
        grey.width,
    ))
}

/// Median of the values that are kept; `None` where there are none.
fn median_of(values: &[f32], is_kept: &[bool]) -> Option<f32> {
    let pairs = values.iter().zip(is_kept);
    let mut kept: Vec<f32> = pairs
        .filter(|(_, is_kept)| **is_kept)
        .map(|(value, _)| *value)
        .collect();
    if kept.is_empty() {
        return None;
    }
    let middle = kept.len() / 2;
    Some(*kept.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_is_one_its_edge_is_between_and_paper_is_nothing() {
        let mut grey = Plane::new(vec![0.8; 900], 30, 30);
        for y in 8..22 {
            // An edge of half the contrast on either side of three dark columns.
            grey.pixels[30 * y + 13..30 * y + 18].copy_from_slice(&[0.5, 0.2, 0.2, 0.2, 0.5]);
        }
        let ink = ink(&grey).unwrap();
        let across = &ink.row(15)[12..19];
        let expected = [0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0];
        for (found, expected) in across.iter().zip(expected) {
            assert!((found - expected).abs() < 0.02, "{across:?}");
        }
        assert_eq!(ink.row(3), [0.0; 30]);
    }

    #[test]
    fn half_of_what_is_kept_is_below_the_median() {
        let values = [5.0, 1.0, 9.0, 3.0];
        assert_eq!(median_of(&values, &[true, true, false, true]), Some(3.0));
        assert_eq!(median_of(&values, &[false; 4]), None);
    }
}
