//! Say what is drawn, and how.

use std::ops::Range;

use ebm_langevin::{Ladder, LangevinConfig, labels_in_turn, warm_up_gradients};
use ebm_model::Precision;

use crate::trained::{Trained, Weights};

/// Most chains of a part.
const PART: usize = 500;

/// Where chains start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Init {
    /// The noise from which the first steps start ([`starts_of`](ebm_langevin::starts_of)).
    #[default]
    Noise,
    /// Chains of the replay buffer.
    Buffer,
}

/// Steps before those that count.
#[derive(Clone, Debug, PartialEq)]
pub struct BurnIn {
    /// How chains move.
    pub langevin: LangevinConfig,
    /// How many steps.
    pub steps: usize,
}

/// What is drawn, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleOptions {
    /// The class of every chain; all 0 for a model without classes.
    pub labels: Vec<u32>,
    /// The classes under which chains go on after their steps, for as many steps again; of a flow, from its
    /// time 0 again.
    pub then: Option<Vec<u32>>,
    /// Number of the first chain: chains have the same random numbers whether they are drawn together or in
    /// parts.
    pub first_chain: u32,
    /// Langevin steps; at each level of a `ladder`.
    pub steps: usize,
    /// Seed of the samples.
    pub seed: u64,
    /// Where chains start.
    pub init: Init,
    /// Steps that bring the chains to low energies first.
    pub burn_in: Option<BurnIn>,
    /// How chains move.
    pub langevin: LangevinConfig,
    /// The noise levels that chains come down, of an energy that has learned them: then they move as those say,
    /// from the noise above them. `None` for chains of one energy.
    pub ladder: Option<Ladder>,
    /// Floating-point precision of the chains' copy of the weights.
    pub precision: Precision,
    /// Which weights.
    pub weights: Weights,
    /// Steps between the states that [`Samples::trajectory`](super::Samples::trajectory) keeps, at least 1;
    /// `None` for no trajectory. Of a `ladder`, steps of each level, which keeps one at least.
    pub trajectory_every: Option<usize>,
}

impl SampleOptions {
    /// `num` samples of the classes in turn, as the run itself draws them.
    pub fn new(trained: &Trained, num: usize) -> Self {
        Self {
            labels: labels_in_turn(num, trained.num_classes()),
            then: None,
            first_chain: 0,
            steps: trained.config().output.sample_steps,
            seed: 0,
            init: Init::default(),
            burn_in: None,
            langevin: trained.config().langevin.clone(),
            ladder: trained.config().objective.ladder(),
            precision: Precision::default(),
            weights: Weights::default(),
            trajectory_every: None,
        }
    }

    /// Gradients of all chains together, but for a few of an adapting step size.
    pub fn num_gradients(&self) -> u64 {
        if let Some(ladder) = &self.ladder {
            return (self.labels.len() * ladder.num_levels() * self.steps) as u64;
        }
        let gradients = |burn_in: &BurnIn| burn_in.steps * burn_in.langevin.gradients_per_step();
        let before = self.burn_in.as_ref().map_or(0, gradients) + warm_up_gradients(&self.langevin);
        let first = match self.then {
            Some(_) => self.steps * self.langevin.gradients_per_step(),
            None => 0,
        };
        let last = self.langevin.gradients_of_sample(self.steps);
        (self.labels.len() * (before + first + last)) as u64
    }

    /// How chains move first: their noise is that of these steps.
    pub(super) fn first_steps(&self) -> &LangevinConfig {
        (self.burn_in.as_ref()).map_or(&self.langevin, |burn_in| &burn_in.langevin)
    }

    /// The same chains in parts of at most 500, in order. Parts that are drawn one by one give the samples that
    /// all chains together give (on a GPU, up to the rounding of kernels for other batches), in less memory.
    /// Chains that depend on each other are one part: those of a buffer are chosen together, and those of an
    /// adapting step size share it.
    pub fn parts(&self) -> impl Iterator<Item = Self> {
        self.parts_of_groups(1)
    }

    /// The same without parting any `group` consecutive chains: of at most 500, or of one larger group.
    pub(crate) fn parts_of_groups(&self, group: usize) -> impl Iterator<Item = Self> {
        let num = self.labels.len();
        let is_cut = self.init == Init::Noise && self.langevin.target_acceptance.is_none();
        let len = match is_cut {
            true => (PART / group).max(1) * group,
            false => num.max(1),
        };
        let starts = (0..num).step_by(len);
        starts.map(move |start| self.part(start..num.min(start + len)))
    }

    pub(super) fn part(&self, chains: Range<usize>) -> Self {
        Self {
            first_chain: self.first_chain + chains.start as u32,
            then: self.then.as_ref().map(|then| then[chains.clone()].to_vec()),
            labels: self.labels[chains].to_vec(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use ebm_langevin::Method;

    use super::*;

    fn options(num: u32) -> SampleOptions {
        SampleOptions {
            labels: (0..num).collect(),
            then: Some((0..num).rev().collect()),
            first_chain: 7,
            steps: 3,
            seed: 0,
            init: Init::Noise,
            burn_in: None,
            langevin: LangevinConfig::default(),
            ladder: None,
            precision: Precision::default(),
            weights: Weights::default(),
            trajectory_every: None,
        }
    }

    #[test]
    fn parts_are_all_chains_in_order() {
        let all = options(1001);
        let parts: Vec<_> = all.parts().collect();
        let chains: Vec<_> = parts
            .iter()
            .map(|part| (part.first_chain, part.labels.len()))
            .collect();
        assert_eq!(chains, [(7, 500), (507, 500), (1007, 1)]);
        let labels: Vec<u32> = parts.iter().flat_map(|part| part.labels.clone()).collect();
        assert_eq!(labels, all.labels);
        let then = parts.iter().flat_map(|part| part.then.clone());
        assert_eq!(Some(then.flatten().collect()), all.then);
        let gradients = parts.iter().map(SampleOptions::num_gradients);
        assert_eq!(gradients.sum::<u64>(), all.num_gradients());
    }

    #[test]
    fn gradients_are_those_of_both_runs_of_the_burn_in_and_of_the_last_denoising() {
        let mut options = SampleOptions {
            langevin: LangevinConfig::new(5).with_method(Method::Heun),
            burn_in: Some(BurnIn {
                langevin: LangevinConfig::new(5).with_final_denoise_std(0.1),
                steps: 4,
            }),
            ..options(10)
        };
        // Two runs of three steps of two gradients, after four of one.
        assert_eq!(options.num_gradients(), 10 * (2 * 3 * 2 + 4));
        options.langevin.final_denoise_std = Some(0.1);
        assert_eq!(options.num_gradients(), 10 * (2 * 3 * 2 + 4 + 1));
        options.then = None;
        assert_eq!(options.num_gradients(), 10 * (3 * 2 + 4 + 1));
    }

    #[test]
    fn chains_that_come_down_a_ladder_take_their_steps_at_each_level() {
        let ladder = Some(Ladder::new(6));
        let options = SampleOptions {
            ladder,
            ..options(10)
        };
        assert_eq!(options.num_gradients(), 10 * 6 * 3);
    }

    #[test]
    fn chains_start_from_the_noise_of_the_steps_that_come_first() {
        let flow = LangevinConfig::new(5).with_method(Method::Euler);
        let mut options = SampleOptions {
            langevin: flow.clone(),
            ..options(10)
        };
        assert_eq!(options.first_steps().method, Method::Euler);
        options.langevin = flow.changed_to(Method::Hmc);
        assert_eq!(options.first_steps().method, Method::Hmc);
        options.burn_in = Some(BurnIn {
            langevin: flow,
            steps: 4,
        });
        assert_eq!(options.first_steps().method, Method::Euler);
    }

    #[test]
    fn few_chains_are_one_part_and_no_chain_is_none() {
        let all = options(500);
        assert_eq!(all.parts().collect::<Vec<_>>(), [all]);
        assert_eq!(options(0).parts().count(), 0);
    }

    #[test]
    fn chains_that_depend_on_each_other_are_one_part() {
        let buffer = SampleOptions {
            init: Init::Buffer,
            ..options(1001)
        };
        let mut adapting = options(1001);
        adapting.langevin.target_acceptance = Some(0.65);
        for all in [buffer, adapting] {
            assert_eq!(all.parts().collect::<Vec<_>>(), [all]);
        }
    }
}
