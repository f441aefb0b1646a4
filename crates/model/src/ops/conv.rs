//! Convolve small images on one CPU core: unfold them into columns, then multiply matrices.
//!
//! A convolution of one image is `W · cols`, where `cols` holds under each output position the
//! patch of the image that the kernel sees there [Chellapilla, Puri, Simard 2006]; its gradients
//! are the two transposed products. `forward` and `input_gradient` work through the batch in
//! groups of a size that depends on the geometry alone and fill the last group with zeros, so
//! that the bits of an image's result do not depend on the batch that it is in.

use std::{cell::Cell, ops::Range};

use gemm::Parallelism;

/// Columns are padded to a multiple of the widest vector (AVX-512, 16 lanes): `gemm` then reads
/// them in place instead of packing them first.
const LANES: usize = 16;
/// Output positions that one product should have at least: fewer leave it bound by the weights.
const MIN_POSITIONS: usize = 16;
/// Output positions over which one product of the weight gradient should sum.
const MIN_SUMMED_POSITIONS: usize = 512;
/// Values of `cols` to unfold at a time (128 KiB), so that the product finds them in the L2 cache.
const MAX_COLUMN_VALUES: usize = 1 << 15;

/// Geometry of a convolution with explicit padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Images in the batch.
    pub(crate) batch: usize,
    /// Channels of an input image.
    pub(crate) channels_in: usize,
    /// Rows of an input image.
    pub(crate) height: usize,
    /// Columns of an input image.
    pub(crate) width: usize,
    /// Channels of an output image.
    pub(crate) channels_out: usize,
    /// Rows and columns of the kernel.
    pub(crate) kernel: [usize; 2],
    /// Steps between output rows and between output columns.
    pub(crate) stride: [usize; 2],
    /// Zeros before and after the rows, before and after the columns.
    pub(crate) padding: [(usize, usize); 2],
}

impl ConvShape {
    /// Rows and columns of an output image.
    ///
    /// # Panics
    ///
    /// When a stride is zero or the kernel is empty or larger than the padded image.
    pub(crate) fn out(&self) -> [usize; 2] {
        let size = [self.height, self.width];
        [0, 1].map(|axis| {
            let (before, after) = self.padding[axis];
            let padded = size[axis] + before + after;
            let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
            assert!(
                (1..=padded).contains(&kernel) && stride > 0,
                "expected a kernel of 1 to {padded} and a stride above 0, got {kernel} and {stride}"
            );
            (padded - kernel) / stride + 1
        })
    }

    fn positions(&self) -> usize {
        self.out().iter().product()
    }

    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    fn image_len(&self) -> usize {
        self.channels_in * self.height * self.width
    }

    fn out_image_len(&self) -> usize {
        self.channels_out * self.positions()
    }

    /// Panics unless the lengths given are those of the input, the weights and the output.
    fn check(&self, x: Option<usize>, weight: Option<usize>, out: Option<usize>) {
        assert!(
            self.channels_in > 0 && self.channels_out > 0,
            "expected channels, got {self:?}"
        );
        let weight_len = self.channels_out * self.channels_in * self.taps();
        let expected = [
            self.batch * self.image_len(),
            weight_len,
            self.batch * self.out_image_len(),
        ];
        for (name, (expected, got)) in ["input", "weight", "output"]
            .iter()
            .zip(expected.into_iter().zip([x, weight, out]))
        {
            let got = got.unwrap_or(expected);
            assert_eq!(
                expected, got,
                "expected {expected} values of {name}, got {got}"
            );
        }
    }
}

/// Writes the convolution of `x` with `weight`, plus `bias` per output channel, into `out`.
///
/// # Shapes
///
/// `x` `[batch, c_in, h, w]`, `weight` `[c_out, c_in, kh, kw]`, `bias` `[c_out]`,
/// `out` `[batch, c_out, oh, ow]`.
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it.
pub(crate) fn forward(
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    shape.check(Some(x.len()), Some(weight.len()), Some(out.len()));
    let channels = shape.channels_out;
    if let Some(bias) = bias {
        assert_eq!(
            bias.len(),
            channels,
            "expected a bias for each of {channels} channels"
        );
    }
    let plan = Plan::new(shape, group_for(shape, MIN_POSITIONS));
    let row_len = shape.channels_in * plan.taps;
    plan.with_scratch(|[planes, cols, staged]| {
        planes.fill(0.0); // the padding, which no image overwrites
        for images in plan.groups() {
            let result = &mut out[plan.out_range(&images)];
            let sums = if plan.in_place {
                &mut *result
            } else {
                &mut *staged
            };
            if plan.in_place {
                fill_rows(sums, plan.positions, bias);
            }
            for chunk in plan.chunks() {
                let accumulate = plan.in_place || chunk.start > 0;
                let kernels = Matrix::new(&weight[chunk.start * plan.taps..], channels, row_len)
                    .keep(chunk.len() * plan.taps);
                let patches = plan.unfold(x, &images, &chunk, planes, cols);
                multiply(kernels, patches, sums, plan.columns, accumulate);
            }
            if !plan.in_place {
                plan.unstage(staged, bias, result);
            }
        }
    });
}

/// Writes the gradient with respect to the input into `grad_x`.
///
/// # Shapes
///
/// `weight` `[c_out, c_in, kh, kw]`, `grad_out` `[batch, c_out, oh, ow]`,
/// `grad_x` `[batch, c_in, h, w]`.
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it.
pub(crate) fn input_gradient(
    shape: ConvShape,
    weight: &[f32],
    grad_out: &[f32],
    grad_x: &mut [f32],
) {
    shape.check(Some(grad_x.len()), Some(weight.len()), Some(grad_out.len()));
    let plan = Plan::new(shape, group_for(shape, MIN_POSITIONS));
    let row_len = shape.channels_in * plan.taps;
    plan.with_scratch(|[planes, cols, staged]| {
        for images in plan.groups() {
            let grad = plan.stage(&grad_out[plan.out_range(&images)], staged);
            for chunk in plan.chunks() {
                let kernels = Matrix::new(
                    &weight[chunk.start * plan.taps..],
                    shape.channels_out,
                    row_len,
                )
                .keep(chunk.len() * plan.taps);
                if plan.pointwise {
                    let planes = &mut grad_x[plan.plane_range(images.start, chunk.start).start..];
                    multiply(kernels.transposed(), grad, planes, plan.columns, false);
                } else {
                    multiply(kernels.transposed(), grad, cols, plan.columns, false);
                    plan.fold(cols, &images, &chunk, planes, grad_x);
                }
            }
        }
    });
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
    grad_weight.fill(0.0);
    let plan = Plan::new(
        shape,
        group_for(shape, MIN_SUMMED_POSITIONS).min(shape.batch.max(1)),
    );
    let row_len = shape.channels_in * plan.taps;
    plan.with_scratch(|[planes, cols, staged]| {
        planes.fill(0.0); // the padding, which no image overwrites
        for images in plan.groups() {
            let grad = plan.stage(&grad_out[plan.out_range(&images)], staged);
            for chunk in plan.chunks() {
                let patches = plan.unfold(x, &images, &chunk, planes, cols);
                let sums = &mut grad_weight[chunk.start * plan.taps..];
                multiply(grad, patches.transposed(), sums, row_len, true);
            }
        }
    });
}

/// Writes the gradient with respect to the bias, summed over batch and positions, into `grad_bias`.
///
/// # Shapes
///
/// `grad_out` `[batch, c_out, oh, ow]`, `grad_bias` `[c_out]`.
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it.
pub(crate) fn bias_gradient(shape: ConvShape, grad_out: &[f32], grad_bias: &mut [f32]) {
    shape.check(None, None, Some(grad_out.len()));
    let channels = shape.channels_out;
    assert_eq!(
        grad_bias.len(),
        channels,
        "expected a bias for each of {channels} channels"
    );
    grad_bias.fill(0.0);
    for image in grad_out.chunks_exact(shape.out_image_len().max(1)) {
        for (sum, plane) in grad_bias
            .iter_mut()
            .zip(image.chunks_exact(shape.positions()))
        {
            *sum += sum_of(plane);
        }
    }
}

/// The function with the width known at compile time, for the widths of the usual networks.
macro_rules! for_width {
    ($rows:ident, $width:expr) => {
        match $width {
            2 => $rows::<2>,
            4 => $rows::<4>,
            7 => $rows::<7>,
            8 => $rows::<8>,
            14 => $rows::<14>,
            16 => $rows::<16>,
            28 => $rows::<28>,
            _ => $rows::<0>,
        }
    };
}

/// How one geometry is cut into matrix products.
///
/// An image is first split by phase: phase (a, b) keeps the padded rows a, a + stride, … and the
/// columns b, b + stride, …. Under every kernel tap the positions are then contiguous rows of one
/// phase, without bounds to check, whatever the stride and the padding.
struct Plan {
    shape: ConvShape,
    /// Output rows and columns.
    out: [usize; 2],
    positions: usize,
    taps: usize,
    /// Images per product.
    group: usize,
    /// Columns per product: the positions of a group, padded to whole vectors.
    columns: usize,
    /// Whether one product is one image as it lies in memory, so that nothing is staged.
    in_place: bool,
    /// Whether, besides, the image is its own unfolding.
    pointwise: bool,
    /// Phases along rows and columns, and the rows and columns of each.
    phases: [usize; 2],
    phase_size: [usize; 2],
    /// Index in the phases of what each tap of the kernel sees at the first output position.
    tap_starts: Vec<usize>,
    runs: Vec<Run>,
}

/// Pixels of one row of an image that are contiguous in one phase.
struct Run {
    /// Index of the first in the phases.
    phase: usize,
    /// Index of the first in the image's plane; the next ones are a stride apart.
    plane: usize,
    len: usize,
}

/// Images that together have at least so many output positions, whatever the batch.
fn group_for(shape: ConvShape, positions: usize) -> usize {
    positions.div_ceil(shape.positions())
}

impl Plan {
    fn new(shape: ConvShape, group: usize) -> Self {
        let out = shape.out();
        let positions = shape.positions();
        let columns = (group * positions).next_multiple_of(LANES);
        let in_place = group == 1 && columns == positions;
        let ones = shape.kernel == [1, 1] && shape.stride == [1, 1];
        let axes = [0, 1];
        let mut plan = Self {
            shape,
            out,
            positions,
            taps: shape.taps(),
            group,
            columns,
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
                phase: self.in_phases(padded_row, col),
                plane: row * self.shape.width + col - left,
                len,
            })
        };
        phases.filter_map(run).collect()
    }

    fn groups(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (batch, group) = (self.shape.batch, self.group);
        (0..batch)
            .step_by(group)
            .map(move |first| first..(first + group).min(batch))
    }

    fn chunk_len(&self) -> usize {
        (MAX_COLUMN_VALUES / (self.taps * self.columns)).clamp(1, self.shape.channels_in.max(1))
    }

    fn chunks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (channels, chunk) = (self.shape.channels_in, self.chunk_len());
        (0..channels)
            .step_by(chunk)
            .map(move |first| first..(first + chunk).min(channels))
    }

    fn out_range(&self, images: &Range<usize>) -> Range<usize> {
        let image = self.shape.out_image_len();
        images.start * image..images.end * image
    }

    fn plane_range(&self, image: usize, channel: usize) -> Range<usize> {
        let plane = self.shape.height * self.shape.width;
        let first = (image * self.shape.channels_in + channel) * plane;
        first..first + plane
    }

    /// Runs `work` with this thread's scratch: phases of a plane, columns, staged outputs.
    fn with_scratch(&self, work: impl FnOnce([&mut [f32]; 3])) {
        thread_local!(static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) });
        let planes = self
            .phases
            .iter()
            .chain(&self.phase_size)
            .product::<usize>();
        let planes = planes.next_multiple_of(LANES);
        let cols = self.chunk_len() * self.taps * self.columns;
        let staged = self.shape.channels_out * self.columns;
        SCRATCH.with(|scratch| {
            let mut memory = scratch.take();
            let needed = planes + cols + staged + LANES;
            memory.resize(memory.len().max(needed), 0.0);
            let aligned = memory.as_ptr().align_offset(64).min(LANES);
            let (planes, rest) = memory[aligned..].split_at_mut(planes);
            let (cols, rest) = rest.split_at_mut(cols);
            work([planes, cols, &mut rest[..staged]]);
            scratch.set(memory);
        });
    }

    /// Copies the phases of every plane of `chunk` to `cols`, one row per channel and tap.
    fn unfold<'a>(
        &self,
        x: &'a [f32],
        images: &Range<usize>,
        chunk: &Range<usize>,
        planes: &mut [f32],
        cols: &'a mut [f32],
    ) -> Matrix<'a> {
        if self.pointwise {
            let image = &x[self.plane_range(images.start, chunk.start).start..];
            return Matrix::new(image, chunk.len(), self.columns);
        }
        let copy = for_width!(copy_rows, self.out[1]);
        let rows = cols.chunks_exact_mut(self.taps * self.columns);
        for (channel, rows) in chunk.clone().zip(rows) {
            for (slot, image) in images.clone().enumerate() {
                self.split(&x[self.plane_range(image, channel)], planes);
                for (row, &start) in rows.chunks_exact_mut(self.columns).zip(&self.tap_starts) {
                    let row = &mut row[slot * self.positions..][..self.positions];
                    copy(row, &planes[start..], self.phase_size[1], self.out[1]);
                }
            }
            for row in rows.chunks_exact_mut(self.columns) {
                row[images.len() * self.positions..].fill(0.0);
            }
        }
        Matrix::new(cols, chunk.len() * self.taps, self.columns)
    }

    /// Adds the rows of `cols` back onto the planes of `chunk`: the transpose of `unfold`.
    fn fold(
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
            .zip(cols.chunks_exact(self.taps * self.columns))
        {
            for (slot, image) in images.clone().enumerate() {
                planes.fill(0.0);
                for (row, &start) in rows.chunks_exact(self.columns).zip(&self.tap_starts) {
                    let row = &row[slot * self.positions..][..self.positions];
                    add(&mut planes[start..], row, self.phase_size[1], self.out[1]);
                }
                self.merge(planes, &mut grad_x[self.plane_range(image, channel)]);
            }
        }
    }

    /// Copies the pixels of a plane into its phases.
    fn split(&self, plane: &[f32], planes: &mut [f32]) {
        for run in &self.runs {
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
    fn stage<'a>(&self, grad: &'a [f32], staged: &'a mut [f32]) -> Matrix<'a> {
        let channels = self.shape.channels_out;
        if self.in_place {
            return Matrix::new(grad, channels, self.columns);
        }
        for (slot, image) in grad.chunks_exact(self.shape.out_image_len()).enumerate() {
            let rows = staged.chunks_exact_mut(self.columns);
            for (row, plane) in rows.zip(image.chunks_exact(self.positions)) {
                row[slot * self.positions..][..self.positions].copy_from_slice(plane);
            }
        }
        let used = grad.len() / channels;
        staged
            .chunks_exact_mut(self.columns)
            .for_each(|row| row[used..].fill(0.0));
        Matrix::new(staged, channels, self.columns)
    }

    /// Brings sums `[c_out, columns]` to the layout `[group, c_out, positions]` and adds the bias.
    fn unstage(&self, staged: &[f32], bias: Option<&[f32]>, out: &mut [f32]) {
        for (slot, image) in out.chunks_exact_mut(self.shape.out_image_len()).enumerate() {
            let rows = staged.chunks_exact(self.columns);
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

/// A matrix in a slice, by rows, with a step between rows and one between columns.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    data: &'a [f32],
    size: [usize; 2],
    step: [usize; 2],
}

impl<'a> Matrix<'a> {
    fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self {
            data,
            size: [rows, cols],
            step: [cols, 1],
        }
    }

    /// Keeps the first `cols` columns.
    fn keep(mut self, cols: usize) -> Self {
        self.size[1] = cols;
        self
    }

    fn transposed(self) -> Self {
        let flip = |[a, b]: [usize; 2]| [b, a];
        Self {
            size: flip(self.size),
            step: flip(self.step),
            ..self
        }
    }

    fn reach(&self) -> usize {
        let [rows, cols] = self.size;
        if rows * cols == 0 {
            0
        } else {
            (rows - 1) * self.step[0] + (cols - 1) * self.step[1] + 1
        }
    }
}

/// Writes `a · b` to the rows of `out`, `row_len` apart, or adds it to them.
fn multiply(a: Matrix, b: Matrix, out: &mut [f32], row_len: usize, accumulate: bool) {
    let [m, k] = a.size;
    let n = b.size[1];
    let target = Matrix::new(out, m, row_len).keep(n);
    assert!(k == b.size[0] && n <= row_len, "matrices do not fit");
    assert!(a.reach() <= a.data.len() && b.reach() <= b.data.len() && target.reach() <= out.len());
    let [[a_row, a_col], [b_row, b_col]] = [a.step, b.step].map(|s| s.map(|s| s as isize));
    // SAFETY: the asserts above keep every element that the sizes and steps reach inside its
    // slice, and `out` is borrowed mutably, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            row_len as isize,
            accumulate,
            a.data.as_ptr(),
            a_col,
            a_row,
            b.data.as_ptr(),
            b_col,
            b_row,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Fills row i with value i, or all with zeros.
fn fill_rows(out: &mut [f32], row_len: usize, values: Option<&[f32]>) {
    for (channel, row) in out.chunks_exact_mut(row_len).enumerate() {
        row.fill(values.map_or(0.0, |values| values[channel]));
    }
}

/// Sums in `LANES` independent partial sums, which the compiler keeps in vectors.
fn sum_of(values: &[f32]) -> f32 {
    let mut partial = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        partial
            .iter_mut()
            .zip(chunk)
            .for_each(|(sum, value)| *sum += value);
    }
    partial.iter().sum::<f32>() + rest
}

/// Copies rows of `width`, `phase_width` apart, to where they follow each other.
fn copy_rows<const WIDTH: usize>(to: &mut [f32], from: &[f32], phase_width: usize, width: usize) {
    let width = if WIDTH > 0 { WIDTH } else { width };
    for (to, from) in to.chunks_exact_mut(width).zip(from.chunks(phase_width)) {
        to.copy_from_slice(&from[..width]);
    }
}

/// Adds rows of `width` that follow each other to rows `phase_width` apart.
fn add_rows<const WIDTH: usize>(to: &mut [f32], from: &[f32], phase_width: usize, width: usize) {
    let width = if WIDTH > 0 { WIDTH } else { width };
    for (to, from) in to.chunks_mut(phase_width).zip(from.chunks_exact(width)) {
        to[..width]
            .iter_mut()
            .zip(from)
            .for_each(|(sum, x)| *sum += x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in (−1, 1) from a linear congruential generator [Knuth, MMIX].
    struct Random(u64);

    impl Random {
        fn bits(&mut self) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            self.0 >> 33
        }

        fn below(&mut self, end: usize) -> usize {
            self.bits() as usize % end
        }

        fn values(&mut self, len: usize) -> Vec<f32> {
            (0..len)
                .map(|_| self.bits() as f32 / (1u64 << 30) as f32 - 1.0)
                .collect()
        }

        fn shape(&mut self) -> ConvShape {
            loop {
                let shape = ConvShape {
                    batch: 1 + self.below(5),
                    channels_in: 1 + self.below(6),
                    height: 1 + self.below(17),
                    width: 1 + self.below(17),
                    channels_out: 1 + self.below(9),
                    kernel: [1 + self.below(5), 1 + self.below(5)],
                    stride: [1 + self.below(3), 1 + self.below(3)],
                    padding: [0, 0].map(|_: i32| (self.below(4), self.below(4))),
                };
                let [(top, bottom), (left, right)] = shape.padding;
                if shape.kernel[0] <= shape.height + top + bottom
                    && shape.kernel[1] <= shape.width + left + right
                {
                    return shape;
                }
            }
        }
    }

    fn square(
        ci: usize,
        size: usize,
        co: usize,
        kernel: usize,
        stride: usize,
        pads: (usize, usize),
    ) -> ConvShape {
        ConvShape {
            batch: 9,
            channels_in: ci,
            height: size,
            width: size,
            channels_out: co,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [pads; 2],
        }
    }

    fn special_shapes() -> Vec<ConvShape> {
        vec![
            square(1, 1, 1, 1, 1, (0, 0)),
            square(3, 1, 2, 3, 1, (1, 1)),
            square(2, 7, 3, 1, 3, (0, 0)),
            square(5, 4, 3, 1, 1, (0, 0)),
            square(5, 8, 3, 1, 1, (0, 0)),
            square(3, 8, 5, 1, 1, (1, 1)),
            square(1, 28, 16, 5, 2, (4, 4)),
            square(16, 16, 32, 3, 2, (1, 1)),
            square(64, 4, 64, 3, 2, (1, 1)),
            square(64, 4, 16, 3, 1, (1, 1)),
            square(128, 7, 17, 4, 2, (1, 2)),
            square(33, 14, 8, 4, 2, (1, 1)),
            square(40, 28, 3, 4, 2, (1, 1)),
        ]
    }

    /// Calls `visit(index in x, in weight, in out)` for every product of the convolution.
    fn for_each_product(shape: ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
        let ([oh, ow], [kh, kw]) = (shape.out(), shape.kernel);
        let channels = shape.channels_in;
        for row in 0..shape.batch * shape.channels_out * oh {
            for col in 0..ow {
                let out = row * ow + col;
                let (image, channel_out) =
                    (row / oh / shape.channels_out, row / oh % shape.channels_out);
                for channel in 0..channels {
                    for ky in 0..kh {
                        for kx in 0..kw {
                            let y =
                                (row % oh * shape.stride[0] + ky).wrapping_sub(shape.padding[0].0);
                            let x = (col * shape.stride[1] + kx).wrapping_sub(shape.padding[1].0);
                            if y < shape.height && x < shape.width {
                                let plane = (image * channels + channel) * shape.height;
                                let kernel = (channel_out * channels + channel) * kh;
                                visit((plane + y) * shape.width + x, (kernel + ky) * kw + kx, out);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Asserts agreement to 1e-5 of the largest value: the sums of a tensor round alike.
    fn assert_close(got: &[f32], expected: &[f64], shape: ConvShape) {
        assert_eq!(got.len(), expected.len());
        let largest = expected
            .iter()
            .fold(0.0, |max: f64, value| max.max(value.abs()));
        for (&got, &expected) in got.iter().zip(expected) {
            let error = (f64::from(got) - expected).abs();
            assert!(
                error <= 1e-5 * largest,
                "{shape:?}: got {got}, expected {expected}"
            );
        }
    }

    /// Input, weights, bias and output gradient of random values.
    fn operands(shape: ConvShape, random: &mut Random) -> [Vec<f32>; 4] {
        let weights = shape.channels_out * shape.channels_in * shape.taps();
        let lens = [
            shape.batch * shape.image_len(),
            weights,
            shape.channels_out,
            shape.batch * shape.out_image_len(),
        ];
        lens.map(|len| random.values(len))
    }

    fn shapes(random: &mut Random) -> Vec<ConvShape> {
        let mut shapes = special_shapes();
        shapes.extend((0..300).map(|_| random.shape()));
        shapes
    }

    #[test]
    fn forward_agrees_with_six_loops_in_double_precision() {
        let mut random = Random(1);
        for shape in shapes(&mut random) {
            let [x, weight, bias, grad] = operands(shape, &mut random);
            let mut out = vec![f32::NAN; grad.len()];
            for bias in [None, Some(bias.as_slice())] {
                let mut expected = vec![0.0; out.len()];
                let planes = expected.chunks_exact_mut(shape.positions()).enumerate();
                for (plane, values) in planes {
                    values
                        .fill(bias.map_or(0.0, |bias| f64::from(bias[plane % shape.channels_out])));
                }
                for_each_product(shape, |i, k, o| {
                    expected[o] += f64::from(x[i]) * f64::from(weight[k]);
                });
                forward(shape, &x, &weight, bias, &mut out);
                assert_close(&out, &expected, shape);
            }
        }
    }

    #[test]
    fn gradients_agree_with_six_loops_in_double_precision() {
        let mut random = Random(2);
        for shape in shapes(&mut random) {
            let [x, weight, bias, grad] = operands(shape, &mut random);
            let [mut grad_x, mut grad_weight, mut grad_bias] =
                [&x, &weight, &bias].map(|values| vec![f32::NAN; values.len()]);
            let mut expected = [&x, &weight, &bias].map(|values| vec![0.0; values.len()]);
            for_each_product(shape, |i, k, o| {
                expected[0][i] += f64::from(weight[k]) * f64::from(grad[o]);
                expected[1][k] += f64::from(x[i]) * f64::from(grad[o]);
            });
            for (index, &value) in grad.iter().enumerate() {
                expected[2][index / shape.positions() % shape.channels_out] += f64::from(value);
            }
            input_gradient(shape, &weight, &grad, &mut grad_x);
            weight_gradient(shape, &x, &grad, &mut grad_weight);
            bias_gradient(shape, &grad, &mut grad_bias);
            assert_close(&grad_x, &expected[0], shape);
            assert_close(&grad_weight, &expected[1], shape);
            assert_close(&grad_bias, &expected[2], shape);
        }
    }

    #[test]
    fn the_bits_of_an_image_do_not_depend_on_its_batch() {
        let mut random = Random(3);
        for shape in shapes(&mut random) {
            let [x, weight, bias, grad] = operands(shape, &mut random);
            let (mut out, mut grad_x) = (vec![0.0; grad.len()], vec![0.0; x.len()]);
            forward(shape, &x, &weight, Some(&bias), &mut out);
            input_gradient(shape, &weight, &grad, &mut grad_x);
            for (first, batch) in [
                (0, 1),
                (shape.batch - 1, 1),
                (shape.batch / 3, shape.batch.div_ceil(2)),
            ] {
                let part = ConvShape { batch, ..shape };
                let inputs = first * shape.image_len()..(first + batch) * shape.image_len();
                let outputs =
                    first * shape.out_image_len()..(first + batch) * shape.out_image_len();
                let mut part_out = vec![0.0; outputs.len()];
                let mut part_grad = vec![0.0; inputs.len()];
                forward(
                    part,
                    &x[inputs.clone()],
                    &weight,
                    Some(&bias),
                    &mut part_out,
                );
                input_gradient(part, &weight, &grad[outputs.clone()], &mut part_grad);
                let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&part_out), bits(&out[outputs]), "{part:?}");
                assert_eq!(bits(&part_grad), bits(&grad_x[inputs]), "{part:?}");
            }
        }
    }

    #[test]
    fn an_image_of_nan_leaves_the_other_images_of_its_group_alone() {
        let shape = square(2, 4, 3, 3, 2, (1, 1));
        let [mut x, weight, _, _] = operands(shape, &mut Random(4));
        x[..shape.image_len()].fill(f32::NAN);
        let mut out = vec![0.0; shape.batch * shape.out_image_len()];
        forward(shape, &x, &weight, None, &mut out);
        let (first, others) = out.split_at(shape.out_image_len());
        assert!(first.iter().all(|value| value.is_nan()));
        assert!(others.iter().all(|value| value.is_finite()));
    }

    #[test]
    #[should_panic = "expected 16 values of input, got 15"]
    fn refuses_an_input_that_is_too_short() {
        let shape = ConvShape {
            batch: 1,
            ..square(1, 4, 1, 1, 1, (0, 0))
        };
        forward(shape, &[0.0; 15], &[1.0], None, &mut [0.0; 16]);
    }
}
