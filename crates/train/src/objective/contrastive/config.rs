//! Set up contrastive divergence.

use ebm_langevin::{BufferConfig, LangevinConfig};
use ebm_model::Precision;

use super::chains::ChainState;
use super::kl::KlConfig;
use super::loss::{EnergyL2, LossConfig, LossKind};

/// Contrastive divergence with persistent chains.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrastive {
    /// How energies become a loss.
    pub loss: LossConfig,
    /// Weights of the L2 penalty of energies.
    pub energy_l2: EnergyL2,
    /// The gradient through the sampler.
    pub kl: KlConfig,
    /// Whether data and chains are under E(x), the classes summed out, instead of E(x, y). Without dropout and
    /// the gradient through the sampler.
    pub marginal: bool,
    /// How chains move.
    pub langevin: LangevinConfig,
    /// How chains persist.
    pub buffer: BufferConfig,
    /// Floating-point precision of the chains' copy of the weights.
    pub precision: Precision,
    /// Probability with which elements are dropped in networks with dropout, in [0, 1).
    pub dropout_prob: f64,
    /// The most images that a device works on at a time; `None` for whole batches.
    pub micro_batch: Option<usize>,
}

impl Default for Contrastive {
    fn default() -> Self {
        Self {
            loss: LossConfig::default(),
            energy_l2: 0.1.into(),
            kl: KlConfig::default(),
            marginal: false,
            langevin: LangevinConfig::default(),
            buffer: BufferConfig::default(),
            precision: Precision::default(),
            dropout_prob: 0.0,
            micro_batch: None,
        }
    }
}

impl Contrastive {
    /// How chains persist, with pixels where the sampler clips them.
    pub(super) fn buffer_config(&self) -> BufferConfig {
        let range = self.langevin.clip().unwrap_or([0.0, 1.0]);
        self.buffer.clone().with_range(range)
    }

    /// Chains of other settings, to go on under these; `None` where the buffers differ.
    pub(crate) fn take_over(&self, chains: ChainState) -> Option<ChainState> {
        chains.under(self)
    }

    /// Whether it [takes over](Self::take_over) the chains of `before`.
    pub(crate) fn goes_on_with(&self, before: &Self) -> bool {
        self.buffer_config()
            .keeps_chains_of(&before.buffer_config())
    }

    /// The lowest mean energy of data at which the penalty holds them, whatever the samples: −slope/2α, with
    /// the steepest slope of the loss.
    pub(crate) fn lowest_of_data(&self) -> f64 {
        let slope = match self.loss.kind {
            LossKind::Cd | LossKind::Logsumexp => 1.0,
            LossKind::Softplus => self.loss.sharpness,
        };
        -slope / (2.0 * self.energy_l2.data)
    }

    /// Chains that move like this.
    pub fn with_langevin(mut self, langevin: LangevinConfig) -> Self {
        self.langevin = langevin;
        self
    }

    /// Chains that persist like this.
    pub fn with_buffer(mut self, buffer: BufferConfig) -> Self {
        self.buffer = buffer;
        self
    }

    /// Energies that become a loss like this.
    pub fn with_loss(mut self, loss: LossConfig) -> Self {
        self.loss = loss;
        self
    }

    /// This L2 penalty of energies: one weight, or one for data and one for samples.
    pub fn with_energy_l2(mut self, energy_l2: impl Into<EnergyL2>) -> Self {
        self.energy_l2 = energy_l2.into();
        self
    }

    /// This gradient through the sampler.
    pub fn with_kl(mut self, kl: KlConfig) -> Self {
        self.kl = kl;
        self
    }

    /// Chains that see the weights in this precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// No more images than this on the device at a time.
    pub fn with_micro_batch(mut self, images: usize) -> Self {
        self.micro_batch = Some(images);
        self
    }
}
