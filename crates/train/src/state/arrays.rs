//! Turn a state into named arrays, and named arrays into a state.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_model::EnergyModel;

use crate::checkpoint::{self, Array, CheckpointError};
use crate::optimizer::Adam;
use crate::parameters::ParameterSpec;

/// The vectors of spectral norms, by name: `LAYER.u` and `LAYER.v`.
pub(super) fn spectral_norm_arrays(mut model: impl EnergyModel) -> BTreeMap<String, Array> {
    let mut arrays = BTreeMap::new();
    for weight in model.spectral_norms() {
        for (suffix, vector) in ["u", "v"].iter().zip(weight.vectors()) {
            let values: Vec<f32> = vector.into_data().iter::<f32>().collect();
            let array = Array::new([values.len()], values);
            arrays.insert(format!("{}.{suffix}", weight.name), array);
        }
    }
    arrays
}

/// What a network holds that it does not learn, by name.
pub fn constant_arrays(mut model: impl EnergyModel) -> BTreeMap<String, Array> {
    let constants = model.constants().into_iter().map(|constant| {
        let (shape, data) = (constant.value.dims(), constant.value.to_data());
        let values: Vec<f32> = data.iter::<f32>().collect();
        (constant.name.to_owned(), Array::new(shape, values))
    });
    constants.collect()
}

/// Put in what stands in `arrays` by name; takes it out.
///
/// # Errors
/// Where an array is missing or of another shape.
pub fn load_constants(
    model: &mut impl EnergyModel,
    arrays: &mut BTreeMap<String, Array>,
    device: &Device,
) -> Result<(), CheckpointError> {
    for constant in model.constants() {
        let shape = constant.value.dims();
        let values = checkpoint::take_f32(arrays, constant.name, &shape)?;
        *constant.value = Tensor::from_data(TensorData::new(values, shape), device);
    }
    Ok(())
}

pub(super) fn load_spectral_norms(
    model: &mut impl EnergyModel,
    arrays: &mut BTreeMap<String, Array>,
    device: &Device,
) -> Result<(), CheckpointError> {
    for weight in &mut model.spectral_norms() {
        let mut load = |suffix: &str, expected: Tensor<2>| {
            let shape = expected.dims();
            let name = format!("{}.{suffix}", weight.name);
            let values = checkpoint::take_f32(arrays, &name, &shape[1..])?;
            Ok(Tensor::from_data(TensorData::new(values, shape), device))
        };
        let [u, v] = weight.vectors();
        let vectors = [load("u", u)?, load("v", v)?];
        weight.set_vectors(vectors);
    }
    Ok(())
}

/// The parts of a vector of parameters, by name, each name after `prefix`.
///
/// # Shapes
/// - `vector`: `[parameters]`, in the order of `specs`
///
/// # Panics
/// If `vector` has fewer elements than `specs`.
pub fn named_arrays(
    prefix: &str,
    specs: &[ParameterSpec],
    vector: &Tensor<1>,
) -> BTreeMap<String, Array> {
    let values: Vec<f32> = vector.to_data().iter::<f32>().collect();
    let mut rest = values.as_slice();
    let named = specs.iter().map(|spec| {
        let (part, after) = rest.split_at(spec.len());
        rest = after;
        let array = Array::new(spec.shape.clone(), part.to_vec());
        (format!("{prefix}{}", spec.name), array)
    });
    named.collect()
}

/// The vector of parameters whose parts stand in `arrays` by name; takes them out.
pub(super) fn take_vector(
    arrays: &mut BTreeMap<String, Array>,
    prefix: &str,
    specs: &[ParameterSpec],
    device: &Device,
) -> Result<Tensor<1>, CheckpointError> {
    let mut values = Vec::new();
    for spec in specs {
        let name = format!("{prefix}{}", spec.name);
        values.extend(checkpoint::take_f32(arrays, &name, &spec.shape)?);
    }
    let len = values.len();
    Ok(Tensor::from_data(TensorData::new(values, [len]), device))
}

pub(super) fn load_optimizer(
    mut arrays: BTreeMap<String, Array>,
    specs: &[ParameterSpec],
    steps: u64,
    device: &Device,
) -> Result<Adam, CheckpointError> {
    let mut moment = |prefix| take_vector(&mut arrays, prefix, specs, device);
    Ok(Adam {
        mean: moment("mean.")?,
        mean_square: moment("mean_square.")?,
        steps,
    })
}
