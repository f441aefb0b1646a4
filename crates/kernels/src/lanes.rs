//! Convert batches to and from the layout where images are lanes, so that a vector holds the same
//! element of many images.
//!
//! A batch `[images, channels, height, width]` becomes `[height, width, channels, lanes]`; lanes
//! without an image hold zeros. Whatever the size of an image, an operation that treats all images
//! alike then works on whole vectors.

use std::ops::Range;

/// Elements of the narrowest vectors; the number of lanes is a multiple of it.
pub(crate) const MIN_WIDTH: usize = 8;
/// Elements of the widest vectors.
pub(crate) const MAX_WIDTH: usize = 16;

/// Lanes of a batch of so many images.
pub fn lanes_for(images: usize) -> usize {
    images.next_multiple_of(MIN_WIDTH)
}

/// Converts planes `[images, channels, pixels]` of this size to lanes.
///
/// # Shapes
/// - `planes` `[images, channels, pixels]`, `lanes` `[pixels, channels, lanes]`
///
/// # Panics
///
/// When a slice does not have the length that `size` gives it.
pub fn spread(planes: &[f32], size: [usize; 3], lanes: &mut [f32]) {
    spread_part(planes, size, 0..size[1], 0..size[2], lanes);
}

/// Converts some channels and pixels of planes `[images, channels, pixels]` to lanes, `[pixels,
/// channels, lanes]`.
pub(crate) fn spread_part(
    planes: &[f32],
    [images, channels, pixels]: [usize; 3],
    some_channels: Range<usize>,
    some_pixels: Range<usize>,
    lanes: &mut [f32],
) {
    let width = lanes_for(images);
    let pixel_len = some_channels.len() * width;
    assert_eq!(planes.len(), images * channels * pixels);
    assert_eq!(lanes.len(), some_pixels.len() * pixel_len);
    for (index, channel) in some_channels.enumerate() {
        for first in (0..images).step_by(MIN_WIDTH) {
            let count = MIN_WIDTH.min(images - first);
            let start = index * width + first;
            for pixel in some_pixels.clone().step_by(MIN_WIDTH) {
                let some = MIN_WIDTH.min(some_pixels.end - pixel);
                let mut block = [[0.0; MIN_WIDTH]; MIN_WIDTH]; // images, pixels
                for (image, row) in block.iter_mut().take(count).enumerate() {
                    let from = ((first + image) * channels + channel) * pixels + pixel;
                    copy_up_to_width(row, &planes[from..], some);
                }
                let block = transposed(block);
                for (i, row) in block.iter().take(some).enumerate() {
                    let at = (pixel - some_pixels.start + i) * pixel_len + start;
                    lanes[at..at + MIN_WIDTH].copy_from_slice(row);
                }
            }
        }
    }
}

/// Converts lanes to planes `[images, channels, pixels]` of this size.
///
/// # Shapes
/// - `lanes` `[pixels, channels, lanes]`, `planes` `[images, channels, pixels]`
///
/// # Panics
///
/// When a slice does not have the length that the size gives it.
pub fn collect(lanes: &[f32], [images, channels, pixels]: [usize; 3], planes: &mut [f32]) {
    let width = lanes_for(images);
    assert_eq!(planes.len(), images * channels * pixels);
    assert_eq!(lanes.len(), width * channels * pixels);
    for channel in 0..channels {
        for first in (0..images).step_by(MIN_WIDTH) {
            let count = MIN_WIDTH.min(images - first);
            for pixel in (0..pixels).step_by(MIN_WIDTH) {
                let some = MIN_WIDTH.min(pixels - pixel);
                let mut block = [[0.0; MIN_WIDTH]; MIN_WIDTH]; // pixels, images
                for (i, row) in block.iter_mut().take(some).enumerate() {
                    let at = ((pixel + i) * channels + channel) * width + first;
                    row.copy_from_slice(&lanes[at..at + MIN_WIDTH]);
                }
                let block = transposed(block);
                for (image, row) in block.iter().take(count).enumerate() {
                    let to = ((first + image) * channels + channel) * pixels + pixel;
                    copy_up_to_width(&mut planes[to..], row, some);
                }
            }
        }
    }
}

/// Copies `len` elements. The usual length is a constant, so that it is one vector copy.
fn copy_up_to_width(to: &mut [f32], from: &[f32], len: usize) {
    match len {
        MIN_WIDTH => to[..MIN_WIDTH].copy_from_slice(&from[..MIN_WIDTH]),
        _ => to[..len].copy_from_slice(&from[..len]),
    }
}

fn transposed(block: [[f32; MIN_WIDTH]; MIN_WIDTH]) -> [[f32; MIN_WIDTH]; MIN_WIDTH] {
    core::array::from_fn(|i| core::array::from_fn(|j| block[j][i]))
}
