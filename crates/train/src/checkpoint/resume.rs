//! Find the checkpoint to resume from, and say what is passed over.

use std::path::{Path, PathBuf};

use super::error::CheckpointError;
use super::layout::{self, CHECKPOINTS, Entry, Kind, LATEST};

/// The [`latest`](super::latest) checkpoint of a run, with a warning for each newer directory that is not a
/// whole checkpoint, and for a `LATEST` that names an older one.
///
/// # Errors
/// As [`latest`](super::latest).
pub fn latest_with_warnings(run_dir: &Path) -> Result<Option<PathBuf>, CheckpointError> {
    let taken = layout::newest(run_dir)?;
    for warning in warnings(run_dir, taken.as_ref())? {
        tracing::warn!("{warning}");
    }
    Ok(taken.map(|entry| entry.path))
}

fn warnings(run_dir: &Path, taken: Option<&Entry>) -> Result<Vec<String>, CheckpointError> {
    let step = taken.map(|entry| entry.step);
    let instead = match taken {
        Some(entry) => format!("{} is taken instead", entry.path.display()),
        None => "no checkpoint is whole".to_owned(),
    };
    let mut found = layout::list(&run_dir.join(CHECKPOINTS))?;
    // Under other names than its own, a checkpoint is still being written or deleted.
    found.retain(|entry| {
        // One that is whole now was put in its place meanwhile.
        let is_newer = entry.kind == Kind::InPlace && Some(entry.step) > step;
        is_newer && !layout::is_whole(&entry.path)
    });
    found.sort();
    let broken = found.iter().map(|entry| {
        let path = entry.path.display();
        format!("{path} has no manifest.json, so it is not a whole checkpoint; {instead}")
    });
    let mut warnings: Vec<String> = broken.collect();
    let latest = run_dir.join(LATEST);
    let named = layout::named_by_latest(&latest)?;
    if let (Some(named), Some(entry)) = (named, taken)
        && named < entry.step
    {
        let (latest, path) = (latest.display(), entry.path.display());
        let name = layout::step_name(named);
        warnings.push(format!(
            "{latest} names {name}, and {path}, which is newer and whole, is taken instead"
        ));
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::layout::MANIFEST;
    use super::super::layout::tests::run_with;
    use super::*;

    /// What is said, without the path of the run.
    fn said(run: &Path) -> Vec<String> {
        let taken = layout::newest(run).unwrap();
        let warnings = warnings(run, taken.as_ref()).unwrap();
        let prefix = format!("{}/", run.display());
        let short = warnings.iter().map(|text| text.replace(&prefix, ""));
        short.collect()
    }

    #[test]
    fn nothing_is_said_of_a_run_as_it_is_written() {
        let run = run_with(&[10, 20]);
        assert_eq!(said(run.path()), [""; 0]);
        assert_eq!(said(&run.path().join("nowhere")), [""; 0]);
        // What a kill leaves behind, and what a user deletes to go back.
        fs::create_dir(run.path().join("checkpoints/step_000030.tmp")).unwrap();
        fs::remove_dir_all(run.path().join("checkpoints/step_000020")).unwrap();
        assert_eq!(said(run.path()), [""; 0]);
    }

    #[test]
    fn newer_directories_without_a_manifest_are_named_and_older_ones_are_not() {
        let run = run_with(&[10, 20, 30, 40]);
        for step in ["step_000010", "step_000030", "step_000040"] {
            let manifest = Path::new("checkpoints").join(step).join(MANIFEST);
            fs::remove_file(run.path().join(manifest)).unwrap();
        }
        let expected = ["step_000030", "step_000040"].map(|step| {
            format!(
                "checkpoints/{step} has no manifest.json, so it is not a whole checkpoint; \
                 checkpoints/step_000020 is taken instead"
            )
        });
        assert_eq!(said(run.path()), expected);
    }

    #[test]
    fn a_file_that_was_not_brought_up_to_date_is_named() {
        let run = run_with(&[10, 20]);
        fs::write(run.path().join(LATEST), "step_000010\n").unwrap();
        let expected = "LATEST names step_000010, and checkpoints/step_000020, which is newer and \
                        whole, is taken instead";
        assert_eq!(said(run.path()), [expected]);
    }
}
