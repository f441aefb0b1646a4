//! Gradients of weights and biases.
//!
//! ∂L/∂w of a tap is a sum of products over all outputs and images. With the images in lanes it takes
//! no transposition: a tile of output and input channels adds up vectors, and their lanes are added
//! at its end. Some rows of images at a time are packed by the channels of a tile, so that it reads
//! one number after the other.

use std::ops::Range;

use super::super::{ConvShape, Order};
use super::axis::Axis;
use crate::conv::factors::Form;
use crate::conv::scratch::with_scratch;
use crate::conv::tile::{MAX_SUMS, ROWS, Sums, Vectors, multiply, vectors_of};
use crate::lanes::{WIDTH, lanes_for, spread_part};

/// Numbers of the output's gradient, 16 KiB, that a tile passes for one tap after the other, as far as
/// rows are short enough: with as many of the input or fewer they stay in the L1 cache.
const BAND: usize = 4 << 10;

/// Images, as they lie, with zeros in lanes without an image.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// All of them, and those of lanes without an image.
    pub numbers: &'a [f32],
    /// How they lie.
    pub order: Order,
    /// Images, channels, rows and columns.
    pub size: [usize; 4],
}

impl Images<'_> {
    /// Copies some channels of some rows to `[rows, columns, channels, lanes]`.
    fn pack(&self, channels: Range<usize>, rows: Range<usize>, packed: &mut [f32]) {
        let [images, all_channels, height, width] = self.size;
        let pixels = rows.start * width..rows.end * width;
        match self.order {
            Order::Planes => {
                let size = [images, all_channels, height * width];
                spread_part(self.numbers, size, channels, pixels, packed);
            }
            Order::Lanes => {
                let lanes = lanes_for(images);
                let to = packed.chunks_exact_mut(channels.len() * lanes);
                for (pixel, to) in pixels.zip(to) {
                    let from = (pixel * all_channels + channels.start) * lanes;
                    to.copy_from_slice(&self.numbers[from..from + to.len()]);
                }
            }
        }
    }

    fn check(&self, [channels, height, width]: [usize; 3]) {
        let images = self.order.images(self.size[0]);
        assert_eq!(self.size[1..], [channels, height, width]);
        assert_eq!(self.numbers.len(), images * channels * height * width);
    }
}

/// Writes the gradients with respect to the weights and to the bias, summed over the images, into
/// `grad_weight`, which has `steps` between its numbers, and `grad_bias`.
///
/// # Shapes
/// - `x` `[batch, c_in, h, w]`, `grad_out` `[batch, c_out, oh, ow]`
/// - `grad_weight` `[c_out, c_in, kh, kw]`, `grad_bias` `[c_out]`
pub fn parameter_gradients(
    shape: &ConvShape,
    x: Images,
    grad_out: Images,
    (grad_weight, steps): (&mut [f32], [usize; 4]),
    grad_bias: &mut [f32],
) {
    let [height, width] = shape.out();
    let [inputs, outputs] = [shape.channels_in, shape.channels_out];
    x.check([inputs, shape.height, shape.width]);
    grad_out.check([outputs, height, width]);
    assert_eq!(grad_weight.len(), outputs * inputs * shape.taps());
    assert_eq!(grad_bias.len(), outputs);
    grad_bias.fill(0.0);
    if shape.is_dense()
        && [x.order, grad_out.order] == [Order::Planes; 2]
        && steps == dense_steps(shape)
        && outputs.is_multiple_of(WIDTH)
    {
        for gradient in grad_out.numbers.chunks_exact(outputs) {
            let sums = grad_bias.iter_mut().zip(gradient);
            sums.for_each(|(sum, gradient)| *sum += gradient);
        }
        return dense_gradient(shape.batch, x.numbers, grad_out.numbers, grad_weight);
    }
    grad_weight.fill(0.0);
    let lanes = lanes_for(shape.batch);
    let tile = tile_for(inputs);
    let outputs_seeing = |axis: usize| {
        let spots = Axis::forward(shape, axis);
        let of_tap = |tap| seen_by(&spots, tap);
        (0..shape.kernel[axis]).map(of_tap).collect::<Vec<_>>()
    };
    let seeing = [outputs_seeing(0), outputs_seeing(1)];
    let band_rows = (BAND / (tile[0] * width * lanes).max(1)).clamp(1, height);
    let source_rows = (band_rows - 1) * shape.stride[0] + shape.kernel[0];
    let source_len = source_rows.min(shape.height) * shape.width * lanes;
    let mut totals = vec![[0.0; MAX_SUMS]; shape.taps()];
    let lengths = [source_len * inputs, band_rows * width * tile[0] * lanes];
    with_scratch(lengths, |[source, gradient]| {
        for first in (0..height).step_by(band_rows) {
            let band = Band {
                shape,
                lanes,
                seeing: &seeing,
                rows: first..(first + band_rows).min(height),
            };
            let seen = band.source_rows();
            let source_len = seen.len() * shape.width * lanes;
            for_each_part(inputs, tile[1], |some| {
                let packed = &mut source[some.start * source_len..some.end * source_len];
                x.pack(some, seen.clone(), packed);
            });
            for_each_part(outputs, tile[0], |some_outputs| {
                let gradient =
                    &mut gradient[..band.rows.len() * width * some_outputs.len() * lanes];
                grad_out.pack(some_outputs.clone(), band.rows.clone(), gradient);
                add_lanes(gradient, lanes, &mut grad_bias[some_outputs.clone()]);
                for_each_part(inputs, tile[1], |some_inputs| {
                    let source =
                        &source[some_inputs.start * source_len..][..some_inputs.len() * source_len];
                    let channels = [some_outputs.clone(), some_inputs];
                    let sums = (&mut *grad_weight, steps);
                    band.add_products(source, gradient, channels, &mut totals, sums);
                });
            });
        }
    });
}

/// Some rows of outputs.
struct Band<'a> {
    shape: &'a ConvShape,
    lanes: usize,
    /// The outputs along each axis that see something else than padding under each tap.
    seeing: &'a [Vec<Range<usize>>; 2],
    rows: Range<usize>,
}

impl Band<'_> {
    /// Rows of the input that the outputs see.
    fn source_rows(&self) -> Range<usize> {
        let (stride, before) = (self.shape.stride[0], self.shape.padding[0].0);
        let end = (self.rows.end - 1) * stride + self.shape.kernel[0];
        let [start, end] = [self.rows.start * stride, end];
        let inside = |row: usize| row.saturating_sub(before).min(self.shape.height);
        inside(start)..inside(end)
    }

    /// Adds the products of a tile of output and input channels, packed, under every tap, for which
    /// `totals` has room.
    fn add_products(
        &self,
        source: &[f32],
        gradient: &[f32],
        [outputs, inputs]: [Range<usize>; 2],
        totals: &mut [[f32; MAX_SUMS]],
        (grad_weight, steps): (&mut [f32], [usize; 4]),
    ) {
        let shape = self.shape;
        let [_, width] = shape.out();
        let tile = [outputs.len(), inputs.len()];
        let [gradient_pixel, source_pixel] = tile.map(|channels| channels * self.lanes);
        let first_source_row = self.source_rows().start;
        let vectors = Vectors::for_lanes(self.lanes, Form::F32);
        totals.fill([0.0; MAX_SUMS]);
        for (tap, totals) in totals.iter_mut().enumerate() {
            let tap = [tap / shape.kernel[1], tap % shape.kernel[1]];
            let [rows, columns] = [0, 1].map(|axis| &self.seeing[axis][tap[axis]]);
            let rows = rows.start.max(self.rows.start)..rows.end.min(self.rows.end);
            if rows.is_empty() || columns.is_empty() {
                continue;
            }
            let row = rows.start * shape.stride[0] + tap[0] - shape.padding[0].0;
            let column = columns.start * shape.stride[1] + tap[1] - shape.padding[1].0;
            let first_source = (row - first_source_row) * shape.width + column;
            let first_output = (rows.start - self.rows.start) * width + columns.start;
            let sums = Sums {
                gradient: &gradient[first_output * gradient_pixel..],
                gradient_steps: [width * gradient_pixel, gradient_pixel],
                source: &source[first_source * source_pixel..],
                source_steps: [
                    shape.stride[0] * shape.width * source_pixel,
                    shape.stride[1] * source_pixel,
                ],
                size: [rows.len(), columns.len()],
                lanes: self.lanes,
            };
            vectors.sums(&sums, tile, totals);
        }
        for (i, output) in outputs.enumerate() {
            for (j, input) in inputs.clone().enumerate() {
                let kernel = &mut grad_weight[output * steps[0] + input * steps[1]..];
                for (row, totals) in totals.chunks_exact(shape.kernel[1]).enumerate() {
                    for (column, totals) in totals.iter().enumerate() {
                        kernel[row * steps[2] + column * steps[3]] += totals[i * tile[1] + j];
                    }
                }
            }
        }
    }
}

/// Steps of the weights of a kernel that covers the image, as a dense layer has them: those of
/// `[(c_in, h, w), c_out]`.
fn dense_steps(shape: &ConvShape) -> [usize; 4] {
    let row = shape.width * shape.channels_out;
    [1, shape.height * row, row, shape.channels_out]
}

/// Writes `xᵀ · gradient`: the sum over positions, of which there is one, is no work for a tile of
/// sums.
///
/// # Shapes
/// - `x` `[rows, inputs]`, `gradient` `[rows, outputs]`, `out` `[inputs, outputs]`
fn dense_gradient(rows: usize, x: &[f32], gradient: &[f32], out: &mut [f32]) {
    let [inputs, outputs] = [x, gradient].map(|numbers| numbers.len() / rows.max(1));
    let mut packed = Vec::with_capacity(x.len());
    for first in (0..inputs).step_by(ROWS) {
        let block = first..(first + ROWS).min(inputs);
        for row in x.chunks_exact(inputs) {
            packed.extend_from_slice(&row[block.clone()]);
        }
    }
    let vectors = vectors_of(outputs, Form::F32);
    let gradient = (gradient, outputs);
    multiply(Form::F32, &packed, [inputs, rows], gradient, &vectors, out);
}

/// Output and input channels of a tile.
fn tile_for(inputs: usize) -> [usize; 2] {
    if inputs == 1 { [8, 1] } else { [6, 2] }
}

/// Adds all of `[pixels, channels, lanes]` but the channels.
fn add_lanes(packed: &[f32], lanes: usize, sums: &mut [f32]) {
    let mut partial = vec![0.0; sums.len() * lanes];
    for pixel in packed.chunks_exact(partial.len()) {
        partial.iter_mut().zip(pixel).for_each(|(sum, g)| *sum += g);
    }
    for (sum, lanes) in sums.iter_mut().zip(partial.chunks_exact(lanes)) {
        *sum += lanes.iter().sum::<f32>();
    }
}

/// The outputs along an axis that see something else than padding under a tap of the kernel.
fn seen_by(axis: &Axis, tap: usize) -> Range<usize> {
    let sees = |output: &usize| axis.spots[*output].taps.contains(&tap);
    let outputs = 0..axis.spots.len();
    let first = outputs.clone().find(sees).unwrap_or(outputs.end);
    first..outputs.rev().find(sees).map_or(first, |last| last + 1)
}

/// Calls `work` with ranges of `most`, the last two of which share what is left.
fn for_each_part(len: usize, most: usize, mut work: impl FnMut(Range<usize>)) {
    let mut start = 0;
    while start < len {
        let size = match len - start {
            rest if rest >= 2 * most => most,
            rest if rest > most => rest.div_ceil(2),
            rest => rest,
        };
        work(start..start + size);
        start += size;
    }
}
