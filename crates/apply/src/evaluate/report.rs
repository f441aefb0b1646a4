//! Judge the samples of a run by features: against data, which it has not seen where there are test images, and
//! beside sets whose distance tells what a number means.

#[cfg(test)]
mod tests;

use core::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::Device;
use ebm_core::ImageShape;
use ebm_core::pixels::BYTE_WIDTH;
use ebm_data::{Dataset, Pixels};
use ebm_langevin::{noise_images, to_bytes};
use rayon::prelude::*;
use serde::Serialize;

use super::anomalies::blurred;
use super::features::FeatureNetwork;
use super::quality::{Closeness, Judged, QualityError, entropy, some_of};
use super::vectors::{Vectors, shuffled_indices, squared_byte_distance, squared_distance};

/// Samples whose nearest training images are shown.
const NEIGHBORED: usize = 16;
/// Samples, and held-out images, whose distance from the nearest training image is measured.
const MEASURED: usize = 100;
/// Nearest images of each.
const NEAREST: usize = 5;

/// How good samples are. All of it is a function of the samples, the data and the features.
#[derive(Clone, Debug, Serialize)]
pub struct QualityReport {
    /// Name and checksum of the features: numbers of others cannot be compared with these.
    pub features: String,
    /// What `samples`, `floor`, `blurred` and `noise` are compared with.
    pub compared_with: &'static str,
    /// The samples.
    pub samples: Closeness,
    /// The samples, compared with training images.
    pub samples_to_training: Closeness,
    /// Training images: what a perfect model would reach.
    pub floor: Closeness,
    /// The same, blurred.
    pub blurred: Closeness,
    /// Uniform noise.
    pub noise: Closeness,
    /// Classes that the features tell apart.
    pub class_names: Vec<String>,
    /// Share of the samples in each.
    pub class_shares: Vec<f64>,
    /// Share of what they are compared with in each, as the features see it.
    pub data_class_shares: Vec<f64>,
    /// Entropy of the samples' shares, in nats.
    pub class_entropy: f64,
    /// Entropy of the data's shares, in nats.
    pub data_class_entropy: f64,
    /// How far samples are from the training images, beside how far held-out images are: where these are
    /// training images, too, from all others.
    pub copying: Copying,
    /// What to know before these numbers are believed.
    pub warnings: Vec<String>,
    /// Where the first samples' nearest training images are, by pixels and by features.
    #[serde(skip)]
    pub neighbors: Vec<Neighbors>,
}

/// Median distances from the nearest training image: those of samples that copy are far smaller than those of
/// held-out images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Copying {
    /// L2 distance of pixels in [0, 1], of samples.
    pub samples_by_pixels: f64,
    /// The same of held-out images.
    pub held_by_pixels: f64,
    /// L2 distance of features, of samples.
    pub samples_by_features: f64,
    /// The same of held-out images.
    pub held_by_features: f64,
}

/// The training images nearest to a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbors {
    /// Their indices among all training images, by L2 distance of pixels.
    pub by_pixels: Vec<usize>,
    /// By L2 distance of features.
    pub by_features: Vec<usize>,
}

/// Fewer images than this are too few for numbers that others can compare with.
pub const USUAL_NUMBER: usize = 10_000;

/// The two sets of data that samples are compared with, as many of each as there are samples where the data
/// have so many.
#[derive(Clone, Debug)]
pub struct DataToJudge {
    shape: ImageShape,
    all: Pixels,
    train: Vec<u8>,
    held: Vec<u8>,
    /// Where the held-out images are among all training images, if they are of these.
    held_at: Vec<usize>,
    held_name: &'static str,
}

impl DataToJudge {
    /// As many training images and test images, up to `num`; where there are no test images, two halves of the
    /// training images, of which a run has learned both.
    pub fn new(data: &Dataset, num: usize) -> Self {
        let (train, shape) = (&data.train, data.train.shape);
        let all = train.pixels.clone();
        if let Some(test) = data.tests() {
            let num = num.min(train.len()).min(test.len());
            return Self {
                shape,
                all,
                train: some_of(train, num),
                held: some_of(test, num),
                held_at: Vec::new(),
                held_name: "test images",
            };
        }
        let order = shuffled_indices(train.len());
        let (one, other) = order.split_at(train.len() / 2);
        let num = num.min(one.len());
        Self {
            shape,
            all,
            train: train.gather(&one[..num]),
            held: train.gather(&other[..num]),
            held_at: other[..num].to_vec(),
            held_name: "training images of the other half",
        }
    }

    /// Images of each set.
    pub fn len(&self) -> usize {
        self.held.len() / self.shape.pixels()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Shape of the images.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// All training images, among which nearest ones are looked for, bytes.
    pub fn training(&self) -> &[u8] {
        &self.all
    }

    /// Some training images, as many as there are held-out ones, bytes.
    pub fn some_training(&self) -> &[u8] {
        &self.train
    }

    /// Held-out images, bytes.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// What the held-out images are.
    pub fn held_name(&self) -> &'static str {
        self.held_name
    }
}

/// Data as features see them: what samples of any model of them are judged by.
#[derive(Clone, Debug)]
pub struct Reference {
    data: DataToJudge,
    held: Judged,
    train: Judged,
    of_training: Vectors,
    floor: Closeness,
    blurred: Closeness,
    noise: Closeness,
}

/// What an image counts in progress where its set is judged or compared with another set: about as long as three times
/// describing it by features, of sets of some thousands. One that is described alone counts 1.
const PASSES: u64 = 3;

impl Reference {
    /// How much [`Self::new`] counts of data that have `images` in each set, and `training` images in all, and
    /// [`Self::judge`] of as many samples.
    pub fn work(images: usize, training: usize) -> [u64; 2] {
        let of_set = PASSES * images as u64;
        [7 * of_set + training as u64, 3 * of_set]
    }

    /// Describe the data, and what stands beside every number. `done` counts to [`Self::work`].
    ///
    /// # Errors
    /// Where the features do not fit the images, or there are too few of them.
    pub fn new(
        features: &FeatureNetwork,
        data: DataToJudge,
        done: &AtomicU64,
    ) -> Result<Self, QualityError> {
        let shape = data.shape;
        let count = |passes: usize| done.fetch_add(passes as u64, Ordering::Relaxed);
        let of = |pixels: &[u8]| -> Result<Judged, QualityError> {
            let judged = Judged::new(features, pixels, shape)?;
            count(PASSES as usize * judged.len());
            Ok(judged)
        };
        let (held, train) = (of(&data.held)?, of(&data.train)?);
        let closeness = |one: &Judged| {
            let found = one.closeness(&held);
            count(PASSES as usize * one.len());
            found
        };
        let noise = noise_images(held.len(), shape, 0, &Device::flex());
        let floor = closeness(&train);
        let blurred = closeness(&of(&blurred(&data.train, shape))?);
        let noise = closeness(&of(&to_bytes(noise))?);
        let of_training = features.describe(&data.all, shape)?.vectors;
        count(of_training.len());
        Ok(Self {
            floor,
            blurred,
            noise,
            of_training,
            held,
            train,
            data,
        })
    }

    /// Judge `samples`, bytes `[n, channels, height, width]` of the data's shape, by the same `features`: as
    /// many of them, from the first on, as there are images in either set of the data. `class_names_of_data` are
    /// those of the data. `done` counts to [`Self::work`].
    ///
    /// # Errors
    /// Where there are too few samples.
    pub fn judge(
        &self,
        features: &FeatureNetwork,
        samples: &[u8],
        class_names_of_data: &[String],
        done: &AtomicU64,
    ) -> Result<QualityReport, QualityError> {
        let (data, held) = (&self.data, &self.held);
        let samples = &samples[..samples.len().min(data.held.len())];
        let drawn = Judged::new(features, samples, data.shape)?;
        let passes = PASSES * drawn.len() as u64;
        done.fetch_add(passes, Ordering::Relaxed);
        let closeness = |data: &Judged| {
            let found = drawn.closeness(data);
            done.fetch_add(passes, Ordering::Relaxed);
            found
        };
        let class_names = features.note().class_names.clone();
        let (shares, data_shares) = (
            drawn.class_shares(class_names.len()),
            held.class_shares(class_names.len()),
        );
        let warnings = self.warnings(&drawn, &class_names, &shares, class_names_of_data);
        let measured = |len: usize| (0..len.min(MEASURED)).collect::<Vec<_>>();
        let nearest = self.nearest((samples, &drawn), &measured(drawn.len()), &[], NEAREST);
        // Data may come in the order of their classes.
        let spread = shuffled_indices(held.len());
        let some = &spread[..held.len().min(MEASURED)];
        let held_nearest = self.nearest((&data.held, held), some, &data.held_at, 1);
        let medians = |nearest: &[Nearest]| {
            let of = |distance: fn(&Nearest) -> f64| median(nearest.iter().map(distance).collect());
            [of(|one| one.pixels[0].1), of(|one| one.features[0].1)]
        };
        let ([samples_by_pixels, samples_by_features], [held_by_pixels, held_by_features]) =
            (medians(&nearest), medians(&held_nearest));
        Ok(QualityReport {
            features: features.id(),
            compared_with: data.held_name,
            samples: closeness(held),
            samples_to_training: closeness(&self.train),
            floor: self.floor,
            blurred: self.blurred,
            noise: self.noise,
            class_entropy: entropy(&shares),
            data_class_entropy: entropy(&data_shares),
            class_names,
            class_shares: shares,
            data_class_shares: data_shares,
            copying: Copying {
                samples_by_pixels,
                held_by_pixels,
                samples_by_features,
                held_by_features,
            },
            warnings,
            neighbors: nearest.iter().take(NEIGHBORED).map(Neighbors::of).collect(),
        })
    }

    fn warnings(
        &self,
        drawn: &Judged,
        class_names: &[String],
        shares: &[f64],
        class_names_of_data: &[String],
    ) -> Vec<String> {
        let mut warnings = Vec::new();
        let fewest = drawn.len().min(self.held.len());
        if fewest < USUAL_NUMBER {
            warnings.push(format!(
                "of {fewest} images: distances are larger than those of {USUAL_NUMBER}, and are compared with others \
                 of {fewest} only"
            ));
        }
        if class_names_of_data != class_names {
            warnings.push(format!(
                "the features tell {} apart, which are not the classes of the data",
                class_names.join(", ")
            ));
        }
        let missing = shares.iter().zip(class_names);
        let missing = missing.filter(|(share, _)| **share == 0.0);
        let missing: Vec<&str> = missing.map(|(_, name)| name.as_str()).collect();
        if !missing.is_empty() {
            warnings.push(format!(
                "no sample is of the classes {}",
                missing.join(", ")
            ));
        }
        for (set, name) in [(drawn, "samples"), (&self.held, self.data.held_name)] {
            if set.is_singular() {
                warnings.push(format!(
                    "some combination of features is the same in all {name}"
                ));
            }
        }
        warnings
    }

    /// The nearest training images of some images of a set. Of a set of training images `own` has their indices
    /// among all of them: an image is no copy of itself.
    fn nearest(
        &self,
        (pixels, set): (&[u8], &Judged),
        some: &[usize],
        own: &[usize],
        count: usize,
    ) -> Vec<Nearest> {
        let image = self.data.shape.pixels();
        let vectors = &set.described().vectors;
        let of = |&index: &usize| {
            let (of, vector) = (&pixels[index * image..][..image], vectors.row(index));
            let others = self.data.all.chunks_exact(image);
            let rows = self.of_training.rows();
            let by_pixels = others.map(|other| pixel_distance(of, other));
            let by_features = rows.map(|row| squared_distance(row, vector).sqrt());
            let own = own.get(index).copied();
            Nearest {
                pixels: nearest(by_pixels, own, count),
                features: nearest(by_features, own, count),
            }
        };
        some.par_iter().map(of).collect()
    }
}

/// Indices and distances of the training images nearest to an image, the nearest first.
struct Nearest {
    pixels: Vec<(usize, f64)>,
    features: Vec<(usize, f64)>,
}

impl Neighbors {
    fn of(nearest: &Nearest) -> Self {
        let indices = |found: &[(usize, f64)]| found.iter().map(|(index, _)| *index).collect();
        Self {
            by_pixels: indices(&nearest.pixels),
            by_features: indices(&nearest.features),
        }
    }
}

/// L2 distance of two images, their pixels in [0, 1].
fn pixel_distance(one: &[u8], other: &[u8]) -> f64 {
    (squared_byte_distance(one, other) as f64).sqrt() * f64::from(BYTE_WIDTH)
}

/// The middle value; of two, their mean.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 {
        values[half]
    } else {
        (values[half - 1] + values[half]) / 2.0
    }
}

/// The smallest distances with their indices, the smallest first, without that of index `own`.
fn nearest(
    distances: impl Iterator<Item = f64>,
    own: Option<usize>,
    count: usize,
) -> Vec<(usize, f64)> {
    let others = distances.enumerate();
    let others = others.filter(|(index, _)| Some(*index) != own);
    let mut order: Vec<_> = others.collect();
    order.sort_by(|one, other| one.1.total_cmp(&other.1));
    order.truncate(count);
    order
}
