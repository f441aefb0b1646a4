//! Give every image of an energy its class, its noise level or its noise.

use core::ops::Range;

use burn::tensor::{Int, Tensor};
use ebm_core::{Energy, energy_and_gradient};

use crate::energy::{EnergyContext, EnergyModel};
use crate::frozen::Frozen;

/// The energy of a frozen network that is given something of every row of the batch: its class, its noise level, the
/// σ of its noise. Without classes it is the free energy of a model with classes, as sharp as the
/// [network's](Frozen::sharpened), without levels that at level 0, without noise that at σ = 0. A model ignores what
/// it has none of.
#[derive(Clone, Debug)]
pub struct Conditioned<'a, M> {
    frozen: &'a Frozen<M>,
    /// `[batch]`.
    classes: Option<Tensor<1, Int>>,
    /// `[batch]`.
    levels: Option<Tensor<1, Int>>,
    /// σ, `[batch]`.
    noise: Option<Tensor<1>>,
}

impl<'a, M: EnergyModel> Conditioned<'a, M> {
    /// E(·), given nothing yet.
    pub(crate) fn marginal(frozen: &'a Frozen<M>) -> Self {
        Self {
            frozen,
            classes: None,
            levels: None,
            noise: None,
        }
    }

    /// The same energy with the class of every image.
    ///
    /// # Shapes
    /// - `classes`: `[batch]`
    pub fn given(self, classes: Tensor<1, Int>) -> Self {
        Self {
            classes: Some(classes),
            ..self
        }
    }

    /// The same energy at the noise level of every image.
    ///
    /// # Shapes
    /// - `levels`: `[batch]`, each below [`EnergyModel::num_levels`]
    pub fn at_levels(self, levels: Tensor<1, Int>) -> Self {
        Self {
            levels: Some(levels),
            ..self
        }
    }

    /// The same energy of images whose noise is known.
    ///
    /// # Shapes
    /// - `noise`: `[batch]`, σ
    pub fn with_noise(self, noise: Tensor<1>) -> Self {
        Self {
            noise: Some(noise),
            ..self
        }
    }

    /// What the model takes of all that is given.
    fn context(&self) -> EnergyContext<'_> {
        self.frozen.takes(EnergyContext {
            classes: self.classes.as_ref(),
            levels: self.levels.as_ref(),
            noise: self.noise.as_ref(),
            dropout: None,
        })
    }
}

impl<M: EnergyModel + Sync> Energy<4> for Conditioned<'_, M> {
    fn energies(&self, x: Tensor<4>) -> Tensor<1> {
        let sharpness = self.frozen.sharpness();
        self.frozen.energy_in(x, self.context(), sharpness)
    }

    fn energies_and_gradients(&self, x: Tensor<4>) -> (Tensor<1>, Tensor<4>) {
        let context = self.context();
        let fused = match (context.levels, context.noise) {
            (None, None) => self.frozen.fused_energy_and_gradient(&x, context.classes),
            _ => None, // no such kernel takes them
        };
        fused.unwrap_or_else(|| energy_and_gradient(x, &|x| self.energies(x)))
    }

    fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<4> + '_>> {
        let EnergyContext {
            classes,
            levels,
            noise,
            ..
        } = self.context();
        if classes.is_none() && levels.is_none() && noise.is_none() {
            return None;
        }
        let of_rows = |all: Option<&Tensor<1, Int>>| {
            all.map(|all| all.clone().narrow(0, rows.start, rows.len()))
        };
        let noise = noise.map(|all| all.clone().narrow(0, rows.start, rows.len()));
        Some(Box::new(Self {
            frozen: self.frozen,
            classes: of_rows(classes),
            levels: of_rows(levels),
            noise,
        }))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use ebm_core::{ImageShape, index_tensor};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::conv_net::{ConvNet, ConvNetConfig};
    use crate::testing::{assert_close, floats, images, stirred};

    const SHAPE: ImageShape = ImageShape::new(1, 8, 8);

    fn net(num_classes: usize) -> Frozen<ConvNet> {
        let config = ConvNetConfig {
            num_classes,
            ..ConvNetConfig::mnist_with_filters(4)
        };
        let mut rng = SmallRng::seed_from_u64(8);
        let net = config.init(SHAPE, &mut rng, &Device::flex());
        Frozen::new(&stirred(net.expect("fits")))
    }

    #[test]
    fn the_energies_of_rows_are_those_of_the_whole() {
        let net = net(3);
        let energy = net.given(index_tensor(&[2, 0, 1, 2], &Device::flex()));
        let x = images(4, SHAPE);
        let (whole, of_whole) = energy.energies_and_gradients(x.clone());
        let [whole, of_whole] = [whole.into_data(), of_whole.into_data()].map(floats);
        assert_ne!(whole, floats(net.energies(x.clone()).into_data()));

        let of_rows = energy.of_rows(1..3).expect("classes differ between rows");
        let rows = x.narrow(0, 1, 2);
        let (part, of_part) = of_rows.energies_and_gradients(rows.clone());
        assert_eq!(floats(part.into_data()), whole[1..3]);
        assert_eq!(floats(of_rows.energies(rows).into_data()), whole[1..3]);
        let pixels = SHAPE.pixels();
        assert_eq!(floats(of_part.into_data()), of_whole[pixels..3 * pixels]);
    }

    #[test]
    fn a_sharp_network_takes_the_least_energy_of_its_classes() {
        let blunt = net(3);
        let sharp = blunt.clone().sharpened(1e6);
        let x = images(4, SHAPE);
        let by_class = floats(blunt.energies_by_class(x.clone()).into_data());
        let least = |row: &[f32]| row.iter().copied().fold(f32::INFINITY, f32::min);
        let least: Vec<f32> = by_class.chunks(3).map(least).collect();
        for energy in [&sharp as &dyn Energy<4>, &sharp.marginal()] {
            assert_close(
                &floats(energy.energies(x.clone()).into_data()),
                &least,
                &"energies",
            );
            let (energies, _) = energy.energies_and_gradients(x.clone());
            assert_close(&floats(energies.into_data()), &least, &"with gradients");
        }
        // The gradient is that of the nearest class.
        let of_least = |row: &[f32]| (0..3).min_by(|&a, &b| row[a].total_cmp(&row[b]));
        let nearest: Vec<u32> = by_class
            .chunks(3)
            .map(|row| of_least(row).expect("classes") as u32)
            .collect();
        let given = sharp.given(index_tensor(&nearest, &Device::flex()));
        let [got, expected] = [&sharp as &dyn Energy<4>, &given]
            .map(|energy| floats(energy.energies_and_gradients(x.clone()).1.into_data()));
        assert_close(&got, &expected, &"gradients");
    }

    #[test]
    fn a_model_without_classes_ignores_them() {
        let net = net(0);
        let energy = net.given(index_tensor(&[2, 0], &Device::flex()));
        assert!(energy.of_rows(0..1).is_none());
        let energies = energy.energies(images(3, SHAPE)).into_data();
        let expected = net.energies(images(3, SHAPE)).into_data();
        assert_eq!(floats(energies), floats(expected));
    }

    #[test]
    #[should_panic = "expected a class for each of 3 images, got 1"]
    fn refuses_one_class_for_all_images() {
        let net = net(3);
        let energy = net.given(index_tensor(&[2], &Device::flex()));
        energy.energies(images(3, SHAPE));
    }
}
