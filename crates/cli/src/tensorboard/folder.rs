//! Keep the event files of a run in a folder that TensorBoard takes for one run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use sysinfo::System;

use super::file::{EventFile, Writer, cut, writer_of};
use crate::output::{WriteError, check_writable};

const FLAG: &str = "--tensorboard";
/// A file is one of events where its name has this.
const EVENTS: &str = "tfevents";
/// What stands before the second of a file's beginning in its name.
const PREFIX: &str = "events.out.tfevents.";

/// A folder of event files, all of one run.
#[derive(Debug)]
pub(crate) struct EventFolder {
    path: PathBuf,
    /// Directory of the run.
    run: PathBuf,
}

impl EventFolder {
    /// A folder for the events of the run in `run`. Nothing is written yet.
    ///
    /// # Errors
    /// Where it cannot be written, is a file, or has the events of another run.
    pub(crate) fn checked(path: &Path, run: &Path) -> anyhow::Result<Self> {
        let folder = Self {
            // With a separator at its end a path finds no file.
            path: path.components().collect(),
            run: run.to_owned(),
        };
        let asked = || format!("{FLAG} {}", path.display());
        if folder.path.is_dir() {
            if let Some(other) = folder.other_writer().with_context(asked)? {
                bail!(
                    "{}: this folder has the events of {other}, and TensorBoard takes each folder for one run; name \
                     another folder",
                    asked()
                );
            }
        } else if folder.path.exists() {
            bail!(
                "{}: there is a file of this name; name another folder",
                asked()
            );
        }
        check_writable(FLAG, &folder.path)?;
        Ok(folder)
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Begin a file for what comes after `step` iterations, and cut off the earlier ones what they say of it: from
    /// another attempt, or from a process that was killed.
    ///
    /// # Errors
    /// Where the folder or a file in it cannot be written.
    pub(super) fn begin(&self, step: u64) -> Result<EventFile, WriteError> {
        self.try_to_begin(step).map_err(|cause| WriteError {
            path: self.path.clone(),
            cause,
        })
    }

    fn try_to_begin(&self, step: u64) -> io::Result<EventFile> {
        fs::create_dir_all(&self.path)?;
        let (files, mark) = (self.files()?, self.mark()?);
        for file in &files {
            match writer_of(file)? {
                Writer::Run(run) if run == mark => cut(file, step)?,
                Writer::Nobody => {}
                Writer::Run(_) | Writer::Other => {
                    let begun = "somebody else has begun to write events here; name another folder";
                    return Err(io::Error::other(begun));
                }
            }
        }
        let path = self.path.join(name_after(&files));
        EventFile::create(path, &mark, step)
    }

    /// The event files, in the order in which TensorBoard reads them.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.is_file() && name_of(&path).contains(EVENTS) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// How the files name their run: by the way from the folder where that lies in the run's directory, as the two may
    /// be moved together, else by the way from the root.
    fn mark(&self) -> io::Result<String> {
        let (folder, run) = (self.path.canonicalize()?, self.run.canonicalize()?);
        let mark = match folder.strip_prefix(&run) {
            Ok(below) => Path::new(".").join(below.components().map(|_| "..").collect::<PathBuf>()),
            Err(_) => run,
        };
        Ok(mark.to_string_lossy().into_owned())
    }

    /// Who else has written event files here.
    fn other_writer(&self) -> io::Result<Option<String>> {
        let mark = self.mark()?;
        for file in self.files()? {
            match writer_of(&file)? {
                Writer::Run(run) if run == mark => {}
                Writer::Run(run) => {
                    let run = self.path.join(run); // which may be told by the way from here
                    let run = run.canonicalize().unwrap_or(run);
                    return Ok(Some(format!("the run in {}", run.display())));
                }
                Writer::Other => return Ok(Some("another program".to_owned())),
                Writer::Nobody => {}
            }
        }
        Ok(None)
    }
}

fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A name that comes after those of `files`, whatever clocks say.
fn name_after(files: &[PathBuf]) -> String {
    let second_of = |file: &PathBuf| -> Option<u64> {
        let name = name_of(file);
        name.strip_prefix(PREFIX)?.split('.').next()?.parse().ok()
    };
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since_1970.unwrap_or_default().as_secs();
    let last = files.iter().filter_map(second_of).max();
    let second = last.map_or(now, |last| now.max(last.saturating_add(1)));
    format!("{PREFIX}{second:010}.{}.{}", host(), process::id())
}

/// The name of this machine, in characters that the name of a file may have.
fn host() -> String {
    let name = System::host_name().unwrap_or_default();
    let plain = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' => c,
        _ => '_',
    };
    match name.as_str() {
        "" => "localhost".to_owned(),
        name => name.chars().map(plain).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensorboard::messages::Value;
    use crate::tensorboard::record::framed;

    /// A run directory with nothing in it, and a folder beside it.
    fn run_and_logs() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let (run, logs) = (dir.path().join("run"), dir.path().join("logs"));
        fs::create_dir(&run).expect("made");
        (dir, run, logs)
    }

    fn begin(folder: &Path, run: &Path, step: u64) -> EventFile {
        let folder = EventFolder::checked(folder, run).expect("its own");
        folder.begin(step).expect("written")
    }

    #[track_caller]
    fn refused(folder: &Path, run: &Path, parts: &[&str]) {
        let refused = EventFolder::checked(folder, run).expect_err("not its own");
        let message = format!("{refused:#}");
        for part in parts {
            assert!(message.contains(part), "no {part:?} in: {message}");
        }
    }

    #[test]
    fn files_of_one_second_come_one_after_the_other() {
        let (_dir, run, logs) = run_and_logs();
        for step in 0..12 {
            let before = EventFolder::checked(&logs, &run).expect("its own");
            let before = before.files().unwrap_or_default();
            drop(begin(&logs, &run, step));
            let folder = EventFolder::checked(&logs, &run).expect("its own");
            let files = folder.files().expect("read");
            assert_eq!(files[..files.len() - 1], before, "the new file is not last");
            assert_eq!(files.len() as u64, step + 1);
        }
        let files = [PathBuf::from("events.out.tfevents.9999999998.x.1")];
        assert!(name_after(&files).starts_with("events.out.tfevents.9999999999."));
    }

    #[test]
    fn a_file_that_begins_cuts_the_earlier_ones_and_no_other() {
        let (_dir, run, logs) = run_and_logs();
        let mut first = begin(&logs, &run, 0);
        for step in 1..=4 {
            let point = vec![Value::scalar("loss".to_owned(), 0.5)];
            first.append(step, point).expect("written");
        }
        let half = logs.join("events.out.tfevents.0000000001.x.1");
        fs::write(&half, "half a record").expect("written");
        let folder = EventFolder::checked(&logs, &run).expect("its own");
        let whole = fs::metadata(&folder.files().expect("read")[1]).expect("a file");
        drop(folder.begin(2).expect("written"));
        let files = folder.files().expect("read");
        assert_eq!(files.len(), 3);
        assert_eq!(fs::read(&files[0]).expect("read"), b"half a record");
        assert!(fs::metadata(&files[1]).expect("a file").len() < whole.len());
    }

    #[test]
    fn events_of_another_run_or_program_are_refused() {
        let (dir, run, logs) = run_and_logs();
        let other = dir.path().join("other");
        fs::create_dir(&other).expect("made");
        drop(begin(&logs, &run, 0));
        let named = run.canonicalize().expect("a folder");
        let named = named.to_string_lossy();
        refused(&logs, &other, &["logs: ", "of the run in ", &named]);
        drop(begin(&logs, &run, 5));
        drop(begin(&run.join("tensorboard"), &run, 0));
        refused(
            &run.join("tensorboard"),
            &other,
            &["of the run in ", &named],
        );
        let strange = [framed(b""), framed(b"")].concat();
        fs::write(logs.join("tfevents"), strange).expect("written");
        refused(&logs, &run, &["of another program", "name another folder"]);
    }

    #[test]
    fn a_run_that_is_moved_takes_its_folder_along() {
        let (dir, run, _) = run_and_logs();
        for below in ["", "tensorboard", "a/b"] {
            drop(begin(&run.join(below), &run, 0));
        }
        let moved = dir.path().join("moved");
        fs::rename(&run, &moved).expect("moved");
        for below in ["", "tensorboard", "a/b"] {
            drop(begin(&moved.join(below), &moved, 1));
        }
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_or_above_it_is_refused() {
        let (dir, run, _) = run_and_logs();
        let file = dir.path().join("file");
        fs::write(&file, "").expect("written");
        let of_this_name = ["there is a file of this name; name another folder"];
        refused(&file, &run, &of_this_name);
        refused(&file.join(""), &run, &of_this_name);
        refused(
            &file.join("logs"),
            &run,
            &["cannot write in ", "choose another place"],
        );
    }
}
