//! Check that combined energies draw what their parts would, and what is refused.

use super::*;
use crate::sample::{SampleOptions, sample};
use crate::testing::untrained;

const SMALL: ImageShape = ImageShape::new(1, 16, 16);
fn conditional() -> Trained {
    untrained(&["model.conditional=true"], SMALL)
}

fn part(weight: f64, trained: &Trained, class: Option<u32>) -> Part<'_> {
    Part {
        weight,
        trained,
        class,
    }
}

/// Twenty samples: pixels and energies.
fn drawn(parts: &[Part<'_>], combine: Combine) -> (Vec<f32>, Vec<f32>) {
    let composition = Composition::new(parts, combine, Weights::Average).expect("can be combined");
    let options = ComposeOptions::new(&composition, 20);
    let counter = StepCounter::default();
    let samples = composition.sample(&options, counter.clone());
    let samples = samples.expect("finite");
    assert_eq!(counter.gradients(), options.num_gradients());
    (pixels(&samples), samples.energies)
}

fn pixels(samples: &Samples) -> Vec<f32> {
    samples.images.clone().into_data().iter::<f32>().collect()
}

#[track_caller]
fn assert_close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-4, "{got} is not {expected}");
    }
}

#[test]
fn one_energy_of_weight_1_draws_the_samples_of_its_run() {
    let with_classes = conditional();
    let options = SampleOptions {
        labels: vec![2; 20],
        ..SampleOptions::new(&with_classes, 20)
    };
    let own = sample(&with_classes, &options).expect("finite");
    for combine in [Combine::And, Combine::Or { sharpness: 100.0 }] {
        let (found, energies) = drawn(&[part(1.0, &with_classes, Some(2))], combine);
        assert_eq!((found, &energies), (pixels(&own), &own.energies));
    }
    let without = untrained(&[], SMALL);
    let own = sample(&without, &SampleOptions::new(&without, 20)).expect("finite");
    let (found, _) = drawn(&[part(1.0, &without, None)], Combine::And);
    assert_eq!(found, pixels(&own));
}

#[test]
fn halves_of_one_energy_are_the_whole() {
    let model = conditional();
    let whole = drawn(&[part(1.0, &model, Some(1))], Combine::And);
    let halves = [part(0.5, &model, Some(1)), part(0.5, &model, Some(1))];
    assert_eq!(drawn(&halves, Combine::And), whole);
    let (mixed, energies) = drawn(&halves, Combine::Or { sharpness: 10.0 });
    assert_close(&mixed, &whole.0);
    assert_close(&energies, &whole.1);
    // What is added and taken away again does not count.
    let other = untrained(&["seed=1"], SMALL);
    let and_back = [
        part(1.0, &model, Some(1)),
        part(0.25, &other, None),
        part(-0.25, &other, None),
    ];
    let (same, energies) = drawn(&and_back, Combine::And);
    assert_close(&same, &whole.0);
    assert_close(&energies, &whole.1);
}

#[test]
fn a_combined_energy_is_that_of_its_terms_which_are_told_one_by_one() {
    let (model, other) = (conditional(), untrained(&["seed=1"], SMALL));
    let parts = [
        part(2.0, &model, Some(0)),
        part(-0.5, &model, None),
        part(1.0, &other, None),
    ];
    let composition = Composition::new(&parts, Combine::And, Weights::Average);
    let composition = composition.expect("can be combined");
    assert_eq!(composition.networks.len(), 2, "one for each model");
    let options = ComposeOptions::new(&composition, 6);
    let samples = composition.sample(&options, StepCounter::default());
    let samples = samples.expect("finite");
    let by_term = composition.energies_by_term(&samples.images);
    assert_eq!(by_term.len(), 3);
    for (image, energy) in samples.energies.iter().enumerate() {
        let sum = 2.0 * by_term[0][image] - 0.5 * by_term[1][image] + by_term[2][image];
        assert!((sum - energy).abs() < 1e-4, "{sum} is not {energy}");
    }
}

#[test]
fn samples_in_parts_are_those_drawn_at_once() {
    let model = conditional();
    let parts = [part(1.0, &model, Some(0)), part(0.5, &model, Some(1))];
    let composition = Composition::new(&parts, Combine::And, Weights::Average);
    let composition = composition.expect("can be combined");
    let all = ComposeOptions {
        steps: 1,
        ..ComposeOptions::new(&composition, 510)
    };
    let draw = |options: &ComposeOptions| {
        let samples = composition.sample(options, StepCounter::default());
        pixels(&samples.expect("finite"))
    };
    let sizes: Vec<_> = all.parts().map(|part| part.num).collect();
    assert_eq!(sizes, [500, 10]);
    let in_parts: Vec<f32> = all.parts().flat_map(|part| draw(&part)).collect();
    assert_eq!(in_parts, draw(&all));
}

#[test]
fn of_several_chains_of_an_image_the_one_of_least_energy_is_kept() {
    let model = conditional();
    let parts = [part(1.0, &model, Some(0)), part(0.5, &model, Some(1))];
    let composition = Composition::new(&parts, Combine::And, Weights::Average);
    let composition = composition.expect("can be combined");
    let of = |num: usize, best_of: usize| ComposeOptions {
        best_of,
        steps: 1,
        trajectory_every: Some(1),
        ..ComposeOptions::new(&composition, num)
    };
    let draw = |options: &ComposeOptions| {
        let samples = composition.sample(options, StepCounter::default());
        samples.expect("finite")
    };
    let (every, best) = (draw(&of(12, 1)), draw(&of(4, 3)));
    let end = |samples: &Samples| samples.trajectory[1].clone().into_data();
    assert_eq!(best.energies.len(), 4);
    for (image, (chains, &energy)) in every.energies.chunks(3).zip(&best.energies).enumerate() {
        let least = chains.iter().copied().fold(f32::INFINITY, f32::min);
        assert_eq!(energy, least);
        let chain = 3 * image + chains.iter().position(|&it| it == least).expect("one");
        let of_chain = every.images.clone().slice(chain..chain + 1).into_data();
        let kept = best.images.clone().slice(image..image + 1).into_data();
        assert_eq!(kept, of_chain);
    }
    assert_eq!(end(&best), best.images.clone().into_data());
    // Chains of an image are not parted: 166 images of three chains are below 500.
    let all = of(170, 3);
    let sizes: Vec<_> = all
        .parts()
        .map(|part| (part.first_chain, part.num))
        .collect();
    assert_eq!(sizes, [(0, 166), (498, 4)]);
    let in_parts: Vec<f32> = all.parts().flat_map(|part| pixels(&draw(&part))).collect();
    assert_eq!(in_parts, pixels(&draw(&all)));
}

#[test]
#[should_panic = "expected a chain of each image, got none"]
fn an_image_of_no_chain_is_refused() {
    let model = conditional();
    let parts = [part(1.0, &model, None)];
    let composition = Composition::new(&parts, Combine::And, Weights::Average);
    let composition = composition.expect("can be combined");
    let options = ComposeOptions {
        best_of: 0,
        ..ComposeOptions::new(&composition, 2)
    };
    let _ = composition.sample(&options, StepCounter::default());
}

#[test]
fn refuses_weights_that_have_no_bottom() {
    let model = untrained(&[], SMALL);
    let parts = [part(-1.0, &model, None)];
    let refused = Composition::new(&parts, Combine::And, Weights::Average);
    let error = refused.expect_err("refused").to_string();
    assert!(error.contains("no bottom"), "{error}");
}

#[test]
fn refuses_images_of_different_shapes_and_names_both() {
    let (small, large) = (
        untrained(&[], SMALL),
        untrained(&[], ImageShape::new(1, 28, 28)),
    );
    let parts = [part(1.0, &small, None), part(1.0, &large, None)];
    let refused = Composition::new(&parts, Combine::And, Weights::Average);
    let error = refused.expect_err("refused").to_string();
    for name in [&small, &large].map(|it| it.checkpoint().display().to_string()) {
        assert!(error.contains(&name), "{error}");
    }
    for shape in ["1×16×16", "1×28×28"] {
        assert!(error.contains(shape), "{error}");
    }
}

#[test]
fn refuses_energies_at_noise_levels() {
    let recovery = [
        "objective.kind=recovery",
        "model.filters=none",
        "model.network=unet",
        "model.widths=[4, 4]",
        "langevin.grad_clip=none",
    ];
    let model = untrained(&recovery, SMALL);
    let parts = [part(1.0, &model, None)];
    let refused = Composition::new(&parts, Combine::And, Weights::Average);
    let error = refused.expect_err("refused").to_string();
    assert!(error.contains("several noise levels"), "{error}");
}

#[test]
#[should_panic = "expected one of 3 classes, got class 3"]
fn refuses_a_class_that_a_model_does_not_have() {
    let model = conditional();
    let parts = [part(1.0, &model, Some(3))];
    let _ = Composition::new(&parts, Combine::And, Weights::Average);
}
