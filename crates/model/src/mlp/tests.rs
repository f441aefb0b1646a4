//! Check the energies of dense layers by hand: values, classes, dropped units and counts.

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use ebm_core::ImageShape;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::{Mlp, MlpConfig};
use crate::energy::{EnergyContext, EnergyModel, one_class_at_a_time};
use crate::testing::{assert_close, floats, images, stirred};

fn net(config: &MlpConfig, shape: ImageShape) -> Mlp {
    let mut rng = SmallRng::seed_from_u64(4);
    config.init(shape, &mut rng, &Device::flex()).expect("fits")
}

fn config(widths: &[usize], num_classes: usize) -> MlpConfig {
    MlpConfig {
        widths: widths.to_vec(),
        num_classes,
        ..MlpConfig::default()
    }
}

#[test]
fn two_pixels_can_be_computed_by_hand() {
    let device = Device::flex();
    let mut net = net(&config(&[2], 0), ImageShape::new(1, 1, 2));
    net.layers[0].weight = Param::from_data([[1.0f32, -1.0], [2.0, 4.0]], &device);
    net.layers[0].bias = Param::from_data([0.5f32, -3.0], &device);
    net.out.weight = Param::from_data([[10.0f32], [100.0]], &device);
    net.out.bias = Param::from_data([1.0f32], &device);
    // [0.2 + 1 + 0.5, −0.2 + 2 − 3] = [1.7, −1.2], and ReLU leaves the first.
    let x = Tensor::<1>::from_floats([0.2, 0.5], &device).reshape([1, 1, 1, 2]);
    let energy = net.energy(x).into_scalar::<f32>();
    assert!((energy - 18.0).abs() < 1e-5, "{energy}");
}

#[test]
fn the_energies_of_all_classes_are_there_at_once() {
    let shape = ImageShape::new(1, 4, 3);
    let net = stirred(net(&config(&[6, 5], 3), shape));
    let x = images(2, shape);
    let at_once = net.energies_by_class(x.clone());
    assert_eq!(at_once.dims(), [2, 3]);
    let one_by_one = one_class_at_a_time(&net, x, EnergyContext::default());
    assert_eq!(at_once.into_data(), one_by_one.into_data());
}

#[test]
fn dropped_units_of_each_hidden_layer_are_as_if_they_were_not_there() {
    let shape = ImageShape::new(1, 4, 3);
    let whole = stirred(net(&config(&[6, 5], 3), shape));
    // Unit 2 of the first layer and unit 0 of the second.
    let mask = |layer: u32, dims: [usize; 4]| -> Tensor<4> {
        let dropped = [2, 0][layer as usize];
        let row = (0..dims[1]).map(|unit| if unit == dropped { 0.0 } else { 2.0 });
        let row: Vec<f32> = row.collect();
        let rows = Tensor::<1>::from_floats(&row[..], &Device::flex());
        rows.reshape([1, dims[1], 1, 1]).expand(dims)
    };
    let context = EnergyContext {
        dropout: Some(&mask),
        ..EnergyContext::default()
    };
    let got = whole.energies_by_class_with(images(2, shape), context);
    let mut without = whole.clone();
    let kept = |units: usize, dropped: usize| {
        let row = (0..units).map(|unit| if unit == dropped { 0.0 } else { 2.0 });
        let row: Vec<f32> = row.collect();
        Tensor::<1>::from_floats(&row[..], &Device::flex()).reshape([units, 1])
    };
    without.layers[1].weight = without.layers[1].weight.clone().map(|w| w * kept(6, 2));
    without.out.weight = without.out.weight.clone().map(|w| w * kept(5, 0));
    let expected = without.energies_by_class(images(2, shape));
    let [got, expected] = [got, expected].map(|it| floats(it.into_data()));
    assert_close(&got, &expected, &"energies");
}

#[test]
fn work_is_that_of_the_table() {
    let shape = ImageShape::new(1, 28, 28);
    let work = net(&config(&[12, 8], 10), shape).work(shape);
    assert_eq!(work.multiply_adds, 784 * 12 + 12 * 8 + 8 * 10);
    assert_eq!(work.outputs, 12 + 8 + 10);
}

#[test]
fn refuses_a_table_without_layers_or_units() {
    let refused = |widths: &[usize]| {
        let mut rng = SmallRng::seed_from_u64(4);
        let shape = ImageShape::new(1, 8, 8);
        let error = config(widths, 0).init(shape, &mut rng, &Device::flex());
        error.expect_err("refused").to_string()
    };
    assert_eq!(refused(&[]), "layer 1: layers must be at least 1");
    assert_eq!(refused(&[2, 0]), "layer 2: widths must be at least 1");
}
