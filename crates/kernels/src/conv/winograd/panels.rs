//! Store the factors and products of a band, a matrix for each point of a tile.

use crate::lanes::MAX_WIDTH;

/// For each point of a tile a matrix of channels and columns, where a column is a tile of an image. A
/// matrix is stored in panels of [`MAX_WIDTH`] columns.
pub(super) struct Panels<'a> {
    values: &'a mut [f32],
    rows: usize,
    /// Elements of a point: an odd number of cache lines, so that points do not share the sets of
    /// the cache.
    point_len: usize,
}

impl<'a> Panels<'a> {
    fn point_len(columns: usize, rows: usize) -> usize {
        columns * rows + MAX_WIDTH
    }

    pub(super) fn len(points: usize, columns: usize, rows: usize) -> usize {
        points * Self::point_len(columns, rows)
    }

    pub(super) fn new(values: &'a mut [f32], columns: usize, rows: usize) -> Self {
        Self {
            values,
            rows,
            point_len: Self::point_len(columns, rows),
        }
    }

    #[inline(always)]
    fn panel_start(&self, point: usize, panel: usize) -> usize {
        point * self.point_len + panel * self.rows * MAX_WIDTH
    }

    /// The first panels of a point, each `[rows, MAX_WIDTH]`.
    pub(super) fn panels(&self, point: usize, panels: usize) -> &[f32] {
        &self.values[self.panel_start(point, 0)..self.panel_start(point, panels)]
    }

    /// The first panels of a point, each `[rows, MAX_WIDTH]`.
    pub(super) fn panels_mut(&mut self, point: usize, panels: usize) -> &mut [f32] {
        let [start, end] = [0, panels].map(|panel| self.panel_start(point, panel));
        &mut self.values[start..end]
    }

    /// Index, in vectors of `L` images, of a tile.
    #[inline(always)]
    fn index<const L: usize>(&self, point: usize, row: usize, tile: usize) -> usize {
        let per_panel = MAX_WIDTH / L;
        let (panel, in_panel) = (tile / per_panel, tile % per_panel);
        (self.panel_start(point, panel) + row * MAX_WIDTH) / L + in_panel
    }

    #[inline(always)]
    pub(super) fn at<const L: usize>(&self, point: usize, row: usize, tile: usize) -> &[f32; L] {
        &self.values.as_chunks::<L>().0[self.index::<L>(point, row, tile)]
    }

    #[inline(always)]
    pub(super) fn at_mut<const L: usize>(
        &mut self,
        point: usize,
        row: usize,
        tile: usize,
    ) -> &mut [f32; L] {
        let index = self.index::<L>(point, row, tile);
        &mut self.values.as_chunks_mut::<L>().0[index]
    }
}
