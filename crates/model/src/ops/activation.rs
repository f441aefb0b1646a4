//! Name the nonlinearities of the field.

use burn::tensor::{Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::functions::{leaky_relu, swish};

/// An elementwise nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// x·sigmoid(x), also called SiLU.
    Swish,
    /// x where positive, 0.2·x elsewhere (the slope of the 2019 release).
    LeakyRelu,
    /// x where positive, 0 elsewhere.
    Relu,
}

impl Activation {
    /// Apply it to every element.
    ///
    /// # Shapes
    /// - `x`: any, returns the same
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Swish => swish(x),
            Self::LeakyRelu => leaky_relu(x),
            Self::Relu => activation::relu(x),
        }
    }
}
