//! Compute an energy with strided convolutions and two dense layers.

#[cfg(feature = "wgpu")]
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{DType, Int, Tensor};
use ebm_core::ImageShape;

use crate::energy::{EnergyContext, EnergyModel, one_class_at_a_time};
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
    #[module(skip)]
    pub(super) class_head: bool,
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

    /// What the last layer sees of an image, whatever its class: activations of the dense layer.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - returns: `[batch, hidden]`
    ///
    /// # Panics
    /// If classes are part of earlier layers.
    pub fn features(&self, x: Tensor<4>) -> Tensor<2> {
        assert!(
            self.conditions.is_empty(),
            "features of an image under no class"
        );
        self.hidden(x, None)
    }

    /// E(x, y) under every class of images with these [`features`](Self::features), of a network whose
    /// classes meet it in its last layer.
    ///
    /// # Shapes
    /// - `features`: `[batch, hidden]`, returns `[batch, classes]`
    ///
    /// # Panics
    /// If classes are part of earlier layers.
    pub fn energies_of_features(&self, features: Tensor<2>) -> Tensor<2> {
        assert!(
            self.class_head,
            "classes meet the network in its last layer"
        );
        self.out.forward(features).neg()
    }

    /// Activations before the last layer, `[batch, hidden]`.
    fn hidden(&self, x: Tensor<4>, classes: Option<&Tensor<1, Int>>) -> Tensor<2> {
        let mut h = if self.centered_input {
            x * 2.0 - 1.0
        } else {
            x
        };
        for (i, conv) in self.convs.iter().enumerate() {
            h = match self.condition(i) {
                Some(condition) => {
                    let h = condition.input_bias.forward(h, classes);
                    condition.gain.forward(conv.forward(h), classes)
                }
                None => conv.forward(h),
            };
            h = self.activation.forward(h); // [batch, filters, height', width']
        }
        self.activation.forward(self.fc.forward_images(h))
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
        let out = self.out.forward(self.hidden(x, context.classes));
        match context.classes.filter(|_| self.class_head) {
            Some(classes) => out.gather(1, classes.clone().unsqueeze_dim(1)).neg(),
            None => out,
        }
        .squeeze_dim(1) // [batch]
    }

    fn energies_by_class_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<2> {
        if self.class_head {
            self.energies_of_features(self.features(x))
        } else {
            one_class_at_a_time(self, x, context)
        }
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
            ..EnergyContext::default()
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
