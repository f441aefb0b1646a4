//! Hold a playground to the steps of its run, to their numbers, and to what it may not hide.

use ebm_langevin::Descent;

use super::settings::MOST_STEPS;
use super::*;
use crate::testing::untrained;

const SHAPE: ImageShape = ImageShape::new(1, 16, 16);
const PIXELS: usize = SHAPE.pixels();

fn playground(keys: &[&str]) -> Playground {
    Playground::of_trained(&untrained(keys, SHAPE), Weights::Average)
}

/// Images of greys in (0, 1), no two alike.
fn greys(num: usize) -> Vec<f32> {
    let value = |place: usize| 0.1 + 0.8 * (place * 37 % 251) as f32 / 251.0;
    (0..num * PIXELS).map(value).collect()
}

fn settings(steps: usize) -> PlaySettings {
    PlaySettings {
        seed: 7,
        ..PlaySettings::new(steps)
    }
}

fn played(playground: &Playground, images: &[f32], settings: &PlaySettings) -> Played {
    let played = playground.play(images.to_vec(), None, settings);
    played.expect("it can be played")
}

#[test]
fn no_step_leaves_images_as_they_came_and_tells_their_energies() {
    let trained = untrained(&[], SHAPE);
    let playground = Playground::of_trained(&trained, Weights::Average);
    let found = played(&playground, &greys(3), &settings(0));
    assert_eq!(found.images, greys(3));
    let images = playground.images(greys(3), 3);
    let expected = score::energies(&trained.energy(Weights::Average), images);
    assert_eq!(found.energies, expected);
}

#[test]
fn without_a_slope_and_without_noise_nothing_moves() {
    let trained = untrained(&["model.spectral_norm=false"], SHAPE);
    let mut state = trained.state().clone();
    state.ema = state.ema.clone() * 0.0;
    let flat = Playground::of_state(trained.config(), &state, trained.device());
    let still = PlaySettings {
        noise: 0.0,
        ..settings(9)
    };
    let found = played(&flat, &greys(2), &still);
    assert_eq!(found.images, greys(2));
    assert_eq!(found.energies[0], found.energies[1]);
    assert_ne!(played(&flat, &greys(2), &settings(9)).images, greys(2));
}

#[test]
fn a_step_without_noise_is_that_of_the_run_with_its_multipliers() {
    let trained = untrained(&["langevin.grad_clip=0.0005"], SHAPE);
    let playground = Playground::of_trained(&trained, Weights::Average);
    let model = trained.energy(Weights::Average);
    let (_, gradients) = score::energies_and_gradients(&model, playground.images(greys(2), 2));
    let of_step = PlaySettings {
        noise: 0.0,
        step_size: 3.0,
        temperature: 2.0,
        ..settings(1)
    };
    let descent = Descent {
        step_size: 3.0 * 10.0,
        inverse_temperature: 0.5,
        grad_clip: 0.0005,
        bounds: [0.0, 1.0],
    };
    let found = played(&playground, &greys(2), &of_step).images;
    let mut moved = 0;
    for ((&x, &gradient), &found) in greys(2).iter().zip(&gradients).zip(&found) {
        let expected = descent.of_pixel(x, gradient);
        assert!((expected - found).abs() < 1e-6, "{expected} {found}");
        moved += usize::from((x - found).abs() > 1e-6);
    }
    assert!(moved > PIXELS, "{moved} pixels moved");
}

/// Keys of chains of every kind, each with the four steps from noise of a tiny run.
fn kinds() -> [Vec<&'static str>; 4] {
    let flow = [
        "objective.kind=flow",
        "langevin.method=heun",
        "langevin.grad_clip=none",
        "langevin.flow_temperature=0.001",
    ];
    let hmc = [
        "langevin.method=hmc",
        "langevin.step_size=0.01",
        "langevin.leapfrog_steps=2",
    ];
    let mala = ["langevin.method=mala", "langevin.step_size=0.001"];
    [vec![], mala.to_vec(), hmc.to_vec(), flow.to_vec()]
}

#[test]
fn ten_steps_and_ten_more_are_twenty() {
    for keys in kinds() {
        let playground = playground(&keys);
        let start = playground.starts(5, 3);
        let whole = played(&playground, &start, &settings(20));
        assert!(whole.energies.iter().all(|energy| energy.is_finite()));
        let first = played(&playground, &start, &settings(10));
        let next = PlaySettings {
            from: 10,
            ..settings(10)
        };
        assert_eq!(played(&playground, &first.images, &next), whole, "{keys:?}");
        // The number of a step keys its noise.
        let again = played(&playground, &first.images, &settings(10));
        assert_ne!(again, whole, "{keys:?}");
    }
}

#[test]
fn the_same_question_has_the_same_answer_and_another_seed_another() {
    let playground = playground(&[]);
    let found = played(&playground, &greys(4), &settings(5));
    assert_eq!(played(&playground, &greys(4), &settings(5)), found);
    let other = PlaySettings {
        seed: 8,
        ..settings(5)
    };
    assert_ne!(played(&playground, &greys(4), &other), found);
    // The noise is that of the place, whoever comes after it.
    let alone = played(&playground, &greys(1), &settings(5));
    assert_eq!(alone.images, found.images[..PIXELS]);
    assert_eq!(
        playground.starts(2, 3),
        playground.starts(4, 3)[..2 * PIXELS]
    );
    assert_ne!(playground.starts(2, 3), playground.starts(2, 4));
}

#[test]
fn known_pixels_stay_and_the_others_move() {
    let known: Vec<bool> = (0..2 * PIXELS).map(|place| place % 3 == 0).collect();
    for keys in kinds() {
        let playground = playground(&keys);
        let found = playground.play(greys(2), Some(&known), &settings(6));
        let found = found.expect("it can be played");
        let mut moved = 0;
        for ((before, after), known) in greys(2).iter().zip(&found.images).zip(&known) {
            assert!(!known || before == after, "{keys:?}");
            moved += usize::from(before != after);
        }
        assert!(moved > PIXELS, "{keys:?}: {moved} pixels moved");
        let expected = played(&playground, &found.images, &settings(0)).energies;
        assert_eq!(found.energies, expected, "{keys:?}");
    }
}

#[test]
fn a_mask_is_for_all_channels_of_a_pixel() {
    let shape = ImageShape::new(3, 16, 16);
    let trained = untrained(&[], shape);
    let playground = Playground::of_trained(&trained, Weights::Average);
    let known: Vec<bool> = (0..PIXELS).map(|place| place < 100).collect();
    let mask = playground.mask(&known, 1).expect("of its size");
    let expected: Vec<f32> = known.repeat(3).iter().map(|&it| f32::from(it)).collect();
    assert_eq!(mask, expected);
}

#[test]
fn the_corners_of_a_slice_have_the_energies_of_its_images() {
    let playground = playground(&["model.conditional=true"]);
    for class in [None, Some(2)] {
        let grid = SliceGrid {
            side: 2,
            low: 0.0,
            high: 1.0,
        };
        let corners = greys(3);
        let found = playground.slice(&corners, grid, class);
        let found = found.expect("a slice");
        let plain = PlaySettings {
            class,
            ..settings(0)
        };
        let energies = played(&playground, &corners, &plain).energies;
        for (found, expected) in found.iter().zip(&energies) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        // b + c − a, clipped.
        let [a, b, c] = [0, 1, 2].map(|image| &corners[image * PIXELS..][..PIXELS]);
        let across = a.iter().zip(b).zip(c);
        let across = across.map(|((a, b), c)| (b + c - a).clamp(0.0, 1.0));
        let across: Vec<f32> = across.collect();
        let expected = played(&playground, &across, &plain).energies[0];
        assert!(
            (found[3] - expected).abs() < 1e-5,
            "{} {expected}",
            found[3]
        );
    }
}

#[test]
fn a_slice_has_a_point_for_each_u_and_v() {
    let grid = SliceGrid {
        side: 7,
        low: -0.25,
        high: 1.25,
    };
    assert_eq!(
        [0, 1, 5, 6].map(|index| grid.at(index)),
        [-0.25, 0.0, 1.0, 1.25]
    );
    let playground = playground(&[]);
    let slice = playground.slice(&greys(3), grid, None).expect("a slice");
    assert_eq!(slice.len(), 49);
    let energies = played(&playground, &greys(3), &settings(0)).energies;
    for (place, expected) in [
        (7 + 1, energies[0]),
        (7 + 5, energies[1]),
        (35 + 1, energies[2]),
    ] {
        assert!((slice[place] - expected).abs() < 1e-5, "{place}");
    }
}

#[test]
fn an_energy_that_is_told_the_noise_is_told_the_least_that_it_has_learned() {
    let keys = [
        "objective.kind=denoising",
        "objective.noise_conditional=true",
        "objective.noise_min=0.1",
        "model.filters=none",
        "model.network=unet",
        "model.widths=[4, 8]",
    ];
    let trained = untrained(&keys, SHAPE);
    let playground = Playground::of_trained(&trained, Weights::Average);
    let found = played(&playground, &greys(2), &settings(0)).energies;
    let model = trained.energy(Weights::Average);
    let told = model.with_noise(Tensor::from_floats([0.1, 0.1], trained.device()));
    let expected = score::energies(&told, playground.images(greys(2), 2));
    assert_eq!(found, expected);
    assert_eq!(
        playground
            .slice(&greys(3), CORNERS, None)
            .expect("a slice")
            .len(),
        4
    );
}

const CORNERS: SliceGrid = SliceGrid {
    side: 2,
    low: 0.0,
    high: 1.0,
};

#[test]
fn where_no_step_leads_on_energies_can_be_had_all_the_same() {
    let unet = [
        "objective.kind=recovery",
        "model.filters=none",
        "model.network=unet",
        "model.widths=[4, 8]",
        "langevin.grad_clip=none",
    ];
    let playground = playground(&unet);
    let refused = playground.play(greys(2), None, &settings(1));
    let message = refused.expect_err("no chains").to_string();
    assert!(message.contains("objective.kind=recovery"), "{message}");
    let energies = played(&playground, &greys(3), &settings(0)).energies;
    assert!(energies.iter().all(|energy| energy.is_finite()));
    let slice = playground.slice(&greys(3), CORNERS, None);
    assert!((slice.expect("a slice")[0] - energies[0]).abs() < 1e-5);
}

#[test]
fn what_is_not_a_number_is_not_hidden() {
    let playground = playground(&[]);
    let mut images = greys(2);
    images[PIXELS + 9] = f32::NAN;
    let found = played(&playground, &images, &settings(3));
    assert!(found.energies[0].is_finite() && found.energies[1].is_nan());
    assert!(found.images[PIXELS..].iter().any(|pixel| pixel.is_nan()));
}

#[test]
fn what_cannot_be_played_is_refused() {
    let playground = playground(&["model.conditional=true"]);
    let refused = |images: Vec<f32>, settings: &PlaySettings| {
        let refused = playground
            .play(images, None, settings)
            .expect_err("refused");
        refused.to_string()
    };
    for bad in [0, 1, PIXELS - 1, PIXELS + 1] {
        let message = refused(vec![0.5; bad], &settings(1));
        let expected = format!("a whole number of 1×16×16 images, at least one, got {bad} pixels");
        assert!(message.contains(&expected), "{message}");
    }
    let short = playground.play(greys(2), Some(&[true; PIXELS]), &settings(1));
    let expected = PlayError::OtherMask {
        expected: 2 * PIXELS,
        got: PIXELS,
    };
    assert_eq!(short, Err(expected));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let temperature = PlaySettings {
            temperature: bad,
            ..settings(1)
        };
        assert!(refused(greys(1), &temperature).starts_with("`temperature` must be above 0"));
        let step_size = PlaySettings {
            step_size: bad,
            ..settings(1)
        };
        assert!(refused(greys(1), &step_size).starts_with("`step_size` must be above 0"));
    }
    let noise = PlaySettings {
        noise: -0.5,
        ..settings(1)
    };
    assert_eq!(
        refused(greys(1), &noise),
        "`noise` must be at least 0, got -0.5"
    );
    let class = PlaySettings {
        class: Some(3),
        ..settings(1)
    };
    assert_eq!(
        refused(greys(1), &class),
        "there is no class 3: the model has 3"
    );
    let many = PlaySettings {
        from: MOST_STEPS - 1,
        ..settings(1)
    };
    assert!(refused(greys(1), &many).contains("2²⁴"));
    let two = playground.slice(&greys(2), CORNERS, None);
    assert_eq!(two, Err(PlayError::NotThree { got: 2 }));
}
