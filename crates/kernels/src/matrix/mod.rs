//! Multiply matrices that lie in slices.

mod tile;

pub(crate) use tile::Blocks;
use tile::{Product, TILE_COLUMNS};

/// Columns are whole tiles, and whole vectors (AVX-512: 16 lanes).
pub(crate) const LANES: usize = TILE_COLUMNS;

/// Writes `a · b`.
///
/// # Shapes
/// - `a`: `[rows, inner]` as [`Blocks`] say, `b`: `[inner, LANES]`, `out`: `[rows, LANES]`
pub(crate) fn multiply(a: &[f32], blocks: Blocks, b: &[f32], out: &mut [f32]) {
    Product { a, blocks, b }.compute(out);
}
