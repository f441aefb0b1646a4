//! Begin descents of E(x, ·) at several z, as the nearest minimum is not always the least.

use core::ops::Range;

use burn::tensor::{Device, Tensor};
use ebm_core::{DeviceKind, pieces_of};
use ebm_langevin::{StepCounter, normal_latents_of};
use ebm_model::{DescentSteps, Inference, Minimum, Posterior, descend};

use super::{Explained, Explainer, InferError, check_finite, each_repeated, rows};

/// The most steps of a descent, where there are several starts.
const MOST_STEPS: usize = 500;
/// Descents that are one batch on a CPU: enough to fill its vectors.
const AT_A_TIME: usize = 8;

/// From where the z of least energy is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchOptions {
    /// Starts of each image, at least 1: z = 0, and draws of N(0, I), the same for every image.
    pub starts: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            starts: 16,
            seed: 0,
        }
    }
}

impl SearchOptions {
    /// These options.
    ///
    /// # Panics
    /// If there is no start.
    pub(super) fn checked(self) -> Self {
        assert!(self.starts > 0, "expected at least one start");
        self
    }

    /// How each descends: as the model does from z = 0 alone, whose energy is then E(x).
    fn steps(self, inference: Inference) -> DescentSteps {
        let own = inference.descent();
        match self.starts {
            1 => own,
            _ => DescentSteps {
                most: own.most.max(MOST_STEPS),
                ..own
            },
        }
    }

    /// The most gradients of an image.
    pub(super) fn gradients(self, inference: Inference) -> usize {
        self.starts * (self.steps(inference).most + 1)
    }
}

impl Explainer {
    /// The z of least energy of each image that descents from several starts find; where there is one start, that of
    /// [`explain`](Self::explain). `counter` counts gradients.
    ///
    /// # Shapes
    /// - `images`, `known`: `[images, channels, height, width]`, pixels in [0, 1]
    ///
    /// # Errors
    /// As [`explain`](Self::explain), where the energy at the end of any descent is not finite.
    ///
    /// # Panics
    /// If there is no start.
    pub fn search(
        &self,
        images: &Tensor<4>,
        known: Option<&Tensor<4>>,
        options: SearchOptions,
        counter: StepCounter,
    ) -> Result<Explained, InferError> {
        let starts = options.checked().starts;
        let (num, inference) = (images.dims()[0], self.energy().inference());
        if starts == 1 {
            let found = self.explain(images, known)?;
            counter.add(num * inference.steps);
            return Ok(found);
        }
        let at_once = (self.at_once / starts).max(1);
        self.each_some(num, at_once, |some| {
            let known = known.map(|known| each_repeated(&rows(known, &some), starts));
            let of_all = self.posterior(each_repeated(&rows(images, &some), starts), known)?;
            let of_some = some.len();
            let minima = minima_of(&of_all, of_some, inference, &self.device, options, &counter);
            let energies: Vec<f32> = minima.iter().map(|minimum| minimum.energy).collect();
            check_finite(&energies, |row| some.start + row / starts)?;
            let least = least_of_each(&minima, starts);
            Ok(Explained {
                latents: Minimum::latents_of(
                    least.iter().copied(),
                    of_all.num_latents(),
                    &self.device,
                ),
                energies: least.iter().map(|minimum| minimum.energy).collect(),
            })
        })
    }

    /// The most gradients that [`search`](Self::search) takes of an image.
    pub fn search_gradients(&self, options: SearchOptions) -> u64 {
        options.gradients(self.energy().inference()) as u64
    }
}

/// Where descents end, from every start of every image: those of an image follow each other, that of z = 0 first.
/// `of_all` has a row for each.
///
/// They are those of E(x), with more steps, so that the least of an image is never above its E(x), but for rounding.
pub(super) fn minima_of(
    of_all: &Posterior<'_>,
    images: usize,
    inference: Inference,
    device: &Device,
    options: SearchOptions,
    counter: &StepCounter,
) -> Vec<Minimum> {
    let starts = options.starts;
    let of_image = starts_of(options, of_all.num_latents(), device);
    let begun = Tensor::cat(vec![of_image; images], 0);
    let pieces = pieces(device, images, starts);
    descend(of_all, &begun, pieces, options.steps(inference), counter)
}

/// z = 0, and draws of N(0, I), each with the random numbers of its place, so that more starts begin with the same ones,
/// `[starts, latents]`.
fn starts_of(
    SearchOptions { starts, seed }: SearchOptions,
    latents: usize,
    device: &Device,
) -> Tensor<2> {
    let zero = Tensor::zeros([1, latents], device);
    if starts == 1 {
        return zero;
    }
    let draws = normal_latents_of(1..starts as u32, latents, seed, device);
    Tensor::cat(vec![zero, draws], 0)
}

/// Rows that descend together: on a CPU of one image each, so that what is found of it does not depend on the others.
fn pieces(device: &Device, images: usize, starts: usize) -> Vec<Range<usize>> {
    if !DeviceKind::is_cpu(device) {
        return pieces_of(images * starts, images * starts);
    }
    let of_image = |image: usize| {
        let first = image * starts;
        let some = pieces_of(starts, AT_A_TIME).into_iter();
        some.map(move |some| first + some.start..first + some.end)
    };
    (0..images).flat_map(of_image).collect()
}

/// The least of the minima of each image, of equal ones the first.
pub(super) fn least_of_each(minima: &[Minimum], starts: usize) -> Vec<&Minimum> {
    let images = minima.chunks(starts).map(|of_image| of_image.iter());
    let least = images
        .filter_map(|of_image| of_image.min_by(|one, other| one.energy.total_cmp(&other.energy)));
    least.collect()
}
