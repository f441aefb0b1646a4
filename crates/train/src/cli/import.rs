//! Take over weights from PyTorch, or from an exported model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ebm_model::ImageShape;

use super::{ConfigArgs, say};
use crate::device::DeviceChoice;
use crate::run_dir::RunDir;
use crate::state::{DataSummary, TrainState};
use crate::{checkpoint, parameters, weights};

/// Make a run directory from a file of weights, as `ebm export` writes it
///
/// The weights are taken as they are: spectral norm, if there was any, is part of them, and
/// switched off. The same run directory can be sampled from, or trained on.
#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// Tensors of f32 with PyTorch's names and layouts
    #[arg(value_name = "FILE.safetensors")]
    file: PathBuf,

    #[command(flatten)]
    config: ConfigArgs,

    /// The run directory to make
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

impl ImportArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let config = self
            .config
            .resolve(vec!["model.spectral_norm=false".into()])?;
        let bytes = std::fs::read(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))?;
        let mut arrays = checkpoint::decode(&bytes, &self.file)?;
        let num_classes = weights::num_classes(&arrays);
        if config.model.conditional != (num_classes > 0) {
            bail!(
                "{} is of a model {}; pass --set model.conditional={}",
                self.file.display(),
                if num_classes > 0 {
                    "given classes"
                } else {
                    "without classes"
                },
                num_classes > 0
            );
        }
        let native = config.data.native_shape();
        let channels = weights::input_channels(&arrays).unwrap_or(native.channels);
        let data = DataSummary {
            shape: ImageShape {
                channels: if config.data.channels > 0 {
                    config.data.channels
                } else {
                    channels
                },
                ..native
            },
            class_names: (0..num_classes).map(|class| class.to_string()).collect(),
            class_frequencies: vec![1.0 / num_classes as f64; num_classes],
        };
        let device = DeviceChoice::Cpu.select()?.device;
        let mut state = TrainState::new(&config, data, &device)?;
        let vector = weights::take_parameters(&state.model, &mut arrays, &device)?;
        if let Some(name) = arrays.keys().next() {
            bail!(
                "{} holds `{name}`, which this network does not have; choose the preset or --set model.network that fits",
                self.file.display()
            );
        }
        state.model = parameters::unflatten(state.model, &vector);
        state.ema = vector;
        if checkpoint::latest(&self.output)?.is_some() {
            let output = self.output.display();
            bail!("{output} holds a run already; choose another --output");
        }
        let dir = RunDir::open(&self.output, &config, false)?;
        dir.adopt(&config)?;
        let keep = config.output.keep_checkpoints;
        let path = checkpoint::write(dir.path(), 0, &state.to_files(&config), keep)?;
        say(path.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
