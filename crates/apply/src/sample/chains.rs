//! Run chains with the steps of a run: those that bring them to low energies, and those that count.

use burn::tensor::Tensor;
use ebm_core::Energy;
use ebm_langevin::{
    ChainRun, LangevinConfig, Sampler, Stage, StepCounter, sampler_outside_training, starts_of,
    warm_up,
};

use super::{BurnIn, SampleError, SampleOptions, Samples};
use crate::trained::Trained;

/// Chains with the steps of a run, under any energies of its images.
pub(crate) struct Chains<'a> {
    /// Whose images they are of, on its device, and whose steps they take: as long as it has adapted them.
    pub(crate) trained: &'a Trained,
    /// How they move. Labels count and nothing else: classes are the energies' own.
    pub(crate) options: &'a SampleOptions,
    /// Counts their gradients.
    pub(crate) counter: StepCounter,
}

impl Chains<'_> {
    /// The noise from which they start, `[chains, channels, height, width]`.
    pub(crate) fn noise(&self) -> Tensor<4> {
        let (trained, options) = (self.trained, self.options);
        let chains = options.first_chain..options.first_chain + options.labels.len() as u32;
        let (langevin, shape) = (options.first_steps(), trained.shape());
        starts_of(langevin, chains, shape, options.seed, trained.device())
    }

    /// Run them under an energy, and for as many steps again under `then`, where it is given.
    ///
    /// # Shapes
    /// - `start`: `[chains, channels, height, width]`
    ///
    /// # Errors
    /// Where an energy is not finite.
    pub(crate) fn run(
        &self,
        start: Tensor<4>,
        energy: &dyn Energy<4>,
        then: Option<&dyn Energy<4>>,
    ) -> Result<Samples, SampleError> {
        let options = self.options;
        let (langevin, seed) = (&options.langevin, options.seed);
        let start = self.burnt_in(start, energy);
        let scale = self.scale_of(langevin);
        let (start, scale) = warm_up(energy, langevin, start, seed, scale, &self.counter);
        let sampler = |stage| {
            sampler_outside_training(langevin, options.steps, seed, stage)
                .with_step_scale(scale)
                .with_counter(self.counter.clone())
                .with_energies(true)
                .with_stats(langevin.method.may_reject())
        };
        let shown = |stage| match options.trajectory_every {
            Some(every) => sampler(stage).with_trajectory(every),
            None => sampler(stage),
        };
        let ended = match then {
            None => self.follow(&shown(Stage::Chains), start, energy),
            Some(then) => {
                let first = sampler(Stage::Chains).with_final_denoising(false);
                let first = self.follow(&first, start, energy);
                self.follow(&shown(Stage::Second), first.x, then)
            }
        };
        finish(ended, options)
    }

    /// The chains after the steps that come before those that count.
    fn burnt_in(&self, start: Tensor<4>, energy: &dyn Energy<4>) -> Tensor<4> {
        let Some(BurnIn { langevin, steps }) = &self.options.burn_in else {
            return start;
        };
        let seed = self.options.seed;
        let sampler = sampler_outside_training(langevin, *steps, seed, Stage::BurnIn)
            .with_step_scale(self.scale_of(langevin))
            .with_counter(self.counter.clone());
        self.follow(&sampler, start, energy).x
    }

    fn follow(&self, sampler: &Sampler, start: Tensor<4>, energy: &dyn Energy<4>) -> ChainRun<4> {
        let SampleOptions {
            first_chain,
            labels,
            ..
        } = self.options;
        let ids: Vec<u32> = (*first_chain..).take(labels.len()).collect();
        sampler.run(start, &ids, energy)
    }

    /// What a run has adapted is the size of its own kind of steps.
    fn scale_of(&self, langevin: &LangevinConfig) -> f64 {
        match *langevin == self.trained.config().langevin {
            true => self.trained.step_scale(),
            false => 1.0,
        }
    }
}

fn finish(mut run: ChainRun<4>, options: &SampleOptions) -> Result<Samples, SampleError> {
    let is_denoised = options.langevin.final_denoise_std.is_some();
    let lacks_end = |every| is_denoised || !options.steps.is_multiple_of(every);
    if options.trajectory_every.is_some_and(lacks_end) {
        run.trajectory.push(run.x.clone());
    }
    let stats = run.stats.expect("energies are recorded");
    let acceptance = stats.mean_acceptance();
    let energies: Vec<f32> = stats.energy_after.into_data().iter::<f32>().collect();
    if let Some(&energy) = energies.iter().find(|energy| !energy.is_finite()) {
        return Err(SampleError::Diverged { energy });
    }
    Ok(Samples {
        images: run.x,
        trajectory: run.trajectory,
        energies,
        acceptance,
    })
}
