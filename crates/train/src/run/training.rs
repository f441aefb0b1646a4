//! Loop over iterations: take a step, look at it, tell the observers, save.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::DeviceKind;
use ebm_core::pixels::pixel_of_byte;
use ebm_data::{Batches, Dataset, Images};
use ebm_model::{EnergyModel, Network};

use super::dir::RunDir;
use super::evaluation::SampleJudge;
use super::guard::{self, Divergence};
use super::metrics::{Metrics, term};
use super::observer::{Observer, Observers, Samples, StepReport};
use super::open::{calibrate, new_state_of, read_state};
use super::pace::Pace;
use super::ranks;
use super::samples::{Drawing, Drawn, SAMPLE_DISTANCE};
use super::unread::Unread;
use crate::checkpoint;
use crate::collective::{Collective, Solo, Team};
use crate::config::{Config, Settings};
use crate::error::TrainError;
use crate::objective::{AnyObjective, AnyState, Objective};
use crate::posterior;
use crate::state::{DataSummary, OfShard, TrainState};
use crate::step::StepInfo;
use crate::trainer::Trainer;
use crate::watch::Watch;

/// Where a run writes.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run directory.
    pub dir: PathBuf,
    /// Go on although the configuration changed.
    pub force: bool,
    /// Name of the device, for messages.
    pub device_name: String,
    /// The ranks that share the work.
    pub collective: Arc<dyn Collective>,
}

impl RunOptions {
    /// A run in this directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            force: false,
            device_name: "the device".to_owned(),
            collective: Arc::new(Solo),
        }
    }

    /// Share the work with these ranks.
    pub fn with_collective(mut self, collective: Arc<dyn Collective>) -> Self {
        self.collective = collective;
        self
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All iterations are done.
    Finished {
        /// The last checkpoint.
        checkpoint: PathBuf,
    },
    /// It was asked to stop.
    Interrupted {
        /// Iterations done.
        iteration: u64,
        /// The last checkpoint.
        checkpoint: PathBuf,
    },
}

/// A run: a trainer, its data, and the directory it writes to, which no other process does.
pub struct Run<'a> {
    pub(super) config: &'a Config,
    /// The settings of the iteration that was done last.
    pub(super) part: Settings,
    pub(super) dataset: &'a Dataset,
    pub(super) trainer: Trainer<Network, AnyObjective>,
    pub(super) device: Device,
    device_name: String,
    pub(super) dir: RunDir,
    pub(super) team: Team,
    pub(super) unread: Unread,
    pub(super) pace: Pace,
    pub(super) judge: Option<&'a dyn SampleJudge>,
    /// Set where somebody asks for a checkpoint.
    pub(super) checkpoint_requests: Option<&'a AtomicBool>,
    /// Whether it was said that samples have no distance.
    is_distance_missed: bool,
}

impl<'a> Run<'a> {
    /// Open a run in its directory: where its latest checkpoint left it, or before the first
    /// iteration. `device` without autodiff.
    ///
    /// # Errors
    /// Where the directory, the configuration, a checkpoint or the disk refuses, or another rank of the job does.
    pub fn open(
        config: &'a Config,
        dataset: &'a Dataset,
        device: &Device,
        options: &RunOptions,
    ) -> Result<Self, TrainError> {
        let (path, force) = (&options.dir, options.force);
        let data = DataSummary::from(&dataset.train);
        ranks::refuse_other_starts(&*options.collective, config, &data, path)?;
        let team = Team::new(config.shards, options.collective.clone())?;
        ranks::agreed(&team, check_precision(config, device))?;
        let opened = ranks::by_first(&team, || RunDir::open(path, config, force))?;
        let dir = opened.unwrap_or_else(|| RunDir::follow(path));
        ranks::refuse_unshared(&team, path)?;
        let latest = ranks::told_by_first(&team, || Ok(checkpoint::latest_with_warnings(path)?))?;
        let place = (device, &team);
        let state = open_state(
            config,
            data,
            &dataset.train,
            place,
            latest.as_deref(),
            options,
        );
        let state = ranks::agreed(&team, state)?;
        ranks::refuse_other_weights(&team, &state)?;
        let part = config.settings_of(state.iteration);
        let trainer = Trainer::from_state(state, part.config.objective(), config.seed);
        let trainer = trainer.with_config(part.step()).with_team(team.clone());
        Ok(Self {
            part,
            pace: Pace::new(trainer.state.iteration),
            config,
            dataset,
            trainer,
            device: device.clone(),
            device_name: options.device_name.clone(),
            dir,
            team,
            unread: Unread::default(),
            judge: None,
            checkpoint_requests: None,
            is_distance_missed: false,
        })
    }

    /// What the run remembers.
    pub fn state(&self) -> &TrainState<Network, AnyState> {
        &self.trainer.state
    }

    /// Iterations done; 0 for a new run.
    pub fn iteration(&self) -> u64 {
        self.trainer.state.iteration
    }

    /// The run directory.
    pub fn dir(&self) -> &RunDir {
        &self.dir
    }

    /// Make the configuration that of the run directory, now that nothing stands against the run;
    /// [`train`](Self::train) does so, too.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn adopt(&self) -> Result<(), TrainError> {
        ranks::by_first(&self.team, || self.dir.adopt(self.config)).map(drop)
    }

    /// Train to the last iteration, or until `stop` is set: then the iteration is finished and a
    /// checkpoint written. Of several ranks, the first alone has observers; where one is asked to stop, all do, after the
    /// same iteration.
    ///
    /// # Errors
    /// Where a checkpoint cannot be written, the run directory is gone, samples are to be judged without a judge,
    /// or training diverges or collapses and does not go back. What was written before stays as it was.
    pub fn train(
        mut self,
        observers: &mut [&mut dyn Observer],
        stop: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        ranks::agreed(&self.team, self.refuse_without_judge())?;
        self.adopt()?;
        self.forget_later_weights()?;
        self.warn_without_weights();
        let mut observers = Observers::new(observers);
        let (total, device) = (self.config.iterations as u64, self.device.clone());
        let (data, seed) = (&self.dataset.train, self.config.seed);
        let batches_of = |part: &Settings| Batches::new(data, part.config.batches(), seed, &device);
        let mut batches = (self.part.iterations.clone(), batches_of(&self.part));
        self.pace = Pace::new(self.iteration());
        let mut saved = self
            .latest_checkpoint()?
            .map(|path| (self.iteration(), path));
        // Several ranks agree on it once: all observers are the first one's.
        let agreed = self.team.world() > 1;
        let agreed = agreed.then(|| self.team.first(|| observers.is_watched()));
        while self.iteration() < total && !self.is_asked_to_stop(stop) {
            if let Err(error) = self.enter_part(&mut observers) {
                let path = self.go_back(error, &mut observers)?;
                saved = Some((self.iteration(), path));
                continue;
            }
            if batches.0 != self.part.iterations {
                batches = (self.part.iterations.clone(), batches_of(&self.part));
            }
            let is_watched = agreed.unwrap_or_else(|| observers.is_watched());
            let path = match self.iterate(&mut batches.1, &mut observers, is_watched) {
                Ok(path) => path,
                Err(error) => Some(self.go_back(error, &mut observers)?),
            };
            saved = path.map(|path| (self.iteration(), path)).or(saved);
        }
        let checkpoint = match saved {
            Some((at, path)) if at == self.iteration() => path,
            _ => match self.save(&mut observers) {
                Ok(path) => path,
                Err(error) => self.go_back(error, &mut observers)?,
            },
        };
        let iteration = self.iteration();
        observers.tell(|observer| observer.on_end(iteration));
        Ok(if iteration < total {
            Outcome::Interrupted {
                iteration,
                checkpoint,
            }
        } else {
            Outcome::Finished { checkpoint }
        })
    }

    /// Take on the settings of the next iteration where they are others than those of the last one.
    fn enter_part(&mut self, observers: &mut Observers<'_, '_>) -> Result<(), TrainError> {
        let next = self.iteration();
        if self.part.iterations.contains(&next) {
            return Ok(());
        }
        let before = self.part.clone();
        self.take_on(self.config.settings_at(next));
        if next != self.part.iterations.start {
            return Ok(());
        }
        // What is remembered is of the part before.
        let step_scale = self.state().objective_state().step_scale();
        let (trainer, seed, device) = (&mut self.trainer, self.config.seed, &self.device);
        let (objective, state) = (&trainer.objective, &mut trainer.state);
        let mut is_new = false;
        for OfShard { shard, state: of } in &mut state.objective_states {
            let kept = objective.take_over(core::mem::replace(of, AnyState::Nothing));
            is_new = kept.is_none();
            *of = kept.unwrap_or_else(|| {
                Objective::<Network>::init(objective, &state.data, seed, *shard, device)
            });
        }
        state.watch = Watch::default();
        match is_new {
            true => self.start_chains(&before, step_scale, observers),
            false => Ok(()),
        }
    }

    /// Train with these settings from now on.
    pub(super) fn take_on(&mut self, part: Settings) {
        self.trainer.objective = part.config.objective();
        self.trainer.config = part.step();
        self.part = part;
    }

    /// One iteration and what is due after it; the checkpoint, where one was.
    fn iterate(
        &mut self,
        batches: &mut Batches<'_>,
        observers: &mut Observers<'_, '_>,
        is_watched: bool,
    ) -> Result<Option<PathBuf>, TrainError> {
        let key = self.trainer.key();
        let shards = self.team.shards().into_iter();
        let batches: Vec<_> = shards.map(|shard| batches.at(key, shard)).collect();
        let done = self.iteration() + 1;
        let mut due = Due::at(done, self.config, is_watched);
        if due.is_recorded() {
            ranks::agreed(&self.team, self.dir.check_there())?;
        }
        let info = self.trainer.step_on(&batches, due.is_recorded());
        let mut metrics = self.look_at(info, due)?;
        if due.is_recorded() {
            ranks::refuse_other_weights(&self.team, self.state())?;
        }
        if self.trainer.config.keeps_weights(done - 1) {
            self.keep_weights()?;
        }
        let is_first = self.team.is_first();
        let samples = (due.samples && is_first).then(|| self.samples());
        if let Some((_, terms)) = &samples
            && term(terms, SAMPLE_DISTANCE).is_none()
        {
            self.warn_without_distance();
        }
        if let Some(metrics) = &mut metrics {
            metrics
                .terms
                .extend(samples.iter().flat_map(|(_, terms)| terms));
            if due.evaluation && is_first {
                self.evaluate(metrics);
            }
            due.checkpoint |= self.config.output.keep_best && self.is_best_for_all(metrics);
        }
        let report = StepReport {
            iteration: done,
            total: self.config.iterations as u64,
            metrics: metrics.as_ref(),
        };
        observers.tell(|observer| observer.on_step(&report));
        let state = &self.trainer.state;
        observers.tell(|observer| observer.on_state(state));
        let norms = self.refuse_broken_gradients(metrics.as_ref());
        ranks::agreed(&self.team, norms)?;
        if let Some((samples, _)) = samples {
            observers.tell(|observer| observer.on_samples(&samples));
        }
        let is_asked_for = self.is_asked_for_checkpoint();
        match due.checkpoint {
            true => self.save(observers).map(Some),
            false if is_asked_for => self.save_as_asked(observers),
            false => Ok(None),
        }
    }

    /// Stop at the first loss that is not finite, and where training has collapsed; read the metrics where
    /// they are logged. On a CPU every step is looked at, as reading costs nothing there.
    fn look_at(&mut self, info: StepInfo, due: Due) -> Result<Option<Metrics>, TrainError> {
        let iteration = self.iteration();
        self.unread.push(iteration, &info);
        if !due.is_recorded() {
            if DeviceKind::is_cpu(&self.device) {
                self.read_steps()?;
            }
            return Ok(None);
        }
        let (mut names, mut tensors): (Vec<_>, Vec<_>) = info.terms.into_iter().unzip();
        names.push("weight_grad_norm");
        tensors.push(info.grad_norm);
        let (steps, values) = self.unread.read_with(tensors);
        self.take_in(steps)?;
        let mut terms: Vec<_> = names
            .into_iter()
            .zip(values.into_iter().map(f64::from))
            .collect();
        // On a GPU a gradient of zero points to a broken kernel first.
        if let Some(energy) = guard::flat_energy(&terms, DeviceKind::is_cpu(&self.device)) {
            return Err(self.flat(energy));
        }
        terms.extend(self.state().watch.shares().iter().flat_map(|shares| {
            [
                ("stuck_share", shares.stuck),
                ("restarts_far_share", shares.restarts_far),
            ]
        }));
        terms.push(("lr", info.lr));
        Ok(due.metrics.then(|| Metrics {
            iteration,
            terms,
            frechet_by: None,
            speed: self.pace.speed(iteration, &self.part.config),
        }))
    }

    /// On a GPU, stop where metrics show gradients that only a broken kernel gives.
    fn refuse_broken_gradients(&self, metrics: Option<&Metrics>) -> Result<(), TrainError> {
        match metrics {
            Some(metrics) if DeviceKind::is_gpu(&self.device) => {
                let norms = metrics.gradient_norms();
                guard::refuse_broken_gradients(metrics.iteration, norms, &self.device_name)
            }
            _ => Ok(()),
        }
    }

    /// How `num` samples are drawn.
    pub(super) fn drawing(&self, num: usize) -> Drawing<'_> {
        Drawing {
            langevin: &self.part.config.langevin,
            ladder: self.part.config.objective.ladder(),
            step_scale: self.state().objective_state().step_scale(),
            num,
            steps: self.config.output.sample_steps,
            seed: self.config.seed,
            device: &self.device,
        }
    }

    /// Samples, and what they tell.
    fn samples(&self) -> (Samples, Vec<(&'static str, f64)>) {
        let model = self.state().ema_model();
        let drawing = self.drawing(self.config.output.num_samples);
        let drawn = drawing.draw(&model, &self.dataset.train);
        let terms = drawing.terms(&model, &drawn, self.dataset);
        let Drawn { samples, data, .. } = drawn;
        let samples = Samples {
            iteration: self.iteration(),
            samples,
            data,
            shape: self.dataset.train.shape,
            num_classes: model.num_classes(),
            path: self.dir.samples(self.iteration()),
        };
        (samples, terms)
    }

    /// Say once why there is no distance of samples from data.
    fn warn_without_distance(&mut self) {
        if !core::mem::replace(&mut self.is_distance_missed, true) {
            tracing::warn!(
                "there is no {SAMPLE_DISTANCE} in the metrics: it takes two training images, two samples \
                 (output.num_samples), and data that are not noise"
            );
        }
    }

    /// Say that weights are to be kept, and none will be.
    fn warn_without_weights(&self) {
        if self.team.is_first() && self.config.keeps_nothing() {
            tracing::warn!(
                "no weights will be kept: sampling ends before the first are due, after posterior.burn_in + \
                 posterior.every of its iterations; set these lower, or train longer"
            );
        }
    }

    /// Keep the weights as a sample of the posterior.
    fn keep_weights(&self) -> Result<(), TrainError> {
        let state = self.state();
        let kept = ranks::by_first(&self.team, || {
            self.dir.check_there()?;
            let run_dir = self.dir.path();
            Ok(posterior::keep(run_dir, state.iteration, &state.model)?)
        });
        kept.map(drop)
    }

    /// Remove weights that were kept beyond where the run goes on from.
    fn forget_later_weights(&self) -> Result<(), TrainError> {
        let (run_dir, iteration) = (self.dir.path(), self.iteration());
        let forget = || Ok(posterior::forget_beyond(run_dir, iteration)?);
        ranks::by_first(&self.team, forget).map(drop)
    }

    pub(super) fn save(
        &mut self,
        observers: &mut Observers<'_, '_>,
    ) -> Result<PathBuf, TrainError> {
        self.refuse_bad_weights()?;
        let path = self
            .dir
            .save_together(self.config, self.state(), &self.team)?;
        observers.tell(|observer| observer.on_checkpoint(&path));
        Ok(path)
    }

    /// Stop before weights are saved that give no finite energies.
    fn refuse_bad_weights(&mut self) -> Result<(), TrainError> {
        self.read_steps()?;
        let state = self.state();
        let scale = guard::refuse_unless_finite(
            "the multiplier of the sampler's step size",
            state.objective_state().step_scale(),
            state.iteration,
        );
        scale.map_err(|divergence| self.diverged(divergence))?;
        let found = self.team.first(|| {
            let models = [state.last_model(), state.ema_model()];
            let (images, labels) = self.some_images();
            guard::energy_not_finite(models, &images, &labels).map(f32::to_bits)
        });
        let divergence = found.map(|bits| Divergence {
            iteration: state.iteration,
            what: "an energy after the update",
            value: f32::from_bits(bits),
        });
        divergence.map_or(Ok(()), |divergence| Err(self.diverged(divergence)))
    }

    /// Images that the energy has to be finite at, with their classes: of chains, or where there are none of the
    /// data.
    fn some_images(&self) -> (Tensor<4>, Vec<u32>) {
        const FEW: usize = 8;
        if let Some(chains) = self.state().objective_state().chains() {
            let few: Vec<u32> = (0..chains.buffer.capacity().min(FEW) as u32).collect();
            let images = chains.buffer.peek(&few, self.config.seed);
            return (images, chains.buffer.labels(&few));
        }
        let data = &self.dataset.train;
        let few = data.spread(FEW.min(data.len()));
        let labels = few.iter().map(|&index| data.labels[index]).collect();
        let pixels: Vec<f32> = data.gather(&few).into_iter().map(pixel_of_byte).collect();
        let pixels = TensorData::new(pixels, data.shape.batch(few.len()));
        (Tensor::from_data(pixels, &self.device), labels)
    }

    pub(super) fn latest_checkpoint(&self) -> Result<Option<PathBuf>, TrainError> {
        ranks::told_by_first(&self.team, || Ok(checkpoint::latest(self.dir.path())?))
    }
}

/// What is to be done after an iteration.
#[derive(Clone, Copy, Debug)]
struct Due {
    metrics: bool,
    samples: bool,
    evaluation: bool,
    checkpoint: bool,
}

impl Due {
    /// After iteration number `done`, the last one included; samples where somebody looks at them, or the best
    /// are kept by them.
    fn at(done: u64, config: &Config, is_watched: bool) -> Self {
        let output = &config.output;
        let is_last = done == config.iterations as u64;
        let evaluates = output.evaluate_every > 0;
        let compares = output.keep_best && !evaluates;
        let draws = output.sample_every > 0 && (is_watched || compares);
        let samples = draws && (is_last || is_due(done, output.sample_every));
        let evaluation = evaluates && (is_last || is_due(done, output.evaluate_every));
        Self {
            metrics: samples || evaluation || is_last || is_due(done, output.log_every),
            samples,
            evaluation,
            checkpoint: is_last || is_due(done, output.checkpoint_every),
        }
    }

    /// Whether anybody looks at what the step tells.
    fn is_recorded(self) -> bool {
        self.metrics || self.checkpoint
    }
}

fn is_due(iteration: u64, every: usize) -> bool {
    every > 0 && iteration.is_multiple_of(every as u64)
}

/// Refuse a device that does not compute in the precision of every part of the run.
fn check_precision(config: &Config, device: &Device) -> Result<(), TrainError> {
    for part in config.parts()? {
        part.config.precision.check(device)?;
    }
    Ok(())
}

/// The state of the latest checkpoint, or the first one. The data are those that it has learned from, or with `force`
/// others of the same shape and classes; `images` are what it summarises.
fn open_state(
    config: &Config,
    data: DataSummary,
    images: &Images,
    (device, team): (&Device, &Team),
    latest: Option<&Path>,
    options: &RunOptions,
) -> Result<TrainState<Network, AnyState>, TrainError> {
    let Some(path) = latest else {
        let mut state = new_state_of(config, data, device, team)?;
        calibrate(&mut state.model, images, device)?;
        return Ok(state);
    };
    let (run_dir, force) = (&options.dir, options.force);
    let mut state = read_state(config, path, device, team)?;
    let (done, asked) = (state.iteration, config.iterations as u64);
    let by_class = config.model.conditional;
    refuse_other_data(run_dir, &state.data, &data, by_class, force)?;
    if done > asked {
        let path = run_dir.to_owned();
        return Err(TrainError::AlreadyBeyond { path, done, asked });
    }
    state.data.identity = data.identity;
    Ok(state)
}

/// Hold a run to the data that it has learned from, and one of E(x, y) to their classes.
fn refuse_other_data(
    run_dir: &Path,
    old: &DataSummary,
    data: &DataSummary,
    by_class: bool,
    force: bool,
) -> Result<(), TrainError> {
    let path = run_dir.to_owned();
    if old.shape != data.shape {
        let (there, here) = (old.shape, data.shape);
        return Err(TrainError::OtherImages { path, there, here });
    }
    if by_class && old.class_names != data.class_names {
        let [there, here] = [old, data].map(|data| data.class_names.clone());
        return Err(TrainError::OtherClasses { path, there, here });
    }
    match data.difference_from(old) {
        Some(difference) if !force => Err(TrainError::OtherData { path, difference }),
        Some(difference) => {
            tracing::warn!("the run has learned from {difference}, and goes on with these");
            Ok(())
        }
        None => Ok(()),
    }
}
