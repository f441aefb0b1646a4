//! Say where the events of a run go, and begin to write them.

use std::path::PathBuf;

use ebm_train::{Config, MetricsFile, Run};

use crate::output::WriteError;
use crate::tensorboard::{EventFolder, TensorBoard};

/// The usual folder, in the directory of the run.
const USUAL: &str = "tensorboard";

/// Where events go: `None` where nobody has asked for them, or all of the `total` iterations are done. `asked` is the
/// folder, where one was named. Nothing is written yet.
///
/// # Errors
/// Where events cannot be written there, or another run has written some.
pub(super) fn folder_of(
    asked: Option<&Option<PathBuf>>,
    run: &Run<'_>,
    total: u64,
) -> anyhow::Result<Option<EventFolder>> {
    match asked {
        Some(named) if run.iteration() < total => {
            let run = run.dir().path();
            let path = named.clone().unwrap_or_else(|| run.join(USUAL));
            EventFolder::checked(&path, run).map(Some)
        }
        _ => Ok(None),
    }
}

/// Begin to write events of what comes after the iterations that are done.
///
/// # Errors
/// Where they cannot be written.
pub(super) fn begin(
    folder: EventFolder,
    config: &Config,
    run: &Run<'_>,
    metrics: &MetricsFile,
) -> Result<TensorBoard, WriteError> {
    let (step, rollbacks) = (run.iteration(), &run.state().rollbacks);
    TensorBoard::begin(folder, config, step, rollbacks, metrics.elapsed_before())
}
