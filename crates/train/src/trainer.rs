//! Take one training step: draw chains, run them, contrast data with samples, update.

use burn::tensor::Tensor;
use ebm_langevin::{ChainStats, Langevin, NoiseKey, RestartData, Stream};
use ebm_model::EnergyModel;

use crate::batches::LabelledBatch;
use crate::config::Config;
use crate::ema;
use crate::loss::contrastive_divergence;
use crate::parameters;
use crate::state::TrainState;

/// What happened in a step. Tensors stay on the device until somebody reads them.
#[derive(Clone, Debug)]
pub struct StepInfo {
    /// Energies of the data, `[batch]`.
    pub e_pos: Tensor<1>,
    /// Energies of the samples, `[batch]`.
    pub e_neg: Tensor<1>,
    /// mean E(x₊) − mean E(x₋), `[1]`.
    pub contrastive: Tensor<1>,
    /// The L2 penalty of energies, `[1]`.
    pub regularization: Tensor<1>,
    /// What was minimised, `[1]`.
    pub loss: Tensor<1>,
    /// L2 norm of the parameter gradient before clipping, `[1]`.
    pub grad_norm: Tensor<1>,
    /// Learning rate used.
    pub lr: f64,
    /// What the chains did, where asked for.
    pub chains: Option<ChainStats>,
}

/// Persistent contrastive divergence, ∇θL = E_data[∇θE] − E_model[∇θE] (Tieleman 2008), with
/// the buffer and the regulariser of Du & Mordatch (2019), alg. 1.
///
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

    let frozen = state.model.valid();
    let key = NoiseKey::new(seed, Stream::Langevin, iteration);
    let sampler = Langevin::new(config.langevin.clone(), key).with_stats(record);
    let run = sampler.run(chains.x.clone(), &chains.ids, |x| frozen.energy(x));
    state.buffer.put(&chains, run.x.clone());

    let e_pos = state.model.energy(x_pos); // [batch]
    let e_neg = state.model.energy(run.x); // [batch]
    let loss = contrastive_divergence(e_pos.clone(), e_neg.clone(), config.energy_l2);
    let gradients = loss.total().backward();
    let gradient = parameters::flatten_gradients(&state.model, &gradients); // [parameters]

    let lr = config.lr_at(state.step);
    let weights = parameters::flatten(&state.model); // [parameters]
    let update = state
        .optimizer
        .step(&config.optimizer, lr, weights, gradient);
    let (average, weights) = (state.ema.clone(), update.parameters);
    state.ema = ema::update(average, weights.clone(), config.ema_decay, state.step);
    state.model = parameters::unflatten(state.model.clone(), &weights);
    state.step += 1;

    StepInfo {
        e_pos: e_pos.inner(),
        e_neg: e_neg.inner(),
        contrastive: loss.contrastive.clone().inner(),
        regularization: loss.regularization.clone().inner(),
        loss: loss.total().inner(),
        grad_norm: update.grad_norm,
        lr,
        chains: run.stats,
    }
}
