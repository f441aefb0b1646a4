//! Set texts in the font that every picture has: without one, letters in a PNG could not be drawn.

use std::sync::Once;

use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::style::{FontStyle, TextStyle, register_font};

use crate::printable::printable;

/// By this name a viewer of an SVG chooses a font of its own.
const FAMILY: &str = "sans-serif";

/// Sizes of texts, in pixels.
pub(super) const CAPTION: u32 = 15;
pub(super) const TITLE: u32 = 13;
pub(super) const LABEL: u32 = 12;

/// A text of this size, in black.
pub(super) fn style(size: u32) -> TextStyle<'static> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let registered = register_font(FAMILY, FontStyle::Normal, UBUNTU_LIGHT);
        assert!(registered.is_ok(), "the built-in font is a font");
    });
    TextStyle::from((FAMILY, size))
}

/// Pixels that a text is wide.
pub(super) fn width(text: &str, size: u32) -> u32 {
    let size = style(size).font.box_size(text);
    size.map_or(0, |(width, _)| width)
}

/// A text that XML can hold, shortened to fit into so many pixels.
pub(super) fn fitting(text: &str, size: u32, most: u32) -> String {
    let mut text = printable(text);
    if width(&text, size) <= most {
        return text;
    }
    while text.pop().is_some() {
        let shortened = format!("{text}…");
        if width(&shortened, size) <= most {
            return shortened;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_shortened_and_a_short_one_is_not() {
        assert_eq!(fitting("loss", LABEL, 200), "loss");
        let long = "x".repeat(500);
        let short = fitting(&long, LABEL, 100);
        assert!(short.ends_with("x…") && short.len() < 40, "{short}");
        assert!(width(&short, LABEL) <= 100 && width(&short, LABEL) > 80);
        assert_eq!(fitting("loss", LABEL, 0), "");
        assert_eq!(fitting("a\u{1b}b", LABEL, 100), "a\u{fffd}b");
    }

    #[test]
    fn a_larger_text_is_wider() {
        assert!(width("sample_distance", CAPTION) > width("sample_distance", LABEL));
        assert_eq!(width("", LABEL), 0);
    }
}
