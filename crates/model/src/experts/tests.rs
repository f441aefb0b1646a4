//! Check experts on patches: by hand, against each other's ways, and as a part of pictures.

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use ebm_core::{Energy, ImageShape, energy_and_gradient};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{Experts, ExpertsConfig, InCoordinates, Intensity, Whitened};
use crate::energy::EnergyModel;
use crate::frozen::Frozen;
use crate::network::Network;
use crate::testing::{assert_close, floats, images, stirred, wave};

const SHAPE: ImageShape = ImageShape::new(1, 3, 4);

fn init(config: &ExpertsConfig, shape: ImageShape) -> Experts {
    let mut rng = SmallRng::seed_from_u64(4);
    config.init(shape, &mut rng, &Device::flex()).expect("fits")
}

/// Experts of all dimensions of patches without their mean, measured on `data`.
fn measured(config: &ExpertsConfig, data: &Tensor<4>) -> Experts {
    let mut net = stirred(init(config, SHAPE));
    net.calibrate(data.clone()).expect("data that vary");
    net
}

/// Images no two of which are alike.
fn data() -> Tensor<4> {
    let mut rng = SmallRng::seed_from_u64(9);
    let noise: Vec<f32> = (0..200 * SHAPE.pixels()).map(|_| rng.random()).collect();
    let noise = Tensor::<1>::from_floats(noise.as_slice(), &Device::flex());
    noise.reshape(SHAPE.batch(200)) * 0.6 + 0.2
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    floats(x.into_data())
}

#[test]
fn a_new_network_has_experts_of_length_one_and_is_the_same_for_the_same_seed() {
    let config = ExpertsConfig {
        experts: Some(7),
        dimensions: Some(5),
        ..ExpertsConfig::default()
    };
    let net = init(&config, SHAPE);
    assert_eq!(net.weight.dims(), [5, 7]);
    for length in values(net.weight.val().square().sum_dim(0)) {
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    assert_eq!(values(net.log_scale.val()), [0.0; 7]);
    assert_eq!(
        values(net.weight.val()),
        values(init(&config, SHAPE).weight.val())
    );
    // As many dimensions as a patch without its mean has, and twice as many experts.
    assert_eq!(
        init(&ExpertsConfig::default(), SHAPE).weight.dims(),
        [11, 22]
    );
    let with_mean = ExpertsConfig {
        remove_mean: false,
        ..ExpertsConfig::default()
    };
    assert_eq!(init(&with_mean, SHAPE).weight.dims(), [12, 24]);
}

#[test]
fn an_expert_on_two_pixels_can_be_computed_by_hand() {
    let device = Device::flex();
    let config = ExpertsConfig {
        experts: Some(1),
        remove_mean: false,
        ..ExpertsConfig::default()
    };
    let mut net = init(&config, ImageShape::new(1, 1, 2));
    net.weight = Param::from_data([[2.0f32], [-1.0]], &device);
    net.log_scale = Param::from_data([3f32.ln()], &device);
    // Nothing is measured: z is the pixels. r = 2·0.5 − 0.25 = 0.75.
    let x = Tensor::<1>::from_floats([0.5, 0.25], &device).reshape([1, 1, 1, 2]);
    let energy = values(net.energy(x))[0];
    let expected = 3.0 * (1.0f32 + 0.75 * 0.75 / 2.0).ln();
    assert!(
        (energy - expected).abs() < 1e-5,
        "{energy} is not {expected}"
    );
}

#[test]
fn coordinates_are_white_and_know_nothing_of_a_patchs_mean() {
    let net = measured(&ExpertsConfig::default(), &data());
    let z = net.coordinates(data()); // [200, 11]
    let covariance = values(z.clone().transpose().matmul(z.clone()) / 200.0);
    for (place, value) in covariance.iter().enumerate() {
        let expected = f32::from(u8::from(place % 12 == 0));
        assert!((value - expected).abs() < 2e-3, "{value} at {place}");
    }
    let lighter = net.coordinates(data() + 0.25);
    let error = (lighter - z).abs().max().into_scalar::<f32>();
    assert!(error < 1e-3, "{error}");
}

#[test]
fn logarithms_of_light_and_dark_patches_of_one_contrast_are_alike() {
    let config = ExpertsConfig {
        intensity: Intensity::Log,
        ..ExpertsConfig::default()
    };
    let seen = |light: f64| data() * light + (light - 1.0) / 256.0;
    let net = measured(&config, &seen(1.0));
    let [bright, dark] = [1.0, 0.25].map(|light| values(net.energy(seen(light))));
    for (bright, dark) in bright.iter().zip(dark) {
        assert!(
            (bright - dark).abs() < 1e-2 * bright.abs(),
            "{bright}, {dark}"
        );
    }
    assert!(net.over_patches().is_none());
}

#[test]
fn in_coordinates_the_energy_is_that_of_the_image_and_its_slope_that_of_the_tape() {
    let net = measured(&ExpertsConfig::default(), &data());
    let x = images(5, SHAPE);
    let z = net.coordinates(x.clone());
    let (energies, slopes) = InCoordinates(&net).energies_and_gradients(z.clone());
    assert_eq!(values(energies), values(net.energy(x)));
    let (_, expected) = energy_and_gradient(z, &|z| net.energy_of(z));
    assert_close(&values(slopes), &values(expected), &"slopes");
}

#[test]
fn a_frozen_network_has_what_was_measured_and_so_has_a_copy_on_another_device() {
    let net = Network::Experts(measured(&ExpertsConfig::default(), &data()));
    let x = images(4, SHAPE);
    let expected = values(net.energy(x.clone()));
    let frozen = Frozen::new(&net);
    assert_eq!(values(frozen.energies(x.clone())), expected);
    let copy = frozen.on_device(&Device::flex());
    assert_eq!(values(copy.energies(x.clone())), expected);
    let rounded = frozen.rounded(crate::Precision::F16);
    for (got, expected) in values(rounded.energies(x)).iter().zip(&expected) {
        assert!(
            (got - expected).abs() < 0.05 * expected.abs(),
            "{got}, {expected}"
        );
    }
}

#[test]
fn constants_are_no_parameters_and_can_be_put_into_another_network() {
    let config = ExpertsConfig::default();
    let mut net = measured(&config, &data());
    let mut other = stirred(init(&config, SHAPE));
    let x = images(4, SHAPE);
    assert_ne!(
        values(net.energy(x.clone())),
        values(other.energy(x.clone()))
    );
    let named: Vec<(&str, Tensor<2>)> = net
        .constants()
        .into_iter()
        .map(|constant| (constant.name, constant.value.clone()))
        .collect();
    for (constant, (name, value)) in other.constants().into_iter().zip(named) {
        assert_eq!(constant.name, name);
        *constant.value = value;
    }
    assert_eq!(values(net.energy(x.clone())), values(other.energy(x)));
    // W and log γ alone.
    assert_eq!(burn::module::Module::num_params(&net), 11 * 22 + 22);
}

#[test]
fn patterns_and_receptive_fields_are_those_of_the_definition_strongest_first() {
    let net = measured(&ExpertsConfig::default(), &data());
    let filters = net.filters();
    let strengths: Vec<f64> = (0..22).map(|place| filters.strength(place)).collect();
    assert!(strengths.is_sorted_by(|a, b| a >= b), "{strengths:?}");
    let mut experts = filters.experts.clone();
    experts.sort();
    assert_eq!(experts, (0..22).collect::<Vec<_>>());

    // Responses of data, and their covariance with pixels less the patch's mean.
    let r = net.coordinates(data()).matmul(net.weight.val()); // [200, 22]
    let seen: Tensor<2> = super::steps::without_mean(data()).flatten(1, 3);
    let seen = seen.clone() - seen.mean_dim(0);
    let covariance = values(r.clone().transpose().matmul(seen.clone()) / 200.0); // [22, 12]
    for (place, &expert) in filters.experts.iter().enumerate() {
        let of = |images: &[f32], at: usize| images[at * 12..(at + 1) * 12].to_vec();
        let [got, expected] = [of(&filters.patterns, place), of(&covariance, expert)];
        for (got, expected) in got.iter().zip(&expected) {
            assert!((got - expected).abs() < 1e-3, "{got} is not {expected}");
        }
        // A response is the receptive field times the patch.
        let field =
            Tensor::<1>::from_floats(&of(&filters.receptive_fields, place)[..], &Device::flex());
        let found = values(seen.clone().matmul(field.reshape([12, 1])));
        let expected = values(r.clone().narrow(1, expert, 1));
        let largest = expected.iter().fold(0f32, |max, it| max.max(it.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-3 * largest,
                "{found} is not {expected}"
            );
        }
        let mean_square = expected.iter().map(|it| f64::from(it * it)).sum::<f64>() / 200.0;
        assert!((mean_square.sqrt() / filters.lengths[place] - 1.0).abs() < 1e-2);
    }
}

/// A picture of 7×9 pixels.
fn picture() -> Tensor<4> {
    wave::<4>([1, 1, 7, 9], 5, &Device::flex()) * 0.3 + 0.5
}

#[test]
fn the_energy_of_a_picture_is_the_sum_over_patches_around_each_of_its_pixels() {
    let net = measured(&ExpertsConfig::default(), &data());
    let whole = values(picture());
    let at = |row: i32, column: i32| {
        let fold = |place: i32, length: i32| match place {
            place if place < 0 => -1 - place,
            place if place >= length => 2 * length - 1 - place,
            place => place,
        };
        whole[(fold(row, 7) * 9 + fold(column, 9)) as usize]
    };
    // Patches of 3×4: a row before and after, a column before and two after.
    let mut total = 0.0;
    for row in 0..7 {
        for column in 0..9 {
            let places = (-1..2).flat_map(|down| (-1..3).map(move |right| (down, right)));
            let patch: Vec<f32> = places
                .map(|(down, right)| at(row + down, column + right))
                .collect();
            let patch = Tensor::<1>::from_floats(&patch[..], &Device::flex());
            total += values(net.energy(patch.reshape([1, 1, 3, 4])))[0] / 12.0;
        }
    }
    let pictures = net.over_patches().expect("linear");
    let energy = values(pictures.energies(picture()))[0];
    assert!(
        (energy / total - 1.0).abs() < 1e-4,
        "{energy} is not {total}"
    );
    assert_eq!(pictures.locality().reach, 3);
}

#[test]
fn the_slopes_of_a_picture_are_the_gradient_of_its_energy() {
    let net = measured(&ExpertsConfig::default(), &data());
    let pictures = net.over_patches().expect("linear");
    let two = Tensor::cat(vec![picture(), picture().flip([2, 3])], 0);
    let (_, expected) = pictures.energies_and_gradients(two.clone());
    assert_close(
        &values(pictures.slopes(two)),
        &values(expected),
        &"slopes of pictures",
    );
}

#[test]
fn slopes_of_a_picture_change_by_no_more_than_its_steepness() {
    let net = measured(&ExpertsConfig::default(), &data());
    let pictures = net.over_patches().expect("linear");
    let slopes = |x: Tensor<4>| pictures.slopes(x);
    let length = |x: Tensor<4>| x.square().sum().sqrt().into_scalar::<f64>();
    // Grey, where all responses are 0 and the energy is the most curved, and the direction of the steepest change.
    let grey = picture() * 0.0 + 0.5;
    let mut way = wave::<4>([1, 1, 7, 9], 2, &Device::flex());
    let mut found = 0.0;
    for _ in 0..30 {
        let step = way.clone() * (1e-3 / length(way.clone()));
        let change = slopes(grey.clone() + step.clone()) - slopes(grey.clone());
        found = length(change.clone()) / length(step);
        way = change;
    }
    let most = pictures.steepness();
    assert!(found < most && found > 0.3 * most, "{found}, {most}");
}

#[test]
fn experts_that_see_nothing_have_no_steepness_and_damaged_ones_no_number() {
    let net = measured(&ExpertsConfig::default(), &data());
    let steepness = |factor: f32| {
        let mut net = net.clone();
        net.weight = net.weight.map(|weight| weight * factor);
        net.over_patches().expect("linear").steepness()
    };
    assert_eq!(steepness(0.0), 0.0);
    assert!(steepness(f32::NAN).is_nan());
}

#[test]
fn refuses_no_experts_too_many_dimensions_and_large_patches() {
    let refused = |experts, dimensions, shape| {
        let config = ExpertsConfig {
            experts,
            dimensions,
            ..ExpertsConfig::default()
        };
        let mut rng = SmallRng::seed_from_u64(4);
        let error = config.init(shape, &mut rng, &Device::flex());
        error.expect_err("refused").to_string()
    };
    let message = refused(Some(0), None, SHAPE);
    assert_eq!(message, "layer 1: experts must be at least 1");
    let message = refused(None, Some(0), SHAPE);
    assert_eq!(message, "layer 1: dimensions must be at least 1");
    let message = refused(None, Some(12), SHAPE);
    assert!(message.contains("vary in 11 directions"), "{message}");
    let message = refused(None, None, ImageShape::new(3, 32, 32));
    assert!(message.contains("have 3072 elements"), "{message}");
}

#[test]
fn refuses_to_measure_data_that_do_not_vary() {
    let mut net = init(&ExpertsConfig::default(), SHAPE);
    let plain = Tensor::full(SHAPE.batch(20), 0.5, &Device::flex());
    let message = net.calibrate(plain).expect_err("refused").to_string();
    assert!(message.contains("ask for fewer dimensions"), "{message}");
}

#[test]
#[should_panic = "these experts take patches of one shape"]
fn refuses_images_of_another_shape() {
    init(&ExpertsConfig::default(), SHAPE).energy(images(2, ImageShape::new(1, 4, 3)));
}
