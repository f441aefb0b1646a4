//! Say what a byte is as a pixel, a pixel as a byte, and a colour as a grey.
//!
//! A byte q stands for the interval [q/256, (q + 1)/256) of [0, 1]: training spreads it evenly over
//! that interval, a deterministic reader takes its middle, and a pixel becomes the byte of the
//! interval that it lies in. So a byte that becomes a pixel in any of these ways comes back the same.

/// Width of the interval that a byte stands for.
pub const BYTE_WIDTH: f32 = 1.0 / 256.0;

/// Weights of red, green and blue in a grey level (luma, Rec. ITU-R BT.601).
pub const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// The middle of the interval that a byte stands for, (q + ½)/256.
#[inline]
pub fn pixel_of_byte(byte: u8) -> f32 {
    (f32::from(byte) + 0.5) * BYTE_WIDTH
}

/// The byte of the interval in which a pixel lies, ⌊256·x⌋ clamped to 0 to 255; 0 for NaN.
#[inline]
pub fn byte_of_pixel(pixel: f32) -> u8 {
    (256.0 * pixel).floor() as u8
}

/// The grey level of a colour, [`LUMA`] in thousandths, rounded to the nearest.
#[inline]
pub fn luma_of_bytes([red, green, blue]: [u8; 3]) -> u8 {
    let thousandths = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    ((thousandths + 500) / 1000) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_comes_back_from_anywhere_in_its_interval() {
        for byte in 0..=255u8 {
            assert_eq!(byte_of_pixel(pixel_of_byte(byte)), byte);
            assert_eq!(byte_of_pixel(f32::from(byte) * BYTE_WIDTH), byte);
        }
        assert_eq!(
            [-0.1, 1.0, 7.0, f32::NAN].map(byte_of_pixel),
            [0, 255, 255, 0]
        );
    }

    #[test]
    fn a_grey_level_is_the_rounded_luma() {
        // 97.500 and 90.490: no weight may be smaller or larger by 0.001.
        for (colour, luma) in [
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
            ([255; 3], 255),
            ([60, 120, 80], 98),
            ([60, 110, 70], 90),
        ] {
            assert_eq!(luma_of_bytes(colour), luma);
        }
    }
}
