//! Let weights cross to PyTorch and back.
//!
//! Names are the paths of the parameters (`convs.0.weight`, `blocks.2.bypass.weight`, `out.bias`),
//! which are also those of a PyTorch module with the same fields. Convolutions have PyTorch's layout
//! already; the weight of a dense layer is `[inputs, outputs]` here and `[outputs, inputs]` there. What
//! names and shapes do not tell stands in the file's metadata.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::ImageShape;
use ebm_model::{EnergyModel, Frozen};
use ebm_train::checkpoint::{self, Array, ArrayData, CheckpointError};
use ebm_train::parameters::{self, ParameterSpec};
use ebm_train::{Config, DataSummary, RunDir, TrainError, named_arrays, new_state};
use thiserror::Error;

/// Key of the metadata that this program writes.
const NOTE: &str = "ebm";

/// What a file of weights tells of its model besides the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Note {
    /// Channels of the images that it takes.
    channels: usize,
    /// Classes that it knows; 0 for none.
    num_classes: usize,
}

/// Weights that cannot be taken over.
#[derive(Debug, Error)]
pub enum ImportError {
    /// They are of another network.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The configuration cannot be used, or the run directory not be written.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The configuration gives the energy classes and the file does not, or the other way round.
    #[error("{} is of a model {}", path.display(), kind_of_model(*num_classes))]
    OtherClasses {
        /// The file.
        path: PathBuf,
        /// Classes of the file's model.
        num_classes: usize,
    },
    /// The file has an array too many.
    #[error("{} holds `{name}`, which this network does not have", path.display())]
    LeftOver {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
    },
    /// The run directory is taken.
    #[error("{} holds a run already", path.display())]
    Taken {
        /// The run directory.
        path: PathBuf,
    },
}

fn kind_of_model(num_classes: usize) -> &'static str {
    if num_classes > 0 {
        "given classes"
    } else {
        "without classes, or has lost the metadata of this program"
    }
}

/// The weights of a model as a safetensors file of f32, spectral norm folded in, for images of
/// `channels` channels.
pub fn to_safetensors<M: EnergyModel>(model: &Frozen<M>, channels: usize) -> Vec<u8> {
    let specs = parameters::specs(&**model);
    let mut arrays = named_arrays("", &specs, &parameters::flatten(&**model));
    for spec in specs.iter().filter(|spec| is_dense(spec)) {
        arrays.entry(spec.name.clone()).and_modify(|array| {
            if let ArrayData::F32(values) = array.data() {
                let [inputs, outputs] = [spec.shape[0], spec.shape[1]];
                *array = Array::new([outputs, inputs], transposed(values, outputs));
            }
        });
    }
    let note = Note {
        channels,
        num_classes: model.num_classes(),
    };
    let note = String::from_utf8_lossy(&checkpoint::to_json(&note)).into_owned();
    checkpoint::encode_with_note(&arrays, Some((NOTE, note)))
}

/// Make a run directory from the bytes of a file of weights, and return its checkpoint. Weights from
/// elsewhere, without this program's metadata, are of a model without classes.
///
/// # Errors
/// Where the file is of another network than the configuration's, or the directory cannot be written
/// or has a run already.
pub fn import(
    bytes: &[u8],
    path: &Path,
    config: &Config,
    run_dir: &Path,
) -> Result<PathBuf, ImportError> {
    let mut arrays = checkpoint::decode(bytes, path)?;
    let native = config.data.native_shape();
    let note = match checkpoint::note(bytes, NOTE) {
        None => Note {
            channels: native.channels,
            num_classes: 0,
        },
        Some(json) => {
            serde_json::from_str(&json).map_err(|error| CheckpointError::InvalidFile {
                path: path.to_owned(),
                reason: format!("its metadata make no sense ({error})"),
            })?
        }
    };
    let num_classes = note.num_classes;
    if config.model.conditional != (num_classes > 0) {
        let path = path.to_owned();
        return Err(ImportError::OtherClasses { path, num_classes });
    }
    let asked = config.data.channels;
    let channels = if asked > 0 { asked } else { note.channels };
    let data = DataSummary {
        shape: ImageShape { channels, ..native },
        class_names: (0..num_classes).map(|class| class.to_string()).collect(),
        class_frequencies: vec![1.0 / num_classes as f64; num_classes],
    };
    if checkpoint::latest(run_dir)?.is_some() {
        let path = run_dir.to_owned();
        return Err(ImportError::Taken { path });
    }
    let device = Device::flex();
    let mut state = new_state(config, data, &device).map_err(TrainError::from)?;
    let vector = take_parameters(&state.model, &mut arrays, &device)?;
    if let Some(name) = arrays.into_keys().next() {
        let path = path.to_owned();
        return Err(ImportError::LeftOver { path, name });
    }
    state.model = parameters::unflatten(state.model, &vector);
    state.ema = vector;
    let dir = RunDir::open(run_dir, config, false)?;
    dir.adopt(config)?;
    Ok(dir.save(config, &state)?)
}

/// The parameters of a model, in its order, out of arrays as [`to_safetensors`] writes them;
/// `[parameters]`.
fn take_parameters(
    model: &impl EnergyModel,
    arrays: &mut BTreeMap<String, Array>,
    device: &Device,
) -> Result<Tensor<1>, CheckpointError> {
    let mut values = Vec::new();
    for spec in parameters::specs(model) {
        if is_dense(&spec) {
            let shape = [spec.shape[1], spec.shape[0]];
            let part = checkpoint::take_f32(arrays, &spec.name, &shape)?;
            values.extend(transposed(&part, spec.shape[0]));
        } else {
            values.extend(checkpoint::take_f32(arrays, &spec.name, &spec.shape)?);
        }
    }
    let len = values.len();
    Ok(Tensor::from_data(TensorData::new(values, [len]), device))
}

/// Whether PyTorch keeps this parameter transposed.
fn is_dense(spec: &ParameterSpec) -> bool {
    spec.layer == "Dense" && spec.name.ends_with(".weight")
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
    use ebm_train::initial_model;

    use super::*;

    fn names_and_shapes(overrides: &[&str]) -> Vec<String> {
        let overrides: Vec<String> = overrides.iter().map(|o| o.to_string()).collect();
        let config = Config::resolve("digits", None, &overrides).expect("resolves");
        let shape = ImageShape::new(3, 32, 32);
        let model = initial_model(&config, shape, 4, &Device::flex()).expect("fits");
        let file = to_safetensors(&Frozen::new(&model), 3);
        let arrays = checkpoint::decode(&file, Path::new("file")).expect("decodes");
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
        for (conditional, num_classes) in [(false, 0), (true, 5)] {
            let overrides = [format!("model.conditional={conditional}")];
            let config = Config::resolve("digits", None, &overrides).expect("resolves");
            let shape = ImageShape::new(1, 28, 28);
            let model = initial_model(&config, shape, num_classes, &Device::flex()).expect("fits");
            let file = to_safetensors(&Frozen::new(&model), 1);
            let arrays = checkpoint::decode(&file, Path::new("file")).expect("decodes");
            assert_eq!(arrays["fc.weight"].shape(), [64, 256]);

            let dir = tempfile::tempdir().expect("a folder");
            let path = import(&file, Path::new("file"), &config, dir.path()).expect("fits");
            let checkpoint = checkpoint::read(&path).expect("read");
            let data = DataSummary::of_checkpoint(&checkpoint).expect("read");
            assert_eq!((data.num_classes(), data.shape), (num_classes, shape));
            let again = crate::Trained::open(dir.path(), &Device::flex()).expect("opened");
            let weights = parameters::flatten(&*again.energy(crate::Weights::Last));
            assert_eq!(weights.into_data(), parameters::flatten(&model).into_data());
        }
    }

    #[test]
    fn refuses_a_model_with_other_classes_and_arrays_too_many() {
        let config = Config::resolve("digits", None, &[]).expect("resolves");
        let shape = ImageShape::new(1, 28, 28);
        let model = initial_model(&config, shape, 0, &Device::flex()).expect("fits");
        let file = to_safetensors(&Frozen::new(&model), 1);
        let dir = tempfile::tempdir().expect("a folder");
        let refused = |bytes: &[u8], overrides: &[String]| {
            let config = Config::resolve("digits", None, overrides).expect("resolves");
            let error = import(bytes, Path::new("file"), &config, dir.path());
            error.expect_err("refused").to_string()
        };
        let message = refused(&file, &["model.conditional=true".to_owned()]);
        assert_eq!(
            message,
            "file is of a model without classes, or has lost the metadata of this program"
        );
        let mut arrays = checkpoint::decode(&file, Path::new("file")).expect("decodes");
        arrays.insert("extra".into(), Array::new([1], vec![0f32]));
        let message = refused(&checkpoint::encode(&arrays), &[]);
        assert_eq!(
            message,
            "file holds `extra`, which this network does not have"
        );
    }
}
