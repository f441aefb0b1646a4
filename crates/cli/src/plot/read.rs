//! Read what is drawn of a run from its metrics.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use ebm_train::{LoggedMetrics, MetricsFile, MetricsLine};

/// The metric that says how long a run has trained.
const ELAPSED: &str = "elapsed_s";
/// The most damaged lines that are named.
const NAMED: usize = 5;

/// What metrics are drawn over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Over {
    /// Iterations done
    Iterations,
    /// Minutes of training, of all processes of the run
    Minutes,
}

/// What is drawn of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RunLog {
    /// Every metric that a line has, in the order of their first lines.
    pub(super) names: Vec<String>,
    /// The metrics that were asked for and that a line has; a value that was not finite is NaN.
    pub(super) series: Vec<Series>,
    /// What its `frechet` is measured by; nothing of runs whose lines do not tell.
    pub(super) frechet_by: Vec<String>,
    /// Places at which the run went on after it had gone back.
    pub(super) rollbacks: Vec<f64>,
}

/// A metric along a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    /// Places and values.
    pub(super) points: Vec<(f64, f64)>,
}

/// The file of metrics that a run directory has, or that is named itself.
///
/// # Errors
/// Where a directory has none.
pub(super) fn metrics_file(source: &Path) -> anyhow::Result<PathBuf> {
    if !source.is_dir() {
        return Ok(source.to_owned());
    }
    let path = MetricsFile::path_in(source);
    if !path.is_file() {
        bail!(
            "{} holds no metrics.jsonl; name a run directory, or such a file",
            source.display()
        );
    }
    Ok(path)
}

/// Read the metrics of these names; all names are noted. Lines that are damaged are left out, with one warning.
///
/// # Errors
/// Where the file cannot be read, or has no line of metrics, or none that says when it was written.
pub(super) fn read(path: &Path, over: Over, wanted: &[String]) -> anyhow::Result<RunLog> {
    let unreadable = || format!("cannot read {}", path.display());
    let mut file = BufReader::new(File::open(path).with_context(unreadable)?);
    let mut reading = Reading::new(over, wanted);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if file.read_until(b'\n', &mut line).with_context(unreadable)? == 0 {
            break;
        }
        reading.take(number, &line);
    }
    reading.warn(path);
    reading.finish(path)
}

/// A file that is being read.
struct Reading<'a> {
    over: Over,
    wanted: &'a [String],
    log: RunLog,
    /// Lines of metrics.
    lines: usize,
    /// Where the last of them is.
    last: Option<f64>,
    /// Numbers of damaged lines.
    damaged: Vec<usize>,
}

impl<'a> Reading<'a> {
    fn new(over: Over, wanted: &'a [String]) -> Self {
        Self {
            over,
            wanted,
            log: RunLog::default(),
            lines: 0,
            last: None,
            damaged: Vec::new(),
        }
    }

    fn take(&mut self, number: usize, line: &[u8]) {
        match MetricsLine::of(line) {
            MetricsLine::Metrics(metrics) => self.take_metrics(metrics),
            MetricsLine::Rollback(rollback) => self.log.rollbacks.extend(match self.over {
                Over::Iterations => Some(rollback.to as f64),
                Over::Minutes => self.last,
            }),
            // The last line may be on its way to the file.
            MetricsLine::Damaged if line.ends_with(b"\n") && !line.trim_ascii().is_empty() => {
                self.damaged.push(number);
            }
            MetricsLine::Damaged => {}
        }
    }

    fn take_metrics(&mut self, metrics: LoggedMetrics) {
        self.lines += 1;
        let place = match self.over {
            Over::Iterations => Some(metrics.iteration as f64),
            Over::Minutes => metrics.term(ELAPSED).map(|seconds| seconds / 60.0),
        };
        self.last = place.or(self.last);
        if let Some(by) = metrics.frechet_by
            && !self.log.frechet_by.contains(&by)
        {
            self.log.frechet_by.push(by);
        }
        for (name, value) in metrics.terms {
            if let Some(place) = place
                && self.wanted.contains(&name)
            {
                let point = (place, value.unwrap_or(f64::NAN));
                self.log.add(&name, point);
            }
            if !self.log.names.contains(&name) {
                self.log.names.push(name);
            }
        }
    }

    fn warn(&self, path: &Path) {
        let named = self.damaged.iter().take(NAMED).map(ToString::to_string);
        let named = named.collect::<Vec<_>>().join(", ");
        let more = match self.damaged.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let path = path.display();
        match self.damaged.len() {
            0 => {}
            1 => tracing::warn!("{path}: line {named} is damaged, and left out"),
            _ => tracing::warn!("{path}: lines {named}{more} are damaged, and left out"),
        }
    }

    fn finish(self, path: &Path) -> anyhow::Result<RunLog> {
        let path = path.display();
        if self.lines == 0 {
            bail!(
                "{path} has no line of metrics yet; a run writes one every output.log_every iterations"
            );
        }
        if self.last.is_none() {
            bail!(
                "{path} has no {ELAPSED}, so that nothing is known of its minutes; draw it over iterations"
            );
        }
        Ok(self.log)
    }
}

impl RunLog {
    fn add(&mut self, name: &str, point: (f64, f64)) {
        match self.series.iter_mut().find(|series| series.name == name) {
            Some(series) => series.points.push(point),
            None => self.series.push(Series {
                name: name.to_owned(),
                points: vec![point],
            }),
        }
    }

    /// The points of a metric, where the run has it.
    pub(super) fn points(&self, name: &str) -> Option<&[(f64, f64)]> {
        let found = self.series.iter().find(|series| series.name == name);
        found.map(|series| series.points.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read_text(text: &str, over: Over, wanted: &[&str]) -> anyhow::Result<RunLog> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("metrics.jsonl");
        fs::write(&path, text).expect("written");
        let wanted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
        read(&path, over, &wanted)
    }

    const TEXT: &str = concat!(
        "{\"iteration\":10,\"loss\":0.5,\"gap\":1.0,\"elapsed_s\":60.0}\n",
        "{\"iter\u{fffd}\n",
        "{\"rollback\":{\"attempt\":1,\"from\":30,\"to\":10,\"why\":\"x\"}}\n",
        "{\"iteration\":20,\"loss\":null,\"elapsed_s\":180.0}\n",
        "\n",
        "{\"iteration\":30,\"loss\":2,\"frechet\":9.0,\"elapsed_s\":240.0,\"frechet_by\":\"a\"}\n",
        "{\"iteration\":40,\"lo",
    );

    #[test]
    fn whole_lines_are_read_and_all_names_are_known() {
        let log = read_text(TEXT, Over::Iterations, &["loss", "kl"]).expect("read");
        assert_eq!(log.names, ["loss", "gap", "elapsed_s", "frechet"]);
        assert_eq!(log.rollbacks, [10.0]);
        assert_eq!(log.frechet_by, ["a"]);
        assert_eq!(log.points("gap"), None);
        let points = log.points("loss").expect("a metric");
        assert_eq!([points[0], points[2]], [(10.0, 0.5), (30.0, 2.0)]);
        assert!(points[1].0 == 20.0 && points[1].1.is_nan());
    }

    #[test]
    fn places_are_minutes_where_that_is_asked_for() {
        let log = read_text(TEXT, Over::Minutes, &["gap", "frechet"]).expect("read");
        assert_eq!(log.points("gap"), Some(&[(1.0, 1.0)][..]));
        assert_eq!(log.points("frechet"), Some(&[(4.0, 9.0)][..]));
        assert_eq!(log.rollbacks, [1.0]);
        let text = "{\"iteration\":1,\"loss\":1}\n";
        let refused = read_text(text, Over::Minutes, &[]).map(drop);
        let message = refused.expect_err("no minutes").to_string();
        assert!(message.contains("has no elapsed_s"), "{message}");
    }

    #[test]
    fn a_file_without_a_line_of_metrics_is_named() {
        let rollback = "{\"rollback\":{\"attempt\":1,\"from\":3,\"to\":2,\"why\":\"x\"}}\n";
        for text in ["", "\n\n", "no JSON\n{}\n", "{\"iteration\":1", rollback] {
            let refused = read_text(text, Over::Iterations, &["loss"]).map(drop);
            let message = refused.expect_err("nothing there").to_string();
            assert!(
                message.contains("metrics.jsonl has no line of metrics yet"),
                "{message}"
            );
        }
    }

    #[test]
    fn damaged_lines_are_noted_by_their_numbers_and_an_unfinished_one_is_not() {
        let mut reading = Reading::new(Over::Iterations, &[]);
        for (number, line) in (1..).zip(TEXT.split_inclusive('\n')) {
            reading.take(number, line.as_bytes());
        }
        assert_eq!((reading.damaged, reading.lines), (vec![2], 3));
    }
}
