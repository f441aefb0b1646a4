//! Transform a band of tiles to panels of matrices and back, with images as lanes.

use std::ops::Range;

use super::panels::Panels;
use super::transform::{outputs, outputs_of, pixels};
use crate::per_cpu::per_cpu;

/// A few rows of tiles.
pub(super) struct Band {
    rows: Range<usize>,
    /// Tiles in a row.
    columns: usize,
    /// Points of a tile along one axis.
    points: usize,
    /// Outputs of a tile along one axis.
    step: usize,
}

impl Band {
    pub(super) fn new(rows: Range<usize>, columns: usize, points: usize, taps: usize) -> Self {
        Self {
            rows,
            columns,
            points,
            step: outputs_of(points, taps),
        }
    }

    pub(super) fn tiles(&self) -> usize {
        self.rows.len() * self.columns
    }

    /// Rows of source points that the tiles see.
    pub(super) fn points(&self) -> Range<usize> {
        self.rows.start * self.step..self.rows.end * self.step + self.points - self.step
    }

    /// Source points in a row.
    pub(super) fn width(&self) -> usize {
        self.columns * self.step + self.points - self.step
    }

    /// Rows of target points that the tiles give.
    pub(super) fn outputs(&self) -> Range<usize> {
        self.rows.start * self.step..self.rows.end * self.step
    }

    /// Target points in a row.
    pub(super) fn output_width(&self) -> usize {
        self.columns * self.step
    }

    /// Elements that the tiles see of one channel of `L` images.
    pub(super) fn pixels_len<const L: usize>(&self) -> usize {
        self.points().len() * self.width() * L
    }

    /// Elements of a row of tiles that is transformed along one axis only.
    pub(super) fn half_len<const L: usize>(&self) -> usize {
        self.points * self.width() * L
    }

    #[inline(always)]
    fn transform_pixels_body<const L: usize>(
        &self,
        lanes: &[f32],
        half: &mut [f32],
        panels: &mut Panels,
        to: [usize; 2],
    ) {
        match self.points {
            3 => self.transform_pixels_at::<L, 3>(lanes, half, panels, to),
            5 => self.transform_pixels_at::<L, 5>(lanes, half, panels, to),
            _ => self.transform_pixels_at::<L, 6>(lanes, half, panels, to),
        }
    }

    #[inline(always)]
    fn transform_pixels_at<const L: usize, const POINTS: usize>(
        &self,
        lanes: &[f32],
        half: &mut [f32],
        panels: &mut Panels,
        [input, first_tile]: [usize; 2],
    ) {
        let (lanes, half) = (lanes.as_chunks::<L>().0, half.as_chunks_mut::<L>().0);
        let width = self.width();
        for row in 0..self.rows.len() {
            let seen = &lanes[row * self.step * width..][..POINTS * width];
            for column in 0..width {
                let v = lanewise(|i| &seen[i * width + column], pixels::<POINTS>);
                for (i, v) in v.into_iter().enumerate() {
                    half[i * width + column] = v;
                }
            }
            for column in 0..self.columns {
                let tile = first_tile + row * self.columns + column;
                let first = column * self.step;
                for (i, half) in half.chunks_exact(width).take(POINTS).enumerate() {
                    let half = &half[first..first + POINTS];
                    let v = lanewise(|j| &half[j], pixels::<POINTS>);
                    for (j, v) in v.into_iter().enumerate() {
                        *panels.at_mut::<L>(i * POINTS + j, input, tile) = v;
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn transform_products_body<const L: usize>(
        &self,
        panels: &Panels,
        from: [usize; 2],
        half: &mut [f32],
        lanes: &mut [f32],
    ) {
        match [self.points, self.step] {
            [3, _] => self.transform_products_at::<L, 3, 2>(panels, from, half, lanes),
            [5, _] => self.transform_products_at::<L, 5, 4>(panels, from, half, lanes),
            [_, 4] => self.transform_products_at::<L, 6, 4>(panels, from, half, lanes),
            _ => self.transform_products_at::<L, 6, 5>(panels, from, half, lanes),
        }
    }

    #[inline(always)]
    fn transform_products_at<const L: usize, const POINTS: usize, const STEP: usize>(
        &self,
        panels: &Panels,
        [output, first_tile]: [usize; 2],
        half: &mut [f32],
        lanes: &mut [f32],
    ) {
        let (lanes, half) = (lanes.as_chunks_mut::<L>().0, half.as_chunks_mut::<L>().0);
        let width = self.output_width();
        for row in 0..self.rows.len() {
            for column in 0..self.columns {
                let tile = first_tile + row * self.columns + column;
                for j in 0..POINTS {
                    let y = lanewise(
                        |i| panels.at::<L>(i * POINTS + j, output, tile),
                        outputs::<POINTS, STEP>,
                    );
                    for (i, y) in y.into_iter().enumerate() {
                        half[i * POINTS + j] = y;
                    }
                }
                for (i, half) in half.chunks_exact(POINTS).take(STEP).enumerate() {
                    let y = lanewise(|j| &half[j], outputs::<POINTS, STEP>);
                    let start = (row * STEP + i) * width + column * STEP;
                    lanes[start..start + STEP].copy_from_slice(&y);
                }
            }
        }
    }
}

per_cpu!(
    /// Writes the values of every tile at its points to the panels: `to` is their row and first tile.
    pub(super) transform_pixels<const L> = [Band::transform_pixels_body::<L>, Band::transform_pixels_body::<L>],
    band: &Band,
    lanes: &[f32],
    half: &mut [f32],
    panels: &mut Panels,
    to: [usize; 2]
);
per_cpu!(
    /// Writes the outputs of every tile from the products in the panels: `from` is their row and first
    /// tile.
    pub(super) transform_products<const L> = [Band::transform_products_body::<L>, Band::transform_products_body::<L>],
    band: &Band,
    panels: &Panels,
    from: [usize; 2],
    half: &mut [f32],
    lanes: &mut [f32]
);

/// Transforms each lane.
#[inline(always)]
fn lanewise<'a, const L: usize, const POINTS: usize, const N: usize>(
    at: impl Fn(usize) -> &'a [f32; L],
    transform: impl Fn([f32; POINTS]) -> [f32; N],
) -> [[f32; L]; N] {
    let from: [&[f32; L]; POINTS] = std::array::from_fn(at);
    let mut to = [[0.0; L]; N];
    for lane in 0..L {
        let values = transform(std::array::from_fn(|i| from[i][lane]));
        for (to, value) in to.iter_mut().zip(values) {
            to[lane] = value;
        }
    }
    to
}
