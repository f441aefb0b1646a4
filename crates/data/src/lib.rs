//! Load labelled sets of 8-bit images and cut them into batches of noised tensors.
//!
//! ```
//! use burn::tensor::Device;
//! use ebm_core::{Shard, StepKey};
//! use ebm_data::{BatchConfig, Batches, DataConfig};
//!
//! let seed = 1;
//! let config = DataConfig { train_images: 100, test_images: 0, ..DataConfig::default() };
//! let digits = ebm_data::load(&config, seed)?.train;
//!
//! let device = Device::flex();
//! let config = BatchConfig::new(16);
//! let mut batches = Batches::new(&digits, config, seed, &device);
//! let batch = batches.at(StepKey::new(seed, 0), Shard::WHOLE);
//! assert_eq!(batch.images.dims(), [16, 1, 28, 28]);
//! # Ok::<(), ebm_data::DataError>(())
//! ```
//!
//! # Reading order
//! `images` and `dataset` (what is loaded) → `kind`, `config` and `factor` (what can be asked for) →
//! `sources` (one folder per source: `digits` and `shapes` draw, `mnist`, `cifar`, `folder` and `arrays` read
//! files and archives) → `picture`, `photo` and `resize` (decoding, whole pictures, how they become smaller),
//! `keep`, `pixels`, `durable` and `pack` (data sets larger than memory), `class_name` (what classes may be called), `handwriting`
//! (characters on paper) → `batches` and `order` (what a training step sees); `duplicates` tells images that come more
//! than once; `error` says why there are no images.
//!
//! What a byte is as a pixel and a colour as a grey stands in `ebm_core::pixels`.

mod batches;
mod class_name;
mod config;
mod dataset;
mod duplicates;
mod durable;
mod error;
mod factor;
mod handwriting;
mod images;
mod keep;
mod kind;
mod order;
mod pack;
mod photo;
mod picture;
mod pixels;
mod resize;
mod sizes;
mod sources;

pub use batches::{Batch, BatchConfig, Batches, bytes_kept};
pub use config::DataConfig;
pub use dataset::{Dataset, PassedOver};
pub use duplicates::{duplicates, trained_on};
pub use error::DataError;
pub use factor::Factor;
pub use handwriting::{NoInk, find_handwriting, read_on_paper};
pub use images::Images;
pub use kind::DatasetKind;
pub use pack::{pack, unfinished_pack};
pub use photo::{Photo, Planes};
pub use picture::{decode_picture, decode_picture_bytes};
pub use pixels::Pixels;
pub use sizes::PictureSizes;
pub use sources::{
    Decoded, ImagesHeld, channels_of_arrays, images_in, is_picture, kinds_in, load, load_with,
    pictures_below,
};
