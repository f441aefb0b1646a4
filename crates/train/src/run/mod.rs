//! Train from the first iteration to the last: log, sample, checkpoint, resume, stop.
//!
//! Reading order: `training` (the loop) → `observer` (who watches it) → `metrics`, `metrics_line` (what is written of
//! it, and read again) → `unread`, `health`, `guard` (what stops a run that went wrong) → `recovery` (how it goes
//! back) → `request` (checkpoints that somebody asks for) → `ranks` (what several processes hold each other to) →
//! `samples`, `distance`, `evaluation` (what shows whether it works) → `first_chains` (where chains start after
//! another part) → `dir`, `unused`, `lock` (where it writes) → `estimate` (what a run will cost) → `listing`,
//! `last_metrics`, `disk_usage` (where runs stand), `prune` (what of them can go).

mod dir;
mod disk_usage;
mod distance;
pub mod estimate;
mod evaluation;
#[cfg(test)]
mod fake;
mod first_chains;
mod guard;
mod health;
mod last_metrics;
mod listing;
mod lock;
mod metrics;
mod metrics_file;
mod metrics_line;
mod observer;
mod open;
mod pace;
pub mod process_memory;
mod prune;
mod ranks;
mod recovery;
mod request;
mod samples;
mod training;
mod unread;
mod unused;

pub use dir::RunDir;
pub use estimate::{Estimate, FirstChainsCost};
pub use evaluation::{JudgeError, SampleJudge};
pub use last_metrics::LastMetrics;
pub use listing::{FoundRuns, RunState, RunSummary};
pub use metrics::{Metrics, Speed};
pub use metrics_file::MetricsFile;
pub use metrics_line::{LoggedMetrics, MetricsLine};
pub use observer::{Observer, ObserverError, Samples, StepReport};
pub use open::{calibrate, load_state, new_state};
pub use prune::{Pruned, prunable, prune};
pub use training::{Outcome, Run, RunOptions};
