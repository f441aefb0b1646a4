//! Find missing pixels by an energy, the others as they are.
//!
//! Of an energy that has learned to denoise, the missing pixels descend on its mean over noise around the picture, less
//! and less of it: Renaud et al., *Plug-and-play image restoration with stochastic denoising regularization* (2024). Or
//! they are drawn: the picture comes down from noise to none, its known pixels with as much noise as the others have at
//! each time: Kadkhodaie & Simoncelli, *Stochastic solutions for linear inverse problems using the prior implicit in a
//! denoiser* (2021), algorithm 2. Any other energy is sampled given the known pixels, with the steps of its run
//! (`chains`). A [`Mask`] says what is missing; [`find_scratches`] makes one.

mod chains;
mod scratches;

use ebm_core::{Distribution, NoiseKey, Stream};
use ebm_data::Planes;
use ebm_langevin::Noise;
use thiserror::Error;

use crate::denoise::{DenoiseError, Denoiser, root_mean_square};

pub(crate) use chains::MissingPixels;
pub use scratches::{ScratchOptions, ScratchTone, find_scratches};

/// σ of the noise around a picture that descends, at first and in the end.
const DESCENT_SIGMAS: [f64; 2] = [0.2, 0.02];
/// Steps of a descent.
const DESCENT_STEPS: u32 = 40;
/// The share of the way to the denoised picture that a step of a descent takes.
const DESCENT_RATE: f32 = 0.4;

/// σ of the noise from which a picture comes down, of an energy that is not told σ.
const FIRST_SIGMA: f64 = 0.3;
/// σ at which the noise is gone.
const LAST_SIGMA: f64 = 0.01;
/// h₀: the share of the noise that the first step takes away; later ones take more.
const FIRST_STEP: f64 = 0.1;
/// β: how much faster noise goes away than it comes; 1 for steps without noise.
const BETA: f64 = 0.5;
/// The most steps that are taken.
pub(crate) const MOST_STEPS: u32 = 100;
/// Key of [`Stream::Sample`] for the noise of the first state; those of the steps follow.
const NOISE: u32 = 3000;

/// Which pixels of a picture are missing, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Whether a pixel is missing, `[height, width]`.
    pub missing: Vec<bool>,
    /// Height and width.
    pub size: [usize; 2],
}

/// A picture that cannot be restored.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The mask is of another size than the picture.
    #[error("the mask is {} by {}, and the picture is {} by {}", mask[1], mask[0], picture[1], picture[0])]
    OtherMask {
        /// Height and width of the mask.
        mask: [usize; 2],
        /// Height and width of the picture.
        picture: [usize; 2],
    },
    /// No pixel is missing.
    #[error("the mask is empty: no pixel of the picture is missing")]
    NothingMissing,
    /// Every pixel is missing.
    #[error("the mask covers the whole picture: nothing is left to restore it from")]
    NothingKnown,
    /// The energy cannot take the picture.
    #[error(transparent)]
    Picture(#[from] DenoiseError),
    /// The picture is grey and the model of colours, or the other way round.
    #[error("this model takes images {}, and the picture is {}", in_tone(*expected), in_tone(*got))]
    OtherChannels {
        /// Channels that the model takes.
        expected: usize,
        /// Those of the picture.
        got: usize,
    },
    /// The run draws images along a path from noise, on which known pixels would have noise, too.
    #[error("with {key} a run draws whole images, from noise on, and cannot keep known pixels")]
    OnlyWhole {
        /// The key of its configuration that has it so, and its value.
        key: String,
    },
    /// An energy is not finite.
    #[error("sampling diverged: a pixel is {value}")]
    Diverged {
        /// The first pixel that is not finite.
        value: f32,
    },
}

/// What pictures of so many channels are in.
fn in_tone(channels: usize) -> &'static str {
    match channels {
        1 => "in grey",
        _ => "in colour",
    }
}

/// How missing pixels are found by an energy that has learned to denoise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestoreMethod {
    /// Descent, which ends where the picture is likely: near to the truth, and smooth.
    #[default]
    Descent,
    /// Draws: each as rough as pictures are, and different from the others where the known pixels leave a choice.
    Draws,
}

impl RestoreMethod {
    /// The most steps of a restoration.
    fn steps(self) -> usize {
        match self {
            Self::Descent => DESCENT_STEPS as usize,
            Self::Draws => MOST_STEPS as usize,
        }
    }
}

/// How a picture is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreOptions {
    /// How; chains always draw.
    pub method: RestoreMethod,
    /// Restorations; above 0.
    pub samples: usize,
    /// Seed of their noise.
    pub seed: u64,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            method: RestoreMethod::default(),
            samples: 1,
            seed: 0,
        }
    }
}

/// Restorations of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// The picture with its missing pixels put in, as often as asked for.
    pub samples: Vec<Planes>,
}

impl Restored {
    /// The mean of all restorations: of several, nearer to the truth than each of them.
    pub fn mean(&self) -> Planes {
        let mut mean = self.samples[0].clone();
        for (place, value) in mean.pixels.iter_mut().enumerate() {
            let sum: f32 = self.samples.iter().map(|sample| sample.pixels[place]).sum();
            *value = sum / self.samples.len() as f32;
        }
        mean
    }

    /// How much the restorations differ: the root of the mean over channels of the variances of a pixel's values,
    /// `[height, width]`; 0 for one alone.
    pub fn spread(&self) -> Vec<f32> {
        let (mean, num) = (self.mean(), self.samples.len());
        let shape = mean.shape;
        let plane = shape.height * shape.width;
        let variance = |place: usize| -> f32 {
            let squares = self
                .samples
                .iter()
                .map(|sample| (sample.pixels[place] - mean.pixels[place]).powi(2));
            squares.sum::<f32>() / (num.max(2) - 1) as f32
        };
        (0..plane)
            .map(|pixel| {
                let channels = (0..shape.channels).map(|channel| variance(channel * plane + pixel));
                (channels.sum::<f32>() / shape.channels as f32).sqrt()
            })
            .collect()
    }
}

/// A pixel and its neighbours, of eight those that there are.
fn around(place: usize, [height, width]: [usize; 2]) -> impl Iterator<Item = usize> {
    let (row, column) = (place / width, place % width);
    let rows = row.saturating_sub(1)..(row + 2).min(height);
    let columns = column.saturating_sub(1)..(column + 2).min(width);
    rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
}

/// The picture with each missing pixel the mean of its neighbours, from the edges of what is missing inwards.
fn filled(picture: &Planes, mask: &Mask) -> Planes {
    let [height, width] = mask.size;
    let mut filled = picture.clone();
    let mut missing = mask.missing.clone();
    let mut left: Vec<usize> = (0..missing.len()).filter(|&place| missing[place]).collect();
    while !left.is_empty() {
        let is_edge = |&place: &usize| around(place, mask.size).any(|near| !missing[near]);
        let (edge, inside): (Vec<usize>, Vec<usize>) = left.into_iter().partition(is_edge);
        for plane in filled.pixels.chunks_mut(height * width) {
            let mean_around = |&place: &usize| {
                let known = around(place, mask.size).filter(|&near| !missing[near]);
                let (sum, num) =
                    known.fold((0.0, 0), |(sum, num), near| (sum + plane[near], num + 1));
                sum / num as f32
            };
            let values: Vec<f32> = edge.iter().map(mean_around).collect();
            for (&place, value) in edge.iter().zip(values) {
                plane[place] = value;
            }
        }
        edge.into_iter().for_each(|place| missing[place] = false);
        left = inside;
    }
    filled
}

/// The noise of a restoration.
#[derive(Clone, Copy, Debug)]
struct RestorationNoise {
    seed: u64,
    /// The restoration, from 0.
    sample: u32,
    /// Channels that the model sees together. Others have the same noise, so that colours by themselves do not part.
    channels: usize,
}

impl RestorationNoise {
    /// Add the noise of a step, of standard deviation `sigma`.
    fn add(self, x: &mut Planes, step: u32, sigma: f64) {
        let noise = Noise {
            key: NoiseKey::new(self.seed, Stream::Sample, NOISE + step),
            distribution: Distribution::Normal,
            scale: sigma as f32,
        };
        let plane = x.shape.height * x.shape.width;
        let draws = noise.of_batch(&[self.sample], self.channels * plane);
        for (value, draw) in x.pixels.iter_mut().zip(draws.iter().cycle()) {
            *value += draw;
        }
    }
}

/// Check that some of a picture is missing, and some known.
fn checked(picture: &Planes, mask: &Mask) -> Result<(), RestoreError> {
    let size = [picture.shape.height, picture.shape.width];
    if mask.size != size {
        return Err(RestoreError::OtherMask {
            mask: mask.size,
            picture: size,
        });
    }
    if !mask.missing.contains(&true) {
        return Err(RestoreError::NothingMissing);
    }
    if !mask.missing.contains(&false) {
        return Err(RestoreError::NothingKnown);
    }
    Ok(())
}

impl Denoiser {
    /// Put in what is missing of a picture. `report` is told of every step of every restoration: how many are done,
    /// of how many at most.
    ///
    /// # Errors
    /// Where nothing or all is missing, the mask is of another size, or the model cannot take the picture.
    pub fn restore(
        &self,
        picture: &Planes,
        mask: &Mask,
        options: &RestoreOptions,
        report: &mut dyn FnMut(usize, usize),
    ) -> Result<Restored, RestoreError> {
        checked(picture, mask)?;
        let start = filled(picture, mask);
        let steps = options.method.steps();
        let samples = (0..options.samples).map(|sample| {
            let mut of_sample =
                |step: u32| report(sample * steps + step as usize, options.samples * steps);
            let noise = RestorationNoise {
                seed: options.seed,
                sample: sample as u32,
                channels: self.channels(),
            };
            match options.method {
                RestoreMethod::Descent => self.descent(&start, mask, noise, &mut of_sample),
                RestoreMethod::Draws => self.draw(&start, mask, noise, &mut of_sample),
            }
        });
        Ok(Restored {
            samples: samples.collect::<Result<_, _>>()?,
        })
    }

    /// One draw of an image's missing pixels, number `sample` of its seed.
    pub(crate) fn drawn(
        &self,
        image: &Planes,
        mask: &Mask,
        seed: u64,
        sample: u32,
    ) -> Result<Planes, RestoreError> {
        let channels = self.channels();
        let noise = RestorationNoise {
            seed,
            sample,
            channels,
        };
        self.draw(&filled(image, mask), mask, noise, &mut |_| {})
    }

    /// x ← x + r·(D(x + σn) − x) for the missing pixels, D the denoised picture, σ from the first to the last.
    fn descent(
        &self,
        start: &Planes,
        mask: &Mask,
        noise: RestorationNoise,
        report: &mut dyn FnMut(u32),
    ) -> Result<Planes, RestoreError> {
        let plane = mask.missing.len();
        let [first, last] = DESCENT_SIGMAS;
        let mut x = start.clone();
        for step in 0..DESCENT_STEPS {
            let share = f64::from(step) / f64::from(DESCENT_STEPS - 1);
            let sigma = first * (last / first).powf(share);
            let mut noisy = x.clone();
            noise.add(&mut noisy, step, sigma);
            let found = self.noise_of(&noisy, sigma)?;
            for (place, value) in x.pixels.iter_mut().enumerate() {
                if mask.missing[place % plane] {
                    let denoised = noisy.pixels[place] - found[place];
                    *value += DESCENT_RATE * (denoised - *value);
                }
            }
            report(step + 1);
        }
        Ok(x)
    }

    /// One draw of the missing pixels, given the known ones.
    fn draw(
        &self,
        start: &Planes,
        mask: &Mask,
        noise: RestorationNoise,
        report: &mut dyn FnMut(u32),
    ) -> Result<Planes, RestoreError> {
        let plane = mask.missing.len();
        let (mut x, mut sigma) = (start.clone(), self.largest_sigma().unwrap_or(FIRST_SIGMA));
        noise.add(&mut x, 0, sigma);
        for step in 1..=MOST_STEPS {
            let mut descent = self.noise_of(&x, sigma)?;
            for (place, value) in descent.iter_mut().enumerate() {
                if !mask.missing[place % plane] {
                    *value = x.pixels[place] - start.pixels[place];
                }
            }
            sigma = root_mean_square(&descent);
            let h = FIRST_STEP * f64::from(step) / (1.0 + FIRST_STEP * f64::from(step - 1));
            for (value, descent) in x.pixels.iter_mut().zip(&descent) {
                *value -= h as f32 * descent;
            }
            report(step);
            if sigma < LAST_SIGMA {
                sigma *= 1.0 - h;
                break;
            }
            let gamma = ((1.0 - BETA * h).powi(2) - (1.0 - h).powi(2)).sqrt() * sigma;
            noise.add(&mut x, step, gamma);
            sigma *= 1.0 - BETA * h;
        }
        // The rest of the noise.
        let descent = self.noise_of(&x, sigma)?;
        for (place, value) in x.pixels.iter_mut().enumerate() {
            *value = match mask.missing[place % plane] {
                true => *value - descent[place],
                false => start.pixels[place],
            };
        }
        report(MOST_STEPS);
        Ok(x)
    }
}

#[cfg(test)]
mod tests;
