//! Compute the energy of a patch of pixels by experts on its whitened coordinates.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};
use ebm_core::ImageShape;

use super::law::Law;
use super::steps::{Intensity, without_mean};
use super::whitened::{Constant, Whitened};
use super::whitening::{Measured, Whitening};
use crate::energy::{EnergyContext, EnergyModel};
use crate::invalid_network::InvalidNetwork;
use crate::ops::{Factors, dense_of_images};
use crate::work::Work;

/// E(x) = Σᵢ γᵢ log(1 + (wᵢᵀz)²/2) of z = Vᵀ(t(x) − mean), the whitened patch: products of Student's t experts, as many
/// as one likes (Teh, Welling, Osindero & Hinton 2003). The mean and V are measured on data and constant.
///
/// E is that of one patch: it takes images of the size that it is made for. [`over_patches`](Self::over_patches) is the
/// energy of larger pictures.
#[derive(Module, Debug)]
pub struct Experts {
    /// A column wᵢ for every expert, `[dimensions, experts]`.
    pub(super) weight: Param<Tensor<2>>,
    /// log γᵢ, `[experts]`.
    pub(super) log_scale: Param<Tensor<1>>,
    #[module(skip)]
    pub(super) whitening: Whitening,
    #[module(skip)]
    pub(super) intensity: Intensity,
    #[module(skip)]
    pub(super) remove_mean: bool,
    #[module(skip)]
    pub(super) shape: ImageShape,
}

impl Experts {
    pub(crate) fn dtype(&self) -> DType {
        self.weight.dtype()
    }

    /// The shape of the patches that it is made for.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// What it sees of a pixel.
    pub fn intensity(&self) -> Intensity {
        self.intensity
    }

    /// How many experts there are.
    pub fn num_experts(&self) -> usize {
        self.weight.dims()[1]
    }

    /// W and γ as they are now.
    pub(super) fn law(&self) -> Law {
        Law {
            weight: self.weight.val(),
            scale: self.log_scale.val().exp(),
        }
    }

    pub(crate) fn work(&self, shape: ImageShape) -> Work {
        let [dimensions, experts] = self.weight.dims();
        Work {
            multiply_adds: dimensions * (shape.pixels() + experts) + experts,
            outputs: dimensions + 2 * experts,
        }
    }

    fn assert_patches(&self, x: &Tensor<4>) {
        let [_, channels, height, width] = x.dims();
        let got = ImageShape::new(channels, height, width);
        assert_eq!(got, self.shape, "these experts take patches of one shape");
    }
}

impl Whitened for Experts {
    fn coordinates(&self, x: Tensor<4>) -> Tensor<2> {
        self.assert_patches(&x);
        let seen = self.intensity.of_pixels(x); // [batch, channels, height, width]
        let Whitening { matrix, mean } = self.whitening.like(&seen);
        let none = Tensor::zeros([matrix.dims()[1]], (&matrix.device(), matrix.dtype()));
        // V takes no part of the mean of a patch where that was removed before V was measured.
        let centred = seen - mean.reshape(self.shape.batch(1));
        dense_of_images(centred, matrix, none, None)
    }

    fn energy_of(&self, z: Tensor<2>) -> Tensor<1> {
        self.law().energies(z)
    }

    fn slopes(&self, z: Tensor<2>) -> Tensor<2> {
        self.law().slopes(z)
    }

    fn score_matching(&self, z: Tensor<2>) -> Tensor<1> {
        self.law().score_matching(z)
    }
}

impl EnergyModel for Experts {
    fn energy_with(&self, x: Tensor<4>, _: EnergyContext<'_>) -> Tensor<1> {
        self.energy_of(self.coordinates(x))
    }

    fn fold(&self, _: Factors) -> Self {
        Self {
            whitening: self.whitening.like(&self.weight.val()),
            ..self.clone()
        }
    }

    /// Measures the mean and V on patches, of the shape that the network is made for.
    fn calibrate(&mut self, images: Tensor<4>) -> Result<(), InvalidNetwork> {
        self.assert_patches(&images);
        let seen = self.intensity.of_pixels(images.without_autodiff());
        let seen = match self.remove_mean {
            true => without_mean(seen),
            false => seen,
        };
        let rows: Vec<f32> = seen.into_data().iter::<f32>().collect();
        let dimensions = self.weight.dims()[0];
        let measured = Measured::of(&rows, self.shape.pixels(), dimensions)?;
        self.whitening = measured.on(&self.weight.val().device());
        Ok(())
    }

    fn constants(&mut self) -> Vec<Constant<'_>> {
        let Whitening { matrix, mean } = &mut self.whitening;
        vec![
            Constant {
                name: "whitening.matrix",
                value: matrix,
            },
            Constant {
                name: "whitening.mean",
                value: mean,
            },
        ]
    }

    fn whitened(&self) -> Option<&dyn Whitened> {
        Some(self)
    }
}
