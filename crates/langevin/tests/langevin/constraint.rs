//! Hold bound energies to their gradients by the tape, and their chains to the laws that they have.

use burn::tensor::{Device, Tensor};
use ebm_core::{Energy, NoiseKey, Stream, energy_and_gradient};
use ebm_langevin::{Known, LangevinConfig, Method, Sampler, Tied};

use crate::laws::moments;

/// Curvature and minimum of a quadratic energy a·‖x − m‖²/2.
const CURVATURE: f64 = 2.0;
const CENTER: f64 = 0.2;

fn quadratic(x: Tensor<2>) -> Tensor<1> {
    let far = (x - CENTER).square() * (CURVATURE / 2.0);
    far.sum_dim(1).squeeze_dim(1)
}

/// Σ sin 3x + ¼(Σ x)², which couples pixels.
fn waves(x: Tensor<2>) -> Tensor<1> {
    let total: Tensor<1> = x.clone().sum_dim(1).squeeze_dim(1);
    let waves: Tensor<1> = (x * 3.0).sin().sum_dim(1).squeeze_dim(1);
    waves + total.square() * 0.25
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn tensor<const N: usize, const M: usize>(rows: [[f32; M]; N]) -> Tensor<2> {
    Tensor::from_floats(rows, &Device::flex())
}

fn close(one: &[f64], other: &[f64]) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        assert!((one - other).abs() < 2e-5, "{one} is not {other}");
    }
}

/// The gradient is that of the tape, and rows have the energies that they have among all.
fn assert_is_energy(energy: &dyn Energy<2>, x: Tensor<2>) {
    let (energies, gradients) = energy.energies_and_gradients(x.clone());
    let (by_tape, gradients_by_tape) = energy_and_gradient(x.clone(), &|x| energy.energies(x));
    close(&floats(energies.clone()), &floats(by_tape));
    close(&floats(gradients.clone()), &floats(gradients_by_tape));
    let rows = energy.of_rows(1..3).expect("rows differ");
    let (some, of_some) = rows.energies_and_gradients(x.clone().narrow(0, 1, 2));
    assert_eq!(floats(some.clone()), floats(energies.narrow(0, 1, 2)));
    assert_eq!(floats(of_some), floats(gradients.narrow(0, 1, 2)));
    // Rows of rows.
    let last = rows.of_rows(1..2).expect("rows differ");
    let last = last.energies(x.narrow(0, 2, 1));
    close(&floats(last), &floats(some.narrow(0, 1, 1)));
}

#[test]
fn a_tie_adds_the_square_of_the_distance_over_twice_the_variance() {
    let x = tensor([[0.5, 1.0], [0.0, -1.0], [2.0, 0.25]]);
    let y = tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0]]);
    let flat = |x: Tensor<2>| -> Tensor<1> { x.sum_dim(1).squeeze_dim(1) };
    let tied = Tied::new(&flat, y.clone(), 0.5);
    // Σ x + 2·‖x − y‖².
    let expected = [1.5 + 0.5, -1.0 + 4.0, 2.25 + 0.125];
    close(&floats(tied.energies(x.clone())), &expected);
    let tied = Tied::with_stds(&flat, y, &[0.5, 1.0, f64::INFINITY]);
    let (energies, gradients) = tied.energies_and_gradients(x);
    close(&floats(energies), &[2.0, -1.0 + 1.0, 2.25]);
    close(&floats(gradients), &[3.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn gradients_are_those_of_the_tape_and_rows_keep_what_is_theirs() {
    let x = tensor([[0.5, 1.0], [0.0, -1.0], [2.0, 0.25], [0.3, 0.1]]);
    let y = tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [0.2, 0.7]]);
    let tied = Tied::with_stds(&waves, y.clone(), &[0.5, 1.0, 0.3, 2.0]);
    assert_is_energy(&tied, x.clone());
    let mask = tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]]);
    let known = Known::new(&waves, y, mask);
    assert_is_energy(&known, x.clone());
    // One bound to another.
    let both = Tied::new(&known, x.clone() * 0.5, 0.4);
    assert_is_energy(&both, x);
}

#[test]
#[should_panic = "3 images need as many standard deviations"]
fn every_image_needs_a_standard_deviation() {
    let y = tensor([[0.0], [1.0], [2.0]]);
    Tied::with_stds(&quadratic, y, &[1.0, 1.0]);
}

#[test]
#[should_panic = "a standard deviation must be > 0, got 0"]
fn a_tie_without_any_give_is_refused() {
    Tied::new(&quadratic, tensor([[0.0]]), 0.0);
}

/// Chains of `method` from `x`, some of whose proposals are rejected.
fn run(method: Method, x: Tensor<2>, energy: &dyn Energy<2>) -> Vec<f64> {
    let (steps, size) = match method {
        Method::Hmc => (40, 0.3),
        _ => (300, 0.2),
    };
    let mut config = LangevinConfig::new(steps)
        .with_method(method)
        .with_step_size(size)
        .with_bounds(None);
    config.leapfrog_steps = 3;
    let ids: Vec<u32> = (0..x.dims()[0] as u32).collect();
    let sampler = Sampler::new(config, NoiseKey::new(20_210_503, Stream::Sample, 0));
    floats(sampler.with_piece_size(1_500).run(x, &ids, energy).x)
}

#[track_caller]
fn assert_normal(values: &[f64], mean: f64, precision: f64) {
    let n = values.len() as f64;
    let (found, variance) = moments(values);
    let of_mean = (found - mean).abs() * (n * precision).sqrt();
    let of_variance = (variance * precision - 1.0).abs() / (2.0 / (n - 1.0)).sqrt();
    assert!(
        of_mean < 5.0 && of_variance < 5.0,
        "mean {found} of {mean} ({of_mean} standard errors), variance {variance} of {} ({of_variance})",
        1.0 / precision
    );
}

#[test]
fn chains_under_a_tie_have_the_precisions_of_both_and_the_mean_between() {
    let half = 4_000;
    let groups = [(0.9, 0.5), (-0.6, 1.0)];
    let of_groups = |values: [f32; 2]| {
        let [one, other] = values.map(|value| Tensor::full([half, 1], value, &Device::flex()));
        Tensor::<2>::cat(vec![one, other], 0)
    };
    let observed = of_groups(groups.map(|(y, _)| y));
    let stds = groups.map(|(_, std)| vec![std; half]).concat();
    let tied = Tied::with_stds(&quadratic, observed.clone(), &stds);
    for method in [Method::Mala, Method::Hmc] {
        let values = run(method, observed.clone(), &tied);
        for ((y, std), values) in groups.into_iter().zip(values.chunks(half)) {
            let tie = 1.0 / (std * std);
            let precision = CURVATURE + tie;
            let mean = (CURVATURE * CENTER + tie * f64::from(y)) / precision;
            assert_normal(values, mean, precision);
        }
    }
}

#[test]
fn known_pixels_are_kept_and_the_others_have_their_law_given_them() {
    // E = (2x₀² + 2x₁² + 2·x₀x₁)/2: given x₁, x₀ is normal with precision 2 and mean −x₁/2.
    let coupled = |x: Tensor<2>| -> Tensor<1> {
        let total: Tensor<1> = x.clone().sum_dim(1).squeeze_dim(1);
        let squares: Tensor<1> = x.square().sum_dim(1).squeeze_dim(1);
        (squares + total.square()) * 0.5
    };
    let chains = 6_000;
    let x = Tensor::<2>::full([chains, 2], 0.75, &Device::flex());
    let mask = tensor([[0.0, 1.0]]).repeat(&[chains, 1]);
    let known = Known::new(&coupled, x.clone(), mask);
    for method in [Method::Mala, Method::Hmc] {
        let values = run(method, x.clone(), &known);
        let end = Tensor::<1>::from_floats(
            values
                .iter()
                .map(|v| *v as f32)
                .collect::<Vec<_>>()
                .as_slice(),
            &Device::flex(),
        );
        let filled = floats(known.filled(end.reshape([chains, 2])));
        let (free, kept): (Vec<_>, Vec<_>) = filled.chunks(2).map(|row| (row[0], row[1])).unzip();
        assert!(kept.iter().all(|pixel| *pixel == 0.75), "{method}");
        assert_normal(&free, -0.75 / 2.0, 2.0);
    }
}

#[test]
fn steps_without_noise_leave_known_pixels_as_they_are() {
    let x = tensor([[0.1, 0.9, 0.4], [0.3, 0.2, 0.8]]);
    let mask = tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
    let known = Known::new(&waves, x.clone(), mask.clone());
    for method in [Method::Sgld, Method::Euler, Method::Heun] {
        let config = LangevinConfig::new(7)
            .with_method(method)
            .with_step_size(0.05)
            .with_noise_std(0.0);
        let sampler = Sampler::new(config, NoiseKey::new(1, Stream::Sample, 0));
        let end = floats(sampler.with_piece_size(1).run(x.clone(), &[0, 1], &known).x);
        for ((end, start), known) in end.iter().zip(floats(x.clone())).zip(floats(mask.clone())) {
            assert_eq!(*end == start, known == 1.0, "{method}");
        }
    }
}
