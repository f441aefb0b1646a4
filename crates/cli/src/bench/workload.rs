//! Name the networks and the work that are measured: those of the PyTorch and JAX peers.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor};
use clap::ValueEnum;
use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Schedule, Stream};
use ebm_data::Batch;
use ebm_langevin::{BufferConfig, LangevinConfig, noise_images};
use ebm_model::{ConvNetConfig, EnergyModel, Network, NetworkConfig, ResNetConfig, UNetConfig};
use ebm_train::{Contrastive, DataSummary, Flow, Objective, Trainer};

use super::BenchOptions;

/// A network that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Workload {
    /// The 77k-parameter network of the UvA tutorial, 28×28.
    Uva,
    /// IGEBM's MnistNet, 28×28.
    Mnist,
    /// IGEBM's ResNet32, plain, 32×32 RGB.
    Cifar,
    /// IGEBM's ResNet32Large, plain, 32×32 RGB.
    CifarLarge,
    /// A U-Net of 309k parameters, E = ⟨c, f(c)⟩, 28×28.
    Unet,
    /// A U-Net of 15.7M parameters, E = ⟨c, f(c)⟩, 32×32 RGB.
    Unet32,
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Task {
    /// Energies of a batch.
    Energy,
    /// Energies and input gradients of a batch.
    Gradient,
    /// Langevin steps on a batch, weights frozen.
    Chain,
    /// A whole iteration: chains, loss, weight gradients, Adam.
    Train,
    /// A whole iteration of flow matching, which takes no chains: input gradients, what weights change about
    /// them, Adam.
    Flow,
}

const SEED: u64 = 1;

/// The random numbers of a measured chain.
pub(super) fn noise_key() -> NoiseKey {
    NoiseKey::new(SEED, Stream::Langevin, 0)
}

impl Workload {
    /// The images that the network takes.
    pub(super) fn shape(self) -> ImageShape {
        match self {
            Self::Uva | Self::Mnist | Self::Unet => ImageShape::new(1, 28, 28),
            Self::Cifar | Self::CifarLarge | Self::Unet32 => ImageShape::new(3, 32, 32),
        }
    }

    fn network_config(self) -> NetworkConfig {
        let plain = |net| {
            NetworkConfig::Res(ResNetConfig {
                plain: true,
                spectral_norm: false,
                ..net
            })
        };
        match self {
            Self::Uva => NetworkConfig::Conv(ConvNetConfig {
                centered_input: false,
                ..ConvNetConfig::uva()
            }),
            Self::Mnist => NetworkConfig::Conv(ConvNetConfig {
                spectral_norm: false,
                ..ConvNetConfig::mnist()
            }),
            Self::Cifar => plain(ResNetConfig::resnet32(0)),
            Self::CifarLarge => plain(ResNetConfig::resnet32_large_with_filters(128, 0)),
            Self::Unet => NetworkConfig::UNet(UNetConfig::default()),
            Self::Unet32 => NetworkConfig::UNet(UNetConfig {
                widths: vec![128, 256, 256, 256],
                blocks: 3,
                ..UNetConfig::default()
            }),
        }
    }

    /// The network, weights of a fixed seed.
    pub(super) fn network(self, device: &Device) -> Network {
        let mut rng = PhiloxRng::new(NoiseKey::new(SEED, Stream::Weights, 0), 0);
        let net = self.network_config();
        let net = net.init(self.shape(), &mut rng, device);
        net.expect("the measured networks fit their images")
    }

    /// Uniform noise.
    pub(super) fn images(self, num: usize, device: &Device) -> Tensor<4> {
        noise_images(num, self.shape(), SEED, device)
    }

    /// The chain of the peers: steps of 10, noise 0.005, gradients clamped to ±0.03.
    pub(super) fn langevin(self, num_steps: usize) -> LangevinConfig {
        LangevinConfig {
            num_steps,
            step_size: Schedule::Constant(10.0),
            noise_std: Schedule::Constant(0.005),
            grad_clip: Some(0.03),
            ..LangevinConfig::default()
        }
    }

    /// A run of flow matching before its first iteration.
    pub(super) fn flow_trainer(self, device: &Device) -> Trainer<Network, Flow> {
        self.trainer_of(Flow::default(), device)
    }

    fn trainer_of<O: Objective<Network>>(
        self,
        objective: O,
        device: &Device,
    ) -> Trainer<Network, O> {
        let data = DataSummary::unlabelled(self.shape());
        let model = self.network(&device.clone().autodiff());
        Trainer::new(model, objective, data, SEED, device)
    }

    /// A run of contrastive divergence before its first iteration.
    pub(super) fn trainer(
        self,
        options: &BenchOptions,
        device: &Device,
    ) -> Trainer<Network, Contrastive> {
        let objective = Contrastive {
            energy_l2: 1.0.into(),
            langevin: self.langevin(options.steps),
            buffer: BufferConfig {
                capacity: options.batch,
                ..BufferConfig::default()
            },
            precision: options.precision,
            ..Contrastive::default()
        };
        self.trainer_of(objective, device)
    }

    /// Data without classes.
    pub(super) fn batch(self, images: Tensor<4>) -> Batch {
        Batch {
            labels: vec![0; images.dims()[0]],
            images,
        }
    }

    /// Energies of the first images, on the CPU with Burn's own operations in f64.
    pub(super) fn energies_in_double_precision(self, num: usize) -> Tensor<1> {
        struct Double;
        impl ModuleMapper for Double {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|weight| weight.cast(DType::F64))
            }
        }
        let cpu = Device::flex();
        let net = self.network(&cpu).map(&mut Double);
        net.energy(self.images(num, &cpu).cast(DType::F64))
    }
}
