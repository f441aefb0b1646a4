//! Show a run while it trains.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use burn::tensor::Device;
use ebm_apply::Playground;
use ebm_model::{EnergyModel, Network};
use ebm_train::{
    AnyState, Config, Observer, ObserverError, Rollback, Run, Samples, StepReport, TrainState,
    checkpoint,
};

use super::about::{Subject, class_names};
use super::address::Bound;
use super::events::Events;
use super::frames::{Frames, Look};
use super::guard::Gate;
use super::history::History;
use super::play::Player;
use super::routes::router;
use super::server::Server;
use super::site::{Controls, Site};
use crate::device::ChosenDevice;

/// The least time between two frames, and how much of a run's time they take at most: one part in so many.
const PAUSE: Duration = Duration::from_millis(200);
const PARTS: u32 = 70;
/// How long somebody is taken to look who has asked for a frame, or for events.
const LOOKING: Duration = Duration::from_secs(2);
/// How long those who look are waited for in the end, who leave once they were told, and their connections.
const LAST_WORD: Duration = Duration::from_secs(5);
const GOODBYE: Duration = Duration::from_millis(300);

/// Set where somebody asks on a page for a checkpoint of the run that this process trains.
pub(crate) fn checkpoint_requests() -> &'static AtomicBool {
    static ASKED: AtomicBool = AtomicBool::new(false);
    &ASKED
}

/// A run that is to be shown.
pub(crate) struct Watched<'a> {
    pub(crate) run: &'a Run<'a>,
    pub(crate) config: &'a Config,
    pub(crate) device: &'a ChosenDevice,
    /// The run directory, as it was named.
    pub(crate) dir: &'a Path,
    /// Set where the run is to end.
    pub(crate) stop: &'static AtomicBool,
    pub(crate) quiet: bool,
    /// Seconds that earlier processes have trained.
    pub(crate) elapsed_before: f64,
}

/// The page of a run that trains, as one of its observers.
pub(crate) struct Live {
    site: Arc<Site>,
    server: Server,
    config: Config,
    device: Device,
    /// Seconds that earlier processes have trained.
    elapsed_before: f64,
    /// When the next frame may be made.
    next_frame: Instant,
    /// Whether no frame has failed.
    shows_chains: bool,
}

impl Live {
    /// Show a run there. Its file of metrics is that of this process already.
    ///
    /// # Errors
    /// Where what it has shown before cannot be read, or the system has no thread left.
    pub(crate) fn start(bound: Bound, watched: Watched<'_>) -> anyhow::Result<Self> {
        let Watched { run, config, .. } = watched;
        let state = run.state();
        let history = History::of(watched.dir, Some(run.iteration()));
        let history = history.with_context(|| format!("cannot read {}", watched.dir.display()))?;
        let site = Site {
            subject: Subject {
                run: watched.dir.display().to_string(),
                device: watched.device.description.clone(),
                config: config.clone(),
                shape: state.data.shape,
                classes: class_names(state.model.num_classes(), &state.data.class_names),
            },
            events: Events::of_this_process(),
            frames: Frames::default(),
            player: Player::start().context("cannot start the thread of a live page")?,
            samples: watched.dir.join("samples"),
            iteration: AtomicU64::new(run.iteration()),
            has_chains: AtomicBool::new(state.objective_state().chains().is_some()),
            is_training: AtomicBool::new(true),
            controls: Some(Controls {
                stop: watched.stop,
                checkpoint: checkpoint_requests(),
                quiet: watched.quiet,
            }),
        };
        history.tell(&site.events);
        let site = Arc::new(site);
        let gate = Gate::of(&bound);
        let server = Server::start(bound.listener, router(Arc::clone(&site), gate));
        Ok(Self {
            site,
            server: server.context("cannot start the server of a live page")?,
            config: config.clone(),
            device: watched.device.device.clone(),
            elapsed_before: watched.elapsed_before,
            next_frame: Instant::now(),
            shows_chains: true,
        })
    }

    /// Tell those who look that the run has ended, and why where it failed, and end. A moment is given to them, and none
    /// where nobody looks.
    pub(crate) fn end(self, failure: Option<&str>) {
        if let Some(why) = failure {
            self.site.events.add_other("failed", why);
        }
        self.site.end();
        let began = Instant::now();
        while self.site.events.are_awaited(LOOKING) && began.elapsed() < LAST_WORD {
            sleep(Duration::from_millis(10));
        }
        self.server.close(GOODBYE);
    }

    /// Show some of the run's chains, where anybody looks.
    fn show_chains(&mut self, state: &TrainState<Network, AnyState>) {
        let chains = state.objective_state().chains();
        let has_chains = &self.site.has_chains;
        has_chains.store(chains.is_some(), Ordering::Relaxed);
        let Some(chains) = chains else {
            return;
        };
        let began = Instant::now();
        if !self.shows_chains || began < self.next_frame || !self.site.frames.are_wanted(LOOKING) {
            return;
        }
        let objective = self.config.settings_of(state.iteration).config.objective;
        let model = state.last_model().sharpened(objective.class_sharpness());
        let (is_marginal, seed) = (objective.is_marginal(), self.config.seed);
        // A device without memory left for it is no reason to end the run.
        let look = catch_unwind(AssertUnwindSafe(|| {
            Look::at(chains, &model, is_marginal, state.iteration, seed)
        }));
        match look {
            Ok(look) => self.site.frames.show(&look),
            Err(_) => {
                tracing::warn!("the live page cannot show chains, as said above; training goes on");
                self.shows_chains = false;
            }
        }
        self.next_frame = began + PAUSE.max(began.elapsed() * PARTS);
    }

    /// Hand the averaged weights over to those who play, where anybody does.
    fn hand_over(&self, state: &TrainState<Network, AnyState>) {
        let weights = self.site.player.weights();
        if weights.is_due() {
            let config = self.config.settings_of(state.iteration).config;
            let playground = Playground::of_state(&config, state, &self.device);
            // What a GPU has been told is done here and now: else the first who plays, on another thread, would have it
            // done in the middle of an iteration.
            let _first = state.ema.clone().narrow(0, 0, 1).into_data();
            weights.give(playground);
        }
    }
}

impl Observer for Live {
    fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
        let iteration = &self.site.iteration;
        iteration.store(report.iteration, Ordering::Relaxed);
        if let Some(metrics) = report.metrics {
            let metrics = metrics.after(self.elapsed_before);
            self.site
                .events
                .add_metrics(&serde_json::to_string(&metrics)?);
        }
        Ok(())
    }

    fn on_state(&mut self, state: &TrainState<Network, AnyState>) -> Result<(), ObserverError> {
        self.show_chains(state);
        self.hand_over(state);
        Ok(())
    }

    fn on_samples(&mut self, samples: &Samples) -> Result<(), ObserverError> {
        self.site.events.add_other("samples", samples.iteration);
        Ok(())
    }

    fn on_checkpoint(&mut self, path: &Path) -> Result<(), ObserverError> {
        if let Some(iteration) = checkpoint::step_at(path) {
            self.site.events.add_other("checkpoint", iteration);
        }
        Ok(())
    }

    fn on_rollback(&mut self, rollback: &Rollback) -> Result<(), ObserverError> {
        let iteration = &self.site.iteration;
        iteration.store(rollback.to, Ordering::Relaxed);
        self.site.events.add_other("rollback", rollback);
        Ok(())
    }

    fn on_end(&mut self, iteration: u64) -> Result<(), ObserverError> {
        self.site.iteration.store(iteration, Ordering::Relaxed);
        self.site.end();
        Ok(())
    }
}
