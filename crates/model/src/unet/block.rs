//! Add the output of two convolutions, each of an activation, to their input.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::Rng;

use crate::energy::EnergyContext;
use crate::layers::{Bound, Conv, ConvSpec, Embedding, Initialization, NormedWeight};
use crate::ops::{Activation, Factors, add, fork};
use crate::work::Work;

/// b(act(a(act(x)) + e)) + bypass(x) without normalization (after He et al., *Identity mappings in deep
/// residual networks*, 2016): 3×3 convolutions with a bias, b near zero at first, e a bias by class and
/// noise level, a bypass that is a 1×1 convolution where the channels change and the identity elsewhere.
#[derive(Module, Debug)]
pub(super) struct Block {
    pub(super) a: Conv,
    pub(super) embedding: Embedding,
    pub(super) b: Conv,
    pub(super) bypass: Option<Conv>,
    #[module(skip)]
    activation: Activation,
}

/// What a block is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockSpec {
    /// In and out.
    pub(super) channels: [usize; 2],
    pub(super) activation: Activation,
    pub(super) spectral_norm: bool,
    pub(super) num_classes: usize,
    pub(super) num_levels: usize,
}

impl BlockSpec {
    pub(super) fn init(self, rng: &mut impl Rng, device: &Device) -> Block {
        let [inputs, outputs] = self.channels;
        let conv = |inputs, initialization, bound| ConvSpec {
            bias: true,
            initialization,
            bound: self.spectral_norm.then_some(bound),
            ..ConvSpec::same([inputs, outputs], 3)
        };
        let bypass = ConvSpec {
            bound: self.spectral_norm.then_some(Bound::One),
            ..ConvSpec::same([inputs, outputs], 1)
        };
        Block {
            a: conv(inputs, Initialization::HeNormal, Bound::One).init(rng, device),
            embedding: Embedding::init(self.num_classes, self.num_levels, outputs, device),
            b: conv(outputs, Initialization::NearZero, Bound::AtMostOne).init(rng, device),
            bypass: (inputs != outputs).then(|| bypass.init(rng, device)),
            activation: self.activation,
        }
    }
}

impl Block {
    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]`
    /// - returns: `[batch, channels_out, height, width]`
    pub(super) fn forward(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<4> {
        let [x, past] = fork(x);
        let h = self.a.forward(self.activation.forward(x));
        let h = (self.embedding).forward(h, context.classes, context.levels);
        let h = self.b.forward(self.activation.forward(h));
        let past = match &self.bypass {
            Some(bypass) => bypass.forward(past),
            None => past,
        };
        add(h, past)
    }

    /// Channels of the input and of the output.
    pub(super) fn channels(&self) -> [usize; 2] {
        let [outputs, inputs, ..] = self.a.weight.dims();
        [inputs, outputs]
    }

    /// The work for one image of `size`.
    pub(super) fn work(&self, size: [usize; 2]) -> Work {
        let convs = [Some(&self.a), Some(&self.b), self.bypass.as_ref()];
        let each = convs.into_iter().flatten().map(|conv| conv.work(size).0);
        each.sum()
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
    use burn::module::Param;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::testing::{floats, wave};

    fn block(channels: [usize; 2], spectral_norm: bool, num_levels: usize) -> Block {
        let spec = BlockSpec {
            channels,
            activation: Activation::LeakyRelu,
            spectral_norm,
            num_classes: 0,
            num_levels,
        };
        spec.init(&mut SmallRng::seed_from_u64(5), &Device::flex())
    }

    #[test]
    fn at_first_a_block_is_its_bypass() {
        let x = wave([2, 3, 4, 4], 0, &Device::flex());
        for spectral_norm in [false, true] {
            let same = block([3, 3], spectral_norm, 0);
            let got = same.forward(x.clone(), EnergyContext::default());
            let error = (got - x.clone()).abs().max().into_scalar::<f32>();
            assert!(error < 1e-6, "{error}");

            let wider = block([3, 5], spectral_norm, 0);
            let bypass = wider.bypass.as_ref().expect("channels change");
            assert_eq!(bypass.weight.dims(), [5, 3, 1, 1]);
            let got = wider.forward(x.clone(), EnergyContext::default());
            assert_eq!(got.dims(), [2, 5, 4, 4]);
            let error = (got - bypass.forward(x.clone())).abs().max();
            assert!(error.into_scalar::<f32>() < 1e-6);
        }
    }

    #[test]
    fn a_block_of_one_pixel_can_be_computed_by_hand() {
        let device = Device::flex();
        // One channel, one pixel: a 3×3 kernel is its middle tap.
        let kernel = |middle: f32| {
            let mut taps = [[0.0f32; 3]; 3];
            taps[1][1] = middle;
            Param::from_data([[taps]], &device)
        };
        let mut block = block([1, 1], false, 2);
        (block.a.weight, block.b.weight) = (kernel(2.0), kernel(-3.0));
        block.a.bias = Some(Param::from_data([0.25f32], &device));
        block.b.bias = Some(Param::from_data([0.125f32], &device));
        block.embedding.levels = Some(Param::from_data([[0.0f32], [-1.0]], &device));
        let x = Tensor::<4>::from_floats([[[[-0.5]]], [[[1.0]]]], &device);
        let assert_gives = |context: EnergyContext<'_>, expected: [f32; 2]| {
            let got = floats(block.forward(x.clone(), context).into_data());
            let mut errors = got.iter().zip(expected).map(|(got, it)| (got - it).abs());
            assert!(errors.all(|error| error < 1e-5), "{got:?}");
        };
        // Level 0, act(−0.5) = −0.1: a: 2·(−0.1) + 0.25 = 0.05; b: −3·0.05 + 0.125 = −0.025; − 0.5.
        // Level 0, act(1) = 1: a: 2.25; b: −6.625; + 1.
        assert_gives(EnergyContext::default(), [-0.525, -5.625]);
        // Level 1, act(1) = 1: a: 2.25 − 1 = 1.25; b: −3.625; + 1.
        let levels = Tensor::from_ints([0, 1], &device);
        let context = EnergyContext {
            levels: Some(&levels),
            ..EnergyContext::default()
        };
        assert_gives(context, [-0.525, -2.625]);
    }
}
