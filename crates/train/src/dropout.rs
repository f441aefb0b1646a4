//! Drop elements at random while training, each a function of seed, iteration, layer and image.

use burn::tensor::{Device, Int, Tensor};
use ebm_core::{Distribution, NoiseKey, index_tensor};
use ebm_langevin::{Noise, perturb};
use ebm_model::{EnergyContext, EnergyModel};

/// The elements that an iteration drops (Srivastava et al. 2014, scaled while training).
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    prob: f64,
    key: NoiseKey,
}

impl Dropout {
    /// Drop with probability `prob`, in [0, 1), by the random numbers of `key`.
    pub fn new(prob: f64, key: NoiseKey) -> Self {
        Self { prob, key }
    }

    /// Energies of images with elements dropped, each given its class if the model has classes. The mask of
    /// an image is keyed by its place among those of all workers.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, `y`: `[batch]`, returns `[batch]`
    pub(crate) fn energy<M: EnergyModel>(
        &self,
        model: &M,
        x: Tensor<4>,
        y: &Tensor<1, Int>,
        places: &[u32],
    ) -> Tensor<1> {
        let mask = (self.prob > 0.0).then(|| self.mask(&x.device(), places));
        let context = EnergyContext {
            classes: (model.num_classes() > 0).then_some(y),
            dropout: mask.as_ref().map(|mask| mask as _),
            ..EnergyContext::default()
        };
        model.energy_with(x, context)
    }

    /// Energies of images under every class with elements dropped, the same for all classes of an image. The mask of
    /// an image is keyed by its place.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, returns `[batch, classes]`
    pub fn energies_by_class<M: EnergyModel>(
        &self,
        model: &M,
        x: Tensor<4>,
        places: &[u32],
    ) -> Tensor<2> {
        let mask = (self.prob > 0.0).then(|| self.mask(&x.device(), places));
        let context = EnergyContext {
            dropout: mask.as_ref().map(|mask| mask as _),
            ..EnergyContext::default()
        };
        model.energies_by_class_with(x, context)
    }

    /// The mask of a layer's output for images at these places.
    fn mask(
        &self,
        device: &Device,
        places: &[u32],
    ) -> impl Fn(u32, [usize; 4]) -> Tensor<4> + use<> {
        let (Self { prob, key }, device) = (*self, device.clone());
        let images = index_tensor(places, &device);
        move |layer: u32, shape: [usize; 4]| -> Tensor<4> {
            let uniform = Noise {
                key: key.at_step(layer),
                distribution: Distribution::Uniform,
                scale: 1.0,
            };
            let uniform = perturb(Tensor::zeros(shape, &device), &images, uniform);
            uniform.greater_equal_elem(prob).float() / (1.0 - prob)
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param};
    use ebm_core::Stream;

    use super::*;

    /// The sum of the masks of two layers.
    #[derive(Module, Debug)]
    struct Masks {
        unused: Param<Tensor<1>>,
    }

    impl EnergyModel for Masks {
        fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
            let shape = x.dims();
            let sum = match context.dropout {
                Some(mask) => mask(0, shape) + mask(1, shape),
                None => x.ones_like() * 2.0,
            };
            sum.flatten::<2>(1, 3).sum_dim(1).squeeze_dim(1)
        }
    }

    fn energies(prob: f64, iteration: u32, first: u32) -> Vec<f32> {
        let device = Device::flex();
        let model = Masks {
            unused: Param::from_data([0.0f32], &device),
        };
        let x = Tensor::zeros([8, 4, 16, 16], &device);
        let y = index_tensor(&[0; 8], &device);
        let energies = Dropout::new(prob, NoiseKey::new(0, Stream::Dropout, iteration)).energy(
            &model,
            x,
            &y,
            &(first..first + 8).collect::<Vec<_>>(),
        );
        energies.into_data().iter::<f32>().collect()
    }

    #[test]
    fn the_mean_of_the_masks_is_one() {
        // 2 · 1024 masks an image of 0 or 1/(1 − p), each of variance p/(1 − p).
        for prob in [0.25, 0.5] {
            let (n, mean) = (
                8.0 * 2048.0,
                energies(prob, 3, 0).iter().sum::<f32>() as f64,
            );
            let error = (mean / n - 1.0) / (prob / (1.0 - prob) / n).sqrt();
            assert!(error.abs() < 5.0, "{error} standard errors");
        }
    }

    #[test]
    fn masks_depend_on_image_and_iteration_and_nothing_is_dropped_at_zero() {
        let all = energies(0.5, 3, 0);
        assert_eq!(all[4..], energies(0.5, 3, 4)[..4]);
        assert_ne!(all, energies(0.5, 4, 0));
        assert_ne!(all[0], all[1]);
        assert_eq!(energies(0.0, 3, 0), [2048.0; 8]);
    }
}
