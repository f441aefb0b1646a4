//! Describe U-Nets by their stages, and build them for images of any size that can be halved.

use burn::tensor::Device;
use ebm_core::ImageShape;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::BlockSpec;
use super::net::{Output, UNet};
use crate::invalid_network::InvalidNetwork;
use crate::layers::{Attention, Bound, Conv, ConvSpec, Dense, Initialization};
use crate::ops::Activation;

/// What makes an energy of a network f, which sees c = 2x − 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// E = ⟨c, f(c)⟩, the sum over all pixels (Wang & Du, Equilibrium matching, 2025).
    #[default]
    Dot,
    /// E = ½‖c − f(c)‖² (Salimans & Ho 2021; Hurault et al. 2022).
    HalfSquared,
    /// A dense layer of the mean over space of the coarsest stage; no way up to an image.
    Pooled,
}

/// The table from which a [`UNet`] is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UNetConfig {
    /// Channels of every stage, the first at the images' size over `patch`, each next one at half of it.
    pub widths: Vec<usize>,
    /// Side of the squares of pixels that the network sees as one pixel of so many more channels; 1 for none.
    pub patch: usize,
    /// Residual blocks of a stage on the way down; one leads to each stage on the way up.
    pub blocks: usize,
    /// What makes an energy of the network.
    pub head: Head,
    /// Nonlinearity. Objectives of ∇E need a smooth one.
    pub activation: Activation,
    /// Whether self-attention follows the blocks of the coarsest stage.
    pub attention: bool,
    /// Noise levels that the energy may be given; 0 for none. Each level then has a bias in every block.
    pub levels: usize,
    /// Whether the network sees σ of an image's noise, 2σ in the units of c, as one more channel of every pixel (Zhang,
    /// Zuo & Zhang, *FFDNet*, 2018).
    pub noise_map: bool,
    /// s: the network sees s·c, and the image that it makes is divided by s. Above 1 its activations bend within
    /// smaller differences of pixels, such as those of weak noise.
    pub input_scale: f64,
    /// A constant by which the energy is multiplied.
    pub energy_scale: f64,
    /// Whether every weight but the last is under spectral norm.
    pub spectral_norm: bool,
    /// Classes the energy is given; 0 for none. Each class then has a bias in every block, where the
    /// levels have theirs: after the first convolution.
    pub num_classes: usize,
}

impl Default for UNetConfig {
    /// 32, 64 and 64 channels, a block per stage, E = ⟨c, f(c)⟩, swish.
    fn default() -> Self {
        Self {
            widths: vec![32, 64, 64],
            patch: 1,
            blocks: 1,
            head: Head::default(),
            activation: Activation::Swish,
            attention: false,
            levels: 0,
            noise_map: false,
            input_scale: 1.0,
            energy_scale: 1.0,
            spectral_norm: false,
            num_classes: 0,
        }
    }
}

impl UNetConfig {
    /// Build the network for images of `shape`, with weights drawn from `rng`: the same weights on
    /// every device. Unless it is [`Head::Pooled`], it takes images of every size whose sides can be
    /// halved as often.
    ///
    /// # Errors
    /// Where there are no stages, blocks or channels, or where `shape` cannot be halved from stage to
    /// stage: its sides must be divisible by `patch`·2^(stages − 1), for [`Head::Pooled`] by
    /// `patch`, and at least as large.
    pub fn init(
        &self,
        shape: ImageShape,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<UNet, InvalidNetwork> {
        self.check(shape)?;
        let bound = self.spectral_norm.then_some(Bound::One);
        let of_patch = shape.channels * self.patch * self.patch;
        let stem = ConvSpec {
            bias: true,
            bound,
            ..ConvSpec::same([of_patch + usize::from(self.noise_map), self.widths[0]], 3)
        };
        let stem = stem.init(rng, device);
        let (mut down, mut channels) = (Vec::new(), self.widths[0]);
        for &width in &self.widths {
            for _ in 0..self.blocks {
                down.push(self.block([channels, width]).init(rng, device));
                channels = width;
            }
        }
        let attention = self
            .attention
            .then(|| Attention::init(channels, bound, rng, device));
        let pairs = self.widths.windows(2).rev(); // of a stage and the coarser one below it
        let pairs = pairs.filter(|_| self.head != Head::Pooled);
        let up = pairs.map(|pair| {
            let block = self.block([pair[1] + pair[0], pair[0]]);
            block.init(rng, device)
        });
        Ok(UNet {
            stem,
            down,
            attention,
            up: up.collect(),
            out: self.output(of_patch, rng, device),
            blocks: self.blocks,
            patch: self.patch,
            activation: self.activation,
            input_scale: self.input_scale,
            energy_scale: self.energy_scale,
            num_classes: self.num_classes,
            num_levels: self.levels,
            sees_noise: self.noise_map,
        })
    }

    fn block(&self, channels: [usize; 2]) -> BlockSpec {
        BlockSpec {
            channels,
            activation: self.activation,
            spectral_norm: self.spectral_norm,
            num_classes: self.num_classes,
            num_levels: self.levels,
        }
    }

    /// The last layer. That of an image begins near zero, and with it f.
    fn output(&self, channels: usize, rng: &mut impl Rng, device: &Device) -> Output {
        let to_image = |rng| -> Conv {
            let spec = ConvSpec {
                bias: true,
                initialization: Initialization::NearZero,
                ..ConvSpec::same([self.widths[0], channels], 3)
            };
            spec.init(rng, device)
        };
        let coarsest = self.widths[self.widths.len() - 1];
        match self.head {
            Head::Dot => Output::Dot(to_image(rng)),
            Head::HalfSquared => Output::HalfSquared(to_image(rng)),
            Head::Pooled => {
                let ends = [coarsest, 1];
                Output::Pooled(Dense::init(
                    ends,
                    Initialization::HeNormal,
                    None,
                    rng,
                    device,
                ))
            }
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
        if self.blocks == 0 {
            return zero(1, "blocks");
        }
        if self.patch == 0 {
            return zero(1, "patch");
        }
        let (halvings, is_pooled) = (self.widths.len() - 1, self.head == Head::Pooled);
        if self.patch > 1 {
            let to_coarsest = if is_pooled { 0 } else { halvings as u32 };
            let side = self.patch.checked_shl(to_coarsest).unwrap_or(usize::MAX);
            InvalidNetwork::check_squares(shape, side)?;
        }
        let [height, width] = [shape.height, shape.width].map(|length| length / self.patch);
        let seen = ImageShape::new(shape.channels, height, width);
        match is_pooled {
            true => InvalidNetwork::check_large_enough(seen, halvings),
            false => InvalidNetwork::check_divisible(seen, halvings),
        }
    }
}
