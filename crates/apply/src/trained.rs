//! Open what training left behind: a run's latest checkpoint, any other, or an exported folder.

use std::path::{Path, PathBuf};
use std::{fs, io};

use burn::tensor::Device;
use ebm_core::ImageShape;
use ebm_model::{EnergyModel, Frozen, Network};
use ebm_train::checkpoint::{self, Checkpoint, CheckpointError};
use ebm_train::{
    AnyState, Best, Config, ConfigError, KeptWeights, NetworkName, ObjectiveKind, TrainState,
    kept_weights, load_state,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::checksum::sha256;
use crate::exchange::hub::{self, Exported, HubError};

/// A checkpoint that cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It is not there, damaged, or of another network.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It is an exported folder that cannot be used.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// An exported model has other weights than those that are asked for.
    #[error("{} is an exported model: it has {}, and no others", path.display(), held.in_words())]
    NotExported {
        /// Its folder.
        path: PathBuf,
        /// The weights that it has.
        held: Weights,
    },
    /// Its run does not keep its best checkpoint.
    #[error("{} names no best checkpoint", path.display())]
    NoBest {
        /// The checkpoint that would name it.
        path: PathBuf,
    },
}

/// A class that a model does not have.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UnknownClass {
    /// It has none at all.
    #[error("this model knows no classes")]
    NoClasses,
    /// It has other classes.
    #[error("there is no class `{class}`; the model has {}", those(*num_classes, names))]
    NotThere {
        /// What was asked for.
        class: String,
        /// Classes of the model.
        num_classes: usize,
        /// Their names.
        names: Vec<String>,
    },
}

/// Which weights of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// Their moving average over the iterations.
    #[default]
    Average,
    /// Those of the last iteration.
    Last,
}

impl Weights {
    /// `average` or `last`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Last => "last",
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Average => "the moving average of the weights",
            Self::Last => "the last weights",
        }
    }
}

/// A trained energy, opened.
#[derive(Clone, Debug)]
pub struct Trained {
    run_config: Config,
    config: Config,
    state: TrainState<Network, AnyState>,
    step_scale: f64,
    /// The weights of an exported model, which has no others.
    only_weights: Option<Weights>,
    device: Device,
    checkpoint: PathBuf,
}

impl Trained {
    /// Open a checkpoint, the latest one of a run directory, or an exported folder, on `device`.
    ///
    /// # Errors
    /// Where `path` leads to none of them, or to a damaged one.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, OpenError> {
        let path = path.as_ref();
        if hub::is_exported(path) {
            return Self::of_exported(path, device);
        }
        Self::of_checkpoint(&checkpoint::read(&checkpoint::resolve(path)?)?, device)
    }

    /// Open the checkpoint whose samples were nearest to the data, of a run that keeps it
    /// (`output.keep_best`).
    ///
    /// # Errors
    /// As [`open`](Self::open), [`OpenError::NoBest`] where the run has none, and [`OpenError::NotExported`] for an
    /// exported folder, which has one model.
    pub fn open_best(run: impl AsRef<Path>, device: &Device) -> Result<Self, OpenError> {
        let run = run.as_ref();
        if hub::is_exported(run) {
            return Err(OpenError::NotExported {
                path: run.to_owned(),
                held: Exported::read(run)?.weights(),
            });
        }
        let latest = checkpoint::read(&checkpoint::resolve(run)?)?;
        let Some(best) = Best::of_checkpoint(&latest)? else {
            return Err(OpenError::NoBest { path: latest.path });
        };
        let path = checkpoint::beside(&latest.path, best.iteration);
        Self::of_checkpoint(&checkpoint::read(&path)?, device)
    }

    fn of_checkpoint(checkpoint: &Checkpoint, device: &Device) -> Result<Self, OpenError> {
        let origin = checkpoint.path.join("config.toml").display().to_string();
        let text = String::from_utf8_lossy(checkpoint.file("config.toml")?);
        let run_config = Config::parse(&text, &origin)?;
        let state = load_state(&run_config, checkpoint, device)?.in_one_shard();
        Ok(Self {
            config: run_config.settings_of(checkpoint.step).config,
            run_config,
            step_scale: state.objective_state().step_scale(),
            state,
            only_weights: None,
            device: device.clone(),
            checkpoint: checkpoint.path.clone(),
        })
    }

    fn of_exported(folder: &Path, device: &Device) -> Result<Self, OpenError> {
        let exported = Exported::read(folder)?;
        let state = exported.state(device)?;
        Ok(Self {
            config: exported.config().settings_of(state.iteration).config,
            run_config: exported.run_config().clone(),
            step_scale: exported.step_scale(),
            state,
            only_weights: Some(exported.weights()),
            device: device.clone(),
            checkpoint: folder.to_owned(),
        })
    }

    /// The directory of its checkpoint, or its exported folder.
    pub fn checkpoint(&self) -> &Path {
        &self.checkpoint
    }

    /// The first digits of a checksum of its checkpoint's manifest, which has one of every file, or of the files of an
    /// exported model: equal for equal checkpoints.
    ///
    /// # Errors
    /// Where they cannot be read any more.
    pub fn fingerprint(&self) -> io::Result<String> {
        let names: &[&str] = match self.only_weights {
            Some(_) => &hub::MODEL_FILES,
            None => &[checkpoint::MANIFEST],
        };
        let mut bytes = Vec::new();
        for name in names {
            bytes.extend(fs::read(self.checkpoint.join(name))?);
        }
        Ok(sha256(&bytes)[..12].to_owned())
    }

    /// Which weights an exported model has, whatever is asked for; `None` for a checkpoint, which has all.
    pub fn only_weights(&self) -> Option<Weights> {
        self.only_weights
    }

    /// The weights that are used where these are asked for.
    pub fn weights(&self, asked: Weights) -> Weights {
        self.only_weights.unwrap_or(asked)
    }

    /// Refuse to be used in place of other weights than there are.
    ///
    /// # Errors
    /// [`OpenError::NotExported`] where an exported model has others.
    pub fn require(&self, asked: Weights) -> Result<(), OpenError> {
        let held = self.weights(asked);
        if held == asked {
            return Ok(());
        }
        let path = self.checkpoint.clone();
        Err(OpenError::NotExported { path, held })
    }

    /// The whole configuration of its run, with its phases.
    pub fn run_config(&self) -> &Config {
        &self.run_config
    }

    /// The configuration that it was trained with; of a run with phases the settings of its last iteration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All that training remembered; of an exported model, weights and data alone.
    pub fn state(&self) -> &TrainState<Network, AnyState> {
        &self.state
    }

    /// What the size of the run's own steps is multiplied by: 1 unless it adapts.
    pub fn step_scale(&self) -> f64 {
        self.step_scale
    }

    /// The device of its tensors, without autodiff.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Shape of the images that the energy is of.
    pub fn shape(&self) -> ImageShape {
        self.state.data.shape
    }

    /// Names of the data's classes; empty for data without labels.
    pub fn class_names(&self) -> &[String] {
        &self.state.data.class_names
    }

    /// Classes that the energy may be given; 0 for one without classes.
    pub fn num_classes(&self) -> usize {
        self.state.model.num_classes()
    }

    /// Whether it has learned to denoise pictures: experts, whatever they learn by, have one of patches alone.
    pub fn is_denoiser(&self) -> bool {
        let config = self.config();
        let is_of_patches = config.model.network == NetworkName::Experts;
        config.objective.kind == ObjectiveKind::Denoising && !is_of_patches
    }

    /// Whether the energy is one of images and latent vectors, so that it is asked which of these explain an image.
    pub fn has_latents(&self) -> bool {
        self.state.model.latent().is_some()
    }

    /// Whether the energy is told σ of an image's noise.
    pub fn sees_noise(&self) -> bool {
        self.state.model.sees_noise()
    }

    /// The class of this name; or of this number, where none is named by the number of another.
    ///
    /// # Errors
    /// Where the model has no such class, or none at all.
    pub fn class(&self, text: &str) -> Result<u32, UnknownClass> {
        let (names, num_classes) = (self.class_names(), self.num_classes());
        if num_classes == 0 {
            return Err(UnknownClass::NoClasses);
        }
        let named = names.iter().position(|name| name == text);
        let numbered = || {
            let number = text.parse().ok()?;
            (number < num_classes && !has_other_numbers(names)).then_some(number)
        };
        let found = named.or_else(numbered).map(|class| class as u32);
        found.ok_or_else(|| UnknownClass::NotThere {
            class: text.to_owned(),
            num_classes,
            names: names.to_vec(),
        })
    }

    /// The weights that its run has kept up to its iteration, in order, as samples of their posterior; none of an
    /// exported model.
    ///
    /// # Errors
    /// Where they are there and cannot be listed.
    pub fn kept_weights(&self) -> Result<Vec<KeptWeights>, CheckpointError> {
        if self.only_weights.is_some() {
            return Ok(Vec::new());
        }
        let checkpoint = self.checkpoint.canonicalize();
        let checkpoint = checkpoint.unwrap_or_else(|_| self.checkpoint.clone());
        match checkpoint.parent().and_then(Path::parent) {
            Some(run_dir) => kept_weights(run_dir, self.state.iteration),
            None => Ok(Vec::new()),
        }
    }

    /// The energy with weights that the run has kept.
    ///
    /// # Errors
    /// Where they cannot be read, or are of another network.
    pub fn energy_of(&self, kept: &KeptWeights) -> Result<Frozen<Network>, CheckpointError> {
        let model = kept.load(self.state.model.clone(), &self.device)?;
        Ok(Frozen::new(&model).sharpened(self.config.objective.class_sharpness()))
    }

    /// The energy E(x), whose classes, if it has any, are summed out, as sharp as they were learned;
    /// `energy.given(classes)` is E(x, y). Every call makes the network anew.
    pub fn energy(&self, weights: Weights) -> Frozen<Network> {
        let network = match weights {
            Weights::Average => self.state.ema_model(),
            Weights::Last => self.state.last_model(),
        };
        network.sharpened(self.config.objective.class_sharpness())
    }
}

/// The classes that there are, for a message.
fn those(num_classes: usize, names: &[String]) -> String {
    const SHOWN: usize = 20;
    let numbers = format!("0 to {}", num_classes - 1);
    if names.is_empty() {
        return numbers;
    }
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let first = names[..names.len().min(SHOWN)].join(", ");
    match has_other_numbers(names) {
        true => format!("{first}{more}"),
        false => format!("{numbers}: {first}{more}"),
    }
}

/// Whether a class is named by the number of another, as where classes were left out.
fn has_other_numbers(names: &[String]) -> bool {
    let is_other =
        |(place, name): (usize, &String)| name.parse().is_ok_and(|number: usize| number != place);
    names.iter().enumerate().any(is_other)
}
