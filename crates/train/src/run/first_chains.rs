//! Start the chains of a new buffer at samples of the part of the run before.

use burn::tensor::Tensor;
use ebm_langevin::FirstChains;

use super::guard;
use super::samples::Drawing;
use super::training::Run;
use crate::config::Settings;
use crate::error::TrainError;
use crate::state::OfShard;

impl Run<'_> {
    /// Where new chains are to start so, run each from noise as the part before draws its pictures: under the averaged
    /// weights, which are still that part's, with this multiplier of its step size, each chain under its label. The
    /// chain of a slot is keyed by the slot's place among those of all shards.
    ///
    /// # Errors
    /// Where a sample is not finite, on all ranks.
    pub(super) fn start_chains(
        &mut self,
        before: &Settings,
        step_scale: f64,
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
        let mut sums = Vec::new();
        for OfShard { shard, state } in &mut self.trainer.state.objective_states {
            let Some(chains) = state.chains_mut() else {
                continue;
            };
            let buffer = &mut chains.buffer;
            let places = shard.places(buffer.capacity());
            let slots: Vec<u32> = (0..buffer.capacity() as u32).collect();
            let mut sum = Tensor::<1>::zeros([1], &self.device);
            for (slots, places) in slots.chunks(at_once).zip(places.chunks(at_once)) {
                let first = places[0] as usize;
                let numbers = first..first + places.len();
                let x = drawing.chains(&model, numbers, &buffer.labels(slots), shape);
                sum = sum + x.clone().sum();
                buffer.start_at(slots, x);
            }
            sums.push(vec![f64::from(sum.into_scalar::<f32>())]);
        }
        let sums = self.team.gather_of_shards(sums);
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
    use crate::run::{RunOptions, load_state};

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

    #[test]
    fn new_chains_are_samples_of_the_part_before() {
        let (config, device) = (config(), Device::flex());
        let data = ebm_data::load(&config.data, config.seed).expect("drawn");
        let dir = tempfile::tempdir().expect("a folder");
        let run = Run::open(&config, &data, &device, &RunOptions::new(dir.path()));
        let trained = run.expect("opened").train(&mut [], &AtomicBool::new(false));
        trained.expect("trained");
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
