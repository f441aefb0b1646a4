//! Say what stopped a run.

use std::path::{Path, PathBuf};

use ebm_core::{ImageShape, Invalid};
use ebm_model::UnsupportedPrecision;
use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::collective::TeamError;
use crate::config::ConfigError;
use crate::watch::Symptom;

/// Why a run cannot start or go on.
#[derive(Debug, Error)]
pub enum TrainError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A gradient that only a broken kernel gives.
    #[error(
        "iteration {iteration}: {what} is {value} on {device}, which points to a kernel that does not work there; checkpoints after the line of metrics before may hold such updates"
    )]
    BrokenGradient {
        /// The iteration, from 1.
        iteration: u64,
        /// Which gradient.
        what: String,
        /// Its norm.
        value: f64,
        /// Where.
        device: String,
    },
    /// A device that does not compute in the precision of the configuration.
    #[error(transparent)]
    Precision(#[from] UnsupportedPrecision),
    /// Samples are to be judged, and the run has no judge.
    #[error(
        "`output.evaluate_every` is {every}, and nothing judges the samples: give the run a judge (`Run::with_judge`), or set the key to 0"
    )]
    NoJudge {
        /// Iterations between evaluations.
        every: usize,
    },
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// So many ranks cannot share the shards of the configuration.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// Another rank of the job cannot go on.
    #[error("rank {rank}: {reason}")]
    OnRank {
        /// Which one.
        rank: u32,
        /// Why.
        reason: String,
    },
    /// Ranks of a job were not started alike.
    #[error("rank {rank} has {what} than rank 0: {there}, and {here}")]
    RanksDiffer {
        /// The rank, from 1.
        rank: u32,
        /// What differs, as a comparative: "other data".
        what: &'static str,
        /// What it has.
        there: String,
        /// What rank 0 has.
        here: String,
    },
    /// Ranks see different directories under the same name.
    #[error(
        "rank {rank} does not see what rank 0 has written to {}: the run directory must be on a file system that all ranks share",
        path.display()
    )]
    NotShared {
        /// The rank.
        rank: u32,
        /// The run directory.
        path: PathBuf,
    },
    /// The weights of ranks are not the same any more.
    #[error(
        "iteration {iteration}: rank {rank} has other weights than rank 0, so that the run cannot be trusted: its processor or its libraries round differently"
    )]
    WeightsDiffer {
        /// The iteration, from 1.
        iteration: u64,
        /// The first rank that differs.
        rank: u32,
    },
    /// A directory with other things in it.
    #[error("{} is not a run directory (it has no config.toml) and not empty", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// A checkpoint in place of its run.
    #[error("{} is a checkpoint, and a run cannot be trained inside it", path.display())]
    IsACheckpoint {
        /// The directory.
        path: PathBuf,
    },
    /// Another process trains there.
    #[error("{} is in use by another process that trains there", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory of a run vanished while it trained.
    #[error(
        "{} is gone: it was deleted, moved or replaced, or its disk was unmounted, while the run trained there",
        path.display()
    )]
    Gone {
        /// Where the directory was.
        path: PathBuf,
    },
    /// The run there was started with another configuration.
    #[error("{} holds a run with another configuration:\n  {}", path.display(), changes.join("\n  "))]
    ConfigChanged {
        /// The directory.
        path: PathBuf,
        /// Keys with old and new value.
        changes: Vec<String>,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file or a folder that cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file or the folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The run there was trained on images of another shape.
    #[error("{} holds a run on images of {there}, and the data have {here}", path.display())]
    OtherImages {
        /// The directory.
        path: PathBuf,
        /// Shape of the run's images.
        there: ImageShape,
        /// Shape of the data.
        here: ImageShape,
    },
    /// The run there was trained on images of other classes.
    #[error(
        "{} holds a run on {}, and the data have {}",
        path.display(), classes(there), classes(here)
    )]
    OtherClasses {
        /// The directory.
        path: PathBuf,
        /// Classes of the run's images.
        there: Vec<String>,
        /// Classes of the data.
        here: Vec<String>,
    },
    /// The run there was trained on other images.
    #[error("{} holds a run that has learned from {difference}", path.display())]
    OtherData {
        /// The directory.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// Fewer iterations asked for than the run has done.
    #[error("{} has done {done} iterations already, more than the {asked} asked for", path.display())]
    AlreadyBeyond {
        /// The directory.
        path: PathBuf,
        /// Iterations done.
        done: u64,
        /// Iterations asked for.
        asked: u64,
    },
    /// The energy tells data from samples, or nothing from anything, in a way that leaves no gradient
    /// between them.
    #[error(
        "training collapsed: {what} at iteration {iteration} (seed {seed}). {}",
        before_sign(last_good)
    )]
    Collapsed {
        /// The iteration at which it was seen.
        iteration: u64,
        /// What shows it.
        what: String,
        /// What it is a symptom of; `None` where every image has the same energy.
        symptom: Option<Symptom>,
        /// Seed of the run.
        seed: u64,
        /// The last checkpoint before its first sign.
        last_good: Option<PathBuf>,
    },
    /// The energy is not finite any more.
    #[error(
        "training diverged: {what} is {value} at iteration {iteration} (seed {seed}). {}",
        before(last_good)
    )]
    Diverged {
        /// The first bad iteration.
        iteration: u64,
        /// What is not finite.
        what: &'static str,
        /// What it is instead.
        value: f32,
        /// Seed of the run.
        seed: u64,
        /// What calms such training beside a smaller learning rate, in words: "a larger energy_l2".
        calmed_by: &'static str,
        /// The checkpoint before it.
        last_good: Option<PathBuf>,
    },
}

impl From<Invalid> for TrainError {
    fn from(invalid: Invalid) -> Self {
        Self::Config(invalid.into())
    }
}

impl TrainError {
    /// What a failed write to `path` becomes.
    pub fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Write { path, cause }
    }

    /// What a failed read of `path` becomes.
    pub fn reading(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Read { path, cause }
    }

    /// The iteration in which training went wrong, where that is the error.
    pub(crate) fn gone_wrong_at(&self) -> Option<u64> {
        match self {
            Self::Collapsed { iteration, .. } | Self::Diverged { iteration, .. } => {
                Some(*iteration)
            }
            _ => None,
        }
    }

    /// What went wrong, without where and when.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Self::Collapsed { what, .. } => what.clone(),
            Self::Diverged { what, value, .. } => format!("{what} is {value}"),
            other => other.to_string(),
        }
    }
}

/// The checkpoint to go on from, where later ones may be spoiled.
fn before_sign(last_good: &Option<PathBuf>) -> String {
    match last_good {
        Some(_) => before(last_good),
        None => "There is no checkpoint from before it".to_owned(),
    }
}

/// The checkpoint to go on from.
fn before(last_good: &Option<PathBuf>) -> String {
    match last_good {
        Some(path) => format!("The last good checkpoint is {}", path.display()),
        None => "There is no checkpoint yet".to_owned(),
    }
}

/// Classes by their names, for a message.
fn classes(names: &[String]) -> String {
    match names {
        [] => "no classes".to_owned(),
        names => format!("the classes {}", names.join(", ")),
    }
}
