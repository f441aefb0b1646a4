//! Cut a convolution into matrix products: unfold its images, fold their gradients, stage outputs.

use std::ops::Range;

use super::ConvShape;
use crate::ops::matrix::{LANES, Matrix, add_rows, copy_rows, for_width};

/// Values of `cols` to unfold at a time (128 KiB), so that the product finds them in the L2 cache.
const MAX_COLUMN_VALUES: usize = 1 << 15;
/// Output positions of one image to unfold at a time, so that many channels fit beside each other.
const MAX_BAND_POSITIONS: usize = 256;

/// How one geometry is cut into matrix products.
///
/// An image is first split by phase: phase (a, b) keeps the padded rows a, a + stride, … and the
/// columns b, b + stride, …. Under every kernel tap the positions are then contiguous rows of one
/// phase, without bounds to check, whatever the stride and the padding.
pub(super) struct Plan {
    shape: ConvShape,
    /// Output rows and columns.
    out: [usize; 2],
    pub(super) positions: usize,
    pub(super) taps: usize,
    /// Images per product.
    group: usize,
    /// Columns per product: the positions of a group, or of a band of one image, padded to whole
    /// vectors.
    pub(super) columns: usize,
    /// Values between rows of `cols` and `staged`: an odd number of vectors, so that rows do not
    /// fall on the same lines of a cache.
    pub(super) row_len: usize,
    /// Output rows of a band.
    band_rows: usize,
    /// Whether one product is one image as it lies in memory, so that nothing is staged.
    pub(super) in_place: bool,
    /// Whether, besides, the image is its own unfolding.
    pub(super) pointwise: bool,
    /// Phases along rows and columns, and the rows and columns of each.
    phases: [usize; 2],
    phase_size: [usize; 2],
    /// Index in the phases of what each tap of the kernel sees at the first output position.
    tap_starts: Vec<usize>,
    runs: Vec<Run>,
}

/// Pixels of one row of an image that are contiguous in one phase.
struct Run {
    /// Row of the phases.
    phase_row: usize,
    /// Index of the first in the phases.
    phase: usize,
    /// Index of the first in the image's plane; the next ones are a stride apart.
    plane: usize,
    len: usize,
}

/// So many columns, or a vector more, that they are an odd number of vectors.
fn odd_vectors(columns: usize) -> usize {
    match (columns / LANES).is_multiple_of(2) {
        true => columns + LANES,
        false => columns,
    }
}

/// The most rows that divide an image evenly into bands of whole vectors; all where there is no such
/// number, or no need.
fn band_rows([rows, columns]: [usize; 2]) -> usize {
    let fits = |band: &usize| {
        let positions = band * columns;
        rows.is_multiple_of(*band)
            && positions.is_multiple_of(LANES)
            && positions <= MAX_BAND_POSITIONS
    };
    (1..=rows).rev().find(fits).unwrap_or(rows)
}

impl Plan {
    pub(super) fn new(shape: ConvShape, group: usize) -> Self {
        let out = shape.out();
        let positions = shape.positions();
        let in_place = group == 1 && positions.is_multiple_of(LANES);
        let band_rows = if in_place { band_rows(out) } else { out[0] };
        let columns = (group * band_rows * out[1]).next_multiple_of(LANES);
        let ones = shape.kernel == [1, 1] && shape.stride == [1, 1];
        let axes = [0, 1];
        let mut plan = Self {
            shape,
            out,
            positions,
            taps: shape.taps(),
            group,
            columns,
            row_len: odd_vectors(columns),
            band_rows,
            in_place,
            pointwise: in_place && ones && shape.padding == [(0, 0); 2],
            phases: axes.map(|axis| shape.stride[axis].min(shape.kernel[axis])),
            phase_size: axes.map(|axis| out[axis] + (shape.kernel[axis] - 1) / shape.stride[axis]),
            tap_starts: Vec::new(),
            runs: Vec::new(),
        };
        let [rows, cols] = shape.kernel;
        plan.tap_starts = (0..rows * cols)
            .map(|tap| plan.in_phases(tap / cols, tap % cols))
            .collect();
        plan.runs = (0..shape.height)
            .flat_map(|row| plan.runs_of(row))
            .collect();
        plan
    }

    /// The plan in which every image is one band.
    pub(super) fn without_bands(shape: ConvShape, group: usize) -> Self {
        let mut plan = Self::new(shape, group);
        if plan.in_place {
            plan.band_rows = plan.out[0];
            plan.columns = plan.positions;
            plan.row_len = odd_vectors(plan.columns);
        }
        plan
    }

    /// Index in the phases of a row and a column of the padded image.
    fn in_phases(&self, row: usize, col: usize) -> usize {
        let [row_step, col_step] = self.shape.stride;
        let phase = row % row_step * self.phases[1] + col % col_step;
        (phase * self.phase_size[0] + row / row_step) * self.phase_size[1] + col / col_step
    }

    /// The runs of one row of the image: at most one in each phase of the columns.
    fn runs_of(&self, row: usize) -> Vec<Run> {
        let [row_step, step] = self.shape.stride;
        let [(top, _), (left, _)] = self.shape.padding;
        let padded_row = row + top;
        let seen =
            padded_row % row_step < self.phases[0] && padded_row / row_step < self.phase_size[0];
        let phases = if seen { 0..self.phases[1] } else { 0..0 };
        let run = |phase: usize| {
            let first = left.saturating_sub(phase).div_ceil(step);
            let end = (left + self.shape.width)
                .saturating_sub(phase)
                .div_ceil(step);
            let len = end.min(self.phase_size[1]).checked_sub(first)?;
            let col = first * step + phase;
            (len > 0).then(|| Run {
                phase_row: padded_row / row_step,
                phase: self.in_phases(padded_row, col),
                plane: row * self.shape.width + col - left,
                len,
            })
        };
        phases.filter_map(run).collect()
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (batch, group) = (self.shape.batch, self.group);
        (0..batch)
            .step_by(group)
            .map(move |first| first..(first + group).min(batch))
    }

    /// Parts of the output rows; all of them but for large images.
    pub(super) fn bands(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (rows, band) = (self.out[0], self.band_rows);
        (0..rows)
            .step_by(band)
            .map(move |first| first..first + band)
    }

    /// Index of the first position of a band in an output plane.
    pub(super) fn band_start(&self, band: &Range<usize>) -> usize {
        band.start * self.out[1]
    }

    fn chunk_len(&self) -> usize {
        (MAX_COLUMN_VALUES / (self.taps * self.row_len)).clamp(1, self.shape.channels_in.max(1))
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (channels, chunk) = (self.shape.channels_in, self.chunk_len());
        (0..channels)
            .step_by(chunk)
            .map(move |first| first..(first + chunk).min(channels))
    }

    /// Numbers of the phases of a plane.
    pub(super) fn planes_len(&self) -> usize {
        self.phases.iter().chain(&self.phase_size).product()
    }

    /// Numbers of the columns of a chunk of channels.
    pub(super) fn columns_len(&self) -> usize {
        self.chunk_len() * self.taps * self.row_len
    }

    /// Numbers of the staged outputs.
    pub(super) fn staged_len(&self) -> usize {
        self.shape.channels_out * self.row_len
    }

    /// Positions of a group, padded to whole vectors.
    pub(super) fn group_positions(&self) -> usize {
        self.columns.max(self.positions)
    }

    /// Copies what the taps see of every plane of `chunk` at the positions of a band to `cols`, one
    /// row per channel and tap.
    pub(super) fn unfold<'a>(
        &self,
        x: &'a [f32],
        images: &Range<usize>,
        band: &Range<usize>,
        chunk: &Range<usize>,
        planes: &mut [f32],
        cols: &'a mut [f32],
    ) -> Matrix<'a> {
        if self.pointwise {
            let image = &x[self.shape.plane_range(images.start, chunk.start).start..];
            let image = Matrix::new(&image[self.band_start(band)..], chunk.len(), self.positions);
            return image.keep(self.columns);
        }
        let copy = for_width!(copy_rows, self.out[1]);
        let rows = cols.chunks_exact_mut(self.taps * self.row_len);
        let runs = self.runs_of_band(band);
        let (first, positions) = (band.start * self.phase_size[1], band.len() * self.out[1]);
        for (channel, rows) in chunk.clone().zip(rows) {
            for (slot, image) in images.clone().enumerate() {
                self.split(&x[self.shape.plane_range(image, channel)], runs, planes);
                for (row, &start) in rows.chunks_exact_mut(self.row_len).zip(&self.tap_starts) {
                    let row = &mut row[slot * positions..][..positions];
                    copy(
                        row,
                        &planes[start + first..],
                        self.phase_size[1],
                        self.out[1],
                    );
                }
            }
            for row in rows.chunks_exact_mut(self.row_len) {
                row[images.len() * positions..].fill(0.0);
            }
        }
        Matrix::new(cols, chunk.len() * self.taps, self.row_len).keep(self.columns)
    }

    /// The runs of the rows that the taps see at the positions of a band.
    fn runs_of_band(&self, band: &Range<usize>) -> &[Run] {
        let below = (self.shape.kernel[0] - 1) / self.shape.stride[0];
        let from = self.runs.partition_point(|run| run.phase_row < band.start);
        let to = self
            .runs
            .partition_point(|run| run.phase_row < band.end + below);
        &self.runs[from..to]
    }

    /// Adds the rows of `cols` back onto the planes of `chunk`: the transpose of `unfold`.
    pub(super) fn fold(
        &self,
        cols: &[f32],
        images: &Range<usize>,
        chunk: &Range<usize>,
        planes: &mut [f32],
        grad_x: &mut [f32],
    ) {
        let add = for_width!(add_rows, self.out[1]);
        for (channel, rows) in chunk
            .clone()
            .zip(cols.chunks_exact(self.taps * self.row_len))
        {
            for (slot, image) in images.clone().enumerate() {
                planes.fill(0.0);
                for (row, &start) in rows.chunks_exact(self.row_len).zip(&self.tap_starts) {
                    let row = &row[slot * self.positions..][..self.positions];
                    add(&mut planes[start..], row, self.phase_size[1], self.out[1]);
                }
                self.merge(planes, &mut grad_x[self.shape.plane_range(image, channel)]);
            }
        }
    }

    /// Copies the pixels of some runs of a plane into its phases.
    fn split(&self, plane: &[f32], runs: &[Run], planes: &mut [f32]) {
        for run in runs {
            let to = &mut planes[run.phase..][..run.len];
            let from = &plane[run.plane..];
            match self.shape.stride[1] {
                1 => to.copy_from_slice(&from[..run.len]),
                2 => to
                    .iter_mut()
                    .zip(from.chunks(2))
                    .for_each(|(to, from)| *to = from[0]),
                step => to
                    .iter_mut()
                    .zip(from.chunks(step))
                    .for_each(|(to, from)| *to = from[0]),
            }
        }
    }

    /// Copies the phases back into the plane: the transpose of `split`.
    fn merge(&self, planes: &[f32], plane: &mut [f32]) {
        plane.fill(0.0); // what the kernel never reaches
        for run in &self.runs {
            let from = &planes[run.phase..][..run.len];
            let to = &mut plane[run.plane..];
            match self.shape.stride[1] {
                1 => to[..run.len].copy_from_slice(from),
                2 => to
                    .chunks_mut(2)
                    .zip(from)
                    .for_each(|(to, from)| to[0] = *from),
                step => to
                    .chunks_mut(step)
                    .zip(from)
                    .for_each(|(to, from)| to[0] = *from),
            }
        }
    }

    /// Brings gradients `[group, c_out, positions]` to the layout `[c_out, columns]`.
    pub(super) fn stage<'a>(&self, grad: &'a [f32], staged: &'a mut [f32]) -> Matrix<'a> {
        let channels = self.shape.channels_out;
        if self.in_place {
            return Matrix::new(grad, channels, self.positions);
        }
        for (slot, image) in grad.chunks_exact(self.shape.out_image_len()).enumerate() {
            let rows = staged.chunks_exact_mut(self.row_len);
            for (row, plane) in rows.zip(image.chunks_exact(self.positions)) {
                row[slot * self.positions..][..self.positions].copy_from_slice(plane);
            }
        }
        let used = grad.len() / channels;
        staged
            .chunks_exact_mut(self.row_len)
            .for_each(|row| row[used..].fill(0.0));
        Matrix::new(staged, channels, self.row_len).keep(self.columns)
    }

    /// Brings gradients `[group, c_out, positions]` to panels `[columns, LANES]` of output channels,
    /// with zeros for what is missing.
    pub(super) fn stage_panels(&self, grad: &[f32], staged: &mut [f32]) {
        staged.fill(0.0);
        let panel_len = self.group_positions() * LANES;
        for (slot, image) in grad.chunks_exact(self.shape.out_image_len()).enumerate() {
            for (channel, plane) in image.chunks_exact(self.positions).enumerate() {
                let panel = &mut staged[channel / LANES * panel_len..][..panel_len];
                let rows = &mut panel[slot * self.positions * LANES..];
                let column = rows[channel % LANES..].iter_mut().step_by(LANES);
                column.zip(plane).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// Brings sums `[c_out, columns]` to the layout `[group, c_out, positions]` and adds the bias.
    pub(super) fn unstage(&self, staged: &[f32], bias: Option<&[f32]>, out: &mut [f32]) {
        for (slot, image) in out.chunks_exact_mut(self.shape.out_image_len()).enumerate() {
            let rows = staged.chunks_exact(self.row_len);
            for (channel, (plane, row)) in
                image.chunks_exact_mut(self.positions).zip(rows).enumerate()
            {
                let bias = bias.map_or(0.0, |bias| bias[channel]);
                let row = &row[slot * self.positions..][..self.positions];
                plane
                    .iter_mut()
                    .zip(row)
                    .for_each(|(out, sum)| *out = sum + bias);
            }
        }
    }
}
