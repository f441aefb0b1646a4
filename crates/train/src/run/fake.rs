//! Make run directories for tests, without training.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::checkpoint::{self, CHECKPOINTS, to_json};
use crate::config::Config;

/// A directory with the configuration of a run and, as far as they are saved, checkpoints without arrays.
pub(super) struct FakeRun {
    path: PathBuf,
    /// What its checkpoints say beside their step.
    pub(super) state: Value,
}

impl FakeRun {
    /// A run of so many iterations that has not come to its first checkpoint. One is due every 10 iterations.
    pub(super) fn at(path: &Path, iterations: usize) -> Self {
        let mut config = Config {
            iterations,
            ..Config::default()
        };
        config.output.checkpoint_every = 10;
        fs::create_dir_all(path.join(CHECKPOINTS)).expect("folders");
        fs::write(path.join("config.toml"), config.to_toml()).expect("written");
        Self {
            path: path.to_owned(),
            state: json!({
                "attempt": 0,
                "optimizer_steps": 0,
                "image_shape": [1, 16, 16],
                "class_frequencies": [],
                "class_names": [],
            }),
        }
    }

    /// Write the checkpoint of a step, and remove none.
    pub(super) fn save(&self, step: u64) {
        let mut state = self.state.clone();
        state["iteration"] = step.into();
        let files = [
            ("state.json", to_json(&state)),
            ("model.safetensors", vec![0; 1000]),
        ];
        checkpoint::write(&self.path, step, &files, usize::MAX).expect("written");
    }

    /// Names of the directories in `checkpoints`, sorted.
    pub(super) fn checkpoints(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.join(CHECKPOINTS)).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}
