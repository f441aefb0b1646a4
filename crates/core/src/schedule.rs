//! Compute a quantity that changes over a run as a pure function of the step.

#[cfg(test)]
mod tests;

use core::ops::Range;
use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// How a quantity changes over `num_steps` steps.
///
/// In a configuration file a schedule is a number (constant) or a table, for example
/// `{ kind = "geometric", start = 0.1, end = 0.01 }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Schedule {
    /// The same value at every step.
    Constant(f64),
    /// A value that moves from one end point to the other.
    Varying(Varying),
}

/// The schedules that change, by name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Varying {
    /// A straight line from `start` to `end`.
    Linear {
        /// Value at the first step.
        start: f64,
        /// Value at the last step.
        end: f64,
    },
    /// A constant ratio between steps, from `start` to `end`, both positive.
    Geometric {
        /// Value at the first step, > 0.
        start: f64,
        /// Value at the last step, > 0.
        end: f64,
    },
    /// Half a cosine period from `start` to `end`.
    Cosine {
        /// Value at the first step.
        start: f64,
        /// Value at the last step.
        end: f64,
    },
    /// `cycles` times the half cosine from `start` towards zero
    /// (Zhang et al., *Cyclical stochastic gradient MCMC*, 2020, eq. 1).
    Cyclic {
        /// Value at the first step of every cycle.
        start: f64,
        /// Number of cycles, at least 1.
        cycles: u32,
    },
    /// Simulated annealing: `start`, then a constant ratio between steps down to `end`, then a straight line to
    /// 0, as the temperature of the chains of Li, Chen & Sommer, *Learning energy-based models in
    /// high-dimensional spaces with multi-scale denoising score matching*, 2019.
    Annealed {
        /// Value of the first steps, > 0.
        start: f64,
        /// Value where the constant ratio ends, > 0.
        end: f64,
        /// Share of the steps at `start`, at least 0.
        hold: f64,
        /// Share of the steps from `start` to `end`, at least 0; both shares together are at most 1.
        decay: f64,
    },
    /// `start`·(1 + t/`offset`)^−`power` at step t: a(b + t)^−γ with b = `offset`, γ = `power` and a = `start`·b^γ
    /// (Welling & Teh, *Bayesian learning via stochastic gradient Langevin dynamics*, 2011, §5).
    Polynomial {
        /// Value at the first step.
        start: f64,
        /// b: steps after which the fall sets in, > 0.
        offset: f64,
        /// γ: at least 0; above ½ and at most 1 for steps that sample a posterior in the limit.
        power: f64,
    },
}

/// Read a number or a table, so that a misspelt table names what is wrong with it.
impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrTable;
        impl<'de> serde::de::Visitor<'de> for NumberOrTable {
            type Value = Schedule;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a number or a table { kind = \"linear\" | \"geometric\" | \"cosine\" | \"cyclic\" | \"annealed\" | \"polynomial\", … }")
            }
            fn visit_f64<E>(self, value: f64) -> Result<Schedule, E> {
                Ok(Schedule::Constant(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Schedule, E> {
                Ok(Schedule::Constant(value as f64))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Schedule, E> {
                Ok(Schedule::Constant(value as f64))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Schedule, A::Error> {
                Varying::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(Schedule::Varying)
            }
        }
        deserializer.deserialize_any(NumberOrTable)
    }
}

/// A number, or a table.
impl JsonSchema for Schedule {
    fn schema_name() -> Cow<'static, str> {
        "Schedule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "object"] })
    }
}

impl From<f64> for Schedule {
    fn from(value: f64) -> Self {
        Self::Constant(value)
    }
}

impl Schedule {
    /// The value at `step` of `num_steps`; steps past the end keep the last value.
    pub fn at(&self, step: usize, num_steps: usize) -> f64 {
        let varying = match self {
            Self::Constant(value) => return *value,
            Self::Varying(varying) => varying,
        };
        let step = step.min(num_steps.saturating_sub(1));
        let progress = match num_steps {
            0 | 1 => 0.0,
            n => step as f64 / (n - 1) as f64,
        };
        match *varying {
            Varying::Linear { start, end } => start + (end - start) * progress,
            Varying::Geometric { start, end } => start * (end / start).powf(progress),
            Varying::Cosine { start, end } => end + (start - end) * half_cosine(progress),
            Varying::Cyclic { start, cycles } => {
                let period = period(cycles, num_steps);
                start * half_cosine((step % period) as f64 / period as f64)
            }
            Varying::Annealed {
                start,
                end,
                hold,
                decay,
            } => annealed(progress, [start, end], hold, decay),
            Varying::Polynomial {
                start,
                offset,
                power,
            } => start * (1.0 + step as f64 / offset).powf(-power),
        }
    }

    /// Whether its values depend on how many steps there are, as those of all do that are spread over them.
    pub fn depends_on_length(&self) -> bool {
        match self {
            Self::Constant(_) | Self::Varying(Varying::Polynomial { .. }) => false,
            Self::Varying(_) => true,
        }
    }

    /// The steps of the cycle that `step` is in, of a schedule that begins again and again; `None` for any other.
    pub fn cycle_of(&self, step: usize, num_steps: usize) -> Option<Range<usize>> {
        let Self::Varying(Varying::Cyclic { cycles, .. }) = *self else {
            return None;
        };
        let (step, period) = (
            step.min(num_steps.saturating_sub(1)),
            period(cycles, num_steps),
        );
        let first = step - step % period;
        Some(first..first + period)
    }

    /// The largest and smallest values over a run, for checks of a configuration.
    ///
    /// # Errors
    /// The first reason why the schedule cannot run: a value that is not finite, an end point of a constant
    /// ratio that is not positive, shares that are none, no cycles.
    pub fn range(&self) -> Result<(f64, f64), &'static str> {
        let (start, end) = match *self {
            Self::Constant(value) => (value, value),
            Self::Varying(Varying::Cyclic { cycles: 0, .. }) => return Err("needs cycles ≥ 1"),
            Self::Varying(Varying::Cyclic { start, .. }) => (start, 0.0),
            Self::Varying(Varying::Geometric { start, end }) if start <= 0.0 || end <= 0.0 => {
                return Err("needs a positive start and end to be geometric");
            }
            Self::Varying(Varying::Annealed { start, end, .. }) if !(start > 0.0 && end > 0.0) => {
                return Err("needs a positive start and end to be annealed");
            }
            Self::Varying(Varying::Annealed { hold, decay, .. })
                if !(hold >= 0.0 && decay >= 0.0 && hold + decay <= 1.0 + NO_SHARE) =>
            {
                return Err("needs shares hold and decay of at least 0, together at most 1");
            }
            Self::Varying(Varying::Annealed {
                start,
                end,
                hold,
                decay,
            }) => {
                let last = annealed(1.0, [start, end], hold, decay);
                (start.max(end), start.min(end).min(last))
            }
            Self::Varying(Varying::Polynomial { offset, power, .. })
                if !(offset > 0.0 && offset.is_finite() && power >= 0.0 && power.is_finite()) =>
            {
                return Err("needs an offset above 0 and a power of at least 0");
            }
            // No run has more steps.
            Self::Varying(Varying::Polynomial { start, .. }) => {
                (start, self.at(u32::MAX as usize - 1, u32::MAX as usize))
            }
            Self::Varying(
                Varying::Linear { start, end }
                | Varying::Geometric { start, end }
                | Varying::Cosine { start, end },
            ) => (start, end),
        };
        if !(start.is_finite() && end.is_finite()) {
            return Err("is not a finite number");
        }
        Ok((start.min(end), start.max(end)))
    }

    /// Every value times `factor`, as when a recipe is converted from [−1, 1] to [0, 1].
    pub fn scaled(self, factor: f64) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(value * factor),
            Self::Varying(varying) => Self::Varying(match varying {
                Varying::Linear { start, end } => Varying::Linear {
                    start: start * factor,
                    end: end * factor,
                },
                Varying::Geometric { start, end } => Varying::Geometric {
                    start: start * factor,
                    end: end * factor,
                },
                Varying::Cosine { start, end } => Varying::Cosine {
                    start: start * factor,
                    end: end * factor,
                },
                Varying::Cyclic { start, cycles } => Varying::Cyclic {
                    start: start * factor,
                    cycles,
                },
                Varying::Annealed {
                    start,
                    end,
                    hold,
                    decay,
                } => Varying::Annealed {
                    start: start * factor,
                    end: end * factor,
                    hold,
                    decay,
                },
                Varying::Polynomial {
                    start,
                    offset,
                    power,
                } => Varying::Polynomial {
                    start: start * factor,
                    offset,
                    power,
                },
            }),
        }
    }
}

/// Steps of each of so many cycles but the last, which may have fewer.
fn period(cycles: u32, num_steps: usize) -> usize {
    num_steps.div_ceil(cycles.max(1) as usize).max(1)
}

/// A share of the steps that is rounding and nothing else.
const NO_SHARE: f64 = 1e-9;

/// [`Varying::Annealed`] where this share of the steps is done, in [0, 1].
fn annealed(progress: f64, [start, end]: [f64; 2], hold: f64, decay: f64) -> f64 {
    let rest = 1.0 - hold - decay;
    match progress - hold {
        held if held <= 0.0 => start,
        gone if gone < decay => start * (end / start).powf(gone / decay),
        _ if rest > NO_SHARE => end * ((1.0 - progress) / rest).min(1.0),
        _ => end,
    }
}

/// Half a cosine period: 1 at 0, 0 at 1.
fn half_cosine(progress: f64) -> f64 {
    0.5 * (1.0 + (core::f64::consts::PI * progress).cos())
}
