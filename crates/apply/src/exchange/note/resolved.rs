//! Resolve what a configuration leaves open about its network.

use ebm_model::{Activation, Head, Intensity, NetworkConfig};
use ebm_train::{Conditions, ModelConfig, NetworkName};

/// What a configuration's model is, with the published or usual values of what it leaves open; `None` for
/// what its network does not have.
pub(super) struct Resolved {
    pub(super) filters: Option<usize>,
    pub(super) widths: Option<Vec<usize>>,
    pub(super) patch: Option<usize>,
    pub(super) blocks: Option<usize>,
    pub(super) head: Option<Head>,
    pub(super) input_scale: Option<f64>,
    pub(super) energy_scale: Option<f64>,
    pub(super) activation: Option<Activation>,
    pub(super) experts: Option<usize>,
    pub(super) dimensions: Option<usize>,
    pub(super) intensity: Option<Intensity>,
    pub(super) remove_mean: Option<bool>,
    pub(super) latents: Option<usize>,
    pub(super) observation_std: Option<f64>,
    pub(super) inference_steps: Option<usize>,
    pub(super) inference_step_size: Option<f64>,
    pub(super) centered_input: bool,
    pub(super) is_residual: bool,
}

impl Resolved {
    pub(super) fn of(model: &ModelConfig) -> Self {
        // The first layer of DspritesNet has half of `model.filters`.
        let layer = usize::from(model.network == NetworkName::Dsprites);
        match model.network(Conditions::default()) {
            NetworkConfig::Conv(net) => Self {
                filters: Some(net.layers[layer].filters),
                centered_input: net.centered_input,
                ..Self::with(net.activation)
            },
            NetworkConfig::Res(net) => Self {
                filters: Some(net.stages[0].filters),
                is_residual: true,
                ..Self::with(net.activation)
            },
            NetworkConfig::UNet(net) => Self {
                widths: Some(net.widths),
                patch: Some(net.patch),
                blocks: Some(net.blocks),
                head: Some(net.head),
                input_scale: Some(net.input_scale),
                energy_scale: Some(net.energy_scale),
                centered_input: true,
                ..Self::with(net.activation)
            },
            NetworkConfig::Latent(net) => Self {
                widths: Some(net.widths),
                latents: Some(net.latents),
                observation_std: (!net.free).then_some(net.observation_std),
                inference_steps: Some(net.inference_steps),
                inference_step_size: Some(net.inference_step_size),
                centered_input: net.free,
                ..Self::with(net.activation)
            },
            NetworkConfig::Pooled(net) => Self {
                widths: Some(net.widths),
                energy_scale: Some(net.energy_scale),
                centered_input: net.centered_input,
                ..Self::with(net.activation)
            },
            NetworkConfig::Experts(net) => Self {
                experts: net.experts,
                dimensions: net.dimensions,
                intensity: Some(net.intensity),
                remove_mean: Some(net.remove_mean),
                activation: None,
                ..Self::with(Activation::Swish)
            },
            NetworkConfig::Mlp(net) => Self {
                widths: Some(net.widths),
                centered_input: net.centered_input,
                ..Self::with(net.activation)
            },
        }
    }

    /// A network of this nonlinearity, of which nothing else is known.
    fn with(activation: Activation) -> Self {
        Self {
            filters: None,
            widths: None,
            patch: None,
            blocks: None,
            head: None,
            input_scale: None,
            energy_scale: None,
            activation: Some(activation),
            experts: None,
            dimensions: None,
            intensity: None,
            remove_mean: None,
            latents: None,
            observation_std: None,
            inference_steps: None,
            inference_step_size: None,
            centered_input: false,
            is_residual: false,
        }
    }
}
