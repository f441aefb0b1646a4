//! Check the energies of averaged stages by hand: values, classes, sizes and counts.

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use ebm_core::ImageShape;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::{PooledNet, PooledNetConfig};
use crate::energy::{EnergyContext, EnergyModel, one_class_at_a_time};
use crate::ops::Activation;
use crate::testing::{floats, images, stirred};

fn config(widths: &[usize], hidden: usize) -> PooledNetConfig {
    PooledNetConfig {
        widths: widths.to_vec(),
        hidden,
        activation: Activation::LeakyRelu,
        ..PooledNetConfig::default()
    }
}

fn net(config: &PooledNetConfig, shape: ImageShape) -> PooledNet {
    let mut rng = SmallRng::seed_from_u64(4);
    config.init(shape, &mut rng, &Device::flex()).expect("fits")
}

#[test]
fn a_network_of_one_pixel_can_be_computed_by_hand() {
    let device = Device::flex();
    let config = PooledNetConfig {
        energy_scale: 10.0,
        ..config(&[1], 1)
    };
    let mut net = net(&config, ImageShape::new(1, 1, 1));
    // One channel, one pixel: a 3×3 kernel is its middle tap.
    let kernel = |middle: f32| {
        let mut taps = [[0.0f32; 3]; 3];
        taps[1][1] = middle;
        Param::from_data([[taps]], &device)
    };
    let stage = &mut net.stages[0];
    (stage.a.weight, stage.b.weight) = (kernel(2.0), kernel(-1.0));
    stage.a.bias = Some(Param::from_data([0.1f32], &device));
    (net.fc.weight, net.fc.bias) = (
        Param::from_data([[3.0f32]], &device),
        Param::from_data([1.0f32], &device),
    );
    (net.out.weight, net.out.bias) = (
        Param::from_data([[-2.0f32]], &device),
        Param::from_data([0.5f32], &device),
    );
    // c = 0.6; a: 1.3; b: −1.3, act −0.26; fc: 3·(−0.26) + 1 = 0.22; out: −0.44 + 0.5 = 0.06.
    let x = Tensor::full([1, 1, 1, 1], 0.8, &device);
    let energy = net.energy(x).into_scalar::<f32>();
    assert!((energy - 0.6).abs() < 1e-5, "{energy}");
}

#[test]
fn the_dense_layer_sees_the_mean_of_every_channel_of_every_stage() {
    let device = Device::flex();
    let mut net = net(&config(&[2, 1], 3), ImageShape::new(1, 5, 6));
    // Stages that are their last bias, and a hidden unit for each mean.
    for stage in &mut net.stages {
        stage.b.weight = stage.b.weight.clone().map(|weight| weight * 0.0);
    }
    net.stages[0].b.bias = Some(Param::from_data([1.0f32, 2.0], &device));
    net.stages[1].b.bias = Some(Param::from_data([5.0f32], &device));
    net.fc.weight = Param::from_data(
        [[1.0f32, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        &device,
    );
    net.out.weight = Param::from_data([[1.0f32], [10.0], [100.0]], &device);
    let energies = floats(net.energy(images(2, ImageShape::new(1, 5, 6))).into_data());
    for energy in energies {
        assert!((energy - 521.0).abs() < 1e-3, "{energy}");
    }
}

#[test]
fn the_energies_of_all_classes_are_there_at_once() {
    let shape = ImageShape::new(1, 8, 6);
    let config = PooledNetConfig {
        num_classes: 3,
        energy_scale: 2.0,
        ..config(&[4, 5], 6)
    };
    let net = stirred(net(&config, shape));
    let x = images(2, shape);
    let at_once = net.energies_by_class(x.clone());
    assert_eq!(at_once.dims(), [2, 3]);
    let one_by_one = one_class_at_a_time(&net, x, EnergyContext::default());
    assert_eq!(at_once.into_data(), one_by_one.into_data());
}

#[test]
fn images_of_other_sizes_are_taken_if_something_is_left_of_them() {
    let three = config(&[2, 2, 2], 2);
    let net = net(&three, ImageShape::new(1, 8, 8));
    assert_eq!(net.energy(images(2, ImageShape::new(1, 13, 4))).dims(), [2]);
    let mut rng = SmallRng::seed_from_u64(4);
    let error = three.init(ImageShape::new(1, 8, 3), &mut rng, &Device::flex());
    let expected = "images of 8×3 cannot be halved 2 times; use larger images, or fewer stages";
    assert_eq!(
        error.err().map(|error| error.to_string()),
        Some(expected.into())
    );
}

#[test]
fn work_is_that_of_the_table() {
    let shape = ImageShape::new(3, 9, 8);
    let work = net(&config(&[4, 6], 10), shape).work(shape);
    let (full, half) = (72, 16);
    let stages = 9 * (full * (3 * 4 + 4 * 4) + half * (4 * 6 + 6 * 6));
    assert_eq!(work.multiply_adds, stages + 10 * 10 + 10);
    assert_eq!(work.outputs, full * 8 + half * 12 + 11);
}

#[test]
fn refuses_a_table_without_stages_channels_or_hidden_units() {
    let refused = |widths: &[usize], hidden| {
        let mut rng = SmallRng::seed_from_u64(4);
        let shape = ImageShape::new(1, 8, 8);
        let error = config(widths, hidden).init(shape, &mut rng, &Device::flex());
        error.expect_err("refused").to_string()
    };
    assert_eq!(refused(&[], 1), "layer 1: stages must be at least 1");
    assert_eq!(refused(&[0, 2], 1), "layer 1: widths must be at least 1");
    assert_eq!(refused(&[2, 2], 0), "layer 3: hidden must be at least 1");
}
