//! Describe the geometry of a convolution.

/// Geometry of a convolution with explicit padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images in the batch.
    pub batch: usize,
    /// Channels of an input image.
    pub channels_in: usize,
    /// Rows of an input image.
    pub height: usize,
    /// Columns of an input image.
    pub width: usize,
    /// Channels of an output image.
    pub channels_out: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Input rows from one output row to the next, and input columns from one output column to the
    /// next.
    pub stride: [usize; 2],
    /// Zeros before and after the rows, and before and after the columns.
    pub padding: [(usize, usize); 2],
}

impl ConvShape {
    /// Rows and columns of an output image.
    ///
    /// # Panics
    ///
    /// When a stride is zero, or the kernel is empty or larger than the padded image.
    pub fn out(&self) -> [usize; 2] {
        let size = [self.height, self.width];
        [0, 1].map(|axis| {
            let (before, after) = self.padding[axis];
            let padded = size[axis] + before + after;
            let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
            assert!(
                (1..=padded).contains(&kernel) && stride > 0,
                "expected a kernel of 1 to {padded} and a stride above 0, got {kernel} and {stride}"
            );
            (padded - kernel) / stride + 1
        })
    }

    /// Taps of the kernel between an input and an output channel.
    pub(super) fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Whether the kernel covers the image, so that every output is a sum over the whole image.
    pub fn is_dense(&self) -> bool {
        self.kernel == [self.height, self.width] && self.padding == [(0, 0); 2]
    }
}
