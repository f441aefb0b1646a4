//! Hold everything that training remembers: exactly what a checkpoint stores.

use burn::tensor::{Device, Tensor, TensorData};
use ebm_langevin::{BufferState, NoiseKey, PhiloxRng, ReplayBuffer, Stream};
use ebm_model::{ConvNet, EnergyModel, ImageShape};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::checkpoint::{self, Array, Checkpoint, CheckpointError};
use crate::config::{Config, Invalid};
use crate::optimizer::Adam;
use crate::parameters::{self, ParameterSpec};

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
    /// Iterations done.
    pub step: u64,
}

/// The numbers of a state that are no arrays.
#[derive(Serialize, Deserialize)]
struct Counters {
    step: u64,
    optimizer_steps: u64,
    image_shape: [usize; 3],
    class_frequencies: Vec<f64>,
}

/// The network of a configuration with its initial weights.
///
/// # Errors
/// Where the network does not fit images of `shape`.
pub fn initial_model(
    config: &Config,
    shape: ImageShape,
    device: &Device,
) -> Result<ConvNet, Invalid> {
    let mut rng = PhiloxRng::new(NoiseKey::new(config.seed, Stream::Weights, 0), 0);
    let net = config.model.conv_net().init(shape, &mut rng, device);
    net.map_err(|error| Invalid::new("model", error.to_string()))
}

impl TrainState<ConvNet> {
    /// The state before the first iteration. `device` without autodiff.
    ///
    /// # Errors
    /// Where the network does not fit images of `shape`.
    pub fn new(
        config: &Config,
        shape: ImageShape,
        class_frequencies: Vec<f64>,
        device: &Device,
    ) -> Result<Self, Invalid> {
        let model = initial_model(config, shape, &device.clone().autodiff())?;
        let ema = parameters::flatten(&model);
        let buffer = ReplayBuffer::new(
            config.buffer.clone(),
            shape.dims(),
            class_frequencies,
            config.seed,
            device,
        );
        Ok(Self {
            optimizer: Adam::new(ema.dims()[0], device),
            model,
            ema,
            buffer,
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
        let model = initial_model(config, shape, &autodiff)
            .map_err(|error| checkpoint.invalid("config.toml", error.to_string()))?;
        let specs = parameters::specs(&model);
        let weights = vector(checkpoint, "model.safetensors", "", &specs, device)?;
        let ema = vector(checkpoint, "ema.safetensors", "", &specs, device)?;
        let optimizer = load_optimizer(checkpoint, &specs, counters.optimizer_steps, device)?;
        let buffer = load_buffer(config, checkpoint, counters.image_shape)?;
        Ok(Self {
            model: parameters::unflatten(model, &weights),
            ema,
            optimizer,
            buffer: ReplayBuffer::from_state(
                config.buffer.clone(),
                counters.image_shape,
                counters.class_frequencies,
                buffer,
                device,
            ),
            step: counters.step,
        })
    }
}

impl<M: EnergyModel> TrainState<M> {
    /// The network with the averaged weights, as constants.
    pub fn ema_model(&self) -> M {
        parameters::unflatten(self.model.valid(), &self.ema)
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
            image_shape: self.buffer.shape(),
            class_frequencies: self.buffer.class_frequencies().to_vec(),
        };
        let specs = parameters::specs(&self.model);
        let moments = [
            ("mean.", &self.optimizer.mean),
            ("mean_square.", &self.optimizer.mean_square),
        ];
        let moments = moments.map(|(prefix, vector)| named_arrays(prefix, &specs, vector));
        let weights = named_arrays("", &specs, &parameters::flatten(&self.model));
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

/// The parts of a vector of parameters, by name.
fn named_arrays(
    prefix: &str,
    specs: &[ParameterSpec],
    vector: &Tensor<1>,
) -> BTreeMap<String, Array> {
    let numbers: Vec<f32> = vector.to_data().iter::<f32>().collect();
    let mut rest = numbers.as_slice();
    let named = specs.iter().map(|spec| {
        let (part, after) = rest.split_at(spec.len());
        rest = after;
        let array = Array::new(spec.shape.clone(), part.to_vec());
        (format!("{prefix}{}", spec.name), array)
    });
    named.collect()
}

/// The vector of parameters whose parts a file holds by name.
fn vector(
    checkpoint: &Checkpoint,
    file: &str,
    prefix: &str,
    specs: &[ParameterSpec],
    device: &Device,
) -> Result<Tensor<1>, CheckpointError> {
    let mut arrays = checkpoint.arrays(file)?;
    let mut numbers = Vec::new();
    for spec in specs {
        let name = format!("{prefix}{}", spec.name);
        numbers.extend(checkpoint::take_f32(&mut arrays, &name, &spec.shape)?);
    }
    let len = numbers.len();
    Ok(Tensor::from_data(TensorData::new(numbers, [len]), device))
}

fn load_optimizer(
    checkpoint: &Checkpoint,
    specs: &[ParameterSpec],
    steps: u64,
    device: &Device,
) -> Result<Adam, CheckpointError> {
    let moment = |prefix| vector(checkpoint, "optimizer.safetensors", prefix, specs, device);
    Ok(Adam {
        mean: moment("mean.")?,
        mean_square: moment("mean_square.")?,
        steps,
    })
}

fn buffer_arrays(buffer: &ReplayBuffer) -> BTreeMap<String, Array> {
    let [channels, height, width] = buffer.shape();
    let (state, capacity) = (buffer.to_state(), buffer.capacity());
    BTreeMap::from([
        (
            "images".into(),
            Array::new([capacity, channels, height, width], state.images),
        ),
        ("labels".into(), Array::new([capacity], state.labels)),
        ("ages".into(), Array::new([capacity], state.ages)),
    ])
}

fn load_buffer(
    config: &Config,
    checkpoint: &Checkpoint,
    [channels, height, width]: [usize; 3],
) -> Result<BufferState, CheckpointError> {
    let capacity = config.buffer.capacity;
    let mut arrays = checkpoint.arrays("buffer.safetensors")?;
    let shape = [capacity, channels, height, width];
    Ok(BufferState {
        images: checkpoint::take_u8(&mut arrays, "images", &shape)?,
        labels: checkpoint::take_u32(&mut arrays, "labels", &[capacity])?,
        ages: checkpoint::take_u32(&mut arrays, "ages", &[capacity])?,
    })
}
