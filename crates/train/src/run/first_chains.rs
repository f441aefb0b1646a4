//! Start the chains of a new buffer at samples of the part of the run before.

use std::time::Instant;

use ebm_langevin::FirstChains;

use super::guard;
use super::observer::Observers;
use super::samples::Drawing;
use super::training::Run;
use crate::config::Settings;
use crate::error::TrainError;
use crate::state::OfShard;

impl Run<'_> {
    /// Where new chains are to start so, run each from noise as the part before draws its pictures: under the averaged
    /// weights, which are still that part's, with this multiplier of its step size, each chain under its label. The
    /// chain of a slot is keyed by the slot's place among those of all shards. A run that is asked to stop meanwhile does so
    /// after the iteration that follows; one that is killed draws the same samples again.
    ///
    /// # Errors
    /// Where a sample is not finite, on all ranks.
    pub(super) fn start_chains(
        &mut self,
        before: &Settings,
        step_scale: f64,
        observers: &mut Observers<'_, '_>,
    ) -> Result<(), TrainError> {
        let is_asked_for = self.part.config.buffer.start == FirstChains::Previous;
        if !is_asked_for || self.state().objective_state().chains().is_none() {
            return Ok(());
        }
        let config = &before.config;
        let (model, shape) = (self.state().ema_model(), self.dataset.train.shape);
        let drawing = Drawing {
            langevin: &config.langevin,
            ladder: config.objective.ladder(),
            step_scale,
            num: 0, // pictures
            steps: config.output.sample_steps,
            seed: self.config.seed,
            device: &self.device,
        };
        let at_once = config.micro_batch.unwrap_or(config.batch_size);
        let start = Instant::now();
        let states = &mut self.trainer.state.objective_states;
        let chains = states.iter().filter_map(|of| of.state.chains());
        let all: usize = chains.map(|it| it.buffer.capacity()).sum();
        let mut drawn = 0;
        observers.tell(|observer| observer.on_first_chains(drawn, all));
        let mut sums = Vec::new();
        for OfShard { shard, state } in states {
            let Some(chains) = state.chains_mut() else {
                continue;
            };
            let buffer = &mut chains.buffer;
            let places = shard.places(buffer.capacity());
            let slots: Vec<u32> = (0..buffer.capacity() as u32).collect();
            let mut sum = 0.0;
            for (slots, places) in slots.chunks(at_once).zip(places.chunks(at_once)) {
                let first = places[0] as usize;
                let numbers = first..first + places.len();
                let x = drawing.chains(&model, numbers, &buffer.labels(slots), shape);
                sum += f64::from(x.clone().sum().into_scalar::<f32>()); // which waits for the device
                buffer.start_at(slots, x);
                drawn += slots.len();
                observers.tell(|observer| observer.on_first_chains(drawn, all));
            }
            sums.push(vec![sum]);
        }
        let sums = self.team.gather_of_shards(sums);
        self.pace.set_apart(start.elapsed().as_secs_f64());
        let finite = guard::refuse_unless_finite(
            "a sample that a chain starts from",
            sums.into_iter().flatten().sum(),
            self.iteration(),
        );
        finite.map_err(|divergence| self.diverged(divergence))
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicBool;

    use burn::tensor::Device;
    use ebm_langevin::to_bytes;

    use super::*;
    use crate::checkpoint;
    use crate::config::Config;
    use crate::run::{Observer, ObserverError, RunOptions, StepReport, load_state};

    const CAPACITY: usize = 32;
    const BATCH: usize = 16;

    /// A flow for two iterations, and one with chains, which leaves half of them where they start.
    fn config() -> Config {
        let keys = [
            "batch_size=16",
            "model.filters=4",
            "langevin.num_steps=2",
            "buffer.capacity=32",
            "buffer.start=previous",
            "data.train_images=32",
            "data.test_images=0",
            "data.image_size=16",
            "output.sample_every=0",
            "output.sample_steps=3",
            "output.checkpoint_every=2",
            "iterations=3",
            "phases=[{until=2, set=[\"objective.kind=flow\", \"langevin.method=euler\", \"langevin.grad_clip=none\"]}]",
        ];
        Config::resolve("digits", None, &keys.map(str::to_owned)).expect("resolves")
    }

    /// Remembers how many samples it was told of, and after how many iterations.
    #[derive(Default)]
    struct Witness {
        done: u64,
        told: Vec<(u64, usize, usize)>,
    }

    impl Observer for Witness {
        fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
            self.done = report.iteration;
            Ok(())
        }

        fn on_first_chains(&mut self, drawn: usize, all: usize) -> Result<(), ObserverError> {
            self.told.push((self.done, drawn, all));
            Ok(())
        }
    }

    #[test]
    fn new_chains_are_samples_of_the_part_before() {
        let (config, device) = (config(), Device::flex());
        let data = ebm_data::load(&config.data, config.seed).expect("drawn");
        let dir = tempfile::tempdir().expect("a folder");
        let run = Run::open(&config, &data, &device, &RunOptions::new(dir.path()));
        let (mut witness, stop) = (Witness::default(), AtomicBool::new(false));
        let trained = run.expect("opened").train(&mut [&mut witness], &stop);
        trained.expect("trained");
        let told = [0, BATCH, CAPACITY].map(|drawn| (2, drawn, CAPACITY));
        assert_eq!(witness.told, told);
        let state_after = |step: &str| {
            let path = dir.path().join("checkpoints").join(step);
            let checkpoint = checkpoint::read(&path).expect("read");
            load_state(&config, &checkpoint, &device).expect("fits")
        };
        let flow = config.settings_at(0).config;
        let drawing = Drawing {
            langevin: &flow.langevin,
            ladder: None,
            step_scale: 1.0,
            num: 0,
            steps: 3,
            seed: config.seed,
            device: &device,
        };
        let (model, shape) = (state_after("step_000002").ema_model(), data.train.shape);
        let samples = to_bytes(drawing.chains(&model, 0..CAPACITY, &[0; CAPACITY], shape));
        let end = state_after("step_000003");
        let chains = end.objective_state().chains().expect("chains");
        let chains = chains.buffer.to_state();
        let unmoved: Vec<usize> = (0..CAPACITY)
            .filter(|&slot| chains.ages[slot] == 0)
            .collect();
        assert_eq!(unmoved.len(), CAPACITY - BATCH);
        for slot in unmoved {
            let own = slot * shape.pixels()..(slot + 1) * shape.pixels();
            assert_eq!(&chains.images[own.clone()], &samples[own], "{slot}");
        }
    }
}
