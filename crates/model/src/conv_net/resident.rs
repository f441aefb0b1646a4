//! Pack a small network for the kernel that computes all of it at once.

use std::sync::OnceLock;

use burn::tensor::{DType, Int, Tensor};

use super::{Condition, ConvNet};
use crate::ops::is_on_gpu;
use crate::ops::resident::{LayerShape, Layers, Plan, Resident};

/// What is made of folded weights at their first use on a GPU; nothing where there is no kernel for the
/// network.
pub(super) type Packed = OnceLock<Option<Resident>>;

impl ConvNet {
    /// The network as one kernel computes it, if there is one on the device of `x`, and the classes it is
    /// to be given.
    pub(super) fn resident(
        &self,
        x: &Tensor<4>,
        classes: Option<&Tensor<1, Int>>,
    ) -> Option<(&Resident, Option<Tensor<1, Int>>)> {
        // The kernel does not differentiate weights.
        if !is_on_gpu(x) || self.out.weight.val().is_autodiff() {
            return None;
        }
        let packed = self.packed.as_ref()?.get_or_init(|| self.pack(x));
        let net = packed.as_ref().filter(|net| net.takes(x))?;
        match self.num_classes {
            0 => Some((net, None)),
            _ => Some((net, Some(classes?.clone()))),
        }
    }

    fn pack(&self, x: &Tensor<4>) -> Option<Resident> {
        let [_, channels, height, width] = x.dims();
        let layers = Layers {
            convs: { self.convs.iter().enumerate() }
                .map(|(i, conv)| {
                    let [channels_out, _, rows, columns] = conv.weight.dims();
                    LayerShape {
                        channels_out,
                        kernel: [rows, columns],
                        geometry: conv.geometry,
                        is_conditioned: self.condition(i).is_some(),
                    }
                })
                .collect(),
            image: [channels, height, width],
            hidden: self.fc.bias.dims()[0],
            num_classes: self.num_classes,
            activation: self.activation,
            centered_input: self.centered_input,
        };
        let plan = Plan::for_device(&layers, &x.device().inner())?;
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
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, ModuleMapper, Param};
    use burn::tensor::Device;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::super::{ConvLayer, ConvNetConfig, Padding};
    use super::*;
    use crate::activation::Activation;
    use crate::energy::{EnergyModel, ImageShape};
    use crate::ops::adapters::{adapters, assert_close, floats, wave};

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
    /// kernel sees, and channels and hidden numbers that do and do not fill the units.
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
        let conditional = ConvNetConfig {
            hidden: 200,
            ..config(
                &[
                    (8, 3, 1, Padding::Same),
                    (16, 4, 2, Padding::Same),
                    (8, 3, 2, Padding::Same),
                ],
                4,
            )
        };
        vec![
            (ConvNetConfig::uva(), ImageShape::new(1, 28, 28)),
            (odd, ImageShape::new(3, 13, 10)),
            (gaps, ImageShape::new(2, 11, 17)),
            (conditional, ImageShape::new(1, 12, 12)),
        ]
    }

    /// The network on a device, with weights of which none is without effect.
    fn on(device: &Device, net: &ConvNet) -> ConvNet {
        struct Stir<'a>(&'a Device, usize);
        impl ModuleMapper for Stir<'_> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                self.1 += 101;
                param.map(|weight| {
                    let moved = wave(weight.dims(), self.1, &weight.device()) * 0.1;
                    Tensor::from_data((weight + moved).into_data(), self.0)
                })
            }
        }
        net.clone().map(&mut Stir(device, 0)).folded()
    }

    /// E, and ∇ of Σ (i + 1)·E(xᵢ).
    fn energies_and_gradients(net: &ConvNet, shape: ImageShape, device: &Device) -> [Vec<f32>; 2] {
        let [channels, height, width] = shape.dims();
        let x = wave([BATCH, channels, height, width], 0, device)
            .autodiff()
            .require_grad();
        let classes = Tensor::from_ints([3, 0, 2], device);
        let energies = net.energy_given(x.clone(), &classes);
        let factors = Tensor::from_floats([1.0, 2.0, 3.0], device);
        let mut gradients = (energies.clone() * factors).sum().backward();
        let gradient = x.grad_remove(&mut gradients).expect("tracked");
        [
            floats(energies.inner().into_data()),
            floats(gradient.into_data()),
        ]
    }

    #[test]
    fn every_adapter_computes_with_one_kernel_what_the_cpu_does_by_layers() {
        let adapters = adapters();
        for (config, shape) in networks() {
            let mut rng = SmallRng::seed_from_u64(3);
            let net = config.init(shape, &mut rng, &Device::flex()).expect("fits");
            let expected =
                energies_and_gradients(&on(&Device::flex(), &net), shape, &Device::flex());
            for device in &adapters {
                let net = on(device, &net);
                let got = energies_and_gradients(&net, shape, device);
                let is_packed = net
                    .packed
                    .and_then(|packed| packed.get().map(Option::is_some));
                assert_eq!(is_packed, Some(true), "{config:?} is not for the kernel");
                for (got, expected) in got.iter().zip(&expected) {
                    assert_close(got, expected, &config);
                }
            }
        }
    }
}
