//! Add the output of two convolutions to their input.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::Rng;

use crate::energy::EnergyContext;
use crate::layers::{Bound, ClassGain, Conv, ConvSpec, Initialization, InputBias, NormedWeight};
use crate::ops::{Activation, Factors, add, fork, halve};
use crate::work::Work;

/// act(pool?(b(act(a(x))) + bypass(x))): 3×3 convolutions without bias, a bypass that is a 3×3
/// convolution where the channels change and the identity elsewhere, a 2×2 average
/// (Du & Mordatch 2019, released code).
#[derive(Module, Debug)]
pub(super) struct ResBlock {
    a: Conv,
    b: Conv,
    bypass: Option<Conv>,
    /// Bias of a's input; absent from a plain network, as the next two.
    a_input_bias: Option<InputBias>,
    b_input_bias: Option<InputBias>,
    b_gain: Option<ClassGain>,
    #[module(skip)]
    pub(super) halves: bool,
    #[module(skip)]
    activation: Activation,
}

/// What a block is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockSpec {
    /// In and out.
    pub(super) channels: [usize; 2],
    pub(super) halves: bool,
    pub(super) activation: Activation,
    pub(super) spectral_norm: bool,
    pub(super) num_classes: usize,
    /// Without input biases and gain.
    pub(super) plain: bool,
}

impl BlockSpec {
    pub(super) fn init(self, rng: &mut impl Rng, device: &Device) -> ResBlock {
        let [inputs, outputs] = self.channels;
        let conv = |inputs, initialization, bound| ConvSpec {
            initialization,
            bound: self.spectral_norm.then_some(bound),
            ..ConvSpec::same([inputs, outputs], 3)
        };
        let first = conv(inputs, Initialization::HeNormal, Bound::One);
        let second = conv(outputs, Initialization::NearZero, Bound::AtMostOne);
        let conditioned = !self.plain;
        let input_bias =
            |channels| conditioned.then(|| InputBias::init(self.num_classes, channels, device));
        ResBlock {
            a: first.init(rng, device),
            b: second.init(rng, device),
            bypass: (inputs != outputs).then(|| first.init(rng, device)),
            a_input_bias: input_bias(inputs),
            b_input_bias: input_bias(outputs),
            b_gain: conditioned.then(|| ClassGain::init(self.num_classes, outputs, device)),
            halves: self.halves,
            activation: self.activation,
        }
    }
}

impl ResBlock {
    /// `layer` is the block's place in the order of the network's dropout masks.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]`
    /// - returns: `[batch, channels_out, height, width]`, sides halved if the block pools
    pub(super) fn forward(
        &self,
        x: Tensor<4>,
        layer: u32,
        context: EnergyContext<'_>,
    ) -> Tensor<4> {
        let biased = |bias: &Option<InputBias>, x: Tensor<4>| match bias {
            Some(bias) => bias.forward(x, context.classes),
            None => x,
        };
        let [x, past] = fork(x);
        let h = self.a.forward(biased(&self.a_input_bias, x));
        let h = match context.dropout {
            Some(mask) => {
                let mask = mask(layer, h.dims());
                h * mask
            }
            None => h,
        };
        let h = self.activation.forward(h);
        let h = self.b.forward(biased(&self.b_input_bias, h));
        let h = match &self.b_gain {
            Some(gain) => gain.forward(h, context.classes),
            None => h,
        };
        let past = match &self.bypass {
            Some(bypass) => bypass.forward(past),
            None => past,
        };
        let sum = add(h, past);
        let pooled = if self.halves { halve(sum) } else { sum };
        self.activation.forward(pooled)
    }

    /// The work for one image of `size`, and the size of the output.
    pub(super) fn work(&self, size: [usize; 2]) -> (Work, [usize; 2]) {
        let convs = [Some(&self.a), Some(&self.b), self.bypass.as_ref()];
        let each = convs.into_iter().flatten().map(|conv| conv.work(size).0);
        let out = if self.halves {
            size.map(|side| side / 2)
        } else {
            size
        };
        (each.sum(), out)
    }

    /// The same block with spectral norm as part of its weights.
    pub(super) fn folded(&self, factors: Factors) -> Self {
        Self {
            a: self.a.folded(factors),
            b: self.b.folded(factors),
            bypass: self.bypass.as_ref().map(|conv| conv.folded(factors)),
            ..self.clone()
        }
    }

    /// The weights under spectral norm.
    pub(super) fn normed(&mut self, name: &str) -> impl Iterator<Item = NormedWeight<'_>> {
        let layers = [
            ("a", Some(&mut self.a)),
            ("b", Some(&mut self.b)),
            ("bypass", self.bypass.as_mut()),
        ];
        let weights = layers.map(|(layer, conv)| conv?.normed(format!("{name}.{layer}")));
        weights.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    fn block(channels: [usize; 2], halves: bool, plain: bool) -> ResBlock {
        let spec = BlockSpec {
            channels,
            halves,
            activation: Activation::LeakyRelu,
            spectral_norm: true,
            num_classes: 0,
            plain,
        };
        spec.init(&mut SmallRng::seed_from_u64(5), &Device::flex())
    }

    fn image() -> Tensor<4> {
        let pixels = Tensor::<1, burn::tensor::Int>::arange(0..96, &Device::flex());
        (pixels.float() * 0.37).sin().reshape([2, 3, 4, 4])
    }

    #[test]
    fn at_first_a_block_is_its_bypass() {
        for plain in [false, true] {
            let same = block([3, 3], false, plain);
            let expected = Activation::LeakyRelu.forward(image());
            let got = same.forward(image(), 0, EnergyContext::default());
            assert!((got - expected).abs().max().into_scalar::<f32>() < 1e-6);

            let wider = block([3, 5], true, plain);
            let past = wider
                .bypass
                .as_ref()
                .expect("channels change")
                .forward(image());
            let expected = Activation::LeakyRelu.forward(halve(past));
            let got = wider.forward(image(), 0, EnergyContext::default());
            assert_eq!(got.dims(), [2, 5, 2, 2]);
            assert!((got - expected).abs().max().into_scalar::<f32>() < 1e-6);
        }
    }

    #[test]
    fn a_block_of_one_pixel_can_be_computed_by_hand() {
        // One channel, one pixel: a 3×3 kernel is its middle tap.
        let mut block = block([1, 1], false, false);
        let kernel = |middle: f32| {
            let mut taps = [[0.0f32; 3]; 3];
            taps[1][1] = middle;
            burn::module::Param::from_data([[taps]], &Device::flex())
        };
        (block.a.weight, block.b.weight) = (kernel(2.0), kernel(-3.0));
        (block.a.norm, block.b.norm) = (None, None);
        let vector = |v: f32| burn::module::Param::from_data([[v]], &Device::flex());
        block.a_input_bias = Some(InputBias {
            table: vector(-1.0),
        });
        block.b_input_bias = Some(InputBias {
            table: vector(0.25),
        });
        if let Some(gain) = &mut block.b_gain {
            gain.table = vector(2.0);
        }
        // a: 2·(0.3 − 1) = −1.4, act −0.28; b: −3·(−0.28 + 0.25)·2 = 0.18; + 0.3.
        let x = Tensor::full([1, 1, 1, 1], 0.3, &Device::flex());
        let got = block
            .forward(x, 0, EnergyContext::default())
            .into_scalar::<f32>();
        assert!((got - 0.48).abs() < 1e-6, "{got}");
    }

    #[test]
    fn dropout_multiplies_the_first_convolution_of_its_own_layer() {
        let mut block = block([3, 3], false, true);
        block.b.weight = block.a.weight.clone();
        block.b.norm = None;
        let zero = |layer: u32, shape: [usize; 4]| {
            assert_eq!((layer, shape), (7, [2, 3, 4, 4]));
            Tensor::zeros(shape, &Device::flex())
        };
        let context = EnergyContext {
            dropout: Some(&zero),
            ..EnergyContext::default()
        };
        let expected = Activation::LeakyRelu.forward(image());
        assert_eq!(
            block.forward(image(), 7, context).into_data(),
            expected.to_data()
        );
        let without = block.forward(image(), 7, EnergyContext::default());
        assert!((without - expected).abs().max().into_scalar::<f32>() > 0.01);
    }
}
