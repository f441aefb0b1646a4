//! Take noise off pictures of any size with an energy that has learned to.
//!
//! One step: x̂ = y − s·∇E(y), the mean of the clean pictures that y may come from (Miyasawa 1961; Raphan &
//! Simoncelli, *Least squares estimation without priors or supervision*, 2011, eq. 2.6), with the s for which the
//! energy was trained, and the σ of the noise told to one that takes it: [`Denoising`](ebm_train::Denoising). Or a
//! descent towards a likely picture: on the energy of x and ‖x − y‖²/2σ² ([`DenoiseMethod::Descent`]). Experts, whose
//! energy is of clean patches, descend on that of all patches of a picture.

mod noise;
mod prior;
mod tiles;

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::ImageShape;
use ebm_data::Planes;
use ebm_model::{Experts, Frozen, Locality, Network, OverPatches};
use ebm_train::Config;
use thiserror::Error;

use crate::exchange;
use crate::score;
use crate::trained::{Trained, Weights};
use tiles::{Tile, mirrored, tiles};

pub use noise::noise_level;

/// The preset with which the model that comes with the program was trained.
const SHIPPED_PRESET: &str = "photos";
/// Its weights.
const SHIPPED: &[u8] = include_bytes!("../../../assets/models/photos.safetensors");

/// Sides of the smallest and the largest tile, in pixels, the margins that it shares with its neighbours included.
const TILES: [usize; 2] = [128, 512];

/// Elements that the layers of a network may give for a tile, of which its gradient needs a few copies.
const ELEMENTS_OF_TILE: usize = 1 << 26;

/// How many times more than it finds a model takes away where it is told so.
const MOST_FACTOR: f64 = 2.0;

/// Steps of a descent, and the share of the way to the least energy at the present σ′ that each takes.
const DESCENT_STEPS: usize = 16;
const DESCENT_RATE: f64 = 0.5;
/// σ that an energy is told in the last step of a descent, over that of the noise.
const DESCENT_LAST: f64 = 0.25;

/// Images of a tile's size that are computed at a time.
const BATCH: usize = 4;

/// A picture that cannot be denoised, or a model that cannot denoise.
#[derive(Debug, Error)]
pub enum DenoiseError {
    /// The model learned something else.
    #[error("this model has not learned to denoise: it was trained with `objective.kind={kind}`")]
    NotADenoiser {
        /// What it was trained with.
        kind: String,
    },
    /// The model is for images of one size.
    #[error("this model takes images of {} by {} alone, and the picture is {} by {}", expected.width, expected.height, got.width, got.height)]
    OtherSize {
        /// What the model takes.
        expected: ImageShape,
        /// The picture's.
        got: ImageShape,
    },
    /// Neither a grey picture nor one in colour.
    #[error("pictures have 1 channel or 3, and this one has {got}")]
    OtherChannels {
        /// Its channels.
        got: usize,
    },
    /// A value is infinite or no number.
    #[error("value {place} of the picture is {value}")]
    NotFinite {
        /// The first such value, counted from 0 through planes, their rows and columns.
        place: usize,
        /// What it is.
        value: f32,
    },
    /// A descent needs energies at several σ.
    #[error(
        "a descent is for a model that is told the noise, which this one is not (`objective.noise_conditional`)"
    )]
    NotTold,
    /// The model has the energy of clean pictures alone, and a mean takes energies at many σ.
    #[error("this model gives a likely clean picture, and no mean of those that it may be")]
    NoMean,
    /// Noise is added to pixels, and the model sees their logarithms.
    #[error(
        "this model sees logarithms of pixels (`model.intensity`), and pictures that it would clean have noise in the pixels themselves"
    )]
    NotLinear,
    /// Values are so large that the energy's slopes are not finite.
    #[error(
        "the slopes of the energy are not finite: values of the picture are too far from 0 and 1"
    )]
    TooLarge,
    /// Weights of experts are not finite.
    #[error("the energy has no steepness: weights of the model are not finite")]
    Damaged,
}

/// Which of the clean pictures that a noisy one may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DenoiseMethod {
    /// Their mean, by one step: nearest to the truth on average, and soft where they differ.
    #[default]
    Mean,
    /// A likely one, by descent: on −log p(x) + ‖x − y‖²/2σ², p the law of pictures with less and less noise σ′, whose
    /// slope is s∇E(x, σ′)/σ′². Sharper edges, and plainer areas; for an energy that is told the noise. Of experts, p is
    /// the law of clean patches from the first step on.
    Descent,
}

/// How a picture is denoised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenoiseOptions {
    /// Which of the pictures that it may come from.
    pub method: DenoiseMethod,
    /// σ of the noise, for values from 0 to 1: above 0; `None` to leave it to the model, or to measure it where
    /// the model has to be told.
    pub sigma: Option<f64>,
    /// How much of the noise is taken away: 1 for what the model finds, 0 for nothing.
    pub strength: f64,
}

impl Default for DenoiseOptions {
    fn default() -> Self {
        Self {
            method: DenoiseMethod::default(),
            sigma: None,
            strength: 1.0,
        }
    }
}

impl From<f64> for DenoiseOptions {
    /// The mean of the clean pictures, given σ of the noise: above 0, for values from 0 to 1.
    fn from(sigma: f64) -> Self {
        Self {
            sigma: Some(sigma),
            ..Self::default()
        }
    }
}

/// A picture without its noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Denoised {
    /// The picture; values may lie a little outside 0 and 1.
    pub planes: Planes,
    /// σ of the noise as given or measured, of several images the root mean square; `None` where the model found it by
    /// itself.
    pub sigma: Option<f64>,
    /// Standard deviation of what was taken away.
    pub taken: f64,
}

/// An energy as a denoiser.
#[derive(Debug)]
pub struct Denoiser {
    energy: Frozen<Network>,
    shape: ImageShape,
    locality: Option<Locality>,
    /// The energy of pictures, where the network is one of patches.
    prior: Option<OverPatches>,
    /// σ₀ where the step of all noise is σ₀²∇E.
    reference: Option<f64>,
    /// The least and the greatest σ that the energy has learned to be told; `None` where it is not told.
    sigma_range: Option<[f64; 2]>,
    /// Side of the largest tile.
    tile: usize,
    device: Device,
}

impl Denoiser {
    /// The model that comes with the program: for photographs with Gaussian noise of up to 75/255, whose strength it is
    /// told; grey, and each colour by itself.
    pub fn shipped(device: &Device) -> Self {
        let whole = "the model that comes with the program is whole, as its tests say";
        let config = Config::resolve(SHIPPED_PRESET, None, &[]).expect(whole);
        let name = Path::new("photos.safetensors");
        let model = exchange::model(SHIPPED, name, &config, device).expect(whole);
        Self::new(&config, model, config.data.native_shape(), device)
    }

    /// The denoiser of a run.
    ///
    /// # Errors
    /// Where it is neither of experts nor was trained with the objective `denoising`, or of experts on logarithms.
    pub fn of(trained: &Trained, weights: Weights) -> Result<Self, DenoiseError> {
        let config = trained.config();
        let (energy, shape) = (trained.energy(weights), trained.shape());
        let is_of_patches = energy.experts().is_some();
        if !is_of_patches && !trained.is_denoiser() {
            let kind = config.objective.kind.to_string();
            return Err(DenoiseError::NotADenoiser { kind });
        }
        let denoiser = Self::new(config, energy, shape, trained.device());
        match is_of_patches && denoiser.prior.is_none() {
            true => Err(DenoiseError::NotLinear),
            false => Ok(denoiser),
        }
    }

    fn new(config: &Config, energy: Frozen<Network>, shape: ImageShape, device: &Device) -> Self {
        let prior = energy.experts().and_then(Experts::over_patches);
        let of_patches = prior.as_ref().map(OverPatches::locality);
        Self {
            locality: of_patches.or(energy.locality()),
            tile: largest_tile(&energy, shape),
            energy,
            shape,
            reference: config.objective.noise_reference.filter(|_| prior.is_none()),
            prior,
            sigma_range: (config.objective.tells_noise())
                .then_some([config.objective.noise_min, config.objective.noise_max]),
            device: device.clone(),
        }
    }

    /// Compute in tiles of this side, their margins included, instead of what suits the network: the same picture in
    /// less memory.
    pub fn with_tile(mut self, side: usize) -> Self {
        self.tile = side;
        self
    }

    /// Whether it finds the strength of the noise by itself.
    pub fn is_blind(&self) -> bool {
        self.reference.is_some() && self.sigma_range.is_none()
    }

    /// Refuse a method that is not for this model, whatever the picture.
    ///
    /// # Errors
    /// Of experts, for the mean; of an energy that is not told the noise, for a descent.
    pub fn check(&self, method: DenoiseMethod) -> Result<(), DenoiseError> {
        match (method, &self.prior) {
            (DenoiseMethod::Mean, Some(_)) => Err(DenoiseError::NoMean),
            (DenoiseMethod::Descent, None) if self.sigma_range.is_none() => {
                Err(DenoiseError::NotTold)
            }
            _ => Ok(()),
        }
    }

    /// The greatest σ that the energy has learned to be told, for values from 0 to 1, where it is told.
    pub fn largest_sigma(&self) -> Option<f64> {
        self.sigma_range.map(|[_, most]| most)
    }

    /// Channels of the images that the energy takes.
    pub fn channels(&self) -> usize {
        self.shape.channels
    }

    /// The picture without its noise. A model of grey images takes each colour by itself; one of colours takes a
    /// grey picture as three equal ones. An energy whose step depends on σ, and that is given none, has it measured
    /// ([`noise_level`]), of each image that it takes; a σ outside the range that it has learned is told as the nearest
    /// end, and of one below that range less is taken off, in proportion to σ². `report` is told of every part of the
    /// work: how many are done, of how many.
    ///
    /// # Errors
    /// Where the model cannot take the picture, or it holds what is no number.
    ///
    /// # Panics
    /// If the picture has no pixels, or not as many as its shape says.
    pub fn denoise(
        &self,
        picture: &Planes,
        options: DenoiseOptions,
        report: &mut dyn FnMut(usize, usize),
    ) -> Result<Denoised, DenoiseError> {
        self.check(options.method)?;
        let sigmas = match options.sigma {
            Some(sigma) => Some(vec![sigma]),
            None if self.is_blind() => None,
            None => Some(self.measured(picture)),
        };
        let taken = match (options.method, &self.prior) {
            (DenoiseMethod::Mean, _) => self.taken_by_step(picture, sigmas.as_deref(), report)?,
            (DenoiseMethod::Descent, prior) => {
                let sigmas = sigmas.as_deref().ok_or(DenoiseError::NotTold)?;
                match prior {
                    Some(prior) => self.taken_by_prior(prior, picture, sigmas, report)?,
                    None => self.taken_by_descent(picture, sigmas, report)?,
                }
            }
        };
        let strength = options.strength as f32;
        let taken: Vec<f32> = taken.iter().map(|value| strength * value).collect();
        let mut planes = picture.clone();
        for (value, taken) in planes.pixels.iter_mut().zip(&taken) {
            *value -= taken;
        }
        Ok(Denoised {
            sigma: sigmas.map(|sigmas| {
                let squares: f64 = sigmas.iter().map(|sigma| sigma * sigma).sum();
                (squares / sigmas.len() as f64).sqrt()
            }),
            taken: root_mean_square(&taken),
            planes,
        })
    }

    /// What one step takes off a picture, of its shape: σ²·s, with the slope s = −∇log p_σ(y) of pictures with noise σ,
    /// where the energy gives σ₀²∇E(y, σ) = σ²·s.
    ///
    /// Of σ below the least σₗ that the energy is told, it knows no slope, and that at σₗ stands for it: σ²·s = σ₀²∇E(y,
    /// σₗ)·(σ/σₗ)². So the step goes on from that at σₗ without a jump, and to nothing with the noise.
    fn taken_by_step(
        &self,
        picture: &Planes,
        sigmas: Option<&[f64]>,
        report: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f32>, DenoiseError> {
        let mut gradient = self.gradient(picture, sigmas.unwrap_or_default(), report)?;
        let steps = match (self.reference, sigmas) {
            (Some(reference), Some(sigmas)) if self.is_blind() => {
                let found = reference * reference;
                let asked = sigmas[0] / root_mean_square(&gradient); // infinite where there is no slope
                vec![asked.min(MOST_FACTOR * found)]
            }
            (Some(reference), None) => vec![reference * reference],
            (_, sigmas) => {
                let sigmas = sigmas.into_iter().flatten();
                sigmas.map(|sigma| self.step_of(*sigma)).collect()
            }
        };
        let of_step = gradient.len() / steps.len();
        for (slopes, step) in gradient.chunks_mut(of_step).zip(&steps) {
            slopes.iter_mut().for_each(|slope| *slope *= *step as f32);
        }
        Ok(gradient)
    }

    /// What a descent takes off a picture, of its shape.
    fn taken_by_descent(
        &self,
        picture: &Planes,
        sigmas: &[f64],
        report: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f32>, DenoiseError> {
        let [least, most] = self.sigma_range.ok_or(DenoiseError::NotTold)?;
        let mut x = picture.clone();
        let of_image = x.pixels.len() / sigmas.len();
        for step in 0..DESCENT_STEPS {
            let share = step as f64 / (DESCENT_STEPS - 1) as f64;
            let told = |sigma: &f64| (sigma * DESCENT_LAST.powf(share)).clamp(least, most);
            let all_told: Vec<f64> = sigmas.iter().map(told).collect();
            let mut of_step = |done, parts| report(step * parts + done, DESCENT_STEPS * parts);
            let noise = self.taken_by_step(&x, Some(&all_told), &mut of_step)?;
            let images = x
                .pixels
                .chunks_mut(of_image)
                .zip(picture.pixels.chunks(of_image));
            let images = images
                .zip(noise.chunks(of_image))
                .zip(sigmas.iter().zip(&all_told));
            for (((x, observed), noise), (sigma, told)) in images {
                // Slopes of the law of pictures and of the tie, times a step of r·σ²σ′²/(σ² + σ′²).
                let [squared, told_squared] = [sigma * sigma, told * told];
                let [to_law, to_tie] = [squared, told_squared]
                    .map(|it| (DESCENT_RATE * it / (squared + told_squared)) as f32);
                for ((value, observed), noise) in x.iter_mut().zip(observed).zip(noise) {
                    *value -= to_law * noise + to_tie * (*value - observed);
                }
            }
        }
        let pairs = picture.pixels.iter().zip(&x.pixels);
        Ok(pairs.map(|(before, after)| before - after).collect())
    }

    /// σ of each of the images as which the energy takes a picture, measured.
    fn measured(&self, picture: &Planes) -> Vec<f64> {
        if self.shape.channels == picture.shape.channels {
            return vec![noise_level(picture)];
        }
        let shape = ImageShape {
            channels: 1,
            ..picture.shape
        };
        let of_plane = |pixels: &[f32]| {
            let pixels = pixels.to_vec();
            noise_level(&Planes { pixels, shape })
        };
        picture.each().map(of_plane).collect()
    }

    /// σ, or the nearest to it that the energy has learned to be told.
    fn learned(&self, sigma: f64) -> f64 {
        match self.sigma_range {
            Some([_, most]) => sigma.min(most),
            None => sigma,
        }
    }

    /// σ over the least that the energy is told, at most 1.
    fn share_of_least(&self, sigma: f64) -> f64 {
        match self.sigma_range {
            Some([least, _]) => (sigma / least).min(1.0),
            None => 1.0,
        }
    }

    /// What ∇E is multiplied by to give the noise of this σ: σ₀², of less than the least σₗ that the energy is told
    /// σ₀²(σ/σₗ)²; σ² where the step depends on σ.
    fn step_of(&self, sigma: f64) -> f64 {
        let root = match self.reference {
            Some(reference) => reference * self.share_of_least(sigma),
            None => self.learned(sigma),
        };
        root.powi(2)
    }

    /// The noise that one step takes off a picture whose noise has this σ, of its shape; of less than the least σ that the
    /// energy is told, what is taken off at the least.
    ///
    /// Restoration asks for less towards its end. It has put that noise in, all of it is to go, and what is taken off tells
    /// how much there was: with the share of a step that [`denoise`](Self::denoise) takes of so little, which leaves a clean
    /// picture as it is, it would find less than there is, take off less still, and end with noise in what it puts in.
    pub(crate) fn noise_of(&self, picture: &Planes, sigma: f64) -> Result<Vec<f32>, DenoiseError> {
        let sigma = match self.sigma_range {
            Some([least, _]) => sigma.max(least),
            None => sigma,
        };
        let step = self.step_of(sigma) as f32;
        let mut gradient = self.gradient(picture, &[sigma], &mut |_, _| {})?;
        gradient.iter_mut().for_each(|slope| *slope *= step);
        Ok(gradient)
    }

    /// ∇E of the picture, of its shape, with noise of this σ, or of one for each of the images as which it is taken.
    fn gradient(
        &self,
        picture: &Planes,
        sigmas: &[f64],
        report: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f32>, DenoiseError> {
        let pixels = &picture.pixels;
        assert!(
            !pixels.is_empty() && pixels.len() == picture.shape.pixels(),
            "expected the pixels of a {} picture, got {}",
            picture.shape,
            pixels.len()
        );
        let mut values = pixels.iter().enumerate();
        if let Some((place, &value)) = values.find(|(_, value)| !value.is_finite()) {
            return Err(DenoiseError::NotFinite { place, value });
        }
        let told = self.sigma_range.map(|[least, most]| {
            let sigmas = sigmas.iter().map(|sigma| sigma.clamp(least, most) as f32);
            sigmas.collect::<Vec<_>>()
        });
        let gradient = self.gradient_of_picture(picture, told.as_deref(), report)?;
        match gradient.iter().all(|slope| slope.is_finite()) {
            true => Ok(gradient),
            false => Err(DenoiseError::TooLarge),
        }
    }

    fn gradient_of_picture(
        &self,
        picture: &Planes,
        told: Option<&[f32]>,
        report: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f32>, DenoiseError> {
        let (mine, its) = (self.shape.channels, picture.shape.channels);
        match (mine, its) {
            (mine, its) if mine == its => {
                self.gradient_of_images(&picture.pixels, picture.shape, told, report)
            }
            // Every colour is an image of its own.
            (1, 3) => {
                let plane = ImageShape {
                    channels: 1,
                    ..picture.shape
                };
                self.gradient_of_images(&picture.pixels, plane, told, report)
            }
            // The mean of the three steps: of all greys the nearest to them.
            (3, 1) => {
                let colours = ImageShape {
                    channels: 3,
                    ..picture.shape
                };
                let gradient =
                    self.gradient_of_images(&picture.pixels.repeat(3), colours, told, report)?;
                let plane = picture.pixels.len();
                let mean = |i: usize| (0..3).map(|c| gradient[c * plane + i]).sum::<f32>() / 3.0;
                Ok((0..plane).map(mean).collect())
            }
            (_, got) => Err(DenoiseError::OtherChannels { got }),
        }
    }

    /// ∇E of images of `shape`, one after another.
    fn gradient_of_images(
        &self,
        pixels: &[f32],
        shape: ImageShape,
        told: Option<&[f32]>,
        report: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f32>, DenoiseError> {
        let size = [shape.height, shape.width];
        let tiles = match self.locality {
            Some(locality) => tiles(size, self.tile, locality),
            None if size == [self.shape.height, self.shape.width] => vec![Tile::whole(size)],
            None => {
                return Err(DenoiseError::OtherSize {
                    expected: self.shape,
                    got: shape,
                });
            }
        };
        let num_planes = pixels.len() / (size[0] * size[1]);
        let images = num_planes / shape.channels;
        let mut gradient = vec![0.0; pixels.len()];
        let mut done = 0;
        // Tiles of one size are computed together.
        for alike in tiles.chunk_by(|a, b| a.size() == b.size()) {
            for some in alike.chunks((BATCH / images).max(1)) {
                let [height, width] = some[0].size();
                let seen = some.iter().flat_map(|tile| {
                    (0..num_planes).flat_map(move |plane| {
                        let plane = &pixels[plane * size[0] * size[1]..][..size[0] * size[1]];
                        tile.rows().flat_map(move |row| {
                            let row = &plane[mirrored(row, size[0]) * size[1]..][..size[1]];
                            tile.columns()
                                .map(move |column| row[mirrored(column, size[1])])
                        })
                    })
                });
                let seen = TensorData::new(
                    seen.collect::<Vec<f32>>(),
                    [some.len() * images, shape.channels, height, width],
                );
                let x = Tensor::from_data(seen, &self.device);
                let slopes = match (told, &self.prior) {
                    (Some(sigmas), _) => {
                        let of_tile = sigmas.repeat(images / sigmas.len());
                        let sigmas = of_tile.repeat(some.len());
                        let noise = Tensor::from_floats(sigmas.as_slice(), &self.device);
                        score::energies_and_gradients(&self.energy.with_noise(noise), x).1
                    }
                    (None, Some(prior)) => prior.slopes(x).into_data().iter().collect(),
                    (None, None) => score::energies_and_gradients(&self.energy, x).1,
                };
                for (tile, slopes) in some.iter().zip(slopes.chunks(num_planes * height * width)) {
                    let planes = slopes.chunks(height * width);
                    let whole = gradient.chunks_mut(size[0] * size[1]);
                    for (from, to) in planes.zip(whole) {
                        tile.copy_core(from, to, size[1]);
                    }
                }
                done += some.len();
                report(done, tiles.len());
            }
        }
        Ok(gradient)
    }
}

/// Side of the largest tile for whose layers there is room.
fn largest_tile(network: &Network, shape: ImageShape) -> usize {
    let [least, most] = TILES;
    if network.experts().is_some() {
        return most; // they hold the responses to a few rows at a time
    }
    let per_pixel = network.work(shape).outputs / (shape.height * shape.width);
    (ELEMENTS_OF_TILE / per_pixel.max(1))
        .isqrt()
        .clamp(least, most)
}

/// The root of the mean square; 0 of no values.
pub(crate) fn root_mean_square(values: &[f32]) -> f64 {
    let squares = values.iter().map(|&value| f64::from(value).powi(2));
    (squares.sum::<f64>() / values.len().max(1) as f64).sqrt()
}

impl Trained {
    /// [`Denoiser::denoise`] with the average weights. The options may be σ of the noise alone, for values from 0 to 1:
    /// `trained.denoise(&picture, 25.0 / 255.0)`.
    ///
    /// # Errors
    /// Where it has not learned to denoise, or cannot take the picture.
    pub fn denoise(
        &self,
        picture: &Planes,
        options: impl Into<DenoiseOptions>,
    ) -> Result<Denoised, DenoiseError> {
        Denoiser::of(self, Weights::Average)?.denoise(picture, options.into(), &mut |_, _| {})
    }
}

#[cfg(test)]
mod tests;
