//! Check what every energy promises: exact input gradients, and independence of the batch.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use ebm_core::{Energy, NoiseKey, PhiloxRng, Stream, energy_and_gradient, index_tensor, pieces_of};
use ebm_model::{
    Activation, ConvNetConfig, EnergyContext, EnergyModel, ExpertsConfig, Frozen, Head, ImageShape,
    LatentConfig, MlpConfig, Network, NetworkConfig, PooledNetConfig, ResNetConfig, UNetConfig,
};

const MNIST: ImageShape = ImageShape::new(1, 28, 28);

fn networks() -> Vec<(&'static str, NetworkConfig)> {
    let mnist = ConvNetConfig::mnist_with_filters(16);
    let resnet = ResNetConfig::resnet32_with_filters(4, 0).with_activation(Activation::Swish);
    vec![
        ("uva", NetworkConfig::Conv(ConvNetConfig::uva())),
        ("mnist", NetworkConfig::Conv(mnist.clone())),
        (
            "mnist with swish",
            NetworkConfig::Conv(mnist.with_activation(Activation::Swish)),
        ),
        (
            "dsprites",
            NetworkConfig::Conv(ConvNetConfig::dsprites_with_filters(4)),
        ),
        ("resnet32", NetworkConfig::Res(resnet.clone())),
        (
            "resnet32 with attention",
            NetworkConfig::Res(ResNetConfig {
                attention: true,
                ..resnet
            }),
        ),
        (
            "plain resnet32-large",
            NetworkConfig::Res(ResNetConfig {
                plain: true,
                ..ResNetConfig::resnet32_large_with_filters(4, 0)
            }),
        ),
        ("unet", NetworkConfig::UNet(unet(&[4, 8, 8], Head::Dot))),
        (
            "unet with attention and spectral norm",
            NetworkConfig::UNet(UNetConfig {
                blocks: 2,
                attention: true,
                spectral_norm: true,
                energy_scale: 0.5,
                ..unet(&[4, 8, 8], Head::HalfSquared)
            }),
        ),
        (
            "unet that is told noise",
            NetworkConfig::UNet(UNetConfig {
                noise_map: true,
                patch: 2,
                input_scale: 2.0,
                energy_scale: 0.05,
                ..unet(&[4, 8], Head::HalfSquared)
            }),
        ),
        ("pooled", NetworkConfig::Pooled(pooled())),
        (
            "experts",
            NetworkConfig::Experts(ExpertsConfig {
                experts: Some(24),
                dimensions: Some(16),
                ..ExpertsConfig::default()
            }),
        ),
        (
            "mlp",
            NetworkConfig::Mlp(MlpConfig {
                widths: vec![16, 8],
                ..MlpConfig::default()
            }),
        ),
    ]
}

fn unet(widths: &[usize], head: Head) -> UNetConfig {
    UNetConfig {
        widths: widths.to_vec(),
        head,
        ..UNetConfig::default()
    }
}

fn pooled() -> PooledNetConfig {
    PooledNetConfig {
        widths: vec![4, 16, 16],
        hidden: 8,
        energy_scale: 2.0,
        ..PooledNetConfig::default()
    }
}

/// A network as its table makes it.
fn initial(config: &NetworkConfig, shape: ImageShape) -> Network {
    let mut rng = PhiloxRng::new(NoiseKey::new(4, Stream::Weights, 0), 0);
    config.init(shape, &mut rng, &Device::flex()).expect("fits")
}

/// A frozen network with no parameter that is without effect.
fn build(config: &NetworkConfig, shape: ImageShape) -> Frozen<Network> {
    let net = Frozen::new(&initial(config, shape));
    Frozen::new(&stirred((*net).clone()))
}

/// The network with every parameter moved a little, so that none is zero or without effect.
fn stirred(net: Network) -> Network {
    struct Stir(usize);
    impl ModuleMapper for Stir {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| {
                let (shape, len) = (weight.shape(), weight.shape().num_elements());
                let step = |i: usize| ((i * 7_919 + self.0 * 31) % 1_009) as f32 / 1_009.0 - 0.5;
                let moves: Vec<f32> = (0..len).map(|i| 0.1 * step(i)).collect();
                self.0 += len;
                weight.clone() + Tensor::from_data(TensorData::new(moves, shape), &weight.device())
            })
        }
    }
    net.map(&mut Stir(1))
}

/// The network with its parameters at the start of a tape.
fn tracked(net: &Network) -> Network {
    struct Track;
    impl ModuleMapper for Track {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| weight.autodiff().require_grad())
        }
    }
    net.clone().map(&mut Track)
}

fn pixels(batch: usize, shape: ImageShape) -> Vec<f64> {
    let pixels = batch * shape.pixels();
    (0..pixels)
        .map(|i| (i * 7_919 % 1_009) as f64 / 1_009.0)
        .collect()
}

/// [`pixels`] for a test of sums over all pixels: those of 2x − 1, in the heads of U-Nets, would cancel
/// but for rounding, so theirs are dark.
fn pixels_for(config: &NetworkConfig, batch: usize) -> Vec<f64> {
    let pixels = pixels(batch, MNIST);
    match config {
        NetworkConfig::UNet(_) => pixels.into_iter().map(|x| x * x).collect(),
        _ => pixels,
    }
}

fn images(values: Vec<f64>, shape: ImageShape, dtype: DType) -> Tensor<4> {
    let dims = shape.batch(values.len() / shape.pixels());
    Tensor::from_data(TensorData::new(values, dims), (&Device::flex(), dtype))
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

fn in_double_precision(net: &Network) -> Network {
    struct Double;
    impl ModuleMapper for Double {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| weight.cast(DType::F64))
        }
    }
    net.clone().map(&mut Double)
}

#[test]
fn the_input_gradient_is_the_central_difference() {
    for shape in [MNIST, ImageShape::new(3, 16, 20)] {
        for (name, config) in networks() {
            let net = in_double_precision(&build(&config, shape));
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
    // Images in planes, in lanes with and without gaps, and more than a kernel takes at once.
    for ((name, config), batch) in all_networks()
        .into_iter()
        .flat_map(|net| [3, 6, 8, 19].map(|n| (net.clone(), n)))
    {
        let net = build(&config, MNIST);
        let single = tracked(&net);
        let double = tracked(&in_double_precision(&net));
        let at = pixels_for(&config, batch);
        let ours = all_gradients(&single, images(at.clone(), MNIST, DType::F32));
        let burns = all_gradients(&double, images(at, MNIST, DType::F64));
        assert_eq!(ours.len(), burns.len());
        for (i, (ours, burns)) in ours.iter().zip(&burns).enumerate() {
            let largest = burns.iter().fold(0.0f64, |max, g| max.max(g.abs()));
            // Softmax does not see the bias of attention's keys: that gradient is rounding alone.
            let largest = if largest < 1e-12 { 1.0 } else { largest };
            for (ours, burns) in ours.iter().zip(burns) {
                let error = (ours - burns).abs() / largest;
                assert!(error < 1e-5, "{name}, array {i}: {ours} is not {burns}");
            }
        }
    }
}

#[cfg(feature = "wgpu")]
#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn every_network_computes_on_every_adapter_what_it_computes_on_the_cpu() {
    for device in &ebm_core::adapters_under_test() {
        // In SPIR-V, matrix units round factors to 17 bits.
        let tolerance = if cfg!(feature = "vulkan") { 1e-3 } else { 1e-5 };
        assert_computes_as_the_cpu(device, tolerance);
    }
}

#[cfg(feature = "ndarray")]
#[allow(deprecated)] // upstream prefers flex to ndarray; users compare them
#[test]
fn every_network_computes_on_ndarray_what_it_computes_on_flex() {
    assert_computes_as_the_cpu(&Device::ndarray(), 1e-5);
}

/// Holds energies and all gradients of every network on a device to those of flex, but for a share of
/// the largest energy, and ten times that of the largest gradient.
fn assert_computes_as_the_cpu(device: &Device, tolerance: f32) {
    let of_gradients = 10.0 * f64::from(tolerance);
    for (name, config) in all_networks().into_iter().chain(of_latents()) {
        let net = build(&config, MNIST);
        let x = images(pixels_for(&config, 3), MNIST, DType::F32);
        let expected = all_gradients(&tracked(&net), x.clone());
        let energies = floats(net.with_noise(noise(&x)).energies(x.clone()));
        let net = net.on_device(device);
        let x = Tensor::from_data(x.to_data(), device);
        // Samplers use constant weights, for which a device may have other kernels.
        let told = net.with_noise(noise(&x));
        let (with_gradient, of_x) = told.energies_and_gradients(x.clone());
        for there in [told.energies(x.clone()), with_gradient] {
            for (there, here) in floats(there).into_iter().zip(&energies) {
                let error = (there - here).abs() / here.abs().max(1.0);
                assert!(
                    error < tolerance,
                    "{name}: an energy of {there} is not {here}"
                );
            }
        }
        let largest = expected[0].iter().fold(0.0f64, |max, g| max.max(g.abs()));
        for (got, expected) in of_x.into_data().iter::<f64>().zip(&expected[0]) {
            let error = (got - expected).abs() / largest;
            assert!(
                error < of_gradients,
                "{name}: a gradient of {got} is not {expected}"
            );
        }
        let got = all_gradients(&tracked(&net), x);
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let largest = expected.iter().fold(0.0f64, |max, g| max.max(g.abs()));
            // The bias of attention's keys again.
            let largest = if largest < 1e-6 { 1.0 } else { largest };
            for (got, expected) in got.iter().zip(expected) {
                let error = (got - expected).abs() / largest;
                assert!(
                    error < of_gradients,
                    "{name}, array {i}: {got} is not {expected}"
                );
            }
        }
    }
}

/// Energies of images and latent vectors, whose descents are one step: the size of later ones is a ratio of differences of
/// gradients, in which rounding grows.
fn of_latents() -> [(&'static str, NetworkConfig); 2] {
    let config = LatentConfig {
        latents: 3,
        widths: vec![4, 8],
        hidden: 8,
        observation_std: 0.5,
        inference_steps: 1,
        inference_step_size: 0.01,
        ..LatentConfig::default()
    };
    let free = LatentConfig {
        free: true,
        ..config.clone()
    };
    [("latent", config), ("latent-free", free)]
        .map(|(name, config)| (name, NetworkConfig::Latent(config)))
}

/// [`networks`], and some with classes.
fn all_networks() -> Vec<(&'static str, NetworkConfig)> {
    let uva = ConvNetConfig {
        num_classes: 3,
        ..ConvNetConfig::uva()
    };
    let resnet = ResNetConfig::resnet32_with_filters(4, 3);
    let mut all = networks();
    all.push(("conditional uva", NetworkConfig::Conv(uva)));
    all.push(("conditional resnet32", NetworkConfig::Res(resnet)));
    let pooled_unet = UNetConfig {
        num_classes: 2,
        levels: 3,
        ..unet(&[16, 16], Head::Pooled)
    };
    all.push((
        "conditional unet with levels, pooled",
        NetworkConfig::UNet(pooled_unet),
    ));
    let pooled = PooledNetConfig {
        num_classes: 3,
        spectral_norm: true,
        ..pooled()
    };
    all.push(("conditional pooled", NetworkConfig::Pooled(pooled)));
    all
}

/// σ of images, for networks that are told it, `[batch]`.
fn noise(x: &Tensor<4>) -> Tensor<1> {
    let batch = x.dims()[0];
    let values: Vec<f32> = (0..batch).map(|i| 0.05 + 0.1 * i as f32).collect();
    Tensor::from_data(TensorData::new(values, [batch]), &x.device().inner())
}

/// The gradients of Σ E(x) with respect to x and to every parameter.
fn all_gradients(net: &Network, x: Tensor<4>) -> Vec<Vec<f64>> {
    struct Collect<'a>(&'a Gradients, Vec<Vec<f64>>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.0).expect("every parameter matters");
            self.1.push(gradient.into_data().iter::<f64>().collect());
        }
    }
    let x = x.autodiff().require_grad();
    let noise = noise(&x);
    let context = EnergyContext {
        noise: Some(&noise),
        ..EnergyContext::default()
    };
    let gradients = net.energy_in(x.clone(), context, 1.0).sum().backward();
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
        for (i, expected) in floats(net.energy(x.clone())).into_iter().enumerate() {
            let alone = net.energy(x.clone().narrow(0, i, 1)).into_scalar::<f32>();
            assert_eq!(alone, expected, "{name}, image {i}");
        }
    }
}

/// ∇E where steps of gradient descent lead from `x`.
fn last_gradient(energy: &dyn Energy<4>, mut x: Tensor<4>) -> Tensor<4> {
    for _ in 0..2 {
        let (_, gradient) = energy.energies_and_gradients(x.clone());
        x = x - gradient * 0.01;
    }
    energy.energies_and_gradients(x).1
}

#[test]
fn chains_under_a_network_do_not_depend_on_how_the_batch_is_cut() {
    for (name, config) in networks() {
        let net = build(&config, MNIST);
        let x = images(pixels(35, MNIST), MNIST, DType::F32);
        let [whole, pieces, single] = [35, 8, 1].map(|size| {
            let pieces = pieces_of(35, size).into_iter();
            let pieces = pieces.map(|rows| {
                let part = x.clone().narrow(0, rows.start, rows.len());
                last_gradient(&net, part)
            });
            floats(Tensor::cat(pieces.collect(), 0))
        });
        assert!(whole == pieces, "{name}: pieces of eight");
        assert!(whole == single, "{name}: a piece for each chain");
    }
}

#[test]
fn the_same_seed_gives_the_same_weights() {
    let x = images(pixels(2, MNIST), MNIST, DType::F32);
    let config = NetworkConfig::Conv(ConvNetConfig::uva());
    let energies = || floats(initial(&config, MNIST).energy(x.clone()));
    assert_eq!(energies(), energies());
}

#[test]
fn a_class_changes_the_energy_and_the_free_energy_sums_over_all() {
    let classes = 3;
    let conv = ConvNetConfig {
        num_classes: classes,
        ..ConvNetConfig::mnist_with_filters(4)
    };
    for config in [
        NetworkConfig::Conv(conv),
        NetworkConfig::Res(ResNetConfig::resnet32_with_filters(4, classes)),
        NetworkConfig::UNet(UNetConfig {
            num_classes: classes,
            levels: 2,
            ..unet(&[4, 8], Head::Dot)
        }),
        NetworkConfig::Pooled(PooledNetConfig {
            num_classes: classes,
            ..pooled()
        }),
        NetworkConfig::Mlp(MlpConfig {
            widths: vec![6],
            num_classes: classes,
            ..MlpConfig::default()
        }),
    ] {
        let net = build(&config, MNIST);
        assert_eq!(net.num_classes(), classes);
        let x = images(pixels(2, MNIST), MNIST, DType::F32);
        let by_class = net.energies_by_class(x.clone()).into_data();
        let by_class: Vec<f64> = by_class.iter::<f64>().collect();
        let y = index_tensor(&[2, 1], &Device::flex());
        let given = net.energy_given(x.clone(), &y).into_data();
        let given: Vec<f64> = given.iter::<f64>().collect();
        assert_eq!(given, [by_class[2], by_class[classes + 1]]);
        assert!(by_class[0] != by_class[1] && by_class[1] != by_class[2]);
        let free: Vec<f64> = net.energy(x).into_data().iter::<f64>().collect();
        for (free, row) in free.iter().zip(by_class.chunks(classes)) {
            let expected = -row.iter().map(|e| (-e).exp()).sum::<f64>().ln();
            assert!((free - expected).abs() < 1e-5 * (1.0 + expected.abs()));
        }
    }
}

#[test]
#[should_panic = "expected a class for each of 3 images, got 1"]
fn a_convolutional_network_refuses_one_class_for_all_images() {
    let config = ConvNetConfig {
        num_classes: 4,
        ..ConvNetConfig::uva()
    };
    refuses_a_short_batch_of_classes(&NetworkConfig::Conv(config));
}

#[test]
#[should_panic = "expected a class for each of 3 images, got 1"]
fn a_residual_network_refuses_one_class_for_all_images() {
    let config = ResNetConfig::resnet32_with_filters(4, 4);
    refuses_a_short_batch_of_classes(&NetworkConfig::Res(config));
}

#[test]
#[should_panic = "expected a class for each of 3 images, got 1"]
fn a_unet_refuses_one_class_for_all_images() {
    refuses_a_short_batch_of_classes(&NetworkConfig::UNet(UNetConfig {
        num_classes: 4,
        ..unet(&[4, 8], Head::Dot)
    }));
}

fn refuses_a_short_batch_of_classes(config: &NetworkConfig) {
    let x = images(pixels(3, MNIST), MNIST, DType::F32);
    let y = index_tensor(&[2], &Device::flex());
    initial(config, MNIST).energy_given(x, &y);
}

#[test]
fn freezing_keeps_energies_and_gradients() {
    for (name, config) in networks() {
        let net = initial(&config, MNIST);
        let frozen = Frozen::new(&net);
        let x = images(pixels(3, MNIST), MNIST, DType::F32);
        let (energy, gradient) = energy_and_gradient(x.clone(), &|x| net.energy(x));
        let (of_frozen, gradient_of_frozen) = frozen.energies_and_gradients(x);
        assert_eq!(floats(energy), floats(of_frozen), "{name}");
        assert_eq!(floats(gradient), floats(gradient_of_frozen), "{name}");
    }
}
