//! Write metrics to a file, a JSON line per log interval, and a line for each time that the run went back.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::dir::METRICS;
use super::metrics::Metrics;
use super::metrics_line::{MetricsLine, RollbackLine};
use super::observer::{Observer, ObserverError, StepReport};
use crate::checkpoint::atomic_file::write_atomically;
use crate::state::Rollback;

/// Appends lines to `metrics.jsonl`, as an observer of a run.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    /// Seconds that earlier processes have trained.
    elapsed_before: f64,
    rollbacks: Vec<Rollback>,
}

impl MetricsFile {
    /// Where the run in a directory has the file.
    pub fn path_in(run_dir: &Path) -> PathBuf {
        run_dir.join(METRICS)
    }

    /// Open the file of a run that goes on after `step` iterations: lines from beyond it, which
    /// will be computed again, are dropped. Lines about `rollbacks` stay, and are added where a crash has
    /// prevented them. A damaged line stays as it is, with a warning, unless it is among the last ones.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn open(path: PathBuf, step: u64, rollbacks: &[Rollback]) -> std::io::Result<Self> {
        let kept = cut(&path, step, rollbacks)?;
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Self {
            path,
            file,
            elapsed_before: kept.elapsed_s,
            rollbacks: rollbacks.to_vec(),
        })
    }

    /// Seconds that earlier processes have trained: what is added to the time of each line.
    pub fn elapsed_before(&self) -> f64 {
        self.elapsed_before
    }

    /// Append a line, its time that of the whole run.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn append(&mut self, metrics: &Metrics) -> std::io::Result<()> {
        let mut line = serde_json::to_string(&metrics.after(self.elapsed_before))?;
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}

impl Observer for MetricsFile {
    fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
        let Some(metrics) = report.metrics else {
            return Ok(());
        };
        let appended = self.append(metrics);
        appended.map_err(|cause| format!("cannot write {}: {cause}", self.path.display()).into())
    }

    fn on_rollback(&mut self, rollback: &Rollback) -> Result<(), ObserverError> {
        self.rollbacks.push(rollback.clone());
        let cut = cut(&self.path, rollback.to, &self.rollbacks);
        let file = cut.and_then(|_| OpenOptions::new().append(true).open(&self.path));
        self.file =
            file.map_err(|cause| format!("cannot write {}: {cause}", self.path.display()))?;
        Ok(())
    }
}

/// What stays of a file.
#[derive(Default)]
struct Kept {
    /// Whole lines; damaged ones may be any bytes.
    text: Vec<u8>,
    /// Seconds of training at the last line.
    elapsed_s: f64,
    /// Lines about times that the run went back.
    rollbacks: usize,
}

impl Kept {
    fn push(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
    }
}

/// Keep the lines of iterations up to `step`, and one for each of `rollbacks`.
fn cut(path: &Path, step: u64, rollbacks: &[Rollback]) -> std::io::Result<Kept> {
    if !path.exists() && rollbacks.is_empty() {
        return Ok(Kept::default());
    }
    let mut kept = Kept::default();
    if path.exists() {
        kept = lines_up_to(path, step, rollbacks)?;
    }
    for rollback in &rollbacks[kept.rollbacks..] {
        let line = RollbackLine {
            rollback: rollback.clone(),
        };
        kept.push(&serde_json::to_vec(&line)?);
    }
    write_atomically(path, &kept.text)?;
    Ok(kept)
}

/// The lines of iterations up to `step` and those of `rollbacks`, with the damaged ones between them.
fn lines_up_to(path: &Path, step: u64, rollbacks: &[Rollback]) -> std::io::Result<Kept> {
    let bytes = fs::read(path)?;
    let mut kept = Kept::default();
    // Damaged lines since the last one that stays, with their numbers.
    let mut damaged: Vec<(usize, &[u8])> = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let stays = match MetricsLine::of(line) {
            MetricsLine::Rollback(rollback) => {
                let is_next = rollbacks.get(kept.rollbacks) == Some(&rollback);
                kept.rollbacks += usize::from(is_next);
                is_next
            }
            MetricsLine::Metrics(metrics) if metrics.iteration <= step => {
                kept.elapsed_s = metrics.term("elapsed_s").unwrap_or(0.0);
                true
            }
            MetricsLine::Metrics(_) => false,
            MetricsLine::Damaged => {
                if !line.trim_ascii().is_empty() {
                    damaged.push((number, line));
                }
                false
            }
        };
        if stays {
            for (number, line) in damaged.drain(..) {
                let path = path.display();
                tracing::warn!("{path}: line {number} is damaged, and stays as it is");
                kept.push(line);
            }
            kept.push(line);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::metrics::Speed;

    fn metrics(iteration: u64) -> Metrics {
        Metrics {
            iteration,
            terms: vec![("loss", 0.5)],
            frechet_by: None,
            speed: Speed {
                elapsed_s: iteration as f64,
                ..Speed::default()
            },
        }
    }

    #[test]
    fn time_goes_on_where_the_kept_lines_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("metrics.jsonl");
        let mut file = MetricsFile::open(path.clone(), 0, &[]).expect("opened");
        (1..=4).for_each(|iteration| file.append(&metrics(iteration)).expect("written"));
        let mut file = MetricsFile::open(path.clone(), 3, &[]).expect("opened");
        file.append(&metrics(4)).expect("written");
        let text = fs::read_to_string(path).expect("read");
        let last = text.lines().last().unwrap_or_default();
        assert!(last.contains("\"elapsed_s\":7.0"), "{last}");
    }

    #[test]
    fn lines_beyond_the_iteration_a_run_goes_on_from_are_dropped() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("metrics.jsonl");
        let mut file = MetricsFile::open(path.clone(), 0, &[]).expect("opened");
        (1..=4).for_each(|iteration| file.append(&metrics(iteration)).expect("written"));
        drop(MetricsFile::open(path.clone(), 2, &[]).expect("opened"));
        let kept = fs::read_to_string(path).expect("read");
        assert_eq!(kept.lines().count(), 2);
    }

    #[test]
    fn a_damaged_line_stays_between_others_and_goes_at_the_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("metrics.jsonl");
        let mut file = MetricsFile::open(path.clone(), 0, &[]).expect("opened");
        (1..=3).for_each(|iteration| file.append(&metrics(iteration)).expect("written"));
        let whole = fs::read(&path).expect("read");
        let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
        let half = [&lines[1][..9], b"\n"].concat();
        for damage in [
            &b"\xff\xfe{\"iteration\":2}\n"[..],
            b"\0\0\0\0\n",
            b"{\"note\":2}\n",
            half.as_slice(),
        ] {
            let damaged = [lines[0], damage, lines[2]].concat();
            for (step, expected) in [(3, damaged.as_slice()), (2, lines[0])] {
                fs::write(&path, &damaged).expect("written");
                let mut file = MetricsFile::open(path.clone(), step, &[]).expect("opened");
                assert_eq!(fs::read(&path).expect("read"), expected, "{damage:?}");
                file.append(&metrics(step + 1)).expect("written");
            }
            // Half a line at the end is what a crash leaves.
            let cut = [lines[0], damage.trim_ascii_end()].concat();
            fs::write(&path, cut).expect("written");
            drop(MetricsFile::open(path.clone(), 3, &[]).expect("opened"));
            assert_eq!(fs::read(&path).expect("read"), lines[0], "{damage:?}");
        }
    }

    #[test]
    fn a_line_says_when_the_run_went_back_and_comes_back_after_a_crash() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("metrics.jsonl");
        let went_back = |attempt, from, to| Rollback {
            attempt,
            from,
            to,
            why: "a \"reason\"".to_owned(),
        };
        let mut file = MetricsFile::open(path.clone(), 0, &[]).expect("opened");
        (1..=4).for_each(|iteration| file.append(&metrics(iteration)).expect("written"));
        file.on_rollback(&went_back(1, 4, 2)).expect("written");
        file.append(&metrics(3)).expect("written");
        file.on_rollback(&went_back(2, 3, 1)).expect("written");
        file.append(&metrics(2)).expect("written");
        let text = fs::read_to_string(&path).expect("read");
        let kinds = |text: &str| -> Vec<String> {
            let starts = text.lines().map(|line| line[..14].to_owned());
            starts.collect()
        };
        let expected = [
            "{\"iteration\":1",
            "{\"rollback\":{\"",
            "{\"rollback\":{\"",
            "{\"iteration\":2",
        ];
        let starts: Vec<String> = kinds(&text);
        assert_eq!(starts.len(), 4, "{text}");
        for (start, expected) in starts.iter().zip(expected) {
            assert!(expected.starts_with(start.as_str()), "{text}");
        }

        // A process that ended between its checkpoint and the line.
        let rollbacks = [went_back(1, 4, 2), went_back(2, 3, 1), went_back(3, 2, 2)];
        drop(MetricsFile::open(path.clone(), 2, &rollbacks).expect("opened"));
        let later = fs::read_to_string(&path).expect("read");
        assert!(later.starts_with(&text), "{later}");
        assert!(
            later.ends_with("\"to\":2,\"why\":\"a \\\"reason\\\"\"}}\n"),
            "{later}"
        );
    }
}
