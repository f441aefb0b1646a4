//! Check denoising on pictures whose noise is known, and that tiles leave no seam.

use ebm_core::{Distribution, NoiseKey, Stream};
use ebm_langevin::Noise;
use ebm_model::EnergyModel;
use ebm_train::initial_model;

use super::*;
use crate::testing::untrained;

/// A picture of plain areas, edges and ramps.
fn clean(shape: ImageShape) -> Planes {
    let ImageShape {
        channels,
        height,
        width,
    } = shape;
    let value = |channel: usize, row: usize, column: usize| {
        let ramp = 0.3 * column as f32 / width as f32;
        let inside = (row / 24 + column / 31 + channel).is_multiple_of(2);
        if inside { 0.2 + ramp } else { 0.7 - ramp }
    };
    let places = (0..channels).flat_map(|channel| {
        (0..height).flat_map(move |row| (0..width).map(move |column| (channel, row, column)))
    });
    Planes {
        pixels: places
            .map(|(c, row, column)| value(c, row, column))
            .collect(),
        shape,
    }
}

pub(super) fn noisy(picture: &Planes, sigma: f32) -> Planes {
    let noise = Noise {
        key: NoiseKey::new(5, Stream::DataNoise, 0),
        distribution: Distribution::Normal,
        scale: sigma,
    };
    let noise = noise.of_batch(&[0], picture.pixels.len());
    let pixels = picture.pixels.iter().zip(noise);
    Planes {
        pixels: pixels.map(|(value, noise)| value + noise).collect(),
        shape: picture.shape,
    }
}

fn psnr(a: &Planes, b: &Planes) -> f64 {
    let differences = a.pixels.iter().zip(&b.pixels).map(|(a, b)| a - b);
    -20.0 * root_mean_square(&differences.collect::<Vec<_>>()).log10()
}

fn denoised(denoiser: &Denoiser, picture: &Planes, options: DenoiseOptions) -> Denoised {
    let mut parts = Vec::new();
    let denoised = denoiser.denoise(picture, options, &mut |done, all| parts.push((done, all)));
    assert!(parts.is_sorted() && parts.last().is_some_and(|(done, all)| done == all));
    denoised.expect("denoises")
}

#[test]
fn the_programs_own_model_takes_most_of_the_noise_off_grey_and_colours() {
    let denoiser = Denoiser::shipped(&Device::flex());
    assert!(!denoiser.is_blind());
    for (channels, sigma) in [(1, 15.0), (1, 50.0), (3, 25.0)] {
        let sigma = sigma / 255.0;
        let picture = clean(ImageShape::new(channels, 70, 93));
        let given = noisy(&picture, sigma);
        let got = denoised(&denoiser, &given, DenoiseOptions::default());
        let gain = psnr(&picture, &got.planes) - psnr(&picture, &given);
        assert!(gain > 11.0, "{channels} planes, σ = {sigma}: {gain} dB");
        let share = got.taken / f64::from(sigma);
        assert!((0.9..1.05).contains(&share), "{share} of σ = {sigma}");
    }
}

#[test]
fn a_picture_in_tiles_is_the_whole_picture() {
    let given = noisy(&clean(ImageShape::new(1, 141, 230)), 0.1);
    let whole = denoised(
        &Denoiser::shipped(&Device::flex()),
        &given,
        DenoiseOptions::default(),
    );
    let reach = Denoiser::shipped(&Device::flex())
        .locality
        .expect("local")
        .reach;
    let tiled = Denoiser::shipped(&Device::flex()).with_tile(2 * reach + 24);
    let tiled = denoised(&tiled, &given, DenoiseOptions::default());
    let differences = whole.planes.pixels.iter().zip(&tiled.planes.pixels);
    let largest = differences.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-4, "{largest}");
}

/// The preset without what its energy is told.
const BLIND: &str = "objective.noise_conditional=false";

/// A model that has learned nothing, f = 0, so that E = ½‖2x − 1‖² and ∇E = 4x − 2.
fn untrained_denoiser(keys: &[&str], channels: usize) -> Denoiser {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let config = Config::resolve("photos", None, &keys).expect("resolves");
    let (shape, device) = (ImageShape::new(channels, 48, 48), Device::flex());
    let model = initial_model(&config, shape, 0, &device).expect("fits");
    Denoiser::new(&config, Frozen::new(&model), shape, &device)
}

#[test]
fn one_step_is_s_times_the_gradient() {
    let picture = clean(ImageShape::new(1, 21, 30));
    let with = |denoiser: &Denoiser, sigma, strength| {
        let options = DenoiseOptions {
            sigma,
            strength,
            ..DenoiseOptions::default()
        };
        denoised(denoiser, &picture, options)
    };
    let largest_error = |got: &Denoised, expected: &dyn Fn(f32) -> f32| {
        let pairs = got.planes.pixels.iter().zip(&picture.pixels);
        let errors = pairs.map(|(got, &x)| (got - expected(x)).abs());
        errors.fold(0.0, f32::max)
    };
    // σ₀ = ½: s = ¼, so that everything becomes medium grey.
    let told = untrained_denoiser(&[], 1);
    assert!(largest_error(&with(&told, Some(0.03), 1.0), &|_| 0.5) < 1e-4);
    let blind = untrained_denoiser(&[BLIND], 1);
    assert!(largest_error(&with(&blind, None, 1.0), &|_| 0.5) < 1e-4);
    assert!(largest_error(&with(&blind, None, 0.5), &|x| (x + 0.5) / 2.0) < 1e-4);
    assert_eq!(with(&blind, None, 0.0).planes, picture);
    // As much as was asked for is taken away.
    let told = with(&blind, Some(0.03), 1.0);
    assert!((told.taken - 0.03).abs() < 1e-6);
    let differences = told.planes.pixels.iter().zip(&picture.pixels);
    let taken: Vec<f32> = differences.map(|(got, x)| x - got).collect();
    assert!((root_mean_square(&taken) - 0.03).abs() < 1e-5);

    let mut told = untrained_denoiser(&[BLIND], 1);
    told.reference = None;
    let expected = |x: f32| x - 0.01 * (4.0 * x - 2.0);
    assert!(largest_error(&with(&told, Some(0.1), 1.0), &expected) < 1e-5);
    // Not told, it measures: plain areas have no noise.
    assert!(largest_error(&with(&told, None, 1.0), &|x| x) < 1e-3);
}

#[test]
fn below_the_least_noise_that_an_energy_is_told_a_step_shrinks_with_the_square_of_the_noise() {
    let picture = clean(ImageShape::new(1, 40, 70));
    let shipped = Denoiser::shipped(&Device::flex());
    let taken = |denoiser: &Denoiser, sigma| {
        let options = DenoiseOptions {
            sigma: Some(sigma),
            ..DenoiseOptions::default()
        };
        denoised(denoiser, &picture, options).taken
    };
    let [least, _] = shipped.sigma_range.expect("it is told");
    let at_least = taken(&shipped, least);
    assert!(at_least > 1e-4, "{at_least}");
    for share in [0.5, 0.1] {
        let got = taken(&shipped, share * least) / at_least;
        assert!((got - share * share).abs() < 1e-4, "{got} at {share}");
    }
    let above = taken(&shipped, 1.001 * least) / at_least;
    assert!((above - 1.0).abs() < 0.05, "{above}: no jump");
    let mut black = picture.clone();
    black.pixels.fill(0.0);
    let measured = denoised(&shipped, &black, DenoiseOptions::default());
    assert_eq!(measured.sigma, Some(0.0));
    assert_eq!(measured.planes, black, "a picture without noise stays");
    // One that is not told the noise does not know the least of it.
    assert!(taken(&untrained_denoiser(&[BLIND], 1), 0.001) > 9e-4);
}

#[test]
fn restoration_takes_off_less_noise_than_an_energy_is_told_in_whole_steps() {
    let picture = noisy(&clean(ImageShape::new(1, 24, 31)), 0.005);
    let mut denoiser = Denoiser::shipped(&Device::flex());
    let [least, _] = denoiser.sigma_range.expect("it is told");
    // Also where the step depends on σ.
    for reference in [denoiser.reference, None] {
        denoiser.reference = reference;
        let taken = |sigma| denoiser.noise_of(&picture, sigma).expect("finite");
        let at_least = taken(least);
        assert!(at_least.iter().any(|value| *value != 0.0));
        assert_eq!(taken(0.3 * least), at_least);
        // From the least on it is the step of denoising.
        for sigma in [least, 3.0 * least] {
            let step = denoiser.taken_by_step(&picture, Some(&[sigma]), &mut |_, _| {});
            assert_eq!(step.expect("finite"), taken(sigma), "{sigma}");
        }
    }
}

#[test]
fn a_descent_goes_to_where_the_slopes_of_the_law_and_of_the_tie_cancel() {
    let picture = clean(ImageShape::new(1, 16, 20));
    let options = DenoiseOptions {
        method: DenoiseMethod::Descent,
        sigma: Some(0.1),
        strength: 1.0,
    };
    let got = denoised(&untrained_denoiser(&[], 1), &picture, options);
    // Where f = 0, x − D is x − ½ at every σ′ = tσ, and the slopes (x − ½)/σ′² and (x − y)/σ² cancel at
    // x = (½ + t²y)/(1 + t²); a step takes half of the way there, whatever the picture: deviations stay in proportion.
    let mut share = 1.0; // (x − ½)/(y − ½)
    for step in 0..16 {
        let t = 0.25_f64.powf(f64::from(step) / 15.0);
        share += 0.5 * (t * t / (1.0 + t * t) - share);
    }
    for (got, observed) in got.planes.pixels.iter().zip(&picture.pixels) {
        let expected = 0.5 + share * (f64::from(*observed) - 0.5);
        assert!(
            (f64::from(*got) - expected).abs() < 1e-5,
            "{got}, {expected}"
        );
    }
    // Told no less noise than it has learned, 0.01, it takes off a picture of less as little as that weighs beside the tie.
    let shipped = Denoiser::shipped(&Device::flex());
    for sigma in [0.0, 0.001] {
        let options = DenoiseOptions {
            sigma: Some(sigma),
            ..options
        };
        let taken = denoised(&shipped, &picture, options).taken;
        assert!(taken <= sigma, "{taken} at {sigma}");
    }
    let refused = untrained_denoiser(&[BLIND], 1).denoise(&picture, options, &mut |_, _| {});
    let message = refused.expect_err("it is not told").to_string();
    assert!(message.contains("objective.noise_conditional"), "{message}");
}

#[test]
fn a_model_of_colours_takes_grey_pictures_and_one_of_grey_takes_colours() {
    let grey = clean(ImageShape::new(1, 8, 12));
    let of_colours = untrained_denoiser(&["data.channels=3"], 3);
    let noisy = DenoiseOptions {
        sigma: Some(0.1),
        ..DenoiseOptions::default()
    };
    let got = denoised(&of_colours, &grey, noisy);
    assert_eq!(got.planes.shape, grey.shape);
    assert!(
        got.planes
            .pixels
            .iter()
            .all(|value| (value - 0.5).abs() < 1e-4)
    );

    let colours = clean(ImageShape::new(3, 8, 12));
    let of_grey = untrained_denoiser(&[], 1);
    let got = denoised(&of_grey, &colours, noisy);
    for (plane, together) in colours.each().zip(got.planes.each()) {
        let alone = Planes {
            pixels: plane.to_vec(),
            shape: grey.shape,
        };
        let alone = denoised(&of_grey, &alone, noisy);
        assert_eq!(alone.planes.pixels, together);
    }

    let two = clean(ImageShape::new(2, 8, 12));
    for denoiser in [of_colours, of_grey] {
        let refused = denoiser.denoise(&two, DenoiseOptions::default(), &mut |_, _| {});
        let message = refused.expect_err("two channels").to_string();
        assert_eq!(message, "pictures have 1 channel or 3, and this one has 2");
    }
}

#[test]
fn the_smallest_picture_can_be_denoised_and_one_without_noise_stays() {
    let one = Planes {
        pixels: vec![0.5],
        shape: ImageShape::new(1, 1, 1),
    };
    let told = DenoiseOptions {
        sigma: Some(0.1),
        ..DenoiseOptions::default()
    };
    // Where f = 0 medium grey has no slope.
    assert_eq!(
        denoised(&untrained_denoiser(&[], 1), &one, told).planes,
        one
    );
    let shipped = denoised(&Denoiser::shipped(&Device::flex()), &one, told);
    assert!(shipped.planes.pixels[0].is_finite());
}

#[test]
fn what_cannot_be_denoised_is_refused() {
    let refused = |denoiser: &Denoiser, picture: &Planes| {
        let refused = denoiser.denoise(picture, DenoiseOptions::default(), &mut |_, _| {});
        refused.expect_err("refused").to_string()
    };
    let mut picture = clean(ImageShape::new(1, 8, 12));
    let mut of_one_size = untrained_denoiser(&[], 1);
    of_one_size.locality = None;
    assert_eq!(
        refused(&of_one_size, &picture),
        "this model takes images of 48 by 48 alone, and the picture is 12 by 8"
    );
    let of_any_size = untrained_denoiser(&[], 1);
    picture.pixels[7] = f32::NAN;
    assert_eq!(
        refused(&of_any_size, &picture),
        "value 7 of the picture is NaN"
    );
    picture.pixels[7] = 3e38;
    let message = refused(&of_any_size, &picture);
    assert!(message.contains("too far from 0 and 1"), "{message}");
}

/// Experts on patches of 5×4 that have learned nothing but how patches vary.
fn of_patches(keys: &[&str]) -> Denoiser {
    let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    keys.extend(["model.experts=30", "model.dimensions=15"].map(String::from));
    let config = Config::resolve("overcomplete-ica", None, &keys).expect("resolves");
    let (shape, device) = (ImageShape::new(1, 5, 4), Device::flex());
    let mut model = initial_model(&config, shape, 0, &device).expect("fits");
    let texture = noisy(&clean(ImageShape::new(1, 200, 100)), 0.05);
    let patches = TensorData::new(texture.pixels, shape.batch(1000));
    let patches = Tensor::from_data(patches, &device);
    model.calibrate(patches).expect("patches that vary");
    Denoiser::new(&config, Frozen::new(&model), shape, &device)
}

fn descended(denoiser: &Denoiser, picture: &Planes, sigma: f64) -> Denoised {
    let options = DenoiseOptions {
        method: DenoiseMethod::Descent,
        sigma: Some(sigma),
        strength: 1.0,
    };
    denoised(denoiser, picture, options)
}

#[test]
fn a_descent_of_experts_ends_where_the_slopes_of_the_patches_and_of_the_tie_cancel() {
    let denoiser = of_patches(&[]);
    for sigma in [0.02, 0.1] {
        let observed = noisy(&clean(ImageShape::new(1, 21, 30)), sigma as f32);
        let got = descended(&denoiser, &observed, sigma);
        let slopes = |x: &Planes| -> f64 {
            let slopes = denoiser.gradient(x, &[], &mut |_, _| {}).expect("finite");
            let tied = x.pixels.iter().zip(&observed.pixels);
            let tied = tied.map(|(x, observed)| (x - observed) / (sigma * sigma) as f32);
            let sums: Vec<f32> = slopes.iter().zip(tied).map(|(a, b)| a + b).collect();
            root_mean_square(&sums)
        };
        let left = slopes(&got.planes) / slopes(&observed);
        assert!(left < 0.05, "{left} of the slope is left at σ = {sigma}");
        assert!(got.taken > 0.05 * sigma, "{}", got.taken);
    }
}

#[test]
fn a_picture_in_tiles_of_experts_is_the_whole_picture() {
    let observed = noisy(&clean(ImageShape::new(1, 40, 61)), 0.05);
    let whole = descended(&of_patches(&[]), &observed, 0.05);
    let tiled = descended(&of_patches(&[]).with_tile(20), &observed, 0.05);
    let pairs = whole.planes.pixels.iter().zip(&tiled.planes.pixels);
    let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-4, "{largest}");
}

#[test]
fn experts_give_no_mean_and_leave_a_picture_without_noise() {
    let denoiser = of_patches(&[]);
    let picture = clean(ImageShape::new(1, 9, 8));
    let options = DenoiseOptions::default();
    let refused = denoiser.denoise(&picture, options, &mut |_, _| {});
    assert!(matches!(refused, Err(DenoiseError::NoMean)), "{refused:?}");
    let got = descended(&denoiser, &picture, 1e-9);
    assert!(got.taken < 1e-6, "{}", got.taken);
    assert!(of_patches(&["model.intensity=log"]).prior.is_none());
}

#[test]
fn sigma_alone_stands_for_the_usual_options_with_it() {
    let options = DenoiseOptions {
        sigma: Some(0.1),
        ..DenoiseOptions::default()
    };
    assert_eq!(DenoiseOptions::from(0.1), options);
    let shape = ImageShape::new(1, 16, 16);
    let trained = untrained(&["objective.kind=denoising"], shape);
    let picture = noisy(&clean(shape), 0.1);
    let short = trained.denoise(&picture, 0.1).expect("denoises");
    let long = trained.denoise(&picture, options).expect("denoises");
    assert_eq!(short.sigma, Some(0.1));
    assert_eq!(short, long);
}
