//! Learn classes and images with one energy: −log p(x) and cross-entropy of p(y | x).
//!
//! Grathwohl et al., *Your classifier is secretly an energy based model* (2020), eq. 6:
//! log p(x, y) = log p(x) + log p(y | x), each with the estimator that suits it.

use burn::tensor::Device;
use ebm_core::Shard;
use ebm_data::Batch;
use ebm_model::EnergyModel;

use super::{Classification, Gradient, Objective, StepContext};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::state::DataSummary;

/// The loss of a generative objective, and cross-entropy with a weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Jem<O> {
    /// What learns p(x).
    pub generative: O,
    /// What learns p(y | x).
    pub classification: Classification,
    /// How much the cross-entropy counts beside the other loss.
    pub weight: f64,
    /// Of the images of a batch, how many, the first ones, p(x) is learned from; `None` for all, as classes are.
    pub images: Option<usize>,
}

impl<M: EnergyModel + Sync, O: Objective<M>> Objective<M> for Jem<O> {
    type State = O::State;

    fn init(&self, data: &DataSummary, seed: u64, shard: Shard, device: &Device) -> O::State {
        self.generative.init(data, seed, shard, device)
    }

    fn load(
        &self,
        data: &DataSummary,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<O::State, CheckpointError> {
        self.generative.load(data, checkpoint, device)
    }

    fn is_coupled(&self) -> bool {
        self.generative.is_coupled()
    }

    /// Tells what the generative objective does, with the loss of both, `cross_entropy` and `accuracy`.
    ///
    /// # Panics
    /// If the model has no classes.
    fn gradient(
        &self,
        state: &mut O::State,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        let of_images = match self.images {
            None => self.generative.gradient(state, model, batch, step),
            Some(images) => {
                let first = first(batch, images);
                self.generative.gradient(state, model, &first, step)
            }
        };
        let mut of_classes = self.classification.gradient(&mut (), model, batch, step);
        for (name, _) in of_classes
            .terms
            .iter_mut()
            .filter(|(name, _)| *name == "loss")
        {
            *name = "cross_entropy";
        }
        of_images.plus(self.weight, of_classes)
    }
}

/// The first images of a batch.
fn first(batch: &Batch, images: usize) -> Batch {
    Batch {
        images: batch.images.clone().narrow(0, 0, images),
        labels: batch.labels[..images].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::contrastive::Contrastive;
    use crate::objective::gaussian::{
        Labelled, Odds, Quadratic, assert_found, assert_odds, contrastive, labelled, learned,
        normal_density, variance_of_the_chain,
    };

    #[test]
    fn a_gaussian_is_found_as_without_classes_and_their_odds_beside_it() {
        let device = Device::flex().autodiff();
        let model = Labelled {
            image: Quadratic::new([0.5, 0.5], [4.5, 4.5], &device),
            odds: Odds::new(&device),
        };
        let objective = Jem {
            generative: Contrastive {
                marginal: true,
                ..contrastive()
            },
            classification: Classification::default(),
            weight: 1.0,
            images: None,
        };
        let weights = learned(model, objective, labelled);
        assert_found(&weights, variance_of_the_chain);
        assert_odds(&weights[4..], 1.0, |z| normal_density(z, 0.0));
    }
}
