//! Write a checkpoint so that a crash at any moment leaves one to resume from.
//!
//! The order: files and manifest into `step_N.tmp` · an earlier `step_N` becomes `step_N.old` ·
//! `step_N.tmp` becomes `step_N` · `LATEST` · deletion of `step_N.old` and of checkpoints beyond `keep`.
//! A checkpoint is only deleted under a `.tmp` name, which no reader looks at.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::atomic_file;
use super::error::CheckpointError;
use super::layout::{self, CHECKPOINTS, LATEST, MANIFEST, TEMPORARY};
use super::manifest::{Manifest, is_plain_name, to_json};
use super::rotate::{Retention, finish_interrupted, prune, put_in_place};

/// Writes `files` as the checkpoint of `step`, makes it the latest, and deletes all but `keep`.
///
/// A checkpoint of the same step is replaced. The one just written is among those kept, the others
/// are those of the highest steps. Returns the directory. The run directory has to exist.
///
/// # Errors
/// [`CheckpointError::Write`] if something cannot be written: earlier checkpoints are then as they were. A
/// deletion that fails is logged only.
///
/// # Panics
/// If `keep` is 0, or a name is not a plain file name, is `manifest.json`, or comes twice.
pub fn write(
    run_dir: &Path,
    step: u64,
    files: &[(&str, Vec<u8>)],
    keep: usize,
) -> Result<PathBuf, CheckpointError> {
    write_and_retain(run_dir, step, files, Retention::newest(keep))
}

/// The same with other rules for what stays.
///
/// # Errors
/// See [`write()`].
///
/// # Panics
/// See [`write()`].
pub fn write_and_retain(
    run_dir: &Path,
    step: u64,
    files: &[(&str, Vec<u8>)],
    retention: Retention,
) -> Result<PathBuf, CheckpointError> {
    let keep = retention.keep;
    assert!(
        keep >= 1,
        "expected to keep at least 1 checkpoint, got {keep}"
    );
    assert_names(files);
    let checkpoints = run_dir.join(CHECKPOINTS);
    atomic_file::ensure_dir(&checkpoints).map_err(CheckpointError::write(&checkpoints))?;
    finish_interrupted(&checkpoints)?;

    let target = checkpoints.join(layout::step_name(step));
    let temporary = target.with_extension(TEMPORARY);
    let written = fill(&temporary, step, files).and_then(|()| put_in_place(&temporary, &target));
    if written.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    written?;

    let latest = run_dir.join(LATEST);
    atomic_file::write_atomically(&latest, format!("{}\n", layout::step_name(step)).as_bytes())
        .map_err(CheckpointError::write(&latest))?;
    if let Err(error) = prune(&checkpoints, &target, retention) {
        tracing::warn!("old checkpoints stay where they are: {error}");
    }
    Ok(target)
}

fn assert_names(files: &[(&str, Vec<u8>)]) {
    let mut seen = BTreeSet::from([MANIFEST]);
    for (name, _) in files {
        assert!(
            is_plain_name(name),
            "expected a plain file name, got {name:?}"
        );
        assert!(
            seen.insert(name),
            "expected distinct file names other than {MANIFEST}, got {name:?} again"
        );
    }
}

/// Writes everything to the new directory `temporary`, the manifest last.
fn fill(temporary: &Path, step: u64, files: &[(&str, Vec<u8>)]) -> Result<(), CheckpointError> {
    let write_file = |name: &str, bytes: &[u8]| {
        let path = temporary.join(name);
        atomic_file::write_synced(&path, bytes).map_err(CheckpointError::write(&path))
    };
    atomic_file::create_dir(temporary).map_err(CheckpointError::write(temporary))?;
    for (name, bytes) in files {
        write_file(name, bytes)?;
    }
    write_file(MANIFEST, &to_json(&Manifest::new(step, files)))?;
    atomic_file::sync_directory(temporary).map_err(CheckpointError::write(temporary))
}

#[cfg(test)]
mod tests {
    use super::super::{latest, read};
    use super::*;

    fn bytes_of(run: &Path) -> Vec<u8> {
        let checkpoint = read(&latest(run).unwrap().unwrap()).unwrap();
        checkpoint.file("model").unwrap().to_vec()
    }

    fn names(dir: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn leaves_the_checkpoint_and_latest_and_nothing_else() {
        let run = tempfile::tempdir().unwrap();
        let run_dir = run.path().join("new");
        fs::create_dir(&run_dir).unwrap();
        let path = write(&run_dir, 120, &[("model", b"weights".to_vec())], 1).unwrap();
        assert_eq!(path, run_dir.join("checkpoints/step_000120"));
        assert_eq!(
            fs::read_to_string(run_dir.join(LATEST)).unwrap(),
            "step_000120\n"
        );
        assert_eq!(
            names(&run_dir),
            ["LATEST", "checkpoints"].map(String::from).into()
        );
        assert_eq!(
            names(&run_dir.join(CHECKPOINTS)),
            ["step_000120".to_owned()].into()
        );
        assert_eq!(
            names(&path),
            ["manifest.json", "model"].map(String::from).into()
        );
    }

    #[test]
    fn the_second_write_of_a_step_replaces_the_first() {
        let run = tempfile::tempdir().unwrap();
        write(
            run.path(),
            1,
            &[("model", b"first".to_vec()), ("ema", Vec::new())],
            1,
        )
        .unwrap();
        write(run.path(), 1, &[("model", b"second".to_vec())], 1).unwrap();
        assert_eq!(bytes_of(run.path()), b"second");
        assert_eq!(
            names(&run.path().join(CHECKPOINTS)),
            ["step_000001".to_owned()].into()
        );
        let path = latest(run.path()).unwrap().unwrap();
        assert_eq!(
            names(&path),
            ["manifest.json", "model"].map(String::from).into()
        );
    }

    #[test]
    fn a_failed_write_leaves_the_previous_checkpoint_and_names_the_path() {
        let run = tempfile::tempdir().unwrap();
        write(run.path(), 1, &[("model", b"first".to_vec())], 1).unwrap();
        let too_long = "x".repeat(300); // no file system takes this name, not even from root
        for step in [1, 2] {
            let files = [
                ("model", b"second".to_vec()),
                (too_long.as_str(), Vec::new()),
            ];
            let message = write(run.path(), step, &files, 1).unwrap_err().to_string();
            assert!(
                message.contains(&format!("step_00000{step}.tmp/xxx")),
                "{message}"
            );
            assert_eq!(bytes_of(run.path()), b"first");
            assert_eq!(
                names(&run.path().join(CHECKPOINTS)),
                ["step_000001".to_owned()].into()
            );
        }
    }

    #[test]
    fn a_failure_to_write_latest_is_an_error_and_loses_no_checkpoint() {
        let run = tempfile::tempdir().unwrap();
        write(run.path(), 1, &[("model", b"first".to_vec())], 2).unwrap();
        fs::create_dir(run.path().join("LATEST.tmp")).unwrap(); // a file cannot be created there
        let error = write(run.path(), 2, &[("model", b"second".to_vec())], 2).unwrap_err();
        assert!(error.to_string().contains("LATEST: "), "{error}");
        assert_eq!(bytes_of(run.path()), b"second");
        let first = read(&run.path().join("checkpoints/step_000001")).unwrap();
        assert_eq!(first.file("model").unwrap(), b"first");
    }

    #[test]
    fn a_run_directory_that_is_gone_is_not_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(&dir.path().join("gone"), 1, &[], 1).unwrap_err();
        assert!(matches!(error, CheckpointError::Write { .. }), "{error}");
        assert_eq!(names(dir.path()), BTreeSet::new());
    }

    #[test]
    fn refuses_a_run_directory_below_a_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), b"").unwrap();
        let error = write(&dir.path().join("file/run"), 1, &[], 1).unwrap_err();
        assert!(matches!(error, CheckpointError::Write { .. }), "{error}");
    }

    #[test]
    #[should_panic = "expected distinct file names other than manifest.json, got \"manifest.json\" again"]
    fn refuses_a_file_that_would_be_taken_for_the_manifest() {
        let run = tempfile::tempdir().unwrap();
        let _ = write(run.path(), 1, &[("manifest.json", Vec::new())], 1);
    }
}
