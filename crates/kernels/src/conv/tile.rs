//! Sum the runs that a few outputs see, in registers.
//!
//! A tile is some channels and some vectors of lanes of a row of outputs. For every number that the
//! kernel sees, each of its vectors is read once and multiplied by each channel's weight.

use std::ops::Range;

use super::factors::Form;

/// Channels of a block of weights.
pub(super) const ROWS: usize = 6;
/// Weights above this many numbers, 256 KiB, are read once for all places rather than once for every
/// few.
const MANY_WEIGHTS: usize = 1 << 16;
/// Columns of a product that are whole vectors of any kind.
pub(super) const LANES: usize = Vectors::Avx512.lanes();

/// Row and column of the number at an index of a matrix that lies in blocks of [`ROWS`] rows, columns
/// after each other within a block.
pub(super) fn position(index: usize, [rows, columns]: [usize; 2]) -> [usize; 2] {
    let first_row = index / columns / ROWS * ROWS;
    let block_rows = ROWS.min(rows - first_row);
    let place = index - first_row * columns;
    [first_row + place % block_rows, place / block_rows]
}

/// Where the vectors of a row of so many columns, a whole number of the narrowest, begin: there and
/// here.
pub(super) fn vectors_of(columns: usize, form: Form) -> Vec<[usize; 2]> {
    let starts = (0..columns).step_by(Vectors::for_lanes(columns, form).lanes());
    starts.map(|start| [start; 2]).collect()
}

/// Writes `a · b`, a matrix in blocks of [`ROWS`] rows times one whose columns stand in `vectors`, there
/// and in what comes out; both in a form of factors.
///
/// # Shapes
/// - `a`: `[rows, depth]`; `b` has `depth` and `out` has `rows` rows of `step` numbers from each vector on
pub(super) fn multiply(
    form: Form,
    a: &[f32],
    [rows, depth]: [usize; 2],
    (b, step): (&[f32], usize),
    vectors: &[[usize; 2]],
    out: &mut [f32],
) {
    Place::of_product(a, depth, (b, step)).run(Vectors::for_lanes(step, form), rows, vectors, out);
}

/// Outputs of one row, and what they see.
pub(super) struct Place<'a> {
    /// Blocks of [`ROWS`] channels, fewer in the last.
    pub(super) weights: &'a [f32],
    /// Index, in the numbers that the kernel sees, of the first that is not padding.
    pub(super) first_tap: usize,
    /// Numbers that the kernel sees.
    pub(super) depth: usize,
    /// Those of one row of the kernel.
    pub(super) weight_row: usize,
    /// From the first row that is seen on.
    pub(super) source: &'a [f32],
    /// Numbers of a row of the source.
    pub(super) source_row: usize,
    /// Rows of the source that are seen.
    pub(super) rows: usize,
    /// Steps of `lanes` numbers in each of them.
    pub(super) run: usize,
    pub(super) lanes: usize,
    /// Of each of the target's channels.
    pub(super) bias: Option<&'a [f32]>,
}

impl<'a> Place<'a> {
    /// What a product of matrices sees.
    fn of_product(a: &'a [f32], depth: usize, (b, step): (&'a [f32], usize)) -> Self {
        Self {
            weights: a,
            first_tap: 0,
            depth,
            weight_row: depth,
            source: b,
            source_row: 0,
            rows: 1,
            run: depth,
            lanes: step,
            bias: None,
        }
    }

    /// Writes the outputs of the first channels at `places`.
    pub(super) fn run(
        &self,
        vectors: Vectors,
        channels: usize,
        places: &[[usize; 2]],
        target: &mut [f32],
    ) {
        let whole = channels - channels % ROWS;
        let at_once = match self.depth * channels > MANY_WEIGHTS {
            true => 2 * ROWS,
            false => whole.max(1),
        };
        for first in (0..whole).step_by(at_once) {
            vectors.run(self, first..(first + at_once).min(whole), places, target);
        }
        if whole < channels {
            vectors.run(self, whole..channels, places, target);
        }
    }

    /// Panics unless the slices hold all that tiles of these channels and places reach.
    fn check(&self, channels: &Range<usize>, places: &[[usize; 2]], width: usize, target: usize) {
        assert!(channels.start.is_multiple_of(ROWS));
        assert!(self.bias.is_none_or(|bias| channels.end <= bias.len()));
        let last = |at: usize| places.iter().map(|place| place[at]).max().unwrap_or(0);
        let channel = channels.end.saturating_sub(1);
        assert!(last(1) + channel * self.lanes + width <= target);
        assert!(channels.end * self.depth <= self.weights.len());
        let (seen, taps) = match self.rows * self.run {
            0 => (0, 0),
            _ => {
                let row = self.rows - 1;
                let seen = row * self.source_row + (self.run - 1) * self.lanes + width;
                (seen, row * self.weight_row + self.run)
            }
        };
        assert!(last(0) + seen <= self.source.len());
        assert!(self.first_tap + taps <= self.depth);
    }
}

/// Outputs' gradients and what the outputs saw under one tap of the kernel.
pub(super) struct Sums<'a> {
    /// From the first output, and the first channel, on.
    pub(super) gradient: &'a [f32],
    /// Between rows and between columns.
    pub(super) gradient_steps: [usize; 2],
    pub(super) source: &'a [f32],
    pub(super) source_steps: [usize; 2],
    /// Rows and columns of outputs.
    pub(super) size: [usize; 2],
    pub(super) lanes: usize,
}

impl Sums<'_> {
    /// Panics unless the slices hold all that a tile of so many outputs and inputs reaches.
    fn check(&self, [outputs, inputs]: [usize; 2]) {
        let reach = |[row, column]: [usize; 2], channels: usize| {
            let [rows, columns] = self.size;
            (rows - 1) * row + (columns - 1) * column + channels * self.lanes
        };
        assert!(self.size[0] * self.size[1] > 0);
        assert!(reach(self.gradient_steps, outputs) <= self.gradient.len());
        assert!(reach(self.source_steps, inputs) <= self.source.len());
    }
}

/// Kinds of vectors.
#[derive(Clone, Copy, Debug)]
pub(super) enum Vectors {
    Avx512,
    Avx2,
    /// Of [pairs](Form::Pairs), as wide as AVX-512.
    WidePairs,
    /// Of pairs, as wide as AVX2.
    Pairs,
    Portable,
}

impl Vectors {
    /// The widest of the CPU at hand of which a number of lanes is made.
    pub(super) fn for_lanes(lanes: usize, form: Form) -> Self {
        let wide = lanes.is_multiple_of(Self::Avx512.lanes());
        if form == Form::Pairs {
            return if wide { Self::WidePairs } else { Self::Pairs };
        }
        #[cfg(target_arch = "x86_64")]
        {
            if wide && is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        let _ = wide;
        Self::Portable
    }

    /// Numbers of a vector.
    pub(super) const fn lanes(self) -> usize {
        match self {
            Self::Avx512 | Self::WidePairs => 16,
            Self::Avx2 | Self::Pairs | Self::Portable => 8,
        }
    }

    /// Writes the outputs of `channels`, whole blocks or one of fewer channels, at `places`.
    pub(super) fn run(
        self,
        place: &Place,
        channels: Range<usize>,
        places: &[[usize; 2]],
        target: &mut [f32],
    ) {
        place.check(&channels, places, self.lanes(), target.len());
        // SAFETY: the slices hold what the tiles reach, as just checked, and the CPU has the vectors.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => x86::avx512(place, channels, places, target),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => x86::avx2(place, channels, places, target),
                #[cfg(target_arch = "x86_64")]
                Self::WidePairs => x86::wide_pairs(place, channels, places, target),
                #[cfg(target_arch = "x86_64")]
                Self::Pairs => x86::pairs(place, channels, places, target),
                _ => array::portable(place, channels, places, target),
            }
        }
    }
}

impl Vectors {
    /// Writes, for each pair of so many outputs and inputs, up to 6 and 2 or 8 and 1, the sum over
    /// positions and lanes of their products.
    pub(super) fn sums(self, sums: &Sums, tile: [usize; 2], totals: &mut [f32; MAX_SUMS]) {
        sums.check(tile);
        assert!(sums.lanes.is_multiple_of(self.lanes()));
        // SAFETY: the slices hold what the tile reaches, as just checked, and the CPU has the vectors.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => x86::avx512_sums(sums, tile, totals),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => x86::avx2_sums(sums, tile, totals),
                _ => array::portable_sums(sums, tile, totals),
            }
        }
    }
}

/// The most sums of a tile.
pub(super) const MAX_SUMS: usize = 12;

/// Covers the outputs of some channels with tiles that keep the registers busy.
macro_rules! for_each_tile {
    ($registers:literal, $tile:ident, $place:ident, $channels:ident, $places:ident, $target:ident) => {{
        let mut rest = $places;
        while !rest.is_empty() {
            let rows = $channels.len().min(ROWS);
            let most = match rows {
                1 => 8,
                2 => 4,
                3 => 3,
                _ => 2,
            };
            let (these, others) = rest.split_at(rest.len().min(most));
            rest = others;
            let mut channel = $channels.start;
            while channel < $channels.end {
                let together = $channels.end - channel >= 2 * ROWS;
                channel += match (rows, these.len()) {
                    (6, 2) if together && $registers >= 32 => {
                        $tile::<2, 6, 2>($place, channel, these, $target)
                    }
                    (6, 2) => $tile::<1, 6, 2>($place, channel, these, $target),
                    (6, _) if together => $tile::<2, 6, 1>($place, channel, these, $target),
                    (6, _) => $tile::<1, 6, 1>($place, channel, these, $target),
                    (5, 2) => $tile::<1, 5, 2>($place, channel, these, $target),
                    (5, _) => $tile::<1, 5, 1>($place, channel, these, $target),
                    (4, 2) => $tile::<1, 4, 2>($place, channel, these, $target),
                    (4, _) => $tile::<1, 4, 1>($place, channel, these, $target),
                    (3, 3) => $tile::<1, 3, 3>($place, channel, these, $target),
                    (3, 2) => $tile::<1, 3, 2>($place, channel, these, $target),
                    (3, _) => $tile::<1, 3, 1>($place, channel, these, $target),
                    (2, 4) => $tile::<1, 2, 4>($place, channel, these, $target),
                    (2, 3) => $tile::<1, 2, 3>($place, channel, these, $target),
                    (2, 2) => $tile::<1, 2, 2>($place, channel, these, $target),
                    (2, _) => $tile::<1, 2, 1>($place, channel, these, $target),
                    (_, 8) => $tile::<1, 1, 8>($place, channel, these, $target),
                    (_, 7) => $tile::<1, 1, 7>($place, channel, these, $target),
                    (_, 6) => $tile::<1, 1, 6>($place, channel, these, $target),
                    (_, 5) => $tile::<1, 1, 5>($place, channel, these, $target),
                    (_, 4) => $tile::<1, 1, 4>($place, channel, these, $target),
                    (_, 3) => $tile::<1, 1, 3>($place, channel, these, $target),
                    (_, 2) => $tile::<1, 1, 2>($place, channel, these, $target),
                    _ => $tile::<1, 1, 1>($place, channel, these, $target),
                };
            }
        }
    }};
}

/// Defines how a kind of vectors computes tiles of `BLOCKS` blocks of `R` channels at `V` places;
/// the tile returns its number of channels, and the CPU has so many registers.
macro_rules! tiles {
    ($name:ident, $registers:literal, $(#[$target_feature:meta])? $vector:ty, $zero:ident, $load:ident, $store:ident,
     $broadcast:ident, $multiply_add:ident) => {
        /// # Safety
        /// The slices hold what the tiles reach ([`Place::check`]), and the CPU has the vectors.
        $(#[$target_feature])?
        pub(super) unsafe fn $name(
            place: &Place,
            channels: Range<usize>,
            places: &[[usize; 2]],
            target: &mut [f32],
        ) {
            /// # Safety
            /// As for the function around it.
            #[inline]
            $(#[$target_feature])?
            unsafe fn tile<const BLOCKS: usize, const R: usize, const V: usize>(
                place: &Place,
                channel: usize,
                places: &[[usize; 2]],
                target: &mut [f32],
            ) -> usize {
                // SAFETY: the caller's promise.
                unsafe {
                    let mut sums: [[[$vector; V]; R]; BLOCKS] = [[[$zero(); V]; R]; BLOCKS];
                    if let Some(bias) = place.bias {
                        for block in 0..BLOCKS {
                            for row in 0..R {
                                let bias = $broadcast(*bias.as_ptr().add(channel + block * R + row));
                                sums[block][row] = [bias; V];
                            }
                        }
                    }
                    let block_len = place.depth * R;
                    let weights = place.weights.as_ptr().add(channel * place.depth + place.first_tap * R);
                    let mut starts = [place.source.as_ptr(); V];
                    for v in 0..V {
                        starts[v] = starts[v].add(places[v][0]);
                    }
                    for row in 0..place.rows {
                        let mut left = weights.add(row * place.weight_row * R);
                        let mut index = row * place.source_row;
                        for _ in 0..place.run {
                            let mut seen = [$zero(); V];
                            for v in 0..V {
                                seen[v] = $load(starts[v].add(index));
                            }
                            for block in 0..BLOCKS {
                                for row in 0..R {
                                    let left = $broadcast(*left.add(block * block_len + row));
                                    for v in 0..V {
                                        sums[block][row][v] =
                                            $multiply_add(left, seen[v], sums[block][row][v]);
                                    }
                                }
                            }
                            left = left.add(R);
                            index += place.lanes;
                        }
                    }
                    for v in 0..V {
                        let to = target.as_mut_ptr().add(places[v][1]);
                        for block in 0..BLOCKS {
                            for row in 0..R {
                                let to = to.add((channel + block * R + row) * place.lanes);
                                $store(to, sums[block][row][v]);
                            }
                        }
                    }
                }
                BLOCKS * R
            }
            // SAFETY: the caller's promise.
            unsafe { for_each_tile!($registers, tile, place, channels, places, target) }
        }
    };
}

/// Defines how a kind of vectors computes tiles of sums over positions.
macro_rules! sum_tiles {
    ($name:ident, $(#[$target_feature:meta])? $vector:ty, $zero:ident, $load:ident,
     $multiply_add:ident, $reduce:ident) => {
        /// # Safety
        /// The slices hold what the tile reaches ([`Sums::check`]), and the CPU has the vectors.
        $(#[$target_feature])?
        pub(super) unsafe fn $name(sums: &Sums, tile: [usize; 2], totals: &mut [f32; MAX_SUMS]) {
            /// # Safety
            /// As for the function around it.
            #[inline]
            $(#[$target_feature])?
            unsafe fn sum<const R: usize, const S: usize>(from: &Sums, totals: &mut [f32; MAX_SUMS]) {
                const WIDTH: usize = size_of::<$vector>() / size_of::<f32>();
                // SAFETY: the caller's promise.
                unsafe {
                    let mut sums = [[$zero(); S]; R];
                    let [rows, columns] = from.size;
                    for row in 0..rows {
                        let mut gradient = from.gradient.as_ptr().add(row * from.gradient_steps[0]);
                        let mut source = from.source.as_ptr().add(row * from.source_steps[0]);
                        for _ in 0..columns {
                            for lane in (0..from.lanes).step_by(WIDTH) {
                                let mut right = [$zero(); S];
                                for s in 0..S {
                                    right[s] = $load(source.add(s * from.lanes + lane));
                                }
                                for r in 0..R {
                                    let left = $load(gradient.add(r * from.lanes + lane));
                                    for s in 0..S {
                                        sums[r][s] = $multiply_add(left, right[s], sums[r][s]);
                                    }
                                }
                            }
                            gradient = gradient.add(from.gradient_steps[1]);
                            source = source.add(from.source_steps[1]);
                        }
                    }
                    for r in 0..R {
                        for s in 0..S {
                            totals[r * S + s] = $reduce(sums[r][s]);
                        }
                    }
                }
            }
            // SAFETY: the caller's promise.
            unsafe {
                match tile {
                    [6, 2] => sum::<6, 2>(sums, totals),
                    [5, 2] => sum::<5, 2>(sums, totals),
                    [4, 2] => sum::<4, 2>(sums, totals),
                    [3, 2] => sum::<3, 2>(sums, totals),
                    [2, 2] => sum::<2, 2>(sums, totals),
                    [1, 2] => sum::<1, 2>(sums, totals),
                    [8, 1] => sum::<8, 1>(sums, totals),
                    [7, 1] => sum::<7, 1>(sums, totals),
                    [6, 1] => sum::<6, 1>(sums, totals),
                    [5, 1] => sum::<5, 1>(sums, totals),
                    [4, 1] => sum::<4, 1>(sums, totals),
                    [3, 1] => sum::<3, 1>(sums, totals),
                    [2, 1] => sum::<2, 1>(sums, totals),
                    [1, 1] => sum::<1, 1>(sums, totals),
                    _ => panic!("no tile of {tile:?} sums"),
                }
            }
        }
    };
}

/// Vectors that are arrays, for any CPU.
mod array {
    use super::{MAX_SUMS, Place, ROWS, Range, Sums, Vectors};

    type Array = [f32; Vectors::Portable.lanes()];

    fn zero() -> Array {
        [0.0; Vectors::Portable.lanes()]
    }

    unsafe fn load(at: *const f32) -> Array {
        // SAFETY: the caller's promise.
        unsafe { at.cast::<Array>().read() }
    }

    unsafe fn store(at: *mut f32, vector: Array) {
        // SAFETY: the caller's promise.
        unsafe { at.cast::<Array>().write(vector) }
    }

    fn broadcast(number: f32) -> Array {
        [number; Vectors::Portable.lanes()]
    }

    fn multiply_add(a: Array, b: Array, c: Array) -> Array {
        core::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    fn total(vector: Array) -> f32 {
        let [a, b, c, d, e, f, g, h] = vector;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    tiles!(
        portable,
        16,
        Array,
        zero,
        load,
        store,
        broadcast,
        multiply_add
    );
    sum_tiles!(portable_sums, Array, zero, load, multiply_add, total);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;

    use super::{MAX_SUMS, Place, ROWS, Range, Sums};

    tiles!(
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
    tiles!(
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
    tiles!(
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
    tiles!(
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
    sum_tiles!(
        avx2_sums,
        #[target_feature(enable = "avx2,fma")]
        __m256,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_fmadd_ps,
        total
    );
    sum_tiles!(
        avx512_sums,
        #[target_feature(enable = "avx512f")]
        __m512,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_fmadd_ps,
        _mm512_reduce_add_ps
    );

    /// a₀·b₀ + a₁·b₁ + c of the two numbers in each lane of a and b.
    #[inline]
    #[target_feature(enable = "avx512bf16,avx512vl")]
    fn multiply_add_pairs(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: both types are 256 bits of any content.
        let [a, b] = [a, b].map(|v| unsafe { core::mem::transmute::<__m256, __m256bh>(v) });
        _mm256_dpbf16_ps(c, a, b)
    }

    /// The same.
    #[inline]
    #[target_feature(enable = "avx512bf16,avx512f")]
    fn multiply_add_wide_pairs(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: both types are 512 bits of any content.
        let [a, b] = [a, b].map(|v| unsafe { core::mem::transmute::<__m512, __m512bh>(v) });
        _mm512_dpbf16_ps(c, a, b)
    }

    /// The sum of eight lanes.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 0.731).sin()).collect()
    }

    #[test]
    fn products_of_any_size_agree_with_three_loops_in_double_precision() {
        for kind in [Vectors::for_lanes(LANES, Form::F32), Vectors::Portable] {
            let sizes = [(1, 1), (6, 3), (13, 300), (64, 144), (17, 513)];
            let is_long = |&(rows, depth): &(usize, usize)| cfg!(miri) && rows * depth > 4_000;
            for (rows, depth) in sizes.into_iter().filter(|size| !is_long(size)) {
                let (a, b) = (numbers(rows * depth), numbers(depth * LANES));
                let vectors: Vec<_> = (0..LANES).step_by(kind.lanes()).map(|v| [v; 2]).collect();
                let mut out = vec![f32::NAN; rows * LANES];
                Place::of_product(&a, depth, (&b, LANES)).run(kind, rows, &vectors, &mut out);
                let mut expected = vec![0.0; out.len()];
                for (index, &a) in a.iter().enumerate() {
                    let [row, p] = position(index, [rows, depth]);
                    for column in 0..LANES {
                        expected[row * LANES + column] +=
                            f64::from(a) * f64::from(b[p * LANES + column]);
                    }
                }
                for (&got, expected) in out.iter().zip(expected) {
                    let error = (f64::from(got) - expected).abs();
                    assert!(error < 1e-5 * (depth as f64).sqrt(), "{error}");
                }
            }
        }
    }

    #[test]
    fn every_number_of_a_packed_matrix_has_its_own_place() {
        for [rows, columns] in [[1, 1], [13, 5], [12, 3], [29, 7]] {
            let mut seen = vec![false; rows * columns];
            for index in 0..rows * columns {
                let [row, column] = position(index, [rows, columns]);
                assert!(row < rows && column < columns);
                assert!(!std::mem::replace(&mut seen[row * columns + column], true));
            }
        }
    }

    #[test]
    #[should_panic = "assertion"]
    fn refuses_a_matrix_that_is_too_short() {
        let vectors = vectors_of(LANES, Form::F32);
        multiply(
            Form::F32,
            &[0.0; 5],
            [2, 3],
            (&[0.0; 48], LANES),
            &vectors,
            &mut [0.0; 32],
        );
    }
}
