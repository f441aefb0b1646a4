//! Let every place of an image look at every other.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, activation};
use rand::Rng;

use super::conv::{Conv, ConvSpec};
use super::spectral_norm::{Bound, NormedWeight};
use crate::ops::Factors;

/// Self-attention x + γ·Σ softmax(qᵀk)·v with 1×1 convolutions q, k of a quarter of the channels,
/// and γ = 0 at first (Zhang et al., *Self-attention GANs*, 2019, eq. 1–3).
#[derive(Module, Debug)]
pub(crate) struct Attention {
    pub(crate) query: Conv,
    pub(crate) key: Conv,
    pub(crate) value: Conv,
    /// γ, `[1]`.
    pub(crate) gamma: Param<Tensor<1>>,
}

impl Attention {
    pub(crate) fn init(
        channels: usize,
        bound: Option<Bound>,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let mut conv = |outputs| {
            let spec = ConvSpec {
                bias: true,
                bound,
                ..ConvSpec::same([channels, outputs], 1)
            };
            spec.init(rng, device)
        };
        Self {
            query: conv(channels.div_ceil(4)),
            key: conv(channels.div_ceil(4)),
            value: conv(channels),
            gamma: Param::from_tensor(Tensor::zeros([1], device)),
        }
    }

    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, returns the same
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shape = x.dims();
        let places = |conv: &Conv| -> Tensor<3> { conv.forward(x.clone()).flatten(2, 3) };
        let (query, key, value) = (places(&self.query), places(&self.key), places(&self.value));
        let weights = activation::softmax(query.swap_dims(1, 2).matmul(key), 2); // [batch, to, from]
        let seen = value.matmul(weights.swap_dims(1, 2)); // [batch, channels, to]
        x + seen.reshape(shape) * self.gamma.val().reshape([1, 1, 1, 1])
    }

    /// The weights under spectral norm.
    pub(crate) fn normed(&mut self, name: &str) -> impl Iterator<Item = NormedWeight<'_>> {
        let layers = [
            ("query", &mut self.query),
            ("key", &mut self.key),
            ("value", &mut self.value),
        ];
        let weights = layers.map(|(layer, conv)| conv.normed(format!("{name}.{layer}")));
        weights.into_iter().flatten()
    }

    /// The same layer with spectral norm as part of its weights.
    pub(crate) fn folded(&self, factors: Factors) -> Self {
        Self {
            query: self.query.folded(factors),
            key: self.key.folded(factors),
            value: self.value.folded(factors),
            gamma: self.gamma.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn changes_nothing_at_first_and_mixes_places_once_gamma_grows() {
        let device = Device::flex();
        let mut attention = Attention::init(4, None, &mut SmallRng::seed_from_u64(1), &device);
        let x = Tensor::<1, burn::tensor::Int>::arange(0..32, &device).float();
        let x: Tensor<4> = x.sin().reshape([1, 4, 2, 4]);
        assert_eq!(attention.forward(x.clone()).into_data(), x.to_data());
        attention.gamma = Param::from_data([1.0f32], &device);
        // The weights of a place sum to one: equal places see their own value.
        let flat = Tensor::<4>::full([1, 4, 2, 4], 0.3, &device);
        let expected = flat.clone() + attention.value.forward(flat.clone());
        let error = (attention.forward(flat) - expected).abs().max();
        assert!(error.into_scalar::<f32>() < 1e-6);
        let moved = (attention.forward(x.clone()) - x).abs().max();
        assert!(moved.into_scalar::<f32>() > 1e-3);
    }
}
