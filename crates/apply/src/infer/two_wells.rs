//! Hold several descents, and the free energy that begins with them, to an energy of two wells whose integral is known.

use core::f64::consts::TAU;

use ebm_core::rows::row_sums;
use ebm_model::{Inference, Minimum};

use super::starts::{least_of_each, minima_of};
use super::*;

/// p: the share of the upper well.
const UPPER: f64 = 0.02;
/// a: the standard deviation of both.
const STD: f64 = 0.1;

/// E(x, z) = −ln[p·N(z; 0, a²I) + (1 − p)·N(z; c, a²I)], c = (1.4 + 0.2·x, 0) of an image of one pixel: an upper
/// well at z = 0, a lower one 14 standard deviations or more away, and ∫ exp(−E(x, z)) dz = 1.
struct TwoWells;

impl LatentEnergy for TwoWells {
    fn num_latents(&self) -> usize {
        2
    }

    fn joint_energy(&self, x: Tensor<4>, z: Tensor<2>) -> Tensor<1> {
        let x: Tensor<2> = x.flatten(1, 3);
        let centres = Tensor::cat(vec![x.clone() * 0.2 + 1.4, x.zeros_like()], 1);
        let of_well = |off: Tensor<2>, share: f64| {
            let constant = (TAU * STD * STD).ln() - share.ln();
            row_sums(off.square()) / (2.0 * STD * STD) + constant
        };
        let upper = of_well(z.clone(), UPPER);
        let lower = of_well(z - centres, 1.0 - UPPER);
        // −ln(e⁻ᵘ + e⁻ˡ) = l − ln(1 + eˡ⁻ᵘ).
        let above = lower.clone() - upper;
        let rest = (-above.clone().abs()).exp().log1p();
        lower - above.clamp_min(0.0) - rest
    }

    fn generative(&self) -> Option<&dyn Generative> {
        None
    }

    fn inference(&self) -> Inference {
        Inference {
            steps: 60,
            step_size: 0.005,
        }
    }
}

fn images(pixels: &[f32]) -> Tensor<4> {
    let pixels = Tensor::<1>::from_floats(pixels, &Device::flex());
    let images = pixels.dims()[0];
    pixels.reshape([images, 1, 1, 1])
}

/// Where descents end from every start of every image.
fn minima(pixels: &[f32], starts: usize, seed: u64) -> Vec<Minimum> {
    let of_all = each_repeated(&images(pixels), starts);
    minima_of(
        &Posterior::new(&TwoWells, of_all),
        pixels.len(),
        TwoWells.inference(),
        &Device::flex(),
        SearchOptions { starts, seed },
        &StepCounter::default(),
    )
}

#[test]
fn one_start_finds_the_upper_of_two_wells_and_several_find_the_lower() {
    let pixels = [0.0, 0.5, 1.0];
    let at_bottom = |share: f64| (TAU * STD * STD).ln() - share.ln();
    for (starts, share) in [(1, UPPER), (16, 1.0 - UPPER)] {
        let minima = minima(&pixels, starts, 0);
        let least = least_of_each(&minima, starts);
        assert_eq!(least.len(), pixels.len());
        for (minimum, pixel) in least.into_iter().zip(pixels) {
            let off = f64::from(minimum.energy) - at_bottom(share);
            assert!(off.abs() < 1e-3, "{starts}: {minimum:?}, {off}");
            let centre = if starts == 1 { 0.0 } else { 1.4 + 0.2 * pixel };
            let [first, second] = minimum.latents[..] else {
                panic!("expected two latents, got {minimum:?}");
            };
            assert!((first - centre).abs() < 0.01 && second.abs() < 0.01);
        }
    }
}

#[test]
fn what_is_found_of_an_image_does_not_depend_on_the_images_beside_it() {
    let together = minima(&[0.0, 0.5, 1.0], 16, 3);
    for (place, pixel) in [0.0, 0.5, 1.0].into_iter().enumerate() {
        let own = &together[place * 16..(place + 1) * 16];
        assert_eq!(own, minima(&[pixel], 16, 3));
    }
}

#[test]
fn starts_are_a_function_of_the_seed_and_more_of_them_begin_with_the_same() {
    let found = minima(&[0.5], 16, 1);
    assert_eq!(found, minima(&[0.5], 16, 1));
    assert_ne!(found, minima(&[0.5], 16, 2));
    // Other pieces of a batch round otherwise.
    for (few, many) in minima(&[0.5], 5, 1).iter().zip(&found) {
        assert!((few.energy - many.energy).abs() < 1e-3);
    }
}

#[test]
fn the_free_energy_of_two_wells_is_that_of_both_where_several_starts_find_them() {
    let device = Device::flex();
    let estimate = |starts| {
        let options = FreeEnergyOptions {
            starts,
            ..FreeEnergyOptions::default()
        };
        let counter = StepCounter::default();
        let x = images(&[0.5]);
        let found = free_energy_of(&TwoWells, &x, None, &device, options, counter);
        found.expect("finite")
    };
    let both = estimate(16);
    assert!(both.value.abs() < 5.0 * both.error, "{both:?}");
    assert!(both.error < 0.3 && both.effective_chains > 10.0, "{both:?}");
    // Of the upper well alone it is −ln p = 3.9.
    let upper = estimate(1);
    assert!(upper.value > 3.0, "{upper:?}");
}

#[test]
#[should_panic = "expected at least one start"]
fn a_search_without_a_start_is_refused() {
    let options = FreeEnergyOptions {
        starts: 0,
        ..FreeEnergyOptions::default()
    };
    let counter = StepCounter::default();
    let device = Device::flex();
    let _ = free_energy_of(&TwoWells, &images(&[0.5]), None, &device, options, counter);
}
