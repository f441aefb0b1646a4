//! Convolve small images on one CPU core: unfold them into columns, then multiply matrices.
//!
//! A convolution of one image is `W · cols`, where `cols` holds under each output position the
//! patch of the image that the kernel sees there [Chellapilla, Puri, Simard 2006]; its gradients
//! are the two transposed products, but with a stride of one and many channels the gradient of the
//! image is a convolution itself. Large images are cut into bands of rows. `forward` and
//! `input_gradient` work through the batch in groups of a size that depends on the geometry alone
//! and fill the last group with zeros, so that the bits of an image's result do not depend on the
//! batch that it is in.

mod plan;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::ConvGeometry;
use super::matrix::{Matrix, fill_rows, multiply, sum_of};
use plan::Plan;

/// Output positions that one product should have at least: fewer leave it bound by the weights.
const MIN_POSITIONS: usize = 64;
/// Input channels from which a gradient is computed as a convolution of its own.
const MIN_MIRRORED_CHANNELS: usize = 16;
/// Output positions over which one product of the weight gradient should sum.
const MIN_SUMMED_POSITIONS: usize = 512;

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
}

/// Writes the convolution of `x` with `weight`, plus `bias` per output channel, into `out`.
///
/// # Shapes
///
/// `x` `[batch, c_in, h, w]`, `weight` `[c_out, c_in, kh, kw]`, `bias` `[c_out]`,
/// `out` `[batch, c_out, oh, ow]`.
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it.
pub(crate) fn forward(
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    shape.check(Some(x.len()), Some(weight.len()), Some(out.len()));
    let channels = shape.channels_out;
    if let Some(bias) = bias {
        assert_eq!(
            bias.len(),
            channels,
            "expected a bias for each of {channels} channels"
        );
    }
    let plan = Plan::new(shape, group_for(shape, MIN_POSITIONS));
    let row_len = shape.channels_in * plan.taps;
    plan.with_scratch(|[planes, cols, staged]| {
        planes.fill(0.0); // the padding, which no image overwrites
        for images in plan.groups() {
            let result = &mut out[shape.out_range(&images)];
            if plan.in_place {
                fill_rows(result, plan.positions, bias);
            }
            for band in plan.bands() {
                for chunk in plan.chunks() {
                    let kernels =
                        Matrix::new(&weight[chunk.start * plan.taps..], channels, row_len)
                            .keep(chunk.len() * plan.taps);
                    let patches = plan.unfold(x, &images, &band, &chunk, planes, cols);
                    if plan.in_place {
                        let sums = &mut result[plan.band_start(&band)..];
                        multiply(kernels, patches, sums, plan.positions, true);
                    } else {
                        multiply(kernels, patches, staged, plan.row_len, chunk.start > 0);
                    }
                }
            }
            if !plan.in_place {
                plan.unstage(staged, bias, result);
            }
        }
    });
}

/// Writes the gradient with respect to the input into `grad_x`.
///
/// # Shapes
///
/// `weight` as [`for_gradient`] gives it, `grad_out` `[batch, c_out, oh, ow]`,
/// `grad_x` `[batch, c_in, h, w]`.
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it.
pub(crate) fn input_gradient(
    shape: ConvShape,
    weight: &[f32],
    grad_out: &[f32],
    grad_x: &mut [f32],
) {
    shape.check(Some(grad_x.len()), Some(weight.len()), Some(grad_out.len()));
    if let Some(mirrored) = mirrored(shape) {
        return forward(mirrored, grad_out, weight, None, grad_x);
    }
    let plan = Plan::without_bands(shape, group_for(shape, MIN_POSITIONS));
    plan.with_scratch(|[planes, cols, staged]| {
        for images in plan.groups() {
            let grad = plan.stage(&grad_out[shape.out_range(&images)], staged);
            for chunk in plan.chunks() {
                let first = chunk.start * plan.taps * shape.channels_out;
                let rows = chunk.len() * plan.taps;
                let kernels = Matrix::new(&weight[first..], rows, shape.channels_out);
                if plan.pointwise {
                    let planes = &mut grad_x[shape.plane_range(images.start, chunk.start).start..];
                    multiply(kernels, grad, planes, plan.positions, false);
                } else {
                    multiply(kernels, grad, cols, plan.row_len, false);
                    plan.fold(cols, &images, &chunk, planes, grad_x);
                }
            }
        }
    });
}

/// Weights `[c_out, c_in, kh, kw]` in the layout in which [`input_gradient`] reads them:
/// `[c_in, c_out, kh, kw]` with every kernel turned by 180° where the gradient is a convolution
/// itself, `[c_in, kh, kw, c_out]` where it is folded.
pub(crate) fn for_gradient(
    [outputs, inputs, rows, columns]: [usize; 4],
    geometry: ConvGeometry,
    weight: &[f32],
) -> Vec<f32> {
    let taps = rows * columns;
    let is_mirrored = gradient_is_convolution(inputs, [rows, columns], geometry);
    let mut turned = vec![0.0; weight.len()];
    for (input, kernels) in turned.chunks_exact_mut((outputs * taps).max(1)).enumerate() {
        for output in 0..outputs {
            let from = &weight[(output * inputs + input) * taps..][..taps];
            for (tap, &value) in from.iter().enumerate() {
                let to = match is_mirrored {
                    true => output * taps + taps - 1 - tap,
                    false => tap * outputs + output,
                };
                kernels[to] = value;
            }
        }
    }
    turned
}

/// Whether an input gradient is computed as a convolution of the output's gradient: with a stride of
/// one and many channels; for few, folding is quicker.
fn gradient_is_convolution(inputs: usize, kernel: [usize; 2], geometry: ConvGeometry) -> bool {
    let fits = |axis: usize| {
        let (before, after) = geometry.padding[axis];
        before.max(after) < kernel[axis]
    };
    inputs >= MIN_MIRRORED_CHANNELS && geometry.stride == [1, 1] && fits(0) && fits(1)
}

/// The convolution of the output's gradient that gives the input's.
fn mirrored(shape: ConvShape) -> Option<ConvShape> {
    let geometry = ConvGeometry {
        stride: shape.stride,
        padding: shape.padding,
    };
    let [height, width] = shape.out();
    gradient_is_convolution(shape.channels_in, shape.kernel, geometry).then(|| ConvShape {
        channels_in: shape.channels_out,
        channels_out: shape.channels_in,
        height,
        width,
        padding: [0, 1].map(|axis| {
            let ((before, after), last) = (shape.padding[axis], shape.kernel[axis] - 1);
            (last - before, last - after)
        }),
        ..shape
    })
}

/// Writes the gradient with respect to the weights, summed over the batch, into `grad_weight`.
///
/// # Shapes
///
/// `x` `[batch, c_in, h, w]`, `grad_out` `[batch, c_out, oh, ow]`,
/// `grad_weight` `[c_out, c_in, kh, kw]`.
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it.
pub(crate) fn weight_gradient(
    shape: ConvShape,
    x: &[f32],
    grad_out: &[f32],
    grad_weight: &mut [f32],
) {
    shape.check(Some(x.len()), Some(grad_weight.len()), Some(grad_out.len()));
    grad_weight.fill(0.0);
    let group = group_for(shape, MIN_SUMMED_POSITIONS).min(shape.batch.max(1));
    let plan = Plan::new(shape, group);
    let row_len = shape.channels_in * plan.taps;
    plan.with_scratch(|[planes, cols, staged]| {
        planes.fill(0.0); // the padding, which no image overwrites
        for images in plan.groups() {
            let grad = plan.stage(&grad_out[shape.out_range(&images)], staged);
            for band in plan.bands() {
                let grad = grad.skip_columns(plan.band_start(&band)).keep(plan.columns);
                for chunk in plan.chunks() {
                    let patches = plan.unfold(x, &images, &band, &chunk, planes, cols);
                    let sums = &mut grad_weight[chunk.start * plan.taps..];
                    multiply(grad, patches.transposed(), sums, row_len, true);
                }
            }
        }
    });
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
    let channels = shape.channels_out;
    assert_eq!(
        grad_bias.len(),
        channels,
        "expected a bias for each of {channels} channels"
    );
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

/// Images that together have at least so many output positions, whatever the batch.
fn group_for(shape: ConvShape, positions: usize) -> usize {
    positions.div_ceil(shape.positions())
}
