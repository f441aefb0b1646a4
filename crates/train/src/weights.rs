//! Let weights cross to PyTorch and back.
//!
//! Names are the paths of the parameters (`convs.0.weight`, `blocks.2.bypass.weight`, `out.bias`),
//! which are also those of a PyTorch module with the same fields. Convolutions have PyTorch's layout
//! already; a dense weight is `[inputs, outputs]` here and `[outputs, inputs]` there.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_model::EnergyModel;

use crate::checkpoint::{self, Array, ArrayData, CheckpointError};
use crate::parameters::{self, ParameterSpec};
use crate::state::named_arrays;

/// The weights of a model as a safetensors file of f32, spectral norm folded in.
pub fn to_safetensors(model: &impl EnergyModel) -> Vec<u8> {
    let folded = model.valid().folded();
    let specs = parameters::specs(&folded);
    let mut arrays = named_arrays("", &specs, &parameters::flatten(&folded));
    for spec in specs.iter().filter(|spec| is_dense(spec)) {
        arrays.entry(spec.name.clone()).and_modify(|array| {
            if let ArrayData::F32(numbers) = array.data() {
                let [inputs, outputs] = [spec.shape[0], spec.shape[1]];
                *array = Array::new([outputs, inputs], transposed(numbers, outputs));
            }
        });
    }
    checkpoint::encode(&arrays)
}

/// The parameters of a model, in its order, out of arrays as [`to_safetensors`] writes them;
/// `[parameters]`.
///
/// # Errors
/// Where one is missing or of another shape.
pub fn take_parameters(
    model: &impl EnergyModel,
    arrays: &mut BTreeMap<String, Array>,
    device: &Device,
) -> Result<Tensor<1>, CheckpointError> {
    let mut numbers = Vec::new();
    for spec in parameters::specs(model) {
        match is_dense(&spec) {
            true => {
                let shape = [spec.shape[1], spec.shape[0]];
                let part = checkpoint::take_f32(arrays, &spec.name, &shape)?;
                numbers.extend(transposed(&part, spec.shape[0]));
            }
            false => numbers.extend(checkpoint::take_f32(arrays, &spec.name, &spec.shape)?),
        }
    }
    let len = numbers.len();
    Ok(Tensor::from_data(TensorData::new(numbers, [len]), device))
}

/// Classes that exported weights know; 0 for none.
pub fn num_classes(arrays: &BTreeMap<String, Array>) -> usize {
    let tables = arrays.iter().filter(|(name, _)| name.ends_with(".table"));
    let rows = tables.filter_map(|(_, array)| array.shape().first().copied());
    // Without classes a table has one row.
    rows.max().filter(|&rows| rows > 1).unwrap_or(0)
}

/// Channels of the images that exported weights take.
pub fn input_channels(arrays: &BTreeMap<String, Array>) -> Option<usize> {
    let first = { arrays.get("stem.weight") }.or_else(|| arrays.get("convs.0.weight"))?;
    match first.data() {
        ArrayData::F32(_) => first.shape().get(1).copied(),
        _ => None,
    }
}

/// Whether PyTorch keeps this parameter transposed.
fn is_dense(spec: &ParameterSpec) -> bool {
    spec.shape.len() == 2 && spec.name.ends_with(".weight")
}

/// A row-major matrix of `columns` columns, transposed.
fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let columns = columns.max(1);
    (0..columns)
        .flat_map(|column| matrix.iter().skip(column).step_by(columns).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use ebm_model::ImageShape;

    use super::*;
    use crate::config::Config;
    use crate::state::initial_model;

    fn names_and_shapes(overrides: &[&str]) -> Vec<String> {
        let overrides: Vec<String> = overrides.iter().map(|o| o.to_string()).collect();
        let config = Config::resolve("digits", None, &overrides).expect("resolves");
        let shape = ImageShape::new(3, 32, 32);
        let model = initial_model(&config, shape, 4, &Device::flex()).expect("fits");
        let file = to_safetensors(&model);
        let arrays = checkpoint::decode(&file, std::path::Path::new("file")).expect("decodes");
        arrays
            .iter()
            .map(|(name, array)| format!("{name} {:?}", array.shape()))
            .collect()
    }

    #[test]
    fn a_plain_residual_network_has_the_names_of_its_pytorch_twin_and_no_others() {
        let names = names_and_shapes(&[
            "model.network=resnet32",
            "model.filters=8",
            "model.plain=true",
        ]);
        let mut expected = vec!["out.bias [1]".into(), "out.weight [1, 16]".into()];
        expected.extend(["stem.bias [8]".into(), "stem.weight [8, 3, 3, 3]".into()]);
        for (i, (inputs, outputs)) in [(8, 8), (8, 8), (8, 16), (16, 16), (16, 16), (16, 16)]
            .into_iter()
            .enumerate()
        {
            expected.push(format!("blocks.{i}.a.weight [{outputs}, {inputs}, 3, 3]"));
            expected.push(format!("blocks.{i}.b.weight [{outputs}, {outputs}, 3, 3]"));
            if inputs != outputs {
                expected.push(format!(
                    "blocks.{i}.bypass.weight [{outputs}, {inputs}, 3, 3]"
                ));
            }
        }
        expected.sort();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_conditional_network_adds_its_tables() {
        let names = names_and_shapes(&[
            "model.network=resnet32",
            "model.filters=8",
            "model.conditional=true",
        ]);
        for expected in [
            "blocks.2.a_input_bias.table [4, 8]",
            "blocks.2.b_input_bias.table [4, 16]",
            "blocks.2.b_gain.table [4, 16]",
            "blocks.2.b_gain.shared [16]",
        ] {
            assert!(
                names.iter().any(|name| name == expected),
                "{expected}: {names:?}"
            );
        }
        assert!(!names.iter().any(|name| name.starts_with("stem.bias")));
    }

    #[test]
    fn what_is_exported_can_be_taken_back() {
        let config = Config::resolve("digits", None, &[]).expect("resolves");
        let shape = ImageShape::new(1, 28, 28);
        let model = initial_model(&config, shape, 0, &Device::flex()).expect("fits");
        let file = to_safetensors(&model);
        let mut arrays = checkpoint::decode(&file, std::path::Path::new("file")).expect("decodes");
        assert_eq!(
            (num_classes(&arrays), input_channels(&arrays)),
            (0, Some(1))
        );
        assert_eq!(arrays["fc.weight"].shape(), [64, 256]);
        let vector = take_parameters(&model, &mut arrays, &Device::flex()).expect("fits");
        assert!(arrays.is_empty());
        assert_eq!(vector.into_data(), parameters::flatten(&model).into_data());
    }
}
