//! Check the energies of U-Nets by hand: heads, noise levels, sizes and counts.

use burn::module::Param;
use burn::tensor::{Device, Int, Tensor};
use ebm_core::{Energy, ImageShape, index_tensor};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::net::Output;
use super::{Head, UNet, UNetConfig};
use crate::energy::EnergyModel;
use crate::frozen::Frozen;
use crate::locality::Locality;
use crate::network::{Network, NetworkConfig};
use crate::ops::to_patches;
use crate::precision::Precision;
use crate::testing::{assert_close, floats, images, stirred};

const SHAPE: ImageShape = ImageShape::new(1, 8, 12);

fn config(head: Head) -> UNetConfig {
    UNetConfig {
        widths: vec![4, 6],
        head,
        ..UNetConfig::default()
    }
}

fn net(config: &UNetConfig, shape: ImageShape) -> UNet {
    let mut rng = SmallRng::seed_from_u64(2);
    config.init(shape, &mut rng, &Device::flex()).expect("fits")
}

fn tensor(indices: &[u32]) -> Tensor<1, Int> {
    index_tensor(indices, &Device::flex())
}

/// E of two images, and what it should be for c = 2x − 1, of a network that sees 4c and whose f is a quarter of its
/// last bias.
fn energies_where_f_is(bias: f32, head: Head) -> [Vec<f32>; 2] {
    let mut net = net(
        &UNetConfig {
            input_scale: 4.0,
            energy_scale: 3.0,
            ..config(head)
        },
        SHAPE,
    );
    match &mut net.out {
        Output::Dot(out) | Output::HalfSquared(out) => {
            out.bias = Some(Param::from_data([4.0 * bias], &Device::flex()));
        }
        Output::Pooled(_) => panic!("expected a head that makes an image"),
    }
    let x = images(2, SHAPE);
    let pixels = floats(x.to_data());
    let of_image = |pixels: &[f32]| -> f32 {
        let terms = pixels.iter().map(|x| {
            let c = f64::from(2.0 * x - 1.0);
            let f = f64::from(bias);
            match head {
                Head::Dot => c * f,
                Head::HalfSquared => 0.5 * (c - f) * (c - f),
                Head::Pooled => f64::NAN,
            }
        });
        (3.0 * terms.sum::<f64>()) as f32
    };
    let expected = pixels.chunks(SHAPE.pixels()).map(of_image).collect();
    [floats(net.energy(x).into_data()), expected]
}

#[test]
fn a_head_makes_of_an_image_and_f_what_its_equation_says() {
    for head in [Head::Dot, Head::HalfSquared] {
        let [got, expected] = energies_where_f_is(0.5, head);
        assert_close(&got, &expected, &head);
    }
}

#[test]
fn at_first_f_is_nothing() {
    let [got, _] = energies_where_f_is(0.0, Head::Dot);
    assert!(got.iter().all(|energy| energy.abs() < 1e-5), "{got:?}");
    let [got, expected] = energies_where_f_is(0.0, Head::HalfSquared);
    assert_close(&got, &expected, &"½‖c‖²");
}

/// A network with levels that all matter.
fn leveled(num_classes: usize) -> Frozen<UNet> {
    let config = UNetConfig {
        levels: 3,
        num_classes,
        ..config(Head::HalfSquared)
    };
    Frozen::new(&stirred(net(&config, SHAPE)))
}

#[test]
fn a_level_changes_the_energy_and_without_one_it_is_that_of_level_0() {
    let net = leveled(0);
    assert_eq!(net.num_levels(), 3);
    let x = images(1, SHAPE).repeat(&[3, 1, 1, 1]);
    let at = |levels: [u32; 3]| {
        let energy = net.at_levels(tensor(&levels));
        floats(energy.energies(x.clone()).into_data())
    };
    let of_levels = at([0, 1, 2]);
    assert!(of_levels[0] != of_levels[1] && of_levels[1] != of_levels[2]);
    assert_eq!(at([2, 0, 1]), [of_levels[2], of_levels[0], of_levels[1]]);
    assert_eq!(floats(net.energies(x).into_data()), [of_levels[0]; 3]);
}

#[test]
fn the_energies_of_rows_with_classes_and_levels_are_those_of_the_whole() {
    let net = leveled(2);
    let energy = net
        .given(tensor(&[1, 0, 1, 0]))
        .at_levels(tensor(&[2, 1, 0, 2]));
    let x = images(4, SHAPE);
    let (whole, of_whole) = energy.energies_and_gradients(x.clone());
    let [whole, of_whole] = [whole.into_data(), of_whole.into_data()].map(floats);
    let of_rows = energy
        .of_rows(1..3)
        .expect("classes and levels are of rows");
    let rows = x.narrow(0, 1, 2);
    let (part, of_part) = of_rows.energies_and_gradients(rows.clone());
    assert_eq!(floats(part.into_data()), whole[1..3]);
    assert_eq!(
        floats(of_rows.energies(rows.clone()).into_data()),
        whole[1..3]
    );
    let pixels = SHAPE.pixels();
    assert_eq!(floats(of_part.into_data()), of_whole[pixels..3 * pixels]);

    let only_levels = net.at_levels(tensor(&[2, 1, 0, 2]));
    let of_rows = only_levels.of_rows(1..3).expect("levels are of rows");
    let energies = [0, 1].map(|class| {
        let given = net.given(tensor(&[class; 2])).at_levels(tensor(&[1, 0]));
        floats(given.energies(rows.clone()).into_data())
    });
    let free = floats(of_rows.energies(rows).into_data());
    for (i, free) in free.into_iter().enumerate() {
        let [low, high] = {
            let [a, b] = [energies[0][i], energies[1][i]].map(f64::from);
            [a.min(b), a.max(b)]
        };
        let expected = low - (1.0 + (low - high).exp()).ln();
        let error = (f64::from(free) - expected).abs();
        assert!(error < 1e-5 * expected.abs(), "{free} is not {expected}");
    }
}

#[test]
fn a_model_ignores_levels_and_noise_that_it_cannot_be_given() {
    let net = Frozen::new(&stirred(net(&config(Head::Dot), SHAPE)));
    for energy in [net.at_levels(tensor(&[1])), net.with_noise(sigmas(&[0.2]))] {
        assert!(energy.of_rows(0..1).is_none());
        let [got, expected] = [
            energy.energies(images(2, SHAPE)),
            net.energies(images(2, SHAPE)),
        ];
        assert_eq!(floats(got.into_data()), floats(expected.into_data()));
    }
}

#[test]
#[should_panic = "expected a noise level for each of 3 images, got 1"]
fn refuses_one_level_for_all_images() {
    let net = leveled(0);
    net.at_levels(tensor(&[2])).energies(images(3, SHAPE));
}

/// σ of some images.
fn sigmas(values: &[f32]) -> Tensor<1> {
    Tensor::from_floats(values, &Device::flex())
}

/// A network that is told noise, and another that takes it as one more channel of its images.
#[test]
fn noise_is_one_more_channel_that_the_stem_sees() {
    let told = UNetConfig {
        noise_map: true,
        input_scale: 2.0,
        ..config(Head::HalfSquared)
    };
    let told = Frozen::new(&stirred(net(&told, SHAPE)));
    assert!(told.sees_noise());
    assert_eq!(told.stem.weight.dims(), [4, 2, 3, 3]);
    let x = images(2, SHAPE);
    let noise = [0.1, 0.3];
    let seen = told.with_noise_map(x.clone(), Some(&sigmas(&noise)));
    let [of_image, of_map] = [0, 1].map(|at| floats(seen.clone().narrow(1, at, 1).into_data()));
    assert_eq!(of_image, floats(x.clone().into_data()));
    for (values, sigma) in of_map.chunks(SHAPE.pixels()).zip(noise) {
        assert!(values.iter().all(|value| *value == 4.0 * sigma));
    }

    let of = |noise: &[f32]| {
        let energy = told.with_noise(sigmas(noise));
        let (energies, gradients) = energy.energies_and_gradients(x.clone());
        (floats(energies.into_data()), floats(gradients.into_data()))
    };
    let (energies, gradients) = of(&noise);
    let (swapped, _) = of(&[0.3, 0.1]);
    assert!(energies[0] != swapped[0] && energies[1] != swapped[1]);
    let (without, _) = of(&[0.0, 0.0]);
    assert_eq!(without, floats(told.energies(x.clone()).into_data()));

    let energy = told.with_noise(sigmas(&noise));
    let second = energy.of_rows(1..2).expect("noise is of rows");
    let (energy, gradient) = second.energies_and_gradients(x.narrow(0, 1, 1));
    assert_eq!(floats(energy.into_data()), energies[1..]);
    assert_eq!(floats(gradient.into_data()), gradients[SHAPE.pixels()..]);
}

#[test]
#[should_panic = "expected the noise of each of 3 images, got 1"]
fn refuses_one_noise_for_all_images() {
    let told = UNetConfig {
        noise_map: true,
        ..config(Head::Dot)
    };
    let told = Frozen::new(&net(&told, SHAPE));
    told.with_noise(sigmas(&[0.1])).energies(images(3, SHAPE));
}

fn refused(config: &UNetConfig, [height, width]: [usize; 2]) -> Option<String> {
    let (mut rng, shape) = (
        SmallRng::seed_from_u64(2),
        ImageShape::new(1, height, width),
    );
    let error = config.init(shape, &mut rng, &Device::flex()).err();
    error.map(|error| error.to_string())
}

#[test]
fn refuses_sizes_that_cannot_be_halved_and_doubled_back() {
    for head in [Head::Dot, Head::HalfSquared, Head::Pooled] {
        let three = UNetConfig {
            widths: vec![2, 2, 2],
            ..config(head)
        };
        assert_eq!(refused(&three, [8, 12]), None);
        let expected = "images of 10×8 cannot be halved 2 times and doubled back: use images with sides \
                        divisible by 4, or fewer stages";
        let expected = (head != Head::Pooled).then(|| expected.to_owned());
        assert_eq!(refused(&three, [10, 8]), expected);
        let expected = "images of 8×3 cannot be halved 2 times; use larger images, or fewer stages";
        assert_eq!(refused(&three, [8, 3]).as_deref(), Some(expected));
    }
}

#[test]
fn patches_are_pixels_of_more_channels() {
    let shape = ImageShape::new(1, 8, 12);
    let config = UNetConfig {
        patch: 2,
        ..config(Head::HalfSquared)
    };
    let patched = net(&config, shape);
    assert_eq!(patched.stem.weight.dims(), [4, 4, 3, 3]);
    let of_pixels = UNetConfig {
        patch: 1,
        ..config.clone()
    };
    // The same weights on what the patches are: four channels of half the size, where E is the same sum.
    let quarter = ImageShape::new(4, 4, 6);
    let small = net(&of_pixels, quarter);
    let x = images(2, shape);
    let got = floats(patched.energy(x.clone()).into_data());
    let expected = small.energy(to_patches(x, 2));
    assert_close(&got, &floats(expected.into_data()), &"patches");
    assert_eq!(patched.work(shape), small.work(quarter));
    let message = refused(&config, [8, 6]).expect("refused");
    assert!(
        message.starts_with("images of 8×6 cannot be cut into squares of 4×4"),
        "{message}"
    );
    let pooled = UNetConfig {
        head: Head::Pooled,
        ..config.clone()
    };
    assert_eq!(refused(&pooled, [8, 6]), None);
    let message = refused(&pooled, [8, 7]).expect("refused");
    assert!(
        message.starts_with("images of 8×7 cannot be cut into squares of 2×2"),
        "{message}"
    );
}

/// Check that another pixel changes ∇E within so many pixels alone, wherever it lies on the grid of halvings.
fn assert_ends_within(config: &UNetConfig, reach: usize, divisor: usize) {
    let width = 256;
    let shape = ImageShape::new(1, 8, width);
    let net = Network::UNet(stirred(net(config, shape)));
    assert_eq!(net.locality(), Some(Locality { reach, divisor }));
    let net = Frozen::new(&net);
    let gradient = |x| floats(net.energies_and_gradients(x).1.into_data());
    let x = images(1, shape);
    let before = gradient(x.clone());
    for at in 0..divisor {
        let [first, other, last] = [(0, at), (at, 1), (at + 1, width - at - 1)]
            .map(|(start, len)| (len > 0).then(|| x.clone().narrow(3, start, len)));
        let other = other.map(|other| other * -0.5 + 0.9);
        let changed = Tensor::cat([first, other, last].into_iter().flatten().collect(), 3);
        let after = gradient(changed);
        let differs = |column: usize| {
            (0..8).any(|row| before[row * width + column] != after[row * width + column])
        };
        assert!(differs(at + reach / 4), "it sees something");
        assert!((at + reach + 1..width).all(|column| !differs(column)));
    }
}

#[test]
fn what_a_pixel_sees_ends_within_its_reach() {
    let config = UNetConfig {
        widths: vec![3, 4],
        patch: 2,
        ..config(Head::HalfSquared)
    };
    let deeper = UNetConfig {
        widths: vec![2, 3, 3],
        blocks: 2,
        ..config.clone()
    };
    // Patches of 2: two ends, blocks of 2 and 2·2, back up 2 and 2: 12 of them and a pixel, there and back.
    assert_ends_within(&config, 50, 4);
    // Two ends, twice 2 + 4 + 8, back up 4 and 8: 42 of them and a pixel, there and back.
    assert_ends_within(&deeper, 170, 8);

    let with_attention = UNetConfig {
        attention: true,
        ..config.clone()
    };
    let with_classes = UNetConfig {
        num_classes: 2,
        ..config
    };
    for config in [with_attention, with_classes] {
        let net = Network::UNet(net(&config, ImageShape::new(1, 8, 8)));
        assert_eq!(net.locality(), None);
    }
}

#[test]
fn refuses_a_table_without_stages_blocks_or_channels() {
    let without = |widths: &[usize], blocks| {
        let config = UNetConfig {
            widths: widths.to_vec(),
            blocks,
            ..UNetConfig::default()
        };
        refused(&config, [8, 8]).expect("refused")
    };
    assert_eq!(without(&[], 1), "layer 1: stages must be at least 1");
    assert_eq!(without(&[2, 0], 1), "layer 2: widths must be at least 1");
    assert_eq!(without(&[2, 2], 0), "layer 1: blocks must be at least 1");
}

#[test]
fn takes_images_of_every_size_that_can_be_halved() {
    let x = |[height, width]: [usize; 2]| images(2, ImageShape::new(1, height, width));
    for head in [Head::Dot, Head::HalfSquared] {
        let net = net(&config(head), SHAPE);
        assert_eq!(net.energy(x([16, 6])).dims(), [2]);
    }
    let net = net(&config(Head::Pooled), SHAPE);
    assert_eq!(net.energy(x([5, 7])).dims(), [2]);
}

#[test]
fn frozen_weights_serve_images_of_all_sizes_in_turn() {
    let config = UNetConfig {
        widths: vec![16, 16],
        ..config(Head::HalfSquared)
    };
    let net = Network::UNet(stirred(net(&config, ImageShape::new(1, 32, 32))));
    let in_turn = Frozen::new(&net);
    // Large images go through other tiles than small ones, and the smallest through none.
    for [height, width] in [[32, 32], [2, 2], [12, 32], [4, 6], [2, 32], [32, 32]] {
        let x = images(2, ImageShape::new(1, height, width));
        let gradients = |net: &Frozen<Network>| {
            let (energies, gradients) = net.energies_and_gradients(x.clone());
            [energies.into_data(), gradients.into_data()].map(floats)
        };
        assert_eq!(
            gradients(&in_turn),
            gradients(&Frozen::new(&net)),
            "{height}×{width}"
        );
    }
}

#[test]
#[should_panic = "expected images with sides divisible by 2, got 8×7"]
fn refuses_images_that_cannot_be_halved() {
    net(&config(Head::Dot), SHAPE).energy(images(1, ImageShape::new(1, 8, 7)));
}

#[test]
fn work_is_that_of_the_table() {
    let shape = ImageShape::new(3, 8, 12);
    let work = |head| {
        let config = UNetConfig {
            blocks: 2,
            ..config(head)
        };
        net(&config, shape).work(shape)
    };
    let (full, half) = (96, 24);
    let down = full * 9 * (3 * 4 + 4 * 4 * 4) + half * (9 * (4 * 6 + 3 * 6 * 6) + 4 * 6);
    let up = full * (9 * (10 * 4 + 4 * 4) + 10 * 4);
    let to_image = full * 9 * 4 * 3;
    for head in [Head::Dot, Head::HalfSquared] {
        assert_eq!(work(head).multiply_adds, down + up + to_image);
    }
    assert_eq!(work(Head::Pooled).multiply_adds, down + 6);
    let down = full * (4 + 4 * 4) + half * 5 * 6;
    let up = full * (3 * 4 + 6 + 10); // the image that was doubled, and the joined one
    assert_eq!(work(Head::Dot).outputs, down + up + full * 3);
    assert_eq!(work(Head::Pooled).outputs, down + 1);
}

#[test]
fn every_weight_but_the_last_is_under_spectral_norm() {
    let config = UNetConfig {
        attention: true,
        spectral_norm: true,
        ..config(Head::Dot)
    };
    let mut net = net(&config, SHAPE);
    let names: Vec<_> = net.spectral_norms().into_iter().map(|it| it.name).collect();
    let expected = [
        "stem",
        "down.0.a",
        "down.0.b",
        "down.1.a",
        "down.1.b",
        "down.1.bypass",
        "up.0.a",
        "up.0.b",
        "up.0.bypass",
        "attention.query",
        "attention.key",
        "attention.value",
    ];
    assert_eq!(names, expected);
}

#[test]
fn weights_rounded_to_f16_and_factors_to_bf16_give_nearly_the_same_energies() {
    for head in [Head::HalfSquared, Head::Pooled] {
        let network = NetworkConfig::UNet(UNetConfig {
            widths: vec![16, 16],
            ..config(head)
        });
        let mut rng = SmallRng::seed_from_u64(2);
        let net = network.init(SHAPE, &mut rng, &Device::flex());
        let net: Frozen<Network> = Frozen::new(&stirred(net.expect("fits")));
        let x = images(2, SHAPE);
        let exact = floats(net.energies(x.clone()).into_data());
        for precision in [Precision::F16, Precision::Bf16] {
            let rounded = floats(net.rounded(precision).energies(x.clone()).into_data());
            for (rounded, exact) in rounded.iter().zip(&exact) {
                let error = (rounded - exact).abs() / exact.abs().max(1.0);
                assert!(
                    error < 0.02,
                    "{head:?} in {precision}: {rounded} is not {exact}"
                );
            }
        }
    }
}
