//! Configure the replay buffer.

use ebm_core::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a fresh chain starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Uniform noise.
    #[default]
    Noise,
    /// An image of the current batch plus noise.
    Data,
}

/// Where the chains of a new buffer start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstChains {
    /// Uniform noise.
    #[default]
    Noise,
    /// Samples of the part of a run before, drawn as that part draws its pictures.
    Previous,
}

/// A way to change a chain that comes out of the buffer, so that it may reach another mode
/// (Du et al. 2021). The chain keeps its label: choose what leaves a class what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augmentation {
    /// Cut out at least 0.8 of the area and resize it to the whole.
    Crop,
    /// Left and right change places, with probability ½; not for digits or letters.
    Flip,
    /// Brightness, contrast and saturation change by up to 0.4, with probability 0.8.
    Color,
    /// Colours go, with probability 0.2.
    Grey,
}

/// How many chains are kept, and how often one starts afresh.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BufferConfig {
    /// Chains kept.
    #[schemars(range(min = 1, max = 2147483647))]
    pub capacity: usize,
    /// Where the chains of a new buffer start.
    pub start: FirstChains,
    /// Probability that a chain starts afresh when it is drawn.
    #[schemars(range(min = 0, max = 1))]
    pub reinit_prob: f64,
    /// Where a fresh chain starts.
    pub restart: Restart,
    /// Standard deviation of the noise added to data where chains restart from data.
    #[schemars(range(min = 0))]
    pub restart_noise_std: f64,
    /// What may happen to a kept chain on its way out, whatever the order; empty for nothing.
    pub augment: Vec<Augmentation>,
    /// Probability that a kept chain is augmented at all.
    #[schemars(range(min = 0, max = 1))]
    pub augment_prob: f64,
    /// Pixels of chains, for which the bytes 0 to 255 stand; that of the sampler's clip, so a configuration
    /// file cannot change it.
    #[serde(skip, default = "unit")]
    pub range: [f64; 2],
}

fn unit() -> [f64; 2] {
    [0.0, 1.0]
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            start: FirstChains::Noise,
            reinit_prob: 0.05,
            restart: Restart::Noise,
            restart_noise_std: 0.1,
            augment: Vec::new(),
            augment_prob: 1.0,
            range: unit(),
        }
    }
}

impl BufferConfig {
    /// The default buffer, of so many chains.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            ..Self::default()
        }
    }

    /// This probability that a drawn chain is replaced by a fresh one.
    pub fn with_reinit_prob(mut self, reinit_prob: f64) -> Self {
        self.reinit_prob = reinit_prob;
        self
    }

    /// Fresh chains that start here.
    pub fn with_restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Chains with pixels in this range.
    pub fn with_range(mut self, range: [f64; 2]) -> Self {
        self.range = range;
        self
    }

    /// Whether a buffer of these settings can go on with the chains of one of settings `before`: it keeps as many, of the
    /// same pixels.
    pub fn keeps_chains_of(&self, before: &Self) -> bool {
        (self.capacity, self.range) == (before.capacity, before.range)
    }

    /// Check that batches of `batch_size` chains can be drawn.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self, batch_size: usize) -> Result<(), Invalid> {
        let invalid = |key: &str, problem: String| Err(Invalid::new(key, problem));
        if self.capacity < batch_size {
            let capacity = self.capacity;
            return invalid(
                "capacity",
                format!("must be at least batch_size = {batch_size}, got {capacity}"),
            );
        }
        if self.capacity > i32::MAX as usize {
            return invalid("capacity", "must be below 2³¹".into());
        }
        if !(0.0..=1.0).contains(&self.reinit_prob) {
            let got = self.reinit_prob;
            return invalid("reinit_prob", format!("must be in [0, 1], got {got}"));
        }
        if !(self.restart_noise_std >= 0.0 && self.restart_noise_std.is_finite()) {
            let got = self.restart_noise_std;
            return invalid("restart_noise_std", format!("must be ≥ 0, got {got}"));
        }
        if !(0.0..=1.0).contains(&self.augment_prob) {
            let got = self.augment_prob;
            return invalid("augment_prob", format!("must be in [0, 1], got {got}"));
        }
        Ok(())
    }
}
