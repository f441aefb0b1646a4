//! Runs for tests, without training, and ranks, without processes.

use std::sync::Arc;
use std::thread;

use burn::tensor::Device;
use ebm_core::ImageShape;
use ebm_train::{Collective, Config, DataSummary, RunDir, Threads, new_state};

use crate::trained::Trained;

pub(crate) const CLASSES: [&str; 3] = ["ant", "bee", "cat"];

/// Keys of a network whose steps take milliseconds.
const TINY: [&str; 5] = [
    "model.filters=4",
    "batch_size=8",
    "buffer.capacity=32",
    "langevin.num_steps=4",
    "output.sample_steps=4",
];

/// A new run of a tiny network with these keys on images of three classes, opened.
pub(crate) fn untrained(overrides: &[&str], shape: ImageShape) -> Trained {
    let overrides = [&TINY[..], overrides].concat();
    untrained_of(&overrides, shape, &CLASSES)
}

/// A new run with these keys on images of these classes, opened.
pub(crate) fn untrained_of(overrides: &[&str], shape: ImageShape, class_names: &[&str]) -> Trained {
    let overrides: Vec<String> = overrides.iter().map(|&key| key.to_owned()).collect();
    let config = Config::resolve("digits", None, &overrides).expect("resolves");
    let data = DataSummary {
        shape,
        class_names: class_names.iter().map(|&name| name.to_owned()).collect(),
        class_frequencies: vec![1.0 / class_names.len() as f64; class_names.len()],
        identity: None,
    };
    let device = Device::flex();
    let state = new_state(&config, data, &device).expect("fits");
    let folder = tempfile::tempdir().expect("a folder");
    let dir = RunDir::open(folder.path(), &config, false).expect("opened");
    dir.adopt(&config).expect("written");
    dir.save(&config, &state).expect("written");
    Trained::open(folder.path(), &device).expect("opened")
}

/// What each of so many ranks finds, a thread each.
pub(crate) fn each_rank<T: Send>(
    world: u32,
    work: impl Fn(Arc<dyn Collective>) -> T + Sync,
) -> Vec<T> {
    thread::scope(|scope| {
        let ranks = Threads::ranks(world).into_iter();
        let running = ranks.map(|rank| scope.spawn(|| work(Arc::new(rank))));
        let running: Vec<_> = running.collect();
        let ended = running
            .into_iter()
            .map(|rank| rank.join().expect("no panic"));
        ended.collect()
    })
}
