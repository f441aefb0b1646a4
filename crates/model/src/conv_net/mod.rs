//! Compute an energy with strided convolutions and two dense layers.

mod config;
#[cfg(feature = "wgpu")]
mod resident;
#[cfg(test)]
mod tests;

#[cfg(feature = "wgpu")]
use std::sync::Arc;

use burn::module::Module;
#[cfg(feature = "wgpu")]
use burn::tensor::Int;
use burn::tensor::{DType, Tensor};

use crate::activation::Activation;
use crate::energy::{EnergyModel, Given, ImageShape, Work};
use crate::layers::{ClassGain, Conv, Dense, InputBias, NormedWeight};
use crate::ops::Factors;

pub use config::{ConvLayer, ConvNetConfig, Padding};

/// E(x) or E(x, y): convolutions, a dense layer, one number.
#[derive(Module, Debug)]
pub struct ConvNet {
    convs: Vec<Conv>,
    /// Of every convolution but the first, where there are classes.
    conditions: Vec<Condition>,
    fc: Dense,
    out: Dense,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    centered_input: bool,
    #[module(skip)]
    num_classes: usize,
    /// Of folded weights, which stay as they are.
    #[cfg(feature = "wgpu")]
    #[module(skip)]
    packed: Option<Arc<resident::Packed>>,
}

/// What a class does to a convolution (DspritesNet of the 2019 release).
#[derive(Module, Debug)]
struct Condition {
    input_bias: InputBias,
    gain: ClassGain,
}

impl ConvNet {
    pub(crate) fn dtype(&self) -> DType {
        self.out.weight.dtype()
    }

    /// What a class does to convolution number `layer`, from 0.
    fn condition(&self, layer: usize) -> Option<&Condition> {
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

    fn energy_with(&self, x: Tensor<4>, given: Given<'_>) -> Tensor<1> {
        #[cfg(feature = "wgpu")]
        if let Some((net, classes)) = self.resident(&x, given.classes) {
            return net.energies(x, classes);
        }
        let mut h = if self.centered_input {
            x * 2.0 - 1.0
        } else {
            x
        };
        for (i, conv) in self.convs.iter().enumerate() {
            h = match self.condition(i) {
                Some(condition) => {
                    let h = condition.input_bias.forward(h, given.classes);
                    condition.gain.forward(conv.forward(h), given.classes)
                }
                None => conv.forward(h),
            };
            h = self.activation.forward(h); // [batch, filters, height', width']
        }
        let h = self.activation.forward(self.fc.forward_images(h)); // [batch, hidden]
        self.out.forward(h).squeeze_dim(1) // [batch]
    }

    #[cfg(feature = "wgpu")]
    fn energy_and_gradient_given(
        &self,
        x: &Tensor<4>,
        y: &Tensor<1, Int>,
    ) -> Option<(Tensor<1>, Tensor<4>)> {
        let (net, classes) = self.resident(x, Some(y))?;
        Some(net.energies_and_gradients(x.clone(), classes))
    }

    fn folded_in(&self, factors: Factors) -> Self {
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
