//! Keep a network whose weights nothing may change any more, with all that depends on them alone.

use core::ops::Deref;

use burn::module::{ModuleMapper, Param};
use burn::tensor::{Device, FloatDType, Int, Tensor};
use ebm_core::Energy;

use crate::conditioned::Conditioned;
use crate::energy::EnergyModel;
use crate::ops::Factors;
use crate::precision::Precision;

/// A network whose weights nothing may change any more: spectral norm is part of its weights, and each
/// kernel lays them out once. It is the energy that samplers use,
/// [`EnergyModel::energy`] with exact gradients.
#[derive(Clone, Debug)]
pub struct Frozen<M> {
    model: M,
    /// T of the free energy of a model with classes.
    sharpness: f64,
}

impl<M: EnergyModel> Frozen<M> {
    /// The model as it is now, its weights as constants.
    pub fn new(model: &M) -> Self {
        Self::folded(&model.valid(), Factors::F32)
    }

    fn folded(model: &M, factors: Factors) -> Self {
        Self {
            model: model.fold(factors),
            sharpness: 1.0,
        }
    }

    /// The same network whose E(x), where it has classes, is −(1/T)·log Σ_y exp(−T·E(x, y)) with T the sharpness: 1
    /// unless told. T is that of p(y | x) ∝ exp(−T·E(x, y)) as it was learned; energies of classes that differ by far
    /// less than 1/T are averaged, and no class is chosen.
    ///
    /// # Panics
    /// If the sharpness is not above 0, or infinite.
    pub fn sharpened(self, sharpness: f64) -> Self {
        assert!(
            sharpness > 0.0 && sharpness.is_finite(),
            "the sharpness of classes must be > 0, got {sharpness}"
        );
        Self { sharpness, ..self }
    }

    /// T of its free energy.
    pub fn sharpness(&self) -> f64 {
        self.sharpness
    }

    /// The model as it is now, its weights on the model's tape: gradients flow through spectral norm to
    /// the model's own parameters. Samplers take the constants of [`valid`](Self::valid), as every
    /// gradient with respect to images would otherwise consume the tape.
    pub fn tracked(model: &M) -> Self {
        Self::folded(model, Factors::F32)
    }

    /// The same network with its weights as constants. Layouts of the weights are shared.
    pub fn valid(&self) -> Self {
        Self {
            model: self.model.valid(),
            ..*self
        }
    }

    /// The network for chains in a precision: its constant weights rounded to f16, or in bf16 the
    /// factors of its products. A [`Network`](crate::Network) then computes in that precision on images
    /// of f32.
    pub fn rounded(&self, precision: Precision) -> Self {
        struct Cast(FloatDType);
        impl ModuleMapper for Cast {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|weight| weight.cast(self.0))
            }
        }
        match precision {
            Precision::F32 => self.clone(),
            Precision::Bf16 => self.refolded(&self.model, Factors::Bf16),
            // Folded again, as the layouts hold the weights before they were rounded.
            Precision::F16 => {
                let rounded = self.model.clone().map(&mut Cast(precision.dtype()));
                self.refolded(&rounded, Factors::F32)
            }
        }
    }

    /// This energy with other weights.
    fn refolded(&self, model: &M, factors: Factors) -> Self {
        Self::folded(model, factors).sharpened(self.sharpness)
    }

    /// E(x), the free energy of a model with classes; give it classes, levels or noise with the methods of
    /// [`Conditioned`].
    pub fn marginal(&self) -> Conditioned<'_, M> {
        Conditioned::marginal(self)
    }

    /// E(·, y) with the class of every image.
    ///
    /// # Shapes
    /// - `classes`: `[batch]`
    pub fn given(&self, classes: Tensor<1, Int>) -> Conditioned<'_, M> {
        self.marginal().given(classes)
    }

    /// The energy at the noise level of every image; with
    /// [`given`](Self::given)`(classes).`[`at_levels`](Conditioned::at_levels)`(levels)` that of its class
    /// at this level. A model without levels ignores them.
    ///
    /// # Shapes
    /// - `levels`: `[batch]`, each below [`EnergyModel::num_levels`]
    pub fn at_levels(&self, levels: Tensor<1, Int>) -> Conditioned<'_, M> {
        self.marginal().at_levels(levels)
    }

    /// The energy of images whose noise is known. A model that is not told it ignores it.
    ///
    /// # Shapes
    /// - `noise`: `[batch]`, σ, for pixels in [0, 1]
    pub fn with_noise(&self, noise: Tensor<1>) -> Conditioned<'_, M> {
        self.marginal().with_noise(noise)
    }

    /// A copy on another device, its weights constants of f32.
    pub fn on_device(&self, device: &Device) -> Self {
        struct Copy<'a>(&'a Device);
        impl ModuleMapper for Copy<'_> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|weight| {
                    let values = weight.without_autodiff().into_data();
                    Tensor::from_data(values, self.0)
                })
            }
        }
        // Folded again, as the layouts are on the other device.
        let copy = self.model.clone().map(&mut Copy(device));
        self.refolded(&copy, Factors::F32)
    }
}

impl<M> Deref for Frozen<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.model
    }
}

/// E(x); of a model with classes the free energy.
impl<M: EnergyModel + Sync> Energy<4> for Frozen<M> {
    fn energies(&self, x: Tensor<4>) -> Tensor<1> {
        self.marginal().energies(x)
    }

    fn energies_and_gradients(&self, x: Tensor<4>) -> (Tensor<1>, Tensor<4>) {
        self.marginal().energies_and_gradients(x)
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, ModuleVisitor};
    use burn::tensor::Gradients;
    use ebm_core::{ImageShape, energy_and_gradient};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::conv_net::{ConvNet, ConvNetConfig};
    use crate::testing::{assert_close, floats, images};

    const SHAPE: ImageShape = ImageShape::new(1, 8, 8);

    /// A network whose hidden layers are under spectral norm.
    fn net() -> ConvNet {
        let config = ConvNetConfig::mnist_with_filters(4);
        let mut rng = SmallRng::seed_from_u64(5);
        let net = config.init(SHAPE, &mut rng, &Device::flex());
        net.expect("fits")
    }

    #[test]
    fn agrees_with_the_unfolded_model() {
        let (net, x) = (net(), images(3, SHAPE));
        let (energies, gradients) = energy_and_gradient(x.clone(), &|x| net.energy(x));
        let expected = [floats(energies.into_data()), floats(gradients.into_data())];
        for frozen in [Frozen::new(&net), Frozen::tracked(&net).valid()] {
            let energies = floats(frozen.energies(x.clone()).into_data());
            assert_eq!(energies, expected[0]);
            let (energies, gradients) = frozen.energies_and_gradients(x.clone());
            assert_eq!(floats(energies.into_data()), expected[0]);
            assert_eq!(floats(gradients.into_data()), expected[1]);
        }
    }

    /// The gradients of Σ E with respect to every parameter of a network on the tape.
    fn parameter_gradients(net: &ConvNet, energies: Tensor<1>) -> Vec<f32> {
        struct Collect<'a>(&'a Gradients, Vec<f32>);
        impl ModuleVisitor for Collect<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let gradient = param.val().grad(self.0).expect("every parameter matters");
                self.1.extend(floats(gradient.into_data()));
            }
        }
        let gradients = energies.sum().backward();
        let mut collect = Collect(&gradients, Vec::new());
        net.visit(&mut collect);
        collect.1
    }

    #[test]
    fn gradients_flow_through_a_tracked_network_to_the_models_own_parameters() {
        struct Track;
        impl ModuleMapper for Track {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|weight| weight.autodiff().require_grad())
            }
        }
        let (net, x) = (net().map(&mut Track), images(3, SHAPE));
        let expected = parameter_gradients(&net, net.energy(x.clone()));
        assert!(expected.iter().any(|gradient| *gradient != 0.0));
        let energies = Frozen::tracked(&net).energy(x);
        let got = parameter_gradients(&net, energies);
        assert_close(&got, &expected, &"gradients");
    }

    #[test]
    fn a_copy_on_a_device_computes_the_same() {
        let frozen = Frozen::new(&net());
        let copy = frozen.on_device(&Device::flex());
        let [got, expected] = [copy, frozen].map(|net| net.energies(images(3, SHAPE)));
        assert_eq!(floats(got.into_data()), floats(expected.into_data()));
    }
}
