//! Compute an energy with dense layers.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use ebm_core::ImageShape;

use crate::energy::{EnergyContext, EnergyModel};
use crate::layers::{Dense, NormedWeight};
use crate::ops::{Activation, Factors};
use crate::work::Work;

/// E(x) or E(x, y): all pixels in one vector, dense layers, one scalar.
#[derive(Module, Debug)]
pub struct Mlp {
    pub(super) layers: Vec<Dense>,
    pub(super) out: Dense,
    #[module(skip)]
    pub(super) activation: Activation,
    #[module(skip)]
    pub(super) centered_input: bool,
    #[module(skip)]
    pub(super) num_classes: usize,
}

impl Mlp {
    pub(crate) fn dtype(&self) -> DType {
        self.out.weight.dtype()
    }

    /// What the last layer gives: −E(x, y) of every class, E(x) without classes. While training, the units of each
    /// hidden layer may be dropped.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, returns `[batch, classes or 1]`
    fn outputs(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<2> {
        let x = if self.centered_input {
            x * 2.0 - 1.0
        } else {
            x
        };
        let mut h: Tensor<2> = x.flatten(1, 3);
        for (number, layer) in (0..).zip(&self.layers) {
            h = self.activation.forward(layer.forward(h)); // [batch, units]
            if let Some(mask) = context.dropout {
                let [batch, units] = h.dims();
                let mask = mask(number, [batch, units, 1, 1]);
                h = h * mask.reshape([batch, units]);
            }
        }
        self.out.forward(h)
    }

    pub(crate) fn work(&self, _shape: ImageShape) -> Work {
        self.layers.iter().map(Dense::work).sum::<Work>() + self.out.work()
    }
}

impl EnergyModel for Mlp {
    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
        let context = context.checked(self.num_classes, x.dims()[0]);
        let out = self.outputs(x, context);
        let energies = match context.classes {
            Some(classes) => out.gather(1, classes.clone().unsqueeze_dim(1)).neg(),
            None => out,
        };
        energies.squeeze_dim(1) // [batch]
    }

    fn energies_by_class_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<2> {
        self.outputs(x, context).neg() // [batch, classes]
    }

    fn fold(&self, factors: Factors) -> Self {
        Self {
            layers: self.layers.iter().map(|it| it.folded(factors)).collect(),
            out: self.out.folded(factors),
            ..self.clone()
        }
    }

    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        let layers = self.layers.iter_mut().enumerate();
        let weights = layers.filter_map(|(i, layer)| layer.normed(format!("layers.{i}")));
        weights.collect()
    }
}
