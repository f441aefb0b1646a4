//! Say what every energy-based model does.

use core::iter::Sum;
use core::ops::Add;

use burn::module::Module;
use burn::tensor::{DType, Int, Tensor};

use crate::layers::NormedWeight;
use crate::ops::Factors;

/// Channels, height and width of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// The shape of images of `channels` × `height` × `width`.
    pub fn new(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
        }
    }

    /// Numbers in an image.
    pub fn pixels(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Channels, height, width.
    pub fn dims(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }
}

impl core::fmt::Display for ImageShape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}×{}×{}", self.channels, self.height, self.width)
    }
}

/// What a network does for the energy of one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiplications, each with an addition.
    pub multiply_adds: usize,
    /// Numbers that layers give.
    pub outputs: usize,
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            multiply_adds: self.multiply_adds + other.multiply_adds,
            outputs: self.outputs + other.outputs,
        }
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// What an energy depends on besides the image.
#[derive(Clone, Copy, Default)]
pub struct Given<'a> {
    /// The class of every image, `[batch]`, for a model with classes.
    pub classes: Option<&'a Tensor<1, Int>>,
    /// What a layer's output is multiplied by while training, for models with dropout.
    pub dropout: Option<&'a DropoutMask<'a>>,
}

/// The mask of a layer (counted from 0) for an output of `[batch, channels, height, width]`: 0 where
/// a number is dropped, 1/(1 − p) elsewhere.
pub type DropoutMask<'a> = dyn Fn(u32, [usize; 4]) -> Tensor<4> + 'a;

/// An energy function of images, p(x) ∝ exp(−E(x)).
pub trait EnergyModel: Module {
    /// Classes that the energy may be given; 0 for a model without classes.
    fn num_classes(&self) -> usize {
        0
    }

    /// E(x), or E(x, y), of every image, each a function of its own image alone.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - returns: `[batch]`
    ///
    /// # Panics
    /// If the model has classes and `given` has none.
    fn energy_with(&self, x: Tensor<4>, given: Given<'_>) -> Tensor<1>;

    /// E(x, y) of every image under its class. A model without classes ignores them.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, `y`: `[batch]`
    /// - returns: `[batch]`
    fn energy_given(&self, x: Tensor<4>, y: &Tensor<1, Int>) -> Tensor<1> {
        let classes = (self.num_classes() > 0).then_some(y);
        self.energy_with(
            x,
            Given {
                classes,
                dropout: None,
            },
        )
    }

    /// [`energy_given`](Self::energy_given) and its gradient with respect to the images, where the
    /// device has one kernel for both; the weights are constants.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]` f32, not tracked, `y`: `[batch]`
    /// - returns: `[batch]`, `[batch, channels, height, width]`
    fn energy_and_gradient_given(
        &self,
        _x: &Tensor<4>,
        _y: &Tensor<1, Int>,
    ) -> Option<(Tensor<1>, Tensor<4>)> {
        None
    }

    /// E(x) of every image; of a model with classes that of p(x) ∝ Σ_y exp(−E(x, y)), the free
    /// energy −log Σ_y exp(−E(x, y)).
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - returns: `[batch]`
    fn energy(&self, x: Tensor<4>) -> Tensor<1> {
        match self.num_classes() {
            0 => self.energy_with(x, Given::default()),
            _ => free_energy(self.energies_by_class(x)),
        }
    }

    /// E(x, y) of every image under every class.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - returns: `[batch, classes]`
    fn energies_by_class(&self, x: Tensor<4>) -> Tensor<2> {
        let (batch, device) = (x.dims()[0], x.device().inner());
        let energies = (0..self.num_classes() as i32).map(|class| {
            let y = Tensor::<1, Int>::full([batch], class, (&device, DType::I32));
            self.energy_given(x.clone(), &y).unsqueeze_dim::<2>(1)
        });
        Tensor::cat(energies.collect(), 1)
    }

    /// The same energy with whatever is computed from weights alone computed once: spectral norm
    /// becomes part of plain weights, and weights are laid out for their kernels. Weights stay on the
    /// tape; those of a folded network must not be changed.
    fn folded(&self) -> Self {
        self.folded_in(Factors::F32)
    }

    /// As [`folded`](Self::folded), and on a CPU the layers multiply in these numbers.
    fn folded_in(&self, _: Factors) -> Self {
        self.clone()
    }

    /// The network's weights under spectral norm, each with the vectors that belong to it.
    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        Vec::new()
    }
}

/// −log Σ exp(−E), stable for large energies.
///
/// # Shapes
/// - `energies`: `[batch, classes]`, returns `[batch]`
fn free_energy(energies: Tensor<2>) -> Tensor<1> {
    let lowest = energies.clone().min_dim(1); // [batch, 1]
    let rest = (lowest.clone() - energies).exp().sum_dim(1).log();
    (lowest - rest).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_free_energy_of_equal_energies_is_lower_by_the_logarithm_of_their_number() {
        let energies = Tensor::<2>::from_floats([[3.0; 4], [-500.0; 4]], &Device::flex());
        let free: Vec<f32> = free_energy(energies).into_data().iter::<f32>().collect();
        let expected = [3.0 - 4f32.ln(), -500.0 - 4f32.ln()];
        assert!((free[0] - expected[0]).abs() < 1e-6 && (free[1] - expected[1]).abs() < 1e-4);
    }
}
