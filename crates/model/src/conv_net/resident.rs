//! Pack a small network for the kernel that computes all of it at once.

use burn::tensor::{DType, Tensor};
use ebm_core::DeviceKind;

use super::net::{Condition, ConvNet};
use crate::ops::resident::{KernelPlan, LayerShape, Layers, Resident};

impl ConvNet {
    /// The network as one kernel computes it, if there is one for these images on their device.
    pub(super) fn resident(&self, x: &Tensor<4>) -> Option<&Resident> {
        // The kernel does not differentiate weights, and gives one energy.
        let is_off = DeviceKind::is_cpu(&x.device()) || self.class_head;
        if is_off || self.out.weight.val().is_autodiff() {
            return None;
        }
        let packed = self.packed.as_ref()?.get_or_init(|| self.pack(x));
        packed.as_ref().filter(|net| net.takes(x))
    }

    fn pack(&self, x: &Tensor<4>) -> Option<Resident> {
        let plan = KernelPlan::for_device(&self.layers(x), &x.device().inner())?;
        let mut parts = Vec::new();
        let mut add = |part: Tensor<1>| parts.push(part.cast(DType::F32));
        for (i, conv) in self.convs.iter().enumerate() {
            let weight = conv.weight.val(); // [channels_out, channels_in, rows, columns]
            add(weight.clone().permute([2, 3, 1, 0]).flatten(0, 3));
            add(weight.permute([2, 3, 0, 1]).flatten(0, 3));
            add(conv.bias.as_ref()?.val());
            if let Some(Condition { input_bias, gain }) = self.condition(i) {
                add(input_bias.table.val().flatten(0, 1));
                add(gain.of_classes().flatten(0, 1));
            }
        }
        let weight = self.fc.weight.val(); // [inputs, hidden]
        add(weight.clone().flatten(0, 1));
        add(weight.transpose().flatten(0, 1));
        add(self.fc.bias.val());
        add(self.out.weight.val().flatten(0, 1));
        add(self.out.bias.val());
        Some(Resident::new(plan, Tensor::cat(parts, 0)))
    }

    fn layers(&self, x: &Tensor<4>) -> Layers {
        let [_, channels, height, width] = x.dims();
        let convs = self.convs.iter().enumerate().map(|(i, conv)| {
            let [channels_out, _, rows, columns] = conv.weight.dims();
            LayerShape {
                channels_out,
                kernel: [rows, columns],
                geometry: conv.geometry,
                is_conditioned: self.condition(i).is_some(),
            }
        });
        Layers {
            convs: convs.collect(),
            image: [channels, height, width],
            hidden: self.fc.bias.dims()[0],
            num_classes: self.num_classes,
            activation: self.activation,
            centered_input: self.centered_input,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int};
    use ebm_core::{ImageShape, index_tensor};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::super::config::{ConvLayer, ConvNetConfig, Padding};
    use super::*;
    use crate::energy::EnergyModel;
    use crate::frozen::Frozen;
    use crate::ops::Activation;
    use crate::testing::{assert_close, floats, stirred, wave};
    use ebm_core::adapters_under_test;

    const BATCH: usize = 3;

    fn config(layers: &[(usize, usize, usize, Padding)], num_classes: usize) -> ConvNetConfig {
        let layers = layers
            .iter()
            .map(|&(filters, kernel, stride, padding)| ConvLayer {
                filters,
                kernel,
                stride,
                padding,
            });
        ConvNetConfig {
            layers: layers.collect(),
            num_classes,
            ..ConvNetConfig::uva()
        }
    }

    /// Networks with images of odd and even sides, strides that do and do not divide them, pixels that no
    /// kernel sees, and channels and hidden widths that do and do not fill the units.
    fn networks() -> Vec<(ConvNetConfig, ImageShape)> {
        let odd = ConvNetConfig {
            hidden: 37,
            activation: Activation::LeakyRelu,
            centered_input: false,
            ..config(
                &[
                    (6, 4, 3, Padding::Same),
                    (5, 3, 1, Padding::Each(1)),
                    (12, 2, 2, Padding::Each(0)),
                ],
                0,
            )
        };
        let gaps = ConvNetConfig {
            hidden: 1,
            ..config(
                &[(3, 1, 3, Padding::Each(0)), (2, 5, 2, Padding::Each(4))],
                0,
            )
        };
        vec![
            (ConvNetConfig::uva(), ImageShape::new(1, 28, 28)),
            (odd, ImageShape::new(3, 13, 10)),
            (gaps, ImageShape::new(2, 11, 17)),
            (conditional(), ImageShape::new(1, 12, 12)),
        ]
    }

    /// A network with four classes.
    fn conditional() -> ConvNetConfig {
        let layers = [
            (8, 3, 1, Padding::Same),
            (16, 4, 2, Padding::Same),
            (8, 3, 2, Padding::Same),
        ];
        ConvNetConfig {
            hidden: 200,
            ..config(&layers, 4)
        }
    }

    /// A frozen network on the CPU, with weights of which none is without effect.
    fn net(config: &ConvNetConfig, shape: ImageShape) -> Frozen<ConvNet> {
        let mut rng = SmallRng::seed_from_u64(3);
        let net = config.init(shape, &mut rng, &Device::flex()).expect("fits");
        Frozen::new(&stirred(net))
    }

    /// E, and ∇ of Σ (i + 1)·E(xᵢ), of images of these classes.
    fn energies_and_gradients(
        net: &ConvNet,
        shape: ImageShape,
        classes: Tensor<1, Int>,
    ) -> [Vec<f32>; 2] {
        let device = classes.device();
        let x = wave(shape.batch(BATCH), 0, &device);
        let x = x.autodiff().require_grad();
        let energies = net.energy_given(x.clone(), &classes);
        let factors = Tensor::from_floats([1.0, 2.0, 3.0], &device);
        let mut gradients = (energies.clone() * factors).sum().backward();
        let gradient = x.grad_remove(&mut gradients).expect("tracked");
        [
            floats(energies.inner().into_data()),
            floats(gradient.into_data()),
        ]
    }

    #[test]
    #[ignore = "runs on GPU adapters; cargo test -- --ignored"]
    fn every_adapter_computes_with_one_kernel_what_the_cpu_does_by_layers() {
        let adapters = adapters_under_test();
        let classes = |device: &Device| index_tensor(&[3, 0, 2], device);
        for (config, shape) in networks() {
            let net = net(&config, shape);
            let expected = energies_and_gradients(&net, shape, classes(&Device::flex()));
            for device in &adapters {
                let net = net.on_device(device);
                let got = energies_and_gradients(&net, shape, classes(device));
                let packed = net.packed.as_ref().and_then(|packed| packed.get());
                let is_packed = packed.is_some_and(Option::is_some);
                assert!(is_packed, "{config:?} is not for the kernel");
                for (got, expected) in got.iter().zip(&expected) {
                    assert_close(got, expected, &config);
                }
            }
        }
    }

    #[test]
    #[ignore = "runs on GPU adapters; cargo test -- --ignored"]
    fn every_adapter_takes_the_nearest_class_for_one_out_of_range() {
        let shape = ImageShape::new(1, 12, 12);
        let net = net(&conditional(), shape);
        for device in &adapters_under_test() {
            let net = net.on_device(device);
            let out_of_range = Tensor::from_ints([i32::MIN, 4, i32::MAX], device);
            let got = energies_and_gradients(&net, shape, out_of_range);
            let nearest = index_tensor(&[0, 3, 3], device);
            assert_eq!(got, energies_and_gradients(&net, shape, nearest));
        }
    }
}
