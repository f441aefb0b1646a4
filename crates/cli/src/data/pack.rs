//! Pack a data set into files that are read in place.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use ebm_data::unfinished_pack;
use ebm_train::Held;

use crate::args::ConfigArgs;
use crate::dataset;
use crate::memory::MemoryArgs;
use crate::output::say;
use crate::signals::before_end;

/// Write a data set into a folder of arrays, which runs read in place: one larger than memory can be trained on
///
/// The folder holds NumPy arrays: train_images.npy of bytes [n, c, h, w], train_labels.npy, the same of test images, and
/// the names of the classes in class_names.json. Runs use it by --dataset arrays --data-dir FOLDER.
#[derive(Args, Debug)]
pub(super) struct PackArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Seed of a data set that is drawn by code
    #[arg(long)]
    seed: Option<u64>,

    /// The folder to write, which must not be there yet
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    output: PathBuf,

    #[command(flatten)]
    memory: MemoryArgs,
}

impl PackArgs {
    pub(super) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        let seed = self.seed.map(|seed| format!("seed={seed}"));
        let config = self.config.resolve(seed.into_iter().collect())?;
        // Pictures and arrays are written as they are read.
        if !config.data.dataset.is_told_by_dir() {
            let held = |shape, images| vec![Held::of_data(&config.data, shape, images)];
            self.memory.check_with_data("packing", &config.data, held)?;
        }
        let unfinished = unfinished_pack(&self.output);
        // One that is there is not of this program.
        if fs::symlink_metadata(&unfinished).is_err() {
            before_end(move || {
                let _ = fs::remove_dir_all(&unfinished);
            })?;
        }
        let data = dataset::pack(&config.data, config.seed, &self.output, quiet)?;
        say(format_args!(
            "{}: {}, packed in {}",
            config.data.dataset,
            dataset::summary(&data),
            self.output.display()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
