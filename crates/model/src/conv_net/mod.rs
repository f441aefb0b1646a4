//! Compute an energy with strided convolutions and two dense layers.

mod config;
mod initialization;
#[cfg(test)]
mod tests;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::Tensor;

use crate::activation::Activation;
use crate::energy::EnergyModel;
use crate::ops::{ConvGeometry, conv2d};

pub use config::{ConvLayer, ConvNetConfig, InvalidNetwork, Padding};
pub use initialization::Initialization;

/// E(x): convolutions, a dense layer, one number.
#[derive(Module, Debug)]
pub struct ConvNet {
    convs: Vec<Conv2d>,
    fc: Linear,
    out: Linear,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    centered_input: bool,
}

impl EnergyModel for ConvNet {
    fn energy(&self, x: Tensor<4>) -> Tensor<1> {
        let mut h = if self.centered_input {
            x * 2.0 - 1.0
        } else {
            x
        };
        for conv in &self.convs {
            h = self.activation.forward(convolve(conv, h)); // [batch, filters, height', width']
        }
        let h = self.activation.forward(dense(&self.fc, h.flatten(1, 3))); // [batch, hidden]
        dense(&self.out, h).squeeze_dim(1) // [batch]
    }
}

/// # Shapes
/// - `x`: `[batch, channels, height, width]`, returns `[batch, filters, height', width']`
fn convolve(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let PaddingConfig2d::Explicit(top, left, bottom, right) = layer.padding else {
        unreachable!("a ConvNet's padding is explicit")
    };
    let geometry = ConvGeometry {
        stride: layer.stride,
        padding: [(top, bottom), (left, right)],
    };
    let bias = layer
        .bias
        .as_ref()
        .expect("a ConvNet's convolutions have a bias");
    conv2d(x, layer.weight.val(), bias.val(), geometry)
}

/// A dense layer whose rows do not depend on how many there are: a product with a single row takes
/// another path on a CPU, which rounds differently, so that row is computed twice.
///
/// # Shapes
/// - `x`: `[batch, inputs]`, returns `[batch, outputs]`
fn dense(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    match x.dims()[0] {
        1 => layer.forward(x.repeat_dim(0, 2)).narrow(0, 0, 1),
        _ => layer.forward(x),
    }
}
