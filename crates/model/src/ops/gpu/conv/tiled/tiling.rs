//! Cut a product of matrices into tiles.

use super::conv_shape::ConvShape;

/// Elements of a vector: as many channels are read at once.
pub(super) const VECTOR: usize = 4;
/// Units of a cube.
pub(super) const UNITS: usize = 256;
/// Units that multiply the rows and the columns of a tile one by one: `SIDE` of `SIDE`.
pub(super) const SIDE: usize = 16;
/// Rows and columns of a fragment, which a matrix unit multiplies at once.
pub(super) const FRAGMENT: usize = 16;
/// Planes of a cube along the rows and the columns of a tile, and the units of a plane.
pub(super) const PLANES: [usize; 2] = [2, 4];
pub(super) const PLANE: usize = UNITS / (PLANES[0] * PLANES[1]);

/// Tiles of which there are enough for the processors of a large card.
const ENOUGH: usize = 256;
/// Steps that a slice has at least.
const SHORTEST_SLICE: usize = 4;

/// A tile, and how the units of a cube share it.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(in crate::ops::gpu::conv) struct Tiling {
    /// Rows and columns of a unit, or fragments of a plane.
    pub(super) share: [usize; 2],
    /// Rows and columns of the tile.
    pub(super) tile: [usize; 2],
    /// Vectors of a row that are in shared memory at a time.
    pub(super) vectors_per_step: usize,
    /// Distance of rows in shared memory, in vectors. It has units that read rows beside each other
    /// meet different banks.
    pub(super) pitch: usize,
    /// Bytes of an element in shared memory.
    element: usize,
    /// Bytes of what each plane exchanges.
    exchange: usize,
}

impl Tiling {
    /// Units multiply the elements of `rows` by `columns` each, in f32.
    fn of_units([rows, columns]: [usize; 2]) -> Self {
        Self {
            share: [rows, columns],
            tile: [rows * SIDE, columns * SIDE],
            vectors_per_step: 4,
            pitch: 5,
            element: size_of::<f32>(),
            exchange: 0,
        }
    }

    /// Planes multiply `rows` by `columns` fragments each, whose elements are sums of `parts` of 16 bits.
    fn of_planes([rows, columns]: [usize; 2], parts: usize) -> Self {
        // As long as shared memory and registers allow: units wait for each other twice in a step.
        let vectors_per_step = (64 / (rows * columns * parts)).min(16);
        Self {
            share: [rows, columns],
            tile: [rows * FRAGMENT * PLANES[0], columns * FRAGMENT * PLANES[1]],
            vectors_per_step,
            pitch: vectors_per_step + 2,
            element: parts * size_of::<u16>(),
            exchange: FRAGMENT * FRAGMENT * size_of::<f32>(),
        }
    }

    /// The largest for units of which there are enough, in as much shared memory as a cube may have.
    pub(super) fn fma(conv: &ConvShape, batch: usize, shared_bytes: usize) -> Self {
        let tilings = [[8, 8], [8, 4], [4, 4]].map(Self::of_units);
        Self::choose(&tilings, conv, batch, shared_bytes)
    }

    /// The same for matrix units and factors of `parts` parts.
    pub(super) fn matrix_units(
        conv: &ConvShape,
        batch: usize,
        shared_bytes: usize,
        parts: usize,
    ) -> Self {
        let tilings = [[4, 2], [4, 1], [2, 1]].map(|share| Self::of_planes(share, parts));
        Self::choose(&tilings, conv, batch, shared_bytes)
    }

    fn choose(tilings: &[Self; 3], conv: &ConvShape, batch: usize, shared_bytes: usize) -> Self {
        let [.., smallest] = *tilings;
        let columns = conv.channels[1].next_multiple_of(smallest.tile[1]);
        let suits = |tiling: &&Self| {
            let is_filled = tiling.tile[1] <= columns;
            let are_enough = tiling.cubes(conv, batch).iter().product::<usize>() >= ENOUGH;
            are_enough && is_filled && tiling.shared_bytes() <= shared_bytes
        };
        *tilings.iter().find(suits).unwrap_or(&smallest)
    }

    /// Steps of a whole sum.
    pub(super) fn steps(&self, conv: &ConvShape) -> usize {
        conv.vectors().div_ceil(self.vectors_per_step)
    }

    /// In how many slices a sum is computed, by a cube each, and the steps of a slice; more than one
    /// where tiles are few.
    pub(super) fn slices(&self, conv: &ConvShape, batch: usize) -> [usize; 2] {
        let (tiles, steps) = (
            self.cubes(conv, batch).iter().product::<usize>(),
            self.steps(conv),
        );
        let wanted = (ENOUGH / tiles.max(1)).max(1);
        let of_slice = steps.div_ceil(wanted).max(SHORTEST_SLICE).min(steps);
        [steps.div_ceil(of_slice), of_slice]
    }

    /// Shared memory of a cube.
    pub(super) fn shared_bytes(&self) -> usize {
        let vectors = (self.tile[0] + self.tile[1]) * self.pitch;
        vectors * VECTOR * self.element + PLANES[0] * PLANES[1] * self.exchange
    }

    /// Tiles along the pixels and the channels.
    pub(super) fn cubes(&self, conv: &ConvShape, batch: usize) -> [usize; 2] {
        let pixels = batch * conv.pixels();
        [
            pixels.div_ceil(self.tile[0]),
            conv.channels[1].div_ceil(self.tile[1]),
        ]
    }

    /// Rows that all units bring to shared memory at once, a vector each.
    pub(super) fn rows_at_once(&self) -> usize {
        UNITS / self.vectors_per_step
    }

    /// Vectors of a side of the tile that a unit brings at a time.
    pub(super) fn vectors_of_unit(&self, rows: usize) -> usize {
        rows * self.vectors_per_step / UNITS
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Shape;

    use super::*;
    use crate::ops::ConvGeometry;

    /// Bytes that a cube may have on a card, and on a device that gives it as little as any.
    const SHARED: [usize; 2] = [48 << 10, 16 << 10];

    /// All tilings of 3×3 convolutions between so many channels, for one and for many images.
    fn tilings([inputs, outputs]: [usize; 2], side: usize) -> Vec<(ConvShape, usize, Tiling)> {
        let geometry = ConvGeometry {
            stride: [1, 1],
            padding: [(1, 1); 2],
        };
        let x = Shape::from([1, inputs, side, side]);
        let weight = Shape::from([outputs, inputs, 3, 3]);
        let conv = ConvShape::forward(&x, &weight, geometry);
        let mut all = Vec::new();
        for batch in [1, 128] {
            for bytes in SHARED {
                all.push((conv, batch, Tiling::fma(&conv, batch, bytes)));
                for parts in [1, 2] {
                    all.push((
                        conv,
                        batch,
                        Tiling::matrix_units(&conv, batch, bytes, parts),
                    ));
                }
            }
        }
        all
    }

    #[test]
    fn tiles_and_slices_cover_every_product_and_no_more_than_the_last_is_partial() {
        for channels in [[1, 16], [3, 128], [64, 64], [256, 256], [4096, 17]] {
            for side in [1, 7, 32] {
                for (conv, batch, tiling) in tilings(channels, side) {
                    let [along, across] = tiling.cubes(&conv, batch);
                    let pixels = batch * conv.pixels();
                    assert!((along - 1) * tiling.tile[0] < pixels);
                    assert!(pixels <= along * tiling.tile[0]);
                    assert!((across - 1) * tiling.tile[1] < channels[1]);
                    assert!(channels[1] <= across * tiling.tile[1]);
                    let (steps, [slices, of_slice]) =
                        (tiling.steps(&conv), tiling.slices(&conv, batch));
                    assert!((slices - 1) * of_slice < steps);
                    assert!(steps <= slices * of_slice);
                    assert!(conv.columns() <= steps * tiling.vectors_per_step * VECTOR);
                }
            }
        }
    }

    #[test]
    fn units_bring_whole_rows_and_planes_multiply_whole_fragments() {
        for (_, _, tiling) in tilings([64, 128], 32) {
            for rows in tiling.tile {
                assert_eq!(tiling.vectors_of_unit(rows) * tiling.rows_at_once(), rows);
            }
            assert!(UNITS.is_multiple_of(tiling.vectors_per_step));
            assert!((tiling.vectors_per_step * VECTOR).is_multiple_of(FRAGMENT));
        }
    }

    #[test]
    fn many_tiles_are_not_sliced_and_few_are() {
        let whole = |side: usize| {
            let tilings = tilings([256, 256], side).into_iter();
            let many = tilings.filter(|(_, batch, _)| *batch == 128);
            many.map(|(conv, batch, tiling)| tiling.slices(&conv, batch)[0] == 1)
                .collect::<Vec<_>>()
        };
        assert!(whole(32).into_iter().all(|is_whole| is_whole));
        assert!(!whole(1).into_iter().any(|is_whole| is_whole));
    }
}
