//! Describe how the kernels of a convolution meet its input.

use burn::tensor::ops::ConvOptions;

/// Strides of a convolution, and the zeros around its input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvGeometry {
    /// Distance between outputs, rows and columns.
    pub(crate) stride: [usize; 2],
    /// Zeros before and after, rows and columns.
    pub(crate) padding: [(usize, usize); 2],
}

impl ConvGeometry {
    /// Rows and columns of the output, from those of the input and of the kernels.
    ///
    /// # Panics
    /// If the kernels are larger than the padded input.
    pub(crate) fn output(self, size: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let (before, after) = self.padding[axis];
            let padded = size[axis] + before + after;
            let kernel = kernel[axis];
            assert!(kernel <= padded, "a kernel of {kernel} on {padded} pixels");
            (padded - kernel) / self.stride[axis] + 1
        })
    }

    pub(super) fn options(self) -> ConvOptions<2> {
        ConvOptions::new_with_padding(self.stride, self.padding, [1, 1], 1)
    }
}
