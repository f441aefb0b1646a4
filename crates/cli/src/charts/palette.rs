//! Choose colours that are told apart.

use plotters::style::{Color, HSLColor, RGBColor};

/// What others are compared with, and what is not in the foreground.
pub(crate) const GREY: RGBColor = RGBColor(120, 130, 140);

/// The first colours.
const COLORS: [RGBColor; 8] = [
    RGBColor(200, 60, 50),
    RGBColor(40, 110, 190),
    RGBColor(60, 150, 80),
    RGBColor(220, 140, 30),
    RGBColor(130, 80, 170),
    RGBColor(30, 155, 165),
    RGBColor(200, 90, 150),
    RGBColor(125, 90, 50),
];

/// Part of the circle of hues from one further colour to the next: the golden section never comes back
/// near a hue soon.
const HUE_STEP: f64 = 0.618_033_988_75;

/// The colour of the series at `index`.
pub(crate) fn color(index: usize) -> RGBColor {
    if let Some(color) = COLORS.get(index) {
        return *color;
    }
    let hue = (index as f64 * HUE_STEP).fract();
    let (red, green, blue) = HSLColor(hue, 0.6, 0.42).rgb();
    RGBColor(red, green, blue)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn dozens_of_series_have_colours_of_their_own() {
        let colors: HashSet<_> = (0..40).map(|index| color(index).rgb()).collect();
        assert_eq!(colors.len(), 40);
    }
}
