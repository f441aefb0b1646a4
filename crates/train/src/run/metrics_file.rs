//! Write metrics to a file, a JSON line per log interval.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::metrics::Metrics;
use super::observer::{Observer, ObserverError, StepReport};
use crate::checkpoint::atomic_file::write_atomically;

/// Appends lines to `metrics.jsonl`, as an observer of a run.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    /// Seconds that earlier processes have trained.
    elapsed_before: f64,
}

impl MetricsFile {
    /// Open the file of a run that goes on after `step` iterations: lines from beyond it, which
    /// will be computed again, are dropped.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn open(path: PathBuf, step: u64) -> std::io::Result<Self> {
        let mut kept = Kept::default();
        if path.exists() {
            kept = lines_up_to(&path, step)?;
            write_atomically(&path, kept.text.as_bytes())?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Self {
            path,
            file,
            elapsed_before: kept.elapsed_s,
        })
    }

    /// Append a line, its time that of the whole run.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn append(&mut self, metrics: &Metrics) -> std::io::Result<()> {
        let mut metrics = metrics.clone();
        metrics.speed.elapsed_s += self.elapsed_before;
        let mut line = serde_json::to_string(&metrics)?;
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
}

/// What stays of a file.
#[derive(Default)]
struct Kept {
    text: String,
    /// Seconds of training at the last line.
    elapsed_s: f64,
}

/// The whole lines of iterations up to `step`.
fn lines_up_to(path: &Path, step: u64) -> std::io::Result<Kept> {
    #[derive(Deserialize)]
    struct Line {
        iteration: u64,
        #[serde(default)]
        elapsed_s: f64,
    }
    let mut kept = Kept::default();
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        match serde_json::from_str::<Line>(&line) {
            Ok(parsed) if parsed.iteration <= step => {
                kept.text.push_str(&line);
                kept.text.push('\n');
                kept.elapsed_s = parsed.elapsed_s;
            }
            _ => {}
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
        let mut file = MetricsFile::open(path.clone(), 0).expect("opened");
        (1..=4).for_each(|iteration| file.append(&metrics(iteration)).expect("written"));
        let mut file = MetricsFile::open(path.clone(), 3).expect("opened");
        file.append(&metrics(4)).expect("written");
        let text = std::fs::read_to_string(path).expect("read");
        let last = text.lines().last().unwrap_or_default();
        assert!(last.contains("\"elapsed_s\":7.0"), "{last}");
    }

    #[test]
    fn lines_beyond_the_iteration_a_run_goes_on_from_are_dropped() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("metrics.jsonl");
        let mut file = MetricsFile::open(path.clone(), 0).expect("opened");
        (1..=4).for_each(|iteration| file.append(&metrics(iteration)).expect("written"));
        drop(MetricsFile::open(path.clone(), 2).expect("opened"));
        let kept = std::fs::read_to_string(path).expect("read");
        assert_eq!(kept.lines().count(), 2);
    }
}
