//! Convolve by unfolding images into columns and multiplying matrices.
//!
//! A convolution of one image is `W · cols`, where `cols` holds under each output position the
//! patch of the image that the kernel sees there [Chellapilla, Puri, Simard 2006]; its gradients
//! are the two transposed products, but with a stride of one and many channels the gradient of the
//! image is a convolution itself. Large images are cut into bands of rows. `forward` and
//! `input_gradient` work through the batch in groups of a size that depends on the geometry alone
//! and fill the last group with zeros, so that the bits of an image's result do not depend on the
//! batch that it is in.

use super::ConvShape;
use super::plan::Plan;
use super::scratch::with_scratch;
use crate::ops::matrix::{Blocks, LANES, Matrix, Packed, fill_rows, multiply, multiply_packed};

/// Output positions that one product should have at least: fewer leave it bound by the weights.
const MIN_POSITIONS: usize = 64;
/// Input channels from which a gradient is computed as a convolution of its own.
const MIN_MIRRORED_CHANNELS: usize = 16;
/// Output positions over which one product of the weight gradient should sum.
const MIN_SUMMED_POSITIONS: usize = 512;

/// See [`super::forward`]; `weight` as [`packed`] gives it.
pub(super) fn forward(
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    let channels = shape.channels_out;
    let plan = Plan::new(shape, group_for(shape, MIN_POSITIONS));
    let weight = Packed::new(weight, channels, shape.channels_in * plan.taps);
    let lengths = [plan.planes_len(), plan.columns_len(), plan.staged_len()];
    with_scratch(lengths, |[planes, cols, staged]| {
        planes.fill(0.0); // the padding, which no image overwrites
        for images in plan.groups() {
            let result = &mut out[shape.out_range(&images)];
            if plan.in_place {
                fill_rows(result, plan.positions, bias);
            }
            for band in plan.bands() {
                for chunk in plan.chunks() {
                    let kernels = chunk.start * plan.taps..chunk.end * plan.taps;
                    let kernels = weight.columns(kernels);
                    let patches = plan.unfold(x, &images, &band, &chunk, planes, cols);
                    if plan.in_place {
                        let sums = &mut result[plan.band_start(&band)..];
                        multiply_packed(kernels, patches, sums, plan.positions, true);
                    } else {
                        multiply_packed(kernels, patches, staged, plan.row_len, chunk.start > 0);
                    }
                }
            }
            if !plan.in_place {
                plan.unstage(staged, bias, result);
            }
        }
    });
}

/// See [`super::input_gradient`]; `weight` as [`turned`] gives it.
pub(super) fn input_gradient(
    shape: ConvShape,
    weight: &[f32],
    grad_out: &[f32],
    grad_x: &mut [f32],
) {
    if let Some(mirrored) = mirrored(shape) {
        return forward(mirrored, grad_out, weight, None, grad_x);
    }
    let plan = Plan::without_bands(shape, group_for(shape, MIN_POSITIONS));
    let rows = shape.channels_in * plan.taps;
    let weight = Packed::new(weight, rows, shape.channels_out);
    let lengths = [plan.planes_len(), plan.columns_len(), plan.staged_len()];
    with_scratch(lengths, |[planes, cols, staged]| {
        for images in plan.groups() {
            let grad = plan.stage(&grad_out[shape.out_range(&images)], staged);
            for chunk in plan.chunks() {
                let kernels = weight.rows(chunk.start * plan.taps..chunk.end * plan.taps);
                if plan.pointwise {
                    let planes = &mut grad_x[shape.plane_range(images.start, chunk.start).start..];
                    multiply_packed(kernels, grad, planes, plan.positions, false);
                } else {
                    multiply_packed(kernels, grad, cols, plan.row_len, false);
                    plan.fold(cols, &images, &chunk, planes, grad_x);
                }
            }
        }
    });
}

/// Weights `[c_out, c_in, kh, kw]` as [`forward`] reads them, a packed matrix of
/// `[c_out, (c_in, kh, kw)]`.
pub(super) fn packed(shape: ConvShape, weight: &[f32]) -> Vec<f32> {
    let columns = shape.channels_in * shape.taps();
    let blocks = Blocks::new(shape.channels_out, columns);
    let mut packed = vec![0.0; weight.len()];
    for (index, &value) in weight.iter().enumerate() {
        packed[blocks.index(index / columns, index % columns)] = value;
    }
    packed
}

/// Weights `[c_out, c_in, kh, kw]` as [`input_gradient`] reads them, a packed matrix of
/// `[c_in, (c_out, kh, kw)]` with every kernel turned by 180° where the gradient is a convolution
/// itself, of `[(c_in, kh, kw), c_out]` where it is folded.
pub(super) fn turned(shape: ConvShape, weight: &[f32]) -> Vec<f32> {
    let (outputs, inputs, taps) = (shape.channels_out, shape.channels_in, shape.taps());
    let is_mirrored = mirrored(shape).is_some();
    let blocks = match is_mirrored {
        true => Blocks::new(inputs, outputs * taps),
        false => Blocks::new(inputs * taps, outputs),
    };
    let mut turned = vec![0.0; weight.len()];
    for (index, kernel) in weight.chunks_exact(taps).enumerate() {
        let (output, input) = (index / inputs, index % inputs);
        for (tap, &value) in kernel.iter().enumerate() {
            let place = match is_mirrored {
                true => blocks.index(input, output * taps + taps - 1 - tap),
                false => blocks.index(input * taps + tap, output),
            };
            turned[place] = value;
        }
    }
    turned
}

/// The convolution of the output's gradient that gives the input's: with a stride of one and many
/// channels; for few, folding is quicker.
fn mirrored(shape: ConvShape) -> Option<ConvShape> {
    let fits = |axis: usize| {
        let (before, after) = shape.padding[axis];
        before.max(after) < shape.kernel[axis]
    };
    let is_quicker = shape.channels_in >= MIN_MIRRORED_CHANNELS && shape.stride == [1, 1];
    let [height, width] = shape.out();
    (is_quicker && fits(0) && fits(1)).then(|| ConvShape {
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
    let group = group_for(shape, MIN_SUMMED_POSITIONS).min(shape.batch.max(1));
    let plan = Plan::new(shape, group);
    // Computed as [(c_in, kh, kw), c_out], in panels of as many output channels as a tile has columns.
    let panels = shape.channels_out.div_ceil(LANES);
    let rows = shape.channels_in * plan.taps;
    let lengths = [
        plan.planes_len(),
        plan.columns_len(),
        panels * plan.group_positions() * LANES,
        panels * rows * LANES,
    ];
    with_scratch(lengths, |[planes, cols, staged, sums]| {
        planes.fill(0.0); // the padding, which no image overwrites
        sums.fill(0.0);
        for images in plan.groups() {
            plan.stage_panels(&grad_out[shape.out_range(&images)], staged);
            for band in plan.bands() {
                for chunk in plan.chunks() {
                    let patches = plan.unfold(x, &images, &band, &chunk, planes, cols);
                    let grads = staged.chunks_exact(plan.group_positions() * LANES);
                    for (grad, sums) in grads.zip(sums.chunks_exact_mut(rows * LANES)) {
                        let grad = &grad[plan.band_start(&band) * LANES..];
                        let grad = Matrix::new(grad, plan.columns, LANES);
                        let sums = &mut sums[chunk.start * plan.taps * LANES..];
                        multiply(patches, grad, sums, LANES, true);
                    }
                }
            }
        }
        for (output, kernels) in grad_weight.chunks_exact_mut(rows).enumerate() {
            let (panel, lane) = (output / LANES, output % LANES);
            let sums = sums[panel * rows * LANES..][lane..].iter().step_by(LANES);
            kernels
                .iter_mut()
                .zip(sums)
                .for_each(|(to, sum)| *to = *sum);
        }
    });
}

/// Images that together have at least so many output positions, whatever the batch.
fn group_for(shape: ConvShape, positions: usize) -> usize {
    positions.div_ceil(shape.positions())
}
