//! Compute an energy with strided convolutions and two dense layers.

#[cfg(feature = "wgpu")]
use std::sync::Arc;

use burn::module::Module;
#[cfg(feature = "wgpu")]
use burn::tensor::Int;
use burn::tensor::{DType, Tensor};
use ebm_core::ImageShape;

use crate::energy::{EnergyContext, EnergyModel};
use crate::layers::{ClassGain, Conv, Dense, InputBias, NormedWeight};
#[cfg(feature = "wgpu")]
use crate::ops::resident::Packed;
use crate::ops::{Activation, Factors};
use crate::work::Work;

/// E(x) or E(x, y): convolutions, a dense layer, one scalar.
#[derive(Module, Debug)]
pub struct ConvNet {
    pub(super) convs: Vec<Conv>,
    /// One for every convolution but the first, where there are classes.
    pub(super) conditions: Vec<Condition>,
    pub(super) fc: Dense,
    pub(super) out: Dense,
    #[module(skip)]
    pub(super) activation: Activation,
    #[module(skip)]
    pub(super) centered_input: bool,
    #[module(skip)]
    pub(super) num_classes: usize,
    /// The weights as one kernel reads them: of a folded network alone, whose weights do not change.
    #[cfg(feature = "wgpu")]
    #[module(skip)]
    pub(super) packed: Option<Arc<Packed>>,
}

/// What a class does to a convolution (DspritesNet of the 2019 release).
#[derive(Module, Debug)]
pub(super) struct Condition {
    pub(super) input_bias: InputBias,
    pub(super) gain: ClassGain,
}

impl ConvNet {
    pub(crate) fn dtype(&self) -> DType {
        self.out.weight.dtype()
    }

    /// What a class does to the convolution at `layer`, from 0.
    pub(super) fn condition(&self, layer: usize) -> Option<&Condition> {
        self.conditions.get(layer.checked_sub(1)?)
    }

    pub(crate) fn work(&self, shape: ImageShape) -> Work {
        let mut size = [shape.height, shape.width];
        let mut work = self.fc.work() + self.out.work();
        for conv in &self.convs {
            let (more, out) = conv.work(size);
            (work, size) = (work + more, out);
        }
        work
    }
}

impl EnergyModel for ConvNet {
    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
        let context = context.checked(self.num_classes, x.dims()[0]);
        #[cfg(feature = "wgpu")]
        if let Some(net) = self.resident(&x) {
            return net.energies(x, context.classes.cloned());
        }
        let mut h = if self.centered_input {
            x * 2.0 - 1.0
        } else {
            x
        };
        for (i, conv) in self.convs.iter().enumerate() {
            h = match self.condition(i) {
                Some(condition) => {
                    let h = condition.input_bias.forward(h, context.classes);
                    condition.gain.forward(conv.forward(h), context.classes)
                }
                None => conv.forward(h),
            };
            h = self.activation.forward(h); // [batch, filters, height', width']
        }
        let h = self.activation.forward(self.fc.forward_images(h)); // [batch, hidden]
        self.out.forward(h).squeeze_dim(1) // [batch]
    }

    #[cfg(feature = "wgpu")]
    fn fused_energy_and_gradient(
        &self,
        x: &Tensor<4>,
        y: Option<&Tensor<1, Int>>,
    ) -> Option<(Tensor<1>, Tensor<4>)> {
        if self.num_classes > 0 && y.is_none() {
            return None;
        }
        let context = EnergyContext {
            classes: y,
            dropout: None,
        };
        let context = context.checked(self.num_classes, x.dims()[0]);
        let net = self.resident(x)?;
        Some(net.energies_and_gradients(x.clone(), context.classes.cloned()))
    }

    fn fold(&self, factors: Factors) -> Self {
        Self {
            convs: self.convs.iter().map(|conv| conv.folded(factors)).collect(),
            fc: self.fc.folded(factors),
            out: self.out.folded(factors),
            #[cfg(feature = "wgpu")]
            packed: Some(Arc::default()),
            ..self.clone()
        }
    }

    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        let convs = self.convs.iter_mut().enumerate();
        let mut weights: Vec<_> = convs
            .filter_map(|(i, conv)| conv.normed(format!("convs.{i}")))
            .collect();
        weights.extend(self.fc.normed("fc"));
        weights
    }
}
