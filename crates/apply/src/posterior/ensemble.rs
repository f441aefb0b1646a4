//! Average the predictions of several networks: p(y | x) = mean over them of softmax(−T·E(x, ·)).

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use ebm_core::{NoiseKey, Stream};
use ebm_model::{EnergyModel, Frozen, Network};
use ebm_train::checkpoint::CheckpointError;
use ebm_train::{Dropout, KeptWeights};
use thiserror::Error;

use super::measures::entropy_of;
use super::prediction::{Prediction, add, log_probabilities};
use crate::classify::{ClassifyError, classified, energies_by_class};
use crate::trained::{Trained, UnknownClass, Weights};

/// Networks that predict together.
#[derive(Debug)]
pub struct Ensemble<'a> {
    trained: &'a Trained,
    members: Members,
}

/// Which networks.
#[derive(Debug)]
enum Members {
    /// One.
    One(Weights),
    /// Those that the run has kept.
    Kept(Vec<KeptWeights>),
    /// One, each time with other units dropped.
    Dropped {
        weights: Weights,
        prob: f64,
        samples: u32,
    },
}

/// Networks that cannot predict together.
#[derive(Debug, Error)]
pub enum EnsembleError {
    /// The model knows no classes.
    #[error(transparent)]
    Class(#[from] UnknownClass),
    /// The run has kept no weights up to its checkpoint.
    #[error("{path} has kept no weights of a posterior up to iteration {iteration}")]
    NoneKept {
        /// The checkpoint.
        path: String,
        /// Its iteration.
        iteration: u64,
    },
    /// An exported model is asked for weights that its run has kept.
    #[error(
        "{path} is an exported model, which has one network: the weights that its run has kept stay with the run"
    )]
    Exported {
        /// Its folder.
        path: String,
    },
    /// The network has learned without dropout.
    #[error("{path} has learned without dropout")]
    NoDropout {
        /// The checkpoint.
        path: String,
    },
    /// Kept weights cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Energies of one of the networks are not finite.
    #[error("{member}: {cause}")]
    NotFinite {
        /// Which network.
        member: String,
        /// Of which image.
        cause: ClassifyError,
    },
}

impl<'a> Ensemble<'a> {
    /// One network alone.
    ///
    /// # Errors
    /// Where it knows no classes.
    pub fn one(trained: &'a Trained, weights: Weights) -> Result<Self, EnsembleError> {
        Self::of(trained, Members::One(weights))
    }

    /// The weights that the run has kept: samples of their posterior.
    ///
    /// # Errors
    /// Where it has kept none, they cannot be listed, or the model knows no classes; of an exported model, which has one
    /// network.
    pub fn kept(trained: &'a Trained) -> Result<Self, EnsembleError> {
        let path = || trained.checkpoint().display().to_string();
        if trained.only_weights().is_some() {
            return Err(EnsembleError::Exported { path: path() });
        }
        let kept = trained.kept_weights()?;
        if kept.is_empty() {
            return Err(EnsembleError::NoneKept {
                path: path(),
                iteration: trained.state().iteration,
            });
        }
        Self::of(trained, Members::Kept(kept))
    }

    /// One network of which `samples` times other units are dropped, as in training (Gal & Ghahramani, *Dropout as a
    /// Bayesian approximation*, 2016).
    ///
    /// # Errors
    /// Where it has learned without dropout, or knows no classes.
    ///
    /// # Panics
    /// If `samples` is 0.
    pub fn dropped(
        trained: &'a Trained,
        weights: Weights,
        samples: u32,
    ) -> Result<Self, EnsembleError> {
        assert!(samples > 0, "expected at least 1 sample");
        let prob = trained.config().model.dropout_prob();
        if prob == 0.0 {
            let path = trained.checkpoint().display().to_string();
            return Err(EnsembleError::NoDropout { path });
        }
        let members = Members::Dropped {
            weights,
            prob,
            samples,
        };
        Self::of(trained, members)
    }

    fn of(trained: &'a Trained, members: Members) -> Result<Self, EnsembleError> {
        if trained.num_classes() == 0 {
            return Err(UnknownClass::NoClasses.into());
        }
        Ok(Self { trained, members })
    }

    /// How many networks there are, at least 1.
    pub fn num_members(&self) -> usize {
        match &self.members {
            Members::One(_) => 1,
            Members::Kept(kept) => kept.len(),
            Members::Dropped { samples, .. } => *samples as usize,
        }
    }

    /// What the networks say of the images of each set, one network after the other; adds the number of images to
    /// `done` each time that a network has seen a set.
    ///
    /// # Shapes
    /// - `sets`: bytes `[num, channels, height, width]` of the model's shape, row-major
    /// - returns: `num` for each
    ///
    /// # Errors
    /// Where kept weights cannot be read, or an energy is not finite.
    ///
    /// # Panics
    /// If the bytes of a set are no whole number of images.
    pub fn predict(
        &self,
        sets: &[&[u8]],
        done: &AtomicU64,
    ) -> Result<Vec<Vec<Prediction>>, EnsembleError> {
        let mut sums = vec![Vec::new(); sets.len()];
        for number in 0..self.num_members() {
            let member = self.member(number)?;
            for (set, sum) in sets.iter().zip(&mut sums) {
                add(sum, member.predict(set)?);
                let images = set.len() / self.trained.shape().pixels();
                done.fetch_add(images as u64, Ordering::Relaxed);
            }
        }
        for prediction in sums.iter_mut().flatten() {
            prediction.divide(self.num_members() as f64);
        }
        Ok(sums)
    }

    fn member(&self, number: usize) -> Result<Member<'_>, EnsembleError> {
        let (model, dropout, name) = match &self.members {
            Members::One(weights) => (
                self.trained.energy(*weights),
                None,
                weights.name().to_owned(),
            ),
            Members::Kept(kept) => {
                let kept = &kept[number];
                let name = kept.path.display().to_string();
                (self.trained.energy_of(kept)?, None, name)
            }
            Members::Dropped { weights, prob, .. } => {
                let key = NoiseKey::new(0, Stream::Dropout, number as u32);
                let dropout = Dropout::new(*prob, key);
                let name = format!("sample {number} of dropped units");
                (self.trained.energy(*weights), Some(dropout), name)
            }
        };
        Ok(Member {
            trained: self.trained,
            model,
            dropout,
            name,
        })
    }
}

/// One of the networks.
struct Member<'a> {
    trained: &'a Trained,
    model: Frozen<Network>,
    dropout: Option<Dropout>,
    name: String,
}

impl Member<'_> {
    fn predict(&self, bytes: &[u8]) -> Result<Vec<Prediction>, EnsembleError> {
        let (shape, device) = (self.trained.shape(), self.trained.device());
        let sharpness = self.trained.config().objective.class_sharpness();
        let by_class = |x, places: Range<usize>| match &self.dropout {
            Some(dropout) => {
                let places: Vec<u32> = places.map(|place| place as u32).collect();
                dropout.energies_by_class(&*self.model, x, &places)
            }
            None => self.model.energies_by_class(x),
        };
        let mut energies = energies_by_class(bytes, shape, device, by_class);
        energies.iter_mut().for_each(|energy| *energy *= sharpness);
        let classes = self.trained.num_classes();
        let found = classified(&energies, classes);
        let found = found.map_err(|cause| EnsembleError::NotFinite {
            member: self.name.clone(),
            cause,
        })?;
        let images = found.into_iter().zip(energies.chunks_exact(classes));
        let predictions = images.map(|(found, energies)| Prediction {
            mean_entropy: entropy_of(&found.probabilities),
            probabilities: found.probabilities,
            log_probabilities: log_probabilities(energies),
        });
        Ok(predictions.collect())
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::ImageShape;

    use super::*;
    use crate::testing::untrained_of;

    const SHAPE: ImageShape = ImageShape::new(1, 8, 8);

    fn trained(keys: &[&str]) -> Trained {
        let mlp = [
            "model.network=mlp",
            "model.widths=[8]",
            "model.conditional=true",
            "objective.kind=classification",
        ];
        let keys = [&mlp[..], keys].concat();
        untrained_of(&keys, SHAPE, &["ant", "bee", "cat"])
    }

    fn bytes() -> Vec<u8> {
        (0..5 * SHAPE.pixels())
            .map(|i| (i * 37 % 251) as u8)
            .collect()
    }

    fn predicted(ensemble: Result<Ensemble<'_>, EnsembleError>) -> Vec<Prediction> {
        let (ensemble, done) = (ensemble.expect("an ensemble"), AtomicU64::new(0));
        let bytes = bytes();
        let found = ensemble.predict(&[&bytes], &done).expect("finite");
        assert_eq!(done.into_inner(), 5 * ensemble.num_members() as u64);
        found.concat()
    }

    #[test]
    fn one_network_predicts_as_the_classifier_does() {
        let trained = trained(&[]);
        let found = predicted(Ensemble::one(&trained, Weights::Last));
        let classifier = crate::Classifier::of(&trained, Weights::Last).expect("classes");
        let expected = classifier.classify(&bytes()).expect("finite");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.probabilities, expected.probabilities);
            assert_eq!(found.mean_entropy, entropy_of(&expected.probabilities));
        }
    }

    #[test]
    fn dropped_units_make_predictions_that_differ_and_are_averaged() {
        // Wide enough that two samples never drop the same units.
        let trained = trained(&["model.dropout=0.5", "model.widths=[64]"]);
        let of = |samples| predicted(Ensemble::dropped(&trained, Weights::Last, samples));
        let (one, two) = (of(1), of(2));
        assert_ne!(one, two);
        assert_ne!(one, predicted(Ensemble::one(&trained, Weights::Last)));
        for prediction in &two {
            let total: f64 = prediction.probabilities.iter().sum();
            assert!((total - 1.0).abs() < 1e-12);
            let both = prediction
                .probabilities
                .iter()
                .zip(&prediction.log_probabilities);
            for (probability, log) in both {
                assert!((probability.ln() - log).abs() < 1e-9);
            }
            let together = entropy_of(&prediction.probabilities);
            assert!(together > prediction.mean_entropy, "entropy is concave");
        }
        assert_eq!(two, of(2), "the same each time");
    }

    #[test]
    fn what_a_run_does_not_have_is_refused() {
        let plain = trained(&[]);
        let none = Ensemble::kept(&plain)
            .expect_err("nothing kept")
            .to_string();
        assert!(none.contains("has kept no weights"), "{none}");
        let whole = Ensemble::dropped(&plain, Weights::Last, 3);
        let whole = whole.expect_err("no dropout").to_string();
        assert!(whole.contains("without dropout"), "{whole}");
        let unconditional = untrained_of(&["model.filters=4"], SHAPE, &["ant", "bee", "cat"]);
        let unknown = Ensemble::one(&unconditional, Weights::Last);
        assert!(matches!(unknown, Err(EnsembleError::Class(_))));
    }
}
