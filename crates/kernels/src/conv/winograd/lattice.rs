//! Place the points of a tiling on the pixels of an image.

use std::ops::Range;

/// Positions of a tiling's points in an image: along each axis, point i of phase a is pixel
/// stride · i + a + offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lattice {
    pub(super) channels: usize,
    /// Rows and columns of an image.
    pub(super) size: [usize; 2],
    /// Phases along either axis.
    pub(super) stride: usize,
    pub(super) offset: [isize; 2],
}

impl Lattice {
    /// Phases of both axes together.
    #[inline]
    pub(super) fn phases(&self) -> usize {
        self.stride * self.stride
    }

    pub(super) fn image_len(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    /// Strides of images in so many lanes; a single lane stands for images in planes.
    pub(super) fn steps(&self, lanes: usize) -> Steps {
        let [height, width] = self.size;
        match lanes {
            1 => Steps {
                image: self.image_len(),
                channel: height * width,
                row: width,
                pixel: 1,
            },
            _ => Steps {
                image: 1,
                channel: lanes,
                row: width * self.channels * lanes,
                pixel: self.channels * lanes,
            },
        }
    }

    /// Channel of an image, and row and column of point zero, of a phase of a channel.
    #[inline]
    pub(super) fn phase(&self, index: usize) -> (usize, [isize; 2]) {
        let (channel, phase) = (index / self.phases(), index % self.phases());
        let [row, column] = [phase / self.stride, phase % self.stride];
        let start = [
            self.offset[0] + row as isize,
            self.offset[1] + column as isize,
        ];
        (channel, start)
    }

    /// The part of `points` that is inside of the image along one axis, where point zero is at
    /// `start`.
    #[inline]
    pub(super) fn inside(&self, points: Range<usize>, start: isize, axis: usize) -> Range<usize> {
        let stride = self.stride as isize;
        let first_at = |pixel: isize| ((pixel - start + stride - 1).div_euclid(stride)).max(0);
        let [first, end] = [0, self.size[axis] as isize].map(|pixel| first_at(pixel) as usize);
        let first = first.clamp(points.start, points.end);
        first..end.clamp(first, points.end)
    }

    /// The pixel of a point inside of the image.
    #[inline]
    pub(super) fn pixel(&self, point: usize, start: isize) -> usize {
        (self.stride as isize * point as isize + start) as usize
    }
}

/// Elements from one image, channel, row or pixel to the next.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub(super) image: usize,
    pub(super) channel: usize,
    pub(super) row: usize,
    pub(super) pixel: usize,
}
