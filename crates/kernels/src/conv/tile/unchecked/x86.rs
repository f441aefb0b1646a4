//! Define the tiles of the vector instructions of x86-64.

use core::arch::x86_64::*;
use std::ops::Range;

use super::gradient_tiles::gradient_tiles;
use super::output_tiles::{for_each_tile, output_tiles};
use crate::conv::blocks::ROWS;
use crate::conv::tile::outputs::{Offsets, Outputs};
use crate::conv::tile::tap_gradient::{MAX_SUMS, TapGradient};

output_tiles!(
    avx2,
    16,
    #[target_feature(enable = "avx2,fma")]
    __m256,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps
);
output_tiles!(
    avx512,
    32,
    #[target_feature(enable = "avx512f")]
    __m512,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps
);
output_tiles!(
    pairs,
    32,
    #[target_feature(enable = "avx512bf16,avx512vl")]
    __m256,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    multiply_add_pairs
);
output_tiles!(
    wide_pairs,
    32,
    #[target_feature(enable = "avx512bf16,avx512f")]
    __m512,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    multiply_add_wide_pairs
);
gradient_tiles!(
    avx2_sums,
    #[target_feature(enable = "avx2,fma")]
    __m256,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_fmadd_ps,
    total
);
gradient_tiles!(
    avx512_sums,
    #[target_feature(enable = "avx512f")]
    __m512,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_fmadd_ps,
    _mm512_reduce_add_ps
);

/// a₀·b₀ + a₁·b₁ + c in each lane, where a and b hold two bf16 values to a lane.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl")]
fn multiply_add_pairs(a: __m256, b: __m256, c: __m256) -> __m256 {
    // SAFETY: both types are 256 bits of any content.
    let [a, b] = [a, b].map(|v| unsafe { core::mem::transmute::<__m256, __m256bh>(v) });
    _mm256_dpbf16_ps(c, a, b)
}

/// [`multiply_add_pairs`] on vectors of twice the width.
#[inline]
#[target_feature(enable = "avx512bf16,avx512f")]
fn multiply_add_wide_pairs(a: __m512, b: __m512, c: __m512) -> __m512 {
    // SAFETY: both types are 512 bits of any content.
    let [a, b] = [a, b].map(|v| unsafe { core::mem::transmute::<__m512, __m512bh>(v) });
    _mm512_dpbf16_ps(c, a, b)
}

/// Sum of the eight lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn total(vector: __m256) -> f32 {
    let four = _mm_add_ps(
        _mm256_castps256_ps128(vector),
        _mm256_extractf128_ps(vector, 1),
    );
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    let one = _mm_add_ss(two, _mm_shuffle_ps(two, two, 1));
    _mm_cvtss_f32(one)
}
