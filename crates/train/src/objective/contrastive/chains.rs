//! Remember persistent chains and the size of their steps.

use std::collections::BTreeMap;

use ebm_langevin::{BufferState, ReplayBuffer};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Array, Checkpoint, CheckpointError};
use crate::objective::Persist;

/// What contrastive divergence remembers.
#[derive(Clone, Debug)]
pub struct ChainState {
    /// Persistent chains.
    pub buffer: ReplayBuffer,
    /// What the sampler's step size is multiplied by: 1 unless it adapts.
    pub step_scale: f64,
}

const BUFFER: &str = "buffer.safetensors";
const CHAINS: &str = "chains.json";

/// What of the state is no array.
#[derive(Serialize, Deserialize)]
struct Scalars {
    step_scale: f64,
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
        };
        vec![
            (BUFFER, checkpoint::encode(&arrays)),
            (CHAINS, checkpoint::to_json(&scalars)),
        ]
    }

    fn load(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let [channels, height, width] = self.buffer.shape();
        let capacity = self.buffer.capacity();
        let mut arrays = checkpoint.arrays(BUFFER)?;
        let shape = [capacity, channels, height, width];
        self.buffer.restore(BufferState {
            images: checkpoint::take_u8(&mut arrays, "images", &shape)?,
            labels: checkpoint::take_u32(&mut arrays, "labels", &[capacity])?,
            ages: checkpoint::take_u32(&mut arrays, "ages", &[capacity])?,
        });
        self.step_scale = checkpoint.json::<Scalars>(CHAINS)?.step_scale;
        Ok(())
    }
}
