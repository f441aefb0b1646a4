//! Let a run's settings change at some of its iterations.

use core::ops::Range;

use ebm_core::Invalid;
use ebm_langevin::FirstChains;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ConfigError;
use super::settings::Config;
use crate::step::StepConfig;

/// A part of a run with settings of its own.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// The iteration after which it ends.
    pub until: usize,
    /// What differs from the run's settings, as `--set` takes it: `["objective.kind=flow", "lr=0.001"]`.
    pub set: Vec<String>,
}

/// The settings of some iterations of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The run's configuration as it is there.
    pub config: Config,
    /// These iterations, counted from 0.
    pub iterations: Range<u64>,
}

impl Settings {
    /// How steps are taken: the learning rate is scheduled over these iterations alone.
    pub fn step(&self) -> StepConfig {
        StepConfig {
            start: self.iterations.start as usize,
            iterations: self.iterations.end as usize,
            ..self.config.step()
        }
    }
}

impl Config {
    /// The settings of every part of the run, in order: those of its phases, then its own, for what is left. Each
    /// is a configuration without phases.
    ///
    /// # Errors
    /// Names the phase that is wrong.
    pub fn parts(&self) -> Result<Vec<Settings>, Invalid> {
        let own = Self {
            phases: Vec::new(),
            ..self.clone()
        };
        let mut start = 0;
        let mut parts = Vec::new();
        for (number, phase) in self.phases.iter().enumerate() {
            let section = format!("phases[{number}]");
            let refused = |key: &str, problem: String| Invalid::new(key, problem).within(&section);
            let end = phase.until as u64;
            if end <= start {
                return Err(refused(
                    "until",
                    format!("must be above {start}, got {end}"),
                ));
            }
            let config = own.part_over(&phase.set);
            let config = config.map_err(|error| match error {
                ConfigError::Invalid(invalid) => invalid.within(&section),
                other => refused("set", format!("has {other}")),
            })?;
            if let Some(key) = self.kept_by_phases(&config) {
                return Err(refused(key, "must be that of the whole run".to_owned()));
            }
            let part = Settings {
                config,
                iterations: start..end,
            };
            let cycles = part.step().validate_cycles();
            cycles.map_err(|invalid| invalid.within(&section))?;
            parts.push(part);
            start = end;
        }
        let whole = self.iterations as u64;
        if start < whole || parts.is_empty() {
            let part = Settings {
                config: own,
                iterations: start..whole,
            };
            part.step().validate_cycles()?;
            parts.push(part);
        }
        Ok(parts)
    }

    /// The settings of the iteration with this number, counted from 0; of one past the end those of the last.
    ///
    /// # Panics
    /// If the configuration is not valid.
    pub fn settings_at(&self, iteration: u64) -> Settings {
        let mut parts = self.parts().expect("a valid configuration");
        let last = parts.len() - 1;
        let found = parts
            .iter()
            .position(|part| iteration < part.iterations.end)
            .unwrap_or(last);
        parts.swap_remove(found)
    }

    /// The settings of a state after so many iterations: those of the last of them, which are what it remembers
    /// something of.
    ///
    /// # Panics
    /// If the configuration is not valid.
    pub fn settings_of(&self, done: u64) -> Settings {
        self.settings_at(done.saturating_sub(1))
    }

    /// Refuse chains that start at samples of the part of the run before, where there is no such part or no such
    /// chain.
    pub(super) fn validate_first_chains(&self) -> Result<(), Invalid> {
        let parts = self.parts()?;
        // A run that is to end in a phase may go on later.
        let all = || parts.iter().map(|part| &part.config).chain([self]);
        let is_idle =
            self.buffer.start == FirstChains::Previous && !all().any(Self::starts_at_samples);
        if is_idle || parts[0].config.starts_at_samples() {
            let problem = "= \"previous\" needs a part of the run whose samples chains start at, such as \
                           a phase of objective.kind=flow before one of objective.kind=cd";
            return Err(Invalid::new("start", problem).within("buffer"));
        }
        Ok(())
    }

    /// Whether its chains, where they start anew, start at samples of the part of the run before.
    fn starts_at_samples(&self) -> bool {
        self.objective.has_buffer() && self.buffer.start == FirstChains::Previous
    }

    /// Whether chains of this part start at samples of the part `before`: they do not where they go on from its chains.
    pub(crate) fn starts_at_samples_of(&self, before: &Self) -> bool {
        self.starts_at_samples() && !self.objective().goes_on_with(&before.objective())
    }

    /// The section or key in which a phase differs from the run and must not.
    fn kept_by_phases(&self, phase: &Self) -> Option<&'static str> {
        let same_data = {
            let mut data = phase.data.clone();
            data.noise_std = self.data.noise_std;
            data.flip = self.data.flip;
            data.turn = self.data.turn;
            data.shift = self.data.shift;
            data == self.data
        };
        [
            ("model", phase.model == self.model),
            ("data", same_data),
            ("output", phase.output == self.output),
            ("rollback", phase.rollback == self.rollback),
            ("iterations", phase.iterations == self.iterations),
            ("seed", phase.seed == self.seed),
            ("micro_batch", phase.micro_batch == self.micro_batch),
            ("shards", phase.shards == self.shards),
            ("on_divergence", phase.on_divergence == self.on_divergence),
            ("phases", phase.phases.is_empty()),
            (
                "objective.recovery_levels",
                phase.objective.recovery_levels == self.objective.recovery_levels,
            ),
        ]
        .into_iter()
        .find_map(|(name, is_same)| (!is_same).then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ObjectiveKind;

    fn config(phases: &[(usize, &[&str])]) -> Config {
        let phases = phases.iter().map(|(until, set)| Phase {
            until: *until,
            set: set.iter().map(|&it| it.to_owned()).collect(),
        });
        Config {
            iterations: 100,
            phases: phases.collect(),
            ..Config::default()
        }
    }

    #[test]
    fn a_run_without_phases_is_one_part() {
        let parts = config(&[]).parts().expect("valid");
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].iterations, 0..100);
    }

    #[test]
    fn phases_follow_each_other_and_the_rest_is_the_runs_own() {
        let config = config(&[
            (20, &["objective.kind=flow", "lr=0.01"]),
            (50, &["batch_size=8"]),
        ]);
        let parts = config.parts().expect("valid");
        let ranges: Vec<_> = parts.iter().map(|part| part.iterations.clone()).collect();
        assert_eq!(ranges, [0..20, 20..50, 50..100]);
        assert_eq!(parts[0].config.objective.kind, ObjectiveKind::Flow);
        assert_eq!(parts[1].config.objective.kind, ObjectiveKind::Cd);
        assert_eq!(parts[1].config.batch_size, 8);
        let own = Config {
            phases: Vec::new(),
            ..config.clone()
        };
        assert_eq!(parts[2].config, own);
        let kind_at = |iteration| config.settings_at(iteration).config.objective.kind;
        assert_eq!(kind_at(19), ObjectiveKind::Flow);
        assert_eq!(kind_at(20), ObjectiveKind::Cd);
        assert_eq!(config.settings_at(1_000).iterations, 50..100);
        assert_eq!(parts[0].step().lr_at(0, 0), 0.01);
        let text = config.to_toml();
        assert_eq!(Config::parse(&text, "it").expect("valid"), config, "{text}");
    }

    #[test]
    fn a_phases_learning_rate_is_scheduled_over_its_own_iterations() {
        let lr = "lr={kind=\"linear\", start=1.0, end=0.0}";
        let config = config(&[(20, &["seed=0"]), (31, &[lr])]);
        let step = config.settings_at(25).step();
        let rates = [20, 25, 30].map(|iteration| step.lr_at(iteration, 0));
        assert_eq!(rates, [1.0, 0.5, 0.0]);
    }

    #[test]
    fn chains_start_at_samples_of_a_part_before_theirs() {
        let start = |at: FirstChains, phases: &[(usize, &[&str])]| {
            let mut config = config(phases);
            config.buffer.start = at;
            config.validate().map_err(|invalid| invalid.to_string())
        };
        let (previous, flow) = (FirstChains::Previous, ["objective.kind=flow"]);
        assert_eq!(start(previous, &[(20, &flow)]), Ok(()));
        assert_eq!(start(previous, &[(20, &flow), (50, &["lr=0.01"])]), Ok(()));
        let own = ["buffer.start=previous"];
        let twice = [(20, &flow[..]), (50, &own[..])];
        assert_eq!(start(FirstChains::Noise, &twice), Ok(()));
        assert_eq!(start(previous, &[(100, &flow)]), Ok(())); // for now all of the run
        let (lr, none): (_, &[(usize, &[&str])]) = (["lr=0.01"], &[]);
        for (at, phases) in [
            (previous, none),
            (previous, &[(20, &lr[..])]),
            (FirstChains::Noise, &[(20, &own[..])]),
        ] {
            let error = start(at, phases).expect_err("refused");
            assert!(
                error.contains("`buffer.start` = \"previous\" needs a part"),
                "{error}"
            );
        }
    }

    #[test]
    fn chains_that_go_on_start_at_no_samples() {
        let part = |set: &[&str]| {
            let mut config = config(&[(20, set)]);
            config.buffer.start = FirstChains::Previous;
            config.settings_at(0).config
        };
        let (own, flow) = (part(&["lr=0.01"]), part(&["objective.kind=flow"]));
        let fewer = part(&["buffer.capacity=200"]);
        assert!(own.starts_at_samples_of(&flow) && own.starts_at_samples_of(&fewer));
        assert!(!own.starts_at_samples_of(&own) && !flow.starts_at_samples_of(&own));
    }

    #[test]
    fn no_chains_start_at_samples_where_there_are_none() {
        let mut config = config(&[]);
        config.objective.kind = ObjectiveKind::Flow;
        config.buffer.start = FirstChains::Previous;
        let error = config.validate().expect_err("refused").to_string();
        assert!(error.contains("`buffer.start`"), "{error}");
    }

    #[test]
    fn a_phase_changes_nothing_that_the_whole_run_depends_on() {
        for (phases, fragment) in [
            (
                &[(20, &["model.network=mnist"][..])][..],
                "`phases[0].model` must be that of the whole run",
            ),
            (&[(20, &["output.log_every=3"])], "`phases[0].output`"),
            (&[(20, &["data.train_images=3"])], "`phases[0].data`"),
            (&[(20, &["seed=1"])], "`phases[0].seed`"),
            (&[(20, &["lr=-1"])], "`phases[0].lr` must be ≥ 0, got -1"),
            (
                &[(20, &["nonsense=3"])],
                "`phases[0].set` has `nonsense=3`: unknown key",
            ),
            (
                &[(20, &["batch_size=8"]), (20, &["batch_size=8"])],
                "`phases[1].until` must be above 20, got 20",
            ),
        ] {
            let error = config(phases).validate().expect_err("refused").to_string();
            assert!(error.contains(fragment), "{error}");
        }
    }
}
