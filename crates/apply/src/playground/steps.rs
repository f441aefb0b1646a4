//! Choose how chains move that somebody plays with: from noise as a run's samples do, then for as long as they like.

use ebm_core::Schedule;
use ebm_langevin::{LangevinConfig, Method};
use ebm_train::{Config, Generative, ObjectiveConfig, ObjectiveKind};

/// Share of the noise that it sees which a step of an energy takes off that has learned to denoise.
const DENOISED_SHARE: f64 = 0.25;
/// A step size that falls below this share of its largest value is no size to go on with.
const NO_SIZE: f64 = 0.01;

/// How chains move in a playground.
///
/// The first steps, as many as a sample of the run takes, are those of its samples, with their schedules. Those after
/// them go on from any picture:
/// - `sgld`, `mala` and `hmc` keep the last values of their schedules; a step size that falls to nothing its mean.
/// - After `euler` and `heun`, which have come to the data by then, chains descend the same energy with steps of
///   `sgld` of the flow's size, at its temperature: a descent where that is 0.
/// - An energy that has learned to denoise takes a quarter of the noise that it sees off in a step, and gets about the
///   noise of its least level in return; one that is told σ is told that of its least level, in all steps, and one
///   without a reference level takes a quarter of noise of its least level off, whatever it sees.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaySteps {
    pub(super) first: LangevinConfig,
    pub(super) then: LangevinConfig,
    /// σ that the energy is told.
    pub(super) told: Option<f64>,
    refusal: Option<String>,
}

impl PlaySteps {
    /// The steps for an energy that was trained with these settings, which are of one part of a run.
    pub fn of(config: &Config) -> Self {
        let objective = &config.objective;
        let first = LangevinConfig {
            num_steps: config.output.sample_steps.max(1),
            ..config.langevin.clone()
        };
        Self {
            then: match has_learned_to_denoise(objective) {
                true => denoising(&first, objective),
                false => lasting(&first),
            },
            first,
            told: objective.tells_noise().then_some(objective.noise_min),
            refusal: refusal(objective),
        }
    }

    /// Why no chain can go on from a picture, where that is so. Energies can be had all the same.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// How chains go on after their first steps: with one value of each schedule.
    pub fn going_on(&self) -> &LangevinConfig {
        &self.then
    }

    /// Steps from noise to a sample.
    pub fn from_noise(&self) -> usize {
        self.first.num_steps
    }

    /// The first steps that are those after them: none of a flow's lead anywhere where pixels are known, as on its way
    /// from noise they would have noise, too.
    pub(super) fn border(&self, has_known: bool) -> usize {
        match self.first.method.is_flow() && has_known {
            true => 0,
            false => self.first.num_steps,
        }
    }
}

/// Whether −∇E points from images with noise to those without.
fn has_learned_to_denoise(objective: &ObjectiveConfig) -> bool {
    match objective.kind {
        ObjectiveKind::Denoising => true,
        ObjectiveKind::Jem => objective.generative == Generative::Denoising,
        _ => false,
    }
}

fn refusal(objective: &ObjectiveConfig) -> Option<String> {
    let why = match objective.kind {
        ObjectiveKind::Recovery => {
            "images come down noise levels, each tied to the one above, and no step goes on from a picture"
        }
        ObjectiveKind::Latent => "chains move latent vectors, and no step goes on from a picture",
        ObjectiveKind::Classification => {
            "an energy learns to tell classes apart and nothing of what images look like, so that its chains lead nowhere"
        }
        _ => return None,
    };
    Some(format!("with objective.kind={} {why}", objective.kind))
}

/// Steps with the last values of these schedules, or those that a flow is followed by.
fn lasting(first: &LangevinConfig) -> LangevinConfig {
    let config = match first.method.is_flow() {
        true => first.changed_to(Method::Sgld),
        false => first.clone(),
    };
    let last = |schedule: Schedule| schedule.at(config.num_steps - 1, config.num_steps);
    let (noise, temperature) = (last(config.noise_std), last(config.temperature));
    let size = lasting_size(config.step_size, config.num_steps);
    config
        .with_step_size(size)
        .with_noise_std(noise)
        .with_temperature(temperature)
}

/// The last step size; the mean of all where it falls to nothing.
fn lasting_size(size: Schedule, steps: usize) -> f64 {
    let sizes = || (0..steps).map(|step| size.at(step, steps));
    let (last, largest) = (size.at(steps - 1, steps), sizes().fold(0.0, f64::max));
    match last < NO_SIZE * largest {
        true => sizes().sum::<f64>() / steps as f64,
        false => last,
    }
}

/// x − r·s·∇E(x), s∇E the noise of x, with noise that keeps the least level of it.
fn denoising(first: &LangevinConfig, objective: &ObjectiveConfig) -> LangevinConfig {
    let (least, reference) = (objective.noise_min, objective.noise_reference);
    let squared = reference.unwrap_or(least).powi(2); // s
    LangevinConfig {
        method: Method::Sgld,
        step_size: Schedule::Constant(DENOISED_SHARE * squared),
        noise_std: Schedule::Constant((2.0 * DENOISED_SHARE).sqrt() * least),
        temperature: Schedule::Constant(1.0),
        grad_clip: None,
        grad_norm_clip: None,
        target_acceptance: None,
        ..first.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(keys: &[&str]) -> PlaySteps {
        let all = [&["output.sample_steps=10"][..], keys].concat();
        let keys: Vec<String> = all.iter().map(|&key| key.to_owned()).collect();
        let config = Config::resolve("digits", None, &keys).expect("resolves");
        PlaySteps::of(&config)
    }

    /// Step size, noise and temperature.
    fn values(config: &LangevinConfig) -> [f64; 3] {
        [config.step_size, config.noise_std, config.temperature].map(|it| it.at(0, 10))
    }

    #[test]
    fn chains_keep_the_last_values_of_their_schedules() {
        let plain = steps(&[]);
        assert_eq!((&plain.first, plain.refusal()), (&plain.then, None));
        assert_eq!((plain.from_noise(), plain.border(true)), (10, 10));
        let scheduled = steps(&[
            "langevin.temperature={ kind = \"linear\", start = 9.0, end = 2.0 }",
            "langevin.noise_std={ kind = \"geometric\", start = 0.1, end = 0.01 }",
            "langevin.step_size={ kind = \"linear\", start = 8.0, end = 4.0 }",
        ]);
        let [size, noise, temperature] = values(scheduled.going_on());
        assert_eq!((size, temperature), (4.0, 2.0));
        assert!((noise - 0.01).abs() < 1e-12, "{noise}");
        assert_eq!(scheduled.then.grad_clip, plain.first.grad_clip);
        let falling = "langevin.step_size={ kind = \"linear\", start = 9.0, end = 0.0 }";
        let [mean, ..] = values(&steps(&[falling]).then);
        assert!((mean - 4.5).abs() < 1e-12, "{mean}");
    }

    #[test]
    fn a_flow_is_followed_by_steps_of_its_size_at_its_temperature() {
        let flow = steps(&[
            "objective.kind=flow",
            "langevin.method=heun",
            "langevin.grad_clip=none",
            "langevin.flow_time=1.25",
            "langevin.flow_temperature=0.01",
        ]);
        assert_eq!(
            (flow.first.method, flow.then.method),
            (Method::Heun, Method::Sgld)
        );
        let [size, noise, temperature] = values(&flow.then);
        assert_eq!((size, temperature), (0.125, 1.0));
        assert!(
            (noise * noise - 2.0 * 0.125 * 0.01).abs() < 1e-12,
            "{noise}"
        );
        assert_eq!([false, true].map(|known| flow.border(known)), [10, 0]);
        assert_eq!(flow.refusal(), None);
    }

    #[test]
    fn an_energy_that_denoises_takes_a_quarter_of_what_it_sees() {
        let blind = steps(&[
            "objective.kind=denoising",
            "objective.noise_reference=0.5",
            "objective.noise_min=0.02",
        ]);
        let [size, noise, _] = values(&blind.then);
        assert!((size - 0.25 * 0.25).abs() < 1e-12, "{size}");
        assert!((noise * noise - 0.5 * 0.0004).abs() < 1e-12, "{noise}");
        assert_eq!((blind.told, blind.then.grad_clip), (None, None));
        let told = steps(&[
            "objective.kind=denoising",
            "objective.noise_conditional=true",
            "objective.noise_min=0.02",
            "model.network=unet",
            "model.filters=none",
            "model.widths=[4, 8]",
        ]);
        assert_eq!(told.told, Some(0.02));
        assert!((values(&told.then)[0] - 0.25 * 0.0004).abs() < 1e-12);
    }

    #[test]
    fn where_chains_lead_nowhere_it_is_said_why() {
        let unet = [
            "model.network=unet",
            "model.widths=[4, 8]",
            "langevin.grad_clip=none",
        ];
        let recovery = [&["objective.kind=recovery"][..], &unet].concat();
        let why = steps(&recovery).refusal().map(str::to_owned);
        assert!(why.is_some_and(|why| why.starts_with("with objective.kind=recovery images")));
        let classes = ["objective.kind=classification", "model.conditional=true"];
        let why = steps(&classes).refusal().map(str::to_owned);
        assert!(why.is_some_and(|why| why.contains("classification")));
    }
}
