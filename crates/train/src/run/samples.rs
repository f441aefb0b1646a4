//! Draw samples from noise, under the averaged weights, and hold them against data and noise.

use core::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::pixels::pixel_of_byte;
use ebm_core::{Energy, ImageShape, chain_pieces, each_piece, index_tensor};
use ebm_data::{Dataset, Images};
use ebm_langevin::{
    Ladder, LangevinConfig, Stage, StepCounter, labels_in_turn, noise_images_of, normal_images_of,
    sampler_of_level, sampler_outside_training, starts_of, to_bytes,
};
use ebm_model::{EnergyModel, Frozen, LatentDrawing};

use super::distance::distance_share;

/// The term that is left out where it cannot be measured.
pub(super) const SAMPLE_DISTANCE: &str = "sample_distance";

/// How samples are drawn.
pub(super) struct Drawing<'a> {
    pub(super) langevin: &'a LangevinConfig,
    /// The noise levels that chains come down, `steps` at each, where the energy has them.
    pub(super) ladder: Option<Ladder>,
    pub(super) step_scale: f64,
    pub(super) num: usize,
    pub(super) steps: usize,
    pub(super) seed: u64,
    pub(super) device: &'a Device,
}

/// Samples of the classes in turn, with data and uniform noise beside them; each
/// `[num, channels, height, width]` in bytes.
pub(super) struct Drawn {
    pub(super) samples: Vec<u8>,
    pub(super) data: Vec<u8>,
    noise: Vec<u8>,
    labels: Vec<u32>,
    /// Whether every pixel is a finite number, which a byte cannot tell.
    is_finite: bool,
}

impl Drawing<'_> {
    /// Draw samples; the images beside them are of the same classes where the model has classes.
    pub(super) fn draw<M: EnergyModel + Sync>(&self, model: &Frozen<M>, data: &Images) -> Drawn {
        let labels = labels_in_turn(self.num, model.num_classes());
        let x = self.chains(model, 0..self.num, &labels, data.shape);
        // Uniform whatever the chains start from, so that distances of all runs are on one scale.
        let noise = noise_images_of(0..self.num as u32, data.shape, self.seed, self.device);
        let beside = if model.num_classes() > 0 {
            data.of_classes(&labels)
        } else {
            data.spread(self.num)
        };
        Drawn {
            is_finite: is_finite(&x),
            samples: to_bytes(x),
            data: data.gather(&beside),
            noise: to_bytes(noise),
            labels,
        }
    }

    /// Samples of the classes `labels`, bytes of `[labels, channels, height, width]`, drawn `at_once` at a time;
    /// `None` where a pixel is not finite.
    pub(super) fn fresh<M: EnergyModel + Sync>(
        &self,
        model: &Frozen<M>,
        labels: &[u32],
        shape: ImageShape,
        at_once: usize,
    ) -> Option<Vec<u8>> {
        let mut samples = Vec::with_capacity(labels.len() * shape.pixels());
        let mut first = 0;
        for labels in labels.chunks(at_once) {
            let ids = first..first + labels.len();
            first = ids.end;
            let x = self.chains(model, ids, labels, shape);
            if !is_finite(&x) {
                return None;
            }
            samples.extend(to_bytes(x));
        }
        Some(samples)
    }

    /// Chains of these numbers after their steps, `[chains, channels, height, width]`. `labels` are theirs.
    pub(super) fn chains<M: EnergyModel + Sync>(
        &self,
        model: &Frozen<M>,
        numbers: Range<usize>,
        labels: &[u32],
        shape: ImageShape,
    ) -> Tensor<4> {
        let numbers = numbers.start as u32..numbers.end as u32;
        let (langevin, seed) = (self.langevin, self.seed);
        if let Some(latent) = model.latent() {
            let drawing = LatentDrawing {
                model: latent,
                langevin,
                steps: self.steps,
                seed,
                counter: StepCounter::default(),
                trajectory_every: None,
            };
            return drawing.run(numbers, shape, self.device).images;
        }
        if let Some(ladder) = &self.ladder {
            return self.down(ladder, model, numbers, labels, shape);
        }
        let start = starts_of(langevin, numbers.clone(), shape, seed, self.device);
        let sampler = sampler_outside_training(langevin, self.steps, seed, Stage::Chains)
            .with_step_scale(self.step_scale);
        let energy = model.given(index_tensor(labels, self.device));
        let ids: Vec<u32> = numbers.collect();
        sampler.run(start, &ids, &energy).x
    }

    /// [`chains`](Self::chains) that have come down all levels; not clipped, which their bytes are.
    fn down<M: EnergyModel + Sync>(
        &self,
        ladder: &Ladder,
        model: &Frozen<M>,
        numbers: Range<u32>,
        labels: &[u32],
        shape: ImageShape,
    ) -> Tensor<4> {
        let start = normal_images_of(numbers.clone(), shape, self.seed, self.device);
        let ids: Vec<u32> = numbers.collect();
        let given = model.given(index_tensor(labels, self.device));
        let energy_at = |level| {
            let levels = index_tensor(&vec![level; ids.len()], self.device);
            given.clone().at_levels(levels)
        };
        let sampler_at = |level| sampler_of_level(self.steps, self.seed, level);
        ladder.descend(start, &ids, sampler_at, energy_at).x
    }

    /// What tells whether the model works: mean energies of as many training and test images as there
    /// are samples, of the samples and of uniform noise, and how far the samples are from the data.
    pub(super) fn terms<M: EnergyModel + Sync>(
        &self,
        model: &Frozen<M>,
        drawn: &Drawn,
        dataset: &Dataset,
    ) -> Vec<(&'static str, f64)> {
        let shape = dataset.train.shape;
        let of_split = |split: &Images| {
            let indices = split.spread(self.num.min(split.len()));
            let labels: Vec<u32> = indices.iter().map(|&index| split.labels[index]).collect();
            self.mean_energy(model, &split.gather(&indices), &labels, shape)
        };
        let of = |bytes| self.mean_energy(model, bytes, &drawn.labels, shape);
        let mut terms = vec![("e_train", of_split(&dataset.train))];
        terms.extend(dataset.tests().map(|test| ("e_test", of_split(test))));
        terms.extend([
            ("e_samples", of(&drawn.samples)),
            ("e_noise", of(&drawn.noise)),
        ]);
        let train = &dataset.train;
        let data = train.gather(&train.spread(self.num.min(train.len())));
        let share = match drawn.is_finite {
            true => distance_share(&drawn.samples, &data, &drawn.noise, shape),
            false => Some(f64::NAN), // samples that diverge, which bytes cannot tell
        };
        terms.extend(share.map(|share| (SAMPLE_DISTANCE, share)));
        terms
    }

    fn mean_energy<M: EnergyModel + Sync>(
        &self,
        model: &Frozen<M>,
        bytes: &[u8],
        labels: &[u32],
        shape: ImageShape,
    ) -> f64 {
        let pixels: Vec<f32> = bytes.iter().map(|&byte| pixel_of_byte(byte)).collect();
        let data = TensorData::new(pixels, shape.batch(labels.len()));
        let images = Tensor::from_data(data, self.device);
        let given = |labels: &[u32]| model.given(index_tensor(labels, self.device));
        let energies = if model.latent().is_some() {
            // The descent to the z of an image takes many passes: each thread has its own, of a part of the batch.
            let pieces = chain_pieces(self.device, labels.len());
            let energies = each_piece(self.device, pieces, |rows| {
                let images = images.clone().narrow(0, rows.start, rows.len());
                given(&labels[rows]).energies(images)
            });
            Tensor::cat(energies, 0)
        } else {
            given(labels).energies(images)
        };
        f64::from(energies.mean().into_scalar::<f32>())
    }
}

/// Whether every pixel is a finite number.
fn is_finite(x: &Tensor<4>) -> bool {
    x.clone().sum().into_scalar::<f32>().is_finite()
}
