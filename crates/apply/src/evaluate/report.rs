//! Judge the samples of a run by features: against data, which it has not seen where there are test images, and
//! beside sets whose distance tells what a number means.

use burn::tensor::Device;
use ebm_core::ImageShape;
use ebm_data::Dataset;
use ebm_langevin::{noise_images, to_bytes};
use serde::Serialize;

use super::features::FeatureNetwork;
use super::quality::{Closeness, Judged, QualityError, blurred, entropy, some_of};
use super::vectors::{shuffled_indices, squared_distance};

/// Samples whose nearest training images are looked for.
const NEIGHBORED: usize = 16;
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
    /// What to know before these numbers are believed.
    pub warnings: Vec<String>,
    /// Where the first samples' nearest training images are, by pixels and by features.
    #[serde(skip)]
    pub neighbors: Vec<Neighbors>,
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
    all: Vec<u8>,
    train: Vec<u8>,
    held: Vec<u8>,
    held_name: &'static str,
}

impl DataToJudge {
    /// As many training images and test images, up to `num`; where there are no test images, two halves of the
    /// training images.
    pub fn new(data: &Dataset, num: usize) -> Self {
        let (train, shape) = (&data.train, data.train.shape);
        let all = train.pixels.clone();
        let test = data.test.as_ref().filter(|test| !test.is_empty());
        if let Some(test) = test {
            let num = num.min(train.len()).min(test.len());
            return Self {
                shape,
                all,
                train: some_of(train, num),
                held: some_of(test, num),
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
            held_name: "the other half of the training images",
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

    /// The images that samples are compared with, bytes.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// All training images, among which nearest ones are looked for, bytes.
    pub fn into_training(self) -> Vec<u8> {
        self.all
    }
}

/// Judge `samples`, bytes `[n, channels, height, width]` of the data's shape: as many of them, from the first
/// on, as there are images in either set of the data. `class_names` are those of the data.
///
/// # Errors
/// Where the features do not fit the images, or there are too few of them.
pub fn judge(
    features: &FeatureNetwork,
    samples: &[u8],
    data: &DataToJudge,
    class_names_of_data: &[String],
) -> Result<QualityReport, QualityError> {
    let shape = data.shape;
    let samples = &samples[..samples.len().min(data.held.len())];
    let of = |pixels: &[u8]| Judged::new(features, pixels, shape);
    let (drawn, held, train) = (of(samples)?, of(&data.held)?, of(&data.train)?);
    let blurred = of(&blurred(&data.train, shape))?;
    let noise = noise_images(held.len(), shape, 0, &Device::flex());
    let noise = of(&to_bytes(noise))?;
    let class_names = features.note().class_names.clone();
    let (shares, data_shares) = (
        drawn.class_shares(class_names.len()),
        held.class_shares(class_names.len()),
    );
    let mut warnings = Vec::new();
    let fewest = drawn.len().min(held.len());
    if fewest < USUAL_NUMBER {
        warnings.push(format!(
            "of {fewest} images: distances are larger than those of {USUAL_NUMBER}, and are compared with others of \
             {fewest} only"
        ));
    }
    if class_names_of_data != class_names {
        warnings.push(format!(
            "the features tell {} apart, which are not the classes of the data",
            class_names.join(", ")
        ));
    }
    for (share, name) in shares.iter().zip(&class_names) {
        if *share == 0.0 {
            warnings.push(format!("no sample is of the class `{name}`"));
        }
    }
    for (set, name) in [(&drawn, "samples"), (&held, data.held_name)] {
        if set.is_singular() {
            warnings.push(format!(
                "some combination of features is the same in all {name}"
            ));
        }
    }
    Ok(QualityReport {
        features: features.id(),
        compared_with: data.held_name,
        samples: drawn.closeness(&held),
        samples_to_training: drawn.closeness(&train),
        floor: train.closeness(&held),
        blurred: blurred.closeness(&held),
        noise: noise.closeness(&held),
        class_entropy: entropy(&shares),
        data_class_entropy: entropy(&data_shares),
        class_names,
        class_shares: shares,
        data_class_shares: data_shares,
        warnings,
        neighbors: neighbors(features, samples, &drawn, data)?,
    })
}

fn neighbors(
    features: &FeatureNetwork,
    samples: &[u8],
    drawn: &Judged,
    data: &DataToJudge,
) -> Result<Vec<Neighbors>, QualityError> {
    let (vectors, image) = (&drawn.described().vectors, data.shape.pixels());
    let of_train = features.describe(&data.all, data.shape)?.vectors;
    let some: Vec<&[u8]> = samples.chunks_exact(image).take(NEIGHBORED).collect();
    let of_sample = |(index, sample): (usize, &&[u8])| Neighbors {
        by_pixels: nearest(data.all.chunks_exact(image).map(|other| {
            let differences = other
                .iter()
                .zip(*sample)
                .map(|(a, b)| u64::from(a.abs_diff(*b)));
            differences.map(|d| d * d).sum::<u64>() as f64
        })),
        by_features: nearest(
            of_train
                .rows()
                .map(|row| squared_distance(row, vectors.row(index))),
        ),
    };
    Ok(some.iter().enumerate().map(of_sample).collect())
}

/// Indices of the smallest distances, the smallest first.
fn nearest(distances: impl Iterator<Item = f64>) -> Vec<usize> {
    let mut order: Vec<_> = distances.enumerate().collect();
    order.sort_by(|one, other| one.1.total_cmp(&other.1));
    order
        .into_iter()
        .take(NEAREST)
        .map(|(index, _)| index)
        .collect()
}

#[cfg(test)]
mod tests {
    use ebm_data::Images;

    use super::*;

    #[test]
    fn the_nearest_come_in_the_order_of_their_distance() {
        let distances = [4.0, 1.0, 3.0, 0.5, 9.0, 2.0, 7.0];
        assert_eq!(nearest(distances.into_iter()), [3, 1, 5, 2, 0]);
    }

    #[test]
    fn without_test_images_the_training_images_are_halved_with_all_classes_in_both() {
        let train = Images {
            pixels: (0..200).map(|i| i % 10).collect(),
            shape: ImageShape::new(1, 1, 1),
            labels: (0..200).map(|i| i % 10).collect(),
            class_names: (0..10).map(|class| class.to_string()).collect(),
        };
        let data = Dataset {
            train,
            test: None,
            skipped: Vec::new(),
        };
        let halves = DataToJudge::new(&data, 1000);
        assert_eq!((halves.len(), halves.train.len()), (100, 100));
        for class in 0..10 {
            assert!(halves.train.contains(&class) && halves.held.contains(&class));
        }
        assert_eq!(DataToJudge::new(&data, 30).len(), 30);
    }
}
