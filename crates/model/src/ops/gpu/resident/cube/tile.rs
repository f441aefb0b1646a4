//! Say which elements of a plane a unit computes.

use cubecl::prelude::*;

use crate::ops::gpu::resident::plane::Plane;

/// A row or column beyond every image; its products with strides and sums with kernels fit into 32 bits.
const OUTSIDE: u32 = 1 << 20;

/// The elements of a plane that a unit computes: the pixel of every cell, and the first of the channels,
/// whose distance is the number of groups.
#[derive(CubeType)]
pub(super) struct Tile {
    pub(super) channel: u32,
    /// Of the place in a cell.
    pub(super) row_in_cell: u32,
    pub(super) column_in_cell: u32,
    /// Of every cell, counted in cells; [`OUTSIDE`] where there is none.
    pub(super) cell_rows: Array<u32>,
    pub(super) cell_columns: Array<u32>,
}

#[cube]
impl Tile {
    pub(super) fn of_unit(#[comptime] plane: Plane) -> Tile {
        let groups = comptime!(plane.groups() as u32);
        let places = comptime!(plane.places() as u32);
        let blocks = comptime!(plane.blocks() as u32);
        let columns = comptime!(plane.cells()[1] as u32);
        let cells = comptime!((plane.cells()[0] * plane.cells()[1]) as u32);
        let cell_width = comptime!(plane.cell[1] as u32);
        let channel = UNIT_POS % groups;
        let place = UNIT_POS / groups % places;
        let block = UNIT_POS / (groups * places);
        let row_in_cell = place / cell_width;
        let column_in_cell = place % cell_width;
        let mut cell_rows = Array::<u32>::new(comptime!(plane.tile[1]));
        let mut cell_columns = Array::<u32>::new(comptime!(plane.tile[1]));
        #[unroll]
        for j in 0..comptime!(plane.tile[1]) {
            let cell = block + comptime!(j as u32) * blocks;
            let row = cell / columns;
            let column = cell % columns;
            let in_image = block < blocks
                && cell < cells
                && row * comptime!(plane.cell[0] as u32) + row_in_cell
                    < comptime!(plane.size[0] as u32)
                && column * cell_width + column_in_cell < comptime!(plane.size[1] as u32);
            cell_rows[j] = select(in_image, row, OUTSIDE);
            cell_columns[j] = select(in_image, column, OUTSIDE);
        }
        Tile {
            channel,
            row_in_cell,
            column_in_cell,
            cell_rows,
            cell_columns,
        }
    }

    pub(super) fn row(&self, #[comptime] j: usize, #[comptime] plane: Plane) -> u32 {
        self.cell_rows[j] * comptime!(plane.cell[0] as u32) + self.row_in_cell
    }

    pub(super) fn column(&self, #[comptime] j: usize, #[comptime] plane: Plane) -> u32 {
        self.cell_columns[j] * comptime!(plane.cell[1] as u32) + self.column_in_cell
    }

    pub(super) fn is_in_image(&self, #[comptime] j: usize) -> bool {
        self.cell_rows[j] < OUTSIDE
    }

    pub(super) fn channel(&self, #[comptime] v: usize, #[comptime] plane: Plane) -> u32 {
        self.channel + comptime!((v * plane.groups()) as u32)
    }

    /// The place of an element of the tile in its plane.
    pub(super) fn index(
        &self,
        #[comptime] j: usize,
        #[comptime] v: usize,
        #[comptime] plane: Plane,
    ) -> usize {
        let channel = self.channel(v, plane);
        let pixel = self.row(j, plane) * comptime!(plane.size[1] as u32) + self.column(j, plane);
        (channel * comptime!(plane.pixels() as u32) + pixel) as usize
    }
}
