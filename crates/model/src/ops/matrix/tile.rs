//! Multiply matrices by tiles that stay in registers.
//!
//! A tile of the result, [`Tile::ROWS`]×16, is kept in registers while it sums over the inner
//! dimension (Goto & van de Geijn, *Anatomy of high-performance matrix multiplication*, 2008). The
//! numbers of the left matrix are broadcast as they lie, so that nothing is packed. Every element is
//! summed in the order of the inner dimension, wherever it stands: its bits do not depend on the
//! size of the matrices around it.

/// Columns of a tile.
pub(super) const TILE_COLUMNS: usize = 16;
/// Inner dimension that is summed at a time: 16 columns of it fit into half of an L1 cache.
const DEPTH: usize = 256;

/// Two matrices and how they lie; the right one and the result have rows of contiguous columns, a
/// whole number of tiles.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    /// Rows of the result, inner dimension, columns of the result.
    pub(super) size: [usize; 3],
    pub(super) a: &'a [f32],
    pub(super) a_lies: Left,
    pub(super) b: &'a [f32],
    /// Between rows of `b`.
    pub(super) b_step: usize,
    /// Between rows of the result.
    pub(super) out_step: usize,
}

/// How the left matrix lies.
#[derive(Clone, Copy)]
pub(super) enum Left {
    /// With steps between rows and between columns.
    Strided([usize; 2]),
    /// In blocks of rows, from a row and a column on.
    Packed(Blocks, [usize; 2]),
}

/// Where the numbers of a packed matrix lie: in blocks of as many rows as a tile of this CPU has,
/// columns after each other within a block, so that tiles read it from one end to the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    size: [usize; 2],
    block_rows: usize,
}

/// One of the [`Blocks`].
struct Block {
    /// Index of its first number.
    start: usize,
    first_row: usize,
    rows: usize,
}

impl Blocks {
    /// Of a matrix of `rows` and `columns`.
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        Self {
            size: [rows, columns],
            block_rows: Vectors::of_this_cpu().tile_rows(),
        }
    }

    /// Index of a number of the matrix.
    pub(crate) fn index(&self, row: usize, column: usize) -> usize {
        let block = self.block_of(row);
        block.start + column * block.rows + row - block.first_row
    }

    /// Row and column of the number at an index.
    pub(crate) fn position(&self, index: usize) -> [usize; 2] {
        let block = self.block_of(index / self.size[1]);
        let place = index - block.start;
        [block.first_row + place % block.rows, place / block.rows]
    }

    fn block_of(&self, row: usize) -> Block {
        let [rows, columns] = self.size;
        let first_row = row / self.block_rows * self.block_rows;
        Block {
            start: first_row * columns,
            first_row,
            rows: self.block_rows.min(rows - first_row),
        }
    }
}

/// Kinds of vectors.
#[derive(Clone, Copy, Debug)]
enum Vectors {
    Avx512,
    Avx2,
    Portable,
}

impl Vectors {
    /// The widest of the CPU at hand.
    fn of_this_cpu() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Rows of a tile, which keep all vector registers busy.
    const fn tile_rows(self) -> usize {
        match self {
            Self::Avx512 => 14,
            Self::Avx2 => 6,
            Self::Portable => 4,
        }
    }
}

/// Covers the result with tiles of `$rows` rows, and of fewer at the end.
macro_rules! for_each_tile {
    ($product:ident, $out:ident, $accumulate:ident, $vectors:expr, $tile:ident) => {{
        const ROWS: usize = $vectors.tile_rows();
        let [m, k, n] = $product.size;
        for start in (0..k).step_by(DEPTH) {
            for column in (0..n).step_by(TILE_COLUMNS) {
                let mut row = 0;
                while row < m {
                    let place = Place::new($product, $out, [row, start, column], $accumulate);
                    row += match $product.rows_together(row) {
                        rest if rest >= ROWS => $tile::<ROWS>(&place),
                        4.. => $tile::<4>(&place),
                        2 | 3 => $tile::<2>(&place),
                        _ => $tile::<1>(&place),
                    };
                }
            }
        }
    }};
}
impl Product<'_> {
    /// Writes the product to `out`, or adds it.
    pub(super) fn compute(&self, out: &mut [f32], accumulate: bool) {
        let [m, k, n] = self.size;
        assert!(n.is_multiple_of(TILE_COLUMNS) && m > 0 && n > 0 && k > 0);
        let reach = |rows: usize, row: usize, columns: usize, column: usize| {
            (rows - 1) * row + (columns - 1) * column + 1
        };
        let a_reach = match self.a_lies {
            Left::Strided([row, column]) => reach(m, row, k, column),
            Left::Packed(blocks, [row, column]) => {
                let [rows, columns] = blocks.size;
                assert!(row + m <= rows && column + k <= columns);
                rows * columns
            }
        };
        assert!(a_reach <= self.a.len());
        assert!(reach(k, self.b_step, n, 1) <= self.b.len());
        assert!(reach(m, self.out_step, n, 1) <= out.len());
        // SAFETY: the asserts above keep every element that sizes and steps reach in its slice.
        unsafe { tiles(self, out, accumulate) }
    }

    /// Rows of the left matrix from `row` on that lie alike.
    fn rows_together(&self, row: usize) -> usize {
        match self.a_lies {
            Left::Strided(_) => self.size[0] - row,
            Left::Packed(blocks, [first, _]) => {
                let block = blocks.block_of(first + row);
                (block.first_row + block.rows - first).min(self.size[0]) - row
            }
        }
    }

    /// Index of a number of the left matrix, and the steps from there within the rows that lie alike.
    fn left(&self, row: usize, column: usize) -> (usize, [usize; 2]) {
        match self.a_lies {
            Left::Strided(step) => (row * step[0] + column * step[1], step),
            Left::Packed(blocks, start) => {
                let (row, column) = (start[0] + row, start[1] + column);
                (blocks.index(row, column), [1, blocks.block_of(row).rows])
            }
        }
    }
}

/// Computes a product with the widest vectors of the CPU at hand.
///
/// # Safety
/// Every element that the sizes and steps of `product` reach lies in its slice.
unsafe fn tiles(product: &Product, out: &mut [f32], accumulate: bool) {
    // SAFETY: the CPU has the vectors; the rest is the caller's promise.
    unsafe {
        match Vectors::of_this_cpu() {
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx512 => x86::avx512(product, out, accumulate),
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2 => x86::avx2(product, out, accumulate),
            _ => portable(product, out, accumulate),
        }
    }
}

/// Computes a product on any CPU.
///
/// # Safety
/// As for [`tiles`].
unsafe fn portable(product: &Product, out: &mut [f32], accumulate: bool) {
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(product, out, accumulate, Vectors::Portable, portable_tile) }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;

    use super::{DEPTH, Place, Product, TILE_COLUMNS, Vectors};

    /// Tiles of which every row is some vectors of a kind.
    macro_rules! vector_tiles {
        ($name:ident, $vectors:expr, $features:literal, $vector:ty, $lanes:literal,
         $zero:ident, $load:ident, $store:ident, $broadcast:ident, $multiply_add:ident) => {
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $name(product: &Product, out: &mut [f32], accumulate: bool) {
                const VECTORS: usize = TILE_COLUMNS / $lanes;

                /// See [`portable_tile`](super::portable_tile).
                #[inline]
                #[target_feature(enable = $features)]
                unsafe fn tile<const ROWS: usize>(place: &Place) -> usize {
                    let mut sums = [[$zero(); VECTORS]; ROWS];
                    // SAFETY: the caller's promise.
                    unsafe {
                        for row in 0..ROWS {
                            for v in 0..VECTORS {
                                if place.accumulate {
                                    let c = place.c.add(row * place.c_step + v * $lanes);
                                    sums[row][v] = $load(c);
                                }
                            }
                        }
                        let (mut a, mut b) = (place.a, place.b);
                        for _ in 0..place.depth {
                            let mut columns = [$zero(); VECTORS];
                            for v in 0..VECTORS {
                                columns[v] = $load(b.add(v * $lanes));
                            }
                            for row in 0..ROWS {
                                let left = $broadcast(*a.add(row * place.a_step[0]));
                                for v in 0..VECTORS {
                                    sums[row][v] = $multiply_add(left, columns[v], sums[row][v]);
                                }
                            }
                            (a, b) = (a.add(place.a_step[1]), b.add(place.b_step));
                        }
                        for row in 0..ROWS {
                            for v in 0..VECTORS {
                                $store(place.c.add(row * place.c_step + v * $lanes), sums[row][v]);
                            }
                        }
                    }
                    ROWS
                }
                // SAFETY: the caller's promise.
                unsafe { for_each_tile!(product, out, accumulate, $vectors, tile) }
            }
        };
    }

    vector_tiles!(
        avx2,
        Vectors::Avx2,
        "avx2,fma",
        __m256,
        8,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps
    );
    vector_tiles!(
        avx512,
        Vectors::Avx512,
        "avx512f",
        __m512,
        16,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps
    );
}

/// Where a tile lies.
struct Place {
    a: *const f32,
    a_step: [usize; 2],
    b: *const f32,
    b_step: usize,
    c: *mut f32,
    c_step: usize,
    depth: usize,
    accumulate: bool,
}

impl Place {
    /// The tile whose first row, inner index and column are these.
    ///
    /// # Safety
    /// They are in reach of the product's slices.
    unsafe fn new(
        product: &Product,
        out: &mut [f32],
        [row, start, column]: [usize; 3],
        accumulate: bool,
    ) -> Self {
        let (left, a_step) = product.left(row, start);
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                a: product.a.as_ptr().add(left),
                a_step,
                b: product.b.as_ptr().add(start * product.b_step + column),
                b_step: product.b_step,
                c: out.as_mut_ptr().add(row * product.out_step + column),
                c_step: product.out_step,
                depth: DEPTH.min(product.size[1] - start),
                accumulate: accumulate || start > 0,
            }
        }
    }
}

/// Computes a tile of `ROWS` rows, and returns that number.
///
/// # Safety
/// `ROWS` rows of `a` and `c`, `depth` columns of `a` and rows of `b`, and a tile's columns of
/// `b` and `c` must be there.
unsafe fn portable_tile<const ROWS: usize>(place: &Place) -> usize {
    let mut sums = [[0.0f32; TILE_COLUMNS]; ROWS];
    // SAFETY: the caller's promise.
    unsafe {
        if place.accumulate {
            for (row, sums) in sums.iter_mut().enumerate() {
                *sums = *place
                    .c
                    .add(row * place.c_step)
                    .cast::<[f32; TILE_COLUMNS]>();
            }
        }
        for p in 0..place.depth {
            let b = *place.b.add(p * place.b_step).cast::<[f32; TILE_COLUMNS]>();
            let a = place.a.add(p * place.a_step[1]);
            for (row, sums) in sums.iter_mut().enumerate() {
                let a = *a.add(row * place.a_step[0]);
                for (sum, b) in sums.iter_mut().zip(&b) {
                    *sum += a * b;
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            *place
                .c
                .add(row * place.c_step)
                .cast::<[f32; TILE_COLUMNS]>() = *sums;
        }
    }
    ROWS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 0.731).sin()).collect()
    }

    type Kernel = unsafe fn(&Product, &mut [f32], bool);

    #[test]
    fn products_of_any_size_agree_with_three_loops_in_double_precision() {
        for kernel in [tiles as Kernel, portable] {
            for (m, k, n) in [
                (1, 1, 16),
                (6, 3, 32),
                (13, 300, 16),
                (64, 144, 208),
                (17, 513, 48),
            ] {
                for a_lies in [
                    Left::Strided([k, 1]),
                    Left::Strided([1, m]),
                    Left::Packed(Blocks::new(m, k), [0, 0]),
                    Left::Packed(Blocks::new(m + 5, k + 2), [3, 1]),
                ] {
                    let (a, b) = (numbers((m + 5) * (k + 2)), numbers(k * n + 5));
                    let product = Product {
                        size: [m, k, n],
                        a: &a,
                        a_lies,
                        b: &b,
                        b_step: n,
                        out_step: n + 3,
                    };
                    for accumulate in [false, true] {
                        let mut out = vec![0.5; m * (n + 3)];
                        // SAFETY: the slices are as long as the sizes and steps ask for.
                        unsafe { kernel(&product, &mut out, accumulate) };
                        for (i, row) in out.chunks(n + 3).enumerate() {
                            for (j, &got) in row[..n].iter().enumerate() {
                                let terms = (0..k).map(|p| {
                                    let a = a[match a_lies {
                                        Left::Strided([row, column]) => i * row + p * column,
                                        Left::Packed(blocks, [row, column]) => {
                                            blocks.index(row + i, column + p)
                                        }
                                    }];
                                    f64::from(a) * f64::from(b[p * n + j])
                                });
                                let start = if accumulate { 0.5 } else { 0.0 };
                                let expected = start + terms.sum::<f64>();
                                let error = (f64::from(got) - expected).abs();
                                assert!(error < 1e-5 * (k as f64).sqrt(), "{got}, {expected}");
                            }
                            assert!(
                                row[n..].iter().all(|&gap| gap == 0.5),
                                "gaps are left alone"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_number_of_a_packed_matrix_has_its_own_place() {
        for [rows, columns] in [[1, 1], [13, 5], [12, 3], [29, 7]] {
            let blocks = Blocks::new(rows, columns);
            for index in 0..rows * columns {
                let [row, column] = blocks.position(index);
                assert!(row < rows && column < columns);
                assert_eq!(blocks.index(row, column), index);
            }
        }
    }

    #[test]
    #[should_panic = "assertion failed"]
    fn refuses_a_matrix_that_is_too_short() {
        let product = Product {
            size: [2, 3, 16],
            a: &[0.0; 6],
            a_lies: Left::Strided([3, 1]),
            b: &[0.0; 47],
            b_step: 16,
            out_step: 16,
        };
        product.compute(&mut [0.0; 32], false);
    }
}
