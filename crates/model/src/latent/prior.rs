//! Give latent vectors an energy of their own: a network of two hidden layers.

use burn::module::Module;
use burn::tensor::{DType, Tensor};

use crate::layers::Dense;
use crate::ops::{Activation, Factors};
use crate::work::Work;

/// E_prior(z). Its last layer is near zero at first, so that the prior begins as N(0, I).
#[derive(Module, Debug)]
pub(super) struct PriorNet {
    pub(super) a: Dense,
    pub(super) b: Dense,
    pub(super) out: Dense,
    #[module(skip)]
    pub(super) activation: Activation,
}

impl PriorNet {
    pub(super) fn dtype(&self) -> DType {
        self.out.weight.dtype()
    }

    /// # Shapes
    /// - `z`: `[batch, latents]`, returns `[batch]`
    pub(super) fn forward(&self, z: Tensor<2>) -> Tensor<1> {
        let h = self.activation.forward(self.a.forward(z));
        let h = self.activation.forward(self.b.forward(h));
        self.out.forward(h).squeeze_dim(1)
    }

    pub(super) fn work(&self) -> Work {
        self.a.work() + self.b.work() + self.out.work()
    }

    pub(super) fn folded(&self, factors: Factors) -> Self {
        Self {
            a: self.a.folded(factors),
            b: self.b.folded(factors),
            out: self.out.folded(factors),
            ..self.clone()
        }
    }
}
