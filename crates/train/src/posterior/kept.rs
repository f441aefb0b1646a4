//! Keep sampled weights: a file each in the folder `posterior` of a run.
//!
//! A file has the arrays of a checkpoint's `model.safetensors`. It is written before the checkpoint of its iteration, so
//! that a run that goes on from a checkpoint has all files up to it; those beyond are written again.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use ebm_model::EnergyModel;

use crate::checkpoint::atomic_file::{ensure_dir, write_atomically};
use crate::checkpoint::{self, CheckpointError, step_name, step_of};
use crate::state::{of_weights, with_weights};

/// The folder of a run.
const POSTERIOR: &str = "posterior";
const EXTENSION: &str = "safetensors";

/// Weights that a run has kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptWeights {
    /// Iterations after which they were kept.
    pub iteration: u64,
    /// Their file.
    pub path: PathBuf,
}

impl KeptWeights {
    /// The file of so many iterations in the folder.
    fn of(path: PathBuf) -> Option<Self> {
        let is_own = path.extension().is_some_and(|it| it == EXTENSION);
        let iteration = step_of(path.file_stem()?.to_str()?)?;
        is_own.then_some(Self { iteration, path })
    }

    /// The network `model` with these weights.
    ///
    /// # Errors
    /// Where the file cannot be read, is damaged, or is of another network.
    pub fn load<M: EnergyModel>(&self, model: M, device: &Device) -> Result<M, CheckpointError> {
        let bytes = fs::read(&self.path).map_err(CheckpointError::read(&self.path))?;
        let loaded = checkpoint::decode(&bytes, &self.path)
            .and_then(|arrays| with_weights(model, arrays, device));
        loaded.map_err(|error| self.unusable(error))
    }

    /// What is wrong with the file, which can be done without.
    fn unusable(&self, error: CheckpointError) -> CheckpointError {
        let reason = match error {
            CheckpointError::InvalidFile { reason, .. } => reason,
            CheckpointError::MissingArray { .. }
            | CheckpointError::ExtraArray { .. }
            | CheckpointError::OtherArray { .. } => "it is of another network".to_owned(),
            other => return other,
        };
        CheckpointError::UnusableKept {
            path: self.path.clone(),
            reason,
        }
    }
}

/// The weights that a run has kept in its first `until` iterations, in order; none where it has kept none.
///
/// # Errors
/// Where its folder is there and cannot be read.
pub fn kept_weights(run_dir: &Path, until: u64) -> Result<Vec<KeptWeights>, CheckpointError> {
    let mut kept = all_kept(run_dir)?;
    kept.retain(|kept| kept.iteration <= until);
    Ok(kept)
}

fn all_kept(run_dir: &Path) -> Result<Vec<KeptWeights>, CheckpointError> {
    let folder = run_dir.join(POSTERIOR);
    let failed = || CheckpointError::read(&folder);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed())?,
    };
    let mut kept = Vec::new();
    for entry in entries {
        kept.extend(KeptWeights::of(entry.map_err(failed())?.path()));
    }
    kept.sort();
    Ok(kept)
}

/// Write the weights of `model` after so many iterations, whole or not at all.
///
/// # Errors
/// Where they cannot be written.
pub(crate) fn keep(
    run_dir: &Path,
    iteration: u64,
    model: &impl EnergyModel,
) -> Result<(), CheckpointError> {
    let folder = run_dir.join(POSTERIOR);
    ensure_dir(&folder).map_err(CheckpointError::write(&folder))?;
    let path = folder.join(format!("{}.{EXTENSION}", step_name(iteration)));
    let bytes = checkpoint::encode(&of_weights(model));
    write_atomically(&path, &bytes).map_err(CheckpointError::write(&path))
}

/// Remove the weights that were kept after iteration number `iteration`: the run goes on from there.
///
/// # Errors
/// Where a file cannot be removed.
pub(crate) fn forget_beyond(run_dir: &Path, iteration: u64) -> Result<(), CheckpointError> {
    let kept = all_kept(run_dir)?.into_iter();
    for KeptWeights { path, .. } in kept.filter(|kept| kept.iteration > iteration) {
        fs::remove_file(&path).map_err(CheckpointError::write(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Stream};
    use ebm_model::{ConvNet, ConvNetConfig};

    use super::*;
    use crate::parameters;

    /// A network under spectral norm.
    fn net(seed: u64) -> ConvNet {
        let mut rng = PhiloxRng::new(NoiseKey::new(seed, Stream::Weights, 0), 0);
        let config = ConvNetConfig::mnist_with_filters(2);
        let net = config.init(ImageShape::new(1, 16, 16), &mut rng, &Device::flex());
        net.expect("fits")
    }

    fn iterations(run: &Path, until: u64) -> Vec<u64> {
        let kept = kept_weights(run, until).expect("readable");
        kept.iter().map(|kept| kept.iteration).collect()
    }

    #[test]
    fn weights_come_back_as_they_were_kept() {
        let run = tempfile::tempdir().expect("a folder");
        keep(run.path(), 30, &net(1)).expect("written");
        let kept = kept_weights(run.path(), 30).expect("readable");
        let loaded = kept[0]
            .load(net(2), &Device::flex())
            .expect("of this network");
        let [loaded, expected] = [loaded, net(1)].map(|net| of_weights(&net));
        assert_eq!(loaded, expected);
    }

    #[test]
    fn weights_are_found_in_order_up_to_an_iteration_and_forgotten_beyond_one() {
        let run = tempfile::tempdir().expect("a folder");
        assert_eq!(iterations(run.path(), 99), [0; 0]);
        for iteration in [30, 4, 1_000_000] {
            keep(run.path(), iteration, &net(1)).expect("written");
        }
        for other in [
            "step_000031.safetensors.tmp",
            "step_31.safetensors",
            "mine.txt",
        ] {
            fs::write(run.path().join("posterior").join(other), "").expect("written");
        }
        assert_eq!(iterations(run.path(), u64::MAX), [4, 30, 1_000_000]);
        assert_eq!(iterations(run.path(), 30), [4, 30]);
        forget_beyond(run.path(), 4).expect("removed");
        assert_eq!(iterations(run.path(), u64::MAX), [4]);
        let left = fs::read_dir(run.path().join("posterior")).expect("a folder");
        assert_eq!(left.count(), 4, "nothing else is touched");
    }

    #[test]
    fn a_damaged_file_is_named_and_may_be_deleted() {
        let run = tempfile::tempdir().expect("a folder");
        keep(run.path(), 30, &net(1)).expect("written");
        let kept = kept_weights(run.path(), 30).expect("readable");
        fs::write(&kept[0].path, "damaged").expect("written");
        let error = kept[0].load(net(2), &Device::flex()).map(drop);
        let message = error.expect_err("refused").to_string();
        assert!(message.contains("step_000030.safetensors"), "{message}");
        assert!(message.contains("delete this file"), "{message}");
        assert!(!message.contains("another checkpoint"), "{message}");
    }

    #[test]
    fn weights_of_another_network_are_refused() {
        let run = tempfile::tempdir().expect("a folder");
        keep(run.path(), 30, &net(1)).expect("written");
        let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::Weights, 0), 0);
        let config = ConvNetConfig::mnist_with_filters(3);
        let other = config.init(ImageShape::new(1, 16, 16), &mut rng, &Device::flex());
        let kept = kept_weights(run.path(), 30).expect("readable");
        let error = kept[0].load(other.expect("fits"), &Device::flex());
        let message = error.map(|net| parameters::flatten(&net).dims());
        let message = message.expect_err("refused").to_string();
        assert!(message.contains("another network"), "{message}");
    }
}
