//! Convolve small images on one CPU core.
//!
//! [`winograd`] takes the 3×3 kernels of stride one and the 4×4 kernels of stride two between many
//! channels, forward and for the input's gradient; [`unfolded`] takes everything else. Which of the
//! two it is depends on the geometry alone, never on the batch, and so do the bits of an image's
//! result.

mod plan;
mod scratch;
#[cfg(test)]
mod tests;
mod unfolded;
mod winograd;

use std::ops::Range;
use std::sync::OnceLock;

use super::matrix::sum_of;
pub(crate) use unfolded::weight_gradient;
use winograd::Winograd;

/// Geometry of a convolution with explicit padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Images in the batch.
    pub(crate) batch: usize,
    /// Channels of an input image.
    pub(crate) channels_in: usize,
    /// Rows of an input image.
    pub(crate) height: usize,
    /// Columns of an input image.
    pub(crate) width: usize,
    /// Channels of an output image.
    pub(crate) channels_out: usize,
    /// Rows and columns of the kernel.
    pub(crate) kernel: [usize; 2],
    /// Steps between output rows and between output columns.
    pub(crate) stride: [usize; 2],
    /// Zeros before and after the rows, before and after the columns.
    pub(crate) padding: [(usize, usize); 2],
}

impl ConvShape {
    /// Rows and columns of an output image.
    ///
    /// # Panics
    ///
    /// When a stride is zero or the kernel is empty or larger than the padded image.
    pub(crate) fn out(&self) -> [usize; 2] {
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

    fn positions(&self) -> usize {
        self.out().iter().product()
    }

    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    fn image_len(&self) -> usize {
        self.channels_in * self.height * self.width
    }

    fn out_image_len(&self) -> usize {
        self.channels_out * self.positions()
    }

    fn out_range(&self, images: &Range<usize>) -> Range<usize> {
        let image = self.out_image_len();
        images.start * image..images.end * image
    }

    fn plane_range(&self, image: usize, channel: usize) -> Range<usize> {
        let plane = self.height * self.width;
        let first = (image * self.channels_in + channel) * plane;
        first..first + plane
    }

    /// Panics unless the lengths given are those of the input, the weights and the output.
    fn check(&self, x: Option<usize>, weight: Option<usize>, out: Option<usize>) {
        assert!(
            self.channels_in > 0 && self.channels_out > 0,
            "expected channels, got {self:?}"
        );
        let weight_len = self.channels_out * self.channels_in * self.taps();
        let expected = [
            self.batch * self.image_len(),
            weight_len,
            self.batch * self.out_image_len(),
        ];
        for (name, (expected, got)) in ["input", "weight", "output"]
            .iter()
            .zip(expected.into_iter().zip([x, weight, out]))
        {
            let got = got.unwrap_or(expected);
            assert_eq!(
                expected, got,
                "expected {expected} values of {name}, got {got}"
            );
        }
    }

    fn check_bias(&self, len: usize) {
        let channels = self.channels_out;
        assert_eq!(
            len, channels,
            "expected a bias for each of {channels} channels"
        );
    }
}

/// The weights of a convolution, `[c_out, c_in, kh, kw]`, and what the kernels have made of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) layouts: &'a Layouts,
}

/// The layouts in which kernels read weights, each made at its first use.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    packed: OnceLock<Vec<f32>>,
    turned: OnceLock<Vec<f32>>,
    at_points: OnceLock<Vec<f32>>,
    turned_at_points: OnceLock<Vec<f32>>,
}

/// Writes the convolution of `x` with `weight`, plus `bias` per output channel, into `out`.
///
/// # Shapes
///
/// `x` `[batch, c_in, h, w]`, `bias` `[c_out]`, `out` `[batch, c_out, oh, ow]`.
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it.
pub(crate) fn forward(
    shape: ConvShape,
    x: &[f32],
    weight: Weights,
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    shape.check(Some(x.len()), Some(weight.values.len()), Some(out.len()));
    if let Some(bias) = bias {
        shape.check_bias(bias.len());
    }
    let layouts = weight.layouts;
    match Winograd::forward(&shape) {
        Some(winograd) => {
            let make = || winograd.weights(weight.values);
            let values = layouts.at_points.get_or_init(make);
            winograd.run(values, x, bias, out);
        }
        None => {
            let make = || unfolded::packed(shape, weight.values);
            unfolded::forward(shape, x, layouts.packed.get_or_init(make), bias, out);
        }
    }
}

/// Writes the gradient with respect to the input into `grad_x`.
///
/// # Shapes
///
/// `grad_out` `[batch, c_out, oh, ow]`, `grad_x` `[batch, c_in, h, w]`.
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it.
pub(crate) fn input_gradient(
    shape: ConvShape,
    weight: Weights,
    grad_out: &[f32],
    grad_x: &mut [f32],
) {
    shape.check(
        Some(grad_x.len()),
        Some(weight.values.len()),
        Some(grad_out.len()),
    );
    let layouts = weight.layouts;
    match Winograd::input_gradient(&shape) {
        Some(winograd) => {
            let make = || winograd.weights(weight.values);
            let values = layouts.turned_at_points.get_or_init(make);
            winograd.run(values, grad_out, None, grad_x);
        }
        None => {
            let make = || unfolded::turned(shape, weight.values);
            unfolded::input_gradient(shape, layouts.turned.get_or_init(make), grad_out, grad_x);
        }
    }
}

/// Writes the gradient with respect to the bias, summed over batch and positions, into `grad_bias`.
///
/// # Shapes
///
/// `grad_out` `[batch, c_out, oh, ow]`, `grad_bias` `[c_out]`.
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it.
pub(crate) fn bias_gradient(shape: ConvShape, grad_out: &[f32], grad_bias: &mut [f32]) {
    shape.check(None, None, Some(grad_out.len()));
    shape.check_bias(grad_bias.len());
    grad_bias.fill(0.0);
    for image in grad_out.chunks_exact(shape.out_image_len().max(1)) {
        for (sum, plane) in grad_bias
            .iter_mut()
            .zip(image.chunks_exact(shape.positions()))
        {
            *sum += sum_of(plane);
        }
    }
}
