//! Name the kinds of steps.

use core::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a chain moves in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Noise and a step down the gradient, decoupled (stochastic gradient Langevin dynamics, Welling
    /// & Teh 2011, as Du & Mordatch 2019 use it).
    #[default]
    Sgld,
    /// Metropolis-adjusted Langevin (Roberts & Tweedie 1996): x − η∇E/T + √(2η)·ξ, accepted or not.
    Mala,
    /// Hamiltonian Monte Carlo (Neal 2011): `leapfrog_steps` steps of size η, accepted or not.
    Hmc,
    /// Euler steps along the flow dx = −∇E·dt from noise to data (`flow_time`), of energies that regression
    /// has taught.
    Euler,
    /// Heun steps along it, of two gradients each.
    Heun,
}

impl Method {
    /// Whether it follows the flow of an energy through time, from noise to data: `euler` and `heun`.
    pub fn is_flow(self) -> bool {
        matches!(self, Self::Euler | Self::Heun)
    }

    /// Whether it may reject a step: `mala` and `hmc`.
    pub fn may_reject(self) -> bool {
        matches!(self, Self::Mala | Self::Hmc)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sgld => "sgld",
            Self::Mala => "mala",
            Self::Hmc => "hmc",
            Self::Euler => "euler",
            Self::Heun => "heun",
        })
    }
}
