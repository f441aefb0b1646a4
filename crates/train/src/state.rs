//! Hold everything that training remembers: exactly what a checkpoint stores.

use burn::tensor::{Device, Tensor, TensorData};
use ebm_langevin::{BufferState, NoiseKey, PhiloxRng, ReplayBuffer, Stream};
use ebm_model::{EnergyModel, ImageShape, Network};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::checkpoint::{self, Array, Checkpoint, CheckpointError};
use crate::config::{Config, Invalid};
use crate::data::Images;
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
    step_scale: f64,
    image_shape: [usize; 3],
    class_frequencies: Vec<f64>,
    #[serde(default)]
    class_names: Vec<String>,
}

fn unscaled() -> f64 {
    1.0
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
            step_scale: unscaled(),
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
                counters.class_frequencies,
                buffer,
                device,
            ),
            step_scale: counters.step_scale,
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
            step_scale: self.step_scale,
            image_shape: self.buffer.shape(),
            class_frequencies: self.buffer.class_frequencies().to_vec(),
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

/// The vectors of spectral norms, by name: `LAYER.u` and `LAYER.v`.
fn spectral_norm_arrays(mut model: impl EnergyModel) -> BTreeMap<String, Array> {
    let mut arrays = BTreeMap::new();
    for weight in model.spectral_norms() {
        for (suffix, vector) in ["u", "v"].iter().zip(weight.vectors()) {
            let numbers: Vec<f32> = vector.into_data().iter::<f32>().collect();
            let array = Array::new([numbers.len()], numbers);
            arrays.insert(format!("{}.{suffix}", weight.name), array);
        }
    }
    arrays
}

fn load_spectral_norms(
    model: &mut impl EnergyModel,
    checkpoint: &Checkpoint,
    device: &Device,
) -> Result<(), CheckpointError> {
    let mut norms = model.spectral_norms();
    if norms.is_empty() {
        return Ok(());
    }
    let mut arrays = checkpoint.arrays("model.safetensors")?;
    for weight in &mut norms {
        let mut load = |suffix: &str, expected: Tensor<2>| {
            let shape = expected.dims();
            let name = format!("{}.{suffix}", weight.name);
            let numbers = checkpoint::take_f32(&mut arrays, &name, &shape[1..])?;
            Ok(Tensor::from_data(TensorData::new(numbers, shape), device))
        };
        let [u, v] = weight.vectors();
        let vectors = [load("u", u)?, load("v", v)?];
        weight.set_vectors(vectors);
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use burn::module::Module;

    use super::*;
    use crate::batches::Batches;
    use crate::{data, trainer};

    /// The largest singular value of a matrix, by one-sided Jacobi rotations of its rows.
    fn largest_singular_value(matrix: Tensor<2>) -> f64 {
        let [rows, columns] = matrix.dims();
        let numbers: Vec<f64> = matrix.into_data().iter::<f64>().collect();
        let mut rows_of: Vec<Vec<f64>> = numbers.chunks(columns).map(<[f64]>::to_vec).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for _sweep in 0..30 {
            for i in 0..rows {
                for j in i + 1..rows {
                    let (a, b) = (dot(&rows_of[i], &rows_of[i]), dot(&rows_of[j], &rows_of[j]));
                    let c = dot(&rows_of[i], &rows_of[j]);
                    if c.abs() <= 1e-15 * (a * b).sqrt() {
                        continue;
                    }
                    let zeta = (b - a) / (2.0 * c);
                    let t = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
                    let cos = 1.0 / (1.0 + t * t).sqrt();
                    let (sin, (left, right)) = (cos * t, rows_of.split_at_mut(j));
                    for (x, y) in left[i].iter_mut().zip(&mut right[0]) {
                        (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
                    }
                }
            }
        }
        let lengths = rows_of.iter().map(|row| dot(row, row).sqrt());
        lengths.fold(0.0, f64::max)
    }

    /// The largest singular value of any weight as the network uses it.
    fn largest_norm(mut model: Network) -> f64 {
        let norms = model.spectral_norms();
        assert!(norms.len() > 3, "weights are under spectral norm");
        let values = norms
            .iter()
            .map(|weight| largest_singular_value(weight.normalized()));
        values.fold(0.0, f64::max)
    }

    #[test]
    fn no_weight_under_spectral_norm_stretches_after_training_in_the_average_or_after_loading() {
        for network in ["mnist", "resnet32"] {
            let overrides = [
                &format!("model.network={network}"),
                "model.filters=4",
                "batch_size=8",
                "langevin.num_steps=2",
                "buffer.capacity=16",
                "data.train_images=32",
                "data.image_size=16",
            ];
            let config = Config::resolve("digits", None, &overrides.map(String::from));
            let config = config.expect("resolves");
            let dataset = data::load(&config.data, 1).expect("drawn");
            let device = Device::flex();
            let state = TrainState::new(&config, (&dataset.train).into(), &device);
            let mut state = state.expect("fits");
            let mut batches = Batches::new(&dataset.train, &config, &device);
            let before = parameters::flatten(&state.model);
            for iteration in 0..60 {
                trainer::step(&config, &mut state, batches.at(iteration), false);
            }
            let moved = (parameters::flatten(&state.model) - before).abs().max();
            assert!(moved.into_scalar::<f32>() > 0.005, "the weights have moved");
            let norm = largest_norm(state.model.clone());
            assert!(
                norm < 1.01,
                "{network}: {norm}: one iteration a step follows the weights"
            );

            let mut average = parameters::unflatten(state.model.valid(), &state.ema);
            average
                .spectral_norms()
                .iter_mut()
                .for_each(|weight| weight.settle());
            let norm = largest_norm(average);
            assert!(norm < 1.0 + 1e-3, "{network}: {norm} in the average");

            let (files, dir) = (
                state.to_files(&config),
                tempfile::tempdir().expect("a folder"),
            );
            let path = checkpoint::write(dir.path(), 60, &files, 1).expect("written");
            let checkpoint = checkpoint::read(&path).expect("read");
            let loaded = TrainState::load(&config, &checkpoint, &device).expect("fits");
            assert_eq!(largest_norm(loaded.model), largest_norm(state.model));
        }
    }
}
