//! Say why an exported folder cannot be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::description::FORMAT_VERSION;

/// An exported folder that cannot be used.
#[derive(Debug, Error)]
pub enum HubError {
    /// It was not exported.
    #[error("{} is a run of this program or one of its checkpoints, and no exported model", path.display())]
    Run {
        /// The folder.
        path: PathBuf,
    },
    /// One of the two files that are a model is not there.
    #[error("{} is missing, and an exported model is not whole without it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is there and cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The description is of another program's model.
    #[error("{} is not of a model of this program: {problem}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What tells.
        problem: String,
    },
    /// The description is of a later format.
    #[error(
        "{} was exported by a newer version (format {found}, this program reads format \
         {FORMAT_VERSION})", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format that it declares.
        found: u64,
    },
    /// A file makes no sense.
    #[error("{} is not valid: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights are not those of the network that the description is of.
    #[error("{} is not of the model in the config.json beside it: {problem}", path.display())]
    OtherWeights {
        /// The file of weights.
        path: PathBuf,
        /// How they differ.
        problem: String,
    },
}
