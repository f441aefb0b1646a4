//! Draw images from a trained model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use burn::tensor::Tensor;
use clap::{Args, ValueEnum};
use ebm_langevin::{Method, NoiseKey, PhiloxRng, Run, Stream};
use ebm_model::EnergyModel;

use super::trained::{Trained, TrainedArgs};
use super::{has_extension, require_extension, say};
use crate::precision::Precision;
use crate::{animation, grid, npy, sampling};

/// Draw images from a trained model
#[derive(Args, Debug)]
pub(super) struct SampleArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Images to draw, of each class with --class all [default: 64, or 8 of each class]
    #[arg(long)]
    num: Option<usize>,

    /// Langevin steps [default: the run's output.sample_steps]
    #[arg(long)]
    steps: Option<usize>,

    /// Draw one class, by name or number, or `all`: a row for each [default: the classes in turn]
    #[arg(long, value_name = "CLASS|all")]
    class: Option<String>,

    /// Draw class A, then go on under class B, and show the way: a row per chain
    #[arg(long, value_name = "A:B", conflicts_with = "class")]
    cross_class: Option<String>,

    /// Where chains start
    #[arg(long, value_enum, default_value_t = Init::Noise)]
    init: Init,

    /// Seed of the samples
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Replace a key of the run's sampler, for example langevin.method=hmc
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// A picture, or an array of u8 [n, h, w, c]
    #[arg(long, value_name = "FILE.png|FILE.npy", default_value = "samples.png")]
    output: PathBuf,

    /// A picture of the way: a row per chain, from start to end
    #[arg(long, value_name = "FILE.png")]
    trajectory: Option<PathBuf>,

    /// The way as a film
    #[arg(long, value_name = "FILE.gif|FILE.apng")]
    animation: Option<PathBuf>,

    /// Numbers in which chains see the energy
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,

    /// Draw from the last weights instead of their moving average
    #[arg(long)]
    no_ema: bool,
}

/// Where chains start.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Init {
    /// Uniform noise
    Noise,
    /// Chains of the replay buffer
    Buffer,
}

/// Columns of a trajectory picture, and the most rows.
const TRAJECTORY_FRAMES: usize = 12;
const TRAJECTORY_ROWS: usize = 10;
/// Frames of a film, and how long each is shown.
const FILM_FRAMES: usize = 60;
const FRAME_MS: u32 = 80;
/// Images of each class where none are asked for.
const OF_EACH_CLASS: usize = 8;

/// What is to be drawn.
struct Plan {
    /// The class of every chain.
    labels: Vec<u32>,
    /// Images in a row.
    columns: usize,
    /// The class under which chains go on, for `--cross-class`.
    then: Option<u32>,
}

impl SampleArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        self.check()?;
        let trained = self.trained.open()?;
        self.precision.check(&trained.selected)?;
        let config = trained.config.with_sampler_overrides(&self.overrides)?;
        let plan = self.plan(&trained)?;
        let (num, shape) = (plan.labels.len(), trained.state.image_shape());
        let start = match self.init {
            Init::Noise => sampling::noise_images(num, shape, self.seed, &trained.selected.device),
            Init::Buffer => self.buffer_images(&trained, &plan.labels)?,
        };
        let model =
            (self.precision).rounded(&trained.model(!self.no_ema), &trained.selected.device);
        let steps = self.steps.unwrap_or(config.output.sample_steps);
        // What a run has adapted is the size of its own kind of steps.
        let scale = match config.langevin == trained.config.langevin {
            true => trained.state.step_scale,
            false => 1.0,
        };
        let (start, scale) = sampling::adapt(
            &model,
            &config.langevin,
            start,
            &plan.labels,
            self.seed,
            scale,
        );
        let sampler = sampling::sampler(&config.langevin, steps, self.seed)
            .with_step_scale(scale)
            .with_energies(true)
            .with_stats(config.langevin.method != Method::Sgld); // which rejects nothing
        let shown = sampler.clone().with_trajectory(self.frame_every(steps));
        let last_frame = |mut run: Run<4>| {
            if !steps.is_multiple_of(self.frame_every(steps)) {
                run.trajectory.push(run.x.clone());
            }
            run
        };
        let run = match plan.then {
            None if self.shows_the_way() => {
                last_frame(sampling::sample(&model, start, &plan.labels, &shown))
            }
            None => sampling::sample(&model, start, &plan.labels, &sampler),
            Some(class) => {
                let first = sampling::sample(&model, start, &plan.labels, &sampler);
                let labels = vec![class; num];
                last_frame(sampling::sample(&model, first.x, &labels, &shown))
            }
        };
        self.write(run, &plan, shape.dims())
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.num == Some(0) {
            bail!("--num must be at least 1");
        }
        if self.steps == Some(0) {
            bail!("--steps must be at least 1");
        }
        if self.steps.is_some_and(|steps| steps >= 1 << 24) {
            bail!("--steps must be below 2²⁴");
        }
        require_extension("--output", &self.output, &["png", "npy"])?;
        if let Some(path) = &self.trajectory {
            require_extension("--trajectory", path, &["png"])?;
        }
        if let Some(path) = &self.animation {
            require_extension("--animation", path, &["gif", "apng", "png"])?;
        }
        Ok(())
    }

    fn plan(&self, trained: &Trained) -> anyhow::Result<Plan> {
        let classes = trained.state.model.num_classes();
        let num = self.num.unwrap_or(64);
        let plan = |labels: Vec<u32>| Plan {
            columns: grid::columns_for(labels.len()),
            labels,
            then: None,
        };
        if let Some(cross) = &self.cross_class {
            let (from, to) = cross
                .split_once(':')
                .context("--cross-class takes two classes, as in 3:8")?;
            let from = trained.class("--cross-class", from)?;
            let then = Some(trained.class("--cross-class", to)?);
            let labels = vec![from; self.num.unwrap_or(TRAJECTORY_ROWS)];
            return Ok(Plan {
                then,
                ..plan(labels)
            });
        }
        match self.class.as_deref() {
            None => Ok(plan(sampling::labels_in_turn(num, classes))),
            Some("all") => {
                if classes == 0 {
                    bail!(
                        "--class all: this model knows no classes; train one with --set model.conditional=true"
                    );
                }
                let columns = self.num.unwrap_or(OF_EACH_CLASS);
                let labels = (0..classes as u32).flat_map(|class| vec![class; columns]);
                Ok(Plan {
                    columns,
                    ..plan(labels.collect())
                })
            }
            Some(class) => Ok(plan(vec![trained.class("--class", class)?; num])),
        }
    }

    fn shows_the_way(&self) -> bool {
        self.trajectory.is_some() || self.animation.is_some() || self.cross_class.is_some()
    }

    /// Steps between frames.
    fn frame_every(&self, steps: usize) -> usize {
        let frames = match self.animation {
            Some(_) => FILM_FRAMES,
            None => TRAJECTORY_FRAMES - 1,
        };
        steps.div_ceil(frames)
    }

    /// Different chains of the buffer, chosen by the seed, each of its label's class where the model
    /// has classes.
    fn buffer_images(&self, trained: &Trained, labels: &[u32]) -> anyhow::Result<Tensor<4>> {
        let buffer = &trained.state.buffer;
        let capacity = buffer.capacity();
        let key = NoiseKey::new(self.seed, Stream::Sample, 2);
        let mut order = rand::seq::index::sample(&mut PhiloxRng::new(key, 0), capacity, capacity)
            .into_iter()
            .map(|slot| slot as u32)
            .collect::<Vec<u32>>();
        let by_class = trained.state.model.num_classes() > 0;
        let mut slots = Vec::with_capacity(labels.len());
        for &label in labels {
            let fits = |slot: &u32| !by_class || buffer.labels(&[*slot]) == [label];
            match order.iter().position(fits) {
                Some(place) => slots.push(order.remove(place)),
                None if by_class => bail!(
                    "the buffer has only {} chains of class {label}; ask for fewer, or --init noise",
                    slots
                        .iter()
                        .filter(|&&slot| buffer.labels(&[slot]) == [label])
                        .count()
                ),
                None => bail!(
                    "--num {} exceeds the buffer's {capacity} chains",
                    labels.len()
                ),
            }
        }
        Ok(buffer.images(&slots, self.seed, 0))
    }

    fn write(&self, run: Run<4>, plan: &Plan, dims: [usize; 3]) -> anyhow::Result<ExitCode> {
        let (num, columns, scale) = (plan.labels.len(), plan.columns, grid::scale_for(dims[2]));
        let stats = run.stats.unwrap_or_default();
        if let Some(energy) = stats.energy_after.iter().find(|energy| !energy.is_finite()) {
            bail!(
                "sampling diverged: an energy is {energy}; nothing was written. Try fewer --steps, or an earlier checkpoint"
            );
        }
        let frames: Vec<Vec<u8>> = { run.trajectory.into_iter() }
            .map(sampling::to_bytes)
            .collect();
        let bytes = sampling::to_bytes(run.x);
        match has_extension(&self.output, "npy") {
            true => {
                let [channels, height, width] = dims;
                let pixels = npy::nchw_to_nhwc(&bytes, dims);
                npy::save_npy_u8(&self.output, &[num, height, width, channels], &pixels)?;
            }
            false if plan.then.is_some() => {
                let (way, columns) = rows_of_frames(&frames, num, dims);
                grid::save_grid(&self.output, &way, dims, columns, scale)?;
            }
            false => grid::save_grid(&self.output, &bytes, dims, columns, scale)?,
        }
        say(self.output.display())?;
        if let Some(path) = &self.trajectory {
            let (way, columns) = rows_of_frames(&frames, num, dims);
            grid::save_grid(path, &way, dims, columns, scale)?;
            say(path.display())?;
        }
        if let Some(path) = &self.animation {
            animation::save_animation(path, &frames, dims, columns, scale, FRAME_MS)?;
            say(path.display())?;
        }
        let mean = stats.energy_after.iter().sum::<f32>() / num as f32;
        tracing::info!("mean energy of the samples: {mean:.3}");
        if let Some(acceptance) = stats.acceptance {
            tracing::info!("accepted {:.1}% of the steps", 100.0 * acceptance);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Up to a dozen of the frames of the first chains, chain by chain, and how many of each.
fn rows_of_frames(frames: &[Vec<u8>], num: usize, dims: [usize; 3]) -> (Vec<u8>, usize) {
    let pixels: usize = dims.iter().product();
    let kept = frames.len().min(TRAJECTORY_FRAMES);
    let last = frames.len() - 1;
    let picked = (0..kept).map(|i| &frames[i * last / (kept - 1).max(1)]);
    let picked: Vec<&Vec<u8>> = picked.collect();
    let rows = (0..num.min(TRAJECTORY_ROWS)).map(|row| row * pixels..(row + 1) * pixels);
    let way = rows.flat_map(|row| {
        { picked.iter() }
            .flat_map(|frame| frame[row.clone()].to_vec())
            .collect::<Vec<u8>>()
    });
    (way.collect(), kept)
}
