//! Find what a run has shown up to a checkpoint: its last metrics, and its newest picture of samples.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ebm_train::{MetricsFile, MetricsLine, checkpoint};

/// The keys of `metrics.jsonl` that tell a reader how well a model does, in the order of reading, and what they are.
const TELLING: [(&str, &str); 11] = [
    (
        "sample_distance",
        "distance of samples from data: 0 as far as other data, 1 as far as uniform noise",
    ),
    (
        "frechet",
        "Fréchet distance of samples from held-out data, by features of a frozen classifier",
    ),
    ("e_train", "mean energy of training images"),
    ("e_test", "mean energy of test images"),
    ("e_samples", "mean energy of samples from noise"),
    ("e_noise", "mean energy of uniform noise"),
    ("e_pos", "mean energy of the data of a batch"),
    ("e_neg", "mean energy of the samples of a batch"),
    (
        "unexplained",
        "share of what the gradient of the energy is fitted to that it leaves",
    ),
    (
        "accuracy",
        "share of a batch whose class has the least energy",
    ),
    ("loss", "what was minimised"),
];

/// The last value of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) value: f64,
    /// Iteration of its line.
    pub(super) iteration: u64,
}

/// The last metrics of a run up to the iteration `done`; none where it keeps none.
///
/// # Errors
/// Where the file is there and cannot be read.
pub(super) fn last_metrics(run: &Path, done: u64) -> anyhow::Result<Vec<Metric>> {
    let path = MetricsFile::path_in(run);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut last = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let MetricsLine::Metrics(line) = MetricsLine::of(line) else {
            continue;
        };
        if line.iteration > done {
            continue;
        }
        for (name, _) in TELLING {
            if let Some(value) = line.term(name) {
                last.insert(name, (value, line.iteration));
            }
        }
    }
    let found = TELLING.into_iter().filter_map(|(name, meaning)| {
        let (value, iteration) = last.get(name).copied()?;
        Some(Metric {
            name,
            meaning,
            value,
            iteration,
        })
    });
    Ok(found.collect())
}

/// The newest picture of samples up to the iteration `done`, and its iteration: a later one is of other weights.
pub(super) fn newest_grid(run: &Path, done: u64) -> Option<(u64, PathBuf)> {
    let entries = fs::read_dir(run.join("samples")).ok()?;
    let grids = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let is_picture = path.extension().is_some_and(|it| it == "png");
        let iteration = checkpoint::step_at(&path).filter(|&it| is_picture && it <= done)?;
        Some((iteration, path))
    });
    grids.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_the_last_one_up_to_the_checkpoint() {
        let run = tempfile::tempdir().unwrap();
        assert!(last_metrics(run.path(), 9).unwrap().is_empty());
        let lines = concat!(
            "{\"iteration\":2,\"loss\":0.5,\"sample_distance\":0.25,\"lr\":0.1}\n",
            "{\"rollback\":{\"attempt\":1}}\n",
            "{\"iteration\":4,\"loss\":0.75,\"frechet\":null}\n",
            "{\"iteration\":6,\"loss\":1.5}\n{\"iter",
        );
        fs::write(run.path().join("metrics.jsonl"), lines).unwrap();
        let of = |done| {
            let metrics = last_metrics(run.path(), done).unwrap();
            let values = metrics.iter().map(|it| (it.name, it.value, it.iteration));
            values.collect::<Vec<_>>()
        };
        assert!(of(1).is_empty());
        assert_eq!(of(5), [("sample_distance", 0.25, 2), ("loss", 0.75, 4)]);
        assert_eq!(of(6)[1], ("loss", 1.5, 6));
    }

    #[test]
    fn a_picture_is_the_newest_one_up_to_the_checkpoint() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(newest_grid(run.path(), 9), None);
        let samples = run.path().join("samples");
        fs::create_dir(&samples).unwrap();
        for name in ["step_000002.png", "step_000010.png", "step_x.png", "notes"] {
            fs::write(samples.join(name), "").unwrap();
        }
        let found = |done| newest_grid(run.path(), done).map(|(iteration, _)| iteration);
        assert_eq!([1, 2, 9, 10].map(found), [None, Some(2), Some(2), Some(10)]);
    }
}
