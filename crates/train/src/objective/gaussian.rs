//! A Gaussian to learn, and the energy of one, for tests.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::{Distribution, NoiseKey, Stream};
use ebm_data::Batch;
use ebm_model::{EnergyContext, EnergyModel};

/// E(x) = Σ exp(λ)(x − μ)²/2 over two pixels: the energy of a Gaussian.
#[derive(Module, Debug)]
pub(super) struct Quadratic {
    mean: Param<Tensor<1>>,
    log_precision: Param<Tensor<1>>,
}

impl Quadratic {
    pub(super) fn new(mean: [f64; 2], log_precision: [f64; 2], device: &Device) -> Self {
        let [mean, log_precision] =
            [mean, log_precision].map(|it| Param::from_data(it.map(|value| value as f32), device));
        Self {
            mean,
            log_precision,
        }
    }
}

impl EnergyModel for Quadratic {
    fn energy_with(&self, x: Tensor<4>, _: EnergyContext<'_>) -> Tensor<1> {
        let x: Tensor<2> = x.flatten(1, 3); // [batch, 2]
        let far = (x - self.mean.val().unsqueeze()).square();
        let energy = far * self.log_precision.val().exp().unsqueeze() / 2.0;
        energy.sum_dim(1).squeeze_dim(1)
    }
}

pub(super) const MEAN: [f64; 2] = [0.4, 0.6];
pub(super) const STD: [f64; 2] = [0.05, 0.08];
pub(super) const BATCH: usize = 256;

/// Images of two pixels, normal with these means and standard deviations.
pub(super) fn data(iteration: u32) -> Batch {
    let key = NoiseKey::new(77, Stream::DataNoise, iteration);
    let mut draws = vec![0.0; 2 * BATCH];
    key.fill(0, Distribution::Normal, &mut draws);
    for (i, draw) in draws.iter_mut().enumerate() {
        *draw = MEAN[i % 2] as f32 + STD[i % 2] as f32 * *draw;
    }
    let data = TensorData::new(draws, [BATCH, 1, 1, 2]);
    Batch {
        images: Tensor::from_data(data, &Device::flex()),
        labels: vec![0; BATCH],
    }
}
