//! Find checkpoints by name: the latest of a run, and all the whole ones.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::error::{CheckpointError, Damage};

/// The folder of a run that holds its checkpoints.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
pub(super) const LATEST: &str = "LATEST";
/// The file of a checkpoint that has size and checksum of every other one.
pub const MANIFEST: &str = "manifest.json";
/// Extension of a directory that is being written or deleted.
pub(super) const TEMPORARY: &str = "tmp";
/// Extension of a checkpoint that waits for its replacement.
pub(super) const SET_ASIDE: &str = "old";

/// A directory that this store made.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) step: u64,
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
}

/// What the extension of a directory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `.tmp`
    Temporary,
    /// `.old`
    SetAside,
    /// No extension: a checkpoint under its own name.
    InPlace,
}

/// The checkpoint to resume from: the newest whole one, whatever `LATEST` says, which a kill may have kept
/// from being written.
///
/// # Errors
/// [`CheckpointError::Read`] if the run directory is there and cannot be read,
/// [`CheckpointError::Lost`] or [`CheckpointError::Damaged`] if it had a checkpoint and has no whole one any
/// more.
pub fn latest(run_dir: &Path) -> Result<Option<PathBuf>, CheckpointError> {
    Ok(newest(run_dir)?.map(|entry| entry.path))
}

/// [`latest`], with its step.
pub(super) fn newest(run_dir: &Path) -> Result<Option<Entry>, CheckpointError> {
    let checkpoints = run_dir.join(CHECKPOINTS);
    if let Some(newest) = whole_checkpoints(&checkpoints)?.pop() {
        return Ok(Some(newest));
    }
    let Some(step) = named_by_latest(&run_dir.join(LATEST))? else {
        return Ok(None);
    };
    let path = checkpoints.join(step_name(step));
    Err(if path.is_dir() {
        CheckpointError::Damaged {
            path,
            damage: Damage::NoManifest,
            alternative: None,
        }
    } else {
        CheckpointError::Lost { path }
    })
}

/// The whole checkpoint of the highest step up to `step` among those of every `every` steps.
///
/// # Errors
/// Where the directory cannot be read.
pub fn latest_scheduled(
    run_dir: &Path,
    step: u64,
    every: u64,
) -> Result<Option<PathBuf>, CheckpointError> {
    let found = whole_checkpoints(&run_dir.join(CHECKPOINTS))?;
    let mut found = found.into_iter().rev();
    let found = found.find(|entry| entry.step <= step && entry.step.is_multiple_of(every));
    Ok(found.map(|entry| entry.path))
}

/// Where the checkpoint of another step of the same run is.
pub fn beside(checkpoint: &Path, step: u64) -> PathBuf {
    checkpoint.with_file_name(step_name(step))
}

/// The step of a checkpoint of a run, by the name of its directory.
pub fn step_at(checkpoint: &Path) -> Option<u64> {
    step_of(checkpoint.file_stem()?.to_str()?)
}

/// The whole checkpoints in a `checkpoints` directory, oldest step first.
///
/// One that is set aside comes before the one of the same step that took its place.
pub(super) fn whole_checkpoints(checkpoints: &Path) -> Result<Vec<Entry>, CheckpointError> {
    let mut found = list(checkpoints)?;
    found.retain(|entry| entry.kind != Kind::Temporary && is_whole(&entry.path));
    found.sort();
    Ok(found)
}

/// Everything in a `checkpoints` directory that this store made.
pub(super) fn list(checkpoints: &Path) -> Result<Vec<Entry>, CheckpointError> {
    let failed = || CheckpointError::read(checkpoints);
    let entries = match fs::read_dir(checkpoints) {
        // A file in its place is no run either.
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        entries => entries.map_err(failed())?,
    };
    let mut found = Vec::new();
    for entry in entries {
        found.extend(Entry::of(entry.map_err(failed())?.path()));
    }
    Ok(found)
}

impl Entry {
    fn of(path: PathBuf) -> Option<Self> {
        let name = directory_name(&path)?;
        let (step, kind) = match name.split_once('.') {
            None => (step_of(name)?, Kind::InPlace),
            Some((step, TEMPORARY)) => (step_of(step)?, Kind::Temporary),
            Some((step, SET_ASIDE)) => (step_of(step)?, Kind::SetAside),
            Some(_) => return None,
        };
        path.is_dir().then_some(Self { step, kind, path })
    }
}

/// True if the manifest is there: it is written last, and a directory gets its name after that.
pub fn is_whole(checkpoint: &Path) -> bool {
    checkpoint.join(MANIFEST).is_file()
}

/// `step_000120` for 120.
pub(crate) fn step_name(step: u64) -> String {
    format!("step_{step:06}")
}

/// 120 for `step_000120`; nothing for any other way to write it.
pub(crate) fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step_")?.parse().ok()?;
    (step_name(step) == name).then_some(step)
}

pub(super) fn directory_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// The step in `LATEST`, if the file is there and intelligible; an edited or empty one is no obstacle.
pub(super) fn named_by_latest(path: &Path) -> Result<Option<u64>, CheckpointError> {
    match fs::read(path) {
        Ok(text) => Ok(str::from_utf8(&text)
            .ok()
            .and_then(|text| step_of(text.trim()))),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(CheckpointError::read(path)(error)),
    }
}

/// True if a read failed because there is nothing at the path.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::write;
    use super::*;

    pub(crate) fn run_with(steps: &[u64]) -> tempfile::TempDir {
        let run = tempfile::tempdir().unwrap();
        for &step in steps {
            write(
                run.path(),
                step,
                &[("model", step.to_le_bytes().to_vec())],
                9,
            )
            .unwrap();
        }
        run
    }

    fn latest_name(run: &tempfile::TempDir) -> Option<String> {
        latest(run.path())
            .unwrap()
            .map(|path| directory_name(&path).unwrap().to_owned())
    }

    #[test]
    fn names_steps_with_six_digits_or_more() {
        assert_eq!(step_name(120), "step_000120");
        assert_eq!(step_name(12_345_678), "step_12345678");
        assert_eq!(step_of("step_12345678"), Some(12_345_678));
        for other in [
            "step_120",
            "step_+00120",
            "step_",
            "best",
            "step_0000120",
            "step_000120.tmp",
        ] {
            assert_eq!(step_of(other), None, "{other}");
        }
        for name in ["step_000120", "step_000120.old"] {
            let path = Path::new("run/checkpoints").join(name);
            assert_eq!(step_at(&path), Some(120), "{name}");
        }
    }

    #[test]
    fn latest_is_the_newest_whole_one_whatever_the_file_says() {
        let run = run_with(&[10, 20]);
        fs::create_dir(run.path().join("checkpoints/step_000030")).unwrap(); // without a manifest
        for text in [
            "step_000010",
            "step_000030",
            "step_000099",
            "",
            "../../etc",
            "\u{1F980}",
        ] {
            fs::write(run.path().join(LATEST), text).unwrap();
            assert_eq!(
                latest_name(&run).unwrap(),
                "step_000020",
                "LATEST = {text:?}"
            );
        }
        fs::remove_file(run.path().join(LATEST)).unwrap();
        assert_eq!(latest_name(&run).unwrap(), "step_000020");
    }

    #[test]
    fn a_run_that_has_lost_its_checkpoints_is_not_a_new_one() {
        let run = run_with(&[10]);
        let refusal = || latest(run.path()).unwrap_err().to_string();
        fs::remove_file(run.path().join("checkpoints/step_000010/manifest.json")).unwrap();
        let message = refusal();
        assert!(
            message.contains("step_000010: there is no manifest.json"),
            "{message}"
        );
        fs::remove_dir_all(run.path().join("checkpoints")).unwrap();
        let message = refusal();
        assert!(
            message.contains("step_000010, and no checkpoint is there"),
            "{message}"
        );
    }

    #[test]
    fn a_run_that_is_empty_or_not_there_has_no_latest() {
        let run = run_with(&[]);
        assert_eq!(latest_name(&run), None);
        assert!(latest(&run.path().join("nowhere")).unwrap().is_none());
    }
}
