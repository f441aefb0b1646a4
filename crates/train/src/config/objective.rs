//! Name the objectives, and what may be set about them.

use core::fmt;

use ebm_core::Invalid;
use ebm_langevin::{Ladder, LangevinConfig};
use ebm_model::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::objective::contrastive::{EnergyL2, LossConfig, LossKind};
use crate::objective::{
    Coupling, Denoising, DenoisingError, Flow, FlowContrast, Latent, NoiseSpacing, Recovery,
    ScoreMatching, WhitenedContrast,
};

/// The `[objective]` section of a configuration.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectiveConfig {
    /// What is minimised.
    pub kind: ObjectiveKind,
    /// How strongly differences of energies count in `logsumexp` and `softplus`, and those of classes in
    /// `classification` and `jem`: T, which multiplies energies.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub sharpness: f64,
    /// Which noise of a batch `flow` pairs with which image.
    pub coupling: Coupling,
    /// λ: how much a contrast of energies counts beside `flow`, with chains of `langevin` that start half at data
    /// and half at noise; 0 for none.
    #[schemars(range(min = 0))]
    pub contrast_weight: f64,
    /// How far below 0 that contrast falls before it has no gradient.
    #[schemars(range(min = 0))]
    pub contrast_floor: f64,
    /// The share of its samples, those of the highest energies, that is left out.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub contrast_trimmed: f64,
    /// The least σ of the noise of `denoising`, for pixels in [0, 1].
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub noise_min: f64,
    /// The greatest σ of the noise of `denoising`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub noise_max: f64,
    /// How σ is spread between the two.
    pub noise_spacing: NoiseSpacing,
    /// σ₀ of `denoising`: x − σ₀²∇E(x) denoises images whatever their noise. Absent for x − σ²∇E(x), where E
    /// is −log p of data with noise σ.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub noise_reference: Option<f64>,
    /// Whether the energy of `denoising` is told σ of each image's noise; needs `unet`. Outside training σ must then
    /// be given or measured.
    pub noise_conditional: bool,
    /// In what `denoising` measures the error of a denoised image.
    pub denoising_error: DenoisingError,
    /// T: noise levels of `recovery`; the published schedule has 6, others are spread as it is.
    #[schemars(range(min = 2, max = 100))]
    pub recovery_levels: usize,
    /// What `jem` learns p(x) by.
    pub generative: Generative,
    /// Whether that is p(x | y), of images given their class, instead: all chains are then of a class.
    pub given_class: bool,
    /// How much the cross-entropy of `jem` counts beside the other loss.
    #[schemars(range(min = 0))]
    pub classification_weight: f64,
    /// Of the images of a batch, how many `jem` learns p(x) from, with as many chains, which cost the most; absent for
    /// all. Cross-entropy takes all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub generative_batch: Option<usize>,
    /// Leapfrog steps of a trajectory of `whitened-cd`; absent for 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub trajectory_steps: Option<usize>,
    /// Their size at first, in standard deviations of whitened data, which then adapts until nine of ten trajectories
    /// are accepted; absent for 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub trajectory_step_size: Option<f64>,
    /// K₁ of `latent`: steps of its chains of z given an image, each of size `model.inference_step_size`; 20 unless it
    /// is set. Chains of the prior, or of the images of a free energy, move as `langevin` says.
    #[serde(skip_serializing_if = "is_usual_posterior")]
    #[schemars(range(min = 1, max = 16777215))]
    pub posterior_steps: usize,
}

/// K₁ of Pang et al. 2020.
const POSTERIOR_STEPS: usize = 20;

fn is_usual_posterior(steps: &usize) -> bool {
    *steps == POSTERIOR_STEPS
}

/// What is minimised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveKind {
    /// Contrastive divergence: mean E₊ − mean E₋ of data and chains.
    #[default]
    Cd,
    /// The same with weights: mean E₊ − Σ wᵢE₋ᵢ with the constant weights w = softmax(−T·E₋): low energies count
    /// most.
    Logsumexp,
    /// mean softplus(T·(E₊ − E₋)): pairs that are far apart already count little.
    Softplus,
    /// Flow matching: ½‖∇E(x_t) − (x₀ − x₁)‖² on straight paths from noise to data; needs no chains.
    Flow,
    /// Denoising score matching: ½‖σ∇E(x + σn) − n‖²; needs no chains.
    Denoising,
    /// Diffusion recovery likelihood: energies at noise levels, of chains that take one level of noise off data;
    /// needs `unet`, which is given the level.
    Recovery,
    /// Cross-entropy of the classes, p(y | x) ∝ exp(−T·E(x, y)); nothing is learned of p(x).
    Classification,
    /// Cross-entropy of the classes and −log p(x), which `generative` learns.
    Jem,
    /// Contrastive divergence in whitened coordinates: mean E of data less mean E of where one trajectory of Hamiltonian
    /// dynamics leads from each; needs `experts`.
    WhitenedCd,
    /// Score matching in closed form in whitened coordinates: ½‖∇E‖² − ΔE of data; needs `experts`.
    ScoreMatching,
    /// Maximum likelihood of E(x, z): short chains of z given data, and of what the energy makes without data; needs
    /// `latent` or `latent-free`.
    Latent,
}

impl fmt::Display for ObjectiveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cd => "cd",
            Self::Logsumexp => "logsumexp",
            Self::Softplus => "softplus",
            Self::Flow => "flow",
            Self::Denoising => "denoising",
            Self::Recovery => "recovery",
            Self::Classification => "classification",
            Self::Jem => "jem",
            Self::WhitenedCd => "whitened-cd",
            Self::ScoreMatching => "score-matching",
            Self::Latent => "latent",
        })
    }
}

/// What learns p(x) beside the classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generative {
    /// Contrastive divergence.
    #[default]
    Cd,
    /// Flow matching.
    Flow,
    /// Denoising score matching.
    Denoising,
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        let denoising = Denoising::default();
        Self {
            kind: ObjectiveKind::default(),
            sharpness: LossConfig::default().sharpness,
            coupling: Coupling::default(),
            contrast_weight: 0.0,
            contrast_floor: FlowContrast::PUBLISHED_FLOOR,
            contrast_trimmed: 0.1,
            noise_min: denoising.noise[0],
            noise_max: denoising.noise[1],
            noise_spacing: denoising.spacing,
            noise_reference: denoising.reference,
            noise_conditional: denoising.conditional,
            denoising_error: denoising.error,
            recovery_levels: 6,
            generative: Generative::default(),
            given_class: false,
            classification_weight: 1.0,
            generative_batch: None,
            trajectory_steps: None,
            trajectory_step_size: None,
            posterior_steps: POSTERIOR_STEPS,
        }
    }
}

impl ObjectiveConfig {
    /// How energies of data and chains become a loss.
    pub(super) fn loss(&self) -> LossConfig {
        LossConfig {
            kind: match self.kind {
                ObjectiveKind::Logsumexp => LossKind::Logsumexp,
                ObjectiveKind::Softplus => LossKind::Softplus,
                _ => LossKind::Cd,
            },
            sharpness: self.sharpness,
        }
    }

    pub(super) fn flow(
        &self,
        langevin: &LangevinConfig,
        precision: Precision,
        micro_batch: Option<usize>,
    ) -> Flow {
        let contrast = self.has_flow_contrast().then(|| FlowContrast {
            weight: self.contrast_weight,
            floor: self.contrast_floor,
            trimmed: self.contrast_trimmed,
            langevin: langevin.clone(),
            precision,
        });
        Flow {
            coupling: self.coupling,
            contrast,
            marginal: self.is_marginal(),
            micro_batch,
        }
    }

    pub(super) fn denoising(&self, micro_batch: Option<usize>) -> Denoising {
        Denoising {
            noise: [self.noise_min, self.noise_max],
            spacing: self.noise_spacing,
            reference: self.noise_reference,
            conditional: self.tells_noise(),
            error: self.denoising_error,
            marginal: self.is_marginal(),
            micro_batch,
        }
    }

    /// The noise levels of `recovery`; `None` for the other kinds.
    pub fn ladder(&self) -> Option<Ladder> {
        (self.kind == ObjectiveKind::Recovery).then(|| Ladder::new(self.recovery_levels))
    }

    pub(super) fn recovery(
        &self,
        langevin: &LangevinConfig,
        precision: Precision,
        micro_batch: Option<usize>,
    ) -> Recovery {
        Recovery {
            ladder: Ladder::new(self.recovery_levels),
            num_steps: langevin.num_steps,
            precision,
            micro_batch,
        }
    }

    pub(super) fn whitened_contrast(&self, micro_batch: Option<usize>) -> WhitenedContrast {
        let usual = WhitenedContrast::default();
        WhitenedContrast {
            leapfrog_steps: self.trajectory_steps.unwrap_or(usual.leapfrog_steps),
            step_size: self.trajectory_step_size.unwrap_or(usual.step_size),
            micro_batch,
        }
    }

    pub(super) fn latent(
        &self,
        langevin: &LangevinConfig,
        energy_l2: EnergyL2,
        precision: Precision,
        micro_batch: Option<usize>,
    ) -> Latent {
        Latent {
            langevin: langevin.clone(),
            posterior_steps: self.posterior_steps,
            energy_l2,
            precision,
            micro_batch,
        }
    }

    pub(super) fn score_matching(&self, micro_batch: Option<usize>) -> ScoreMatching {
        ScoreMatching { micro_batch }
    }

    /// Whether it is for energies of whitened coordinates alone.
    pub(super) fn needs_whitened(&self) -> bool {
        matches!(
            self.kind,
            ObjectiveKind::WhitenedCd | ObjectiveKind::ScoreMatching
        )
    }

    /// Whether E(x) is learned, the classes summed out, instead of E(x, y).
    pub fn is_marginal(&self) -> bool {
        self.kind == ObjectiveKind::Jem && !self.given_class
    }

    /// T of p(y | x) ∝ exp(−T·E(x, y)): 1 where nothing of the classes is learned.
    pub fn class_sharpness(&self) -> f64 {
        if self.needs_classes() {
            self.sharpness
        } else {
            1.0
        }
    }

    /// Whether chains are drawn while it learns.
    pub fn has_chains(&self) -> bool {
        self.has_buffer()
            || self.has_flow_contrast()
            || matches!(self.kind, ObjectiveKind::Recovery | ObjectiveKind::Latent)
    }

    /// Whether its chains persist.
    pub(super) fn has_buffer(&self) -> bool {
        match self.kind {
            ObjectiveKind::Cd | ObjectiveKind::Logsumexp | ObjectiveKind::Softplus => true,
            ObjectiveKind::Jem => self.generative == Generative::Cd,
            _ => false,
        }
    }

    /// Whether a contrast is added to a flow.
    pub(super) fn has_flow_contrast(&self) -> bool {
        let is_flow = match self.kind {
            ObjectiveKind::Flow => true,
            ObjectiveKind::Jem => self.generative == Generative::Flow,
            _ => false,
        };
        is_flow && self.contrast_weight > 0.0
    }

    /// Whether the energy is told σ of noise.
    pub fn tells_noise(&self) -> bool {
        self.kind == ObjectiveKind::Denoising && self.noise_conditional
    }

    /// Whether it learns to tell classes apart.
    pub fn needs_classes(&self) -> bool {
        matches!(
            self.kind,
            ObjectiveKind::Classification | ObjectiveKind::Jem
        )
    }

    /// Check that a loss can be computed.
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        for (key, value) in [
            ("sharpness", self.sharpness),
            ("noise_min", self.noise_min),
            ("noise_max", self.noise_max),
            ("noise_reference", self.noise_reference.unwrap_or(1.0)),
            (
                "trajectory_step_size",
                self.trajectory_step_size.unwrap_or(1.0),
            ),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Invalid::new(key, format!("must be > 0, got {value}")));
            }
        }
        if self.noise_max < self.noise_min {
            let problem = format!("must be at least noise_min, {}", self.noise_min);
            return Err(Invalid::new("noise_max", problem));
        }
        for (key, number) in [
            ("generative_batch", self.generative_batch),
            ("trajectory_steps", self.trajectory_steps),
        ] {
            if number == Some(0) {
                return Err(Invalid::new(key, "must be at least 1, got 0"));
            }
        }
        let (levels, possible) = (self.recovery_levels, Ladder::FEWEST..=Ladder::MOST);
        if !possible.contains(&levels) {
            let problem = format!("must be from 2 to 100, got {levels}");
            return Err(Invalid::new("recovery_levels", problem));
        }
        if !(1..1 << 24).contains(&self.posterior_steps) {
            let problem = format!("must be from 1 to 16777215, got {}", self.posterior_steps);
            return Err(Invalid::new("posterior_steps", problem));
        }
        if !(0.0..1.0).contains(&self.contrast_trimmed) {
            let problem = format!("must be in [0, 1), got {}", self.contrast_trimmed);
            return Err(Invalid::new("contrast_trimmed", problem));
        }
        for (key, value) in [
            ("contrast_weight", self.contrast_weight),
            ("contrast_floor", self.contrast_floor),
            ("classification_weight", self.classification_weight),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Invalid::new(key, format!("must be ≥ 0, got {value}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn objectives_print_as_a_configuration_names_them() {
        for kind in [
            ObjectiveKind::Cd,
            ObjectiveKind::Logsumexp,
            ObjectiveKind::Softplus,
            ObjectiveKind::Flow,
            ObjectiveKind::Denoising,
            ObjectiveKind::Recovery,
            ObjectiveKind::Classification,
            ObjectiveKind::Jem,
            ObjectiveKind::WhitenedCd,
            ObjectiveKind::ScoreMatching,
            ObjectiveKind::Latent,
        ] {
            let value = toml::Value::try_from(kind).unwrap();
            assert_eq!(value.as_str(), Some(kind.to_string().as_str()));
        }
    }

    #[test]
    fn what_an_objective_cannot_have_is_refused_by_its_key() {
        let resolve = |assignments: &[&str]| {
            let assignments: Vec<_> = assignments.iter().map(|it| it.to_string()).collect();
            Config::resolve("mnist-flow", None, &assignments)
        };
        for (assignments, refused) in [
            (
                &["objective.kind=jem"][..],
                "`objective.kind` of this kind needs",
            ),
            (
                &["batch_size=1", "objective.contrast_weight=0.0005"],
                "`objective.contrast_weight` above 0 needs batch_size of at least 2",
            ),
            (
                &["objective.noise_min=0"],
                "`objective.noise_min` must be > 0",
            ),
            (
                &["objective.noise_min=0.6"],
                "`objective.noise_max` must be at least noise_min, 0.6",
            ),
            (
                &[
                    "objective.kind=jem",
                    "model.conditional=true",
                    "batch_size=8",
                    "objective.generative_batch=9",
                ],
                "`objective.generative_batch` must be at most batch_size = 8, got 9",
            ),
            (
                &["objective.contrast_trimmed=1.0"],
                "must be in [0, 1), got 1",
            ),
            (&["kl.weight=0.3"], "`kl.weight` above 0 is for contrastive"),
            (
                &[
                    "objective.kind=jem",
                    "model.conditional=true",
                    "objective.sharpness=9",
                ],
                "`objective.sharpness` other than 1 needs objective.given_class",
            ),
        ] {
            let error = resolve(assignments).expect_err("refused").to_string();
            assert!(error.contains(refused), "{error}");
        }
        assert!(resolve(&["batch_size=1"]).is_ok());
        let sharp = [
            "objective.kind=jem",
            "model.conditional=true",
            "objective.given_class=true",
            "objective.sharpness=9",
        ];
        let sharp = resolve(&sharp).expect("a hybrid with a T of its own");
        assert_eq!(sharp.objective.class_sharpness(), 9.0);
        let chains = resolve(&["objective.sharpness=9"]).expect("no classes, no T of theirs");
        assert_eq!(chains.objective.class_sharpness(), 1.0);
        assert!(resolve(&["objective.contrast_weight=0.0005"]).is_ok());
    }
}
