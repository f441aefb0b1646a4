//! Multiply matrices that lie in slices, and fill, sum, copy and add their rows.

mod tile;

use std::ops::Range;

use gemm::Parallelism;
pub(crate) use tile::Blocks;
use tile::{Left, Product, TILE_COLUMNS};

/// Columns are padded to a multiple of the widest vector (AVX-512, 16 lanes), and of a tile.
pub(crate) const LANES: usize = TILE_COLUMNS;

/// A matrix in a slice, by rows, with a step between rows and one between columns.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    size: [usize; 2],
    step: [usize; 2],
}

impl<'a> Matrix<'a> {
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self {
            data,
            size: [rows, cols],
            step: [cols, 1],
        }
    }

    /// Keeps the first `cols` columns.
    pub(crate) fn keep(mut self, cols: usize) -> Self {
        self.size[1] = cols;
        self
    }

    pub(crate) fn transposed(self) -> Self {
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

/// Some rows and columns of a matrix that lies in [`Blocks`].
#[derive(Clone, Copy)]
pub(crate) struct Packed<'a> {
    data: &'a [f32],
    blocks: Blocks,
    start: [usize; 2],
    size: [usize; 2],
}

impl<'a> Packed<'a> {
    /// All of a matrix of `rows` and `columns`.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self {
            data,
            blocks: Blocks::new(rows, columns),
            start: [0, 0],
            size: [rows, columns],
        }
    }

    pub(crate) fn rows(mut self, rows: Range<usize>) -> Self {
        (self.start[0], self.size[0]) = (rows.start, rows.len());
        self
    }

    pub(crate) fn columns(mut self, columns: Range<usize>) -> Self {
        (self.start[1], self.size[1]) = (columns.start, columns.len());
        self
    }
}

/// Writes `a · b` to the rows of `out`, `row_len` apart, or adds it to them.
pub(crate) fn multiply(a: Matrix, b: Matrix, out: &mut [f32], row_len: usize, accumulate: bool) {
    let [m, k] = a.size;
    let n = b.size[1];
    assert!(k == b.size[0] && n <= row_len, "matrices do not fit");
    if b.step[1] == 1 && n > 0 && n.is_multiple_of(TILE_COLUMNS) && m * k > 0 {
        let product = Product {
            size: [m, k, n],
            a: a.data,
            a_lies: Left::Strided(a.step),
            b: b.data,
            b_step: b.step[0],
            out_step: row_len,
        };
        return product.compute(out, accumulate);
    }
    let target = Matrix::new(out, m, row_len).keep(n);
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

/// Writes `a · b` to the rows of `out`, `row_len` apart, or adds it to them, where `b` has whole
/// tiles of contiguous columns.
pub(crate) fn multiply_packed(
    a: Packed,
    b: Matrix,
    out: &mut [f32],
    row_len: usize,
    accumulate: bool,
) {
    let ([m, k], [inner, n]) = (a.size, b.size);
    assert!(
        k == inner && n <= row_len && b.step[1] == 1,
        "matrices do not fit"
    );
    let product = Product {
        size: [m, k, n],
        a: a.data,
        a_lies: Left::Packed(a.blocks, a.start),
        b: b.data,
        b_step: b.step[0],
        out_step: row_len,
    };
    product.compute(out, accumulate);
}

/// Fills row i with value i, or all with zeros.
pub(crate) fn fill_rows(out: &mut [f32], row_len: usize, values: Option<&[f32]>) {
    for (channel, row) in out.chunks_exact_mut(row_len).enumerate() {
        row.fill(values.map_or(0.0, |values| values[channel]));
    }
}

/// Sums in `LANES` independent partial sums, which the compiler keeps in vectors.
pub(crate) fn sum_of(values: &[f32]) -> f32 {
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
pub(crate) fn copy_rows<const WIDTH: usize>(
    to: &mut [f32],
    from: &[f32],
    phase_width: usize,
    width: usize,
) {
    let width = if WIDTH > 0 { WIDTH } else { width };
    for (to, from) in to.chunks_exact_mut(width).zip(from.chunks(phase_width)) {
        to.copy_from_slice(&from[..width]);
    }
}

/// Adds rows of `width` that follow each other to rows `phase_width` apart.
pub(crate) fn add_rows<const WIDTH: usize>(
    to: &mut [f32],
    from: &[f32],
    phase_width: usize,
    width: usize,
) {
    let width = if WIDTH > 0 { WIDTH } else { width };
    for (to, from) in to.chunks_mut(phase_width).zip(from.chunks_exact(width)) {
        to[..width]
            .iter_mut()
            .zip(from)
            .for_each(|(sum, x)| *sum += x);
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
pub(crate) use for_width;
