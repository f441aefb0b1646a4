//! Tell what is shown: the run, its images, and how its chains move.

use ebm_apply::PlaySteps;
use ebm_core::{ImageShape, Schedule};
use ebm_train::Config;
use serde::Serialize;

/// What does not change while a page is there.
#[derive(Debug)]
pub(super) struct Subject {
    /// The run, as it was named.
    pub(super) run: String,
    /// The device that computes.
    pub(super) device: String,
    /// The configuration of the whole run.
    pub(super) config: Config,
    /// Shape of its images.
    pub(super) shape: ImageShape,
    /// Names of the classes that the energy may be given; empty where it has none.
    pub(super) classes: Vec<String>,
}

/// What does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) is_training: bool,
    /// Iterations done.
    pub(super) iteration: u64,
    /// Whether there are chains to be seen.
    pub(super) has_chains: bool,
}

#[derive(Serialize)]
struct About<'a> {
    version: &'static str,
    run: &'a str,
    device: &'a str,
    training: bool,
    iteration: u64,
    total: usize,
    shape: [usize; 3],
    classes: &'a [String],
    chains: bool,
    /// Why nothing can be played.
    playable: Option<&'a str>,
    sampler: Sampler,
    /// Reserved.
    stride: Option<usize>,
}

/// How chains go on; what a page multiplies.
#[derive(Serialize)]
struct Sampler {
    method: String,
    steps: usize,
    step_size: f64,
    noise_std: f64,
    temperature: f64,
}

/// Names of the classes of a model with `num` of them: numbers where they have no names.
pub(super) fn class_names(num: usize, names: &[String]) -> Vec<String> {
    match names.len() == num {
        true => names.to_vec(),
        false => (0..num).map(|class| class.to_string()).collect(),
    }
}

impl Subject {
    /// All of it as JSON.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub(super) fn to_json(&self, now: Now) -> serde_json::Result<String> {
        let config = self.config.settings_of(now.iteration).config;
        let steps = PlaySteps::of(&config);
        let going_on = steps.going_on();
        let value = |schedule: Schedule| schedule.at(0, 1);
        serde_json::to_string(&About {
            version: env!("CARGO_PKG_VERSION"),
            run: &self.run,
            device: &self.device,
            training: now.is_training,
            iteration: now.iteration,
            total: self.config.iterations,
            shape: self.shape.dims(),
            classes: &self.classes,
            chains: now.has_chains,
            playable: steps.refusal(),
            sampler: Sampler {
                method: config.langevin.method.to_string(),
                steps: steps.from_noise(),
                step_size: value(going_on.step_size),
                noise_std: value(going_on.noise_std),
                temperature: value(going_on.temperature),
            },
            stride: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_page_is_told_what_it_shows() {
        let keys = ["iterations=100", "output.sample_steps=40"].map(str::to_owned);
        let subject = Subject {
            run: "runs/digits".to_owned(),
            device: "cpu".to_owned(),
            config: Config::resolve("digits", None, &keys).expect("resolves"),
            shape: ImageShape::new(1, 28, 28),
            classes: class_names(2, &[]),
        };
        let now = Now {
            is_training: true,
            iteration: 7,
            has_chains: true,
        };
        let json = subject.to_json(now).expect("JSON");
        let found: Value = serde_json::from_str(&json).expect("JSON");
        let expected = json!({
            "version": env!("CARGO_PKG_VERSION"), "run": "runs/digits", "device": "cpu", "training": true,
            "iteration": 7, "total": 100, "shape": [1, 28, 28], "classes": ["0", "1"], "chains": true,
            "playable": null, "stride": null,
            "sampler": {
                "method": "sgld", "steps": 40, "step_size": 10.0, "noise_std": 0.0025, "temperature": 1.0
            }
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn classes_have_their_names_where_there_are_as_many() {
        let names = ["zero", "one"].map(str::to_owned);
        assert_eq!(class_names(2, &names), names);
        assert_eq!(class_names(0, &names), [""; 0]);
    }
}
