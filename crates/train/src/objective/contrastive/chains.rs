//! Remember persistent chains and the size of their steps.

use std::collections::BTreeMap;

use burn::tensor::Device;
use ebm_core::Shard;
use ebm_langevin::{BufferState, ByteRange, ReplayBuffer};
use serde::{Deserialize, Serialize};

use super::config::Contrastive;
use crate::checkpoint::{self, Array, Checkpoint, CheckpointError};
use crate::state::{DataSummary, Persist};

/// What contrastive divergence remembers.
#[derive(Clone, Debug)]
pub struct ChainState {
    /// Persistent chains.
    pub buffer: ReplayBuffer,
    /// Multiplier of the sampler's step size: 1 unless it adapts.
    pub step_scale: f64,
}

const BUFFER: &str = "buffer.safetensors";
const CHAINS: &str = "chains.json";

/// The part of the state that is not an array.
#[derive(Serialize, Deserialize)]
struct Scalars {
    step_scale: f64,
    /// Pixels for which the bytes of images stand.
    #[serde(default = "unit")]
    pixel_range: [f64; 2],
}

fn unit() -> [f64; 2] {
    [0.0, 1.0]
}

impl Persist for ChainState {
    fn to_files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let [channels, height, width] = self.buffer.shape();
        let (state, capacity) = (self.buffer.to_state(), self.buffer.capacity());
        let images = Array::new([capacity, channels, height, width], state.images);
        let arrays = BTreeMap::from([
            ("images".to_owned(), images),
            ("labels".to_owned(), Array::new([capacity], state.labels)),
            ("ages".to_owned(), Array::new([capacity], state.ages)),
        ]);
        let scalars = Scalars {
            step_scale: self.step_scale,
            pixel_range: self.buffer.range(),
        };
        vec![
            (BUFFER, checkpoint::encode(&arrays)),
            (CHAINS, checkpoint::to_json(&scalars)),
        ]
    }
}

impl ChainState {
    /// New chains of a worker.
    pub(super) fn new(
        objective: &Contrastive,
        data: &DataSummary,
        seed: u64,
        shard: Shard,
        device: &Device,
    ) -> Self {
        let (image, frequencies) = (data.shape.dims(), data.class_frequencies.clone());
        let config = objective.buffer_config();
        Self {
            buffer: ReplayBuffer::new(config, image, frequencies, seed, shard, device),
            step_scale: 1.0,
        }
    }

    /// These chains and others, in one buffer.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            buffer: self.buffer.with(&other.buffer),
            ..self
        }
    }

    /// The same chains under other settings, where those allow it.
    pub(super) fn under(self, objective: &Contrastive) -> Option<Self> {
        let buffer = self.buffer.with_settings(objective.buffer_config())?;
        Some(Self { buffer, ..self })
    }

    /// The chains that a checkpoint holds.
    ///
    /// # Errors
    /// Where something is missing or does not fit.
    pub(super) fn load(
        objective: &Contrastive,
        data: &DataSummary,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let config = objective.buffer_config();
        let scalars: Scalars = checkpoint.json(CHAINS)?;
        let (capacity, image) = (config.capacity, data.shape.dims());
        let mut arrays = checkpoint.arrays(BUFFER)?;
        let mut state = BufferState {
            images: checkpoint::take_u8(&mut arrays, "images", &data.shape.batch(capacity))?,
            labels: checkpoint::take_u32(&mut arrays, "labels", &[capacity])?,
            ages: checkpoint::take_u32(&mut arrays, "ages", &[capacity])?,
        };
        let ranges = [config.range, scalars.pixel_range].map(ByteRange::of);
        let recode = |byte: &mut u8| *byte = ranges[0].recode(*byte, ranges[1]);
        state.images.iter_mut().for_each(recode);
        let frequencies = data.class_frequencies.clone();
        Ok(Self {
            buffer: ReplayBuffer::from_state(config, image, frequencies, state, device),
            step_scale: scalars.step_scale,
        })
    }
}
