//! Multiply matrices by tiles that stay in registers.
//!
//! A tile of the result, some rows of 16 columns, is kept in registers while it sums over the inner
//! dimension (Goto & van de Geijn, *Anatomy of high-performance matrix multiplication*, 2008). Every
//! element is summed in the order of the inner dimension, wherever it stands: its bits do not depend
//! on the size of the matrices around it.

/// Columns of a tile.
pub(super) const TILE_COLUMNS: usize = 16;
/// Inner dimension that is summed at a time: 16 columns of it fit into half of an L1 cache.
const DEPTH: usize = 256;

/// A matrix in blocks, and one of rows of the columns of a tile.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) a: &'a [f32],
    pub(super) blocks: Blocks,
    pub(super) b: &'a [f32],
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

    /// Rows from `row` on that lie in its block.
    fn rows_from(&self, row: usize) -> usize {
        let block = self.block_of(row);
        block.first_row + block.rows - row
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

/// Covers the result with tiles of as many rows as a block has, and of fewer at the end.
macro_rules! for_each_tile {
    ($product:ident, $out:ident, $vectors:expr, $tile:ident) => {{
        const ROWS: usize = $vectors.tile_rows();
        let [rows, depth] = $product.blocks.size;
        for start in (0..depth).step_by(DEPTH) {
            let mut row = 0;
            while row < rows {
                let place = Place::new($product, $out, [row, start]);
                row += match $product.blocks.rows_from(row) {
                    rest if rest >= ROWS => $tile::<ROWS>(&place),
                    4.. => $tile::<4>(&place),
                    2 | 3 => $tile::<2>(&place),
                    _ => $tile::<1>(&place),
                };
            }
        }
    }};
}

impl Product<'_> {
    /// Writes the product to `out`.
    pub(super) fn compute(&self, out: &mut [f32]) {
        let [rows, depth] = self.blocks.size;
        assert_eq!(self.a.len(), rows * depth);
        assert_eq!(self.b.len(), depth * TILE_COLUMNS);
        assert_eq!(out.len(), rows * TILE_COLUMNS);
        assert!(depth > 0);
        // SAFETY: the slices are as long as the sizes say, as just checked.
        unsafe { tiles(self, out) }
    }
}

/// Computes a product with the widest vectors of the CPU at hand.
///
/// # Safety
/// The slices are as long as the sizes say.
unsafe fn tiles(product: &Product, out: &mut [f32]) {
    // SAFETY: the CPU has the vectors; the rest is the caller's promise.
    unsafe {
        match Vectors::of_this_cpu() {
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx512 => x86::avx512(product, out),
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2 => x86::avx2(product, out),
            _ => portable(product, out),
        }
    }
}

/// Computes a product on any CPU.
///
/// # Safety
/// As for [`tiles`].
unsafe fn portable(product: &Product, out: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { for_each_tile!(product, out, Vectors::Portable, portable_tile) }
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
            pub(super) unsafe fn $name(product: &Product, out: &mut [f32]) {
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
                                    let c = place.c.add(row * TILE_COLUMNS + v * $lanes);
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
                            (a, b) = (a.add(place.a_step[1]), b.add(TILE_COLUMNS));
                        }
                        for row in 0..ROWS {
                            for v in 0..VECTORS {
                                $store(place.c.add(row * TILE_COLUMNS + v * $lanes), sums[row][v]);
                            }
                        }
                    }
                    ROWS
                }
                // SAFETY: the caller's promise.
                unsafe { for_each_tile!(product, out, $vectors, tile) }
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
    /// Between rows and between columns of `a`.
    a_step: [usize; 2],
    b: *const f32,
    c: *mut f32,
    depth: usize,
    /// Whether there are sums of earlier numbers.
    accumulate: bool,
}

impl Place {
    /// The tile whose first row and inner index are these.
    ///
    /// # Safety
    /// They are in reach of the product's slices.
    unsafe fn new(product: &Product, out: &mut [f32], [row, start]: [usize; 2]) -> Self {
        let blocks = product.blocks;
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                a: product.a.as_ptr().add(blocks.index(row, start)),
                a_step: [1, blocks.block_of(row).rows],
                b: product.b.as_ptr().add(start * TILE_COLUMNS),
                c: out.as_mut_ptr().add(row * TILE_COLUMNS),
                depth: DEPTH.min(blocks.size[1] - start),
                accumulate: start > 0,
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
                    .add(row * TILE_COLUMNS)
                    .cast::<[f32; TILE_COLUMNS]>();
            }
        }
        for p in 0..place.depth {
            let b = *place.b.add(p * TILE_COLUMNS).cast::<[f32; TILE_COLUMNS]>();
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
                .add(row * TILE_COLUMNS)
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

    type Kernel = unsafe fn(&Product, &mut [f32]);

    #[test]
    fn products_of_any_size_agree_with_three_loops_in_double_precision() {
        for kernel in [tiles as Kernel, portable] {
            let sizes = [(1, 1), (6, 3), (13, 300), (64, 144), (17, 513)];
            let is_long = |&(rows, depth): &(usize, usize)| cfg!(miri) && rows * depth > 4_000;
            for (rows, depth) in sizes.into_iter().filter(|size| !is_long(size)) {
                let blocks = Blocks::new(rows, depth);
                let (a, b) = (numbers(rows * depth), numbers(depth * TILE_COLUMNS));
                let product = Product {
                    a: &a,
                    blocks,
                    b: &b,
                };
                let mut out = vec![f32::NAN; rows * TILE_COLUMNS];
                // SAFETY: the slices are as long as the sizes say.
                unsafe { kernel(&product, &mut out) };
                for (i, row) in out.chunks(TILE_COLUMNS).enumerate() {
                    for (j, &got) in row.iter().enumerate() {
                        let terms = (0..depth).map(|p| {
                            f64::from(a[blocks.index(i, p)]) * f64::from(b[p * TILE_COLUMNS + j])
                        });
                        let error = (f64::from(got) - terms.sum::<f64>()).abs();
                        assert!(error < 1e-5 * (depth as f64).sqrt(), "{error}");
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
    #[should_panic = "assertion"]
    fn refuses_a_matrix_that_is_too_short() {
        let product = Product {
            a: &[0.0; 6],
            blocks: Blocks::new(2, 3),
            b: &[0.0; 47],
        };
        product.compute(&mut [0.0; 32]);
    }
}
