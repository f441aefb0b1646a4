//! Draw the metrics of runs as curves.

mod panels;
mod read;
mod smooth;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueHint};
use ebm_train::MetricsFile;

use crate::charts::{CHART_EXTENSIONS, Scale, save_chart};
use crate::names::distinct_names;
use crate::output::{check_output, say};
use panels::{Drawing, USUAL};
use read::{Over, RunLog};

/// Draw the metrics of one or several runs as curves
///
/// A panel for each metric, a colour for each run; a panel shows the runs that have its metric. A dashed line is where
/// a run went back to an earlier iteration; its metrics from beyond it are gone. A value that was not finite leaves a
/// gap. A run may be in training.
#[derive(Args, Debug)]
pub(crate) struct PlotArgs {
    /// Run directories, or their files of metrics
    #[arg(value_name = "RUN|metrics.jsonl", required = true, value_hint = ValueHint::AnyPath)]
    runs: Vec<PathBuf>,

    /// What is drawn [default: of gap, loss, unexplained, accuracy, sample_distance, frechet and image_steps_per_s
    /// those that the runs have]
    #[arg(long, value_name = "NAME", num_args = 1..)]
    metrics: Vec<String>,

    /// What it is drawn over
    #[arg(long, value_enum, default_value_t = Over::Iterations)]
    over: Over,

    /// Smooth by an exponential moving average that keeps this much of itself at each value, from 0 to below 1, as
    /// TensorBoard does; what is not smoothed is faint
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = weight)]
    smooth: f64,

    /// Draw values by their logarithm; those that are not above 0 are left out
    #[arg(long)]
    log: bool,

    /// Picture to write
    #[arg(long, value_name = "FILE.svg|FILE.png", default_value = "plot.svg", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

fn weight(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(weight) if (0.0..1.0).contains(&weight) => Ok(weight),
        _ => Err("must be a number from 0 to below 1, such as 0.9".to_owned()),
    }
}

impl PlotArgs {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        check_output("--output", &self.output, &CHART_EXTENSIONS)?;
        let drawing = Drawing {
            over: self.over,
            smooth: self.smooth,
            scale: if self.log { Scale::Log } else { Scale::Linear },
        };
        let runs = self.read()?;
        let metrics = panels::choose(&self.metrics, &runs)?;
        if let Some(warning) = panels::warning(&metrics, &runs) {
            tracing::warn!("{warning}");
        }
        save_chart(&self.output, &panels::panels(&metrics, &runs, drawing)?)?;
        say(self.output.display())?;
        Ok(ExitCode::SUCCESS)
    }

    /// What is drawn of each run, with its name.
    fn read(&self) -> anyhow::Result<Vec<(String, RunLog)>> {
        let wanted = match &self.metrics[..] {
            [] => USUAL.map(str::to_owned).to_vec(),
            named => named.to_vec(),
        };
        let files = self.runs.iter().map(|run| read::metrics_file(run));
        let files: Vec<_> = files.collect::<anyhow::Result<_>>()?;
        let logs = files
            .iter()
            .map(|file| read::read(file, self.over, &wanted));
        let logs: Vec<_> = logs.collect::<anyhow::Result<_>>()?;
        let places: Vec<_> = files.iter().map(|file| place(file)).collect();
        Ok(distinct_names(&places).into_iter().zip(logs).collect())
    }
}

/// By what a run is named: its directory, or the file where that has a name of its own.
fn place(file: &Path) -> PathBuf {
    let whole = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    match whole.parent() {
        Some(dir) if MetricsFile::path_in(dir) == whole => dir.to_owned(),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_lies_between_nothing_and_all() {
        assert_eq!((weight("0"), weight("0.99")), (Ok(0.0), Ok(0.99)));
        for text in ["1", "-0.1", "NaN", "much"] {
            assert!(weight(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_run_is_named_by_its_directory_and_a_file_of_another_name_by_itself() {
        let dir = tempfile::tempdir().expect("a folder");
        let named = |name: &str| {
            let file = dir.path().join(name);
            std::fs::write(&file, "").expect("written");
            place(&file)
        };
        let run = dir.path().canonicalize().expect("a folder");
        assert_eq!(named("metrics.jsonl"), run);
        assert_eq!(named("old.jsonl"), run.join("old.jsonl"));
    }
}
