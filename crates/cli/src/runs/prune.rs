//! Remove the checkpoints that runs do not need, and say what came back.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueHint};
use ebm_train::checkpoint::latest_with_warnings;
use ebm_train::{Pruned, TrainError, prunable, prune};

use super::{found_below, name_below, no_run_below};
use crate::args::positive;
use crate::counted::counted;
use crate::file_size::file_size;
use crate::output::say;

/// Remove checkpoints that the runs below a folder do not need
///
/// Of each run the newest stay, and those that it wants itself: its best one, where it keeps that, and the one to which
/// it would go back, where it is not finished or has shown a sign of a collapse. Other checkpoints and what interrupted
/// writes left are removed, and nothing else. Runs that are being trained are left alone.
#[derive(Args, Debug)]
pub(super) struct PruneArgs {
    /// Folder of runs, or a run
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    folder: PathBuf,

    /// Newest checkpoints of each run that stay
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    keep: usize,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

impl PruneArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let runs = found_below(&self.folder)?;
        if runs.is_empty() {
            say(no_run_below(&self.folder))?;
            return Ok(ExitCode::SUCCESS);
        }
        let (mut freed, mut failed) = (0, 0);
        for run in &runs {
            let name = name_below(run, &self.folder);
            match self.prune(run) {
                Ok(pruned) => {
                    // A newer one that is broken stays where it is.
                    let _ = latest_with_warnings(run);
                    if !pruned.folders.is_empty() {
                        say(format_args!("{name}: {}", self.said_of(&pruned)))?;
                        freed += pruned.bytes;
                    }
                }
                Err(TrainError::InUse { .. }) => {
                    say(format_args!(
                        "{name}: left alone, as a process trains there"
                    ))?;
                }
                Err(error) => {
                    tell!("{name}: not pruned: {error}");
                    failed += 1;
                }
            }
        }
        say(format_args!("{} {}", file_size(freed), self.freed()))?;
        if failed > 0 {
            let failed = counted(failed, "run", "runs");
            bail!("{failed} could not be pruned, as said above");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn prune(&self, run: &Path) -> Result<Pruned, TrainError> {
        if self.dry_run {
            prunable(run, self.keep)
        } else {
            prune(run, self.keep)
        }
    }

    fn said_of(&self, pruned: &Pruned) -> String {
        let removed = if self.dry_run {
            "would remove"
        } else {
            "removed"
        };
        let names = pruned.folders.iter().filter_map(|it| it.file_name());
        let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
        let size = file_size(pruned.bytes);
        format!("{removed} {} ({size})", names.join(", "))
    }

    fn freed(&self) -> &'static str {
        if self.dry_run {
            "would be freed"
        } else {
            "freed"
        }
    }
}
