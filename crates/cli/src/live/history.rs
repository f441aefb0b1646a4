//! Read what a run has shown before: its metrics, and the pictures that lie in its directory.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use ebm_train::{MetricsFile, MetricsLine, Rollback, checkpoint};

use super::events::Events;

/// What a run has shown before this process looked at it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct History {
    told: Vec<Told>,
    /// Iteration of the last line of metrics.
    pub(super) iteration: u64,
    /// Seconds of training at that line.
    pub(super) elapsed_s: f64,
}

/// Something that a run has shown.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    /// A line of metrics, as it stands in its file.
    Metrics(String),
    /// It went back.
    Rollback(Rollback),
    /// Samples of this iteration.
    Samples(u64),
    /// A checkpoint of this iteration.
    Checkpoint(u64),
}

impl History {
    /// The history of the run in a directory, up to its iteration `done` where it is given, as a run that goes on from
    /// there will compute later ones anew. None where it has shown nothing.
    ///
    /// # Errors
    /// Where something is there and cannot be read.
    pub(super) fn of(run_dir: &Path, done: Option<u64>) -> io::Result<Self> {
        let is_old = |iteration: u64| done.is_none_or(|done| iteration <= done);
        let mut history = Self::default();
        let mut samples = sampled(&run_dir.join("samples"))?.into_iter().peekable();
        let bytes = unless_missing(fs::read(MetricsFile::path_in(run_dir)))?;
        for text in bytes.split(|&byte| byte == b'\n') {
            match MetricsLine::of(text) {
                MetricsLine::Rollback(rollback) => history.told.push(Told::Rollback(rollback)),
                MetricsLine::Metrics(metrics) if is_old(metrics.iteration) => {
                    let iteration = metrics.iteration;
                    history.iteration = iteration;
                    history.elapsed_s = metrics.term("elapsed_s").unwrap_or(history.elapsed_s);
                    let text = String::from_utf8_lossy(text.trim_ascii()); // JSON is UTF-8
                    history.told.push(Told::Metrics(text.into_owned()));
                    while let Some(of) = samples.next_if(|&of| of <= iteration) {
                        history.told.push(Told::Samples(of));
                    }
                }
                MetricsLine::Metrics(_) | MetricsLine::Damaged => {}
            }
        }
        // A newest one that is lost or damaged is no reason to show nothing.
        let latest = checkpoint::latest(run_dir).ok().flatten();
        let saved = latest.and_then(|path| checkpoint::step_at(&path));
        let last = done.unwrap_or_else(|| saved.unwrap_or(0).max(history.iteration));
        let rest = samples.filter(|&of| of <= last).map(Told::Samples);
        history.told.extend(rest);
        history.told.extend(saved.map(Told::Checkpoint));
        Ok(history)
    }

    /// Tell it to those who ask.
    pub(super) fn tell(&self, events: &Events) {
        for told in &self.told {
            match told {
                Told::Metrics(line) => events.add_metrics(line),
                Told::Rollback(rollback) => events.add_other("rollback", rollback),
                Told::Samples(iteration) => events.add_other("samples", iteration),
                Told::Checkpoint(iteration) => events.add_other("checkpoint", iteration),
            }
        }
    }
}

/// The iterations of which there are pictures of samples, in order.
fn sampled(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_picture = path.extension().is_some_and(|it| it == "png");
        found.extend(checkpoint::step_at(&path).filter(|_| is_picture));
    }
    found.sort_unstable();
    Ok(found)
}

/// What was read; nothing where there is no file.
fn unless_missing(read: io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(iteration: u64) -> String {
        format!(r#"{{"iteration":{iteration},"loss":null,"elapsed_s":{iteration}.5}}"#)
    }

    /// A run with two lines of metrics, a rollback, a damaged line, another line, and three pictures.
    fn run() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let [one, two, three] = [10, 20, 30].map(metrics);
        let back = r#"{"rollback":{"attempt":1,"from":25,"to":20,"why":"x"}}"#;
        let text = format!("{one}\n{two}\n{back}\n{{\"iteration\":\n{three}\n");
        fs::write(dir.path().join("metrics.jsonl"), text).expect("written");
        fs::create_dir(dir.path().join("samples")).expect("a folder");
        for name in [
            "step_000010.png",
            "step_000030.png",
            "step_000035.png",
            "notes.txt",
        ] {
            fs::write(dir.path().join("samples").join(name), "").expect("written");
        }
        dir
    }

    #[test]
    fn a_history_is_told_in_the_order_in_which_it_happened() {
        let run = run();
        let history = History::of(run.path(), None).expect("readable");
        let back = Rollback {
            attempt: 1,
            from: 25,
            to: 20,
            why: "x".to_owned(),
        };
        let expected = [
            Told::Metrics(metrics(10)),
            Told::Samples(10),
            Told::Metrics(metrics(20)),
            Told::Rollback(back),
            Told::Metrics(metrics(30)),
            Told::Samples(30),
        ];
        assert_eq!(
            history.told, expected,
            "the last picture is of a run before"
        );
        assert_eq!((history.iteration, history.elapsed_s), (30, 30.5));
    }

    #[test]
    fn what_will_be_computed_anew_is_left_out() {
        let run = run();
        let history = History::of(run.path(), Some(20)).expect("readable");
        assert_eq!(history.told.len(), 4, "{history:?}");
        assert_eq!((history.iteration, history.elapsed_s), (20, 20.5));
    }

    #[test]
    fn a_run_that_has_shown_nothing_has_no_history() {
        let dir = tempfile::tempdir().expect("a folder");
        let history = History::of(dir.path(), None).expect("readable");
        assert_eq!(history, History::default());
        let history = History::of(&dir.path().join("nowhere"), Some(0)).expect("readable");
        assert_eq!(history, History::default());
    }
}
