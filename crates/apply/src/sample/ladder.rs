//! Draw images from an energy with noise levels, level by level.

use burn::tensor::Tensor;
use ebm_core::index_tensor;
use ebm_langevin::{Ladder, StepCounter, normal_images_of, sampler_of_level};

use super::{Init, SampleError, SampleOptions, Samples};
use crate::score;
use crate::trained::Trained;

/// Samples that have come down all levels, clipped to [0, 1], with their energies at level 0.
///
/// # Errors
/// Where chains are to start from a buffer or to change their classes, or one is not finite.
pub(super) fn samples(
    trained: &Trained,
    options: &SampleOptions,
    ladder: &Ladder,
    counter: StepCounter,
) -> Result<Samples, SampleError> {
    if options.init == Init::Buffer {
        return Err(SampleError::NoChains);
    }
    if options.then.is_some() {
        return Err(SampleError::OneClass);
    }
    let (device, num) = (trained.device(), options.labels.len());
    let ids: Vec<u32> = (options.first_chain..).take(num).collect();
    let chains = options.first_chain..options.first_chain + num as u32;
    let start = normal_images_of(chains, trained.shape(), options.seed, device);
    let model = trained.energy(options.weights);
    let model = model.rounded(options.precision);
    let given = model.given(index_tensor(&options.labels, device));
    let energy_at = |level| {
        let levels = index_tensor(&vec![level; num], device);
        given.clone().at_levels(levels)
    };
    let every = options
        .trajectory_every
        .map(|every| every.min(options.steps));
    let sampler_at = |level| {
        let sampler = sampler_of_level(options.steps, options.seed, level);
        let sampler = sampler.with_counter(counter.clone());
        match every {
            Some(every) => sampler.with_trajectory(every),
            None => sampler,
        }
    };
    let run = ladder.descend(start, &ids, sampler_at, energy_at);
    let images = finite(run.x)?.clamp(0.0, 1.0);
    let mut trajectory = run.trajectory;
    if every.is_some_and(|every| !options.steps.is_multiple_of(every)) {
        trajectory.push(images.clone());
    }
    let energies = score::energies(&given, images.clone());
    if let Some(&energy) = energies.iter().find(|energy| !energy.is_finite()) {
        return Err(SampleError::Diverged { energy });
    }
    Ok(Samples {
        images,
        trajectory,
        energies,
        acceptance: None,
    })
}

/// The images, where all of their pixels are finite: a clip would hide one that is not.
fn finite(images: Tensor<4>) -> Result<Tensor<4>, SampleError> {
    let energy = images.clone().sum().into_scalar::<f32>();
    match energy.is_finite() {
        true => Ok(images),
        false => Err(SampleError::Diverged { energy }),
    }
}
