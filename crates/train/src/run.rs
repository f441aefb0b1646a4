//! Train from the first iteration to the last: log, sample, checkpoint, resume, stop.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::Tensor;
use ebm_langevin::chain_tensor;
use ebm_model::{EnergyModel, ImageShape, Network};

use crate::batches::{Batches, byte_tensor, bytes_kept};
use crate::checkpoint;
use crate::config::Config;
use crate::data::{Dataset, Images};
use crate::device::Selected;
use crate::device_memory::MemoryNeed;
use crate::error::TrainError;
use crate::grid;
use crate::metrics::{Metrics, MetricsFile, Speed};
use crate::progress::Progress;
use crate::run_dir::RunDir;
use crate::sampling;
use crate::self_test;
use crate::state::TrainState;
use crate::trainer::{self, StepInfo};

/// Where a run writes, and how it may be stopped.
#[derive(Debug)]
pub struct RunOptions<'a> {
    /// The run directory.
    pub run_dir: &'a Path,
    /// Go on although the configuration changed.
    pub force: bool,
    /// Compare a device that is no CPU with the CPU first, and its memory with what the run needs.
    pub self_test: bool,
    /// Show no progress.
    pub silent: bool,
    /// Set to finish the iteration, write a checkpoint and return.
    pub stop: &'a AtomicBool,
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
        step: u64,
        /// The last checkpoint.
        checkpoint: PathBuf,
    },
}

/// Train, from the run directory's latest checkpoint if it has one.
///
/// # Errors
/// Where the directory, the configuration, a checkpoint or the disk refuses, or the loss is not
/// finite. What was written before stays as it was.
pub fn train(
    config: &Config,
    dataset: &Dataset,
    selected: &Selected,
    options: &RunOptions<'_>,
) -> Result<Outcome, TrainError> {
    config.precision.check(selected)?;
    if options.self_test && !selected.is_cpu {
        let kept = bytes_kept(&dataset.train, &selected.device);
        MemoryNeed::of(config, &(&dataset.train).into(), kept)?.check(selected)?;
    }
    let dir = RunDir::open(options.run_dir, config, options.force)?;
    let state = open_state(config, &dataset.train, selected, dir.path())?;
    let progress = Progress::new(state.step, config.iterations as u64, options.silent);
    if options.self_test && !selected.is_cpu {
        progress.say("comparing the device with the CPU; the first time, kernels are compiled");
        let difference = self_test::check(&state.model, dataset.train.shape, selected)?;
        progress.say(&format!("the device agrees: {difference}"));
    }
    dir.adopt(config)?;
    if state.step > 0 {
        progress.say(&format!("going on after iteration {}", state.step));
    }
    let metrics_file = dir.metrics();
    let metrics = MetricsFile::open(metrics_file.clone(), state.step)
        .map_err(TrainError::writing(&metrics_file))?;
    let mut run = TrainingRun {
        config,
        dir,
        state,
        metrics,
        unread: Vec::new(),
        progress,
        started: Instant::now(),
        last_log: (Instant::now(), 0),
        is_cpu: selected.is_cpu,
        device: selected.description.clone(),
    };
    run.last_log.1 = run.state.step;
    let outcome = run.go_on(dataset, selected, options.stop);
    run.progress.finish();
    outcome
}

/// The state of the latest checkpoint, or the first one.
fn open_state(
    config: &Config,
    images: &Images,
    selected: &Selected,
    run_dir: &Path,
) -> Result<TrainState<Network>, TrainError> {
    match checkpoint::latest(run_dir)? {
        Some(path) => {
            let checkpoint = checkpoint::read(&path)?;
            let state = TrainState::load(config, &checkpoint, &selected.device)?;
            let (path, there, here) = (run_dir.to_owned(), state.image_shape(), images.shape);
            let (done, asked) = (state.step, config.iterations as u64);
            match there == here {
                false => Err(TrainError::OtherImages { path, there, here }),
                true if done > asked => Err(TrainError::AlreadyBeyond { path, done, asked }),
                true => Ok(state),
            }
        }
        None => Ok(TrainState::new(config, images.into(), &selected.device)?),
    }
}

/// Stop at gradients that are exactly zero or no numbers: a broken kernel gives them, a bad recipe
/// hardly ever.
fn refuse_broken_gradients(
    iteration: u64,
    [of_weights, of_chains]: [f64; 2],
    device: &str,
) -> Result<(), TrainError> {
    let norms = [
        ("the norm of the weights' gradient", of_weights),
        ("the mean norm of the chains' gradients", of_chains),
    ];
    let works = |norm: f64| norm > 0.0 && norm.is_finite();
    match norms.into_iter().find(|(_, norm)| !works(*norm)) {
        None => Ok(()),
        Some((what, value)) => Err(TrainError::BrokenGradient {
            iteration,
            what,
            value,
            device: device.to_owned(),
        }),
    }
}

struct TrainingRun<'a> {
    config: &'a Config,
    dir: RunDir,
    state: TrainState<Network>,
    metrics: MetricsFile,
    /// Losses that nobody has looked at: iteration and `[1]`.
    unread: Vec<(u64, Tensor<1>)>,
    progress: Progress,
    started: Instant,
    /// When the last line was written, and after which iteration.
    last_log: (Instant, u64),
    /// Whether reading costs nothing, and kernels are the tested ones.
    is_cpu: bool,
    device: String,
}

impl TrainingRun<'_> {
    fn go_on(
        &mut self,
        dataset: &Dataset,
        selected: &Selected,
        stop: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        let (config, total) = (self.config, self.config.iterations as u64);
        let mut batches = Batches::new(&dataset.train, config, &selected.device);
        let due = |step: u64, every: usize| every > 0 && step.is_multiple_of(every as u64);
        let mut saved = checkpoint::latest(self.dir.path())?.map(|path| (self.state.step, path));
        while self.state.step < total && !stop.load(Ordering::Relaxed) {
            let next = self.state.step + 1;
            let log = due(next, config.output.log_every) || next == total;
            let info = trainer::step(config, &mut self.state, batches.at(next - 1), log);
            self.unread.push((next, info.loss.clone()));
            if log || self.is_cpu {
                self.refuse_divergence()?;
            }
            if log {
                self.log(&info)?;
            }
            if due(next, config.output.sample_every)
                || (next == total && config.output.sample_every > 0)
            {
                self.draw_samples(&dataset.train, selected)?;
            }
            if due(next, config.output.checkpoint_every) && next < total {
                saved = Some((next, self.save()?));
            }
            self.progress.advance(next);
        }
        let step = self.state.step;
        let checkpoint = match saved {
            Some((at, path)) if at == step => path,
            _ => self.save()?,
        };
        Ok(match step < total {
            true => Outcome::Interrupted { step, checkpoint },
            false => Outcome::Finished { checkpoint },
        })
    }

    /// Stop at the first loss that is not finite.
    fn refuse_divergence(&mut self) -> Result<(), TrainError> {
        if self.unread.is_empty() {
            return Ok(());
        }
        let (iterations, losses): (Vec<_>, Vec<_>) = self.unread.drain(..).unzip();
        let losses = Tensor::cat(losses, 0).into_data();
        let bad = iterations.into_iter().zip(losses.iter::<f32>());
        match { bad }.find(|(_, loss)| !loss.is_finite()) {
            None => Ok(()),
            Some((iteration, loss)) => Err(self.diverged(iteration, "the loss", loss)?),
        }
    }

    /// Stop before weights are saved that give no finite energies.
    fn refuse_bad_weights(&mut self) -> Result<(), TrainError> {
        self.refuse_divergence()?;
        let few: Vec<u32> = (0..self.state.buffer.capacity().min(8) as u32).collect();
        let images = self.state.buffer.images(&few, self.config.seed, 0);
        let labels = self.state.buffer.labels(&few);
        let classes = chain_tensor(&labels, &images.device());
        for model in [self.state.last_model(), self.state.ema_model()] {
            let energies = model.energy_given(images.clone(), &classes).into_data();
            if let Some(energy) = energies.iter::<f32>().find(|energy| !energy.is_finite()) {
                return Err(self.diverged(
                    self.state.step,
                    "an energy after the update",
                    energy,
                )?);
            }
        }
        Ok(())
    }

    fn diverged(
        &self,
        iteration: u64,
        what: &'static str,
        value: f32,
    ) -> Result<TrainError, TrainError> {
        Ok(TrainError::Diverged {
            iteration,
            what,
            value,
            seed: self.config.seed,
            last_good: checkpoint::latest(self.dir.path())?,
        })
    }

    fn log(&mut self, info: &StepInfo) -> Result<(), TrainError> {
        let (step, total) = (self.state.step, self.config.iterations as u64);
        let (since, from) = std::mem::replace(&mut self.last_log, (Instant::now(), step));
        let s_per_iteration = since.elapsed().as_secs_f64() / (step - from).max(1) as f64;
        let image_steps = self.config.batch_size * self.config.langevin.num_steps;
        let speed = Speed {
            image_steps_per_s: image_steps as f64 / s_per_iteration,
            s_per_iteration,
            elapsed_s: self.started.elapsed().as_secs_f64(),
            eta_s: s_per_iteration * (total - step) as f64,
        };
        let metrics = Metrics::of_step(step, info, self.state.buffer.ages(), speed);
        self.metrics
            .append(&metrics)
            .map_err(TrainError::writing(&self.dir.metrics()))?;
        self.progress
            .report(step, total, &metrics.summary(), speed.eta_s);
        if self.is_cpu {
            return Ok(());
        }
        let norms = [metrics.grad_norm, metrics.chain_grad_norm_mean];
        refuse_broken_gradients(step, norms, &self.device)
    }

    /// A grid of samples from noise, under the averaged weights, beside data.
    fn draw_samples(&self, data: &Images, selected: &Selected) -> Result<(), TrainError> {
        let output = &self.config.output;
        let (shape, num, seed) = (data.shape, output.num_samples, self.config.seed);
        let start = sampling::noise_images(num, shape, seed, &selected.device);
        let model = self.state.ema_model();
        let sampler = sampling::sampler(&self.config.langevin, output.sample_steps, seed)
            .with_step_scale(self.state.step_scale);
        let labels = sampling::labels_in_turn(num, model.num_classes());
        let run = sampling::sample(&model, start, &labels, &sampler);
        let indices = shown_beside(&labels, data, model.num_classes() > 0);
        let shown = sampling::to_bytes(byte_tensor(data, &indices, &selected.device) / 255.0);
        let path = self.dir.samples(self.state.step);
        save_beside(&path, &sampling::to_bytes(run.x), &shown, shape)?;
        Ok(())
    }

    fn save(&mut self) -> Result<PathBuf, TrainError> {
        self.refuse_bad_weights()?;
        let files = self.state.to_files(self.config);
        let keep = self.config.output.keep_checkpoints;
        Ok(checkpoint::write(
            self.dir.path(),
            self.state.step,
            &files,
            keep,
        )?)
    }
}

/// Images of the data to show beside samples: of the same classes where the model has classes.
fn shown_beside(labels: &[u32], data: &Images, by_class: bool) -> Vec<usize> {
    let mut next = 0;
    let mut follow = |wanted: Option<u32>| {
        let order = (0..data.len()).map(|i| (next + i) % data.len());
        let fits = |i: &usize| wanted.is_none_or(|label| data.labels[*i] == label);
        let found = { order }.find(fits).unwrap_or(next % data.len());
        next = found + 1;
        found
    };
    labels
        .iter()
        .map(|&label| follow(by_class.then_some(label)))
        .collect()
}

fn save_beside(
    path: &Path,
    samples: &[u8],
    data: &[u8],
    shape: ImageShape,
) -> Result<(), TrainError> {
    let columns = grid::columns_for(samples.len() / shape.pixels());
    let scale = grid::scale_for(shape.width);
    Ok(grid::side_by_side(
        path,
        samples,
        data,
        shape.dims(),
        columns,
        scale,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_that_only_broken_kernels_give_stop_a_run() {
        assert!(refuse_broken_gradients(3, [0.5, 1e-9], "wgpu:0").is_ok());
        for (norms, what) in [
            (
                [0.0, 1.0],
                "the norm of the weights' gradient is 0 on wgpu:0",
            ),
            ([1.0, 0.0], "the mean norm of the chains' gradients is 0"),
            ([f64::NAN, 1.0], "the norm of the weights' gradient is NaN"),
            (
                [1.0, f64::INFINITY],
                "the mean norm of the chains' gradients is inf",
            ),
        ] {
            let error = refuse_broken_gradients(3, norms, "wgpu:0").expect_err("broken");
            let message = error.to_string();
            assert!(
                message.starts_with("iteration 3: ") && message.contains(what),
                "{message}"
            );
        }
    }
}
