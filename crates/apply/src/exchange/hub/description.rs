//! Describe an exported model: what its weights do not say, as `config.json`.

use std::path::Path;

use ebm_train::{Config, DataSummary, Identity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::HubError;
use crate::exchange::folded;
use crate::exchange::note::Note;
use crate::trained::{Trained, Weights};

/// What tells the file from those of other programs.
const MODEL_TYPE: &str = "ebm";

/// Version of a [`Description`]. A key that is added, and may be missing, does not change it.
pub(super) const FORMAT_VERSION: u32 = 1;

/// What `config.json` says of the model beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Description {
    model_type: String,
    format_version: u32,
    /// Version of the program that wrote it.
    ebm_version: String,
    /// Which weights of the run these are.
    pub(super) weights: Weights,
    /// Iterations that had trained them.
    pub(super) iteration: u64,
    /// What the size of the run's own steps is multiplied by: 1 unless it adapts.
    pub(super) step_scale: f64,
    /// Channels, height and width of an image.
    pub(super) image_shape: [usize; 3],
    /// Names of the data's classes; none for data without labels.
    pub(super) class_names: Vec<String>,
    /// Share of each class in the data, in [0, 1].
    class_frequencies: Vec<f64>,
    /// Which images it has learned from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    training_images: Option<Identity>,
    /// The network and what it sees, for other programs: the metadata of the weights. This one reads `config`.
    #[serde(skip_deserializing)]
    architecture: Note,
    /// The same as the file has it, to be held to the metadata.
    #[serde(skip)]
    pub(super) written_architecture: Option<Value>,
    /// The whole configuration of the run, but for the folder of its data.
    pub(super) config: Config,
}

impl Description {
    /// The description of these weights of a trained model.
    pub(super) fn of(trained: &Trained, weights: Weights) -> Self {
        let mut config = trained.run_config().clone();
        config.data.dir = None; // means nothing elsewhere, and may say who trained it
        let state = trained.state();
        Self {
            model_type: MODEL_TYPE.to_owned(),
            format_version: FORMAT_VERSION,
            ebm_version: env!("CARGO_PKG_VERSION").to_owned(),
            weights: trained.weights(weights),
            iteration: state.iteration,
            step_scale: trained.step_scale(),
            image_shape: state.data.shape.dims(),
            class_names: state.data.class_names.clone(),
            class_frequencies: state.data.class_frequencies.clone(),
            training_images: state.data.identity,
            architecture: Note::of(trained, weights),
            written_architecture: None,
            config,
        }
    }

    /// The description in the bytes of a file.
    ///
    /// # Errors
    /// Where it is of another program or a later format, or a value is impossible.
    pub(super) fn parse(json: &[u8], path: &Path) -> Result<Self, HubError> {
        let invalid = |problem: String| HubError::Invalid {
            path: path.to_owned(),
            problem,
        };
        let json: Value =
            serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
        refuse_foreign(&json, path)?;
        let written_architecture = json.get("architecture").cloned();
        let description: Self =
            serde_json::from_value(json).map_err(|error| invalid(error.to_string()))?;
        let description = Self {
            written_architecture,
            ..description
        };
        description.check().map_err(invalid)?;
        Ok(description)
    }

    /// What the model has learned from.
    pub(super) fn data(&self) -> DataSummary {
        DataSummary {
            shape: self.image_shape.into(),
            class_names: self.class_names.clone(),
            class_frequencies: self.class_frequencies.clone(),
            identity: self.training_images,
        }
    }

    /// Refuse values that make no model, with what is wrong.
    fn check(&self) -> Result<(), String> {
        let (names, shares) = (self.class_names.len(), self.class_frequencies.len());
        if names != shares {
            return Err(format!(
                "{names} class_names and {shares} class_frequencies"
            ));
        }
        if self.image_shape.contains(&0) {
            return Err(format!("image_shape is {:?}", self.image_shape));
        }
        if !(self.step_scale > 0.0 && self.step_scale.is_finite()) {
            return Err(format!("step_scale is {}", self.step_scale));
        }
        let checked = folded(self.config.clone()).validate();
        checked.map_err(|invalid| format!("`config.{}` {}", invalid.key, invalid.problem))
    }
}

/// Refuse the file of another program or of a later format, whatever else is in it.
fn refuse_foreign(json: &Value, path: &Path) -> Result<(), HubError> {
    let path = path.to_owned();
    match json.get("model_type") {
        Some(Value::String(name)) if name == MODEL_TYPE => {}
        Some(other) => {
            let problem = format!("its model_type is {other}, not \"{MODEL_TYPE}\"");
            return Err(HubError::Foreign { path, problem });
        }
        None => {
            let problem = "it has no model_type".to_owned();
            return Err(HubError::Foreign { path, problem });
        }
    }
    match json.get("format_version").and_then(Value::as_u64) {
        Some(found) if found > u64::from(FORMAT_VERSION) => Err(HubError::Newer { path, found }),
        _ => Ok(()),
    }
}
