//! Set up contrastive divergence.

use ebm_langevin::{BufferConfig, LangevinConfig};
use ebm_model::Precision;

use super::kl::KlConfig;
use super::loss::LossConfig;

/// Contrastive divergence with persistent chains.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrastive {
    /// How energies become a loss.
    pub loss: LossConfig,
    /// α: weight of the L2 penalty of energies, at least 0.
    pub energy_l2: f64,
    /// The gradient through the sampler.
    pub kl: KlConfig,
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
            energy_l2: 0.1,
            kl: KlConfig::default(),
            langevin: LangevinConfig::default(),
            buffer: BufferConfig::default(),
            precision: Precision::default(),
            dropout_prob: 0.0,
            micro_batch: None,
        }
    }
}

impl Contrastive {
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

    /// This weight of the L2 penalty of energies.
    pub fn with_energy_l2(mut self, energy_l2: f64) -> Self {
        self.energy_l2 = energy_l2;
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
