//! Match the score of data in closed form, in whitened coordinates.
//!
//! Hyvärinen, *Estimation of non-normalized statistical models by score matching* (2005), eq. 4. The Laplacian of the
//! energy is a formula of the weights, so that a tape of first order differentiates the loss.

use core::ops::Range;

use burn::tensor::Tensor;
use ebm_data::Batch;
use ebm_model::{EnergyModel, Frozen};

use super::whitened;
use crate::gradient::{Batched, through_folding};
use crate::objective::{Gradient, Stateless, StepContext};

/// Mean of ½‖∇E(z)‖² − ΔE(z) over the coordinates z of data.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoreMatching {
    /// The most images for which a tape is held at a time; `None` for all.
    pub micro_batch: Option<usize>,
}

impl Stateless for ScoreMatching {
    /// Tells `loss`, and `e_pos`, the mean energy of data.
    ///
    /// # Panics
    /// If the model is no energy of whitened coordinates.
    fn gradient_of<M: EnergyModel + Sync>(
        &self,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        let tracked = Frozen::tracked(model);
        let frozen = tracked.valid();
        let energy = whitened(&*frozen);
        let z = energy.coordinates(batch.images.clone()); // [batch, dimensions]
        let batched = Batched {
            model: &frozen,
            device: batch.images.device(),
            images: batch.labels.len(),
            micro_batch: self.micro_batch,
            step,
            energy: |model: &M, some: Range<usize>| {
                whitened(model).score_matching(z.clone().narrow(0, some.start, some.len()))
            },
        };
        let found = batched.separable_gradient(Tensor::mean);
        let loss = found.energies.mean();
        let terms = match step.record {
            true => {
                let e_pos = energy.energy_of(z.clone()).mean();
                vec![("loss", loss.clone()), ("e_pos", e_pos)]
            }
            false => Vec::new(),
        };
        Gradient {
            flat: through_folding(model, &tracked, found.gradient, None),
            loss,
            contrasted: None,
            terms,
        }
    }
}
