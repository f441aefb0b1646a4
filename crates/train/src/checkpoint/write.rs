//! Write a checkpoint so that a crash at any moment leaves one to resume from.
//!
//! The order: files, those of each rank by itself, and manifest into `step_N.tmp` · an earlier `step_N` becomes `step_N.old` ·
//! `step_N.tmp` becomes `step_N` · `LATEST` · deletion of `step_N.old` and of checkpoints beyond `keep`.
//! A checkpoint is only deleted under a `.tmp` name, which no reader looks at.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::atomic_file;
use super::error::CheckpointError;
use super::layout::{self, CHECKPOINTS, LATEST, MANIFEST, TEMPORARY};
use super::manifest::{FileEntry, Manifest, is_plain_name, to_json};
use super::rotate::{Retention, finish_interrupted, prune, put_in_place};
use crate::collective::Team;

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
    write_and_retain(
        run_dir,
        step,
        files,
        Retention::newest(keep),
        &Team::default(),
    )
}

/// The same with other rules for what stays, by all ranks together: each writes `files` of its own, the first all that
/// is written once.
///
/// # Errors
/// See [`write()`]; on all ranks where one of them has an error.
///
/// # Panics
/// See [`write()`].
pub fn write_and_retain(
    run_dir: &Path,
    step: u64,
    files: &[(impl AsRef<str>, Vec<u8>)],
    retention: Retention,
    team: &Team,
) -> Result<PathBuf, CheckpointError> {
    let keep = retention.keep;
    assert!(
        keep >= 1,
        "expected to keep at least 1 checkpoint, got {keep}"
    );
    assert_names(files);
    let target = run_dir.join(CHECKPOINTS).join(layout::step_name(step));
    let temporary = target.with_extension(TEMPORARY);
    by_first(team, || begin(run_dir, &temporary))?;
    let written = agreed(team, write_files(&temporary, files)).and_then(|own| {
        let of_ranks = team.gather(&own);
        let manifest = || Manifest::new(step, of_ranks.into_iter().flatten().collect());
        by_first(team, || finish(&temporary, &target, &manifest()))
    });
    if written.is_err() && team.is_first() {
        let _ = fs::remove_dir_all(&temporary);
    }
    written?;
    by_first(team, || make_latest(run_dir, step))?;
    if team.is_first()
        && let Err(error) = prune(&run_dir.join(CHECKPOINTS), &target, retention)
    {
        tracing::warn!("old checkpoints stay where they are: {error}");
    }
    Ok(target)
}

/// What one rank refuses, all refuse.
fn agreed<T>(team: &Team, own: Result<T, CheckpointError>) -> Result<T, CheckpointError> {
    team.agree(own, |rank, reason| CheckpointError::OnRank { rank, reason })
}

/// What the first rank does while the others wait.
fn by_first(
    team: &Team,
    work: impl FnOnce() -> Result<(), CheckpointError>,
) -> Result<(), CheckpointError> {
    agreed(team, if team.is_first() { work() } else { Ok(()) })
}

fn assert_names(files: &[(impl AsRef<str>, Vec<u8>)]) {
    let mut seen = BTreeSet::from([MANIFEST]);
    for (name, _) in files {
        let name = name.as_ref();
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

/// Ends what a crash interrupted, and makes the new directory `temporary`.
fn begin(run_dir: &Path, temporary: &Path) -> Result<(), CheckpointError> {
    let checkpoints = run_dir.join(CHECKPOINTS);
    atomic_file::ensure_dir(&checkpoints).map_err(CheckpointError::write(&checkpoints))?;
    finish_interrupted(&checkpoints)?;
    atomic_file::create_dir(temporary).map_err(CheckpointError::write(temporary))
}

/// Writes files to `temporary`. Returns what the manifest says of them.
fn write_files(
    temporary: &Path,
    files: &[(impl AsRef<str>, Vec<u8>)],
) -> Result<Vec<FileEntry>, CheckpointError> {
    let write = |(name, bytes): &(_, Vec<u8>)| {
        let name: &str = AsRef::as_ref(name);
        write_file(&temporary.join(name), bytes)?;
        Ok(FileEntry::new(name, bytes))
    };
    files.iter().map(write).collect()
}

/// Writes the manifest, the last of the files, and gives `temporary` its name.
fn finish(temporary: &Path, target: &Path, manifest: &Manifest) -> Result<(), CheckpointError> {
    write_file(&temporary.join(MANIFEST), &to_json(manifest))?;
    atomic_file::sync_directory(temporary).map_err(CheckpointError::write(temporary))?;
    put_in_place(temporary, target)
}

fn make_latest(run_dir: &Path, step: u64) -> Result<(), CheckpointError> {
    let latest = run_dir.join(LATEST);
    let name = format!("{}\n", layout::step_name(step));
    let written = atomic_file::write_atomically(&latest, name.as_bytes());
    written.map_err(CheckpointError::write(&latest))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    atomic_file::write_synced(path, bytes).map_err(CheckpointError::write(path))
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
