//! Draw a grid of samples from noise, under the averaged weights, beside data.

use burn::tensor::Device;
use ebm_core::index_tensor;
use ebm_data::Images;
use ebm_langevin::{
    LangevinConfig, labels_in_turn, noise_images, sampler_outside_training, to_bytes,
};
use ebm_model::{EnergyModel, Frozen};

/// How samples are drawn.
pub(super) struct Drawing<'a> {
    pub(super) langevin: &'a LangevinConfig,
    pub(super) step_scale: f64,
    pub(super) num: usize,
    pub(super) steps: usize,
    pub(super) seed: u64,
    pub(super) device: &'a Device,
}

impl Drawing<'_> {
    /// Samples of the classes in turn, and their labels; bytes `[num, channels, height, width]`.
    pub(super) fn samples<M: EnergyModel + Sync>(
        &self,
        model: &Frozen<M>,
        data: &Images,
    ) -> (Vec<u8>, Vec<u32>) {
        let labels = labels_in_turn(self.num, model.num_classes());
        let start = noise_images(self.num, data.shape, self.seed, self.device);
        let sampler = sampler_outside_training(self.langevin, self.steps, self.seed)
            .with_step_scale(self.step_scale);
        let energy = model.given(index_tensor(&labels, self.device));
        let ids: Vec<u32> = (0..self.num as u32).collect();
        let run = sampler.run(start, &ids, &energy);
        (to_bytes(run.x), labels)
    }
}

/// Images of the data to show beside samples, as bytes: of the same classes where the model has classes.
pub(super) fn shown_beside(labels: &[u32], data: &Images, by_class: bool) -> Vec<u8> {
    let mut next = 0;
    let mut follow = |wanted: Option<u32>| {
        let mut order = (0..data.len()).map(|i| (next + i) % data.len());
        let fits = |i: &usize| wanted.is_none_or(|label| data.labels[*i] == label);
        let found = order.find(fits).unwrap_or(next % data.len());
        next = found + 1;
        found
    };
    let indices = labels
        .iter()
        .map(|&label| follow(by_class.then_some(label)));
    indices
        .flat_map(|index| data.image(index).to_vec())
        .collect()
}
