//! Draw one value for each pixel of a chain, many at a time.

use super::philox::{MULTIPLIERS, ROUNDS, WEYL};
use super::{Distribution, NoiseKey};

/// Counters that are enciphered at once.
const BLOCKS: usize = 16;
/// Pixels that their words are for.
const PIXELS: usize = 4 * BLOCKS;

/// What is done with the values that are drawn.
#[derive(Clone, Copy)]
enum Output {
    Write,
    AddScaled(f32),
}

impl NoiseKey {
    /// One draw of `distribution` per pixel of one chain, written to `out`.
    pub fn fill(&self, chain: u32, distribution: Distribution, out: &mut [f32]) {
        draw(self, chain, distribution, Output::Write, out);
    }

    /// One draw of `distribution` per pixel of one chain, times `scale`, added to `row`.
    pub fn add(&self, chain: u32, distribution: Distribution, scale: f32, row: &mut [f32]) {
        draw(self, chain, distribution, Output::AddScaled(scale), row);
    }
}

fn draw(key: &NoiseKey, chain: u32, distribution: Distribution, to: Output, row: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        type Chain<'a> = (&'a NoiseKey, u32, Distribution, Output);
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
        fn avx512((key, chain, distribution, to): Chain, row: &mut [f32]) {
            draw_body(key, chain, distribution, to, row);
        }
        #[target_feature(enable = "avx2")]
        fn avx2((key, chain, distribution, to): Chain, row: &mut [f32]) {
            draw_body(key, chain, distribution, to, row);
        }
        let chain = (key, chain, distribution, to);
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
        {
            // SAFETY: the CPU has the features.
            return unsafe { avx512(chain, row) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has the feature.
            return unsafe { avx2(chain, row) };
        }
    }
    draw_body(key, chain, distribution, to, row);
}

/// Compiled for each kind of CPU; no multiply-adds are fused, so that all draw the same bits.
#[inline(always)]
fn draw_body(key: &NoiseKey, chain: u32, distribution: Distribution, to: Output, row: &mut [f32]) {
    for (group, pixels) in (0u32..).zip(row.chunks_mut(PIXELS)) {
        let words = words(key, chain, group * BLOCKS as u32);
        let mut numbers = [0.0; PIXELS];
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = distribution.of_word(word);
        }
        let each = pixels.iter_mut().zip(numbers);
        match to {
            Output::Write => each.for_each(|(pixel, number)| *pixel = number),
            Output::AddScaled(scale) => each.for_each(|(pixel, number)| *pixel += scale * number),
        }
    }
}

/// The words of [`NoiseKey::words`] of a block and the next ones.
#[inline(always)]
fn words(key: &NoiseKey, chain: u32, first_block: u32) -> [u32; PIXELS] {
    let [mut k0, mut k1] = key.philox_key();
    let [step_and_stream, iteration] = key.middle_words();
    let mut c0: [u32; BLOCKS] = core::array::from_fn(|i| first_block.wrapping_add(i as u32));
    let mut c1 = [step_and_stream; BLOCKS];
    let mut c2 = [iteration; BLOCKS];
    let mut c3 = [chain; BLOCKS];
    for _ in 0..ROUNDS {
        for i in 0..BLOCKS {
            let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c0[i]);
            let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c2[i]);
            c0[i] = (p1 >> 32) as u32 ^ c1[i] ^ k0;
            c1[i] = p1 as u32;
            c2[i] = (p0 >> 32) as u32 ^ c3[i] ^ k1;
            c3[i] = p0 as u32;
        }
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    let mut words = [0; PIXELS];
    for (i, words) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *words = [c0[i], c1[i], c2[i], c3[i]];
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn numbers_are_those_of_their_words_whatever_the_length_of_the_row() {
        let key = NoiseKey::new(0xDEAD_BEEF_0000_0007, Stream::Langevin, 12).at_step(345);
        for distribution in [Distribution::Normal, Distribution::Uniform] {
            for len in [1, 4, 31, 32, 33, 131] {
                let word = |pixel: usize| key.words(70_000, pixel as u32 / 4)[pixel % 4];
                let expected: Vec<f32> = (0..len).map(|i| distribution.of_word(word(i))).collect();
                let (mut row, mut portable) = (vec![f32::NAN; len], vec![f32::NAN; len]);
                key.fill(70_000, distribution, &mut row);
                draw_body(&key, 70_000, distribution, Output::Write, &mut portable);
                assert_eq!((&row, &portable), (&expected, &expected));
                let mut sum = vec![1.0; len];
                key.add(70_000, distribution, 0.5, &mut sum);
                let expected: Vec<f32> = expected.iter().map(|number| 1.0 + 0.5 * number).collect();
                assert_eq!(sum, expected);
            }
        }
    }
}
