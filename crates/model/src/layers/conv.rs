//! Convolve with weights that may be under spectral norm.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::initialization::Initialization;
use super::spectral_norm::{Bound, NormedWeight, SpectralNorm};
use crate::ops::{ConvGeometry, Factors, Layouts, conv2d};
use crate::work::Work;

/// A convolution.
#[derive(Module, Debug)]
pub(crate) struct Conv {
    /// `[channels_out, channels_in, kernel, kernel]`.
    pub(crate) weight: Param<Tensor<4>>,
    /// `[channels_out]`.
    pub(crate) bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    pub(crate) geometry: ConvGeometry,
    #[module(skip)]
    pub(crate) norm: Option<SpectralNorm>,
    /// Layouts of folded weights, which do not change.
    #[module(skip)]
    layouts: Option<Arc<Layouts>>,
}

/// What a convolution is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvSpec {
    pub(crate) channels: [usize; 2],
    pub(crate) kernel: usize,
    pub(crate) geometry: ConvGeometry,
    pub(crate) bias: bool,
    pub(crate) initialization: Initialization,
    pub(crate) bound: Option<Bound>,
}

impl ConvSpec {
    /// Square kernels of odd side `kernel` that keep an image's size, without bias.
    pub(crate) fn same(channels: [usize; 2], kernel: usize) -> Self {
        Self {
            channels,
            kernel,
            geometry: ConvGeometry {
                stride: [1, 1],
                padding: [(kernel / 2, kernel / 2); 2],
            },
            bias: false,
            initialization: Initialization::HeNormal,
            bound: None,
        }
    }

    pub(crate) fn init(self, rng: &mut impl Rng, device: &Device) -> Conv {
        let [inputs, outputs] = self.channels;
        let fan_in = inputs * self.kernel * self.kernel;
        let shape = [outputs, inputs, self.kernel, self.kernel];
        let weight = self.initialization.weights(shape, fan_in, rng);
        let bias = self.initialization.biases(outputs, fan_in, rng);
        let mut conv = Conv {
            weight: Param::from_data(weight, device),
            bias: self.bias.then(|| Param::from_data(bias, device)),
            geometry: self.geometry,
            norm: None,
            layouts: None,
        };
        let matrix = constant_matrix(&conv.weight);
        conv.norm = (self.bound).map(|bound| SpectralNorm::new(matrix, bound, rng));
        conv
    }
}

impl Conv {
    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]`
    /// - returns: `[batch, channels_out, height', width']`
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        let weight = self.effective_weight();
        conv2d(x, weight, bias, self.layouts.clone(), self.geometry)
    }

    /// The same convolution with spectral norm as part of its weights, multiplied in `factors`.
    pub(crate) fn folded(&self, factors: Factors) -> Self {
        let weight = self.effective_weight();
        Self {
            weight: Param::initialized(self.weight.id, weight),
            norm: None,
            layouts: Some(Arc::new(Layouts::new(factors))),
            ..self.clone()
        }
    }

    /// The work for one image of `size`, and the size of the output.
    pub(crate) fn work(&self, size: [usize; 2]) -> (Work, [usize; 2]) {
        let [outputs, inputs, rows, columns] = self.weight.dims();
        let out = self.geometry.output(size, [rows, columns]);
        let outputs = outputs * out[0] * out[1];
        let work = Work {
            multiply_adds: outputs * inputs * rows * columns,
            outputs,
        };
        (work, out)
    }

    fn effective_weight(&self) -> Tensor<4> {
        let weight = self.weight.val();
        match &self.norm {
            Some(norm) => {
                let factor = norm.factor(weight.clone().flatten(1, 3));
                weight * factor.reshape([1, 1, 1, 1])
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

/// The weight as spectral norm sees it, untracked, `[channels_out, channels_in · kernel²]`.
fn constant_matrix(weight: &Param<Tensor<4>>) -> Tensor<2> {
    weight.val().without_autodiff().flatten(1, 3)
}
