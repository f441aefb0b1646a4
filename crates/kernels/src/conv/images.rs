//! Describe the two memory layouts of a batch of images.

use std::ops::Range;

use crate::lanes::{lanes_for, spread_part};

/// Memory layout of a batch of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `[images, channels, height, width]`.
    Planes,
    /// `[height, width, channels, lanes]`, see [`lanes`](crate::lanes).
    Lanes,
}

impl Order {
    /// Images that a batch takes the memory of; unused lanes count.
    pub fn images(self, batch: usize) -> usize {
        match self {
            Self::Planes => batch,
            Self::Lanes => lanes_for(batch),
        }
    }

    /// Elements of a batch `[images, channels, height, width]`, unused lanes included.
    pub fn len(self, [batch, channels, height, width]: [usize; 4]) -> usize {
        self.images(batch) * channels * height * width
    }

    /// Size `[height, width, elements]` of the planes that follow each other in memory: a plane is
    /// one channel of one image here, and the whole batch in lanes.
    pub fn plane(self, [batch, channels, height, width]: [usize; 4]) -> [usize; 3] {
        match self {
            Self::Planes => [height, width, 1],
            Self::Lanes => [height, width, channels * lanes_for(batch)],
        }
    }

    /// Elements of the runs in which the channels of a batch follow each other in memory: a run is an
    /// image in planes, and a pixel of the whole batch in lanes.
    pub fn run(self, [batch, channels, height, width]: [usize; 4]) -> usize {
        match self {
            Self::Planes => channels * height * width,
            Self::Lanes => channels * lanes_for(batch),
        }
    }
}

/// A batch of images in either order; lanes without an image hold zeros.
#[derive(Clone, Copy, Debug)]
pub struct ImageBatch<'a> {
    /// Elements of all images, unused lanes included.
    pub values: &'a [f32],
    /// Layout of the elements.
    pub order: Order,
    /// Images, channels, rows and columns.
    pub size: [usize; 4],
}

impl ImageBatch<'_> {
    /// Copies some channels of some rows to `[rows, columns, channels, lanes]`.
    pub(super) fn pack(&self, channels: Range<usize>, rows: Range<usize>, packed: &mut [f32]) {
        let [images, all_channels, height, width] = self.size;
        let pixels = rows.start * width..rows.end * width;
        match self.order {
            Order::Planes => {
                let size = [images, all_channels, height * width];
                spread_part(self.values, size, channels, pixels, packed);
            }
            Order::Lanes => {
                let lanes = lanes_for(images);
                let to = packed.chunks_exact_mut(channels.len() * lanes);
                for (pixel, to) in pixels.zip(to) {
                    let from = (pixel * all_channels + channels.start) * lanes;
                    to.copy_from_slice(&self.values[from..from + to.len()]);
                }
            }
        }
    }

    /// Panics unless the images have this size and `values` the length that goes with it.
    pub(super) fn check(&self, [channels, height, width]: [usize; 3]) {
        let images = self.order.images(self.size[0]);
        assert_eq!(self.size[1..], [channels, height, width]);
        assert_eq!(self.values.len(), images * channels * height * width);
    }
}
