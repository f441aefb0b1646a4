//! Let a model cross to the Hugging Face Hub and back, as a folder of two files.
//!
//! `model.safetensors` has the weights as [`to_safetensors`] writes them, `config.json` everything else that the model
//! is made of and sampled by. What is for going on with the same training stays with the run: the replay buffer, the
//! optimizer, the other weights.

mod agreement;
mod description;
mod error;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use ebm_model::Network;
use ebm_train::checkpoint::{self, Array, CheckpointError};
use ebm_train::{
    AnyState, Config, DataSummary, Objective, OfShard, TrainError, TrainState, initial_model,
};

use super::note::{self, Note};
use super::{Difference, ImportError, folded, save, to_safetensors, with_weights};
use crate::trained::{Trained, Weights};
use description::Description;
pub use error::HubError;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

/// The files that are a model.
pub const MODEL_FILES: [&str; 2] = [CONFIG, WEIGHTS];

/// How the file begins that Git has in place of one that Git LFS keeps.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// The [files](MODEL_FILES) of a folder with these weights of a trained model, by name.
pub fn files(trained: &Trained, weights: Weights) -> [(&'static str, Vec<u8>); 2] {
    let description = Description::of(trained, weights);
    [
        (CONFIG, checkpoint::to_json(&description)),
        (WEIGHTS, to_safetensors(trained, weights)),
    ]
}

/// Whether a folder holds an exported model or a part of one, and neither a run nor a checkpoint.
pub fn is_exported(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    !is_of_run(folder) && MODEL_FILES.into_iter().any(has)
}

/// Whether a folder holds a run or a checkpoint.
fn is_of_run(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    has("config.toml") || has(checkpoint::MANIFEST) || folder.join("checkpoints").is_dir()
}

/// An exported model, read from its folder.
#[derive(Clone, Debug)]
pub struct Exported {
    folder: PathBuf,
    description: Description,
    arrays: BTreeMap<String, Array>,
    note: Option<Note>,
}

impl Exported {
    /// Read a folder.
    ///
    /// # Errors
    /// Where it is a run, or a file is missing, of another program or of a later format, or makes no sense.
    pub fn read(folder: &Path) -> Result<Self, HubError> {
        if is_of_run(folder) {
            let path = folder.to_owned();
            return Err(HubError::Run { path });
        }
        let path = folder.join(CONFIG);
        let description = Description::parse(&read(&path)?, &path)?;
        let path = folder.join(WEIGHTS);
        let bytes = read(&path)?;
        let invalid = |problem| HubError::Invalid {
            path: path.clone(),
            problem,
        };
        if bytes.starts_with(LFS_POINTER) {
            let pointer = "it is a pointer of Git LFS, and `git lfs pull` fetches the file itself";
            return Err(invalid(pointer.to_owned()));
        }
        let arrays = checkpoint::decode(&bytes, &path);
        let arrays = arrays.map_err(|error| invalid(in_words(error.into())))?;
        let note = Note::read(&bytes, &path).map_err(|error| invalid(in_words(error)))?;
        let exported = Self {
            folder: folder.to_owned(),
            description,
            arrays,
            note,
        };
        match exported.disagreement(&bytes) {
            Some(problem) => Err(HubError::OtherWeights { path, problem }),
            None => Ok(exported),
        }
    }

    /// What the description says otherwise than the metadata of the weights, which are of the configuration's network.
    fn disagreement(&self, weights: &[u8]) -> Option<String> {
        let note = self.note.as_ref()?;
        if !self.differences(&self.config()).is_empty() {
            return None; // which is said where the network is made, and may be of a changed configuration
        }
        let metadata = checkpoint::note(weights, note::KEY)?;
        agreement::disagreement(&self.description, note, &metadata)
    }

    /// The configuration of the run that it was exported from, but for a folder of data.
    pub fn run_config(&self) -> &Config {
        &self.description.config
    }

    /// The same for the weights as they are, whose spectral norm is folded in.
    pub fn config(&self) -> Config {
        folded(self.description.config.clone())
    }

    /// What it has learned from.
    pub fn data(&self) -> DataSummary {
        self.description.data()
    }

    /// Iterations that had trained it.
    pub fn iteration(&self) -> u64 {
        self.description.iteration
    }

    /// Whether a configuration names data to learn from from now on: another data set, or a folder.
    pub fn is_for_named_data(&self, config: &Config) -> bool {
        let own = &self.description.config.data;
        config.data.dataset != own.dataset || config.data.dir != own.dir
    }

    /// A configuration that reads any pictures or arrays in the shape of the model's images, where it leaves that open.
    pub fn in_own_shape(&self, mut config: Config) -> Config {
        let [channels, height, width] = self.description.image_shape;
        let data = &mut config.data;
        if data.dataset.is_told_by_dir() {
            if data.image_size == 0 && height == width {
                data.image_size = height;
            }
            if data.channels == 0 {
                data.channels = channels;
            }
        }
        config
    }

    /// Which weights it has.
    pub fn weights(&self) -> Weights {
        self.description.weights
    }

    /// What the size of the run's own steps is multiplied by.
    pub(crate) fn step_scale(&self) -> f64 {
        self.description.step_scale
    }

    /// The model as its run has trained it.
    ///
    /// # Errors
    /// Where the weights are not those of the configuration's network.
    pub(crate) fn state(&self, device: &Device) -> Result<TrainState<Network, AnyState>, HubError> {
        let state = self.state_under(&self.config(), device);
        state.map_err(|error| HubError::OtherWeights {
            path: self.folder.join(WEIGHTS),
            problem: in_words(error),
        })
    }

    /// Make a run directory that stands where the exported run stood, with new chains and a new optimizer, and return
    /// its checkpoint. The configuration is [its own](Self::config) or a changed one; where that [names
    /// data](Self::is_for_named_data), the run is not held to those that the model has learned from.
    ///
    /// # Errors
    /// Where the weights are of another network than the configuration's, or the directory cannot be written or has a
    /// run already.
    ///
    /// # Panics
    /// If the configuration is not valid.
    pub fn import(&self, config: &Config, run_dir: &Path) -> Result<PathBuf, ImportError> {
        let device = Device::flex();
        let mut state = self.state_under(config, &device)?;
        let objective = config.settings_of(state.iteration).config.objective();
        let (seed, data) = (config.seed, &state.data);
        for OfShard { shard, state } in &mut state.objective_states {
            *state = Objective::<Network>::init(&objective, data, seed, *shard, &device);
            if let Some(chains) = state.chains_mut() {
                chains.step_scale = self.step_scale();
            }
        }
        save(config, &state, run_dir)
    }

    /// A state of the configuration with these weights, and without what its objective remembers.
    fn state_under(
        &self,
        config: &Config,
        device: &Device,
    ) -> Result<TrainState<Network, AnyState>, ImportError> {
        let path = self.folder.join(WEIGHTS);
        let differences = self.differences(config);
        if !differences.is_empty() {
            return Err(ImportError::OtherModel { path, differences });
        }
        let mut data = self.description.data();
        if self.is_for_named_data(config) {
            data.identity = None;
        }
        let autodiff = device.clone().autodiff();
        let model = initial_model(config, data.shape, data.num_classes(), &autodiff);
        let model = model.map_err(TrainError::from)?;
        let state = TrainState::new(model, AnyState::Nothing, data, device);
        let mut state = with_weights(state, self.arrays.clone(), &path, device)?;
        state.iteration = self.description.iteration;
        state.began_at = state.iteration;
        Ok(state)
    }

    /// The keys in which the network of the weights is not the configuration's. The shape of its images is no matter of
    /// keys: those of a folder of pictures may leave it open.
    fn differences(&self, config: &Config) -> Vec<Difference> {
        let note = self.note.as_ref();
        let mut differences = note.map_or_else(Vec::new, |note| note.differences(config));
        differences.retain(|difference| !difference.key.starts_with("data."));
        differences
    }
}

fn read(path: &Path) -> Result<Vec<u8>, HubError> {
    fs::read(path).map_err(|cause| {
        let path = path.to_owned();
        match cause.kind() {
            ErrorKind::NotFound => HubError::Missing { path },
            _ => HubError::Unreadable { path, cause },
        }
    })
}

/// What is wrong with a file of weights, for a message that names the file.
fn in_words(error: ImportError) -> String {
    match error {
        ImportError::Checkpoint(CheckpointError::InvalidFile { reason, .. }) => reason,
        ImportError::Checkpoint(CheckpointError::MissingArray { name }) => {
            format!("it has no array `{name}`")
        }
        ImportError::Checkpoint(CheckpointError::OtherArray {
            name,
            found,
            expected,
        }) => format!("`{name}` is {found}, not {expected}"),
        ImportError::LeftOver { name, .. } => {
            format!("it holds `{name}`, which the network does not have")
        }
        ImportError::OtherModel { differences, .. } => {
            let each = differences.iter().map(|one| {
                let (key, here, there) = (one.key, &one.in_file, &one.configured);
                format!("{key} is {here}, not {there}")
            });
            each.collect::<Vec<_>>().join(", ")
        }
        ImportError::Newer { found, .. } => {
            format!("its metadata are of a newer version (format {found})")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
