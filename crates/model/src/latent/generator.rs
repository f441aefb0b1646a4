//! Generate images from latent vectors: a dense layer, then doublings, each followed by a convolution.

use burn::module::Module;
use burn::tensor::{DType, Tensor, activation};

use crate::layers::{Conv, Dense};
use crate::ops::{Activation, Factors, double};
use crate::work::Work;

/// g(z): pixels in (0, 1).
#[derive(Module, Debug)]
pub(super) struct Generator {
    pub(super) fc: Dense,
    /// One after each doubling, the coarsest first.
    pub(super) convs: Vec<Conv>,
    pub(super) out: Conv,
    /// Channels, height and width of what the dense layer makes.
    #[module(skip)]
    pub(super) coarsest: [usize; 3],
    #[module(skip)]
    pub(super) activation: Activation,
}

impl Generator {
    pub(super) fn dtype(&self) -> DType {
        self.out.weight.dtype()
    }

    /// # Shapes
    /// - `z`: `[batch, latents]`, returns `[batch, channels, height, width]`
    pub(super) fn forward(&self, z: Tensor<2>) -> Tensor<4> {
        let batch = z.dims()[0];
        let [channels, height, width] = self.coarsest;
        let first = self.fc.forward(z).reshape([batch, channels, height, width]);
        let mut h = self.activation.forward(first);
        for conv in &self.convs {
            h = self.activation.forward(conv.forward(double(h)));
        }
        activation::sigmoid(self.out.forward(h))
    }

    pub(super) fn work(&self) -> Work {
        let [_, mut height, mut width] = self.coarsest;
        let mut work = self.fc.work();
        for conv in &self.convs {
            (height, width) = (2 * height, 2 * width);
            work = work + conv.work([height, width]).0;
        }
        work + self.out.work([height, width]).0
    }

    pub(super) fn folded(&self, factors: Factors) -> Self {
        Self {
            fc: self.fc.folded(factors),
            convs: self.convs.iter().map(|conv| conv.folded(factors)).collect(),
            out: self.out.folded(factors),
            ..self.clone()
        }
    }
}
