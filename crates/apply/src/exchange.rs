//! Let weights cross to PyTorch and back.
//!
//! Names are the paths of the parameters (`convs.0.weight`, `blocks.2.bypass.weight`, `out.bias`),
//! which are also those of a PyTorch module with the same fields. Convolutions have PyTorch's layout
//! already; the weight of a dense layer is `[inputs, outputs]` here and `[outputs, inputs]` there. What a network has
//! measured and not learned is among them, as experts' `whitening.matrix`. What
//! names and shapes do not say stands in the file's metadata: a JSON object under the key `ebm` with the
//! network, what it sees of a byte, and the names of its classes. [`hub`] adds what a model is sampled by.

mod error;
pub mod hub;
mod note;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::ImageShape;
use ebm_model::{EnergyModel, Frozen, Network};
use ebm_train::checkpoint::{self, Array, ArrayData, CheckpointError};
use ebm_train::parameters::{self, ParameterSpec};
use ebm_train::{
    AnyState, Config, DataSummary, RunDir, TrainError, TrainState, constant_arrays, load_constants,
    named_arrays, new_state,
};

use crate::trained::{Trained, Weights};
pub use error::{Difference, ImportError};
use note::Note;

/// The weights of a trained model as a safetensors file of f32, spectral norm folded in.
pub fn to_safetensors(trained: &Trained, weights: Weights) -> Vec<u8> {
    encode(&trained.energy(weights), &Note::of(trained, weights))
}

fn encode<M: EnergyModel>(model: &Frozen<M>, note: &Note) -> Vec<u8> {
    let note = String::from_utf8_lossy(&checkpoint::to_json(note)).into_owned();
    encode_with(model, (note::KEY, note))
}

/// The weights of a network as a safetensors file of f32 in PyTorch's layouts, with an entry of metadata.
pub(crate) fn encode_with<M: EnergyModel>(model: &Frozen<M>, note: (&str, String)) -> Vec<u8> {
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
    arrays.extend(constant_arrays((**model).clone()));
    checkpoint::encode_with_note(&arrays, Some(note))
}

/// Make a run directory from the bytes of a file of weights, and return its checkpoint. The network is
/// the configuration's, the names of its classes are the file's. Weights from elsewhere, without this
/// program's metadata, are of a model without classes.
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
    let state = state(bytes, path, config, &Device::flex())?;
    save(config, &state, run_dir)
}

/// A configuration for weights that have spectral norm folded in, if they had any: the same without it.
pub fn folded(mut config: Config) -> Config {
    if config.model.has_spectral_norm() {
        config.model.spectral_norm = Some(false);
    }
    config
}

/// Make a run directory of a state, and return its checkpoint.
fn save(
    config: &Config,
    state: &TrainState<Network, AnyState>,
    run_dir: &Path,
) -> Result<PathBuf, ImportError> {
    if checkpoint::latest(run_dir)?.is_some() {
        let path = run_dir.to_owned();
        return Err(ImportError::Taken { path });
    }
    let dir = RunDir::open(run_dir, config, false)?;
    dir.adopt(config)?;
    Ok(dir.save(config, state)?)
}

/// The network of a file of weights, as [`import`] takes them, without a run.
///
/// # Errors
/// Where the file is of another network than the configuration's.
pub(crate) fn model(
    bytes: &[u8],
    path: &Path,
    config: &Config,
    device: &Device,
) -> Result<Frozen<Network>, ImportError> {
    Ok(state(bytes, path, config, device)?.last_model())
}

/// A state of the configuration before its first iteration, with the weights of a file.
fn state(
    bytes: &[u8],
    path: &Path,
    config: &Config,
    device: &Device,
) -> Result<TrainState<Network, AnyState>, ImportError> {
    let arrays = checkpoint::decode(bytes, path)?;
    let data = match Note::read(bytes, path)? {
        Some(note) => summary(&note, path, config)?,
        None if config.model.conditional => {
            let path = path.to_owned();
            return Err(ImportError::NoClasses { path });
        }
        None => DataSummary::unlabelled(config.data.native_shape()),
    };
    let state = new_state(config, data, device).map_err(TrainError::from)?;
    with_weights(state, arrays, path, device)
}

/// A state with the arrays of a file as its last and its averaged weights.
fn with_weights(
    mut state: TrainState<Network, AnyState>,
    mut arrays: BTreeMap<String, Array>,
    path: &Path,
    device: &Device,
) -> Result<TrainState<Network, AnyState>, ImportError> {
    let vector = take_parameters(&state.model, &mut arrays, device)?;
    load_constants(&mut state.model, &mut arrays, device)?;
    if let Some(name) = arrays.into_keys().next() {
        let path = path.to_owned();
        return Err(ImportError::LeftOver { path, name });
    }
    state.model = parameters::unflatten(state.model, &vector);
    state.ema = vector;
    Ok(state)
}

/// What a file's metadata say of the data of its model.
fn summary(note: &Note, path: &Path, config: &Config) -> Result<DataSummary, ImportError> {
    let differences = note.differences(config);
    if !differences.is_empty() {
        let path = path.to_owned();
        return Err(ImportError::OtherModel { path, differences });
    }
    let class_names = note.class_names();
    let num_classes = class_names.len();
    Ok(DataSummary {
        shape: ImageShape {
            channels: note.channels(),
            ..config.data.native_shape()
        },
        class_names,
        class_frequencies: vec![1.0 / num_classes as f64; num_classes],
        identity: None,
    })
}

/// The parameters of a model, in its order, out of arrays as [`encode_with`] writes them;
/// `[parameters]`.
pub(crate) fn take_parameters(
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
    use crate::testing::untrained_of;

    fn names_and_shapes(overrides: &[&str]) -> Vec<String> {
        let overrides: Vec<String> = overrides.iter().map(|o| o.to_string()).collect();
        let config = Config::resolve("digits", None, &overrides).expect("resolves");
        let shape = ImageShape::new(3, 32, 32);
        let model = initial_model(&config, shape, 4, &Device::flex()).expect("fits");
        let file = encode(&Frozen::new(&model), &Note::default());
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
    fn the_layers_of_both_ways_of_a_unet_have_names() {
        let unet = ["model.network=unet", "model.widths=[4, 6]"];
        let names = names_and_shapes(&[&unet[..], &["model.conditional=true"]].concat());
        for expected in [
            "down.1.bypass.weight [6, 4, 1, 1]",
            "up.0.a.weight [4, 10, 3, 3]",
            "up.0.embedding.classes [4, 4]",
            "out.weight [3, 4, 3, 3]",
        ] {
            assert!(
                names.contains(&expected.to_owned()),
                "{expected}: {names:?}"
            );
        }
        let names = names_and_shapes(&[&unet[..], &["model.head=pooled"]].concat());
        assert!(names.contains(&"out.weight [1, 6]".to_owned()), "{names:?}");
    }

    /// A new run with these keys, for images in grey, opened.
    pub(super) fn trained(overrides: &[&str], class_names: &[&str]) -> Trained {
        untrained_of(overrides, ImageShape::new(1, 28, 28), class_names)
    }

    #[test]
    fn what_is_exported_can_be_taken_back() {
        let of_classes: [&[&str]; 2] = [&[], &["ant", "bee", "cat"]];
        for class_names in of_classes {
            let conditional = format!("model.conditional={}", !class_names.is_empty());
            let trained = trained(&[&conditional], class_names);
            let file = to_safetensors(&trained, Weights::Last);
            let arrays = checkpoint::decode(&file, Path::new("file")).expect("decodes");
            assert_eq!(arrays["fc.weight"].shape(), [64, 256]);

            let dir = tempfile::tempdir().expect("a folder");
            import(&file, Path::new("file"), trained.config(), dir.path()).expect("fits");
            let again = Trained::open(dir.path(), &Device::flex()).expect("opened");
            assert_eq!(again.class_names(), class_names);
            let of_both = [&again, &trained].map(|it| (it.num_classes(), it.shape()));
            assert_eq!(of_both[0], of_both[1]);
            let [one, other] = [&again, &trained].map(|it| {
                let energy = it.energy(Weights::Last);
                parameters::flatten(&*energy).into_data()
            });
            assert_eq!(one, other);
        }
    }

    #[test]
    fn the_metadata_name_the_weights_and_the_classes_of_a_conditional_model() {
        let unconditional = trained(&[], &["ant", "bee"]);
        let conditional = trained(&["model.conditional=true"], &["ant", "bee"]);
        for (trained, weights, expected) in [
            (&unconditional, Weights::Average, [0, 0]),
            (&conditional, Weights::Last, [2, 2]),
        ] {
            let file = to_safetensors(trained, weights);
            let json = checkpoint::note(&file, note::KEY).expect("a note");
            let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            let names = json["class_names"].as_array().expect("a list");
            assert_eq!(
                [json["num_classes"].as_u64(), Some(names.len() as u64)],
                expected.map(Some)
            );
            let which = if weights == Weights::Last {
                "last"
            } else {
                "average"
            };
            assert_eq!(json["weights"], which);
        }
    }

    #[test]
    fn refuses_another_model_lost_classes_and_arrays_too_many() {
        let file = to_safetensors(&trained(&[], &[]), Weights::Average);
        let dir = tempfile::tempdir().expect("a folder");
        let refused = |bytes: &[u8], overrides: &[String]| {
            let config = Config::resolve("digits", None, overrides).expect("resolves");
            let error = import(bytes, Path::new("file"), &config, dir.path());
            error.expect_err("refused").to_string()
        };
        let conditional = ["model.conditional=true".to_owned()];
        assert_eq!(
            refused(&file, &conditional),
            "file is of another model than the configuration: model.conditional is false there and \
             true here"
        );
        let mut arrays = checkpoint::decode(&file, Path::new("file")).expect("decodes");
        let message = refused(&checkpoint::encode(&arrays), &conditional);
        assert!(
            message.starts_with("file does not say which classes"),
            "{message}"
        );
        arrays.insert("extra".into(), Array::new([1], vec![0f32]));
        let message = refused(&checkpoint::encode(&arrays), &[]);
        assert_eq!(
            message,
            "file holds `extra`, which this network does not have"
        );
    }
}
