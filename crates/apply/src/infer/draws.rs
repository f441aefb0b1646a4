//! Draw latent vectors given one image by the Metropolis-adjusted Langevin algorithm, in steps whose size adapts to it.

use burn::tensor::Tensor;
use ebm_langevin::{
    LangevinConfig, Method, Stage, StepCounter, sampler_outside_training, warm_up,
    warm_up_gradients,
};
use ebm_model::{LatentEnergy, Posterior};

/// Acceptance rate to which steps adapt: the best one in many dimensions (Roberts & Rosenthal 1998).
const TARGET_ACCEPTANCE: f64 = 0.574;

/// So many steps of p(z | x) from each row of `start`, after those in which their size adapts; `None` where an energy on
/// the way was not finite, whose step was refused.
///
/// # Shapes
/// - `posterior`: of one image, as many times as `start`, `[draws, latents]`, has rows and `ids` numbers, which key the
///   noise; returns the shape of `start`
pub(super) fn adapted_draws(
    (model, posterior): (&dyn LatentEnergy, &Posterior<'_>),
    start: Tensor<2>,
    ids: &[u32],
    (steps, seed): (usize, u64),
    counter: &StepCounter,
) -> Option<Tensor<2>> {
    let langevin = chains(model.inference().chains(steps));
    let (start, scale) = warm_up::<2>(posterior, &langevin, start, seed, 1.0, counter);
    if !scale.is_finite() {
        return None;
    }
    let sampler = sampler_outside_training(&langevin, steps, seed, Stage::Posterior)
        .with_step_scale(scale)
        .with_stats(true)
        .with_counter(counter.clone());
    let run = sampler.run(start, ids, posterior);
    let accepted = run.stats.and_then(|stats| stats.mean_acceptance());
    accepted.is_none_or(f64::is_finite).then_some(run.x)
}

/// About as many gradients as [`adapted_draws`] takes of each.
pub(super) fn gradients_of_draw(steps: usize) -> usize {
    warm_up_gradients(&chains(LangevinConfig::new(steps))) + steps
}

fn chains(langevin: LangevinConfig) -> LangevinConfig {
    LangevinConfig {
        target_acceptance: Some(TARGET_ACCEPTANCE),
        ..langevin.with_method(Method::Mala)
    }
}
