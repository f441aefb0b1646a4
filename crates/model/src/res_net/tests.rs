//! Check sizes, shapes and counts of the residual networks against the published ones.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use ebm_core::ImageShape;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::{ResNet, ResNetConfig};
use crate::energy::EnergyModel;

fn net(config: &ResNetConfig, shape: ImageShape) -> ResNet {
    let mut rng = SmallRng::seed_from_u64(2);
    config.init(shape, &mut rng, &Device::flex()).expect("fits")
}

fn rgb(side: usize) -> ImageShape {
    ImageShape::new(3, side, side)
}

/// Which blocks halve the image.
fn halving(config: &ResNetConfig, side: usize) -> Vec<bool> {
    let net = net(config, rgb(side));
    net.blocks.iter().map(|block| block.halves).collect()
}

#[test]
fn the_published_networks_halve_where_they_are_said_to() {
    let small = |config: ResNetConfig, side| -> String {
        let halves = halving(&config, side);
        halves.iter().map(|&h| if h { '↓' } else { '·' }).collect()
    };
    assert_eq!(
        small(ResNetConfig::resnet32_with_filters(2, 0), 32),
        "↓·↓·↓·"
    );
    assert_eq!(
        small(ResNetConfig::resnet32_large_with_filters(2, 0), 32),
        "↓··↓··↓··"
    );
    assert_eq!(
        small(ResNetConfig::resnet128_with_filters(2, 0), 128),
        "↓↓↓↓↓·"
    );
}

#[test]
fn the_number_of_halvings_follows_the_size_of_the_images() {
    let config = ResNetConfig::resnet32_with_filters(2, 0);
    assert_eq!(
        halving(&config, 64),
        [true, false, true, false, true, false, true, false]
    );
    assert_eq!(
        halving(&config, 16),
        [true, false, true, false, false, false]
    );
    assert_eq!(
        halving(&config, 28),
        [true, false, true, false, false, false]
    );
    for (side, energies) in [(7, 2), (33, 3), (64, 2)] {
        let x = Tensor::full([energies, 3, side, side], 0.5, &Device::flex());
        assert_eq!(net(&config, rgb(side)).energy(x).dims(), [energies]);
    }
}

#[test]
fn parameters_are_as_many_as_the_table_says() {
    // A block's 3×3 kernels, its two input biases and its gain.
    let block = |i: usize, o: usize| {
        let bypass = if i == o { 0 } else { 9 * i * o };
        9 * i * o + 9 * o * o + bypass + i + o + o
    };
    let f = 8;
    let blocks: usize = [
        (f, f),
        (f, f),
        (f, 2 * f),
        (2 * f, 2 * f),
        (2 * f, 2 * f),
        (2 * f, 2 * f),
    ]
    .iter()
    .map(|&(i, o)| block(i, o))
    .sum();
    let config = ResNetConfig::resnet32_with_filters(f, 0);
    let expected = 27 * f + blocks + 2 * f + 1;
    assert_eq!(net(&config, rgb(32)).num_params(), expected);
}

#[test]
fn the_wider_network_starts_with_128_filters() {
    let config = ResNetConfig::resnet32_wider_with_filters(192, 0);
    assert_eq!((config.stem, config.stages[0].filters), (128, 192));
    assert_eq!(config.stages[2].filters, 768);
}

#[test]
fn attention_follows_the_first_block_of_the_second_stage_and_begins_with_nothing() {
    let plain = ResNetConfig::resnet32_with_filters(4, 0);
    let attentive = ResNetConfig {
        attention: true,
        ..plain.clone()
    };
    let with = net(&attentive, rgb(16));
    assert_eq!(with.attends_after, 2);
    let x = Tensor::full([2, 3, 16, 16], 0.3, &Device::flex());
    let mut without = with.clone();
    without.attention = None;
    assert_eq!(
        with.energy(x.clone()).into_data(),
        without.energy(x).into_data()
    );
}

#[test]
fn refuses_a_table_without_stages_or_filters() {
    let refused = |config: ResNetConfig| {
        let mut rng = SmallRng::seed_from_u64(2);
        let error = config.init(rgb(32), &mut rng, &Device::flex()).err();
        error.map(|error| error.to_string())
    };
    let mut config = ResNetConfig::resnet32_with_filters(4, 0);
    config.stages[1].filters = 0;
    let message = "layer 3: filters must be at least 1";
    assert_eq!(refused(config.clone()).as_deref(), Some(message));
    config.stages.clear();
    let message = "layer 2: stages must be at least 1";
    assert_eq!(refused(config).as_deref(), Some(message));
}
