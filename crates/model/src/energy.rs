//! Say what every energy-based model does.

use burn::module::Module;
use burn::tensor::{DType, Int, Tensor};

use crate::experts::{Constant, Whitened};
use crate::invalid_network::InvalidNetwork;
use crate::latent::LatentEnergy;
use crate::layers::NormedWeight;
use crate::ops::{Factors, assert_class_per_image, assert_level_per_image, assert_noise_per_image};

/// What an energy depends on besides the images.
#[derive(Clone, Copy, Default)]
pub struct EnergyContext<'a> {
    /// The class of every image, `[batch]`, for a model with classes.
    pub classes: Option<&'a Tensor<1, Int>>,
    /// The noise level of every image, `[batch]`, for a model with levels; level 0 for all where absent.
    pub levels: Option<&'a Tensor<1, Int>>,
    /// σ of the noise of every image, `[batch]`, for a model that is told it; 0 for all where absent.
    pub noise: Option<&'a Tensor<1>>,
    /// Factors of a layer's output while training, for models with dropout.
    pub dropout: Option<&'a DropoutMask<'a>>,
}

/// The mask of a layer (counted from 0) for an output of `[batch, channels, height, width]`: 0 where
/// an element is dropped, 1/(1 − p) elsewhere.
pub type DropoutMask<'a> = dyn Fn(u32, [usize; 4]) -> Tensor<4> + 'a;

impl EnergyContext<'_> {
    /// The context of a model with `num_classes` classes for `batch` images: its classes are one for
    /// each image, or none where the model has no classes.
    ///
    /// # Panics
    /// If the model has classes, and the context has none or another number than there are images.
    pub fn checked(self, num_classes: usize, batch: usize) -> Self {
        if num_classes == 0 {
            return Self {
                classes: None,
                ..self
            };
        }
        let Some(classes) = self.classes else {
            panic!("an energy given {num_classes} classes needs a class per image");
        };
        assert_class_per_image(classes.dims()[0], batch);
        self
    }

    /// The context of a model with `num_levels` noise levels for `batch` images: its levels are one for
    /// each image, or none where it has none or the model has no levels.
    ///
    /// # Panics
    /// If the model has levels, and the context another number than there are images.
    pub fn checked_levels(self, num_levels: usize, batch: usize) -> Self {
        let levels = self.levels.filter(|_| num_levels > 0);
        if let Some(levels) = levels {
            assert_level_per_image(levels.dims()[0], batch);
        }
        Self { levels, ..self }
    }

    /// The context with a σ for each of `batch` images, or with none where none is given or the model does not see
    /// noise.
    ///
    /// # Panics
    /// If the model is told, and the context has another number of them than there are images.
    pub fn checked_noise(self, sees_noise: bool, batch: usize) -> Self {
        let noise = self.noise.filter(|_| sees_noise);
        if let Some(noise) = noise {
            assert_noise_per_image(noise.dims()[0], batch);
        }
        Self { noise, ..self }
    }
}

/// An energy function of images, p(x) ∝ exp(−E(x)).
pub trait EnergyModel: Module {
    /// Classes that the energy may be given; 0 for a model without classes.
    fn num_classes(&self) -> usize {
        0
    }

    /// Noise levels that the energy may be given; 0 for a model without. Level 0 is the least noisy: an
    /// energy that is given no level is the one at this level.
    fn num_levels(&self) -> usize {
        0
    }

    /// Whether the energy may be told σ of the noise of an image. Where it is not, it takes σ = 0, which is less than
    /// most have learned.
    fn sees_noise(&self) -> bool {
        false
    }

    /// The energy E(x, z) of which E(x) is the least over z, where there are latent vectors.
    fn latent(&self) -> Option<&dyn LatentEnergy> {
        None
    }

    /// E(x), or E(x, y), of every image, each a function of its own image alone.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - returns: `[batch]`
    ///
    /// # Panics
    /// If the model has classes and the context does not have one for each image, or the model has levels or is
    /// told the noise, and the context has another number of them than there are images.
    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1>;

    /// E(x, y) of every image under its class. A model without classes ignores them.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, `y`: `[batch]`
    /// - returns: `[batch]`
    ///
    /// # Panics
    /// If the model has classes and `y` is not as long as the batch.
    fn energy_given(&self, x: Tensor<4>, y: &Tensor<1, Int>) -> Tensor<1> {
        let context = EnergyContext {
            classes: Some(y),
            ..EnergyContext::default()
        };
        self.energy_with(x, self.takes(context))
    }

    /// The energy of every image and its gradient with respect to the image, where the device has one
    /// kernel for both: E(x, y) of a model with classes, E(x) of one without. The weights are
    /// constants. `None` where there is no such kernel, or a model with classes is given none.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]` f32, not tracked, `y`: `[batch]`
    /// - returns: `[batch]`, `[batch, channels, height, width]`
    ///
    /// # Panics
    /// If the model has classes and `y` is not as long as the batch.
    fn fused_energy_and_gradient(
        &self,
        x: &Tensor<4>,
        y: Option<&Tensor<1, Int>>,
    ) -> Option<(Tensor<1>, Tensor<4>)> {
        let _ = (x, y);
        None
    }

    /// E(x) of every image; of a model with classes that of p(x) ∝ Σ_y exp(−E(x, y)), the free
    /// energy −log Σ_y exp(−E(x, y)).
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - returns: `[batch]`
    fn energy(&self, x: Tensor<4>) -> Tensor<1> {
        self.energy_in(x, EnergyContext::default(), 1.0)
    }

    /// E(x, y) of every image in a context, or E(x) of a model with classes where it has none: the free energy
    /// −(1/T)·log Σ_y exp(−T·E(x, y)), T the sharpness. What the model cannot be given is ignored.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - returns: `[batch]`
    ///
    /// # Panics
    /// As [`energy_with`](Self::energy_with).
    fn energy_in(&self, x: Tensor<4>, context: EnergyContext<'_>, sharpness: f64) -> Tensor<1> {
        let context = self.takes(context);
        if self.num_classes() == 0 || context.classes.is_some() {
            return self.energy_with(x, context);
        }
        let by_class = match context {
            // What a model may compute for all classes at once.
            EnergyContext {
                levels: None,
                noise: None,
                dropout: None,
                ..
            } => self.energies_by_class(x),
            context => one_class_at_a_time(self, x, context),
        };
        free_energy(by_class, sharpness)
    }

    /// What the model takes of a context.
    fn takes<'a>(&self, context: EnergyContext<'a>) -> EnergyContext<'a> {
        EnergyContext {
            classes: context.classes.filter(|_| self.num_classes() > 0),
            levels: context.levels.filter(|_| self.num_levels() > 0),
            noise: context.noise.filter(|_| self.sees_noise()),
            ..context
        }
    }

    /// E(x, y) of every image under every class.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - returns: `[batch, classes]`
    fn energies_by_class(&self, x: Tensor<4>) -> Tensor<2> {
        self.energies_by_class_with(x, EnergyContext::default())
    }

    /// E(x, y) of every image under every class in a context, whose classes do not matter: what a model that computes
    /// them all at once says for itself.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - returns: `[batch, classes]`
    fn energies_by_class_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<2> {
        one_class_at_a_time(self, x, context)
    }

    /// The same energy with everything that depends on the weights alone computed once: spectral norm
    /// becomes part of plain weights, weights are laid out for their kernels, and on a CPU the layers
    /// multiply in `factors`. Weights stay on the tape. Called by [`Frozen`](crate::Frozen), as the
    /// weights of a folded network must not be changed.
    fn fold(&self, factors: Factors) -> Self {
        let _ = factors;
        self.clone()
    }

    /// The network's weights under spectral norm, each with its singular vectors.
    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        Vec::new()
    }

    /// Measure on images of the data, before anything is learned, the [constants](Self::constants) of the network;
    /// nothing of one without.
    ///
    /// # Shapes
    /// - `images`: `[batch, channels, height, width]`, pixels in [0, 1]
    ///
    /// # Errors
    /// Where the images do not determine them.
    fn calibrate(&mut self, images: Tensor<4>) -> Result<(), InvalidNetwork> {
        let _ = images;
        Ok(())
    }

    /// What the network holds besides its weights that is measured and not learned.
    fn constants(&mut self) -> Vec<Constant<'_>> {
        Vec::new()
    }

    /// The same energy in whitened coordinates, where it is one of such.
    fn whitened(&self) -> Option<&dyn Whitened> {
        None
    }
}

/// E(x, y) of every image under every class, each class by itself, `[batch, classes]`.
pub(crate) fn one_class_at_a_time<M: EnergyModel>(
    model: &M,
    x: Tensor<4>,
    context: EnergyContext<'_>,
) -> Tensor<2> {
    let (batch, device) = (x.dims()[0], x.device().inner());
    let energies = (0..model.num_classes() as i32).map(|class| {
        let y = Tensor::<1, Int>::full([batch], class, (&device, DType::I32));
        let context = EnergyContext {
            classes: Some(&y),
            ..context
        };
        model.energy_with(x.clone(), context).unsqueeze_dim::<2>(1)
    });
    Tensor::cat(energies.collect(), 1)
}

/// −(1/T)·log Σ exp(−T·E), stable for large energies.
///
/// # Shapes
/// - `energies`: `[batch, classes]`, returns `[batch]`
fn free_energy(energies: Tensor<2>, sharpness: f64) -> Tensor<1> {
    let lowest = energies.clone().min_dim(1); // [batch, 1]
    let densities = ((lowest.clone() - energies) * sharpness).exp();
    (lowest - densities.sum_dim(1).log() / sharpness).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_free_energy_of_equal_energies_is_lower_by_the_logarithm_of_their_number() {
        let energies = Tensor::<2>::from_floats([[3.0; 4], [-500.0; 4]], &Device::flex());
        for sharpness in [1.0, 8.0] {
            let free = free_energy(energies.clone(), sharpness).into_data();
            let below = 4f64.ln() / sharpness;
            for (free, energy) in free.iter::<f64>().zip([3.0, -500.0]) {
                assert!((free - (energy - below)).abs() < 1e-4, "{free}");
            }
        }
    }

    #[test]
    fn a_sharp_free_energy_is_the_least_and_a_blunt_one_the_mean() {
        let energies = Tensor::<2>::from_floats([[0.02, 0.05, 0.08]], &Device::flex());
        let free = |sharpness| free_energy(energies.clone(), sharpness).into_scalar::<f64>();
        let expected = -(1.0 + (-30f64).exp() + (-60f64).exp()).ln() / 1000.0 + 0.02;
        assert!((free(1000.0) - expected).abs() < 1e-6);
        assert!((free(1.0) + 3f64.ln() - 0.05).abs() < 1e-3);
    }

    fn context_of(classes: &Tensor<1, Int>) -> EnergyContext<'_> {
        EnergyContext {
            classes: Some(classes),
            ..EnergyContext::default()
        }
    }

    #[test]
    fn a_model_without_classes_ignores_them() {
        let classes = Tensor::from_ints([1, 0], &Device::flex());
        let context = context_of(&classes).checked(0, 3);
        assert!(context.classes.is_none());
    }

    fn levels_of(levels: &Tensor<1, Int>) -> EnergyContext<'_> {
        EnergyContext {
            levels: Some(levels),
            ..EnergyContext::default()
        }
    }

    #[test]
    fn a_model_without_levels_ignores_them() {
        let levels = Tensor::from_ints([1, 0], &Device::flex());
        assert!(levels_of(&levels).checked_levels(0, 3).levels.is_none());
        assert!(levels_of(&levels).checked_levels(2, 2).levels.is_some());
    }

    #[test]
    #[should_panic = "expected a noise level for each of 3 images, got 2"]
    fn refuses_fewer_levels_than_images() {
        let levels = Tensor::from_ints([1, 0], &Device::flex());
        levels_of(&levels).checked_levels(4, 3);
    }

    #[test]
    #[should_panic = "expected a class for each of 3 images, got 2"]
    fn refuses_fewer_classes_than_images() {
        let classes = Tensor::from_ints([1, 0], &Device::flex());
        context_of(&classes).checked(4, 3);
    }

    #[test]
    #[should_panic = "an energy given 4 classes needs a class per image"]
    fn refuses_to_choose_a_class() {
        EnergyContext::default().checked(4, 3);
    }
}
