//! Descend on the energy of a picture's patches and the tie to what was observed: the likeliest clean picture.

use ebm_data::Planes;
use ebm_model::OverPatches;

use super::{DenoiseError, Denoiser};

/// Fewest and most steps of a descent.
const STEPS: [f64; 2] = [20.0, 200.0];
/// Steps over the root of the condition number: what is left of the way is then a few parts in a hundred.
const STEPS_PER_ROOT: f64 = 6.0;

impl Denoiser {
    /// What a descent on E(x) + ‖x − y‖²/2σ² takes off a picture y, of its shape; σ of each of the images as which it is
    /// taken.
    ///
    /// Steps of 1/(L + 1/σ²), L the steepness of E, from where momentum has led (Nesterov 1983), which is held to what
    /// the curvature 1/σ² of the tie allows.
    pub(super) fn taken_by_prior(
        &self,
        prior: &OverPatches,
        picture: &Planes,
        sigmas: &[f64],
        report: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f32>, DenoiseError> {
        if !prior.steepness().is_finite() {
            return Err(DenoiseError::Damaged);
        }
        let of_image = picture.pixels.len() / sigmas.len();
        let ways: Vec<Way> = sigmas.iter().map(|&sigma| Way::new(prior, sigma)).collect();
        let steps = ways.iter().map(Way::steps).max().unwrap_or(1);
        let (mut x, mut ahead) = (picture.clone(), picture.clone());
        for step in 0..steps {
            let mut of_step = |done, parts| report(step * parts + done, steps * parts);
            let slopes = self.gradient(&ahead, &[], &mut of_step)?;
            let images = x.pixels.chunks_mut(of_image).zip(&ways);
            let images = images.zip(ahead.pixels.chunks_mut(of_image));
            let given = slopes.chunks(of_image).zip(picture.pixels.chunks(of_image));
            for (((x, way), ahead), (slopes, observed)) in images.zip(given) {
                way.go(step, [x, ahead], [slopes, observed]);
            }
        }
        let pairs = picture.pixels.iter().zip(&x.pixels);
        Ok(pairs.map(|(before, after)| before - after).collect())
    }
}

/// How a picture with noise of one strength descends.
struct Way {
    /// 1/σ².
    tie: f64,
    /// How far a step goes down the slope.
    rate: f64,
    /// The root of the condition number, √((L + 1/σ²)·σ²).
    root: f64,
}

impl Way {
    fn new(prior: &OverPatches, sigma: f64) -> Self {
        // A picture without noise is tied to itself.
        let tie = (sigma * sigma).max(f64::from(f32::MIN_POSITIVE)).recip();
        let steepest = prior.steepness() + tie;
        Self {
            tie,
            rate: steepest.recip(),
            root: (steepest / tie).sqrt(),
        }
    }

    fn steps(&self) -> usize {
        (STEPS_PER_ROOT * self.root).clamp(STEPS[0], STEPS[1]) as usize
    }

    /// One step, from the slopes of the energy ahead.
    fn go(&self, step: usize, [x, ahead]: [&mut [f32]; 2], [slopes, observed]: [&[f32]; 2]) {
        let most = (self.root - 1.0) / (self.root + 1.0);
        let momentum = (step as f64 / (step + 3) as f64).min(most);
        let places = x.iter_mut().zip(ahead).zip(slopes.iter().zip(observed));
        for ((x, ahead), (&slope, &observed)) in places {
            let at = f64::from(*ahead);
            let tied = self.tie * (at - f64::from(observed));
            let next = at - self.rate * (f64::from(slope) + tied);
            *ahead = (next + momentum * (next - f64::from(*x))) as f32;
            *x = next as f32;
        }
    }
}
