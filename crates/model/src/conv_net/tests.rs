//! Check shapes, sizes and laws of the networks.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use ebm_core::ImageShape;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::{ConvLayer, ConvNet, ConvNetConfig, Padding};
use crate::energy::{EnergyContext, EnergyModel, one_class_at_a_time};
use crate::layers::Initialization;
use crate::ops::Activation;

const MNIST: ImageShape = ImageShape {
    channels: 1,
    height: 28,
    width: 28,
};

fn net(config: ConvNetConfig, shape: ImageShape) -> ConvNet {
    let mut rng = SmallRng::seed_from_u64(7);
    config.init(shape, &mut rng, &Device::flex()).expect("fits")
}

#[test]
fn the_uva_network_has_77_thousand_parameters() {
    let expected = 416 + 4_640 + 18_496 + 36_928 + 16_448 + 65;
    assert_eq!(net(ConvNetConfig::uva(), MNIST).num_params(), expected);
}

#[test]
fn mnist_net_reduces_28_to_14_to_7_to_4_with_same_padding() {
    let net = net(ConvNetConfig::mnist(), MNIST);
    assert_eq!(net.fc.weight.dims(), [4096, 128]);
    assert_eq!(Padding::Same.before_and_after(28, 4, 2), (1, 1));
    assert_eq!(Padding::Same.before_and_after(7, 4, 2), (1, 2));
    assert_eq!(Padding::Same.before_and_after(28, 3, 1), (1, 1));
    let convolutions = 576 + 64 + 65_536 + 64 + 131_072 + 128 + 524_288 + 256;
    assert_eq!(net.num_params(), convolutions + 4096 * 128 + 128 + 129);
}

#[test]
fn larger_images_of_any_channels_are_halved_until_they_are_as_small() {
    for (config, convs) in [
        (ConvNetConfig::uva(), 4),
        (ConvNetConfig::mnist_with_filters(4), 5),
        (ConvNetConfig::dsprites_with_filters(4), 5),
    ] {
        let net = net(config.clone(), ImageShape::new(3, 64, 64));
        assert_eq!(net.convs.len(), convs);
        let filters = config.layers.last().expect("a layer").filters;
        let [inputs, _] = net.fc.weight.dims();
        assert!(
            inputs <= 49 * filters,
            "{inputs} inputs of {filters} filters"
        );
        let x = Tensor::full([2, 3, 64, 64], 0.5, &Device::flex());
        assert_eq!(net.energy(x).dims(), [2]);
    }
}

#[test]
fn dsprites_net_is_the_published_one() {
    let net = net(
        ConvNetConfig::dsprites_with_filters(64),
        ImageShape::new(1, 64, 64),
    );
    let filters: Vec<_> = net.convs.iter().map(|conv| conv.weight.dims()[0]).collect();
    assert_eq!(filters, [32, 64, 128, 128, 128]);
    assert_eq!(net.fc.weight.dims(), [128 * 4 * 4, 128]);
}

#[test]
fn a_small_network_can_be_computed_by_hand() {
    // 1×1 image, one 1×1 filter, one hidden unit: E = o·act(f·act(w·x + b) + c) + d.
    let config = ConvNetConfig {
        layers: vec![ConvLayer {
            filters: 1,
            kernel: 1,
            stride: 1,
            padding: Padding::Same,
        }],
        hidden: 1,
        activation: Activation::LeakyRelu,
        initialization: Initialization::FanInUniform,
        centered_input: true,
        spectral_norm: false,
        num_classes: 0,
        class_head: false,
    };
    let net = net(config, ImageShape::new(1, 1, 1));
    struct Values(Vec<f32>);
    impl ModuleVisitor for Values {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().into_scalar::<f32>());
        }
    }
    let mut values = Values(Vec::new());
    net.visit(&mut values);
    let [w, b, f, c, o, d] = values.0[..] else {
        panic!("expected six parameters, got {}", values.0.len())
    };
    let act = |z: f32| if z > 0.0 { z } else { 0.2 * z };
    let x = 0.8;
    let expected = o * act(f * act(w * (2.0 * x - 1.0) + b) + c) + d;
    let energy = net.energy(Tensor::full([1, 1, 1, 1], x, &Device::flex()));
    assert!((energy.into_scalar::<f32>() - expected).abs() < 1e-6);
}

#[test]
fn the_weights_follow_their_law() {
    let net = net(ConvNetConfig::mnist(), MNIST);
    let weights = net.convs[3].weight.val();
    let n = weights.shape().num_elements() as f32;
    let variance = weights.clone().square().mean().into_scalar::<f32>();
    let expected = 2.0 / (128.0 * 16.0);
    assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
    assert!(weights.mean().into_scalar::<f32>().abs() < 5.0 * (expected / n).sqrt());
}

#[test]
fn refuses_images_smaller_than_its_kernels() {
    let mut rng = SmallRng::seed_from_u64(7);
    let config = ConvNetConfig {
        layers: vec![ConvLayer {
            filters: 4,
            kernel: 5,
            stride: 1,
            padding: Padding::Each(0),
        }],
        ..ConvNetConfig::uva()
    };
    let error = config.init(ImageShape::new(1, 3, 9), &mut rng, &Device::flex());
    assert_eq!(
        error.err().map(|error| error.to_string()),
        Some(
            "layer 1: a kernel of 5×5 does not fit into an input of 3×9; use larger images".into()
        )
    );
}

#[test]
fn a_class_head_gives_the_energies_of_all_classes_at_once() {
    let config = ConvNetConfig {
        num_classes: 3,
        class_head: true,
        ..ConvNetConfig::uva_with_filters(4)
    };
    let net = net(config, MNIST);
    let pixels: Vec<f32> = (0..2 * 784).map(|i| (i % 97) as f32 / 97.0).collect();
    let x = Tensor::<1>::from_floats(pixels.as_slice(), &Device::flex()).reshape([2, 1, 28, 28]);
    let at_once = net.energies_by_class(x.clone());
    assert_eq!(at_once.dims(), [2, 3]);
    let one_by_one = one_class_at_a_time(&net, x.clone(), EnergyContext::default());
    assert_eq!(at_once.clone().into_data(), one_by_one.into_data());
    let features = net.features(x);
    assert_eq!(features.dims(), [2, 16]);
    let of_features = net.energies_of_features(features);
    assert_eq!(of_features.into_data(), at_once.into_data());
}

#[test]
fn refuses_a_class_head_without_classes() {
    let mut rng = SmallRng::seed_from_u64(7);
    let config = ConvNetConfig {
        class_head: true,
        ..ConvNetConfig::uva()
    };
    let error = config.init(MNIST, &mut rng, &Device::flex()).err();
    let expected = "layer 6: classes must be at least 1";
    assert_eq!(error.map(|error| error.to_string()), Some(expected.into()));
}
