//! Lay images beside each other: a lane each, so that vectors hold the same pixel of many images.
//!
//! A batch `[images, channels, height, width]` then lies as `[height, width, channels, lanes]`, with
//! zeros in the lanes without an image. Whatever the sizes, everything that treats images alike runs
//! through whole vectors.

use std::ops::Range;

/// Numbers of lanes are multiples of this.
pub(crate) const WIDTH: usize = 8;

/// Lanes for so many images.
pub fn lanes_for(images: usize) -> usize {
    images.next_multiple_of(WIDTH)
}

/// Brings `[images, channels, pixels]` to `[pixels, channels, lanes]`.
pub fn spread(planes: &[f32], size: [usize; 3], lanes: &mut [f32]) {
    spread_part(planes, size, 0..size[1], 0..size[2], lanes);
}

/// Brings some channels and pixels of `[images, channels, pixels]` to `[pixels, channels, lanes]`.
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
        for first in (0..images).step_by(WIDTH) {
            let count = WIDTH.min(images - first);
            let start = index * width + first;
            for pixel in some_pixels.clone().step_by(WIDTH) {
                let some = WIDTH.min(some_pixels.end - pixel);
                let mut block = [[0.0; WIDTH]; WIDTH]; // images, pixels
                for (image, row) in block.iter_mut().take(count).enumerate() {
                    let from = ((first + image) * channels + channel) * pixels + pixel;
                    copy_up_to_width(row, &planes[from..], some);
                }
                let block = transposed(block);
                for (i, row) in block.iter().take(some).enumerate() {
                    let at = (pixel - some_pixels.start + i) * pixel_len + start;
                    lanes[at..at + WIDTH].copy_from_slice(row);
                }
            }
        }
    }
}

/// Brings `[pixels, channels, lanes]` to `[images, channels, pixels]`.
pub fn collect(lanes: &[f32], [images, channels, pixels]: [usize; 3], planes: &mut [f32]) {
    let width = lanes_for(images);
    assert_eq!(planes.len(), images * channels * pixels);
    assert_eq!(lanes.len(), width * channels * pixels);
    for channel in 0..channels {
        for first in (0..images).step_by(WIDTH) {
            let count = WIDTH.min(images - first);
            for pixel in (0..pixels).step_by(WIDTH) {
                let some = WIDTH.min(pixels - pixel);
                let mut block = [[0.0; WIDTH]; WIDTH]; // pixels, images
                for (i, row) in block.iter_mut().take(some).enumerate() {
                    let at = ((pixel + i) * channels + channel) * width + first;
                    row.copy_from_slice(&lanes[at..at + WIDTH]);
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

/// Copies `len` numbers, whose usual number is known when this is compiled.
fn copy_up_to_width(to: &mut [f32], from: &[f32], len: usize) {
    match len {
        WIDTH => to[..WIDTH].copy_from_slice(&from[..WIDTH]),
        _ => to[..len].copy_from_slice(&from[..len]),
    }
}

fn transposed(block: [[f32; WIDTH]; WIDTH]) -> [[f32; WIDTH]; WIDTH] {
    core::array::from_fn(|i| core::array::from_fn(|j| block[j][i]))
}
