//! Describe a network of averaged stages by their widths, and build it.

use burn::tensor::Device;
use ebm_core::ImageShape;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::net::{PooledNet, Stage};
use crate::invalid_network::InvalidNetwork;
use crate::layers::{Bound, ConvSpec, Dense, Initialization};
use crate::ops::Activation;

/// The table from which a [`PooledNet`] is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PooledNetConfig {
    /// Channels of every stage, the first at the images' size, each next one at half of it.
    pub widths: Vec<usize>,
    /// Width of the dense layer between the averages and the energy.
    pub hidden: usize,
    /// Nonlinearity after every layer but the last.
    pub activation: Activation,
    /// Whether the first layer sees 2x − 1 instead of x.
    pub centered_input: bool,
    /// A constant by which the energy is multiplied.
    pub energy_scale: f64,
    /// Whether every weight but the last is under spectral norm.
    pub spectral_norm: bool,
    /// Classes the energy is given; 0 for none. They meet the network in its last layer alone, which then
    /// gives −E(x, y) of every class at once: the logits of a classifier (Grathwohl et al. 2020).
    pub num_classes: usize,
}

impl Default for PooledNetConfig {
    /// 32, 64 and 64 channels, a dense layer of 128, swish, 2x − 1.
    fn default() -> Self {
        Self {
            widths: vec![32, 64, 64],
            hidden: 128,
            activation: Activation::Swish,
            centered_input: true,
            energy_scale: 1.0,
            spectral_norm: false,
            num_classes: 0,
        }
    }
}

impl PooledNetConfig {
    /// Build the network for images of `shape`, with weights drawn from `rng`: the same weights on
    /// every device. It takes images of every size that is large enough.
    ///
    /// # Errors
    /// Where there are no stages, channels or hidden units, or nothing is left of images of `shape` where
    /// they are halved from stage to stage.
    pub fn init(
        &self,
        shape: ImageShape,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<PooledNet, InvalidNetwork> {
        self.check(shape)?;
        let bound = self.spectral_norm.then_some(Bound::One);
        let (mut stages, mut channels) = (Vec::new(), shape.channels);
        for &width in &self.widths {
            let mut conv = |inputs| {
                let spec = ConvSpec {
                    bias: true,
                    bound,
                    ..ConvSpec::same([inputs, width], 3)
                };
                spec.init(rng, device)
            };
            stages.push(Stage {
                a: conv(channels),
                b: conv(width),
            });
            channels = width;
        }
        let he = Initialization::HeNormal;
        let averages = self.widths.iter().sum();
        let outputs = self.num_classes.max(1);
        Ok(PooledNet {
            stages,
            fc: Dense::init([averages, self.hidden], he, bound, rng, device),
            out: Dense::init([self.hidden, outputs], he, None, rng, device),
            activation: self.activation,
            centered_input: self.centered_input,
            energy_scale: self.energy_scale,
            num_classes: self.num_classes,
        })
    }

    fn check(&self, shape: ImageShape) -> Result<(), InvalidNetwork> {
        let zero = |layer, what| Err(InvalidNetwork::Zero { layer, what });
        if self.widths.is_empty() {
            return zero(1, "stages");
        }
        if let Some(stage) = self.widths.iter().position(|width| *width == 0) {
            return zero(stage + 1, "widths");
        }
        if self.hidden == 0 {
            return zero(self.widths.len() + 1, "hidden");
        }
        InvalidNetwork::check_large_enough(shape, self.widths.len() - 1)
    }
}
