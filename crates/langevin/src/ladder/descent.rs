//! Draw samples: come down all levels, from noise to images with hardly any.

use burn::tensor::Tensor;
use ebm_core::{Energy, NoiseKey, Stream};

use super::levels::Ladder;
use crate::sampler::{ChainRun, Sampler};

/// Key of [`Stream::Sample`] of the chains at level 0; the others follow.
const LEVELS: u32 = 2000;

/// The sampler of a level outside training: `num_steps` steps, with random numbers of the level's own.
pub fn sampler_of_level(num_steps: usize, seed: u64, level: u32) -> Sampler {
    let key = NoiseKey::new(seed, Stream::Sample, LEVELS + level);
    Sampler::new(Ladder::steps(num_steps), key)
}

impl Ladder {
    /// Images at level 0, from `start`, the noise above the top level: at each level from the top on chains as
    /// [`recover`](Self::recover) runs them, from the image of the level above, then x − ½ = (y − ½)/a (Gao et al.
    /// 2021, algorithm 2). Nothing is clipped, and the noise of level 0, 0.005, is left.
    ///
    /// `sampler_at` gives the sampler of a level, such as [`sampler_of_level`], and `energy_at` the energy of all
    /// images there. A trajectory has the start, and from each level what its sampler keeps.
    ///
    /// # Shapes
    /// - `start`: `[batch, ..]`, not tracked by autodiff; what returns is of that shape
    ///
    /// # Panics
    /// If there are not as many `ids` as images.
    pub fn descend<const D: usize, E: Energy<D>>(
        &self,
        start: Tensor<D>,
        ids: &[u32],
        sampler_at: impl Fn(u32) -> Sampler,
        energy_at: impl Fn(u32) -> E,
    ) -> ChainRun<D> {
        let mut trajectory: Vec<Tensor<D>> = Vec::new();
        let mut run = ChainRun {
            x: start,
            stats: None,
            trajectory: Vec::new(),
            last_step: None,
        };
        for (number, level) in self.levels().iter().enumerate().rev() {
            let number = number as u32;
            let levels = vec![number; ids.len()];
            let energy = energy_at(number);
            let image_of = |y: Tensor<D>| (y - 0.5) / level.scale + 0.5;
            let ended = self.recover(&sampler_at(number), &levels, run.x, ids, &energy);
            run = ChainRun {
                x: image_of(ended.x.clone()),
                ..ended
            };
            // The first state of a level is the last one of the level above.
            let known = usize::from(!trajectory.is_empty());
            let frames = core::mem::take(&mut run.trajectory).into_iter();
            trajectory.extend(frames.skip(known).map(image_of));
        }
        ChainRun { trajectory, ..run }
    }
}
