//! Add the parameter gradients of a band, a few rows of outputs.

use std::ops::Range;

use super::axis::Axis;
use crate::conv::factors::Packing;
use crate::conv::images::ImageBatch;
use crate::conv::shape::ConvShape;
use crate::conv::tile::{MAX_SUMS, TapGradient, Vectors};
use crate::lanes::lanes_for;

/// Gradient elements of a band, 16 KiB, where rows are short enough. A tile passes over them once for
/// each tap: with as many elements of the input, or fewer, they stay in the L1 cache.
const BAND_LEN: usize = 4 << 10;

/// Sizes that all bands share.
pub(super) struct BandLayout<'a> {
    shape: &'a ConvShape,
    lanes: usize,
    /// Output and input channels of a tile.
    tile: [usize; 2],
    /// For each axis and each tap, the outputs that see a pixel under the tap.
    seeing: [Vec<Range<usize>>; 2],
    /// Rows of outputs of a band; the last one may have fewer.
    pub(super) rows: usize,
}

impl<'a> BandLayout<'a> {
    pub(super) fn new(shape: &'a ConvShape) -> Self {
        let [height, width] = shape.out();
        let lanes = lanes_for(shape.batch);
        let tile = if shape.channels_in == 1 {
            [8, 1]
        } else {
            [6, 2]
        };
        Self {
            shape,
            lanes,
            tile,
            seeing: [0, 1].map(|axis| outputs_seeing(shape, axis)),
            rows: (BAND_LEN / (tile[0] * width * lanes).max(1)).clamp(1, height),
        }
    }

    /// Elements of a band of the source, and of the gradients of a tile's channels in a band.
    pub(super) fn scratch_lens(&self) -> [usize; 2] {
        let shape = self.shape;
        let [_, width] = shape.out();
        let source_rows = (self.rows - 1) * shape.stride[0] + shape.kernel[0];
        let source_len = source_rows.min(shape.height) * shape.width * self.lanes;
        [
            source_len * shape.channels_in,
            self.rows * width * self.tile[0] * self.lanes,
        ]
    }
}

/// The gradients that bands add to.
pub(super) struct Sums<'a> {
    weight: &'a mut [f32],
    /// Elements of `weight` between neighbours along each axis.
    steps: [usize; 4],
    bias: &'a mut [f32],
    /// Scratch memory: the sums of a tile for each tap.
    of_tile: Vec<[f32; MAX_SUMS]>,
}

impl<'a> Sums<'a> {
    pub(super) fn new(
        shape: &ConvShape,
        (weight, steps): (&'a mut [f32], [usize; 4]),
        bias: &'a mut [f32],
    ) -> Self {
        Self {
            weight,
            steps,
            bias,
            of_tile: vec![[0.0; MAX_SUMS]; shape.taps()],
        }
    }

    /// Adds the sums of a tile to the gradients of its weights.
    fn add_tile(&mut self, kernel_width: usize, [outputs, inputs]: [Range<usize>; 2]) {
        let (steps, tile_inputs) = (self.steps, inputs.len());
        for (i, output) in outputs.enumerate() {
            for (j, input) in inputs.clone().enumerate() {
                let kernel = &mut self.weight[output * steps[0] + input * steps[1]..];
                for (row, sums) in self.of_tile.chunks_exact(kernel_width).enumerate() {
                    for (column, sums) in sums.iter().enumerate() {
                        kernel[row * steps[2] + column * steps[3]] += sums[i * tile_inputs + j];
                    }
                }
            }
        }
    }
}

/// A few rows of outputs.
pub(super) struct Band<'a> {
    pub(super) layout: &'a BandLayout<'a>,
    pub(super) rows: Range<usize>,
}

impl Band<'_> {
    /// Adds the gradients of the weights and of the bias, with scratch memory for the source and the
    /// gradient.
    pub(super) fn add_gradients(
        &self,
        x: ImageBatch,
        grad_out: ImageBatch,
        [source, gradient]: [&mut [f32]; 2],
        sums: &mut Sums,
    ) {
        let BandLayout {
            shape, lanes, tile, ..
        } = *self.layout;
        let [_, width] = shape.out();
        let seen = self.source_rows();
        let source_len = seen.len() * shape.width * lanes;
        for_each_part(shape.channels_in, tile[1], |some| {
            let packed = &mut source[some.start * source_len..some.end * source_len];
            x.pack(some, seen.clone(), packed);
        });
        for_each_part(shape.channels_out, tile[0], |outputs| {
            let gradient = &mut gradient[..self.rows.len() * width * outputs.len() * lanes];
            grad_out.pack(outputs.clone(), self.rows.clone(), gradient);
            add_lanes(gradient, lanes, &mut sums.bias[outputs.clone()]);
            for_each_part(shape.channels_in, tile[1], |inputs| {
                let source = &source[inputs.start * source_len..][..inputs.len() * source_len];
                let channels = [outputs.len(), inputs.len()];
                self.sum_products(source, gradient, channels, &mut sums.of_tile);
                sums.add_tile(shape.kernel[1], [outputs.clone(), inputs]);
            });
        });
    }

    /// Rows of the input that the outputs see.
    fn source_rows(&self) -> Range<usize> {
        let shape = self.layout.shape;
        let (stride, before) = (shape.stride[0], shape.padding[0].0);
        let end = (self.rows.end - 1) * stride + shape.kernel[0];
        let [start, end] = [self.rows.start * stride, end];
        let inside = |row: usize| row.saturating_sub(before).min(shape.height);
        inside(start)..inside(end)
    }

    /// Writes, for each tap, the sums of products of a tile of packed output and input channels.
    fn sum_products(
        &self,
        source: &[f32],
        gradient: &[f32],
        tile: [usize; 2],
        sums: &mut [[f32; MAX_SUMS]],
    ) {
        let layout = self.layout;
        let (shape, lanes) = (layout.shape, layout.lanes);
        let [_, width] = shape.out();
        let [gradient_pixel, source_pixel] = tile.map(|channels| channels * lanes);
        let first_source_row = self.source_rows().start;
        let vectors = Vectors::for_lanes(lanes, Packing::F32);
        sums.fill([0.0; MAX_SUMS]);
        for (tap, sums) in sums.iter_mut().enumerate() {
            let tap = [tap / shape.kernel[1], tap % shape.kernel[1]];
            let [rows, columns] = [0, 1].map(|axis| &layout.seeing[axis][tap[axis]]);
            let rows = rows.start.max(self.rows.start)..rows.end.min(self.rows.end);
            if rows.is_empty() || columns.is_empty() {
                continue;
            }
            let row = rows.start * shape.stride[0] + tap[0] - shape.padding[0].0;
            let column = columns.start * shape.stride[1] + tap[1] - shape.padding[1].0;
            let first_source = (row - first_source_row) * shape.width + column;
            let first_output = (rows.start - self.rows.start) * width + columns.start;
            let tap_gradient = TapGradient {
                gradient: &gradient[first_output * gradient_pixel..],
                gradient_steps: [width * gradient_pixel, gradient_pixel],
                source: &source[first_source * source_pixel..],
                source_steps: [
                    shape.stride[0] * shape.width * source_pixel,
                    shape.stride[1] * source_pixel,
                ],
                size: [rows.len(), columns.len()],
                lanes,
            };
            tap_gradient.sum(vectors, tile, sums);
        }
    }
}

/// For each tap of an axis, the outputs that see a pixel rather than padding under it.
fn outputs_seeing(shape: &ConvShape, axis: usize) -> Vec<Range<usize>> {
    let windows = Axis::forward(shape, axis).windows;
    let seeing = |tap: usize| {
        let sees = |output: &usize| windows[*output].taps.contains(&tap);
        let outputs = 0..windows.len();
        let first = outputs.clone().find(sees).unwrap_or(outputs.end);
        first..outputs.rev().find(sees).map_or(first, |last| last + 1)
    };
    (0..shape.kernel[axis]).map(seeing).collect()
}

/// Adds the sum of `[pixels, channels, lanes]` over pixels and lanes to `sums`, `[channels]`.
fn add_lanes(packed: &[f32], lanes: usize, sums: &mut [f32]) {
    let mut partial = vec![0.0; sums.len() * lanes];
    for pixel in packed.chunks_exact(partial.len()) {
        partial.iter_mut().zip(pixel).for_each(|(sum, g)| *sum += g);
    }
    for (sum, lanes) in sums.iter_mut().zip(partial.chunks_exact(lanes)) {
        *sum += lanes.iter().sum::<f32>();
    }
}

/// Calls `work` with consecutive ranges of `most`; the last two share the remainder.
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
