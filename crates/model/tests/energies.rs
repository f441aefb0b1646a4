//! Check what every energy promises: exact input gradients, and independence of the batch.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use ebm_langevin::{Langevin, LangevinConfig, NoiseKey, PhiloxRng, Stream, energy_and_gradient};
use ebm_model::{Activation, ConvNet, ConvNetConfig, EnergyModel, ImageShape};

const MNIST: ImageShape = ImageShape {
    channels: 1,
    height: 28,
    width: 28,
};

fn networks() -> Vec<(&'static str, ConvNetConfig)> {
    let mnist = ConvNetConfig::mnist_with_filters(8);
    vec![
        ("uva", ConvNetConfig::uva()),
        ("mnist", mnist.clone()),
        ("mnist with swish", mnist.with_activation(Activation::Swish)),
    ]
}

fn build(config: &ConvNetConfig, shape: ImageShape) -> ConvNet {
    build_on(config, shape, &Device::flex())
}

fn build_on(config: &ConvNetConfig, shape: ImageShape, device: &Device) -> ConvNet {
    let mut rng = PhiloxRng::new(NoiseKey::new(4, Stream::Weights, 0), 0);
    config.init(shape, &mut rng, device).expect("fits")
}

fn pixels(batch: usize, shape: ImageShape) -> Vec<f64> {
    let pixels = batch * shape.pixels();
    (0..pixels)
        .map(|i| (i * 7_919 % 1_009) as f64 / 1_009.0)
        .collect()
}

fn images(values: Vec<f64>, shape: ImageShape, dtype: DType) -> Tensor<4> {
    let [c, h, w] = shape.dims();
    let data = TensorData::new(values.clone(), [values.len() / shape.pixels(), c, h, w]);
    Tensor::from_data(data, (&Device::flex(), dtype))
}

fn in_double_precision(net: ConvNet) -> ConvNet {
    struct Double;
    impl ModuleMapper for Double {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| match weight.is_autodiff() {
                true => weight.inner().cast(DType::F64).autodiff().require_grad(),
                false => weight.cast(DType::F64),
            })
        }
    }
    net.map(&mut Double)
}

#[test]
fn the_input_gradient_is_the_central_difference() {
    for shape in [MNIST, ImageShape::new(3, 16, 20)] {
        for (name, config) in networks() {
            let net = in_double_precision(build(&config, shape));
            let energy = |x: Tensor<4>| net.energy(x);
            let at = pixels(1, shape);
            let (_, gradient) = energy_and_gradient(images(at.clone(), shape, DType::F64), &energy);
            let gradient: Vec<f64> = gradient.into_data().iter::<f64>().collect();
            let h = 1e-6;
            for pixel in (0..shape.pixels()).step_by(shape.pixels() / 23) {
                let moved = |by: f64| {
                    let mut at = at.clone();
                    at[pixel] += by;
                    energy(images(at, shape, DType::F64)).into_scalar::<f64>()
                };
                let difference = (moved(h) - moved(-h)) / (2.0 * h);
                let error = (gradient[pixel] - difference).abs();
                assert!(
                    error < 1e-7 * (1.0 + difference.abs()),
                    "{name}, pixel {pixel}: {error}"
                );
            }
        }
    }
}

#[test]
fn the_kernels_in_single_precision_agree_with_burns_operations_in_double() {
    for (name, config) in networks() {
        let single = build_on(&config, MNIST, &Device::flex().autodiff());
        let double = in_double_precision(build_on(&config, MNIST, &Device::flex().autodiff()));
        let at = pixels(6, MNIST);
        let ours = all_gradients(&single, images(at.clone(), MNIST, DType::F32));
        let burns = all_gradients(&double, images(at, MNIST, DType::F64));
        assert_eq!(ours.len(), burns.len());
        for (i, (ours, burns)) in ours.iter().zip(&burns).enumerate() {
            let largest = burns.iter().fold(0.0f64, |max, g| max.max(g.abs()));
            assert!(largest > 0.0, "{name}, array {i} has a gradient");
            for (ours, burns) in ours.iter().zip(burns) {
                let error = (ours - burns).abs() / largest;
                assert!(error < 1e-5, "{name}, array {i}: {ours} is not {burns}");
            }
        }
    }
}

/// The gradients of Σ E(x) with respect to x and to every parameter.
fn all_gradients(net: &ConvNet, x: Tensor<4>) -> Vec<Vec<f64>> {
    struct Collect<'a>(&'a Gradients, Vec<Vec<f64>>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.0).expect("every parameter matters");
            self.1.push(gradient.into_data().iter::<f64>().collect());
        }
    }
    let x = x.autodiff().require_grad();
    let gradients = net.energy(x.clone()).sum().backward();
    let of_x = x.grad(&gradients).expect("the image matters");
    let mut collect = Collect(&gradients, vec![of_x.into_data().iter::<f64>().collect()]);
    net.visit(&mut collect);
    collect.1
}

#[test]
fn the_energy_of_a_batch_is_the_energies_of_its_images_alone() {
    for (name, config) in networks() {
        let net = build(&config, MNIST);
        let x = images(pixels(7, MNIST), MNIST, DType::F32);
        let together: Vec<f32> = net.energy(x.clone()).into_data().iter::<f32>().collect();
        for (i, expected) in together.into_iter().enumerate() {
            let alone = net.energy(x.clone().narrow(0, i, 1)).into_scalar::<f32>();
            assert_eq!(alone, expected, "{name}, image {i}");
        }
    }
}

#[test]
fn chains_under_a_network_do_not_depend_on_how_the_batch_is_cut() {
    for (name, config) in networks() {
        let net = build(&config, MNIST);
        let config = LangevinConfig {
            num_steps: 3,
            ..LangevinConfig::default()
        };
        let ids: Vec<u32> = (0..35).collect();
        let x = images(pixels(35, MNIST), MNIST, DType::F32);
        let [whole, pieces, single] = [35, 8, 1].map(|size| {
            let sampler = Langevin::new(config.clone(), NoiseKey::new(1, Stream::Langevin, 0));
            let run = sampler
                .with_piece_size(size)
                .run(x.clone(), &ids, |x| net.energy(x));
            run.x.into_data().iter::<f32>().collect::<Vec<_>>()
        });
        assert!(whole == pieces, "{name}: pieces of eight");
        assert!(whole == single, "{name}: a piece for each chain");
    }
}

#[test]
fn the_same_seed_gives_the_same_weights() {
    let x = images(pixels(2, MNIST), MNIST, DType::F32);
    let energies = |net: ConvNet| net.energy(x.clone()).into_data();
    let config = ConvNetConfig::uva();
    assert_eq!(
        energies(build(&config, MNIST)),
        energies(build(&config, MNIST))
    );
}
