//! Describe the model of a file of weights in the file's metadata.

use std::path::Path;

use ebm_core::ImageShape;
use ebm_model::{Activation, NetworkConfig};
use ebm_train::checkpoint::{self, CheckpointError};
use ebm_train::{Config, ModelConfig, NetworkName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Difference, ImportError};
use crate::trained::{Trained, Weights};

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
    filters: Option<usize>,
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
        let weights = match weights {
            Weights::Average => "average",
            Weights::Last => "last",
        };
        Self {
            num_classes,
            class_names,
            weights: weights.to_owned(),
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
            filters: Some(resolved.filters),
            activation: Some(resolved.activation),
            centered_input: Some(resolved.centered_input),
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

    /// The keys in which the file's model is not the configuration's, of those that the file knows.
    pub(super) fn differences(&self, config: &Config) -> Vec<Difference> {
        let model = &config.model;
        // What differs because the network does is not listed.
        let here = Resolved::of(&ModelConfig {
            network: self.network.unwrap_or(model.network),
            ..model.clone()
        });
        // Convolutional networks are the same with and without it: spectral norm is part of the weights.
        let plain = self.plain.filter(|_| here.is_residual);
        let channels = Some(self.channels).filter(|_| config.data.channels > 0);
        let native = config.data.native_shape();
        let keys = [
            compare("model.network", self.network, model.network),
            compare("model.filters", self.filters, here.filters),
            compare("model.activation", self.activation, here.activation),
            compare(
                "model.centered_input",
                self.centered_input,
                here.centered_input,
            ),
            compare("model.plain", plain, model.plain),
            compare(
                "model.conditional",
                Some(self.num_classes > 0),
                model.conditional,
            ),
            compare(
                "data.image_size",
                self.image_size.map(size),
                size([native.height, native.width]),
            ),
            compare("data.channels", channels, native.channels),
        ];
        keys.into_iter().flatten().collect()
    }
}

/// The difference in one key, if there is one and the file knows the key.
fn compare<T: Serialize>(
    key: &'static str,
    in_file: Option<T>,
    configured: T,
) -> Option<Difference> {
    let (in_file, configured) = (written(in_file?), written(configured));
    (in_file != configured).then_some(Difference {
        key,
        in_file,
        configured,
    })
}

/// What a configuration's model is, with the published values of what it leaves open.
struct Resolved {
    filters: usize,
    activation: Activation,
    centered_input: bool,
    is_residual: bool,
}

impl Resolved {
    fn of(model: &ModelConfig) -> Self {
        // The first layer of DspritesNet has half of `model.filters`.
        let layer = usize::from(model.network == NetworkName::Dsprites);
        match model.network(0) {
            NetworkConfig::Conv(net) => Self {
                filters: net.layers[layer].filters,
                activation: net.activation,
                centered_input: net.centered_input,
                is_residual: false,
            },
            NetworkConfig::Res(net) => Self {
                filters: net.stages[0].filters,
                activation: net.activation,
                centered_input: false,
                is_residual: true,
            },
        }
    }
}

/// A value as a configuration has it.
fn written(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        other => other.unwrap_or_default().to_string(),
    }
}

/// `data.image_size` for images of this height and width; both where they differ, which no configuration
/// asks for.
fn size([height, width]: [usize; 2]) -> String {
    if height == width {
        height.to_string()
    } else {
        format!("{height}×{width}")
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::pixels::pixel_of_byte;

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
    fn a_note_says_what_the_network_sees() {
        let seen = |overrides: &[&str]| {
            let note = note(overrides);
            (note.centered_input, note.input)
        };
        let (centered, plain) = ((Some(true), "2x - 1".into()), (Some(false), "x".into()));
        assert_eq!(seen(&[]), centered);
        assert_eq!(seen(&["model.centered_input=false"]), plain);
        assert_eq!(seen(&["model.network=resnet32"]), plain);
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
