//! Make images and networks for tests, and compare what is computed with them.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::ImageShape;

/// Values between −1 and 1, each unlike its neighbours.
pub(crate) fn wave<const D: usize>(shape: [usize; D], phase: usize, device: &Device) -> Tensor<D> {
    let len = shape.iter().product::<usize>();
    let values = (0..len).map(|i| ((i + phase) as f32 * 0.731).sin());
    Tensor::from_data(TensorData::new(values.collect::<Vec<_>>(), shape), device)
}

/// Images of the CPU with pixels in [0, 1].
pub(crate) fn images(batch: usize, shape: ImageShape) -> Tensor<4> {
    wave(shape.batch(batch), 0, &Device::flex()) * 0.5 + 0.5
}

/// The model with every parameter moved a little, so that none is without effect.
pub(crate) fn stirred<M: Module>(model: M) -> M {
    struct Stir(usize);
    impl ModuleMapper for Stir {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 101;
            param.map(|weight| {
                let moves = wave(weight.dims(), self.0, &weight.device()) * 0.1;
                weight + moves
            })
        }
    }
    model.map(&mut Stir(0))
}

pub(crate) fn floats(data: TensorData) -> Vec<f32> {
    data.iter().collect()
}

/// Within 10⁻⁵ of the largest.
pub(crate) fn assert_close(got: &[f32], expected: &[f32], what: &impl core::fmt::Debug) {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    for (got, expected) in got.iter().zip(expected) {
        let error = (got - expected).abs();
        assert!(error < 1e-5 * largest, "{what:?}: {got} is not {expected}");
    }
}
