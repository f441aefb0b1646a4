//! Find the checkpoint that a path means: itself, or the latest of a run.

use std::path::{Path, PathBuf};

use super::error::{CheckpointError, Damage};
use super::layout::{CHECKPOINTS, LATEST, directory_name, is_whole, step_of};
use super::read::alternative_to;
use super::resume::latest_with_warnings;

/// The checkpoint that `path` means: itself, or the latest one of a run directory, with a warning where newer
/// ones are passed over.
///
/// # Errors
/// [`CheckpointError::NotThere`], [`CheckpointError::Neither`], [`CheckpointError::NoneYet`] or
/// [`CheckpointError::Damaged`] if `path` leads to none.
pub fn resolve(path: &Path) -> Result<PathBuf, CheckpointError> {
    if is_whole(path) {
        return Ok(path.to_owned());
    }
    if let Some(found) = latest_with_warnings(path)? {
        return Ok(found);
    }
    if path.is_dir() && directory_name(path).is_some_and(|name| step_of(name).is_some()) {
        let (path, alternative) = (path.to_owned(), alternative_to(path));
        return Err(CheckpointError::Damaged {
            path,
            damage: Damage::NoManifest,
            alternative,
        });
    }
    // A run writes its configuration before anything else.
    if [CHECKPOINTS, LATEST, "config.toml"]
        .iter()
        .any(|name| path.join(name).exists())
    {
        return Err(CheckpointError::NoneYet {
            run_dir: path.to_owned(),
        });
    }
    let path = path.to_owned();
    Err(if path.exists() {
        CheckpointError::Neither { path }
    } else {
        CheckpointError::NotThere { path }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::layout::MANIFEST;
    use super::super::layout::tests::run_with;
    use super::*;

    #[test]
    fn resolves_a_run_directory_and_a_checkpoint() {
        let run = run_with(&[10, 20]);
        let (first, last) = (
            run.path().join("checkpoints/step_000010"),
            run.path().join("checkpoints/step_000020"),
        );
        assert_eq!(resolve(run.path()).unwrap(), last);
        assert_eq!(resolve(&first).unwrap(), first);
    }

    #[test]
    fn refuses_a_path_that_leads_to_no_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |path: &Path| resolve(path).unwrap_err().to_string();
        fs::write(dir.path().join("picture.png"), b"x").unwrap();
        for path in [dir.path().to_owned(), dir.path().join("picture.png")] {
            assert!(refusal(&path).contains("is neither a run directory nor a checkpoint"));
        }
        assert!(refusal(&dir.path().join("nowhere")).contains("does not exist"));
        fs::write(dir.path().join("config.toml"), b"").unwrap();
        assert!(refusal(dir.path()).contains("has no checkpoint yet"));
    }

    #[test]
    fn refuses_a_checkpoint_without_manifest_and_names_another() {
        let run = run_with(&[10, 20]);
        let last = run.path().join("checkpoints/step_000020");
        fs::remove_file(last.join(MANIFEST)).unwrap();
        let message = resolve(&last).unwrap_err().to_string();
        assert!(message.contains("no manifest.json"), "{message}");
        assert!(
            message.contains("checkpoints/step_000010 instead (with the damaged one deleted"),
            "{message}"
        );
    }
}
