//! Draw images from an energy E(x, z), outside training: z from its prior and then g(z), or both by turns.

use core::ops::Range;

use burn::tensor::{Device, Tensor};
use ebm_core::ImageShape;
use ebm_langevin::{
    LangevinConfig, Sampler, Stage, StepCounter, noise_images_of, normal_latents_of,
    sampler_outside_training,
};

use super::bound::{GivenLatent, LatentPrior, Posterior};
use super::energy::LatentEnergy;

/// Chains of z, or of x and z, from noise.
pub struct LatentDrawing<'a> {
    /// The energy, its weights constants.
    pub model: &'a dyn LatentEnergy,
    /// How chains of the prior move; of a free energy, those of images.
    pub langevin: &'a LangevinConfig,
    /// Steps of each.
    pub steps: usize,
    /// Seed of their random numbers.
    pub seed: u64,
    /// Counts their gradients; of pairs, those of x.
    pub counter: StepCounter,
    /// Steps between the states that are kept; `None` for none.
    pub trajectory_every: Option<usize>,
}

/// What was drawn.
#[derive(Clone, Debug)]
pub struct DrawnLatents {
    /// g(z), or x, `[chains, channels, height, width]`.
    pub images: Tensor<4>,
    /// z, `[chains, latents]`.
    pub latents: Tensor<2>,
    /// The images of the start and of every so many steps.
    pub trajectory: Vec<Tensor<4>>,
}

impl LatentDrawing<'_> {
    /// Run the chains of these numbers, which key their random numbers.
    pub fn run(&self, chains: Range<u32>, shape: ImageShape, device: &Device) -> DrawnLatents {
        let latents = self.model.num_latents();
        let z = normal_latents_of(chains.clone(), latents, self.seed, device);
        let ids: Vec<u32> = chains.clone().collect();
        match self.model.generative() {
            Some(model) => {
                let config = self.langevin.clone().with_bounds(None);
                let sampler = self.sampler(&config, Stage::Chains);
                let sampler = sampler.with_counter(self.counter.clone());
                let sampler = match self.trajectory_every {
                    Some(every) => sampler.with_trajectory(every),
                    None => sampler,
                };
                let run = sampler.run(z, &ids, &LatentPrior(model));
                let frames = run.trajectory.into_iter();
                DrawnLatents {
                    images: model.generated(run.x.clone()),
                    latents: run.x,
                    trajectory: frames.map(|z| model.generated(z)).collect(),
                }
            }
            None => {
                let x = noise_images_of(chains, shape, self.seed, device);
                self.by_turns(x, z, &ids)
            }
        }
    }

    /// Steps of x given z and of z given x by turns.
    fn by_turns(&self, mut x: Tensor<4>, mut z: Tensor<2>, ids: &[u32]) -> DrawnLatents {
        let of_images = self.sampler(self.langevin, Stage::Chains);
        let of_latents = self.model.inference().chains(self.steps);
        let of_latents = self.sampler(&of_latents, Stage::Latents);
        let every = self.trajectory_every.map(|every| every.max(1));
        let mut trajectory: Vec<_> = every.iter().map(|_| x.clone()).collect();
        let mut done = 0;
        while done < self.steps {
            let next = every.map_or(self.steps, |every| (done + every).min(self.steps));
            (x, z) = alternate(
                self.model,
                [&of_images, &of_latents],
                (x, z),
                ids,
                done..next,
            );
            let gradients = ids.len() * self.langevin.gradients_per_step();
            self.counter.add((next - done) * gradients);
            done = next;
            if every.is_some_and(|every| done.is_multiple_of(every)) {
                trajectory.push(x.clone());
            }
        }
        DrawnLatents {
            images: x,
            latents: z,
            trajectory,
        }
    }

    fn sampler(&self, langevin: &LangevinConfig, stage: Stage) -> Sampler {
        sampler_outside_training(langevin, self.steps, self.seed, stage).with_final_denoising(false)
    }
}

/// These steps of the samplers of x and of z by turns, of x given z first: what both leave alone is exp(−E(x, z)), as
/// their steps become short.
///
/// # Shapes
/// - `pairs`, and what returns: `[batch, channels, height, width]`, `[batch, latents]`
pub fn alternate(
    model: &dyn LatentEnergy,
    [of_images, of_latents]: [&Sampler; 2],
    pairs: (Tensor<4>, Tensor<2>),
    ids: &[u32],
    steps: Range<usize>,
) -> (Tensor<4>, Tensor<2>) {
    let (mut x, mut z) = pairs;
    for step in steps {
        let this = |sampler: &Sampler| sampler.clone().with_steps(step..step + 1);
        let given = GivenLatent::new(model, z.clone());
        x = this(of_images).run(x, ids, &given).x;
        let given = Posterior::new(model, x.clone());
        z = this(of_latents).run(z, ids, &given).x;
    }
    (x, z)
}
