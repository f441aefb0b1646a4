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
pub(super) struct Tiling {
    /// Rows and columns of a unit, or fragments of a plane.
    pub(super) share: [usize; 2],
    /// Rows and columns of the tile.
    pub(super) tile: [usize; 2],
    /// Vectors of a row that are in shared memory at a time.
    pub(super) step: usize,
    /// Distance of rows in shared memory, in vectors. It has units that read rows beside each other
    /// meet different banks.
    pub(super) pitch: usize,
    /// Steps of a slice: where tiles are few, several cubes compute slices of their sums.
    pub(super) steps: usize,
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
            step: 4,
            pitch: 5,
            steps: 0,
            element: size_of::<f32>(),
            exchange: 0,
        }
    }

    /// Planes multiply `rows` by `columns` fragments each, whose elements are sums of `parts` of 16 bits.
    fn of_planes([rows, columns]: [usize; 2], parts: usize) -> Self {
        // As long as shared memory and registers allow: units wait for each other twice in a step.
        let step = (64 / (rows * columns * parts)).min(16);
        Self {
            share: [rows, columns],
            tile: [rows * FRAGMENT * PLANES[0], columns * FRAGMENT * PLANES[1]],
            step,
            pitch: step + 2,
            steps: 0,
            element: parts * size_of::<u16>(),
            exchange: FRAGMENT * FRAGMENT * size_of::<f32>(),
        }
    }

    /// The largest for f32 of which there are enough, in as much shared memory as a cube may have.
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
        let chosen = *tilings.iter().find(suits).unwrap_or(&smallest);
        let (cubes, steps) = (chosen.cubes(conv, batch), chosen.all_steps(conv));
        let slices = (ENOUGH / cubes.iter().product::<usize>().max(1)).max(1);
        Self {
            steps: steps.div_ceil(slices).max(SHORTEST_SLICE).min(steps),
            ..chosen
        }
    }

    /// The same, without slices.
    pub(super) fn whole(self, conv: &ConvShape) -> Self {
        Self {
            steps: self.all_steps(conv),
            ..self
        }
    }

    /// Steps of a whole sum.
    pub(super) fn all_steps(&self, conv: &ConvShape) -> usize {
        conv.vectors().div_ceil(self.step)
    }

    /// Slices of a sum.
    pub(super) fn slices(&self, conv: &ConvShape) -> usize {
        self.all_steps(conv).div_ceil(self.steps)
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
        UNITS / self.step
    }

    /// Vectors of a side of the tile that a unit brings at a time.
    pub(super) fn vectors_of_unit(&self, rows: usize) -> usize {
        rows * self.step / UNITS
    }
}
