//! Check that what is known stays, that what is missing is found, and what is refused.

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::ImageShape;
use ebm_langevin::StepCounter;

use super::*;
use crate::score;
use crate::testing::untrained;
use crate::trained::Weights;

/// A picture of a ramp and an edge.
fn picture(channels: usize) -> Planes {
    let shape = ImageShape::new(channels, 40, 52);
    let value = |place: usize| {
        let column = place % 52;
        0.2 + 0.004 * column as f32 + if place / 52 % 40 < 18 { 0.3 } else { 0.0 }
    };
    Planes {
        pixels: (0..shape.pixels()).map(value).collect(),
        shape,
    }
}

/// Two thin lines across it.
fn lines() -> Mask {
    let is_line = |place: usize| {
        let (row, column) = (place / 52, place % 52);
        column == 20 || column == 21 || row == column / 2
    };
    Mask {
        missing: (0..40 * 52).map(is_line).collect(),
        size: [40, 52],
    }
}

#[test]
fn what_is_missing_is_found_and_what_is_known_stays() {
    let (mask, denoiser) = (lines(), Denoiser::shipped(&Device::flex()));
    for channels in [1, 3] {
        let clean = picture(channels);
        let mut damaged = clean.clone();
        for (place, value) in damaged.pixels.iter_mut().enumerate() {
            if mask.missing[place % (40 * 52)] {
                *value = 1.0;
            }
        }
        let options = RestoreOptions {
            method: RestoreMethod::Draws,
            samples: 2,
            seed: 3,
        };
        let mut steps = Vec::new();
        let mut report = |done, most| steps.push((done, most));
        let restored = denoiser.restore(&damaged, &mask, &options, &mut report);
        let restored = restored.expect("restores");
        assert!(steps.is_sorted() && steps.last() == Some(&(200, 200)));
        let [one, other] = &restored.samples[..] else {
            panic!("expected two restorations");
        };
        assert_ne!(one, other);
        let mut largest = 0.0_f32;
        for (place, (got, clean)) in restored.mean().pixels.iter().zip(&clean.pixels).enumerate() {
            if mask.missing[place % (40 * 52)] {
                largest = largest.max((got - clean).abs());
            } else {
                assert_eq!(got, clean, "a known pixel stays");
            }
        }
        assert!(largest < 0.15, "{largest}");
        let spread = restored.spread();
        let is_certain = |(spread, missing): (&f32, &bool)| (*spread == 0.0) != *missing;
        let certain = spread
            .iter()
            .zip(&mask.missing)
            .filter(|(s, m)| is_certain((s, m)));
        assert_eq!(
            certain.count(),
            spread.len(),
            "doubt is where pixels are missing"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_restoration() {
    let denoiser = Denoiser::shipped(&Device::flex());
    let restored = |method, seed| {
        let options = RestoreOptions {
            method,
            samples: 1,
            seed,
        };
        let restored = denoiser.restore(&picture(1), &lines(), &options, &mut |_, _| {});
        restored.expect("restores").samples.remove(0)
    };
    for method in [RestoreMethod::Descent, RestoreMethod::Draws] {
        assert_eq!(restored(method, 1), restored(method, 1));
        assert_ne!(restored(method, 1), restored(method, 2));
    }
}

#[test]
fn missing_pixels_are_filled_from_their_edges_inwards() {
    let shape = ImageShape::new(1, 1, 7);
    let row = Planes {
        pixels: vec![0.0, 9.0, 9.0, 9.0, 9.0, 9.0, 1.0],
        shape,
    };
    let mask = Mask {
        missing: [false, true, true, true, true, true, false].to_vec(),
        size: [1, 7],
    };
    assert_eq!(
        filled(&row, &mask).pixels,
        [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]
    );
}

#[test]
fn a_mask_of_another_size_or_without_use_is_refused() {
    let denoiser = Denoiser::shipped(&Device::flex());
    let refused = |mask: &Mask| {
        let refused = denoiser.restore(
            &picture(1),
            mask,
            &RestoreOptions::default(),
            &mut |_, _| {},
        );
        refused.expect_err("refused").to_string()
    };
    let mask = |missing, size: [usize; 2]| Mask {
        missing: vec![missing; size[0] * size[1]],
        size,
    };
    assert_eq!(
        refused(&mask(true, [40, 50])),
        "the mask is 50 by 40, and the picture is 52 by 40"
    );
    assert!(refused(&mask(false, [40, 52])).starts_with("the mask is empty"));
    assert!(refused(&mask(true, [40, 52])).starts_with("the mask covers the whole picture"));
}

#[test]
fn a_descent_ends_near_the_truth_and_keeps_what_is_known() {
    let (mask, denoiser) = (lines(), Denoiser::shipped(&Device::flex()));
    let clean = picture(3);
    let mut damaged = clean.clone();
    for (place, value) in damaged.pixels.iter_mut().enumerate() {
        if mask.missing[place % (40 * 52)] {
            *value = 0.0;
        }
    }
    let mut steps = Vec::new();
    let mut report = |done, most| steps.push((done, most));
    let options = RestoreOptions::default();
    let restored = denoiser.restore(&damaged, &mask, &options, &mut report);
    let restored = restored.expect("restores").mean();
    assert!(steps.is_sorted() && steps.last() == Some(&(40, 40)));
    let mut largest = 0.0_f32;
    for (place, (got, clean)) in restored.pixels.iter().zip(&clean.pixels).enumerate() {
        if mask.missing[place % (40 * 52)] {
            largest = largest.max((got - clean).abs());
        } else {
            assert_eq!(got, clean, "a known pixel stays");
        }
    }
    assert!(largest < 0.1, "{largest}");
}

#[test]
fn a_grey_picture_is_refused_by_a_run_of_colours_for_that_alone() {
    let trained = untrained(&[], ImageShape::new(3, 16, 16));
    let grey = Planes {
        pixels: vec![0.5; 256],
        shape: ImageShape::new(1, 16, 16),
    };
    let mask = Mask {
        missing: (0..256).map(|place| place < 16).collect(),
        size: [16, 16],
    };
    let (options, counter) = (RestoreOptions::default(), StepCounter::default());
    let refused = trained.restore(&grey, &mask, None, Weights::Average, &options, counter);
    assert_eq!(
        refused.expect_err("refused").to_string(),
        "this model takes images in colour, and the picture is in grey"
    );
}

#[test]
fn of_an_unknown_class_the_likeliest_of_all_is_kept() {
    let shape = ImageShape::new(1, 16, 16);
    let keys = [
        "model.conditional=true",
        "model.class_head=true",
        "objective.kind=jem",
        "objective.given_class=true",
    ];
    let trained = untrained(&keys, shape);
    let picture = Planes {
        pixels: (0..256).map(|place| place as f32 / 256.0).collect(),
        shape,
    };
    let mask = Mask {
        missing: (0..256).map(|place| place >= 128).collect(),
        size: [16, 16],
    };
    let options = RestoreOptions {
        method: RestoreMethod::Draws,
        samples: 5,
        seed: 3,
    };
    let restored = |class| {
        let counter = StepCounter::default();
        let (weights, counted) = (Weights::Average, counter.clone());
        let restored = trained.restore(&picture, &mask, class, weights, &options, counted);
        let gradients = options.samples * trained.gradients_of_restoration(class);
        assert_eq!(counter.gradients(), gradients as u64);
        restored.expect("restores").samples
    };
    let model = trained.energy(Weights::Average);
    let energy = |image: &Planes, class: u32| {
        let of_class = score::under_class(&model, Some(class), 1, trained.device());
        let pixels = TensorData::new(image.pixels.clone(), shape.batch(1));
        score::energies(
            of_class.as_ref(),
            Tensor::from_data(pixels, trained.device()),
        )[0]
    };
    let given: Vec<Vec<Planes>> = (0..3).map(|class| restored(Some(class))).collect();
    for (place, likeliest) in restored(None).iter().enumerate() {
        let of = |class: u32| energy(&given[class as usize][place], class);
        let class = (0..3).min_by(|&one, &other| of(one).total_cmp(&of(other)));
        let class = class.expect("there are classes") as usize;
        assert_eq!(*likeliest, given[class][place], "sample {place}");
    }
    let one = trained.gradients_of_restoration(Some(0));
    assert_eq!(trained.gradients_of_restoration(None), 3 * one);
}
