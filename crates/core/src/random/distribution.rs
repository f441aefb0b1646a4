//! Turn random words into uniform and normal numbers, the same bits on every CPU.

/// The distribution of a draw: what a random word becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// U(0, 1), end points excluded.
    Uniform,
    /// N(0, 1).
    Normal,
}

impl Distribution {
    /// The draw that `word` stands for.
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
pub const UNIFORM_CELL: f32 = 1.0 / 8_388_608.0;

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
pub const ERFINV_CENTRAL: [f32; 9] = [
    2.810_226_36e-8, 3.432_739_39e-7, -3.523_387_7e-6, -4.391_506_54e-6, 0.000_218_580_87,
    -0.001_253_725_03, -0.004_177_681_64, 0.246_640_727, 1.501_409_41,
];
/// Giles (2010), table 5, w ≥ 5, highest power first, in the digits published.
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
pub const ERFINV_TAIL: [f32; 9] = [
    -0.000_200_214_257, 0.000_100_950_558, 0.001_349_343_22, -0.003_673_428_44,
    0.005_739_507_73, -0.007_622_461_3, 0.009_438_870_47, 1.001_674_06, 2.832_976_82,
];

#[cfg(test)]
mod tests {
    use super::*;

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
}
