//! Say how a network of features is made and trained.

use ebm_core::{Invalid, Schedule};
use ebm_data::{BatchConfig, DataConfig};
use ebm_model::ConvNetConfig;
use ebm_train::{OptimizerConfig, StepConfig};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Recipes that are part of the program.
macro_rules! recipes {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../../assets/features/", $name, ".toml")))),*]
    };
}
/// Every recipe of the program by name, the first one that of the default data.
pub const RECIPES: &[(&str, &str)] = recipes!("digits", "mnist", "cifar10");

/// How a network of features is made and trained: the settings of a file in `assets/features`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureRecipe {
    /// Updates of the weights.
    pub iterations: usize,
    /// Images per update.
    pub batch_size: usize,
    /// Learning rate: a number, or a schedule over the iterations.
    pub lr: Schedule,
    /// Decay of the moving average of the weights, in [0, 1).
    pub ema_decay: f64,
    /// The layers; its classes are those of the data.
    pub network: ConvNetConfig,
    /// What it learns from.
    pub data: DataConfig,
    /// Adam.
    pub optimizer: OptimizerConfig,
}

/// A recipe that cannot be used.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// There is none of this name.
    #[error("there is no recipe of features `{name}`; there are {}", names.join(", "))]
    NoSuchName {
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<&'static str>,
    },
    /// It is no TOML of a recipe.
    #[error("{origin}")]
    Toml {
        /// Where it comes from.
        origin: String,
        /// What is wrong with it.
        source: toml::de::Error,
    },
    /// A value is impossible.
    #[error("{origin}")]
    Invalid {
        /// Where it comes from.
        origin: String,
        /// Which one.
        source: Invalid,
    },
}

impl FeatureRecipe {
    /// The program's recipe of this name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn named(name: &str) -> Result<Self, RecipeError> {
        let found = RECIPES.iter().find(|(own, _)| *own == name);
        let Some((_, text)) = found else {
            let names = RECIPES.iter().map(|(name, _)| *name).collect();
            let name = name.to_owned();
            return Err(RecipeError::NoSuchName { name, names });
        };
        Self::parse(text, name)
    }

    /// The recipe that a text describes; `origin` is what messages call it.
    ///
    /// # Errors
    /// Where it is none, or a value is impossible.
    pub fn parse(text: &str, origin: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text).map_err(|source| RecipeError::Toml {
            origin: origin.to_owned(),
            source,
        })?;
        recipe.validate().map_err(|source| RecipeError::Invalid {
            origin: origin.to_owned(),
            source,
        })?;
        Ok(recipe)
    }

    /// Check that it can be trained.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.batch_size == 0 {
            return Err(Invalid::new("batch_size", "must be at least 1, got 0"));
        }
        let data = self.data.validate();
        data.map_err(|invalid| invalid.within("data"))?;
        self.step().validate()
    }

    /// How its steps are taken.
    pub(super) fn step(&self) -> StepConfig {
        StepConfig {
            iterations: self.iterations,
            lr: self.lr,
            ema_decay: self.ema_decay,
            optimizer: self.optimizer.clone(),
            ..StepConfig::default()
        }
    }

    /// What its batches are like.
    pub(super) fn batches(&self) -> BatchConfig {
        BatchConfig::new(self.batch_size)
            .with_flip(self.data.flip)
            .with_turn(self.data.turn)
            .with_shift(self.data.shift)
            .with_noise_std(self.data.noise_std)
    }
}
