//! Run a tiled convolution: transform bands of tiles, multiply them by the weights, transform back.

use std::ops::Range;

use super::band::{Band, transform_pixels, transform_products};
use super::lattice::Steps;
use super::panels::Panels;
use super::tiling::Winograd;
use crate::conv::images::Order;
use crate::conv::scratch::with_scratch;
use crate::conv::tile::{Offsets, multiply, offsets_of};
use crate::lanes::{MAX_WIDTH, MIN_WIDTH, lanes_for};

/// Columns of a product, at least one row of tiles: pixels and products stay in the cache.
const BAND_COLUMNS: usize = 64;

/// Operands of a run, and the strides of its images.
struct Operands<'a> {
    weights: &'a [f32],
    source: &'a [f32],
    source_steps: Steps,
    bias: Option<&'a [f32]>,
    target_steps: Steps,
}

/// Images in a vector, if there are so many lanes: as many as possible.
fn vector_for(lanes: usize) -> usize {
    [MAX_WIDTH, MIN_WIDTH]
        .into_iter()
        .find(|&vector| lanes.is_multiple_of(vector))
        .unwrap_or(1)
}

impl Winograd {
    /// Writes the target's images from the source's, plus a bias for each of the target's channels.
    ///
    /// # Shapes
    /// - `source`, `target`: `[batch, channels, height, width]` of the lattices, in the [`order`](Self::order)
    ///   of the batch
    /// - `weights`: as [`Self::weights`] gives them
    pub(in crate::conv) fn run(
        &self,
        batch: usize,
        weights: &[f32],
        source: &[f32],
        bias: Option<&[f32]>,
        target: &mut [f32],
    ) {
        assert_eq!(weights.len(), self.packing.packed_len(self.weights_len()));
        let lanes = match Self::order(batch) {
            Order::Lanes => lanes_for(batch),
            Order::Planes => 1,
        };
        let (images, vector) = (batch.max(lanes), vector_for(lanes));
        assert_eq!(source.len(), images * self.source.image_len());
        assert_eq!(target.len(), images * self.target.image_len());
        let operands = Operands {
            weights,
            source,
            source_steps: self.source.steps(lanes),
            bias,
            target_steps: self.target.steps(lanes),
        };
        let together = self.images_together(vector);
        for first in (0..images).step_by(together) {
            let some = first..(first + together).min(images);
            match vector {
                1 => self.run_group::<1>(some, &operands, target),
                MIN_WIDTH => self.run_group::<MIN_WIDTH>(some, &operands, target),
                _ => self.run_group::<MAX_WIDTH>(some, &operands, target),
            }
        }
    }

    /// Images, whole vectors of them, that share a product: with all their tiles they fill its columns.
    fn images_together(&self, vector: usize) -> usize {
        let [rows, columns] = self.tiles;
        (BAND_COLUMNS / (rows * columns * vector)).max(1) * vector
    }

    /// Runs images that share a product, `L` to a vector.
    fn run_group<const L: usize>(
        &self,
        images: Range<usize>,
        operands: &Operands,
        target: &mut [f32],
    ) {
        let [tile_rows, tile_columns] = self.tiles;
        let vectors = images.len().div_ceil(L);
        let band_rows = (BAND_COLUMNS / (vectors * tile_columns * L)).clamp(1, tile_rows);
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let columns = vectors * band_rows * tile_columns * L;
        let columns = columns.next_multiple_of(MAX_WIDTH);
        let whole = Band::new(0..band_rows, tile_columns, self.points, self.taps);
        let lengths = [
            whole.pixels_len::<L>(),
            whole.half_len::<L>(),
            Panels::len(self.products_of_tile(), columns, inputs),
            Panels::len(self.products_of_tile(), columns, outputs),
            self.packing.scratch_len(inputs * columns),
        ];
        with_scratch(lengths, |[pixels, half, values, products, packed]| {
            let mut values = Panels::new(values, columns, inputs);
            let mut products = Panels::new(products, columns, outputs);
            for first in (0..tile_rows).step_by(band_rows) {
                let rows = first..(first + band_rows).min(tile_rows);
                let band = Band::new(rows, tile_columns, self.points, self.taps);
                let scratch = (&mut *pixels, &mut *half);
                self.transform_source::<L>(&band, images.clone(), operands, scratch, &mut values);
                let columns = vectors * band.tiles() * L;
                self.multiply(operands.weights, &values, packed, &mut products, columns);
                let scratch = (&mut *pixels, &mut *half);
                self.transform_target::<L>(
                    &band,
                    images.clone(),
                    operands,
                    &products,
                    scratch,
                    target,
                );
            }
        });
    }

    /// Writes the values of a band's tiles at their points; `pixels` and `half` are scratch memory.
    fn transform_source<const L: usize>(
        &self,
        band: &Band,
        images: Range<usize>,
        operands: &Operands,
        (pixels, half): (&mut [f32], &mut [f32]),
        values: &mut Panels,
    ) {
        let steps = operands.source_steps;
        for (index, image) in images.step_by(L).enumerate() {
            let first_tile = index * band.tiles();
            let source = &operands.source[image * steps.image..];
            for input in 0..self.inputs() {
                self.source.gather::<L>(band, input, source, steps, pixels);
                transform_pixels::<L>(band, pixels, half, values, [input, first_tile]);
            }
        }
    }

    /// Writes the products of the first `columns` columns at every point; `packed` is scratch memory
    /// for the factors at a point.
    fn multiply(
        &self,
        weights: &[f32],
        values: &Panels,
        packed: &mut [f32],
        products: &mut Panels,
        columns: usize,
    ) {
        let size = [self.outputs(), self.packing.packed_len(self.inputs())];
        let panels = columns.div_ceil(MAX_WIDTH);
        let offsets: Vec<_> = (0..panels)
            .flat_map(|panel| {
                let [from, to] = [size[1], size[0]].map(|rows| panel * rows * MAX_WIDTH);
                let in_panel = offsets_of(MAX_WIDTH, self.packing).into_iter();
                in_panel.map(move |at| Offsets {
                    source: from + at.source,
                    target: to + at.target,
                })
            })
            .collect();
        for (point, weights) in weights.chunks_exact(size[0] * size[1]).enumerate() {
            let products = products.panels_mut(point, panels);
            let values = values.panels(point, panels);
            let factors = self.packing.pack_or_borrow(values, MAX_WIDTH, packed);
            multiply(
                self.packing,
                weights,
                size,
                (factors, MAX_WIDTH),
                &offsets,
                products,
            );
        }
    }

    /// Writes the outputs of a band's tiles to the target; `pixels` and `half` are scratch memory.
    fn transform_target<const L: usize>(
        &self,
        band: &Band,
        images: Range<usize>,
        operands: &Operands,
        products: &Panels,
        (pixels, half): (&mut [f32], &mut [f32]),
        target: &mut [f32],
    ) {
        let steps = operands.target_steps;
        for (index, image) in images.step_by(L).enumerate() {
            let first_tile = index * band.tiles();
            let target = &mut target[image * steps.image..];
            for output in 0..self.outputs() {
                transform_products::<L>(band, products, [output, first_tile], half, pixels);
                self.target
                    .scatter::<L>(band, output, operands.bias, pixels, target, steps);
            }
        }
    }
}
