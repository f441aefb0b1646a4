//! Name the data sets.

use std::fmt;

use ebm_core::ImageShape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the images come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// Handwritten-looking digits drawn by code; needs no file.
    #[default]
    Digits,
    /// Squares, ellipses and hearts drawn by code; needs no file.
    Shapes,
    /// The MNIST files in `dir`.
    Mnist,
    /// The Fashion-MNIST files in `dir`.
    FashionMnist,
    /// The QMNIST files in `dir`: MNIST with all 60 000 test digits.
    Qmnist,
    /// The balanced part of EMNIST in `dir`: digits and letters, 47 classes.
    EmnistBalanced,
    /// EMNIST by class in `dir`: digits, capitals and small letters, 62 classes.
    EmnistByclass,
    /// EMNIST by merged class in `dir`: digits and letters, 47 classes.
    EmnistBymerge,
    /// The digits of EMNIST in `dir`.
    EmnistDigits,
    /// The letters of EMNIST in `dir`, 26 classes.
    EmnistLetters,
    /// The digits of EMNIST in `dir`, as many as MNIST has.
    EmnistMnist,
    /// CIFAR-10 in `dir`, its binary or Python version.
    Cifar10,
    /// CIFAR-100 in `dir`, its binary or Python version, with its 100 fine classes.
    Cifar100,
    /// Any pictures in `dir`, a folder, an archive or a parquet file.
    Folder,
    /// NumPy arrays of images and labels in `dir`: a `.npz` or `.npy` file, or a folder of `.npy` files.
    Arrays,
}

impl DatasetKind {
    /// Whether the program draws the images, and reads no files.
    pub fn is_drawn(self) -> bool {
        matches!(self, Self::Digits | Self::Shapes)
    }

    /// Whether `dir` may hold any images: two folders are two data sets, whose files decide on size and classes.
    pub fn is_told_by_dir(self) -> bool {
        matches!(self, Self::Folder | Self::Arrays)
    }

    /// Shape of an image unless another is asked for. The pictures of a folder and arrays decide themselves;
    /// they are taken for 32×32 in colour.
    pub(crate) const fn native_shape(self) -> ImageShape {
        match self {
            // The size of dSprites.
            Self::Shapes => ImageShape::new(1, 64, 64),
            Self::Cifar10 | Self::Cifar100 | Self::Folder | Self::Arrays => {
                ImageShape::new(3, 32, 32)
            }
            _ => ImageShape::new(1, 28, 28),
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digits => "digits",
            Self::Shapes => "shapes",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Qmnist => "qmnist",
            Self::EmnistBalanced => "emnist-balanced",
            Self::EmnistByclass => "emnist-byclass",
            Self::EmnistBymerge => "emnist-bymerge",
            Self::EmnistDigits => "emnist-digits",
            Self::EmnistLetters => "emnist-letters",
            Self::EmnistMnist => "emnist-mnist",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Folder => "folder",
            Self::Arrays => "arrays",
        })
    }
}
