//! Describe a convolution as a product of matrices.

use burn::tensor::Shape;

use super::tiling::VECTOR;
use crate::ops::geometry::ConvGeometry;
use crate::ops::gpu::conv::conv_ops::{Cells, ConvOfSize};

/// A convolution of any number of images. Kernels are compiled for it.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(in crate::ops::gpu::conv) struct ConvShape {
    /// In and out.
    pub(super) channels: [usize; 2],
    /// Rows and columns.
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Zeros above and to the left.
    pub(super) before: [usize; 2],
    /// Rows and columns of an image.
    pub(super) size: [usize; 2],
    /// Rows and columns of outputs.
    pub(super) out: [usize; 2],
    /// How outputs are written where they are cells of pixels.
    pub(super) cells: Option<Cells>,
}

impl ConvShape {
    /// From the shapes of images and weights.
    pub(in crate::ops::gpu::conv) fn forward(
        x: &Shape,
        weight: &Shape,
        geometry: ConvGeometry,
    ) -> Self {
        let (size, kernel) = ([x[2], x[3]], [weight[2], weight[3]]);
        Self {
            channels: [weight[1], weight[0]],
            kernel,
            stride: geometry.stride,
            before: geometry.padding.map(|(before, _)| before),
            size,
            out: geometry.output(size, kernel),
            cells: None,
        }
    }

    /// The input gradient of `conv`, by turned weights, from the shapes of the output's gradient and of
    /// the weights.
    pub(in crate::ops::gpu::conv) fn backward(
        gradient: &Shape,
        weight: &Shape,
        conv: ConvOfSize,
    ) -> Self {
        let stride = conv.geometry.stride;
        let kernel = [0, 1].map(|axis| conv.kernel[axis].div_ceil(stride[axis]));
        let size = [gradient[2], gradient[3]];
        let (zeros, cells) = conv.cells(size);
        let geometry = ConvGeometry {
            stride: [1, 1],
            padding: zeros.map(|zeros| (zeros, zeros)),
        };
        Self {
            channels: [weight[0], weight[1] * stride[0] * stride[1]],
            kernel,
            stride: [1, 1],
            before: zeros,
            size,
            out: geometry.output(size, kernel),
            cells: Some(cells),
        }
    }

    /// Columns of the left matrix: the channels of all taps.
    pub(super) fn columns(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels[0]
    }

    /// Vectors of a row of either matrix, the last of which may be longer than the row.
    pub(super) fn vectors(&self) -> usize {
        self.columns().div_ceil(VECTOR)
    }

    /// How many channels of a pixel can be read at once.
    pub(super) fn vector_size(&self) -> usize {
        if self.channels[0].is_multiple_of(VECTOR) {
            VECTOR
        } else {
            1
        }
    }

    /// Pixels of an image's outputs.
    pub(super) fn pixels(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// `[batch, height, width, channels]` of the result.
    pub(super) fn dims_of_result(&self, batch: usize) -> [usize; 4] {
        match self.cells {
            Some(Cells { stride, size, .. }) => {
                let channels = self.channels[1] / (stride[0] * stride[1]);
                [batch, size[0], size[1], channels]
            }
            None => [batch, self.out[0], self.out[1], self.channels[1]],
        }
    }
}
