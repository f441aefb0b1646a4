//! Describe an energy of images and latent vectors by the widths of its stages, and build it.

use burn::tensor::Device;
use ebm_core::ImageShape;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::free::{FreeNet, FreeStage};
use super::generator::Generator;
use super::inference::Inference;
use super::net::{Generated, Joint, LatentNet};
use super::prior::PriorNet;
use crate::invalid_network::InvalidNetwork;
use crate::layers::{Bound, Conv, ConvSpec, Dense, Initialization};
use crate::ops::Activation;

/// The table from which a [`LatentNet`] is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LatentConfig {
    /// Whether E(x, z) is one network of both, instead of a generator and a prior.
    pub free: bool,
    /// d: elements of z.
    pub latents: usize,
    /// Channels of every stage, the first at the images' size, each next one at half of it.
    pub widths: Vec<usize>,
    /// Units of the hidden layers of the prior, or of the dense layer of a free energy.
    pub hidden: usize,
    /// Nonlinearity after every layer but the last.
    pub activation: Activation,
    /// σ of images around g(z), for pixels in [0, 1].
    pub observation_std: f64,
    /// The most steps of the descent to the z that explains an image.
    pub inference_steps: usize,
    /// η of the first of these steps, and of those of chains of z given an image.
    pub inference_step_size: f64,
    /// Whether the convolutions and the dense layer of a free energy are under spectral norm.
    pub spectral_norm: bool,
}

impl Default for LatentConfig {
    /// 32 latents; 16, 32 and 64 channels, 200 hidden units, swish. σ is that of the 2020 release, 0.3 in [−1, 1], and
    /// so is the step of z given x, s = 0.1 = √(2η).
    fn default() -> Self {
        Self {
            free: false,
            latents: 32,
            widths: vec![16, 32, 64],
            hidden: 200,
            activation: Activation::Swish,
            observation_std: 0.15,
            inference_steps: 60,
            inference_step_size: 0.005,
            spectral_norm: false,
        }
    }
}

impl LatentConfig {
    /// Build the network for images of `shape`, with weights drawn from `rng`: the same weights on every device.
    ///
    /// # Errors
    /// Where there are no latents, stages, channels, hidden units or steps, or images of `shape` cannot be halved from
    /// stage to stage, for a generator without a rest.
    pub fn init(
        &self,
        shape: ImageShape,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<LatentNet, InvalidNetwork> {
        self.check(shape)?;
        let joint = if self.free {
            Joint::Free(self.free_net(shape, rng, device))
        } else {
            Joint::Generated(Generated {
                generator: self.generator(shape, rng, device),
                prior: self.prior(rng, device),
                observation_std: self.observation_std,
            })
        };
        Ok(LatentNet {
            joint,
            latents: self.latents,
            inference: Inference {
                steps: self.inference_steps,
                step_size: self.inference_step_size,
            },
        })
    }

    fn generator(&self, shape: ImageShape, rng: &mut impl Rng, device: &Device) -> Generator {
        let halvings = self.widths.len() - 1;
        let coarsest = [
            self.widths[halvings],
            shape.height >> halvings,
            shape.width >> halvings,
        ];
        let units = coarsest.iter().product();
        let he = Initialization::HeNormal;
        let fc = Dense::init([self.latents, units], he, None, rng, device);
        let finer = self.widths.windows(2).rev();
        let convs = finer.map(|two| conv([two[1], two[0]], None, rng, device));
        let convs = convs.collect();
        Generator {
            fc,
            convs,
            out: conv([self.widths[0], shape.channels], None, rng, device),
            coarsest,
            activation: self.activation,
        }
    }

    fn prior(&self, rng: &mut impl Rng, device: &Device) -> PriorNet {
        let he = Initialization::HeNormal;
        PriorNet {
            a: Dense::init([self.latents, self.hidden], he, None, rng, device),
            b: Dense::init([self.hidden, self.hidden], he, None, rng, device),
            out: Dense::init(
                [self.hidden, 1],
                Initialization::NearZero,
                None,
                rng,
                device,
            ),
            activation: self.activation,
        }
    }

    fn free_net(&self, shape: ImageShape, rng: &mut impl Rng, device: &Device) -> FreeNet {
        let bound = self.spectral_norm.then_some(Bound::One);
        let he = Initialization::HeNormal;
        let (mut stages, mut channels) = (Vec::new(), shape.channels);
        for &width in &self.widths {
            stages.push(FreeStage {
                conv: conv([channels, width], bound, rng, device),
                of_latent: Dense::init([self.latents, width], he, None, rng, device),
            });
            channels = width;
        }
        let halvings = self.widths.len() - 1;
        let inputs = channels * (shape.height >> halvings) * (shape.width >> halvings);
        FreeNet {
            stages,
            fc: Dense::init([inputs, self.hidden], he, bound, rng, device),
            of_latent: Dense::init([self.latents, self.hidden], he, None, rng, device),
            out: Dense::init([self.hidden, 1], he, None, rng, device),
            activation: self.activation,
        }
    }

    fn check(&self, shape: ImageShape) -> Result<(), InvalidNetwork> {
        let zero = |layer, what| Err(InvalidNetwork::Zero { layer, what });
        if self.widths.is_empty() {
            return zero(1, "stages");
        }
        if let Some(stage) = self.widths.iter().position(|width| *width == 0) {
            return zero(stage + 1, "widths");
        }
        for (what, number) in [
            ("latents", self.latents),
            ("hidden", self.hidden),
            ("inference steps", self.inference_steps),
        ] {
            if number == 0 {
                return zero(self.widths.len() + 1, what);
            }
        }
        let halvings = self.widths.len() - 1;
        if self.free {
            InvalidNetwork::check_large_enough(shape, halvings)
        } else {
            InvalidNetwork::check_divisible(shape, halvings)
        }
    }
}

/// A 3×3 convolution with a bias that keeps an image's size.
fn conv(channels: [usize; 2], bound: Option<Bound>, rng: &mut impl Rng, device: &Device) -> Conv {
    let spec = ConvSpec {
        bias: true,
        bound,
        ..ConvSpec::same(channels, 3)
    };
    spec.init(rng, device)
}
