//! Give an image and a latent vector one energy: convolutions whose channels z shifts.

use burn::module::Module;
use burn::tensor::{DType, Tensor};

use crate::layers::{Conv, Dense, NormedWeight};
use crate::ops::{Activation, Factors, halve, shift};
use crate::work::Work;

/// f(x, z): stages of a convolution, each at half the size of the one before, every channel shifted by a function of
/// z that is linear; a dense layer of the last stage, shifted likewise; one scalar.
#[derive(Module, Debug)]
pub(super) struct FreeNet {
    pub(super) stages: Vec<FreeStage>,
    pub(super) fc: Dense,
    /// z to the units of `fc`.
    pub(super) of_latent: Dense,
    pub(super) out: Dense,
    #[module(skip)]
    pub(super) activation: Activation,
}

/// A convolution, and the shift of its channels.
#[derive(Module, Debug)]
pub(super) struct FreeStage {
    pub(super) conv: Conv,
    /// z to channels.
    pub(super) of_latent: Dense,
}

impl FreeStage {
    fn forward(&self, x: Tensor<4>, z: Tensor<2>) -> Tensor<4> {
        let biases = self.of_latent.forward(z); // [batch, channels]
        let [batch, channels] = biases.dims();
        shift(
            self.conv.forward(x),
            biases.reshape([batch, channels, 1, 1]),
        )
    }
}

impl FreeNet {
    pub(super) fn dtype(&self) -> DType {
        self.out.weight.dtype()
    }

    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, `z`: `[batch, latents]`, returns `[batch]`
    pub(super) fn forward(&self, x: Tensor<4>, z: Tensor<2>) -> Tensor<1> {
        let mut h = x * 2.0 - 1.0;
        for (place, stage) in self.stages.iter().enumerate() {
            if place > 0 {
                h = halve(h);
            }
            h = self.activation.forward(stage.forward(h, z.clone()));
        }
        let hidden = self.fc.forward_images(h) + self.of_latent.forward(z);
        self.out
            .forward(self.activation.forward(hidden))
            .squeeze_dim(1)
    }

    pub(super) fn work(&self, [height, width]: [usize; 2]) -> Work {
        let stages = self.stages.iter().enumerate().map(|(place, stage)| {
            let size = [height >> place, width >> place];
            stage.conv.work(size).0 + stage.of_latent.work()
        });
        stages.sum::<Work>() + self.fc.work() + self.of_latent.work() + self.out.work()
    }

    pub(super) fn folded(&self, factors: Factors) -> Self {
        let stages = self.stages.iter().map(|stage| FreeStage {
            conv: stage.conv.folded(factors),
            of_latent: stage.of_latent.folded(factors),
        });
        Self {
            stages: stages.collect(),
            fc: self.fc.folded(factors),
            of_latent: self.of_latent.folded(factors),
            out: self.out.folded(factors),
            ..self.clone()
        }
    }

    /// The weights under spectral norm.
    pub(super) fn normed(&mut self, name: &str) -> Vec<NormedWeight<'_>> {
        let mut weights = Vec::new();
        for (place, stage) in self.stages.iter_mut().enumerate() {
            weights.extend(stage.conv.normed(format!("{name}.stages.{place}.conv")));
        }
        weights.extend(self.fc.normed(format!("{name}.fc")));
        weights
    }
}
