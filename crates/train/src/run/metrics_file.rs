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
}

impl MetricsFile {
    /// Open the file of a run that goes on after `step` iterations: lines from beyond it, which
    /// will be computed again, are dropped.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn open(path: PathBuf, step: u64) -> std::io::Result<Self> {
        if path.exists() {
            let kept = lines_up_to(&path, step)?;
            write_atomically(&path, kept.as_bytes())?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Self { path, file })
    }

    /// Append a line.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn append(&mut self, metrics: &Metrics) -> std::io::Result<()> {
        let mut line = serde_json::to_string(metrics)?;
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

/// The whole lines of iterations up to `step`.
fn lines_up_to(path: &Path, step: u64) -> std::io::Result<String> {
    #[derive(Deserialize)]
    struct Line {
        iteration: u64,
    }
    let mut kept = String::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        match serde_json::from_str::<Line>(&line) {
            Ok(parsed) if parsed.iteration <= step => {
                kept.push_str(&line);
                kept.push('\n');
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
            speed: Speed::default(),
        }
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
