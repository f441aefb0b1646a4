//! List the runs below a folder, or remove checkpoints that they do not need.

mod prune;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueHint};
use ebm_train::{FoundRuns, LastMetrics, RunState, RunSummary};
use serde::Serialize;

use crate::duration::ago;
use crate::file_size::file_size;
use crate::output::{Table, say};
use crate::printable::printable;
use prune::PruneArgs;

/// List the runs below a folder: state, iterations, last metrics, size; or remove old checkpoints
///
/// A run is being trained by another process, has finished, was stopped and can go on, has no checkpoint yet, or is
/// damaged: its configuration or its newest checkpoint cannot be read. Runs are found at any depth; hidden folders and
/// links are left out.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    command: Option<RunsCommand>,

    /// Folder of runs, or a run
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    folder: PathBuf,

    /// Print a JSON array with an object for each run
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    Prune(PruneArgs),
}

impl RunsArgs {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.command {
            Some(RunsCommand::Prune(args)) => args.run(),
            None => self.list(),
        }
    }

    fn list(&self) -> anyhow::Result<ExitCode> {
        let found = found_below(&self.folder)?;
        let runs: Vec<_> = found.iter().map(|run| RunSummary::of(run)).collect();
        if self.json {
            let reports: Vec<_> = runs.iter().map(Report::of).collect();
            say(serde_json::to_string_pretty(&reports)?)?;
        } else if runs.is_empty() {
            say(no_run_below(&self.folder))?;
        } else {
            say(table(&runs, &self.folder, SystemTime::now()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The runs below a folder. Folders that cannot be looked into are named in a warning.
fn found_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let found = FoundRuns::below(folder)?;
    if !found.unreadable.is_empty() {
        let names = found.unreadable.iter().map(|it| it.display().to_string());
        let names: Vec<_> = names.collect();
        tracing::warn!("cannot look into {}", names.join(", "));
    }
    Ok(found.runs)
}

fn no_run_below(folder: &Path) -> String {
    format!("there is no run in {} or below it", folder.display())
}

/// What a run is called in a list of those below a folder.
fn name_below(run: &Path, folder: &Path) -> String {
    let name = match run.strip_prefix(folder) {
        Ok(name) if name != Path::new("") => name,
        _ => run,
    };
    printable(&name.display().to_string())
}

/// What is wrong with a run, in which its files are named by their paths below it.
fn of_run(problem: &str, run: &Path) -> String {
    problem.replace(&format!("{}/", run.display()), "")
}

/// The first line of a text, as far as it fits into a table.
fn in_a_line(text: &str) -> String {
    const MOST: usize = 100;
    let line = printable(text.lines().next().unwrap_or_default());
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A table for people.
fn table(runs: &[RunSummary], folder: &Path, now: SystemTime) -> String {
    let columns = [
        "run",
        "state",
        "iterations",
        "last write",
        "last metrics",
        "size",
    ];
    let mut table = Table::with_header(columns);
    for run in runs {
        let iterations = run.iterations.map_or_else(String::new, |planned| {
            format!("{}/{planned}", run.iteration)
        });
        let age = run.last_write.map(|time| now.duration_since(time));
        // A clock that was set back makes no time of the future.
        let age = age.map(|age| ago(age.unwrap_or_default().as_secs()));
        let told = match &run.state {
            RunState::Damaged { problem } => in_a_line(&of_run(problem, &run.path)),
            _ => run.metrics.summary(),
        };
        table.row([
            name_below(&run.path, folder),
            run.state.name().to_owned(),
            iterations,
            age.unwrap_or_default(),
            told,
            file_size(run.size_bytes),
        ]);
    }
    table.render(5)
}

/// A run for programs.
#[derive(Serialize)]
struct Report<'a> {
    /// Its directory.
    run: String,
    state: &'static str,
    /// What is wrong with a damaged one.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    /// Iterations done.
    iteration: u64,
    /// Iterations planned.
    iterations: Option<u64>,
    /// Seconds since 1970.
    last_write_unix_s: Option<u64>,
    last_metrics: LastMetrics,
    size_bytes: u64,
}

impl<'a> Report<'a> {
    fn of(run: &'a RunSummary) -> Self {
        let problem = match &run.state {
            RunState::Damaged { problem } => Some(problem.as_str()),
            _ => None,
        };
        let since_1970 = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok();
        Self {
            run: run.path.display().to_string(),
            state: run.state.name(),
            problem,
            iteration: run.iteration,
            iterations: run.iterations,
            last_write_unix_s: run
                .last_write
                .and_then(since_1970)
                .map(|since| since.as_secs()),
            last_metrics: run.metrics,
            size_bytes: run.size_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn summary(path: &str, state: RunState) -> RunSummary {
        RunSummary {
            path: path.into(),
            state,
            iteration: 20,
            iterations: Some(40),
            metrics: LastMetrics {
                iteration: Some(30),
                sample_distance: Some(0.25),
                ..LastMetrics::default()
            },
            last_write: Some(UNIX_EPOCH + Duration::from_secs(1000)),
            size_bytes: 3 << 20,
        }
    }

    #[test]
    fn people_read_a_line_for_each_run() {
        let damaged = RunSummary {
            iterations: None,
            ..summary(
                "runs/b",
                RunState::Damaged {
                    problem: "it is no TOML\n  |\n1 | {".to_owned(),
                },
            )
        };
        let runs = [summary("runs/a/deep", RunState::Stopped), damaged];
        let now = UNIX_EPOCH + Duration::from_secs(1200);
        let expected = "\
run     state    iterations  last write  last metrics              size
a/deep  stopped  20/40       3 min ago   sample-distance 0.250  3.0 MiB
b       damaged              3 min ago   it is no TOML          3.0 MiB";
        assert_eq!(table(&runs, Path::new("runs"), now), expected);
        let early = table(&runs, Path::new("runs"), UNIX_EPOCH);
        assert!(early.contains("0 s ago"), "{early}");
    }

    #[test]
    fn a_run_is_named_by_its_path_below_the_folder_or_by_the_folder() {
        let name = |run: &str, folder: &str| name_below(Path::new(run), Path::new(folder));
        assert_eq!(name("./runs/a", "."), "runs/a");
        assert_eq!(name("runs/a", "runs/"), "a");
        assert_eq!(name("runs/a", "runs/a"), "runs/a");
    }

    #[test]
    fn no_text_of_a_damaged_run_breaks_or_widens_the_table() {
        let damaged = |problem: String| RunSummary {
            iterations: None,
            ..summary("runs/\u{1b}[2Jb", RunState::Damaged { problem })
        };
        let long = "x".repeat(1000);
        let runs = ["a\tb\u{7}\u{1b}[31mc", long.as_str(), "", "\r\n\n"]
            .map(|problem| damaged(problem.to_owned()));
        let table = table(&runs, Path::new("runs"), UNIX_EPOCH);
        assert_eq!(table.lines().count(), 1 + runs.len(), "{table}");
        for line in table.lines() {
            assert!(line.chars().count() < 200, "{line}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn files_of_a_damaged_run_are_named_below_it() {
        let problem = of_run("runs/a/config.toml is gone", Path::new("runs/a"));
        assert_eq!(problem, "config.toml is gone");
    }

    #[test]
    fn programs_read_whole_values_with_their_units() {
        let report = serde_json::to_value(Report::of(&summary("runs/a", RunState::Stopped)));
        let report = report.expect("JSON");
        assert_eq!(report["run"], "runs/a");
        assert_eq!(report["last_write_unix_s"], 1000);
        assert_eq!(report["last_metrics"]["sample_distance"], 0.25);
        assert_eq!(report["size_bytes"], 3 << 20);
        assert!(report.get("problem").is_none());
    }
}
