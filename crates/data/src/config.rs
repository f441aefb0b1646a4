//! Say which images to load, and refuse what a data set does not have.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use ebm_core::{ImageShape, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::factor::Factor;
use crate::kind::DatasetKind;

/// The most pixels by which images are moved.
const MOST_SHIFT: usize = 64;

/// The `[data]` section of a configuration.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Where the images come from.
    pub dataset: DatasetKind,
    /// Folder that holds the files; for `folder` also an archive or a parquet file, for `cifar10` and `cifar100` a tar
    /// archive, for `arrays` a `.npz` or `.npy` file; unused by `digits` and `shapes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Side of the images in pixels. 0: 28 for `digits`, 64 for `shapes`, the first picture's size
    /// for `folder` if that is square and at most 128, the size in the files for the others.
    pub image_size: usize,
    /// Colour channels. 0: 3 for `cifar10`, `cifar100` and `folder` (which also take 1), those of the array for
    /// `arrays` (which takes 1 and 3), else 1.
    pub channels: usize,
    /// Leave out pictures that cannot be decoded instead of stopping.
    pub skip_bad: bool,
    /// Names of classes of which no image is used, neither for training nor for tests; the others are numbered anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<String>,
    /// Squares of `image_size` that are cut from every picture at random places, always the same, in place of
    /// its centre square resized (`folder` only); 0 for none.
    pub crops: usize,
    /// What the labels tell about an image (`shapes` only).
    pub factor: Factor,
    /// Draw every shape upright, at a rotation of 0° (`shapes` only). A small network learns these in minutes; shapes
    /// that are turned take a larger one.
    pub upright: bool,
    /// Training images to draw (`digits` and `shapes` only).
    pub train_images: usize,
    /// Test images to draw (`digits` and `shapes` only); 0 for none.
    pub test_images: usize,
    /// Mirror every image left to right with probability ½ each time it is used. Not for digits,
    /// letters or labels that tell left from right.
    pub flip: bool,
    /// Turn every image by 0, 90, 180 or 270 degrees, evenly, each time it is used. Not for digits or letters.
    pub turn: bool,
    /// Move every image by up to this many pixels, each way, each time it is used, black coming in.
    #[schemars(range(max = 64))]
    pub shift: usize,
    /// Standard deviation of the Gaussian noise added to the data each time an image is used,
    /// with pixels in [0, 1]. Loading leaves the images as they are.
    #[schemars(range(min = 0))]
    pub noise_std: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            dataset: DatasetKind::Digits,
            dir: None,
            image_size: 0,
            channels: 0,
            skip_bad: false,
            leave_out: Vec::new(),
            crops: 0,
            factor: Factor::Shape,
            upright: false,
            train_images: 20_000,
            test_images: 2_000,
            flip: false,
            turn: false,
            shift: 0,
            noise_std: 0.0,
        }
    }
}

impl DataConfig {
    /// Check what is done to the images as they are used.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        if !(self.noise_std >= 0.0 && self.noise_std.is_finite()) {
            let got = self.noise_std;
            return Err(Invalid::new("noise_std", format!("must be ≥ 0, got {got}")));
        }
        if self.shift > MOST_SHIFT {
            let problem = format!("must be at most {MOST_SHIFT}, got {}", self.shift);
            return Err(Invalid::new("shift", problem));
        }
        Ok(())
    }

    /// Shape of the images that this configuration gives where the files do not decide: those of a
    /// folder, an archive or arrays are taken for 32×32 in colour unless it says otherwise.
    pub fn native_shape(&self) -> ImageShape {
        let native = self.dataset.native_shape();
        let unless_zero = |asked: usize, native: usize| if asked == 0 { native } else { asked };
        ImageShape::new(
            unless_zero(self.channels, native.channels),
            unless_zero(self.image_size, native.height),
            unless_zero(self.image_size, native.width),
        )
    }

    /// Whether the images are in colour: those of the data set are, and grey ones are not asked for.
    pub fn is_in_colour(&self) -> bool {
        self.dataset.native_shape().channels > 1 && self.channels != 1
    }

    /// Side of the images to draw, which must be one of `sides`.
    pub(crate) fn side_within(
        &self,
        sides: RangeInclusive<usize>,
        remedy: &'static str,
    ) -> Result<usize, DataError> {
        let side = self.native_shape().height;
        if sides.contains(&side) {
            return Ok(side);
        }
        Err(DataError::BadSetting {
            key: "data.image_size",
            got: side,
            remedy,
        })
    }

    /// The folder to read, which must be given and exist.
    pub(crate) fn existing_dir(&self) -> Result<&Path, DataError> {
        let path = self.existing_path()?;
        if path.is_dir() {
            Ok(path)
        } else {
            Err(DataError::NoSuchDir { path: path.into() })
        }
    }

    /// The folder or archive to read, which must be given.
    pub(crate) fn given_dir(&self) -> Result<&Path, DataError> {
        self.dir.as_deref().ok_or(DataError::NoDirGiven {
            dataset: self.dataset,
        })
    }

    /// The folder or archive to read, which must be given and exist.
    pub(crate) fn existing_path(&self) -> Result<&Path, DataError> {
        let path = self.given_dir()?;
        if path.exists() {
            Ok(path)
        } else {
            Err(DataError::NoSuchDir { path: path.into() })
        }
    }

    /// Refuses a training set without images.
    pub(crate) fn some_training_images(&self) -> Result<(), DataError> {
        if self.train_images > 0 {
            return Ok(());
        }
        Err(DataError::BadSetting {
            key: "data.train_images",
            got: 0,
            remedy: "ask for at least one image",
        })
    }

    /// Refuses a number of channels that a grey data set does not have.
    pub(crate) fn grey_only(&self) -> Result<(), DataError> {
        if self.channels <= 1 {
            return Ok(());
        }
        Err(DataError::BadSetting {
            key: "data.channels",
            got: self.channels,
            remedy: "this dataset is grey: use 1, or 0 for the dataset's own",
        })
    }

    /// Channels of a data set in colour, which can also be read in grey.
    pub(crate) fn rgb_or_grey(&self) -> Result<usize, DataError> {
        match self.channels {
            0 => Ok(3),
            channels @ (1 | 3) => Ok(channels),
            got => Err(DataError::BadSetting {
                key: "data.channels",
                got,
                remedy: "pictures are read with 1 (grey) or 3 (RGB); 0 stands for 3",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_datasets_in_kebab_case_and_refuses_unknown_keys() {
        for (name, dataset) in [
            ("fashion-mnist", DatasetKind::FashionMnist),
            ("cifar10", DatasetKind::Cifar10),
            ("cifar100", DatasetKind::Cifar100),
        ] {
            let config: DataConfig = toml::from_str(&format!("dataset = \"{name}\"")).unwrap();
            let expected = DataConfig {
                dataset,
                ..DataConfig::default()
            };
            assert_eq!((config, dataset.to_string()), (expected, name.to_owned()));
        }
        assert!(toml::from_str::<DataConfig>("data_set = \"mnist\"").is_err());
    }

    #[test]
    fn a_shape_is_the_data_sets_own_but_for_what_is_asked_for() {
        let shape = |dataset, channels, image_size| {
            let config = DataConfig {
                dataset,
                channels,
                image_size,
                ..DataConfig::default()
            };
            config.native_shape().dims()
        };
        assert_eq!(shape(DatasetKind::Mnist, 0, 0), [1, 28, 28]);
        assert_eq!(shape(DatasetKind::Shapes, 0, 0), [1, 64, 64]);
        assert_eq!(shape(DatasetKind::Cifar10, 1, 0), [1, 32, 32]);
        assert_eq!(shape(DatasetKind::Folder, 0, 48), [3, 48, 48]);
    }
}
