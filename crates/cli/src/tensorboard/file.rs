//! Write a file of events that is whole up to its last event at any time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use super::messages::{Event, SessionLog, Summary, Value, What};
use super::record::{Records, framed};
use crate::output::WriteError;

/// What the first event of a file says. From this version on, TensorBoard drops what is void where training begins anew
/// and never because a step is smaller than the one before.
const VERSION: &str = "brain.Event:2";
/// What the second event of a file says before it names the run.
const RUN: &str = "run ";

/// A file that grows by one write per event.
#[derive(Debug)]
pub(super) struct EventFile {
    path: PathBuf,
    file: File,
}

/// Whose events a file has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// A run, by its mark.
    Run(String),
    Other,
    /// There is none: a crash has cut the file before the second event.
    Nobody,
}

impl EventFile {
    /// A new file of the run of this mark, which goes on after `step` iterations: what earlier files say of later ones
    /// is void.
    pub(super) fn create(path: PathBuf, run: &str, step: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let mut file = Self { file: file?, path };
        let version = What::FileVersion(VERSION.to_owned());
        let start = What::SessionLog(SessionLog::start(format!("{RUN}{run}")));
        // TensorBoard drops the step of a start, too.
        let head = [record(0, version), record(step + 1, start)].concat();
        let written = file.file.write_all(&head);
        if written.is_err() {
            let _ = fs::remove_file(&file.path);
        }
        written.map(|()| file)
    }

    /// Append an event.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn append(&mut self, step: u64, values: Vec<Value>) -> Result<(), WriteError> {
        let event = record(step, What::Summary(Summary { values }));
        let written = self.file.write_all(&event);
        written.map_err(|cause| WriteError {
            path: self.path.clone(),
            cause,
        })
    }
}

/// The record of an event of this moment.
fn record(step: u64, what: What) -> Vec<u8> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let event = Event {
        wall_time: since_1970.unwrap_or_default().as_secs_f64(),
        step: step as i64,
        what: Some(what),
    };
    framed(&event.encode_to_vec())
}

fn records(file: &Path) -> io::Result<Records<BufReader<File>>> {
    Ok(Records::new(BufReader::new(File::open(file)?)))
}

/// Whose events a file has, by its second one.
pub(super) fn writer_of(file: &Path) -> io::Result<Writer> {
    let mut records = records(file)?;
    let (Some(_version), Some(second)) = (records.read()?, records.read()?) else {
        return Ok(Writer::Nobody);
    };
    let run = match Event::decode(second.as_slice()).map(|event| event.what) {
        Ok(Some(What::SessionLog(log))) => log.message.strip_prefix(RUN).map(str::to_owned),
        _ => None,
    };
    Ok(run.map_or(Writer::Other, Writer::Run))
}

/// Cut what a file of a run says of iterations beyond `step`. Where it is damaged, TensorBoard reads no further, and
/// nor does this.
pub(super) fn cut(file: &Path, step: u64) -> io::Result<()> {
    let mut records = records(file)?;
    let _head = (records.read()?, records.read()?);
    loop {
        let begin = records.position();
        let Some(data) = records.read()? else {
            return Ok(());
        };
        let event = Event::decode(data.as_slice());
        if event.is_ok_and(|event| event.step > step as i64) {
            return OpenOptions::new().write(true).open(file)?.set_len(begin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(value: f32) -> Vec<Value> {
        vec![Value::scalar("loss".to_owned(), value)]
    }

    #[test]
    fn a_file_names_its_run_and_never_takes_the_place_of_another() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("tfevents");
        drop(EventFile::create(path.clone(), "here", 0).expect("created"));
        let named = Writer::Run("here".to_owned());
        assert_eq!(writer_of(&path).expect("read"), named);
        let again = EventFile::create(path.clone(), "there", 0).expect_err("a file is there");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(writer_of(&path).expect("read"), named);
    }

    #[test]
    fn a_file_that_a_crash_has_cut_early_is_nobodys_and_any_other_is_that_of_another_program() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("tfevents");
        drop(EventFile::create(path.clone(), "here", 0).expect("created"));
        let whole = fs::read(&path).expect("read");
        for end in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..end]).expect("written");
            assert_eq!(writer_of(&path).expect("read"), Writer::Nobody, "{end}");
        }
        let summary = Summary { values: point(0.5) };
        let version = record(0, What::FileVersion(VERSION.to_owned()));
        for second in [
            What::Summary(summary),
            What::SessionLog(SessionLog::start(String::new())),
        ] {
            let other = [version.clone(), record(1, second)].concat();
            fs::write(&path, other).expect("written");
            assert_eq!(writer_of(&path).expect("read"), Writer::Other);
        }
    }

    #[test]
    fn a_file_is_cut_before_the_first_event_beyond_a_step() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("tfevents");
        // That it goes on after the second iteration is no event of the third.
        let mut file = EventFile::create(path.clone(), "here", 2).expect("created");
        let mut ends = vec![fs::read(&path).expect("read").len()];
        for step in [2, 4, 4, 6] {
            file.append(step, point(step as f32)).expect("written");
            ends.push(fs::read(&path).expect("read").len());
        }
        let whole = fs::read(&path).expect("read");
        for (step, events) in [(6, 4), (5, 3), (4, 3), (3, 1), (2, 1), (1, 0), (0, 0)] {
            for tail in [&b""[..], b"half a record"] {
                fs::write(&path, [&whole[..], tail].concat()).expect("written");
                cut(&path, step).expect("cut");
                let left = fs::read(&path).expect("read");
                let tail = if events == 4 { tail } else { b"" };
                let expected = [&whole[..ends[events]], tail].concat();
                assert!(left == expected, "{step}: {} bytes", left.len());
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_event_that_cannot_be_written_is_an_error_that_names_the_file() {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().write(true).open(&path);
        let mut file = EventFile {
            file: file.expect("a device that is always full"),
            path,
        };
        let message = file
            .append(1, point(0.5))
            .expect_err("no space")
            .to_string();
        let expected = "cannot write /dev/full: No space left";
        assert!(message.starts_with(expected), "{message}");
    }
}
