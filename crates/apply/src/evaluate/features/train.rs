//! Train a network of features on labelled images.

use std::path::Path;

use burn::tensor::Device;
use ebm_core::{NoiseKey, PhiloxRng, Shard, Stream};
use ebm_data::{Batches, Dataset, Images};
use ebm_model::ConvNetConfig;
use ebm_train::{Classification, Trainer};

use super::{FORMAT_VERSION, FeatureError, FeatureNetwork, FeatureNote, FeatureRecipe};

/// Iterations between reports.
const REPORT_EVERY: usize = 50;

/// What training tells as it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learned {
    /// Iterations done.
    pub iteration: usize,
    /// Mean −log p(y | x) over the last batch.
    pub loss: f64,
    /// Share of the last batch that it recognises, in [0, 1].
    pub accuracy: f64,
}

/// Train a classifier of the data's classes, and give the bytes of its file. The same recipe, data and
/// seed give the same bytes on the same kind of processor. `tell` is called now and then.
///
/// # Errors
/// Where the data have fewer than two classes, or the network does not fit them.
pub fn train(
    name: &str,
    recipe: &FeatureRecipe,
    data: &Dataset,
    seed: u64,
    mut tell: impl FnMut(Learned),
) -> Result<Vec<u8>, FeatureError> {
    let device = Device::flex();
    let images = &data.train;
    let classes = images.class_names.len();
    if classes < 2 {
        return Err(FeatureError::NoClasses { classes });
    }
    let network = ConvNetConfig {
        num_classes: classes,
        class_head: true,
        ..recipe.network.clone()
    };
    let mut rng = PhiloxRng::new(NoiseKey::new(seed, Stream::Weights, 0), 0);
    let net = network.init(images.shape, &mut rng, &device.clone().autodiff())?;
    let objective = Classification::default();
    let trainer = Trainer::new(net, objective, images.into(), seed, &device);
    let mut trainer = trainer.with_config(recipe.step());
    let mut batches = Batches::new(images, recipe.batches(), seed, &device);
    for iteration in 1..=recipe.iterations {
        let batch = batches.at(trainer.key(), Shard::WHOLE);
        if !iteration.is_multiple_of(REPORT_EVERY) && iteration < recipe.iterations {
            trainer.step(&batch);
            continue;
        }
        let info = trainer.step_recorded(&batch);
        let loss = f64::from(info.loss.into_scalar::<f32>());
        if !loss.is_finite() {
            return Err(FeatureError::Diverged { iteration, loss });
        }
        let accuracy = info.terms.into_iter().find(|(name, _)| *name == "accuracy");
        let accuracy =
            accuracy.map_or(f64::NAN, |(_, share)| f64::from(share.into_scalar::<f32>()));
        tell(Learned {
            iteration,
            loss,
            accuracy,
        });
    }
    let net = trainer.averaged();
    let mut note = FeatureNote {
        format_version: FORMAT_VERSION,
        name: name.to_owned(),
        data: format!("{}, {} images", recipe.data.dataset, images.len()),
        image_shape: images.shape.dims(),
        class_names: images.class_names.clone(),
        accuracy: 0.0,
        accuracy_of: 0,
        accuracy_of_training: false,
        iterations: recipe.iterations,
        seed,
        network: ConvNetConfig {
            spectral_norm: false, // which is part of the weights now
            ..network
        },
    };
    let judged: &Images = data.tests().unwrap_or(images);
    note.accuracy_of_training = data.tests().is_none();
    let own = FeatureNetwork::from_bytes(&FeatureNetwork::to_bytes(&net, &note), Path::new(name))?;
    let described = own.describe(&judged.pixels, judged.shape)?;
    let right = described
        .classes
        .iter()
        .zip(&judged.labels)
        .filter(|(one, other)| one == other);
    note.accuracy_of = judged.len();
    note.accuracy = right.count() as f64 / judged.len() as f64;
    Ok(FeatureNetwork::to_bytes(&net, &note))
}
