//! Hold the objective to the moments of the data that it is given, and to the energies that its chains recover.

use burn::module::{Module, Param};
use ebm_langevin::Level;

use super::*;
use crate::objective::gaussian::{BATCH, MEAN, STD, data};

const LEVELS: usize = 3;
const STEPS: usize = 8;
/// Batches over which a gradient is averaged.
const BATCHES: u32 = 50;

fn objective() -> Recovery {
    Recovery {
        ladder: Ladder::new(LEVELS),
        num_steps: STEPS,
        precision: Precision::F32,
        micro_batch: None,
    }
}

/// E(x, t) = Σ exp(λₜ)(x − μₜ)²/2 over two pixels.
#[derive(Module, Debug)]
struct Leveled {
    /// `[levels, 2]`.
    mean: Param<Tensor<2>>,
    /// `[levels, 2]`.
    log_precision: Param<Tensor<2>>,
}

impl Leveled {
    fn new(mean: [[f64; 2]; LEVELS], precision: [[f64; 2]; LEVELS]) -> Self {
        let device = Device::flex().autodiff();
        let table = |values: [[f64; 2]; LEVELS]| {
            Param::from_data(values.map(|row| row.map(|value| value as f32)), &device)
        };
        Self {
            mean: table(mean),
            log_precision: table(precision.map(|row| row.map(f64::ln))),
        }
    }
}

impl EnergyModel for Leveled {
    fn num_levels(&self) -> usize {
        LEVELS
    }

    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
        let levels = context.levels.expect("levels");
        let [mean, precision] = [self.mean.val(), self.log_precision.val().exp()]
            .map(|table| table.select(0, levels.clone())); // [batch, 2]
        let x: Tensor<2> = x.flatten(1, 3);
        ((x - mean).square() * precision / 2.0)
            .sum_dim(1)
            .squeeze_dim(1)
    }
}

/// The gradient with respect to μₜ, then λₜ, `[2][levels][2]`, in standard errors of its mean over batches.
fn gradient_in_errors(model: &Leveled) -> [[[f64; 2]; LEVELS]; 2] {
    const COUNT: usize = 4 * LEVELS;
    let (mut sums, mut squares) = ([0.0; COUNT], [0.0; COUNT]);
    for iteration in 0..BATCHES {
        let step = StepContext {
            key: StepKey::new(5, iteration),
            ..StepContext::default()
        };
        let found = objective().gradient_of(model, &data(iteration), &step);
        for (i, value) in found.flat.into_data().iter::<f64>().enumerate() {
            sums[i] += value;
            squares[i] += value * value;
        }
    }
    let count = f64::from(BATCHES);
    let errors = |i: usize| {
        let mean = sums[i] / count;
        let variance = (squares[i] / count - mean * mean) / (count - 1.0);
        mean / variance.sqrt()
    };
    core::array::from_fn(|table| {
        core::array::from_fn(|level| {
            core::array::from_fn(|pixel| errors(2 * LEVELS * table + 2 * level + pixel))
        })
    })
}

/// The variance of y₋ after all steps under a precision c, with x̃ of variance `noisier`.
fn variance_of_chains(level: &Level, c: f64, noisier: f64) -> f64 {
    let (half, tie) = (
        0.5 * level.step_std * level.step_std,
        level.tie_std.powi(-2),
    );
    let keeps = 1.0 - half * (level.energy_scale * c + tie);
    let (a, v) = (0..STEPS).fold((1.0, 0.0), |(a, v), _| {
        let noise = level.step_std * level.step_std;
        (keeps * a + half * tie, keeps * keeps * v + noise)
    });
    a * a * noisier + v
}

/// The mean and the precision of a pixel with which chains at a level have the mean and the variance of the data.
fn optimum(level: &Level, pixel: usize) -> (f64, f64) {
    let of_x = level.signal.powi(2) * STD[pixel].powi(2) + level.noise_std.powi(2);
    let of_data = level.scale.powi(2) * of_x;
    let noisier = level.shrink.powi(2) * of_x + level.next_std.powi(2);
    let (mut low, mut high) = (0.0, 7.9);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if variance_of_chains(level, middle, noisier) > of_data {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mean = 0.5 + level.scale * level.signal * (MEAN[pixel] - 0.5);
    (mean, low)
}

/// The loss is stationary where chains have the mean and the variance of the data, and falls towards it from either
/// side. The top level is left out: no quadratic energy gives its chains both, as nothing ties them.
#[test]
fn the_best_quadratic_energies_are_those_whose_chains_have_the_moments_of_the_data() {
    const AWAY: f64 = 0.05;
    const AWAY_IN_LOGARITHM: f64 = 0.2; // of precisions, whose gradient varies more
    let ladder = Ladder::new(LEVELS);
    let of_level = |level: usize| [0, 1].map(|pixel| optimum(&ladder.levels()[level], pixel));
    let tied = [of_level(0), of_level(1)];
    let model = |shift: f64, factor: f64| {
        let [one, other] = tied;
        let rows = [one, other, [(0.5, 1.0); 2]];
        Leveled::new(
            rows.map(|row| row.map(|(mean, _)| mean + shift)),
            rows.map(|row| row.map(|(_, precision)| precision * factor)),
        )
    };
    for (table, of_table) in gradient_in_errors(&model(0.0, 1.0)).iter().enumerate() {
        for errors in of_table[..LEVELS - 1].iter().flatten() {
            assert!(errors.abs() < 5.0, "{table}: {errors} standard errors");
        }
    }
    for side in [-1.0, 1.0] {
        let [of_means, _] = gradient_in_errors(&model(side * AWAY, 1.0));
        let [_, of_precisions] = gradient_in_errors(&model(0.0, (side * AWAY_IN_LOGARITHM).exp()));
        for (table, of_table) in [of_means, of_precisions].iter().enumerate() {
            for errors in of_table[..LEVELS - 1].iter().flatten() {
                assert!(
                    errors * side > 5.0,
                    "{table}: {errors} standard errors, {side}"
                );
            }
        }
    }
}

#[test]
fn levels_are_drawn_evenly() {
    let places: Vec<u32> = (0..9_000).collect();
    let levels = objective().levels(&places, StepKey::new(3, 4));
    for level in 0..LEVELS as u32 {
        let count = levels.iter().filter(|&&drawn| drawn == level).count();
        let error = (9_000.0f64 * (1.0 / 3.0) * (2.0 / 3.0)).sqrt();
        assert!(
            (count as f64 - 3_000.0).abs() < 5.0 * error,
            "{level}: {count}"
        );
    }
}

/// Two images of different shades, many times: means, variances, and what the two amounts of noise share.
#[test]
fn the_noise_of_a_level_and_of_the_next_have_the_law_of_the_ladder() {
    let objective = objective();
    let num = 6_000;
    let images = Tensor::<4>::full([num, 1, 1, 2], 0.8, &Device::flex());
    let places: Vec<u32> = (0..num as u32).collect();
    for (t, level) in objective.ladder.levels().iter().enumerate() {
        let levels = vec![t as u32; num];
        let pair = objective.noised(&images, &levels, &places, StepKey::new(3, 4));
        let [clean, noisier] =
            [pair.clean, pair.noisier].map(|x| x.into_data().iter::<f64>().collect::<Vec<_>>());
        let n = clean.len() as f64;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
        let products = |one: &[f64], other: &[f64]| {
            let (first, second) = (mean(one), mean(other));
            let both = one.iter().zip(other);
            both.map(|(x, y)| (x - first) * (y - second)).sum::<f64>() / n
        };
        let of_x = level.noise_std.powi(2);
        let shared = level.scale * level.shrink * of_x;
        let variances = [
            level.scale.powi(2) * of_x,
            level.shrink.powi(2) * of_x + level.next_std.powi(2),
        ];
        for ((values, variance), factor) in [&clean, &noisier]
            .into_iter()
            .zip(variances)
            .zip([level.scale, level.shrink])
        {
            let expected = 0.5 + factor * level.signal * 0.3;
            assert!((mean(values) - expected).abs() < 5.0 * (variance / n).sqrt());
            let found = products(values, values);
            assert!(
                (found / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
                "{t}"
            );
        }
        let error = ((variances[0] * variances[1] + shared * shared) / n).sqrt();
        let found = products(&clean, &noisier);
        assert!(
            (found - shared).abs() < 5.0 * error,
            "{t}: {found} of {shared}"
        );
    }
}

#[test]
fn the_loss_weighs_every_energy_by_its_level() {
    let objective = objective();
    let weights = objective.weights(&[2, 0], &Device::flex()).into_data();
    let weights: Vec<f64> = weights.iter::<f64>().collect();
    let of = |level: usize| objective.ladder.levels()[level].weight / 2.0;
    let expected = [of(2), of(0), -of(2), -of(0)];
    for (found, expected) in weights.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-7, "{weights:?}");
    }
    assert_eq!(of(0), 0.5);
}

#[test]
fn a_step_tells_its_loss_and_does_not_depend_on_micro_batches() {
    let model = Leveled::new([[0.45, 0.55]; LEVELS], [[1.0, 0.5]; LEVELS]);
    let step = StepContext {
        record: true,
        ..StepContext::default()
    };
    let found = |micro_batch| {
        let objective = Recovery {
            micro_batch,
            ..objective()
        };
        objective.gradient_of(&model, &data(0), &step)
    };
    let (whole, cut) = (found(None), found(Some(100)));
    let names: Vec<_> = whole.terms.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["e_pos", "e_neg", "gap", "loss", "contrastive"]);
    assert_eq!(data(0).labels.len(), BATCH);
    let error = (whole.flat.clone() - cut.flat)
        .abs()
        .max()
        .into_scalar::<f32>();
    let largest = whole.flat.abs().max().into_scalar::<f32>();
    assert!(error <= 1e-5 * largest, "{error} of {largest}");
    assert!(whole.contrasted.is_none());
}

#[test]
#[should_panic = "expected a network of 3 noise levels, got 0"]
fn a_network_without_levels_is_refused() {
    use crate::objective::gaussian::Quadratic;

    let model = Quadratic::new([0.5; 2], [1.0; 2], &Device::flex().autodiff());
    objective().gradient_of(&model, &data(0), &StepContext::default());
}
