//! Draw images from a trained model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use burn::tensor::Tensor;
use clap::{Args, ValueEnum};
use ebm_langevin::{NoiseKey, PhiloxRng, Run, Stream};
use ebm_model::ConvNet;

use super::{DeviceArgs, has_extension, require_extension, say};
use crate::config::Config;
use crate::state::TrainState;
use crate::{checkpoint, grid, npy, sampling};

/// Draw images from a trained model
#[derive(Args, Debug)]
pub(super) struct SampleArgs {
    /// A run directory (its latest checkpoint is taken) or a checkpoint
    #[arg(value_name = "RUN_OR_CHECKPOINT")]
    source: PathBuf,

    #[command(flatten)]
    device: DeviceArgs,

    /// Images to draw
    #[arg(long, default_value_t = 64)]
    num: usize,

    /// Langevin steps [default: the run's output.sample_steps]
    #[arg(long)]
    steps: Option<usize>,

    /// Where chains start
    #[arg(long, value_enum, default_value_t = Init::Noise)]
    init: Init,

    /// Seed of the samples
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// A picture, or an array of u8 [n, h, w, c]
    #[arg(long, value_name = "FILE.png|FILE.npy", default_value = "samples.png")]
    output: PathBuf,

    /// A picture of the way: a row per chain, from start to end
    #[arg(long, value_name = "FILE.png")]
    trajectory: Option<PathBuf>,

    /// Draw from the last weights instead of their moving average
    #[arg(long)]
    no_ema: bool,
}

/// Where chains start.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Init {
    /// Uniform noise
    Noise,
    /// Chains of the replay buffer
    Buffer,
}

/// Columns of a trajectory picture, and the most rows.
const TRAJECTORY_FRAMES: usize = 12;
const TRAJECTORY_ROWS: usize = 10;

impl SampleArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        self.check()?;
        let checkpoint = checkpoint::read(&checkpoint::resolve(&self.source)?)?;
        let config = checkpoint.path.join("config.toml").display().to_string();
        let config = Config::parse(
            std::str::from_utf8(checkpoint.file("config.toml")?)?,
            &config,
        )?;
        let selected = self.device.device.select()?;
        let state = TrainState::load(&config, &checkpoint, &selected.device)?;
        let shape = state.image_shape();
        let start = match self.init {
            Init::Noise => sampling::noise_images(self.num, shape, self.seed, &selected.device),
            Init::Buffer => self.buffer_images(&state)?,
        };
        let model = match self.no_ema {
            true => burn::module::Module::valid(&state.model),
            false => state.ema_model(),
        };
        let steps = self.steps.unwrap_or(config.output.sample_steps);
        let mut sampler = sampling::sampler(&config.langevin, steps, self.seed).with_stats(true);
        let every = steps.div_ceil(TRAJECTORY_FRAMES - 1);
        if self.trajectory.is_some() {
            sampler = sampler.with_trajectory(every);
        }
        let mut run = sampling::sample(&model, start, &sampler);
        if self.trajectory.is_some() && !steps.is_multiple_of(every) {
            run.trajectory.push(run.x.clone());
        }
        self.write(run, shape.dims())
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.num == 0 {
            bail!("--num must be at least 1");
        }
        if self.steps == Some(0) {
            bail!("--steps must be at least 1");
        }
        if self.steps.is_some_and(|steps| steps >= 1 << 24) {
            bail!("--steps must be below 2²⁴");
        }
        require_extension("--output", &self.output, &["png", "npy"])?;
        match &self.trajectory {
            Some(path) => require_extension("--trajectory", path, &["png"]),
            None => Ok(()),
        }
    }

    /// Different chains of the buffer, chosen by the seed.
    fn buffer_images(&self, state: &TrainState<ConvNet>) -> anyhow::Result<Tensor<4>> {
        let capacity = state.buffer.capacity();
        if self.num > capacity {
            bail!("--num {} exceeds the buffer's {capacity} chains", self.num);
        }
        let key = NoiseKey::new(self.seed, Stream::Sample, 2);
        let slots = rand::seq::index::sample(&mut PhiloxRng::new(key, 0), capacity, self.num);
        let slots: Vec<u32> = slots.into_iter().map(|slot| slot as u32).collect();
        Ok(state.buffer.images(&slots, self.seed, 0))
    }

    fn write(&self, run: Run<4>, dims: [usize; 3]) -> anyhow::Result<ExitCode> {
        let (columns, scale) = (grid::columns_for(self.num), grid::scale_for(dims[2]));
        let stats = run.stats.unwrap_or_default();
        if let Some(energy) = stats.energy_after.iter().find(|energy| !energy.is_finite()) {
            bail!(
                "sampling diverged: an energy is {energy}; nothing was written. Try fewer --steps, or an earlier checkpoint"
            );
        }
        let bytes = sampling::to_bytes(run.x);
        match has_extension(&self.output, "npy") {
            true => {
                let [channels, height, width] = dims;
                let pixels = npy::nchw_to_nhwc(&bytes, dims);
                npy::save_npy_u8(&self.output, &[self.num, height, width, channels], &pixels)?;
            }
            false => grid::save_grid(&self.output, &bytes, dims, columns, scale)?,
        }
        say(self.output.display())?;
        if let Some(path) = &self.trajectory {
            let rows = self.num.min(TRAJECTORY_ROWS);
            let frames = run.trajectory.into_iter();
            let frames: Vec<_> = frames
                .map(|frame| sampling::to_bytes(frame.narrow(0, 0, rows)))
                .collect();
            let pixels: usize = dims.iter().product();
            let by_chain = (0..rows).flat_map(|row| {
                frames
                    .iter()
                    .flat_map(move |frame| &frame[row * pixels..(row + 1) * pixels])
            });
            let by_chain: Vec<u8> = by_chain.copied().collect();
            grid::save_grid(path, &by_chain, dims, frames.len(), scale)?;
            say(path.display())?;
        }
        let mean = stats.energy_after.iter().sum::<f32>() / self.num as f32;
        tracing::info!("mean energy of the samples: {mean:.3}");
        Ok(ExitCode::SUCCESS)
    }
}
