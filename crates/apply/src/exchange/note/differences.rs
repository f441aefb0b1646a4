//! Compare the model that a file describes with that of a configuration.

use ebm_train::{Config, ModelConfig, NetworkName};
use serde::Serialize;
use serde_json::Value;

use super::super::error::Difference;
use super::Note;
use super::resolved::Resolved;
use crate::trained::Weights;

impl Note {
    /// The keys in which the file's model is not the configuration's, of those that the file knows.
    pub(in super::super) fn differences(&self, config: &Config) -> Vec<Difference> {
        let model = &config.model;
        // What differs because the network does is not listed.
        let here = Resolved::of(&ModelConfig {
            network: self.network.unwrap_or(model.network),
            ..model.clone()
        });
        // Convolutional networks are the same with and without it: spectral norm is part of the weights.
        let plain = self.plain.filter(|_| here.is_residual);
        let is_unet = model.network == NetworkName::Unet;
        let channels = Some(self.channels).filter(|_| config.data.channels > 0);
        let native = config.data.native_shape();
        let keys = [
            compare("model.network", self.network, model.network),
            compare_known("model.filters", self.filters, here.filters),
            compare_known("model.widths", self.widths.as_ref(), here.widths.as_ref()),
            compare_known("model.patch", self.patch, here.patch),
            compare_known("model.blocks", self.blocks, here.blocks),
            compare_known("model.head", self.head, here.head),
            compare_known("model.input_scale", self.input_scale, here.input_scale),
            compare_known("model.energy_scale", self.energy_scale, here.energy_scale),
            compare_known("model.experts", self.experts, here.experts),
            compare_known("model.dimensions", self.dimensions, here.dimensions),
            compare_known("model.intensity", self.intensity, here.intensity),
            compare_known("model.remove_mean", self.remove_mean, here.remove_mean),
            compare_known("model.latents", self.latents, here.latents),
            compare_known(
                "model.observation_std",
                self.observation_std,
                here.observation_std,
            ),
            compare_known(
                "model.inference_steps",
                self.inference_steps,
                here.inference_steps,
            ),
            compare_known(
                "model.inference_step_size",
                self.inference_step_size,
                here.inference_step_size,
            ),
            compare_known("model.activation", self.activation, here.activation),
            compare(
                "model.centered_input",
                self.centered_input,
                here.centered_input,
            ),
            compare("model.plain", plain, model.plain),
            compare(
                "objective.noise_conditional",
                Some(self.noise_map).filter(|_| is_unet),
                config.conditions(0).sees_noise,
            ),
            compare(
                "model.conditional",
                Some(self.num_classes > 0),
                model.conditional,
            ),
            compare("model.class_head", Some(self.class_head), model.class_head),
            compare(
                "data.image_size",
                self.image_size.map(size),
                size([native.height, native.width]),
            ),
            compare("data.channels", channels, native.channels),
        ];
        keys.into_iter().flatten().collect()
    }

    /// The keys in which the description of an exported model is not that of the file's, of those that the file knows.
    pub(in super::super) fn differences_from_description(
        &self,
        image_shape: [usize; 3],
        class_names: &[String],
        weights: Weights,
    ) -> Vec<Difference> {
        let shape = (self.image_size).map(|[height, width]| [self.channels, height, width]);
        let names = Some(&self.class_names).filter(|names| !names.is_empty());
        let own_weights = Some(self.weights.as_str()).filter(|name| !name.is_empty());
        let keys = [
            compare("image_shape", shape, image_shape),
            compare("class_names", names.map(Vec::as_slice), class_names),
            compare("weights", own_weights, weights.name()),
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

/// [`compare`] in a key that only some networks have.
fn compare_known<T: Serialize>(
    key: &'static str,
    in_file: Option<T>,
    configured: Option<T>,
) -> Option<Difference> {
    compare(key, in_file, configured?)
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
