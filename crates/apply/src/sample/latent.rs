//! Draw images from an energy with latent vectors: z from its prior, or z and the image by turns.

use ebm_langevin::StepCounter;
use ebm_model::{EnergyModel, LatentDrawing};

use super::{Init, SampleError, SampleOptions, Samples};
use crate::score;
use crate::trained::Trained;

/// Samples, clipped to [0, 1], with their energies E(x), the least over z.
///
/// # Errors
/// Where chains are to start from a buffer or to change their classes, or an energy is not finite.
pub(super) fn samples(
    trained: &Trained,
    options: &SampleOptions,
    counter: StepCounter,
) -> Result<Samples, SampleError> {
    if options.init == Init::Buffer {
        return Err(SampleError::NoChains);
    }
    if options.then.is_some() {
        return Err(SampleError::OneClass);
    }
    let model = trained.energy(options.weights);
    let chains = options.first_chain..options.first_chain + options.labels.len() as u32;
    let drawn = {
        let rounded = model.rounded(options.precision);
        let drawing = LatentDrawing {
            model: rounded.latent().expect("a model with latent vectors"),
            langevin: &options.langevin,
            steps: options.steps,
            seed: options.seed,
            counter,
            trajectory_every: options.trajectory_every,
        };
        drawing.run(chains, trained.shape(), trained.device())
    };
    let lacks_end = |every: usize| !options.steps.is_multiple_of(every.max(1));
    let mut trajectory = drawn.trajectory;
    if options.trajectory_every.is_some_and(lacks_end) {
        trajectory.push(drawn.images.clone());
    }
    // Of the images before they are clipped, which would hide what is not finite.
    let energies = score::energies(&model, drawn.images.clone());
    if let Some(&energy) = energies.iter().find(|energy| !energy.is_finite()) {
        return Err(SampleError::Diverged { energy });
    }
    Ok(Samples {
        images: drawn.images.clamp(0.0, 1.0),
        trajectory,
        energies,
        acceptance: None,
    })
}
