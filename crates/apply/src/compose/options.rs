//! Say how chains of a combined energy move.

use ebm_langevin::LangevinConfig;
use ebm_model::Precision;

use super::Composition;
use crate::sample::{BurnIn, Init, SampleOptions};
use crate::trained::Weights;

/// How many images are drawn from a combined energy, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ComposeOptions {
    /// Images.
    pub num: usize,
    /// Chains of each image, at least 1; the one that ends at the least energy is kept. A chain that has settled early
    /// where only some of the energies are low stays there, and is likely to be left out.
    pub best_of: usize,
    /// Number of the first chain: chains have the same random numbers whether they are drawn together or in
    /// parts.
    pub first_chain: u32,
    /// Langevin steps.
    pub steps: usize,
    /// Seed of the samples.
    pub seed: u64,
    /// Steps that bring the chains to low energies first.
    pub burn_in: Option<BurnIn>,
    /// How chains move. Where it is that of the first model, its steps are as long as that one has adapted them.
    pub langevin: LangevinConfig,
    /// Steps between the states that [`Samples::trajectory`](crate::Samples::trajectory) keeps, at least 1;
    /// `None` for no trajectory.
    pub trajectory_every: Option<usize>,
}

impl ComposeOptions {
    /// `num` samples with the sampler of the first model, as many steps as it takes for samples.
    pub fn new(composition: &Composition<'_>, num: usize) -> Self {
        let config = composition.first().config();
        Self {
            num,
            best_of: 1,
            first_chain: 0,
            steps: config.output.sample_steps,
            seed: 0,
            burn_in: None,
            langevin: config.langevin.clone(),
            trajectory_every: None,
        }
    }

    /// Gradients of all chains together, each of all energies, but for a few of an adapting step size.
    ///
    /// # Panics
    /// If `best_of` is 0.
    pub fn num_gradients(&self) -> u64 {
        self.of_sampling().num_gradients()
    }

    /// The same chains in parts, as [`SampleOptions::parts`] cuts them; those of one image stay together.
    ///
    /// # Panics
    /// If `best_of` is 0.
    pub fn parts(&self) -> impl Iterator<Item = Self> {
        let chains = self.of_sampling();
        let parts: Vec<_> = chains.parts_of_groups(self.best_of).collect();
        parts.into_iter().map(|part| Self {
            num: part.labels.len() / self.best_of,
            first_chain: part.first_chain,
            ..self.clone()
        })
    }

    /// Chains of one energy that move alike.
    pub(super) fn of_sampling(&self) -> SampleOptions {
        assert!(self.best_of > 0, "expected a chain of each image, got none");
        SampleOptions {
            labels: vec![0; self.num * self.best_of],
            then: None,
            first_chain: self.first_chain,
            steps: self.steps,
            seed: self.seed,
            init: Init::Noise,
            burn_in: self.burn_in.clone(),
            langevin: self.langevin.clone(),
            ladder: None,
            precision: Precision::default(),
            weights: Weights::default(),
            trajectory_every: self.trajectory_every,
        }
    }
}
