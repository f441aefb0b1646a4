//! Compute a quantity that changes over a run as a pure function of the step.

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
}

/// Read a number or a table, so that a misspelt table names what is wrong with it.
impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrTable;
        impl<'de> serde::de::Visitor<'de> for NumberOrTable {
            type Value = Schedule;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a number or a table { kind = \"linear\" | \"geometric\" | \"cosine\" | \"cyclic\", … }")
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
                let period = num_steps.div_ceil(cycles.max(1) as usize).max(1);
                start * half_cosine((step % period) as f64 / period as f64)
            }
        }
    }

    /// The largest and smallest values over a run, for checks of a configuration.
    ///
    /// # Errors
    /// The first reason why the schedule cannot run: a value that is not finite, a geometric end
    /// point that is not positive, no cycles.
    pub fn range(&self) -> Result<(f64, f64), &'static str> {
        let (start, end) = match *self {
            Self::Constant(value) => (value, value),
            Self::Varying(Varying::Cyclic { cycles: 0, .. }) => return Err("needs cycles ≥ 1"),
            Self::Varying(Varying::Cyclic { start, .. }) => (start, 0.0),
            Self::Varying(Varying::Geometric { start, end }) if start <= 0.0 || end <= 0.0 => {
                return Err("needs a positive start and end to be geometric");
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
            }),
        }
    }
}

/// Half a cosine period: 1 at 0, 0 at 1.
fn half_cosine(progress: f64) -> f64 {
    0.5 * (1.0 + (core::f64::consts::PI * progress).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn a_constant_is_the_same_at_every_step() {
        for step in 0..5 {
            assert_eq!(Schedule::Constant(0.3).at(step, 4), 0.3);
        }
    }

    #[test]
    fn every_varying_schedule_meets_its_end_points_and_stays_there() {
        let (start, end) = (2.0, 0.5);
        for varying in [
            Varying::Linear { start, end },
            Varying::Geometric { start, end },
            Varying::Cosine { start, end },
        ] {
            let schedule = Schedule::Varying(varying);
            close(schedule.at(0, 11), start);
            close(schedule.at(10, 11), end);
            close(schedule.at(50, 11), end);
            close(schedule.at(0, 1), start);
        }
    }

    #[test]
    fn the_middle_is_the_mean_of_its_kind() {
        let (start, end) = (2.0, 0.5);
        close(
            Schedule::Varying(Varying::Linear { start, end }).at(5, 11),
            1.25,
        );
        close(
            Schedule::Varying(Varying::Geometric { start, end }).at(5, 11),
            1.0,
        );
        close(
            Schedule::Varying(Varying::Cosine { start, end }).at(5, 11),
            1.25,
        );
    }

    #[test]
    fn every_cycle_starts_again_and_falls() {
        let cyclic = Schedule::Varying(Varying::Cyclic {
            start: 4.0,
            cycles: 3,
        });
        for cycle in 0..3 {
            close(cyclic.at(10 * cycle, 30), 4.0);
            close(cyclic.at(10 * cycle + 5, 30), 2.0);
            assert!(cyclic.at(10 * cycle + 9, 30) < 0.1);
        }
    }

    #[test]
    fn reads_a_number_or_a_named_table() {
        #[derive(Deserialize)]
        struct Holder {
            a: Schedule,
            b: Schedule,
            c: Schedule,
        }
        let holder: Holder =
            toml::from_str("a = 0.5\nb = 2\nc = { kind = \"cyclic\", start = 1.0, cycles = 4 }")
                .expect("valid");
        assert_eq!(holder.a, Schedule::Constant(0.5));
        assert_eq!(holder.b, Schedule::Constant(2.0));
        let (start, cycles) = (1.0, 4);
        assert_eq!(
            holder.c,
            Schedule::Varying(Varying::Cyclic { start, cycles })
        );
    }

    #[test]
    fn refuses_what_cannot_run() {
        let geometric = Varying::Geometric {
            start: 1.0,
            end: 0.0,
        };
        assert!(Schedule::Varying(geometric).range().is_err());
        assert!(Schedule::Constant(f64::NAN).range().is_err());
        let cyclic = Varying::Cyclic {
            start: 1.0,
            cycles: 0,
        };
        assert!(Schedule::Varying(cyclic).range().is_err());
    }
}
