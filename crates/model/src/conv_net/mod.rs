//! Compute an energy with strided convolutions and two dense layers.

mod config;
#[cfg(test)]
mod tests;

use burn::module::Module;
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
        let mut h = if self.centered_input {
            x * 2.0 - 1.0
        } else {
            x
        };
        for (i, conv) in self.convs.iter().enumerate() {
            let condition = i.checked_sub(1).and_then(|i| self.conditions.get(i));
            h = match condition {
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

    fn folded_in(&self, factors: Factors) -> Self {
        Self {
            convs: self.convs.iter().map(|conv| conv.folded(factors)).collect(),
            fc: self.fc.folded(factors),
            out: self.out.folded(factors),
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
