//! Name the networks, and what may be changed about them.

use ebm_core::Invalid;
use ebm_model::{Activation, ConvNetConfig, NetworkConfig, ResNetConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Changes to the published architecture.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The architecture.
    pub network: NetworkName,
    /// Filters of the first layer, the others in proportion; absent for the published ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub filters: Option<usize>,
    /// Nonlinearity; absent for the published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Whether the energy is given the class, E(x, y).
    pub conditional: bool,
    /// Whether weights are under spectral norm; absent for the published network's way, and none
    /// where `plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spectral_norm: Option<bool>,
    /// Whether residual networks have self-attention.
    pub attention: bool,
    /// Probability with which the elements between a residual block's convolutions are dropped while
    /// training; absent for the published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub dropout: Option<f64>,
    /// Whether residual networks leave out input biases and output gains: what is then left are
    /// ordinary layers, with PyTorch's names when exported.
    pub plain: bool,
    /// Whether the network sees 2x − 1 instead of x; absent for the published network's way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub centered_input: Option<bool>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            network: NetworkName::Uva,
            filters: None,
            activation: None,
            conditional: false,
            spectral_norm: None,
            attention: false,
            dropout: None,
            plain: false,
            centered_input: None,
        }
    }
}

/// The architectures, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkName {
    /// The 77k-parameter network of the UvA tutorial.
    Uva,
    /// IGEBM's MnistNet.
    Mnist,
    /// IGEBM's DspritesNet.
    Dsprites,
    /// IGEBM's ResNet32.
    #[serde(rename = "resnet32")]
    ResNet32,
    /// IGEBM's ResNet32Large.
    #[serde(rename = "resnet32-large")]
    ResNet32Large,
    /// IGEBM's ResNet32Wider.
    #[serde(rename = "resnet32-wider")]
    ResNet32Wider,
    /// IGEBM's ResNet128.
    #[serde(rename = "resnet128")]
    ResNet128,
}

impl NetworkName {
    /// Filters of the first layer in the published network; for ResNet32Wider those of CIFAR-10.
    fn published_filters(self) -> usize {
        match self {
            Self::Uva => 16,
            Self::Mnist | Self::Dsprites | Self::ResNet128 => 64,
            Self::ResNet32 | Self::ResNet32Large => 128,
            Self::ResNet32Wider => 192,
        }
    }

    fn is_residual(self) -> bool {
        !matches!(self, Self::Uva | Self::Mnist | Self::Dsprites)
    }
}

impl ModelConfig {
    /// The table from which the network is built, for data of `num_classes` classes.
    pub fn network(&self, num_classes: usize) -> NetworkConfig {
        let filters = self.filters.unwrap_or(self.network.published_filters());
        let classes = if self.conditional { num_classes } else { 0 };
        let residual = match self.network {
            NetworkName::Uva => {
                return self.conv(ConvNetConfig::uva_with_filters(filters), classes);
            }
            NetworkName::Mnist => {
                return self.conv(ConvNetConfig::mnist_with_filters(filters), classes);
            }
            NetworkName::Dsprites => {
                return self.conv(ConvNetConfig::dsprites_with_filters(filters), classes);
            }
            NetworkName::ResNet32 => ResNetConfig::resnet32_with_filters(filters, classes),
            NetworkName::ResNet32Large => {
                ResNetConfig::resnet32_large_with_filters(filters, classes)
            }
            NetworkName::ResNet32Wider => {
                ResNetConfig::resnet32_wider_with_filters(filters, classes)
            }
            NetworkName::ResNet128 => ResNetConfig::resnet128_with_filters(filters, classes)
                .with_activation(Activation::Swish),
        };
        NetworkConfig::Res(ResNetConfig {
            activation: self.activation.unwrap_or(residual.activation),
            spectral_norm: self.spectral_norm.unwrap_or(!self.plain),
            attention: self.attention,
            plain: self.plain,
            ..residual
        })
    }

    fn conv(&self, net: ConvNetConfig, num_classes: usize) -> NetworkConfig {
        NetworkConfig::Conv(ConvNetConfig {
            activation: self.activation.unwrap_or(net.activation),
            spectral_norm: self
                .spectral_norm
                .unwrap_or(net.spectral_norm && !self.plain),
            centered_input: self.centered_input.unwrap_or(net.centered_input),
            num_classes,
            ..net
        })
    }

    /// Whether weights are under spectral norm.
    pub fn has_spectral_norm(&self) -> bool {
        match self.network(0) {
            NetworkConfig::Conv(net) => net.spectral_norm,
            NetworkConfig::Res(net) => net.spectral_norm,
        }
    }

    /// Probability with which an element is dropped while training, in [0, 1).
    pub fn dropout_prob(&self) -> f64 {
        let published = match self.network {
            NetworkName::ResNet32Large | NetworkName::ResNet32Wider | NetworkName::ResNet128 => 0.5,
            _ => 0.0,
        };
        self.dropout.unwrap_or(published)
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        if let Some(dropout) = self.dropout.filter(|p| !(0.0..1.0).contains(p)) {
            let problem = format!("must be in [0, 1), got {dropout}");
            return Err(Invalid::new("dropout", problem));
        }
        if self.filters == Some(0) {
            return Err(Invalid::new("filters", "must be at least 1, got 0"));
        }
        let residual_only = [
            ("attention", self.attention),
            ("dropout", self.dropout.is_some_and(|p| p > 0.0)),
        ];
        let refused = residual_only.iter().find(|(_, asked)| *asked);
        match refused {
            Some((key, _)) if !self.network.is_residual() => {
                Err(Invalid::new(*key, "is for residual networks; leave it out"))
            }
            _ if self.network.is_residual() && self.centered_input == Some(true) => {
                Err(Invalid::new(
                    "centered_input",
                    "is not for residual networks; leave it out",
                ))
            }
            _ if self.plain && self.conditional => Err(Invalid::new(
                "plain",
                "leaves out what a class acts on; set model.conditional = false or model.plain = false",
            )),
            _ => Ok(()),
        }
    }
}
