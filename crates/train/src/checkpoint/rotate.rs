//! Put a new checkpoint in its place and delete old ones, so that each step of it can be the last.

use std::fs;
use std::path::{Path, PathBuf};

use super::atomic_file;
use super::error::CheckpointError;
use super::layout::{self, CHECKPOINTS, Entry, Kind, SET_ASIDE, TEMPORARY};

/// Renames `temporary` to `target`.
///
/// A directory cannot be renamed over a full one, so an earlier `target` is set aside first; until
/// both renames are done, [`layout::latest`] finds it there.
pub(super) fn put_in_place(temporary: &Path, target: &Path) -> Result<(), CheckpointError> {
    let set_aside = target.with_extension(SET_ASIDE);
    let replaces = target.exists();
    if replaces {
        atomic_file::rename(target, &set_aside).map_err(CheckpointError::write(target))?;
    }
    let renamed = atomic_file::rename(temporary, target);
    if renamed.is_err() && replaces {
        let _ = fs::rename(&set_aside, target);
    }
    renamed
        .and_then(|()| atomic_file::sync_directory(target.parent().unwrap_or(target)))
        .map_err(CheckpointError::write(target))
}

/// Ends what a crash interrupted: deletes the [`leftovers`], and gives a checkpoint that is still set
/// aside its name back.
pub(super) fn finish_interrupted(checkpoints: &Path) -> Result<(), CheckpointError> {
    for entry in leftovers(checkpoints)? {
        match entry.kind {
            Kind::Temporary => atomic_file::remove_dir_all(&entry.path)
                .map_err(CheckpointError::write(&entry.path))?,
            Kind::SetAside | Kind::InPlace => discard(&entry.path)?,
        }
    }
    let found = layout::list(checkpoints)?;
    for entry in found.iter().filter(|entry| entry.kind == Kind::SetAside) {
        let target = entry.path.with_extension("");
        atomic_file::rename(&entry.path, &target).map_err(CheckpointError::write(&target))?;
    }
    Ok(())
}

/// What a crash left and nothing needs, in the order in which it can go: temporary directories, checkpoints
/// that were set aside and whose replacement is whole, and replacements that are not.
fn leftovers(checkpoints: &Path) -> Result<Vec<Entry>, CheckpointError> {
    let mut found = layout::list(checkpoints)?;
    found.retain(|entry| match entry.kind {
        Kind::Temporary => true,
        Kind::SetAside => layout::is_whole(&entry.path.with_extension("")),
        Kind::InPlace => {
            entry.path.with_extension(SET_ASIDE).is_dir() && !layout::is_whole(&entry.path)
        }
    });
    // What is deleted takes the name of a temporary directory first.
    found.sort_by_key(|entry| entry.kind);
    Ok(found)
}

/// Which checkpoints stay beside the one just written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many of the highest scheduled steps, the one just written included; at least 1.
    pub keep: usize,
    /// Steps between scheduled checkpoints. Others are written where a run is stopped, and go at the next
    /// write, so that stopping leaves no trace.
    pub every: u64,
    /// The scheduled one of the highest step up to this, besides, and the next one, which takes its place
    /// when it is old enough.
    pub good_until: Option<u64>,
    /// One that stays in any case, scheduled or not.
    pub best: Option<u64>,
}

impl Retention {
    /// The newest `keep`.
    pub fn newest(keep: usize) -> Self {
        Self {
            keep,
            every: 1,
            good_until: None,
            best: None,
        }
    }

    fn is_scheduled(&self, entry: &Entry) -> bool {
        entry.step.is_multiple_of(self.every)
    }

    /// Steps that stay whatever their number, of scheduled ones in their order.
    fn precious(&self, scheduled: &[Entry]) -> [Option<u64>; 2] {
        let Some(until) = self.good_until else {
            return [None; 2];
        };
        let steps = || scheduled.iter().map(|entry| entry.step);
        [
            steps().filter(|&step| step <= until).max(),
            steps().filter(|&step| step > until).min(),
        ]
    }
}

/// Deletes all checkpoints but `written` and those that stay.
pub(super) fn prune(
    checkpoints: &Path,
    written: &Path,
    retention: Retention,
) -> Result<(), CheckpointError> {
    finish_interrupted(checkpoints)?;
    let mut others = layout::whole_checkpoints(checkpoints)?;
    let counts_written = others
        .iter()
        .any(|entry| entry.path == written && retention.is_scheduled(entry));
    others.retain(|entry| entry.path != written);
    let (scheduled, stopped): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|entry| retention.is_scheduled(entry));
    let precious = retention.precious(&scheduled);
    let kept = retention.keep - usize::from(counts_written);
    let excess = scheduled.len().saturating_sub(kept);
    let old = scheduled
        .iter()
        .take(excess)
        .filter(|entry| !precious.contains(&Some(entry.step)));
    let going = stopped.iter().chain(old);
    let mut going = going.filter(|entry| retention.best != Some(entry.step));
    going.try_for_each(|entry| discard(&entry.path))
}

/// Deletes the checkpoints beyond `step`: the run has gone back.
///
/// # Errors
/// Where one cannot be deleted.
pub fn forget_beyond(run_dir: &Path, step: u64) -> Result<(), CheckpointError> {
    let checkpoints = run_dir.join(CHECKPOINTS);
    // What is deleted takes the name of a temporary directory first.
    finish_interrupted(&checkpoints)?;
    let beyond = layout::whole_checkpoints(&checkpoints)?;
    let mut beyond = beyond.iter().filter(|entry| entry.step > step);
    beyond.try_for_each(|entry| discard(&entry.path))
}

/// The directories of a run that [`remove_surplus`] deletes: what interrupted writes left, and all whole
/// checkpoints but the newest `keep` and those of the steps `spared`.
///
/// # Errors
/// [`CheckpointError::Read`] if the run directory is there and cannot be read.
pub(crate) fn surplus(
    run_dir: &Path,
    keep: usize,
    spared: &[u64],
) -> Result<Vec<PathBuf>, CheckpointError> {
    let checkpoints = run_dir.join(CHECKPOINTS);
    let mut going = leftovers(&checkpoints)?;
    let mut whole = layout::whole_checkpoints(&checkpoints)?;
    whole.retain(|entry| !going.contains(entry));
    let old = whole.len().saturating_sub(keep);
    let old = whole.into_iter().take(old);
    going.extend(old.filter(|entry| !spared.contains(&entry.step)));
    Ok(going.into_iter().map(|entry| entry.path).collect())
}

/// Deletes the [`surplus`] of a run that nobody writes to. A crash at any moment leaves whole what stays.
///
/// # Errors
/// As [`surplus`], and [`CheckpointError::Write`] if something cannot be deleted.
pub(crate) fn remove_surplus(
    run_dir: &Path,
    keep: usize,
    spared: &[u64],
) -> Result<(), CheckpointError> {
    finish_interrupted(&run_dir.join(CHECKPOINTS))?;
    let going = surplus(run_dir, keep, spared)?;
    going.iter().try_for_each(|checkpoint| discard(checkpoint))
}

/// Takes a checkpoint out of sight in one step, then deletes it.
fn discard(checkpoint: &Path) -> Result<(), CheckpointError> {
    let temporary = checkpoint.with_extension(TEMPORARY);
    atomic_file::rename(checkpoint, &temporary)
        .and_then(|()| atomic_file::remove_dir_all(&temporary))
        .map_err(CheckpointError::write(checkpoint))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{latest, read, write};
    use super::*;
    use crate::collective::Team;

    fn put(run: &Path, step: u64, text: &str, keep: usize) {
        let files = [("model", text.as_bytes().to_vec()), ("buffer", vec![7; 9])];
        write(run, step, &files, keep).unwrap();
    }

    /// The text of the latest checkpoint, after verification.
    fn latest_text(run: &Path) -> String {
        let path = latest(run).unwrap().expect("a checkpoint to resume from");
        let checkpoint = read(&path).unwrap_or_else(|error| panic!("{error}"));
        String::from_utf8(checkpoint.file("model").unwrap().to_vec()).unwrap()
    }

    fn names(run: &Path) -> Vec<String> {
        let entries = fs::read_dir(run.join("checkpoints")).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Writes `steps` with a crash after 0, 1, 2, … operations; each time the latest checkpoint must be
    /// readable and one of the last two, and the same write once more must leave what it always leaves.
    fn survives_every_crash(before: &[u64], step: u64, keep: usize, after: &[&str]) -> usize {
        for operations in 0.. {
            let run = tempfile::tempdir().unwrap();
            before
                .iter()
                .for_each(|&step| put(run.path(), step, "old", keep));
            let path = run.path().to_owned();
            let finished = atomic_file::crash::after(operations, || put(&path, step, "new", keep));
            let text = latest_text(run.path());
            assert!(text == "old" || text == "new", "{operations}: {text}");

            put(run.path(), step, "again", keep);
            assert_eq!(latest_text(run.path()), "again", "{operations}");
            assert_eq!(names(run.path()), after, "{operations}");
            if finished.is_some() {
                return operations;
            }
        }
        unreachable!()
    }

    #[test]
    fn a_crash_at_any_operation_leaves_a_readable_latest() {
        let crashes = survives_every_crash(&[1, 2], 3, 2, &["step_000002", "step_000003"]);
        assert!(crashes > 20, "{crashes}");
    }

    #[test]
    fn a_crash_at_any_operation_of_a_replacement_leaves_a_readable_latest() {
        let crashes = survives_every_crash(&[1], 1, 1, &["step_000001"]);
        assert!(crashes > 20, "{crashes}");
    }

    /// As a run goes back to its step 20.
    fn go_back(run: &Path, text: &str) {
        forget_beyond(run, 20).unwrap();
        put(run, 20, text, 3);
    }

    #[test]
    fn a_crash_at_any_operation_of_going_back_leaves_a_readable_latest() {
        for operations in 0.. {
            let run = tempfile::tempdir().unwrap();
            for step in [10, 20, 30] {
                put(run.path(), step, "old", 3);
            }
            let path = run.path().to_owned();
            let finished = atomic_file::crash::after(operations, || go_back(&path, "new"));
            let text = latest_text(&path);
            assert!(text == "old" || text == "new", "{operations}: {text}");

            go_back(&path, "again");
            assert_eq!(latest_text(&path), "again", "{operations}");
            assert_eq!(names(&path), ["step_000010", "step_000020"]);
            if finished.is_some() {
                assert!(operations > 20, "{operations}");
                return;
            }
        }
    }

    #[test]
    fn a_second_crash_during_the_repair_of_the_first_does_no_harm() {
        let mut states = BTreeSet::new();
        for first in 0..40 {
            for second in 0..40 {
                let run = tempfile::tempdir().unwrap();
                let path = run.path().to_owned();
                put(&path, 1, "old", 1);
                atomic_file::crash::after(first, || put(&path, 1, "new", 1));
                if second == 0 && !states.insert(names(&path)) {
                    break; // repaired like an earlier one
                }
                atomic_file::crash::after(second, || put(&path, 1, "new", 1));
                latest_text(&path);
            }
        }
        assert!(states.contains(&vec![
            "step_000001.old".to_owned(),
            "step_000001.tmp".to_owned()
        ]));
    }

    #[test]
    fn a_checkpoint_that_was_set_aside_is_the_latest_until_its_replacement_is_there() {
        let run = tempfile::tempdir().unwrap();
        put(run.path(), 1, "one", 9);
        put(run.path(), 2, "two", 9);
        let dir = run.path().join("checkpoints");
        fs::rename(dir.join("step_000002"), dir.join("step_000002.old")).unwrap();
        assert_eq!(latest_text(run.path()), "two");
        finish_interrupted(&dir).unwrap();
        assert_eq!(names(run.path()), ["step_000001", "step_000002"]);
    }

    #[test]
    fn leftovers_of_a_crash_are_ignored_and_then_removed() {
        let run = tempfile::tempdir().unwrap();
        put(run.path(), 1, "one", 9);
        let stale = run.path().join("checkpoints/step_000009.tmp");
        fs::create_dir(&stale).unwrap();
        fs::copy(
            run.path().join("checkpoints/step_000001/manifest.json"),
            stale.join("manifest.json"),
        )
        .unwrap();
        fs::write(run.path().join("LATEST.tmp"), "step_000009").unwrap();
        fs::remove_file(run.path().join("LATEST")).unwrap();
        assert_eq!(latest_text(run.path()), "one");
        put(run.path(), 2, "two", 9);
        assert_eq!(names(run.path()), ["step_000001", "step_000002"]);
        assert!(!run.path().join("LATEST.tmp").exists());
    }

    /// Names of the directories that go.
    fn surplus_names(run: &Path, keep: usize, spared: &[u64]) -> Vec<String> {
        let going = surplus(run, keep, spared).unwrap();
        let mut names: Vec<_> = going
            .iter()
            .map(|path| layout::directory_name(path).unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_surplus_is_what_nobody_asked_to_keep_and_nothing_else_goes() {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir_all(run.path().join("checkpoints/mine")).unwrap();
        for step in [10, 20, 30, 40, 50] {
            put(run.path(), step, "x", 9);
        }
        let going = surplus_names(run.path(), 2, &[20]);
        assert_eq!(going, ["step_000010", "step_000030"]);
        assert_eq!(names(run.path()).len(), 6, "nothing is removed yet");
        remove_surplus(run.path(), 2, &[20]).unwrap();
        let stay = ["mine", "step_000020", "step_000040", "step_000050"];
        assert_eq!(names(run.path()), stay);
        assert!(surplus_names(run.path(), 2, &[20]).is_empty());
    }

    #[test]
    fn the_surplus_is_known_before_an_interrupted_write_is_finished() {
        let run = tempfile::tempdir().unwrap();
        for step in [1, 2, 3] {
            put(run.path(), step, "x", 9);
        }
        let dir = run.path().join("checkpoints");
        fs::create_dir(dir.join("step_000004.tmp")).unwrap();
        // One that has its replacement, and one whose replacement is not whole.
        fs::create_dir(dir.join("step_000002.old")).unwrap();
        fs::rename(dir.join("step_000003"), dir.join("step_000003.old")).unwrap();
        fs::create_dir(dir.join("step_000003")).unwrap();
        let leftovers = ["step_000002.old", "step_000003", "step_000004.tmp"];
        assert_eq!(surplus_names(run.path(), 3, &[]), leftovers);
        let going = surplus_names(run.path(), 2, &[]);
        assert_eq!((&going[0], going.len()), (&"step_000001".to_owned(), 4));
        remove_surplus(run.path(), 2, &[]).unwrap();
        assert_eq!(names(run.path()), ["step_000002", "step_000003"]);
        assert_eq!(latest_text(run.path()), "x");
    }

    #[test]
    fn a_crash_at_any_operation_of_a_removal_leaves_what_stays() {
        for operations in 0.. {
            let run = tempfile::tempdir().unwrap();
            for step in [1, 2, 3, 4] {
                put(run.path(), step, "x", 9);
            }
            let path = run.path().to_owned();
            let finished = atomic_file::crash::after(operations, || {
                remove_surplus(&path, 1, &[2]).unwrap();
            });
            for step in [2, 4] {
                let stays = path.join("checkpoints").join(layout::step_name(step));
                assert!(read(&stays).is_ok(), "{step} after {operations} operations");
            }
            assert_eq!(latest_text(&path), "x");
            remove_surplus(&path, 1, &[2]).unwrap();
            assert_eq!(names(&path), ["step_000002", "step_000004"]);
            if finished.is_some() {
                assert!(operations > 6, "{operations}");
                return;
            }
        }
    }

    #[test]
    fn keeps_the_last_n_and_what_it_does_not_know() {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir_all(run.path().join("checkpoints/best")).unwrap();
        for step in 1..=5 {
            put(run.path(), step, "x", 3);
        }
        assert_eq!(
            names(run.path()),
            ["best", "step_000003", "step_000004", "step_000005"]
        );
    }

    fn put_and_retain(run: &Path, step: u64, retention: Retention) {
        let files = [("model", b"x".to_vec())];
        super::super::write_and_retain(run, step, &files, retention, &Team::default()).unwrap();
    }

    #[test]
    fn one_from_where_a_run_was_stopped_goes_and_takes_no_place() {
        let run = tempfile::tempdir().unwrap();
        let retention = Retention {
            keep: 2,
            every: 10,
            good_until: None,
            best: None,
        };
        for step in [10, 20, 27, 30, 33] {
            put_and_retain(run.path(), step, retention);
        }
        let expected = ["step_000020", "step_000030", "step_000033"];
        assert_eq!(names(run.path()), expected);
        put_and_retain(run.path(), 40, retention);
        assert_eq!(names(run.path()), ["step_000030", "step_000040"]);
    }

    #[test]
    fn one_that_is_old_enough_is_always_there_however_few_are_kept() {
        let run = tempfile::tempdir().unwrap();
        for step in (10..=200).step_by(10) {
            let good_until = Some(step - 50.min(step));
            let retention = Retention {
                keep: 1,
                every: 10,
                good_until,
                best: None,
            };
            put_and_retain(run.path(), step, retention);
            let found = layout::latest_scheduled(run.path(), step - 50.min(step), 10).unwrap();
            assert_eq!(found.is_some(), step >= 60, "{step}");
            assert!(names(run.path()).len() <= 3);
        }
    }

    #[test]
    fn the_last_good_one_stays_however_many_follow() {
        let run = tempfile::tempdir().unwrap();
        for step in [10, 20, 30, 40, 50] {
            let retention = Retention {
                keep: 1,
                every: 10,
                good_until: Some(step.min(25)),
                best: None,
            };
            put_and_retain(run.path(), step, retention);
        }
        assert_eq!(
            names(run.path()),
            ["step_000020", "step_000030", "step_000050"]
        );
        forget_beyond(run.path(), 20).unwrap();
        assert_eq!(names(run.path()), ["step_000020"]);
    }

    #[test]
    fn the_best_stays_scheduled_or_not() {
        let run = tempfile::tempdir().unwrap();
        let written: [(u64, u64, &[u64]); 7] = [
            (10, 10, &[10]),
            (15, 15, &[10, 15]),
            (20, 15, &[15, 20]),
            (30, 15, &[15, 30]),
            (40, 40, &[40]),
            (50, 40, &[40, 50]),
            (60, 40, &[40, 60]),
        ];
        for (step, best, there) in written {
            let retention = Retention {
                keep: 1,
                every: 10,
                good_until: None,
                best: Some(best),
            };
            put_and_retain(run.path(), step, retention);
            let expected: Vec<_> = there.iter().map(|&step| layout::step_name(step)).collect();
            assert_eq!(names(run.path()), expected, "{step}");
        }
    }

    #[test]
    fn never_deletes_the_one_just_written() {
        let run = tempfile::tempdir().unwrap();
        for step in [100, 200, 300] {
            put(run.path(), step, "abandoned", 3);
        }
        put(run.path(), 150, "resumed", 2);
        assert_eq!(names(run.path()), ["step_000150", "step_000300"]);
    }
}
