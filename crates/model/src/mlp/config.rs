//! Describe a network of dense layers by their widths, and build it.

use burn::tensor::Device;
use ebm_core::ImageShape;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::net::Mlp;
use crate::invalid_network::InvalidNetwork;
use crate::layers::{Bound, Dense, Initialization};
use crate::ops::Activation;

/// The table from which an [`Mlp`] is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MlpConfig {
    /// Units of every hidden layer.
    pub widths: Vec<usize>,
    /// Nonlinearity after every layer but the last.
    pub activation: Activation,
    /// Whether the first layer sees 2x − 1 instead of x.
    pub centered_input: bool,
    /// Whether every weight but the last is under spectral norm.
    pub spectral_norm: bool,
    /// Classes the energy is given; 0 for none. They meet the network in its last layer alone, which then
    /// gives −E(x, y) of every class at once: the logits of a classifier (Grathwohl et al. 2020).
    pub num_classes: usize,
}

impl Default for MlpConfig {
    /// Two layers of 1200 units, ReLU: the network of the literature on posteriors over weights (Blundell et al.
    /// 2015, §5.1; Li et al. 2016, §5.2).
    fn default() -> Self {
        Self {
            widths: vec![1200, 1200],
            activation: Activation::Relu,
            centered_input: false,
            spectral_norm: false,
            num_classes: 0,
        }
    }
}

impl MlpConfig {
    /// Build the network for images of `shape`, with weights drawn from `rng`: the same weights on
    /// every device.
    ///
    /// # Errors
    /// Where there are no hidden layers, or one has no units.
    pub fn init(
        &self,
        shape: ImageShape,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<Mlp, InvalidNetwork> {
        let zero = |layer, what| Err(InvalidNetwork::Zero { layer, what });
        if self.widths.is_empty() {
            return zero(1, "layers");
        }
        if let Some(layer) = self.widths.iter().position(|width| *width == 0) {
            return zero(layer + 1, "widths");
        }
        let he = Initialization::HeNormal;
        let bound = self.spectral_norm.then_some(Bound::One);
        let (mut layers, mut inputs) = (Vec::new(), shape.pixels());
        for &width in &self.widths {
            layers.push(Dense::init([inputs, width], he, bound, rng, device));
            inputs = width;
        }
        let outputs = self.num_classes.max(1);
        Ok(Mlp {
            layers,
            out: Dense::init([inputs, outputs], he, None, rng, device),
            activation: self.activation,
            centered_input: self.centered_input,
            num_classes: self.num_classes,
        })
    }
}
