//! Lay out the noise levels of diffusion recovery likelihood: how much noise each has, and how chains move there.
//!
//! Gao et al., *Learning energy-based models by diffusion recovery likelihood* (2021), §3, with the numbers of the
//! code released with it. There pixels are in [−1, 1]. With u = (x + 1)/2, u − ½ is half of x, so that every length
//! here is half of the published one, every factor stays, and E is the same number, of the same image.

use burn::tensor::{Tensor, TensorData};
use ebm_core::rows::one_per_row;

/// The noise of 1000 steps of diffusion: β from the first to the last, evenly.
const BETAS: [f64; 2] = [1e-4, 0.02];
const DIFFUSION_STEPS: usize = 1000;
/// b²: the published size of a Langevin step.
const STEP_SIZE: f64 = 2e-4;
/// From [−1, 1] to [0, 1].
const HALF: f64 = 0.5;

/// A noise level t, and how chains of images xₜ move given xₜ₊₁, the same images with more noise. Lengths are those
/// of pixels in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// ᾱ: xₜ − ½ = ᾱ·(x − ½) + σ̄·ε of data x, with ε ~ N(0, I).
    pub signal: f64,
    /// σ̄.
    pub noise_std: f64,
    /// a: xₜ₊₁ − ½ = a·(xₜ − ½) + σ·ε.
    pub shrink: f64,
    /// σ.
    pub next_std: f64,
    /// The factor of y − ½ = factor·(xₜ − ½), the image that the energy is of: a, and 1 at the top.
    pub scale: f64,
    /// σ of the tie of y to xₜ₊₁; infinite at the top, whose xₜ₊₁ is noise alone.
    pub tie_std: f64,
    /// s: the noise of a Langevin step.
    pub step_std: f64,
    /// 1/s² of the published s: what E is multiplied by.
    pub energy_scale: f64,
    /// How much the level counts in the loss: σ of the lowest level over its own.
    pub weight: f64,
}

/// All noise levels, from the least noise to the most.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    levels: Vec<Level>,
}

impl Ladder {
    /// The fewest levels.
    pub const FEWEST: usize = 2;
    /// The most levels.
    pub const MOST: usize = 100;

    /// The published schedule, whose `num_levels` is 6: levels evenly up to half of the diffusion, and the noise
    /// above the last of them at its end. Other numbers of levels are spread in the same way, as the released code
    /// does, with the same b; nothing was published for them.
    ///
    /// # Panics
    /// If there are fewer than 2 levels or more than 100.
    pub fn new(num_levels: usize) -> Self {
        assert!(
            (Self::FEWEST..=Self::MOST).contains(&num_levels),
            "expected 2 to 100 levels, got {num_levels}"
        );
        let shrinks = shrinks(num_levels);
        let stds = shrinks
            .iter()
            .map(|a| (1.0 - a * a).sqrt())
            .collect::<Vec<_>>();
        let signals = shrinks.iter().scan(1.0, |signal, a| {
            *signal *= a;
            Some(*signal)
        });
        let lowest = (1.0 - shrinks[0] * shrinks[0]).sqrt(); // σ̄ of level 0
        let levels = signals.take(num_levels).enumerate().map(|(t, signal)| {
            let (a, std) = (shrinks[t + 1], stds[t + 1]);
            let noise_std = (1.0 - signal * signal).sqrt();
            // s² = b²·σ²·σ̄ₜ/σ̄₀.
            let step_size = STEP_SIZE * std * std * noise_std / lowest;
            let is_top = t + 1 == num_levels;
            Level {
                signal,
                noise_std: HALF * noise_std,
                shrink: a,
                next_std: HALF * std,
                scale: if is_top { 1.0 } else { a },
                tie_std: if is_top { f64::INFINITY } else { HALF * std },
                step_std: HALF * step_size.sqrt(),
                energy_scale: 1.0 / step_size,
                weight: stds[1] / std,
            }
        });
        Self {
            levels: levels.collect(),
        }
    }

    /// The levels, from the least noise to the most.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// How many there are.
    pub fn num_levels(&self) -> usize {
        self.levels.len()
    }

    /// A value of the level of each image, `[batch, 1, ..]`.
    ///
    /// # Shapes
    /// - `like`: `[batch, ..]`, one image for each of `levels`
    ///
    /// # Panics
    /// If a level is not there, or there are not as many as images.
    pub fn for_each<const D: usize>(
        &self,
        levels: &[u32],
        value: impl Fn(&Level) -> f64,
        like: &Tensor<D>,
    ) -> Tensor<D> {
        let values = levels
            .iter()
            .map(|&level| value(&self.levels[level as usize]) as f32);
        let values = TensorData::new(values.collect::<Vec<_>>(), one_per_row(like));
        Tensor::from_data(values, &like.device())
    }
}

/// a from the data to level 0, then from each level to the next: √∏(1 − β) of the steps of diffusion between them.
fn shrinks(num_levels: usize) -> Vec<f64> {
    let [first, last] = BETAS;
    let beta = |step: usize| first + (last - first) * step as f64 / (DIFFUSION_STEPS - 1) as f64;
    let apart = DIFFUSION_STEPS / (2 * (num_levels - 1));
    let ends = (0..num_levels).map(|level| level * apart + 1);
    let mut from = 0;
    let shrink = |end: usize| {
        let kept: f64 = (from..end).map(|step| 1.0 - beta(step)).product();
        from = end;
        kept.sqrt()
    };
    ends.chain([DIFFUSION_STEPS]).map(shrink).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounded to so many decimals.
    fn rounded(values: impl Iterator<Item = f64>, decimals: i32) -> Vec<f64> {
        let unit = 10f64.powi(decimals);
        values.map(|value| (value * unit).round() / unit).collect()
    }

    #[test]
    fn six_levels_have_the_numbers_of_the_released_code() {
        let ladder = Ladder::new(6);
        let of = |value: fn(&Level) -> f64| ladder.levels().iter().map(value);
        // In [−1, 1], where lengths are twice as long.
        let cumulative = [0.01, 0.3238, 0.5862, 0.7785, 0.898, 0.9603];
        assert_eq!(rounded(of(|level| 2.0 * level.noise_std), 4), cumulative);
        let conditional = [0.3237, 0.5165, 0.6322, 0.7132, 0.7734, 0.9997];
        assert_eq!(rounded(of(|level| 2.0 * level.next_std), 4), conditional);
        let steps = [0.0046, 0.0416, 0.0685, 0.0890, 0.1036, 0.1386];
        assert_eq!(rounded(of(|level| 2.0 * level.step_std), 4), steps);
        let weights = [1.0, 0.627, 0.512, 0.454, 0.419, 0.324];
        assert_eq!(rounded(of(|level| level.weight), 3), weights);
    }

    #[test]
    fn the_numbers_of_a_level_belong_together() {
        for num_levels in [2, 3, 6, 100] {
            let ladder = Ladder::new(num_levels);
            assert_eq!(ladder.num_levels(), num_levels);
            for (t, level) in ladder.levels().iter().enumerate() {
                let is_close = |one: f64, other: f64| (one / other - 1.0).abs() < 1e-9;
                // Variance is kept: ᾱ² + σ̄² = 1 and a² + σ² = 1 in [−1, 1].
                assert!(is_close(
                    level.signal.powi(2) + 4.0 * level.noise_std.powi(2),
                    1.0
                ));
                assert!(is_close(
                    level.shrink.powi(2) + 4.0 * level.next_std.powi(2),
                    1.0
                ));
                assert!(is_close(
                    level.energy_scale * 4.0 * level.step_std.powi(2),
                    1.0
                ));
                match ladder.levels().get(t + 1) {
                    Some(next) => {
                        assert!(is_close(next.signal, level.signal * level.shrink));
                        assert!(next.noise_std > level.noise_std);
                        assert_eq!((level.scale, level.tie_std), (level.shrink, level.next_std));
                    }
                    None => assert_eq!((level.scale, level.tie_std), (1.0, f64::INFINITY)),
                }
            }
        }
    }

    #[test]
    #[should_panic = "expected 2 to 100 levels, got 1"]
    fn one_level_is_no_ladder() {
        Ladder::new(1);
    }
}
