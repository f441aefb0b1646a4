//! Open what training left behind, shared by the commands that use a model.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use ebm_model::{EnergyModel, Network};

use super::DeviceArgs;
use crate::checkpoint;
use crate::config::Config;
use crate::device::Selected;
use crate::state::TrainState;

/// A trained model, and where to compute with it.
#[derive(Args, Debug)]
pub(super) struct TrainedArgs {
    /// A run directory (its latest checkpoint is taken) or a checkpoint
    #[arg(value_name = "RUN_OR_CHECKPOINT")]
    source: PathBuf,

    #[command(flatten)]
    device: DeviceArgs,
}

/// A checkpoint, opened.
pub(super) struct Trained {
    pub(super) config: Config,
    pub(super) state: TrainState<Network>,
    pub(super) selected: Selected,
}

impl TrainedArgs {
    pub(super) fn open(&self) -> anyhow::Result<Trained> {
        open(&self.source, self.device.device.select()?)
    }
}

/// The state of a checkpoint, or of a run's latest.
pub(super) fn open(source: &Path, selected: Selected) -> anyhow::Result<Trained> {
    let checkpoint = checkpoint::read(&checkpoint::resolve(source)?)?;
    let origin = checkpoint.path.join("config.toml").display().to_string();
    let text = std::str::from_utf8(checkpoint.file("config.toml")?)?;
    let config = Config::parse(text, &origin)?;
    let state = TrainState::load(&config, &checkpoint, &selected.device)?;
    Ok(Trained {
        config,
        state,
        selected,
    })
}

impl Trained {
    /// The network as a constant: its averaged weights, or the last ones.
    pub(super) fn model(&self, averaged: bool) -> Network {
        match averaged {
            true => self.state.ema_model(),
            false => self.state.last_model(),
        }
    }

    /// The class of this name or number.
    pub(super) fn class(&self, flag: &str, text: &str) -> anyhow::Result<u32> {
        let (names, classes) = (&self.state.class_names, self.state.model.num_classes());
        if classes == 0 {
            bail!(
                "{flag}: this model knows no classes; train one with --set model.conditional=true"
            );
        }
        let named = names.iter().position(|name| name == text);
        let numbered = || text.parse().ok().filter(|&class: &usize| class < classes);
        match named.or_else(numbered) {
            Some(class) => Ok(class as u32),
            None => bail!(
                "{flag} {text}: there is no such class; the model has 0 to {}{}",
                classes - 1,
                some_names(names)
            ),
        }
    }
}

/// The first class names, for a message.
fn some_names(names: &[String]) -> String {
    const SHOWN: usize = 20;
    match names {
        [] => String::new(),
        names => {
            let more = if names.len() > SHOWN { ", …" } else { "" };
            format!(": {}{more}", names[..names.len().min(SHOWN)].join(", "))
        }
    }
}
