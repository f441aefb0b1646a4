//! Resize pictures, all with the same filter.
//!
//! The triangle filter weighs neighbours by their distance and, where a picture shrinks, averages over
//! all pixels that a new one covers. It has no negative lobe: plain areas keep their value exactly, and
//! nothing rings beside an edge.

use std::ops::Deref;

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma, Pixel};

/// A picture at `width` × `height`, each channel by itself.
pub(crate) fn resize<P, Bytes>(
    picture: &ImageBuffer<P, Bytes>,
    width: usize,
    height: usize,
) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8> + 'static,
    Bytes: Deref<Target = [u8]>,
{
    imageops::resize(picture, width as u32, height as u32, FilterType::Triangle)
}

/// One channel of `width` × `height` bytes, row by row, at `side` × `side`.
///
/// # Panics
/// If there are fewer bytes.
pub(crate) fn resize_plane(plane: &[u8], width: usize, height: usize, side: usize) -> Vec<u8> {
    let plane = ImageBuffer::<Luma<u8>, &[u8]>::from_raw(width as u32, height as u32, plane)
        .expect("a plane has width × height bytes");
    resize(&plane, side, side).into_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_averages_and_growing_interpolates() {
        // (3·7 + 3·14 + 21) / 7 and (14 + 3·21 + 3·28) / 7.
        let rows = [[7, 14, 21, 28]; 4].concat();
        assert_eq!(resize_plane(&rows, 4, 4, 2), [12, 23, 12, 23]);
        // New pixels lie a quarter of an old one off: (3·10 + 50) / 4 and (10 + 3·50) / 4.
        let columns = [10, 50, 10, 50];
        assert_eq!(
            resize_plane(&columns, 2, 2, 4),
            [[10, 20, 40, 50]; 4].concat()
        );
    }

    #[test]
    fn nothing_rings_beside_an_edge() {
        let edge: Vec<u8> = (0..64).map(|i| if i % 8 < 4 { 0 } else { 255 }).collect();
        let grown = resize_plane(&edge, 8, 8, 20);
        for row in grown.chunks(20) {
            assert!(row.is_sorted(), "{row:?}");
            assert_eq!((row[0], row[19]), (0, 255));
        }
    }
}
