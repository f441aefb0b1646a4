//! Mix energies: low where any of them is.

use core::ops::Range;

use burn::tensor::Tensor;
use ebm_core::Energy;
use ebm_core::rows::one_per_row;

use crate::terms::Terms;

/// −(1/T)·log Σ wᵢ·exp(−T·Eᵢ(x)), with T the sharpness. At T = 1 it is the energy of the mixture Σ wᵢ·exp(−Eᵢ(x)) of
/// unnormalised densities (Du, Li & Mordatch, *Compositional visual generation with energy based models*, 2020,
/// disjunction).
///
/// T says from which difference on the lowest energy counts alone: about 1/T. Energies of images that differ by far
/// less are averaged, the gradient is everywhere the same mean, and nothing is chosen. Trained energies of this
/// repository differ by fractions of 1, so that images need a T well above 1; the authors' release takes 100.
pub struct Mixture<'a, const D: usize> {
    terms: Terms<'a, D>,
    /// T.
    sharpness: f64,
}

impl<'a, const D: usize> Mixture<'a, D> {
    /// The mixture of energies with these weights, whose sum need not be 1.
    ///
    /// # Panics
    /// If there are no terms, or a weight or the sharpness is not above 0, or infinite.
    pub fn new(terms: Vec<(f64, &'a dyn Energy<D>)>, sharpness: f64) -> Self {
        let is_allowed = |value: f64| value > 0.0 && value.is_finite();
        for (weight, _) in &terms {
            assert!(
                is_allowed(*weight),
                "weights of a mixture must be > 0, got {weight}"
            );
        }
        assert!(
            is_allowed(sharpness),
            "the sharpness of a mixture must be > 0, got {sharpness}"
        );
        Self {
            terms: Terms::new(terms),
            sharpness,
        }
    }

    /// The energy of the mixture, and the share that each term has in its density.
    ///
    /// # Shapes
    /// - `energies`: of each term, `[batch]`
    /// - returns: `[batch]`, `[batch, terms]`
    fn mixed(&self, energies: Vec<Tensor<1>>) -> (Tensor<1>, Tensor<2>) {
        // wᵢ·exp(−T·Eᵢ) = exp(−T·(Eᵢ − log(wᵢ)/T))
        let shifted = energies.into_iter().zip(self.terms.iter());
        let shifted = shifted.map(|(energies, (weight, _))| {
            let shifted = energies - weight.ln() / self.sharpness;
            shifted.unsqueeze_dim::<2>(1)
        });
        let shifted: Vec<Tensor<2>> = shifted.collect();
        let shifted = Tensor::cat(shifted, 1); // [batch, terms]
        let least = shifted.clone().min_dim(1); // [batch, 1]
        // Relative to the largest of them, so that none overflows and not all vanish.
        let densities = ((least.clone() - shifted) * self.sharpness).exp();
        let total = densities.clone().sum_dim(1); // [batch, 1]
        let energies = least - total.clone().log() / self.sharpness;
        (energies.squeeze_dim(1), densities / total)
    }
}

impl<const D: usize> Energy<D> for Mixture<'_, D> {
    fn energies(&self, x: Tensor<D>) -> Tensor<1> {
        let terms = self.terms.iter();
        let energies = terms.map(|(_, energy)| energy.energies(x.clone()));
        self.mixed(energies.collect()).0
    }

    /// The gradient is the mean of those of the terms, each with its share in the density.
    fn energies_and_gradients(&self, x: Tensor<D>) -> (Tensor<1>, Tensor<D>) {
        let terms = self.terms.iter();
        let of_terms = terms.map(|(_, energy)| energy.energies_and_gradients(x.clone()));
        let (energies, gradients): (Vec<_>, Vec<_>) = of_terms.unzip();
        let (energies, shares) = self.mixed(energies);
        let weighted = gradients.into_iter().enumerate().map(|(term, gradients)| {
            let share = shares.clone().narrow(1, term, 1); // [batch, 1]
            let share: Tensor<D> = share.reshape(one_per_row(&x));
            gradients * share
        });
        let gradient = weighted.reduce(|total, term| total + term);
        (energies, gradient.expect("a mixture has terms"))
    }

    fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<D> + '_>> {
        let terms = self.terms.of_rows(rows)?;
        Some(Box::new(Mixture {
            terms,
            sharpness: self.sharpness,
        }))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// λ‖x − c‖²/2 + b.
    struct Quadratic {
        center: f64,
        precision: f64,
        bottom: f64,
    }

    impl Quadratic {
        const fn new(center: f64, precision: f64, bottom: f64) -> Self {
            Self {
                center,
                precision,
                bottom,
            }
        }

        fn energy(&self, x: f64) -> f64 {
            0.5 * self.precision * (x - self.center).powi(2) + self.bottom
        }

        fn gradient(&self, x: f64) -> f64 {
            self.precision * (x - self.center)
        }
    }

    impl Energy<2> for Quadratic {
        fn energies(&self, x: Tensor<2>) -> Tensor<1> {
            let squares = (x - self.center).square() * (0.5 * self.precision);
            squares.sum_dim(1).squeeze_dim::<1>(1) + self.bottom
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

    static FIRST: Quadratic = Quadratic::new(0.0, 1.0, 0.0);
    static SECOND: Quadratic = Quadratic::new(2.0, 4.0, 0.5);
    const PLACES: [f64; 5] = [-1.0, 0.0, 0.9, 1.3, 2.5];

    fn mixture(first: f64, second: f64, sharpness: f64) -> Mixture<'static, 2> {
        let terms = vec![
            (first, &FIRST as &dyn Energy<2>),
            (second, &SECOND as &dyn Energy<2>),
        ];
        Mixture::new(terms, sharpness)
    }

    /// States of one element.
    fn states(places: &[f64]) -> Tensor<2> {
        let places: Vec<f32> = places.iter().map(|&x| x as f32).collect();
        Tensor::<1>::from_floats(places.as_slice(), &Device::flex()).unsqueeze_dim(1)
    }

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
        x.into_data().iter::<f64>().collect()
    }

    #[track_caller]
    fn assert_close(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            let error = (got - expected).abs();
            assert!(error < 1e-5, "{got} is not {expected}");
        }
    }

    #[test]
    fn two_quadratic_energies_are_that_of_the_mixture_of_their_normal_laws() {
        for sharpness in [1.0, 3.0] {
            let mixture = mixture(0.25, 1.5, sharpness);
            let densities = |x: f64| {
                let of =
                    |weight: f64, term: &Quadratic| weight * (-sharpness * term.energy(x)).exp();
                [of(0.25, &FIRST), of(1.5, &SECOND)]
            };
            let energy = |x: f64| -densities(x).iter().sum::<f64>().ln() / sharpness;
            let slope = |x: f64| {
                let [first, second] = densities(x);
                (first * FIRST.gradient(x) + second * SECOND.gradient(x)) / (first + second)
            };
            let (energies, gradients) = mixture.energies_and_gradients(states(&PLACES));
            assert_close(&values(energies), &PLACES.map(energy));
            assert_close(&values(gradients), &PLACES.map(slope));
            let energies = mixture.energies(states(&PLACES));
            assert_close(&values(energies), &PLACES.map(energy));
            assert!(mixture.of_rows(0..1).is_none());
        }
    }

    #[test]
    fn weights_of_1_never_exceed_the_lowest_energy_and_weights_that_add_to_1_never_fall_below_it() {
        for sharpness in [0.1, 1.0, 100.0] {
            let [above, below] = [0.5, 1.0].map(|weight| {
                let mixture = mixture(weight, weight, sharpness);
                values(mixture.energies(states(&PLACES)))
            });
            let lowest = PLACES.map(|x| FIRST.energy(x).min(SECOND.energy(x)));
            for ((above, below), lowest) in above.iter().zip(&below).zip(lowest) {
                assert!(*below < lowest + 1e-6, "{below} exceeds {lowest}");
                assert!(*above > lowest - 1e-6, "{above} is below {lowest}");
            }
        }
    }

    #[test]
    fn a_high_sharpness_takes_the_lowest_energy_and_a_low_one_the_mean() {
        let energies = |sharpness| {
            let mixture = mixture(0.5, 0.5, sharpness);
            values(mixture.energies(states(&PLACES)))
        };
        let lowest = PLACES.map(|x| FIRST.energy(x).min(SECOND.energy(x)));
        let mean = PLACES.map(|x| 0.5 * (FIRST.energy(x) + SECOND.energy(x)));
        let largest_error = |got: Vec<f64>, expected: [f64; 5]| {
            let errors = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
            errors.fold(0.0, f64::max)
        };
        assert!(largest_error(energies(1e3), lowest) < 1e-3);
        assert!(largest_error(energies(1e-3), mean) < 0.1);
    }

    #[test]
    fn one_energy_of_weight_1_stays_as_it_is() {
        let mixture = Mixture::new(vec![(1.0, &SECOND as &dyn Energy<2>)], 100.0);
        let (energies, gradients) = mixture.energies_and_gradients(states(&PLACES));
        let expected = SECOND.energies_and_gradients(states(&PLACES));
        assert_eq!(values(energies), values(expected.0));
        assert_eq!(values(gradients), values(expected.1));
    }

    #[test]
    fn energies_far_from_0_and_from_each_other_neither_overflow_nor_vanish() {
        let high = Quadratic::new(0.0, 1.0, 1e4);
        let low = Quadratic::new(0.0, 2.0, -1e4);
        let of = |first: &Quadratic, second: &Quadratic| {
            let terms = vec![
                (1.0, first as &dyn Energy<2>),
                (1.0, second as &dyn Energy<2>),
            ];
            let mixture = Mixture::new(terms, 10.0);
            let (energies, gradients) = mixture.energies_and_gradients(states(&[2.0]));
            [values(energies)[0], values(gradients)[0]]
        };
        // 2x²/2 − 10⁴ alone counts.
        assert_eq!(of(&high, &low), [4.0 - 1e4, 4.0]);
        // Two equal ones are lower by log(2)/10; an f32 near 10⁴ has steps of 10⁻³.
        let [energy, gradient] = of(&high, &high);
        let expected = 2.0 + 1e4 - 2f64.ln() / 10.0;
        assert!((energy - expected).abs() < 2e-3, "{energy}");
        assert_eq!(gradient, 2.0);
    }

    #[test]
    fn an_energy_that_is_no_number_stays_visible() {
        let broken = Quadratic::new(0.0, f64::NAN, 0.0);
        let terms = vec![
            (1.0, &FIRST as &dyn Energy<2>),
            (1.0, &broken as &dyn Energy<2>),
        ];
        let mixture = Mixture::new(terms, 1.0);
        let (energies, gradients) = mixture.energies_and_gradients(states(&[1.0]));
        assert!(values(energies)[0].is_nan() && values(gradients)[0].is_nan());
    }

    #[test]
    fn rows_keep_the_energies_that_are_their_own() {
        let own = Offset(vec![0.5, 2.0, -1.0]);
        let terms = vec![
            (1.0, &FIRST as &dyn Energy<2>),
            (0.5, &own as &dyn Energy<2>),
        ];
        let mixture = Mixture::new(terms, 2.0);
        let x = states(&[1.0, 2.0, 3.0]);
        let whole = mixture.energies_and_gradients(x.clone());
        let rows = mixture
            .of_rows(1..3)
            .expect("an energy differs between rows");
        let (energies, gradients) = rows.energies_and_gradients(x.narrow(0, 1, 2));
        assert_close(&values(energies), &values(whole.0)[1..]);
        assert_close(&values(gradients), &values(whole.1)[1..]);
    }

    #[test]
    #[should_panic = "expected at least one energy, got none"]
    fn refuses_a_mixture_of_nothing() {
        Mixture::<2>::new(Vec::new(), 1.0);
    }

    #[test]
    #[should_panic = "weights of a mixture must be > 0, got -0.5"]
    fn refuses_a_negative_weight() {
        mixture(1.0, -0.5, 1.0);
    }

    #[test]
    #[should_panic = "the sharpness of a mixture must be > 0, got 0"]
    fn refuses_a_sharpness_of_0() {
        mixture(1.0, 1.0, 0.0);
    }
}
