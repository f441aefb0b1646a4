//! Make the table of a network from what a configuration changes about it.

use ebm_model::{
    Activation, ConvNetConfig, ExpertsConfig, LatentConfig, MlpConfig, NetworkConfig,
    PooledNetConfig, ResNetConfig, UNetConfig,
};

use super::model::ModelConfig;
use super::network_name::NetworkName;

/// What an energy may be given besides images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Classes of the data; 0 for none.
    pub num_classes: usize,
    /// Noise levels of the objective; 0 for none. Only `unet` is given them.
    pub num_levels: usize,
    /// Whether the objective tells σ of the noise of an image. Only `unet` is told.
    pub sees_noise: bool,
}

impl ModelConfig {
    /// The table from which the network is built; it is given classes only where it is `conditional`.
    pub fn network(&self, conditions: Conditions) -> NetworkConfig {
        let classes = if self.conditional {
            conditions.num_classes
        } else {
            0
        };
        let filters = || self.filters.unwrap_or(self.network.published_filters());
        match self.network {
            NetworkName::Uva => self.conv(ConvNetConfig::uva_with_filters(filters()), classes),
            NetworkName::Mnist => self.conv(ConvNetConfig::mnist_with_filters(filters()), classes),
            NetworkName::Dsprites => {
                self.conv(ConvNetConfig::dsprites_with_filters(filters()), classes)
            }
            NetworkName::ResNet32 => {
                self.residual(ResNetConfig::resnet32_with_filters(filters(), classes))
            }
            NetworkName::ResNet32Large => self.residual(ResNetConfig::resnet32_large_with_filters(
                filters(),
                classes,
            )),
            NetworkName::ResNet32Wider => self.residual(ResNetConfig::resnet32_wider_with_filters(
                filters(),
                classes,
            )),
            NetworkName::ResNet128 => {
                let net = ResNetConfig::resnet128_with_filters(filters(), classes);
                self.residual(net.with_activation(Activation::Swish))
            }
            NetworkName::Unet => self.unet(UNetConfig::default(), classes, conditions),
            NetworkName::Pooled => self.pooled(PooledNetConfig::default(), classes),
            NetworkName::Experts => self.of_experts(ExpertsConfig::default()),
            NetworkName::Mlp => self.mlp(MlpConfig::default(), classes),
            NetworkName::Features => {
                self.conv(ConvNetConfig::features_with_filters(filters()), classes)
            }
            NetworkName::Latent => self.latent(LatentConfig::default()),
            NetworkName::LatentFree => self.latent(LatentConfig {
                free: true,
                ..LatentConfig::default()
            }),
        }
    }

    fn conv(&self, net: ConvNetConfig, num_classes: usize) -> NetworkConfig {
        NetworkConfig::Conv(ConvNetConfig {
            activation: self.activation.unwrap_or(net.activation),
            spectral_norm: self
                .spectral_norm
                .unwrap_or(net.spectral_norm && !self.plain),
            centered_input: self.centered_input.unwrap_or(net.centered_input),
            num_classes,
            class_head: self.class_head,
            ..net
        })
    }

    fn residual(&self, net: ResNetConfig) -> NetworkConfig {
        NetworkConfig::Res(ResNetConfig {
            activation: self.activation.unwrap_or(net.activation),
            spectral_norm: self.spectral_norm.unwrap_or(!self.plain),
            attention: self.attention,
            plain: self.plain,
            ..net
        })
    }

    fn unet(&self, net: UNetConfig, num_classes: usize, conditions: Conditions) -> NetworkConfig {
        NetworkConfig::UNet(UNetConfig {
            widths: self.widths.clone().unwrap_or(net.widths),
            patch: self.patch.unwrap_or(net.patch),
            blocks: self.blocks.unwrap_or(net.blocks),
            head: self.head.unwrap_or(net.head),
            activation: self.activation.unwrap_or(net.activation),
            attention: self.attention,
            levels: conditions.num_levels,
            noise_map: conditions.sees_noise,
            input_scale: self.input_scale.unwrap_or(net.input_scale),
            energy_scale: self.energy_scale.unwrap_or(net.energy_scale),
            spectral_norm: self.spectral_norm.unwrap_or(net.spectral_norm),
            num_classes,
        })
    }

    fn pooled(&self, net: PooledNetConfig, num_classes: usize) -> NetworkConfig {
        NetworkConfig::Pooled(PooledNetConfig {
            widths: self.widths.clone().unwrap_or(net.widths),
            hidden: net.hidden,
            activation: self.activation.unwrap_or(net.activation),
            centered_input: self.centered_input.unwrap_or(net.centered_input),
            energy_scale: self.energy_scale.unwrap_or(net.energy_scale),
            spectral_norm: self.spectral_norm.unwrap_or(net.spectral_norm),
            num_classes,
        })
    }

    fn of_experts(&self, net: ExpertsConfig) -> NetworkConfig {
        NetworkConfig::Experts(ExpertsConfig {
            experts: self.experts,
            dimensions: self.dimensions,
            intensity: self.intensity.unwrap_or(net.intensity),
            remove_mean: self.remove_mean.unwrap_or(net.remove_mean),
        })
    }

    fn mlp(&self, net: MlpConfig, num_classes: usize) -> NetworkConfig {
        NetworkConfig::Mlp(MlpConfig {
            widths: self.widths.clone().unwrap_or(net.widths),
            activation: self.activation.unwrap_or(net.activation),
            centered_input: self.centered_input.unwrap_or(net.centered_input),
            spectral_norm: self.spectral_norm.unwrap_or(net.spectral_norm),
            num_classes,
        })
    }

    fn latent(&self, net: LatentConfig) -> NetworkConfig {
        NetworkConfig::Latent(LatentConfig {
            latents: self.latents.unwrap_or(net.latents),
            widths: self.widths.clone().unwrap_or(net.widths),
            activation: self.activation.unwrap_or(net.activation),
            observation_std: self.observation_std.unwrap_or(net.observation_std),
            inference_steps: self.inference_steps.unwrap_or(net.inference_steps),
            inference_step_size: self.inference_step_size.unwrap_or(net.inference_step_size),
            spectral_norm: self.spectral_norm.unwrap_or(net.spectral_norm),
            ..net
        })
    }

    /// Whether weights are under spectral norm.
    pub fn has_spectral_norm(&self) -> bool {
        match self.network(Conditions::default()) {
            NetworkConfig::Conv(net) => net.spectral_norm,
            NetworkConfig::Res(net) => net.spectral_norm,
            NetworkConfig::UNet(net) => net.spectral_norm,
            NetworkConfig::Pooled(net) => net.spectral_norm,
            NetworkConfig::Experts(_) => false,
            NetworkConfig::Mlp(net) => net.spectral_norm,
            NetworkConfig::Latent(net) => net.spectral_norm,
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
}

#[cfg(test)]
mod tests {
    use ebm_model::{Head, Intensity};

    use super::*;
    use crate::config::Config;

    fn model(assignments: &[&str]) -> ModelConfig {
        let assignments: Vec<String> = assignments.iter().map(|it| format!("model.{it}")).collect();
        let config = Config::resolve("mnist-uva", None, &assignments);
        config.expect("resolves").model
    }

    #[test]
    fn a_unet_is_made_of_its_keys_and_usual_values() {
        let usual = model(&["network=unet"]);
        let expected = UNetConfig::default();
        assert_eq!(
            (expected.widths.as_slice(), expected.blocks),
            (&[32, 64, 64][..], 1)
        );
        let conditions = Conditions {
            num_classes: 10,
            ..Conditions::default()
        };
        assert_eq!(usual.network(conditions), NetworkConfig::UNet(expected));
        let set = [
            "network=unet",
            "widths=[16, 32]",
            "patch=2",
            "blocks=2",
            "head=half-squared",
            "input_scale=10",
            "energy_scale=0.5",
            "attention=true",
            "spectral_norm=true",
            "conditional=true",
        ];
        let expected = UNetConfig {
            widths: vec![16, 32],
            patch: 2,
            blocks: 2,
            head: Head::HalfSquared,
            activation: Activation::Swish,
            attention: true,
            levels: 0,
            noise_map: false,
            input_scale: 10.0,
            energy_scale: 0.5,
            spectral_norm: true,
            num_classes: 10,
        };
        let model = model(&set);
        assert_eq!(model.network(conditions), NetworkConfig::UNet(expected));
        assert!(model.has_spectral_norm() && !usual.has_spectral_norm());
    }

    #[test]
    fn a_network_of_dense_layers_is_made_of_its_keys_and_usual_values() {
        let conditions = Conditions {
            num_classes: 10,
            ..Conditions::default()
        };
        let usual = model(&["network=mlp", "conditional=true"]);
        let expected = MlpConfig {
            num_classes: 10,
            ..MlpConfig::default()
        };
        assert_eq!(expected.widths, [1200, 1200]);
        assert_eq!(usual.network(conditions), NetworkConfig::Mlp(expected));
        let set = [
            "network=mlp",
            "widths=[8]",
            "activation=swish",
            "dropout=0.5",
        ];
        let model = model(&set);
        let expected = MlpConfig {
            widths: vec![8],
            activation: Activation::Swish,
            ..MlpConfig::default()
        };
        assert_eq!(model.network(conditions), NetworkConfig::Mlp(expected));
        assert_eq!(model.dropout_prob(), 0.5);
    }

    #[test]
    fn a_pooled_network_is_made_of_its_keys_and_usual_values() {
        let usual = model(&["network=pooled"]);
        let expected = PooledNetConfig::default();
        assert_eq!(
            (expected.widths.as_slice(), expected.hidden),
            (&[32, 64, 64][..], 128)
        );
        let none = Conditions::default();
        assert_eq!(usual.network(none), NetworkConfig::Pooled(expected.clone()));
        let set = [
            "network=pooled",
            "widths=[8]",
            "energy_scale=2",
            "centered_input=false",
        ];
        let model = model(&set);
        let expected = PooledNetConfig {
            widths: vec![8],
            energy_scale: 2.0,
            centered_input: false,
            ..expected
        };
        assert_eq!(model.network(none), NetworkConfig::Pooled(expected));
    }

    #[test]
    fn experts_are_made_of_their_keys_and_usual_values() {
        let usual = model(&["network=experts"]);
        let expected = ExpertsConfig::default();
        let none = Conditions::default();
        assert_eq!(usual.network(none), NetworkConfig::Experts(expected));
        let set = [
            "network=experts",
            "experts=30",
            "dimensions=20",
            "intensity=log",
            "remove_mean=false",
        ];
        let expected = ExpertsConfig {
            experts: Some(30),
            dimensions: Some(20),
            intensity: Intensity::Log,
            remove_mean: false,
        };
        let model = model(&set);
        assert_eq!(model.network(none), NetworkConfig::Experts(expected));
        assert!(!model.has_spectral_norm());
    }
}
