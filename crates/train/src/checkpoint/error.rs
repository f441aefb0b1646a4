//! Say what is wrong with a checkpoint, in which file, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::format::FORMAT_VERSION;

/// Why a checkpoint could not be written, found, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The disk is full, or the place is not writable. Earlier checkpoints are untouched.
    #[error(
        "cannot write {}: {cause} (earlier checkpoints are untouched)", path.display()
    )]
    Write {
        /// The file or directory that was being written.
        path: PathBuf,
        /// What the file system reported.
        cause: io::Error,
    },
    /// A checkpoint of another number of shards.
    #[error(
        "{} is of a run with shards = {there}, and this is one with shards = {here}: a run keeps its shards",
        path.display()
    )]
    OtherShards {
        /// The checkpoint directory.
        path: PathBuf,
        /// Shards of the checkpoint.
        there: u32,
        /// Shards of the configuration.
        here: u32,
    },
    /// Another rank of the job cannot go on.
    #[error("rank {rank}: {reason}")]
    OnRank {
        /// Which one.
        rank: u32,
        /// Why.
        reason: String,
    },
    /// Something is there and cannot be read.
    #[error("cannot read {}: {cause}; check that it exists and that you may read it", path.display())]
    Read {
        /// The file or directory that was being read.
        path: PathBuf,
        /// What the file system reported.
        cause: io::Error,
    },
    /// A path given as a run or a checkpoint is not there.
    #[error("{} does not exist; expected a run directory or a checkpoint", path.display())]
    NotThere {
        /// The path as given.
        path: PathBuf,
    },
    /// A path given as a run or a checkpoint is neither.
    #[error(
        "{} is neither a run directory nor a checkpoint", path.display()
    )]
    Neither {
        /// The path as given.
        path: PathBuf,
    },
    /// A run that has not come to its first checkpoint.
    #[error(
        "the run {} has no checkpoint yet; let it train until it has written one", run_dir.display()
    )]
    NoneYet {
        /// The run directory.
        run_dir: PathBuf,
    },
    /// A run whose checkpoints are gone.
    #[error(
        "the run's last checkpoint was {}, and no checkpoint is there any more: put it back, or \
         delete LATEST to train anew", path.display()
    )]
    Lost {
        /// The checkpoint that `LATEST` names.
        path: PathBuf,
    },
    /// A checkpoint of a later format.
    #[error(
        "{} was written by a newer version (format {found}, this program reads format \
         {FORMAT_VERSION}): update ebm", path.display()
    )]
    Newer {
        /// The checkpoint directory.
        path: PathBuf,
        /// The format that its manifest declares.
        found: u32,
    },
    /// A checkpoint of an earlier format.
    #[error(
        "{} was written by an older version (format {found}, this program reads format \
         {FORMAT_VERSION}), which drew other random numbers: go on with that version, or train anew",
        path.display()
    )]
    Older {
        /// The checkpoint directory.
        path: PathBuf,
        /// The format that its manifest declares.
        found: u32,
    },
    /// A checkpoint that is not what was once written.
    #[error("{}: {damage}; {}", path.display(), remedy(alternative.as_deref()))]
    Damaged {
        /// The checkpoint directory.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
        /// The newest other checkpoint of the same run that is whole.
        alternative: Option<PathBuf>,
    },
    /// A file is as it was written, and its content makes no sense to this program.
    #[error("{} is not valid: {reason}; use another checkpoint", path.display())]
    InvalidFile {
        /// The file the bytes came from.
        path: PathBuf,
        /// What was found in it.
        reason: String,
    },
    /// Weights that a run has kept as a sample of their posterior, and that are damaged or of another network.
    #[error(
        "the kept weights {} cannot be used: {reason}; delete this file, and the others are averaged without it, or train again",
        path.display()
    )]
    UnusableKept {
        /// Their file.
        path: PathBuf,
        /// What was found in it.
        reason: String,
    },
    /// An array that the program needs is not there.
    #[error(
        "checkpoint is for another network: it has no array `{name}`; use the configuration it was \
         trained with"
    )]
    MissingArray {
        /// The name of the array.
        name: String,
    },
    /// An array is there that the program has no place for.
    #[error(
        "checkpoint is for another network: it has `{name}`, which this one has not; use the \
         configuration it was trained with"
    )]
    ExtraArray {
        /// The name of the array.
        name: String,
    },
    /// An array has another shape or element type than the program needs.
    #[error(
        "checkpoint is for another network: `{name}` is {found} there and {expected} here; use the \
         configuration it was trained with"
    )]
    OtherArray {
        /// The name of the array.
        name: String,
        /// Element type, if it differs, and shape in the checkpoint.
        found: String,
        /// Element type, if it differs, and shape in the program.
        expected: String,
    },
}

/// What is wrong with a damaged checkpoint.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Not a checkpoint, or one that was not copied whole.
    #[error("there is no manifest.json, so it is not a checkpoint or not a whole one")]
    NoManifest,
    /// The manifest is not the one that was written.
    #[error("manifest.json is not valid ({0})")]
    BadManifest(String),
    /// A file of the manifest is not there.
    #[error("`{0}` is missing")]
    MissingFile(String),
    /// A file is shorter or longer than it was.
    #[error("`{name}` is {found} bytes long where {expected} were written")]
    WrongSize {
        /// The file.
        name: String,
        /// Its size in the manifest.
        expected: u64,
        /// Its size now.
        found: u64,
    },
    /// A file of the right size with other content.
    #[error("`{0}` is corrupt (its checksum does not match)")]
    Corrupt(String),
}

impl CheckpointError {
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Write {
            path: path.to_owned(),
            cause,
        }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Read {
            path: path.to_owned(),
            cause,
        }
    }
}

fn remedy(alternative: Option<&Path>) -> String {
    match alternative {
        Some(path) => format!(
            "use {} instead (with the damaged one deleted, train goes on from there)",
            path.display()
        ),
        None => {
            "no other checkpoint of this run is whole: restore it from a copy, or train anew in \
                 another directory"
                .to_owned()
        }
    }
}
