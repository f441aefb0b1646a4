//! Take one training step: draw chains, run them, contrast data with samples, update.

use core::ops::Range;

use burn::tensor::{Device, Tensor};
use ebm_langevin::{
    ChainStats, LastStep, MAX_CHAINS_OF_PIECE, NoiseKey, RestartData, Sampler, Stream,
    adapted_scale, chain_tensor, is_cpu,
};
use ebm_model::EnergyModel;

use crate::batches::LabelledBatch;
use crate::config::Config;
use crate::dropout::Dropout;
use crate::ema;
use crate::gradient::loss_gradient;
use crate::kl::kl_term;
use crate::loss::loss;
use crate::parameters;
use crate::sampling::run_chains;
use crate::state::TrainState;

/// What happened in a step. Tensors stay on the device until somebody reads them.
#[derive(Clone, Debug)]
pub struct StepInfo {
    /// Energies of the data, `[batch]`.
    pub e_pos: Tensor<1>,
    /// Energies of the samples, `[batch]`.
    pub e_neg: Tensor<1>,
    /// The objective's contrast of data and samples, `[1]`.
    pub contrastive: Tensor<1>,
    /// The L2 penalty of energies, `[1]`.
    pub regularization: Tensor<1>,
    /// The weighted KL term, `[1]`, where there is one.
    pub kl: Option<Tensor<1>>,
    /// What was minimised, `[1]`.
    pub loss: Tensor<1>,
    /// L2 norm of the parameter gradient before clipping, `[1]`.
    pub grad_norm: Tensor<1>,
    /// Learning rate used.
    pub lr: f64,
    /// What the next iteration multiplies the sampler's step size by.
    pub step_scale: f64,
    /// What the chains did, where asked for.
    pub chains: Option<ChainStats>,
}

/// Persistent contrastive divergence, ∇θL = E_data[∇θE] − E_model[∇θE] (Tieleman 2008), with
/// the buffer and the regulariser of Du & Mordatch (2019), alg. 1.
///
/// Spectral norm takes one power iteration and becomes part of the weights before chains run.
/// `record` asks for [`StepInfo::chains`].
///
/// # Shapes
/// - `data.images`: `[batch, channels, height, width]`, in [0, 1]
pub fn step<M: EnergyModel + Sync>(
    config: &Config,
    state: &mut TrainState<M>,
    data: LabelledBatch,
    record: bool,
) -> StepInfo {
    let (seed, iteration) = (config.seed, state.step as u32);
    let (x_pos, batch) = (data.images, data.labels.len());
    let restart = RestartData {
        images: &x_pos,
        labels: &data.labels,
    };
    let chains = state.buffer.draw(batch, seed, iteration, Some(restart));

    let is_normed = {
        let mut normed = state.model.spectral_norms();
        normed.iter_mut().for_each(|weight| weight.iterate());
        !normed.is_empty()
    };
    let model = state.model.folded();
    let frozen = model.valid();
    let y_neg = chain_tensor(&chains.labels, &x_pos.device()); // [batch]
    let sampler = sampler(config, state, &x_pos.device(), record);
    let sampled = config.precision.rounded(&frozen, &x_pos.device());
    let run = run_chains(&sampled, &sampler, chains.x.clone(), &chains.ids, &y_neg);
    if let Some(target) = config.langevin.target_acceptance {
        let acceptance = run.stats.as_ref().and_then(|stats| stats.acceptance);
        let acceptance = acceptance.unwrap_or(f64::NAN);
        state.step_scale = adapted_scale(state.step_scale, acceptance, target);
    }
    let kl = (run.last_step.as_ref()).map(|last| {
        let few = config.kl.samples.min(batch);
        let last = LastStep {
            from: last.from.clone().narrow(0, 0, few),
            descent: last.descent,
        };
        let others = state
            .buffer
            .others(&chains.ids, config.kl.neighbors, seed, iteration);
        let x = run.x.clone().narrow(0, 0, few);
        let y = y_neg.clone().narrow(0, 0, few);
        kl_term(&model, &last, x, &y, others, config.kl.entropy_weight)
    });
    state.buffer.put(&chains, run.x.clone());

    let y_pos = chain_tensor(&data.labels, &x_pos.device()); // [batch]
    let images = Tensor::cat(vec![x_pos, run.x], 0); // [2 · batch, channels, height, width]
    let classes = Tensor::cat(vec![y_pos, y_neg], 0); // [2 · batch]
    let dropout = Dropout::new(config, iteration);
    let energy = |model: &M, some: Range<usize>| {
        let x = images.clone().narrow(0, some.start, some.len());
        let y = classes.clone().narrow(0, some.start, some.len());
        dropout.energy(model, x, &y, some.start)
    };
    let halves = |energies: Tensor<1>| [0, batch].map(|at| energies.clone().narrow(0, at, batch));
    let loss = |energies: Tensor<1>| {
        let [e_pos, e_neg] = halves(energies);
        loss(&config.objective, e_pos, e_neg, config.energy_l2)
    };
    let micro_batch = config.micro_batch;
    let of_folded = loss_gradient(
        &frozen,
        &images.device(),
        2 * batch,
        micro_batch,
        energy,
        (loss, config.objective.kind.is_separable()),
    );
    let ([e_pos, e_neg], loss) = (halves(of_folded.energies), of_folded.loss);

    let through_folding = |more: Option<Tensor<1>>| {
        let weights = parameters::dot(&model, &of_folded.gradient);
        let surrogate = more.into_iter().fold(weights, Tensor::add);
        parameters::flatten_gradients(&state.model, &surrogate.backward())
    };
    let (gradient, kl) = match kl {
        Some(kl) => (
            through_folding(Some(kl.surrogate * config.kl.weight)),
            Some(kl.value * config.kl.weight),
        ),
        None if is_normed => (through_folding(None), None),
        None => (of_folded.gradient, None), // nothing became part of the weights
    };

    let lr = config.lr_at(state.step);
    let weights = parameters::flatten(&state.model); // [parameters]
    let update = state
        .optimizer
        .step(&config.optimizer, lr, weights, gradient);
    let (average, weights) = (state.ema.clone(), update.parameters);
    state.ema = ema::update(average, weights.clone(), config.ema_decay, state.step);
    state.model = parameters::unflatten(state.model.clone(), &weights);
    state.step += 1;

    let minimised = loss.total();
    StepInfo {
        e_pos,
        e_neg,
        contrastive: loss.contrastive,
        regularization: loss.regularization,
        loss: match &kl {
            Some(kl) => minimised + kl.clone(),
            None => minimised,
        },
        kl,
        grad_norm: update.grad_norm,
        lr,
        step_scale: state.step_scale,
        chains: run.stats,
    }
}

fn sampler<M>(config: &Config, state: &TrainState<M>, device: &Device, record: bool) -> Sampler {
    let key = NoiseKey::new(config.seed, Stream::Langevin, state.step as u32);
    let sampler = Sampler::new(config.langevin.clone(), key)
        .with_stats(record || config.langevin.target_acceptance.is_some())
        .with_step_scale(state.step_scale)
        .with_last_step(config.kl.weight > 0.0);
    match config.micro_batch {
        Some(most) if is_cpu(device) => sampler.with_piece_size(most.min(MAX_CHAINS_OF_PIECE)),
        Some(most) => sampler.with_piece_size(most),
        None => sampler,
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param};
    use burn::tensor::{Device, TensorData};
    use ebm_langevin::{
        BufferConfig, Distribution, LangevinConfig, ReplayBuffer, Schedule, Varying,
    };

    use ebm_model::Given;

    use super::*;
    use crate::optimizer::Adam;

    /// E(x) = Σ exp(λ)(x − μ)²/2 over two pixels: the energy of a Gaussian.
    #[derive(Module, Debug)]
    struct Quadratic {
        mean: Param<Tensor<1>>,
        log_precision: Param<Tensor<1>>,
    }

    impl EnergyModel for Quadratic {
        fn energy_with(&self, x: Tensor<4>, _: Given<'_>) -> Tensor<1> {
            let x: Tensor<2> = x.flatten(1, 3); // [batch, 2]
            let far = (x - self.mean.val().unsqueeze()).square();
            let energy = far * self.log_precision.val().exp().unsqueeze() / 2.0;
            energy.sum_dim(1).squeeze_dim(1)
        }
    }

    const MEAN: [f64; 2] = [0.4, 0.6];
    const STD: [f64; 2] = [0.05, 0.08];
    const STEP_SIZE: f64 = 1e-3;
    const BATCH: usize = 256;

    /// Precision at which the discrete chain, of temperature 1, has this standard deviation:
    /// a²s²/(1 − a²) = σ² with a = 1 − ηλ and s² = 2η, so that λ = (1 − 1/√(1 + 2η/σ²))/η.
    fn precision_of_the_chain(std: f64) -> f64 {
        (1.0 - 1.0 / (1.0 + 2.0 * STEP_SIZE / (std * std)).sqrt()) / STEP_SIZE
    }

    fn data(iteration: u32) -> LabelledBatch {
        let key = NoiseKey::new(77, Stream::DataNoise, iteration);
        let mut draws = vec![0.0; 2 * BATCH];
        key.fill(0, Distribution::Normal, &mut draws);
        for (i, draw) in draws.iter_mut().enumerate() {
            *draw = MEAN[i % 2] as f32 + STD[i % 2] as f32 * *draw;
        }
        let data = TensorData::new(draws, [BATCH, 1, 1, 2]);
        LabelledBatch {
            images: Tensor::from_data(data, &Device::flex()),
            labels: vec![0; BATCH],
        }
    }

    fn config() -> Config {
        Config {
            batch_size: BATCH,
            iterations: 400,
            lr: Schedule::Varying(Varying::Geometric {
                start: 0.05,
                end: 0.005,
            }),
            energy_l2: 0.0,
            langevin: LangevinConfig {
                num_steps: 30,
                step_size: Schedule::Constant(STEP_SIZE),
                noise_std: Schedule::Constant((2.0 * STEP_SIZE).sqrt()),
                ..LangevinConfig::default()
            },
            buffer: BufferConfig {
                capacity: 1_024,
                ..BufferConfig::default()
            },
            ..Config::default()
        }
    }

    #[test]
    fn contrastive_divergence_finds_the_mean_and_the_precision_of_a_gaussian() {
        let (config, device) = (config(), Device::flex());
        let autodiff = device.clone().autodiff();
        let model = Quadratic {
            mean: Param::from_data([0.5f32, 0.5], &autodiff),
            log_precision: Param::from_data([4.5f32, 4.5], &autodiff),
        };
        let mut state = TrainState {
            ema: parameters::flatten(&model),
            model,
            optimizer: Adam::new(4, &device),
            buffer: ReplayBuffer::new(config.buffer.clone(), [1, 1, 2], vec![], 1, &device),
            step_scale: 1.0,
            class_names: vec![],
            step: 0,
        };
        let averaged = 200;
        let mut sums = [0.0; 4];
        for iteration in 0..config.iterations as u32 {
            step(&config, &mut state, data(iteration), false);
            if iteration as usize >= config.iterations - averaged {
                let weights = parameters::flatten(&state.model).into_data();
                for (sum, weight) in sums.iter_mut().zip(weights.iter::<f64>()) {
                    *sum += weight / averaged as f64;
                }
            }
        }
        // Data and samples each bring the error of as many independent images.
        let images = (averaged * BATCH) as f64;
        for pixel in 0..2 {
            let mean_error = (sums[pixel] - MEAN[pixel]) / (STD[pixel] * (2.0 / images).sqrt());
            let expected = precision_of_the_chain(STD[pixel]).ln();
            let precision_error = (sums[2 + pixel] - expected) / (4.0 / images).sqrt();
            assert!(
                mean_error.abs() < 5.0,
                "mean {pixel}: {mean_error} standard errors"
            );
            assert!(
                precision_error.abs() < 5.0,
                "precision {pixel}: {precision_error} standard errors"
            );
        }
    }
}
