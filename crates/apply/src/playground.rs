//! Play with an energy: move chains from any pictures, a few steps at a time, and look at energies.
//!
//! Nothing is remembered between two calls: what returns is a function of what was given, so that any number of people
//! may play with one energy at a time.

mod error;
mod settings;
mod steps;
#[cfg(test)]
mod tests;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::{Energy, ImageShape, index_tensor};
use ebm_langevin::{Known, Stage, sampler_outside_training, starts_of};
use ebm_model::{EnergyModel, Frozen, Network};
use ebm_train::{AnyState, Config, TrainState};

use crate::score;
use crate::trained::{Trained, Weights};

pub use error::PlayError;
pub use settings::PlaySettings;
pub use steps::PlaySteps;

/// Steps, of all chains together, that are taken in one go: a run that trains on the same threads comes in between.
const BREATH: usize = 128;

/// Chains after their steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// Pixels of `[num, channels, height, width]`. What diverges is not hidden.
    pub images: Vec<f32>,
    /// The energy of every image; not finite where its chain has diverged.
    pub energies: Vec<f32>,
}

/// The points of a slice: u and v from `low` to `high`, `side` of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceGrid {
    /// Points along u, and along v; at least 2.
    pub side: usize,
    /// The least u and v.
    pub low: f64,
    /// The greatest u and v.
    pub high: f64,
}

impl SliceGrid {
    fn at(&self, index: usize) -> f64 {
        self.low + (self.high - self.low) * index as f64 / (self.side - 1) as f64
    }
}

/// An energy, and the steps that lead down it.
#[derive(Clone, Debug)]
pub struct Playground {
    model: Frozen<Network>,
    steps: PlaySteps,
    step_scale: f64,
    shape: ImageShape,
    device: Device,
}

impl Playground {
    /// A trained energy.
    pub fn of_trained(trained: &Trained, weights: Weights) -> Self {
        Self {
            model: trained.energy(weights),
            steps: PlaySteps::of(trained.config()),
            step_scale: trained.step_scale(),
            shape: trained.shape(),
            device: trained.device().clone(),
        }
    }

    /// The averaged weights of a run that is trained with these settings, which are of one part of it. `device` without
    /// autodiff.
    pub fn of_state(
        config: &Config,
        state: &TrainState<Network, AnyState>,
        device: &Device,
    ) -> Self {
        let sharpness = config.objective.class_sharpness();
        Self {
            model: state.ema_model().sharpened(sharpness),
            steps: PlaySteps::of(config),
            step_scale: state.objective_state().step_scale(),
            shape: state.data.shape,
            device: device.clone(),
        }
    }

    /// How its chains move.
    pub fn play_steps(&self) -> &PlaySteps {
        &self.steps
    }

    /// Shape of its images.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Where chains of the model start, pixels of `[num, channels, height, width]`.
    pub fn starts(&self, num: usize, seed: u64) -> Vec<f32> {
        let chains = 0..num as u32;
        floats(starts_of(
            &self.steps.first,
            chains,
            self.shape,
            seed,
            &self.device,
        ))
    }

    /// Chains from `images` on after some steps, chain i with the random numbers of place i, and their energies. Pixels
    /// that are `known` stay as they are.
    ///
    /// # Shapes
    /// - `images`: pixels of `[num, channels, height, width]`, as are those that return
    /// - `known`: `[num, height, width]`
    ///
    /// # Errors
    /// Where the images or the marks are not as many as they should be, a setting is impossible, or steps are asked for
    /// that lead nowhere.
    pub fn play(
        &self,
        images: Vec<f32>,
        known: Option<&[bool]>,
        settings: &PlaySettings,
    ) -> Result<Played, PlayError> {
        let num = self.count(images.len())?;
        settings.check()?;
        if let Some(why) = self.steps.refusal().filter(|_| settings.steps > 0) {
            return Err(PlayError::NoChains(why.to_owned()));
        }
        let energy = self.energy(settings.class, num)?;
        let x = self.images(images, num);
        let x = match known {
            None => self.moved(x, energy.as_ref(), settings, false),
            Some(known) => {
                let known = self.images(self.mask(known, num)?, num);
                let bound = Known::new(energy.as_ref(), x.clone(), known);
                bound.filled(self.moved(x, &bound, settings, true))
            }
        };
        Ok(Played {
            energies: score::energies(energy.as_ref(), x.clone()),
            images: floats(x),
        })
    }

    /// Energies on the plane through three images a, b and c: of a + u(b − a) + v(c − a), clipped to [0, 1], row v,
    /// column u.
    ///
    /// # Shapes
    /// - `corners`: pixels of `[3, channels, height, width]`
    /// - returns `[side, side]`
    ///
    /// # Errors
    /// Where there are not three images, or the model has no such class.
    ///
    /// # Panics
    /// If `side` is below 2.
    pub fn slice(
        &self,
        corners: &[f32],
        grid: SliceGrid,
        class: Option<u32>,
    ) -> Result<Vec<f32>, PlayError> {
        let side = grid.side;
        assert!(side >= 2, "expected a side of at least 2, got {side}");
        match self.count(corners.len())? {
            3 => {}
            got => return Err(PlayError::NotThree { got }),
        }
        let energy = self.energy(class, side)?;
        let (a, rest) = corners.split_at(self.shape.pixels());
        let (b, c) = rest.split_at(self.shape.pixels());
        let row = |v: f64| {
            let images = (0..side).flat_map(|column| {
                let u = grid.at(column);
                let weights = [1.0 - u - v, u, v].map(|weight| weight as f32);
                let pixels = a.iter().zip(b).zip(c);
                pixels.map(move |((a, b), c)| {
                    let mixed = weights[0] * a + weights[1] * b + weights[2] * c;
                    mixed.clamp(0.0, 1.0)
                })
            });
            score::energies(energy.as_ref(), self.images(images.collect(), side))
        };
        Ok((0..side).flat_map(|index| row(grid.at(index))).collect())
    }

    /// The chains after their steps: those from noise, then those that go on.
    fn moved(
        &self,
        start: Tensor<4>,
        energy: &dyn Energy<4>,
        settings: &PlaySettings,
        has_known: bool,
    ) -> Tensor<4> {
        let ids: Vec<u32> = (0..start.dims()[0] as u32).collect();
        let (from, to) = (settings.from, settings.from + settings.steps);
        let border = self.steps.border(has_known).clamp(from, to);
        let PlaySteps { first, then, .. } = &self.steps;
        let few = (BREATH / ids.len().max(1)).max(1);
        let parts = [(first, from..border), (then, border..to)];
        let parts = parts.into_iter().flat_map(|(config, steps)| {
            let end = steps.end;
            let starts = steps.step_by(few);
            starts.map(move |start| (config, start..end.min(start + few)))
        });
        parts.fold(start, |x, (config, steps)| {
            let config = settings.applied_to(config);
            let (num_steps, seed) = (config.num_steps, settings.seed);
            sampler_outside_training(&config, num_steps, seed, Stage::Playground)
                .with_step_scale(self.step_scale)
                .with_steps(steps)
                .run(x, &ids, energy)
                .x
        })
    }

    /// The energy of `num` images, told σ where it takes it.
    fn energy(&self, class: Option<u32>, num: usize) -> Result<Box<dyn Energy<4> + '_>, PlayError> {
        let num_classes = self.model.num_classes();
        if let Some(class) = class.filter(|&class| class as usize >= num_classes) {
            return Err(PlayError::NoClass { class, num_classes });
        }
        let Some(sigma) = self.steps.told else {
            return Ok(score::under_class(&self.model, class, num, &self.device));
        };
        let sigmas = TensorData::new(vec![sigma as f32; num], [num]);
        let told = self
            .model
            .with_noise(Tensor::from_data(sigmas, &self.device));
        Ok(Box::new(match class {
            Some(class) => told.given(index_tensor(&vec![class; num], &self.device)),
            None => told,
        }))
    }

    /// How many images so many pixels are.
    fn count(&self, got: usize) -> Result<usize, PlayError> {
        let (shape, pixels) = (self.shape, self.shape.pixels());
        if got == 0 || !got.is_multiple_of(pixels) {
            return Err(PlayError::NotImages { shape, got });
        }
        Ok(got / pixels)
    }

    fn images(&self, pixels: Vec<f32>, num: usize) -> Tensor<4> {
        Tensor::from_data(TensorData::new(pixels, self.shape.batch(num)), &self.device)
    }

    /// 1 for every value of a known pixel, 0 for the others, `[num, channels, height, width]`.
    fn mask(&self, known: &[bool], num: usize) -> Result<Vec<f32>, PlayError> {
        let plane = self.shape.height * self.shape.width;
        let (expected, got) = (num * plane, known.len());
        if expected != got {
            return Err(PlayError::OtherMask { expected, got });
        }
        let planes = known.chunks_exact(plane);
        let channels = planes.flat_map(|plane| std::iter::repeat_n(plane, self.shape.channels));
        Ok(channels.flatten().map(|&known| f32::from(known)).collect())
    }
}

fn floats(x: Tensor<4>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}
