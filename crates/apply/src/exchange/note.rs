//! Describe the model of a file of weights in the file's metadata.

mod differences;
mod resolved;

use std::path::Path;

use ebm_core::ImageShape;
use ebm_model::{Activation, Head, Intensity};
use ebm_train::checkpoint::{self, CheckpointError};
use ebm_train::{ModelConfig, NetworkName};
use serde::{Deserialize, Serialize};

use super::error::ImportError;
use crate::trained::{Trained, Weights};
use resolved::Resolved;

/// Key of the metadata that this program writes.
pub(super) const KEY: &str = "ebm";

/// Version of a [`Note`]. A field that is added does not change it.
pub(super) const FORMAT_VERSION: u32 = 1;

/// [`pixel_of_byte`](ebm_core::pixels::pixel_of_byte) in words.
const PIXELS: &str = "x = (q + 0.5) / 256 for a byte q, in [0, 1]";

/// What a file says of its model besides the weights. Files of earlier versions have only `channels` and
/// `num_classes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    /// [`FORMAT_VERSION`]; 0 for a file of an earlier version.
    #[serde(default)]
    format_version: u32,
    /// The architecture, as `model.network`.
    network: Option<NetworkName>,
    /// Its width, as `model.filters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<usize>,
    /// Its widths, as `model.widths`.
    #[serde(skip_serializing_if = "Option::is_none")]
    widths: Option<Vec<usize>>,
    /// Side of its patches, as `model.patch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<usize>,
    /// Blocks of a stage, as `model.blocks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<usize>,
    /// What makes an energy of a U-Net, as `model.head`.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Head>,
    /// The factor of what the network sees, as `model.input_scale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_scale: Option<f64>,
    /// The factor of the energy, as `model.energy_scale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    energy_scale: Option<f64>,
    /// Whether classes choose an output of the last layer, as `model.class_head`.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    class_head: bool,
    /// Whether the first layer of a U-Net sees 2σ·`input_scale` of an image's noise σ as one more channel.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    noise_map: bool,
    /// How many experts there are, as `model.experts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    experts: Option<usize>,
    /// What they see, as `model.dimensions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
    /// What they see of a pixel, as `model.intensity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    intensity: Option<Intensity>,
    /// Whether they see patches without their mean, as `model.remove_mean`.
    #[serde(skip_serializing_if = "Option::is_none")]
    remove_mean: Option<bool>,
    /// Elements of its latent vectors, as `model.latents`.
    #[serde(skip_serializing_if = "Option::is_none")]
    latents: Option<usize>,
    /// σ of images around those that are generated, as `model.observation_std`.
    #[serde(skip_serializing_if = "Option::is_none")]
    observation_std: Option<f64>,
    /// Steps of the descent to the z of an image, as `model.inference_steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    inference_steps: Option<usize>,
    /// Their size, as `model.inference_step_size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    inference_step_size: Option<f64>,
    /// Its nonlinearity, as `model.activation`.
    activation: Option<Activation>,
    /// Whether the first layer sees 2x − 1 instead of x.
    centered_input: Option<bool>,
    /// Whether input biases and output gains are left out, as `model.plain`.
    plain: Option<bool>,
    /// Channels of the images that the model takes.
    channels: usize,
    /// Their height and width.
    image_size: Option<[usize; 2]>,
    /// Classes that the energy is given; 0 for none.
    num_classes: usize,
    /// Their names; none for a model without classes.
    #[serde(default)]
    class_names: Vec<String>,
    /// What pixel a byte is.
    #[serde(default)]
    pixels: String,
    /// What the first layer sees.
    #[serde(default)]
    input: String,
    /// Which of a checkpoint's weights these are: `average` or `last`.
    #[serde(default)]
    weights: String,
}

impl Note {
    /// The note for these weights of a trained model.
    pub(super) fn of(trained: &Trained, weights: Weights) -> Self {
        let num_classes = trained.num_classes();
        let class_names = match num_classes {
            0 => Vec::new(), // what the data are called is no part of such a model
            _ => trained.class_names().to_vec(),
        };
        Self {
            num_classes,
            class_names,
            noise_map: trained.sees_noise(),
            weights: trained.weights(weights).name().to_owned(),
            ..Self::of_network(&trained.config().model, trained.shape())
        }
    }

    /// The note for a network without classes.
    fn of_network(model: &ModelConfig, shape: ImageShape) -> Self {
        let resolved = Resolved::of(model);
        let input = if resolved.centered_input {
            "2x - 1"
        } else {
            "x"
        };
        Self {
            format_version: FORMAT_VERSION,
            network: Some(model.network),
            filters: resolved.filters,
            widths: resolved.widths,
            patch: resolved.patch,
            blocks: resolved.blocks,
            head: resolved.head,
            input_scale: resolved.input_scale,
            energy_scale: resolved.energy_scale,
            experts: resolved.experts,
            dimensions: resolved.dimensions,
            intensity: resolved.intensity,
            remove_mean: resolved.remove_mean,
            latents: resolved.latents,
            observation_std: resolved.observation_std,
            inference_steps: resolved.inference_steps,
            inference_step_size: resolved.inference_step_size,
            activation: resolved.activation,
            centered_input: Some(resolved.centered_input),
            class_head: model.class_head,
            plain: Some(model.plain),
            channels: shape.channels,
            image_size: Some([shape.height, shape.width]),
            pixels: PIXELS.to_owned(),
            input: input.to_owned(),
            ..Self::default()
        }
    }

    /// The note of a file, if it has one.
    ///
    /// # Errors
    /// Where the note cannot be read.
    pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Option<Self>, ImportError> {
        #[derive(Deserialize)]
        struct Version {
            #[serde(default)]
            format_version: u32,
        }
        let Some(json) = checkpoint::note(bytes, KEY) else {
            return Ok(None);
        };
        let invalid = |reason: String| CheckpointError::InvalidFile {
            path: path.to_owned(),
            reason: format!("its metadata make no sense ({reason})"),
        };
        let unreadable = |error: serde_json::Error| invalid(error.to_string());
        let version: Version = serde_json::from_str(&json).map_err(unreadable)?;
        if version.format_version > FORMAT_VERSION {
            return Err(ImportError::Newer {
                path: path.to_owned(),
                found: version.format_version,
            });
        }
        let note: Self = serde_json::from_str(&json).map_err(unreadable)?;
        let (names, classes) = (note.class_names.len(), note.num_classes);
        if names > 0 && names != classes {
            return Err(invalid(format!("{names} names for {classes} classes")).into());
        }
        Ok(Some(note))
    }

    /// Channels of the images that the model takes.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// The names of the classes, numbers where the file has no names.
    pub(super) fn class_names(&self) -> Vec<String> {
        if self.class_names.is_empty() {
            return (0..self.num_classes).map(|it| it.to_string()).collect();
        }
        self.class_names.clone()
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::pixels::pixel_of_byte;
    use ebm_train::Config;

    use super::*;

    fn config(overrides: &[&str]) -> Config {
        let overrides: Vec<String> = overrides.iter().map(|it| it.to_string()).collect();
        Config::resolve("digits", None, &overrides).expect("resolves")
    }

    fn note(overrides: &[&str]) -> Note {
        Note::of_network(&config(overrides).model, ImageShape::new(1, 28, 28))
    }

    #[test]
    fn filters_are_counted_as_in_the_configuration() {
        for (network, published) in [
            ("uva", 16),
            ("mnist", 64),
            ("dsprites", 64),
            ("resnet32", 128),
            ("resnet32-large", 128),
            ("resnet32-wider", 192),
            ("resnet128", 64),
        ] {
            let network = format!("model.network={network}");
            assert_eq!(note(&[&network]).filters, Some(published), "{network}");
            let six = note(&[&network, "model.filters=6"]);
            assert_eq!(six.filters, Some(6), "{network}");
        }
    }

    #[test]
    fn networks_of_stages_have_their_own_keys() {
        let unet = note(&["model.network=unet", "model.widths=[8, 16]"]);
        assert_eq!((unet.filters, unet.widths), (None, Some(vec![8, 16])));
        assert_eq!((unet.blocks, unet.head), (Some(1), Some(Head::Dot)));
        let pooled = note(&["model.network=pooled", "model.energy_scale=0.5"]);
        assert_eq!((pooled.filters, pooled.head), (None, None));
        assert_eq!(pooled.energy_scale, Some(0.5));
        let here = config(&[
            "model.network=pooled",
            "model.widths=[32, 64]",
            "model.activation=leaky-relu",
        ]);
        let told: Vec<_> = (pooled.differences(&here).iter())
            .map(ToString::to_string)
            .collect();
        let expected = [
            "model.widths is [32,64,64] there and [32,64] here",
            "model.energy_scale is 0.5 there and 1.0 here",
            "model.activation is swish there and leaky-relu here",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn energies_of_latents_say_how_they_are_inferred() {
        let latent = [
            "model.network=latent",
            "model.spectral_norm=none",
            "objective.kind=latent",
            "langevin.grad_clip=none",
            "langevin.step_size=0.08",
        ];
        let there = note(&[&latent[..], &["model.observation_std=0.3"]].concat());
        let other = [
            "model.latents=8",
            "model.inference_steps=7",
            "model.inference_step_size=0.01",
        ];
        let here = config(&[&latent[..], &other].concat());
        let told: Vec<_> = (there.differences(&here).iter())
            .map(ToString::to_string)
            .collect();
        let expected = [
            "model.latents is 32 there and 8 here",
            "model.observation_std is 0.3 there and 0.15 here",
            "model.inference_steps is 60 there and 7 here",
            "model.inference_step_size is 0.005 there and 0.01 here",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_note_says_what_the_network_sees() {
        let seen = |overrides: &[&str]| {
            let note = note(overrides);
            (note.centered_input, note.input)
        };
        let (centered, plain) = ((Some(true), "2x - 1".into()), (Some(false), "x".into()));
        assert_eq!(seen(&[]), centered);
        assert_eq!(seen(&["model.centered_input=false"]), plain);
        assert_eq!(seen(&["model.network=resnet32"]), plain);
        assert_eq!(seen(&["model.network=unet"]), centered);
        for byte in [0, 7, 255] {
            assert_eq!(pixel_of_byte(byte), (f32::from(byte) + 0.5) / 256.0);
        }
    }

    #[test]
    fn every_key_that_differs_is_listed_and_no_other() {
        let note = note(&["model.network=mnist", "model.filters=8"]);
        let told = |overrides: &[&str]| -> Vec<String> {
            let differences = note.differences(&config(overrides));
            differences.iter().map(ToString::to_string).collect()
        };
        assert!(told(&["model.network=mnist", "model.filters=8", "model.plain=true"]).is_empty());
        assert_eq!(
            told(&["model.filters=8"]),
            ["model.network is mnist there and uva here"]
        );
        let others = [
            "model.network=mnist",
            "model.activation=swish",
            "model.centered_input=true",
            "model.conditional=true",
            "data.image_size=32",
            "data.channels=3",
        ];
        let expected = [
            "model.filters is 8 there and 64 here",
            "model.activation is leaky-relu there and swish here",
            "model.centered_input is false there and true here",
            "model.conditional is false there and true here",
            "data.image_size is 28 there and 32 here",
            "data.channels is 1 there and 3 here",
        ];
        assert_eq!(told(&others), expected);
    }

    #[test]
    fn a_residual_network_is_plain_or_not() {
        let plain = note(&["model.network=resnet32", "model.plain=true"]);
        let told = plain.differences(&config(&["model.network=resnet32"]));
        let told: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["model.plain is true there and false here"]);
    }

    fn read(json: &str) -> Result<Option<Note>, ImportError> {
        let file = checkpoint::encode_with_note(&Default::default(), Some((KEY, json.to_owned())));
        Note::read(&file, Path::new("file"))
    }

    #[test]
    fn the_note_of_an_earlier_version_can_be_read() {
        let old = read(r#"{"channels": 1, "num_classes": 3}"#).expect("reads");
        let old = old.expect("a note");
        assert_eq!(old.class_names(), ["0", "1", "2"]);
        let other = ["model.conditional=true", "model.network=resnet32"];
        assert!(old.differences(&config(&other)).is_empty());
    }

    #[test]
    fn refuses_a_note_of_a_later_format_and_names_for_some_classes() {
        for (json, expected) in [
            (
                r#"{"format_version": 2, "network": ["new"]}"#,
                "file was exported by a newer version (format 2, this program reads format 1)",
            ),
            (
                r#"{"channels": 1, "num_classes": 3, "class_names": ["a"]}"#,
                "(1 names for 3 classes)",
            ),
            (r#"{"channels": 1}"#, "file is not valid: its metadata make"),
        ] {
            let message = read(json).expect_err("refused").to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
