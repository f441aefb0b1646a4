//! Hold everything that training remembers: exactly what a checkpoint stores.

mod arrays;
mod exact;
#[cfg(test)]
mod tests;

use burn::tensor::{Device, Tensor};
use ebm_langevin::{NoiseKey, PhiloxRng, ReplayBuffer, Stream};
use ebm_model::{EnergyModel, ImageShape, Network};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::config::{Config, Invalid};
use crate::data::Images;
use crate::optimizer::Adam;
use crate::parameters;
pub(crate) use arrays::named_arrays;
use arrays::{
    buffer_arrays, load_buffer, load_optimizer, load_spectral_norms, spectral_norm_arrays, vector,
};
use exact::Exact;

/// Model, moving average, optimizer, buffer and step. Nothing else remembers anything.
#[derive(Clone, Debug)]
pub struct TrainState<M> {
    /// The network, its weights tracked by autodiff.
    pub model: M,
    /// Moving average of the weights, `[parameters]`.
    pub ema: Tensor<1>,
    /// Moments of the gradients.
    pub optimizer: Adam,
    /// Persistent chains.
    pub buffer: ReplayBuffer,
    /// What the sampler's step size is multiplied by: 1 unless it adapts.
    pub step_scale: f64,
    /// Names of the classes; empty for data without labels.
    pub class_names: Vec<String>,
    /// Iterations done.
    pub step: u64,
}

/// The numbers of a state that are no arrays.
#[derive(Serialize, Deserialize)]
struct Counters {
    step: u64,
    optimizer_steps: u64,
    #[serde(default = "unscaled")]
    step_scale: Exact,
    image_shape: [usize; 3],
    class_frequencies: Vec<Exact>,
    #[serde(default)]
    class_names: Vec<String>,
}

fn unscaled() -> Exact {
    Exact(1.0)
}

/// What is known of the data that a model learns: all that a state takes from them.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSummary {
    /// Shape of every image.
    pub shape: ImageShape,
    /// Names of the classes; empty for data without labels.
    pub class_names: Vec<String>,
    /// Share of each class.
    pub class_frequencies: Vec<f64>,
}

impl From<&Images> for DataSummary {
    fn from(images: &Images) -> Self {
        Self {
            shape: images.shape,
            class_names: images.class_names.clone(),
            class_frequencies: images.class_frequencies(),
        }
    }
}

/// The network of a configuration with its initial weights, for data of `num_classes` classes.
///
/// # Errors
/// Where the network does not fit images of `shape`, or needs classes that the data do not have.
pub fn initial_model(
    config: &Config,
    shape: ImageShape,
    num_classes: usize,
    device: &Device,
) -> Result<Network, Invalid> {
    if config.model.conditional && num_classes == 0 {
        let problem = "needs labelled data: a data set with classes, or a folder of class folders";
        return Err(Invalid::new("model.conditional", problem));
    }
    let mut rng = PhiloxRng::new(NoiseKey::new(config.seed, Stream::Weights, 0), 0);
    let net = config.model.network(num_classes);
    let net = net.init(shape, &mut rng, device);
    net.map_err(|error| Invalid::new("model", error.to_string()))
}

impl TrainState<Network> {
    /// The state before the first iteration. `device` without autodiff.
    ///
    /// # Errors
    /// Where the network does not fit images of `shape`.
    pub fn new(config: &Config, data: DataSummary, device: &Device) -> Result<Self, Invalid> {
        let (shape, num_classes) = (data.shape, data.class_frequencies.len());
        let model = initial_model(config, shape, num_classes, &device.clone().autodiff())?;
        let ema = parameters::flatten(&model);
        let buffer = ReplayBuffer::new(
            config.buffer.clone(),
            shape.dims(),
            data.class_frequencies,
            config.seed,
            device,
        );
        Ok(Self {
            optimizer: Adam::new(ema.dims()[0], device),
            model,
            ema,
            buffer,
            step_scale: 1.0,
            class_names: data.class_names,
            step: 0,
        })
    }

    /// The state that a checkpoint holds.
    ///
    /// # Errors
    /// Where an array is missing or of another shape: the checkpoint is for another network.
    pub fn load(
        config: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let counters: Counters = checkpoint.json("state.json")?;
        let [channels, height, width] = counters.image_shape;
        let shape = ImageShape::new(channels, height, width);
        let autodiff = device.clone().autodiff();
        let num_classes = counters.class_frequencies.len();
        let mut model = initial_model(config, shape, num_classes, &autodiff)
            .map_err(|error| checkpoint.invalid("config.toml", error.to_string()))?;
        let specs = parameters::specs(&model);
        let weights = vector(checkpoint, "model.safetensors", "", &specs, device)?;
        let ema = vector(checkpoint, "ema.safetensors", "", &specs, device)?;
        load_spectral_norms(&mut model, checkpoint, device)?;
        let optimizer = load_optimizer(checkpoint, &specs, counters.optimizer_steps, device)?;
        let buffer = load_buffer(config, checkpoint, counters.image_shape)?;
        Ok(Self {
            model: parameters::unflatten(model, &weights),
            ema,
            optimizer,
            buffer: ReplayBuffer::from_state(
                config.buffer.clone(),
                counters.image_shape,
                counters
                    .class_frequencies
                    .iter()
                    .map(|share| share.0)
                    .collect(),
                buffer,
                device,
            ),
            step_scale: counters.step_scale.0,
            class_names: counters.class_names,
            step: counters.step,
        })
    }
}

impl<M: EnergyModel> TrainState<M> {
    /// The network with the averaged weights, as constants, with spectral norms of its own: an
    /// average of the vectors they are computed from would belong to no weights.
    pub fn ema_model(&self) -> M {
        let mut model = parameters::unflatten(self.model.valid(), &self.ema);
        for weight in &mut model.spectral_norms() {
            weight.settle();
        }
        model.folded()
    }

    /// The network with the last weights, as constants, as chains of the last iteration saw it but
    /// for the last update.
    pub fn last_model(&self) -> M {
        self.model.valid().folded()
    }

    /// Channels, height and width of the images.
    pub fn image_shape(&self) -> ImageShape {
        let [channels, height, width] = self.buffer.shape();
        ImageShape::new(channels, height, width)
    }

    /// The files of a checkpoint, read from the device.
    pub fn to_files(&self, config: &Config) -> Vec<(&'static str, Vec<u8>)> {
        let counters = Counters {
            step: self.step,
            optimizer_steps: self.optimizer.steps,
            step_scale: Exact(self.step_scale),
            image_shape: self.buffer.shape(),
            class_frequencies: (self.buffer.class_frequencies().iter())
                .map(|&share| Exact(share))
                .collect(),
            class_names: self.class_names.clone(),
        };
        let specs = parameters::specs(&self.model);
        let moments = [
            ("mean.", &self.optimizer.mean),
            ("mean_square.", &self.optimizer.mean_square),
        ];
        let moments = moments.map(|(prefix, vector)| named_arrays(prefix, &specs, vector));
        let mut weights = named_arrays("", &specs, &parameters::flatten(&self.model));
        weights.extend(spectral_norm_arrays(self.model.clone()));
        vec![
            ("config.toml", config.to_toml().into_bytes()),
            ("state.json", checkpoint::to_json(&counters)),
            ("model.safetensors", checkpoint::encode(&weights)),
            (
                "ema.safetensors",
                checkpoint::encode(&named_arrays("", &specs, &self.ema)),
            ),
            (
                "optimizer.safetensors",
                checkpoint::encode(&moments.into_iter().flatten().collect()),
            ),
            (
                "buffer.safetensors",
                checkpoint::encode(&buffer_arrays(&self.buffer)),
            ),
        ]
    }
}
