//! Describe residual networks by their stages, and build them for images of any size.

use burn::tensor::Device;
use ebm_core::ImageShape;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::block::BlockSpec;
use super::net::ResNet;
use crate::invalid_network::InvalidNetwork;
use crate::layers::{Attention, Bound, ConvSpec, Dense, Initialization};
use crate::ops::Activation;

/// Residual blocks of one width, the first of which halves the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Channels.
    pub filters: usize,
    /// Number of blocks.
    pub blocks: usize,
}

/// The table from which a [`ResNet`] is made.
///
/// The table is that of the published image size. For larger images the last stage is repeated
/// until the sides are below 8 pixels; for smaller ones the last stages do not halve, so that no
/// side falls below 4.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResNetConfig {
    /// Channels of the convolution before the blocks.
    pub stem: usize,
    /// The blocks.
    pub stages: Vec<Stage>,
    /// Nonlinearity; the one before the sum is ReLU where this is leaky ReLU.
    pub activation: Activation,
    /// Whether every convolution is under spectral norm.
    pub spectral_norm: bool,
    /// Whether attention follows the first block of the second stage.
    pub attention: bool,
    /// Classes the energy is given; 0 for none.
    pub num_classes: usize,
    /// Whether to leave out input biases and output gains, and give the first convolution a bias.
    pub plain: bool,
}

/// Sides below which no stage halves an image.
const SMALLEST_HALVED: usize = 8;

impl ResNetConfig {
    fn new(stem: usize, stages: &[(usize, usize)], num_classes: usize) -> Self {
        let stage = |&(filters, blocks): &(usize, usize)| Stage { filters, blocks };
        Self {
            stem,
            stages: stages.iter().map(stage).collect(),
            activation: Activation::LeakyRelu,
            spectral_norm: true,
            attention: false,
            num_classes,
            plain: false,
        }
    }

    /// ResNet32 of IGEBM (Du & Mordatch 2019): 128 filters, six blocks.
    pub fn resnet32(num_classes: usize) -> Self {
        Self::resnet32_with_filters(128, num_classes)
    }

    /// [`resnet32`](Self::resnet32) with `filters` in the first stage.
    pub fn resnet32_with_filters(filters: usize, num_classes: usize) -> Self {
        let stages = [(filters, 2), (2 * filters, 2), (2 * filters, 2)];
        Self::new(filters, &stages, num_classes)
    }

    /// ResNet32Large of IGEBM with `filters` (published: 128) in the first stage: nine blocks.
    pub fn resnet32_large_with_filters(filters: usize, num_classes: usize) -> Self {
        let stages = [(filters, 3), (2 * filters, 3), (4 * filters, 3)];
        Self::new(filters, &stages, num_classes)
    }

    /// ResNet32Wider of IGEBM with `filters` (published: 192 for CIFAR-10, 256 for ImageNet32) in
    /// the first stage, and 128 before it.
    pub fn resnet32_wider_with_filters(filters: usize, num_classes: usize) -> Self {
        let stages = [(filters, 3), (2 * filters, 3), (4 * filters, 3)];
        Self::new(filters.min(128), &stages, num_classes)
    }

    /// ResNet128 of IGEBM with `filters` (published: 64) in the first stage, for 128×128 images.
    pub fn resnet128_with_filters(filters: usize, num_classes: usize) -> Self {
        let f = filters;
        let stages = [(f, 1), (2 * f, 1), (4 * f, 1), (8 * f, 1), (8 * f, 2)];
        Self::new(filters, &stages, num_classes)
    }

    /// The network with this activation.
    pub fn with_activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Build the network for images of `shape`, with weights drawn from `rng`: the same weights on
    /// every device.
    ///
    /// # Errors
    /// Where a stage has no blocks or no filters, or images are too small.
    pub fn init(
        &self,
        shape: ImageShape,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<ResNet, InvalidNetwork> {
        self.check()?;
        let bound = |bound| self.spectral_norm.then_some(bound);
        let stem = ConvSpec {
            bias: self.plain,
            bound: bound(Bound::One),
            ..ConvSpec::same([shape.channels, self.stem], 3)
        };
        let stem = stem.init(rng, device);
        let (mut blocks, mut channels) = (Vec::new(), self.stem);
        for (stage, halves) in self.stages_for(shape) {
            for i in 0..stage.blocks {
                let ends = [channels, stage.filters];
                blocks.push(self.block(ends, halves && i == 0).init(rng, device));
                channels = stage.filters;
            }
        }
        let attends_after = self.stages[0].blocks.min(blocks.len() - 1);
        let attended = self.stages.get(1).unwrap_or(&self.stages[0]).filters;
        let attention = self
            .attention
            .then(|| Attention::init(attended, bound(Bound::One), rng, device));
        Ok(ResNet {
            stem,
            blocks,
            attention,
            out: Dense::init([channels, 1], Initialization::HeNormal, None, rng, device),
            attends_after,
            activation: self.activation,
            num_classes: self.num_classes,
        })
    }

    fn block(&self, channels: [usize; 2], halves: bool) -> BlockSpec {
        BlockSpec {
            channels,
            halves,
            activation: self.activation,
            spectral_norm: self.spectral_norm,
            num_classes: self.num_classes,
            plain: self.plain,
        }
    }

    /// The stages for images of `shape`, each with whether it halves them.
    fn stages_for(&self, shape: ImageShape) -> Vec<(Stage, bool)> {
        let mut side = shape.height.min(shape.width);
        let mut stages = Vec::new();
        let mut place = |stage: Stage| {
            let halves = side >= SMALLEST_HALVED;
            side /= if halves { 2 } else { 1 };
            stages.push((stage, halves));
            side
        };
        let mut rest = side_after(&self.stages, &mut place);
        while rest >= SMALLEST_HALVED {
            rest = side_after(&self.stages[self.stages.len() - 1..], &mut place);
        }
        stages
    }

    fn check(&self) -> Result<(), InvalidNetwork> {
        let zero = |layer, what| Err(InvalidNetwork::Zero { layer, what });
        if self.stem == 0 {
            return zero(1, "filters");
        }
        if self.stages.is_empty() {
            return zero(2, "stages");
        }
        for (i, stage) in self.stages.iter().enumerate() {
            if stage.filters == 0 {
                return zero(i + 2, "filters");
            }
            if stage.blocks == 0 {
                return zero(i + 2, "blocks");
            }
        }
        Ok(())
    }
}

/// The side that is left after `stages`.
fn side_after(stages: &[Stage], place: &mut impl FnMut(Stage) -> usize) -> usize {
    stages.iter().fold(0, |_, stage| place(*stage))
}
