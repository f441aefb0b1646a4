//! Say why weights cannot be taken over.

use std::fmt;
use std::path::PathBuf;

use ebm_train::TrainError;
use ebm_train::checkpoint::CheckpointError;
use thiserror::Error;

use super::note::FORMAT_VERSION;

/// Weights that cannot be taken over.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Their arrays are not those of the configuration's network.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The configuration cannot be used, or the run directory not be written.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The file's metadata describe another model than the configuration.
    #[error("{} is of another model than the configuration: {}", path.display(), list(differences))]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// At least one.
        differences: Vec<Difference>,
    },
    /// The configuration gives the energy classes, and the file does not say which.
    #[error("{} does not say which classes its model is given: it has no metadata of this program", path.display())]
    NoClasses {
        /// The file.
        path: PathBuf,
    },
    /// The file's metadata are of a later format.
    #[error(
        "{} was exported by a newer version (format {found}, this program reads format \
         {FORMAT_VERSION})", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format that its metadata declare.
        found: u32,
    },
    /// The file has an array too many.
    #[error("{} holds `{name}`, which this network does not have", path.display())]
    LeftOver {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
    },
    /// The run directory is taken.
    #[error("{} holds a run already", path.display())]
    Taken {
        /// The run directory.
        path: PathBuf,
    },
}

/// A key whose value is one in a file of weights and another in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key of the configuration, for example `model.network`.
    pub key: &'static str,
    /// Its value for the file's model.
    pub in_file: String,
    /// Its value in the configuration; where the key is absent there, the one that is then used.
    pub configured: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            in_file,
            configured,
        } = self;
        write!(f, "{key} is {in_file} there and {configured} here")
    }
}

fn list(differences: &[Difference]) -> String {
    let each: Vec<_> = differences.iter().map(ToString::to_string).collect();
    each.join(", ")
}
