//! Compute an energy with residual blocks and a sum over space.

use burn::module::Module;
use burn::tensor::{DType, Tensor, activation};
use ebm_core::ImageShape;

use super::block::ResBlock;
use crate::energy::{EnergyContext, EnergyModel};
use crate::layers::{Attention, Conv, Dense, NormedWeight};
use crate::ops::{Activation, Factors};
use crate::work::Work;

/// E(x) or E(x, y): a convolution, residual blocks, a sum over space, one scalar.
#[derive(Module, Debug)]
pub struct ResNet {
    pub(super) stem: Conv,
    pub(super) blocks: Vec<ResBlock>,
    pub(super) attention: Option<Attention>,
    pub(super) out: Dense,
    /// The block that attention follows.
    #[module(skip)]
    pub(super) attends_after: usize,
    #[module(skip)]
    pub(super) activation: Activation,
    #[module(skip)]
    pub(super) num_classes: usize,
}

impl ResNet {
    pub(crate) fn dtype(&self) -> DType {
        self.out.weight.dtype()
    }

    /// What convolutions and the dense layer do, without attention.
    pub(crate) fn work(&self, shape: ImageShape) -> Work {
        let (stem, mut size) = self.stem.work([shape.height, shape.width]);
        let mut work = stem + self.out.work();
        for block in &self.blocks {
            let (more, out) = block.work(size);
            (work, size) = (work + more, out);
        }
        work
    }
}

impl EnergyModel for ResNet {
    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
        let context = context.checked(self.num_classes, x.dims()[0]);
        let mut h = self.activation.forward(self.stem.forward(x)); // [batch, filters, height, width]
        for (layer, block) in self.blocks.iter().enumerate() {
            h = block.forward(h, layer as u32, context);
            if let Some(attention) = &self.attention
                && layer == self.attends_after
            {
                h = attention.forward(h);
            }
        }
        let h = match self.activation {
            Activation::LeakyRelu | Activation::Relu => activation::relu(h),
            Activation::Swish => self.activation.forward(h),
        };
        let summed = h.flatten::<3>(2, 3).sum_dim(2).squeeze_dim(2); // [batch, filters]
        self.out.forward(summed).squeeze_dim(1) // [batch]
    }

    fn fold(&self, factors: Factors) -> Self {
        Self {
            stem: self.stem.folded(factors),
            blocks: self
                .blocks
                .iter()
                .map(|block| block.folded(factors))
                .collect(),
            attention: self
                .attention
                .as_ref()
                .map(|attention| attention.folded(factors)),
            out: self.out.folded(factors),
            ..self.clone()
        }
    }

    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        let mut weights: Vec<_> = self.stem.normed("stem").into_iter().collect();
        for (i, block) in self.blocks.iter_mut().enumerate() {
            weights.extend(block.normed(&format!("blocks.{i}")));
        }
        if let Some(attention) = &mut self.attention {
            weights.extend(attention.normed("attention"));
        }
        weights
    }
}
