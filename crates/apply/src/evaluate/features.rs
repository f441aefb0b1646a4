//! Describe images by what a frozen classifier sees in them.
//!
//! Distances between sets of images are distances between sets of such vectors, so that numbers of
//! different classifiers must never be compared: every network has a name and a checksum, which stand in
//! every report.

mod recipe;
mod train;

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::pixels::pixel_of_byte;
use ebm_core::{ImageShape, each_piece, pieces_of};
use ebm_model::{ConvNet, ConvNetConfig, Frozen, InvalidNetwork};
use ebm_train::checkpoint::{self, CheckpointError};
use ebm_train::parameters;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::vectors::Vectors;
use crate::checksum::sha256;
use crate::exchange::{encode_with, take_parameters};

pub use recipe::{FeatureRecipe, RECIPES, RecipeError};
pub use train::{Learned, train};

/// Metadata key of a file of features.
const KEY: &str = "ebm-features";
const FORMAT_VERSION: u32 = 1;
/// Images that are described at a time, by one thread.
const BATCH: usize = 100;

/// What a file of features says of its network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureNote {
    format_version: u32,
    /// Name of the recipe.
    pub name: String,
    /// What it learned from.
    pub data: String,
    /// Channels, height and width of its images.
    pub image_shape: [usize; 3],
    /// Names of the classes that it tells apart.
    pub class_names: Vec<String>,
    /// Share of the test images that it recognises, in [0, 1]; of the training images where there are no
    /// others.
    pub accuracy: f64,
    /// Images of which that is the share.
    pub accuracy_of: usize,
    /// Whether these are images that it learned from.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub accuracy_of_training: bool,
    /// Updates of its weights.
    pub iterations: usize,
    /// Seed of its random numbers.
    pub seed: u64,
    /// The layers.
    pub network: ConvNetConfig,
}

/// A frozen classifier, and what it says of itself.
#[derive(Clone, Debug)]
pub struct FeatureNetwork {
    net: Frozen<ConvNet>,
    note: FeatureNote,
    checksum: String,
}

/// What a network sees in a set of images.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Activations before the last layer.
    pub vectors: Vectors,
    /// The likeliest class of every image.
    pub classes: Vec<u32>,
}

/// A file of features that cannot be used.
#[derive(Debug, Error)]
pub enum FeatureError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is of another kind.
    #[error("{} is no file of features: {problem}", path.display())]
    NotFeatures {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Its network cannot be built.
    #[error(transparent)]
    Network(#[from] InvalidNetwork),
    /// There is none of this name in the program.
    #[error("there are no features `{name}`; the program has {}", names.join(", "))]
    NoSuchName {
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<&'static str>,
    },
    /// There is nothing to tell apart.
    #[error("features are learned by telling classes apart, and these data have {classes}")]
    NoClasses {
        /// Classes of the data.
        classes: usize,
    },
    /// Training went wrong.
    #[error("training diverged: the loss is {loss} at iteration {iteration}")]
    Diverged {
        /// When.
        iteration: usize,
        /// The loss.
        loss: f64,
    },
    /// It sees images of another shape.
    #[error("features `{name}` are of images of {expected}, not of {got}")]
    OtherShape {
        /// Their name.
        name: String,
        /// Their shape.
        expected: ImageShape,
        /// The shape of the images.
        got: ImageShape,
    },
}

/// Networks that are part of the program.
macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../../assets/features/", $name, ".safetensors")))),*]
    };
}
const EMBEDDED: &[(&str, &[u8])] = embedded!("digits", "mnist", "cifar10");

impl FeatureNetwork {
    /// Names of the networks that are part of the program.
    pub fn embedded_names() -> Vec<&'static str> {
        EMBEDDED.iter().map(|(name, _)| *name).collect()
    }

    /// The network of this name that is part of the program.
    ///
    /// # Errors
    /// Where there is none.
    pub fn embedded(name: &str) -> Result<Self, FeatureError> {
        let found = EMBEDDED.iter().find(|(own, _)| *own == name);
        let Some((_, bytes)) = found else {
            let names = Self::embedded_names();
            let name = name.to_owned();
            return Err(FeatureError::NoSuchName { name, names });
        };
        Self::from_bytes(bytes, Path::new(name))
    }

    /// The network in a file.
    ///
    /// # Errors
    /// Where it cannot be read, or is no file of features.
    pub fn open(path: &Path) -> Result<Self, FeatureError> {
        let bytes = fs::read(path).map_err(|source| FeatureError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(&bytes, path)
    }

    pub(super) fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, FeatureError> {
        let device = &Device::flex();
        let refused = |problem: String| FeatureError::NotFeatures {
            path: path.to_owned(),
            problem,
        };
        let of_arrays = |error: CheckpointError| refused(error.to_string());
        let mut arrays =
            checkpoint::decode(bytes, path).map_err(|_| refused("no safetensors".to_owned()))?;
        let json = checkpoint::note(bytes, KEY);
        let json = json.ok_or_else(|| refused(format!("no metadata `{KEY}`")))?;
        let note: FeatureNote =
            serde_json::from_str(&json).map_err(|error| refused(error.to_string()))?;
        if note.format_version != FORMAT_VERSION {
            let version = note.format_version;
            return Err(refused(format!(
                "format {version}, expected {FORMAT_VERSION}"
            )));
        }
        let network = &note.network;
        if !network.class_head || network.num_classes != note.class_names.len() {
            return Err(refused(
                "its network tells no classes apart, or others".to_owned(),
            ));
        }
        if note.image_shape.contains(&0) {
            return Err(refused("its images have no pixels".to_owned()));
        }
        // Every weight is replaced.
        let mut rng = SmallRng::seed_from_u64(0);
        let net = note
            .network
            .init(note.image_shape.into(), &mut rng, device)?;
        let vector = take_parameters(&net, &mut arrays, device).map_err(of_arrays)?;
        if let Some(name) = arrays.into_keys().next() {
            return Err(refused(format!("`{name}` is no weight of its network")));
        }
        Ok(Self {
            net: Frozen::new(&parameters::unflatten(net, &vector)),
            note,
            checksum: sha256(bytes),
        })
    }

    fn to_bytes(net: &Frozen<ConvNet>, note: &FeatureNote) -> Vec<u8> {
        let json = String::from_utf8_lossy(&checkpoint::to_json(note)).into_owned();
        encode_with(net, (KEY, json))
    }

    /// What it says of itself.
    pub fn note(&self) -> &FeatureNote {
        &self.note
    }

    /// SHA-256 of its file, in hexadecimal digits.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// Its name and the first digits of its checksum: what tells numbers of different features apart.
    pub fn id(&self) -> String {
        format!("{}-{}", self.note.name, &self.checksum[..12])
    }

    /// Refuse images of another shape than its own.
    ///
    /// # Errors
    /// Where they are.
    pub fn check(&self, got: ImageShape) -> Result<(), FeatureError> {
        let expected = ImageShape::from(self.note.image_shape);
        if got == expected {
            return Ok(());
        }
        let name = self.note.name.clone();
        Err(FeatureError::OtherShape {
            name,
            expected,
            got,
        })
    }

    /// Describe images.
    ///
    /// # Shapes
    /// - `pixels`: bytes of `[n, channels, height, width]`
    ///
    /// # Errors
    /// Where the images have another shape than its own.
    pub fn describe(&self, pixels: &[u8], shape: ImageShape) -> Result<Described, FeatureError> {
        self.check(shape)?;
        let (device, stride) = (Device::flex(), shape.pixels());
        let pieces = pieces_of(pixels.len() / stride, BATCH);
        let parts = each_piece(&device, pieces, |some| {
            let bytes = &pixels[some.start * stride..some.end * stride];
            self.describe_batch(bytes, shape, &device)
        });
        let (mut values, mut classes) = (Vec::new(), Vec::new());
        for (some, of_some) in parts {
            values.extend(some);
            classes.extend(of_some);
        }
        Ok(Described {
            vectors: Vectors::new(values, self.note.network.hidden),
            classes,
        })
    }

    fn describe_batch(
        &self,
        bytes: &[u8],
        shape: ImageShape,
        device: &Device,
    ) -> (Vec<f64>, Vec<u32>) {
        let pixels: Vec<f32> = bytes.iter().map(|&byte| pixel_of_byte(byte)).collect();
        let dims = shape.batch(bytes.len() / shape.pixels());
        let x = Tensor::from_data(TensorData::new(pixels, dims), device);
        let features = self.net.features(x);
        let classes = self.net.energies_of_features(features.clone());
        let classes = classes.argmin(1).into_data();
        (
            features.into_data().iter::<f64>().collect(),
            classes.iter::<i64>().map(|class| class as u32).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_networks_are_those_of_their_recipes_small_and_good() {
        for (name, bytes) in EMBEDDED {
            let network = FeatureNetwork::embedded(name).expect("opens");
            let (note, recipe) = (
                network.note(),
                FeatureRecipe::named(name).expect("a recipe"),
            );
            assert!(bytes.len() <= 1 << 20, "{name}: {} bytes", bytes.len());
            assert_eq!(
                (note.name.as_str(), note.iterations),
                (*name, recipe.iterations)
            );
            let network = ConvNetConfig {
                num_classes: note.class_names.len(),
                class_head: true,
                ..recipe.network
            };
            assert_eq!(note.network, network, "{name}");
            let least = if *name == "cifar10" { 0.8 } else { 0.993 };
            assert!(note.accuracy >= least, "{name}: {}", note.accuracy);
        }
    }

    #[test]
    fn embedded_networks_are_the_files_by_which_published_numbers_were_measured() {
        for (name, checksum) in [
            (
                "digits",
                "6473c8d4fa0ebe238029f3e9d3e18b57168426ebada75854bce59c16548b74d1",
            ),
            (
                "mnist",
                "d0743d8450c7c6d81cd5b62be31ec0fa45ecbfaba0a337b09de80d8e627e7585",
            ),
            (
                "cifar10",
                "eb8d0bf8b854dba97b67ab3c10496160da3421dc163fc487c2db16f3eff65d60",
            ),
        ] {
            let network = FeatureNetwork::embedded(name).expect("opens");
            assert_eq!(network.checksum(), checksum, "{name}");
        }
        assert_eq!(FeatureNetwork::embedded_names().len(), 3);
    }

    #[test]
    fn the_program_s_own_digits_are_recognised_whatever_the_number_of_images() {
        let config = ebm_data::DataConfig {
            train_images: 230,
            test_images: 0,
            ..Default::default()
        };
        let images = ebm_data::load(&config, 5).expect("drawn").train;
        let network = FeatureNetwork::embedded("digits").expect("opens");
        let all = network
            .describe(&images.pixels, images.shape)
            .expect("fits");
        let right = all
            .classes
            .iter()
            .zip(&images.labels)
            .filter(|(one, other)| one == other);
        assert!(right.count() >= 225);
        let few = network
            .describe(&images.pixels[..7 * 784], images.shape)
            .expect("fits");
        assert_eq!(few.vectors, all.vectors.slice(0..7));
    }

    #[test]
    fn every_recipe_is_whole() {
        for (name, _) in RECIPES {
            FeatureRecipe::named(name).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
        let unknown = FeatureRecipe::named("nope")
            .expect_err("unknown")
            .to_string();
        assert!(unknown.contains("digits, mnist, cifar10"), "{unknown}");
        assert!(FeatureRecipe::parse("iterations = 0", "mine.toml").is_err());
    }
}
