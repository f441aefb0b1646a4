//! Multiply by weights that may be under spectral norm.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::initialization::Initialization;
use super::spectral_norm::{Bound, NormedWeight, SpectralNorm};
use crate::ops::{Factors, Layouts, dense, dense_of_images};
use crate::work::Work;

/// A dense layer.
#[derive(Module, Debug)]
pub(crate) struct Dense {
    /// `[inputs, outputs]`.
    pub(crate) weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub(crate) bias: Param<Tensor<1>>,
    #[module(skip)]
    pub(crate) norm: Option<SpectralNorm>,
    /// Layouts of folded weights, which do not change.
    #[module(skip)]
    layouts: Option<Arc<Layouts>>,
}

impl Dense {
    pub(crate) fn init(
        [inputs, outputs]: [usize; 2],
        initialization: Initialization,
        bound: Option<Bound>,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let weight = initialization.weights([inputs, outputs], inputs, rng);
        let bias = initialization.biases(outputs, inputs, rng);
        let mut dense = Self {
            weight: Param::from_data(weight, device),
            bias: Param::from_data(bias, device),
            norm: None,
            layouts: None,
        };
        dense.norm =
            bound.map(|bound| SpectralNorm::new(constant_matrix(&dense.weight), bound, rng));
        dense
    }

    /// # Shapes
    /// - `x`: `[batch, inputs]`, returns `[batch, outputs]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let layouts = self.layouts.clone();
        dense(x, self.effective_weight(), self.bias.val(), layouts)
    }

    /// [`Self::forward`] with all elements of an image as its inputs.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, returns `[batch, outputs]`
    pub(crate) fn forward_images(&self, x: Tensor<4>) -> Tensor<2> {
        let layouts = self.layouts.clone();
        dense_of_images(x, self.effective_weight(), self.bias.val(), layouts)
    }

    /// The work for one image.
    pub(crate) fn work(&self) -> Work {
        let [inputs, outputs] = self.weight.dims();
        Work {
            multiply_adds: inputs * outputs,
            outputs,
        }
    }

    /// The same layer with spectral norm as part of its weights, multiplied in `factors`.
    pub(crate) fn folded(&self, factors: Factors) -> Self {
        Self {
            weight: Param::initialized(self.weight.id, self.effective_weight()),
            norm: None,
            layouts: Some(Arc::new(Layouts::new(factors))),
            ..self.clone()
        }
    }

    fn effective_weight(&self) -> Tensor<2> {
        let weight = self.weight.val();
        match &self.norm {
            Some(norm) => {
                let factor = norm.factor(weight.clone().transpose());
                weight * factor
            }
            None => weight,
        }
    }

    /// The layer's weight if it is under spectral norm.
    pub(crate) fn normed(&mut self, name: impl Into<String>) -> Option<NormedWeight<'_>> {
        let Self { weight, norm, .. } = self;
        NormedWeight::of(name.into(), || constant_matrix(weight), norm)
    }
}

/// The weight as spectral norm sees it, untracked, `[outputs, inputs]`.
fn constant_matrix(weight: &Param<Tensor<2>>) -> Tensor<2> {
    weight.val().without_autodiff().transpose()
}
