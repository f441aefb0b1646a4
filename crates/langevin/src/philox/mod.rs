//! Draw random numbers as a pure function of what they are for: Philox4x32-10, uniforms and normals.
//!
//! Salmon, Moraes, Dror & Shaw, *Parallel random numbers: as easy as 1, 2, 3* (2011).

mod row;

use core::convert::Infallible;

use rand::TryRng;

/// Multipliers of the two S-boxes (Salmon et al. 2011, §3.3).
pub(crate) const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Weyl increments of the key schedule: the golden ratio and √3 − 1.
pub(crate) const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// Rounds of the recommended variant.
pub(crate) const ROUNDS: u32 = 10;

/// The counter-based generator Philox4x32-10: four random words from a counter and a key
/// (Salmon et al. 2011, §3.3).
#[inline(always)]
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c0);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c2);
        (c0, c1, c2, c3) = (
            (p1 >> 32) as u32 ^ c1 ^ k0,
            p1 as u32,
            (p0 >> 32) as u32 ^ c3 ^ k1,
            p0 as u32,
        );
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    [c0, c1, c2, c3]
}

/// What a random number is for. Numbers of different streams never share a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// ξ of a Langevin step.
    Langevin = 0,
    /// The fraction added to an 8-bit pixel that comes out of the replay buffer.
    BufferDequantization = 1,
    /// Fresh chains of the replay buffer.
    Restart = 2,
    /// Which chains are drawn, which of them restart, and their labels.
    BufferDraw = 3,
    /// The fraction added to an 8-bit pixel of the data.
    DataDequantization = 4,
    /// Noise added to the data.
    DataNoise = 5,
    /// The order in which the data are visited.
    DataOrder = 6,
    /// Images drawn by code.
    DataSynthesis = 7,
    /// Initial weights.
    Weights = 8,
    /// Starting points of chains outside training.
    Sample = 9,
    /// Augmentation of chains that come out of the replay buffer.
    Augment = 10,
    /// Numbers dropped while training.
    Dropout = 11,
    /// Which images of the data are mirrored.
    DataFlip = 12,
}

/// Names the random numbers of one Langevin step, or of any other draw: the words are
/// a function of this key, a chain and a pixel.
///
/// Counter layout, 128 bits: pixel / 4 · step (24 bits) and stream (8 bits) · iteration · chain.
/// The 64-bit seed is the Philox key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseKey {
    /// Seed of the run.
    pub seed: u64,
    /// What the numbers are for.
    pub stream: Stream,
    /// Training iteration (0 outside training).
    pub iteration: u32,
    /// Langevin step within the iteration, below 2²⁴.
    pub step: u32,
}

impl NoiseKey {
    /// The key of `stream` at `iteration`, step 0.
    pub fn new(seed: u64, stream: Stream, iteration: u32) -> Self {
        Self {
            seed,
            stream,
            iteration,
            step: 0,
        }
    }

    /// The same key at Langevin step `step`.
    pub fn at_step(self, step: u32) -> Self {
        assert!(step < 1 << 24, "step {step} does not fit in 24 bits");
        Self { step, ..self }
    }

    /// The Philox key: both halves of the seed.
    pub(crate) fn key(&self) -> [u32; 2] {
        [self.seed as u32, (self.seed >> 32) as u32]
    }

    /// The second counter word: step and stream.
    pub(crate) fn step_and_stream(&self) -> u32 {
        (self.step << 8) | self.stream as u32
    }

    /// Four words: those of pixels `4·block .. 4·block + 4` of `chain`.
    #[inline(always)]
    pub fn words(&self, chain: u32, block: u32) -> [u32; 4] {
        let counter = [block, self.step_and_stream(), self.iteration, chain];
        philox4x32_10(counter, self.key())
    }
}

/// How a random word becomes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// U(0, 1), end points excluded.
    Uniform,
    /// N(0, 1).
    Normal,
}

impl Distribution {
    /// The number that `word` stands for.
    #[inline(always)]
    pub fn of_word(self, word: u32) -> f32 {
        match self {
            Self::Uniform => uniform(word),
            Self::Normal => normal(word),
        }
    }
}

/// The top 23 bits of `word` as the midpoint of one of 2²³ equal cells of (0, 1); exact in f32.
#[inline(always)]
pub fn uniform(word: u32) -> f32 {
    ((word >> 9) as f32 + 0.5) * UNIFORM_CELL
}

/// Width of a cell of [`uniform`]: 2⁻²³.
pub(crate) const UNIFORM_CELL: f32 = 1.0 / 8_388_608.0;

/// A standard normal from `word` by the inverse CDF, √2·erf⁻¹(2u − 1)
/// (Giles, *Approximating the erfinv function*, 2010, single precision).
#[inline(always)]
pub fn normal(word: u32) -> f32 {
    let y = 2.0 * uniform(word) - 1.0;
    let w = -ln((1.0 - y) * (1.0 + y));
    let is_central = w < 5.0;
    let t = if is_central { w - 2.5 } else { w.sqrt() - 3.0 };
    let mut polynomial = 0.0;
    for (central, tail) in ERFINV_CENTRAL.into_iter().zip(ERFINV_TAIL) {
        polynomial = polynomial * t + if is_central { central } else { tail };
    }
    core::f32::consts::SQRT_2 * polynomial * y
}

/// The natural logarithm of a positive normal number, without a branch (Cephes, `logf`).
#[inline(always)]
#[allow(clippy::excessive_precision)]
fn ln(x: f32) -> f32 {
    const MANTISSA: u32 = 0x007f_ffff;
    const BIAS: i32 = 127;
    let bits = x.to_bits();
    let mantissa = f32::from_bits(bits & MANTISSA | 1.0f32.to_bits()); // in [1, 2)
    let halve = mantissa > core::f32::consts::SQRT_2;
    let mantissa = if halve { 0.5 * mantissa } else { mantissa };
    let exponent = ((bits >> 23) as i32 - BIAS + i32::from(halve)) as f32;
    let f = mantissa - 1.0;
    let mut polynomial = 0.0;
    for coefficient in LN_POLYNOMIAL {
        polynomial = polynomial * f + coefficient;
    }
    let square = f * f;
    let rest = polynomial * f * square + exponent * LN_2[1] - 0.5 * square;
    f + rest + exponent * LN_2[0]
}

/// (ln(1 + f) − f + f²/2)/f³, highest power first (Cephes, `logf`).
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
const LN_POLYNOMIAL: [f32; 9] = [
    7.037_683_629_2e-2, -1.151_461_031_0e-1, 1.167_699_874_0e-1, -1.242_014_084_6e-1,
    1.424_932_278_7e-1, -1.666_805_766_5e-1, 2.000_071_476_5e-1, -2.499_999_399_3e-1,
    3.333_333_117_4e-1,
];
/// ln 2 as a sum whose first part has few bits (Cephes, `logf`).
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// Giles (2010), table 5, w < 5, highest power first, in the digits published.
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
pub(crate) const ERFINV_CENTRAL: [f32; 9] = [
    2.810_226_36e-8, 3.432_739_39e-7, -3.523_387_7e-6, -4.391_506_54e-6, 0.000_218_580_87,
    -0.001_253_725_03, -0.004_177_681_64, 0.246_640_727, 1.501_409_41,
];
/// Giles (2010), table 5, w ≥ 5, highest power first, in the digits published.
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
pub(crate) const ERFINV_TAIL: [f32; 9] = [
    -0.000_200_214_257, 0.000_100_950_558, 0.001_349_343_22, -0.003_673_428_44,
    0.005_739_507_73, -0.007_622_461_3, 0.009_438_870_47, 1.001_674_06, 2.832_976_82,
];

/// A sequence of Philox words for [`rand`]'s algorithms (shuffles, initial weights), one per
/// (key, chain).
#[derive(Clone, Debug)]
pub struct PhiloxRng {
    key: NoiseKey,
    chain: u32,
    drawn: u32,
    words: [u32; 4],
}

impl PhiloxRng {
    /// The sequence of `key` for `chain`, from its first word.
    pub fn new(key: NoiseKey, chain: u32) -> Self {
        Self {
            key,
            chain,
            drawn: 0,
            words: [0; 4],
        }
    }
}

impl TryRng for PhiloxRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let lane = self.drawn % 4;
        if lane == 0 {
            self.words = self.key.words(self.chain, self.drawn / 4);
        }
        self.drawn += 1;
        Ok(self.words[lane as usize])
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let (low, high) = (self.try_next_u32()?, self.try_next_u32()?);
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            let word = self.try_next_u32()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_words() {
        // Random123, tests/kat_vectors: counter, key, words.
        let known = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, words) in known {
            assert_eq!(philox4x32_10(counter, key), words);
        }
    }

    #[test]
    fn uniforms_stay_inside_the_open_interval_and_are_symmetric() {
        let (lowest, highest) = (uniform(0), uniform(u32::MAX));
        assert!(lowest > 0.0 && highest < 1.0);
        assert_eq!(lowest, 1.0 - highest);
    }

    #[test]
    fn normals_are_the_quantiles_of_their_uniforms() {
        // Φ⁻¹ at the midpoint of the lowest cell, 2⁻²⁴, and at the quartiles (exact to f32).
        assert!((normal(0) - -5.294_704_4).abs() < 2e-5, "{}", normal(0));
        assert_eq!(normal(0), -normal(u32::MAX));
        assert!((normal(0xC000_0000) - 0.674_489_8).abs() < 1e-6);
        assert!((normal(0x4000_0000) + 0.674_489_8).abs() < 1e-6);
    }

    #[test]
    fn the_logarithm_agrees_with_double_precision_to_2e_7() {
        // All that a normal takes the logarithm of lies in (0, 1].
        let cells = (0..1 << 23).step_by(97).chain([1, (1 << 23) - 1]);
        for cell in cells {
            let x = (cell as f32 + 0.5) * UNIFORM_CELL;
            let expected = f64::from(x).ln();
            let error = (f64::from(ln(x)) - expected).abs();
            assert!(error <= 2e-7 * expected.abs().max(1e-6), "{error} at {x}");
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn every_part_of_the_key_changes_the_words() {
        let key = NoiseKey::new(1, Stream::Langevin, 2).at_step(3);
        let words = key.words(4, 5);
        let others = [
            NoiseKey {
                seed: 1 << 32,
                ..key
            }
            .words(4, 5),
            NoiseKey {
                stream: Stream::Restart,
                ..key
            }
            .words(4, 5),
            NoiseKey {
                iteration: 3,
                ..key
            }
            .words(4, 5),
            key.at_step(4).words(4, 5),
            key.words(5, 5),
            key.words(4, 6),
        ];
        assert!(others.iter().all(|other| *other != words));
    }

    #[test]
    fn a_sequence_is_the_words_of_its_chain_in_order() {
        let key = NoiseKey::new(9, Stream::Weights, 0);
        let mut rng = PhiloxRng::new(key, 2);
        let drawn: Vec<u32> = (0..8).map(|_| rand::Rng::next_u32(&mut rng)).collect();
        assert_eq!(drawn, [key.words(2, 0), key.words(2, 1)].concat());
    }
}
