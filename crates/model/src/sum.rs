//! Add energies: a product of experts.

use core::ops::{Add, Range};

use burn::tensor::Tensor;
use ebm_core::Energy;

use crate::terms::Terms;

/// Σ wᵢEᵢ(x), the energy of Π pᵢ(x)^wᵢ (Hinton, *Training products of experts*, 2002).
pub struct Sum<'a, const D: usize> {
    terms: Terms<'a, D>,
}

impl<'a, const D: usize> Sum<'a, D> {
    /// The sum of energies, each times its weight.
    ///
    /// # Panics
    /// If there are no terms.
    pub fn new(terms: Vec<(f64, &'a dyn Energy<D>)>) -> Self {
        Self {
            terms: Terms::new(terms),
        }
    }
}

impl<const D: usize> Energy<D> for Sum<'_, D> {
    fn energies(&self, x: Tensor<D>) -> Tensor<1> {
        let terms = self.terms.iter();
        let weighted = terms.map(|(weight, energy)| energy.energies(x.clone()) * weight);
        weighted.reduce(Add::add).expect("a sum has terms")
    }

    fn energies_and_gradients(&self, x: Tensor<D>) -> (Tensor<1>, Tensor<D>) {
        let weighted = self.terms.iter().map(|(weight, energy)| {
            let (energies, gradients) = energy.energies_and_gradients(x.clone());
            (energies * weight, gradients * weight)
        });
        let total = weighted.reduce(|total, term| (total.0 + term.0, total.1 + term.1));
        total.expect("a sum has terms")
    }

    fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<D> + '_>> {
        let terms = self.terms.of_rows(rows)?;
        Some(Box::new(Sum { terms }))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// λ‖x − c‖²/2.
    fn quadratic(center: f64, precision: f64) -> impl Fn(Tensor<2>) -> Tensor<1> + Sync {
        move |x| {
            let squares = (x - center).square() * (0.5 * precision);
            squares.sum_dim(1).squeeze_dim(1)
        }
    }

    /// Σ x, plus an offset of each row.
    struct Offset(Vec<f32>);

    impl Energy<2> for Offset {
        fn energies(&self, x: Tensor<2>) -> Tensor<1> {
            let offsets = Tensor::<1>::from_floats(self.0.as_slice(), &Device::flex());
            x.sum_dim(1).squeeze_dim::<1>(1) + offsets
        }

        fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<2> + '_>> {
            Some(Box::new(Self(self.0[rows].to_vec())))
        }
    }

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().iter::<f32>().collect()
    }

    #[test]
    fn two_quadratic_energies_are_that_of_the_product_of_their_normal_laws() {
        let (first, second) = (quadratic(0.0, 1.0), quadratic(2.0, 1.5));
        let sum = Sum::new(vec![
            (1.0, &first as &dyn Energy<2>),
            (2.0, &second as &dyn Energy<2>),
        ]);
        // Precisions 1 and 2 · 1.5 add to 4, with the mean 3 · 2/4 = 1.5; ½ · ¾ · 2² is left.
        let x = Tensor::<2>::from_floats([[0.5], [1.5], [2.0]], &Device::flex());
        let (energies, gradients) = sum.energies_and_gradients(x.clone());
        assert_eq!(values(energies), [3.5, 1.5, 2.0]);
        assert_eq!(values(gradients), [-4.0, 0.0, 2.0]);
        assert_eq!(values(sum.energies(x)), [3.5, 1.5, 2.0]);
        assert!(sum.of_rows(0..1).is_none());
    }

    #[test]
    fn rows_keep_the_energies_that_are_their_own() {
        let (shared, own) = (quadratic(0.0, 2.0), Offset(vec![10.0, 20.0, 30.0]));
        let sum = Sum::new(vec![
            (1.0, &shared as &dyn Energy<2>),
            (0.5, &own as &dyn Energy<2>),
        ]);
        let x = Tensor::<2>::from_floats([[1.0], [2.0], [3.0]], &Device::flex());
        assert_eq!(values(sum.energies(x.clone())), [6.5, 15.0, 25.5]);
        let rows = sum.of_rows(1..3).expect("an energy differs between rows");
        let (energies, gradients) = rows.energies_and_gradients(x.narrow(0, 1, 2));
        assert_eq!(values(energies), [15.0, 25.5]);
        assert_eq!(values(gradients), [4.5, 6.5]);
    }

    #[test]
    #[should_panic = "expected at least one energy, got none"]
    fn refuses_a_sum_of_nothing() {
        Sum::<2>::new(Vec::new());
    }
}
