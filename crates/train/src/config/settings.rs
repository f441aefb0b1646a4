//! List the settings of a run, and make from them what runs it.

use burn::tensor::Device;
use ebm_core::{ImageShape, Invalid, NoiseKey, PhiloxRng, Schedule, Stream};
use ebm_data::{BatchConfig, DataConfig};
use ebm_langevin::{BufferConfig, LangevinConfig, Method};
use ebm_model::{Network, Precision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::ModelConfig;
use super::network_name::NetworkName;
use super::objective::{Generative, ObjectiveConfig, ObjectiveKind};
use super::output::OutputConfig;
use super::phases::Phase;
use super::rollback::{OnDivergence, RollbackConfig};
use super::seed;
use crate::objective::contrastive::{Contrastive, EnergyL2, KlConfig};
use crate::objective::{AnyObjective, Classification, Jem, Latent};
use crate::optimizer::OptimizerConfig;
use crate::posterior::PosteriorConfig;
use crate::step::StepConfig;

/// Everything that determines a run.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Updates of the weights.
    #[schemars(range(min = 1, max = 4294967295u32))]
    pub iterations: usize,
    /// Images, and chains, per iteration.
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Virtual workers that share batch and buffer, each with its own part; 1, 2, 4, …. Results depend on their
    /// number, and not on how many processes run them: at most one for each (docs/cluster.md).
    #[schemars(range(min = 1, max = 65536))]
    pub shards: u32,
    /// The most images that a device works on at a time, where its memory asks for that. Slower, and
    /// the same but for the order of sums.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub micro_batch: Option<usize>,
    /// Floating-point precision of the chains' copy of the weights.
    pub precision: Precision,
    /// Seed of every random number. In a file, one above 9223372036854775807 stands in quotes.
    #[serde(
        serialize_with = "seed::serialize",
        deserialize_with = "seed::deserialize"
    )]
    pub seed: u64,
    /// Learning rate: a number, or a schedule over the iterations.
    #[schemars(range(min = 0))]
    pub lr: Schedule,
    /// α: strength of the regularization α·(mean E(x₊)² + mean E(x₋)²), which keeps energies near 0.
    /// Around 0.1 works; more where energies drift.
    #[schemars(range(min = 0))]
    pub energy_l2: f64,
    /// α₋: strength of it for samples alone, where it is another. With 0, a chain in a minimum far above
    /// the data is raised until the minimum is gone; otherwise no further than to 1/2α₋.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub sample_energy_l2: Option<f64>,
    /// Decay of the moving average of the weights.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub ema_decay: f64,
    /// What happens when training diverges or collapses.
    pub on_divergence: OnDivergence,
    /// The network.
    pub model: ModelConfig,
    /// What is minimised.
    pub objective: ObjectiveConfig,
    /// The gradient through the sampler.
    pub kl: KlConfig,
    /// How chains move.
    pub langevin: LangevinConfig,
    /// How chains persist.
    pub buffer: BufferConfig,
    /// What is learned.
    pub data: DataConfig,
    /// How gradients become updates.
    pub optimizer: OptimizerConfig,
    /// Which posterior over weights is sampled, and which weights are kept.
    #[serde(skip_serializing_if = "PosteriorConfig::is_default")]
    pub posterior: PosteriorConfig,
    /// How a run goes back where `on_divergence` says so.
    pub rollback: RollbackConfig,
    /// What is written, and how often.
    pub output: OutputConfig,
    /// Parts of the run, from its beginning, that differ from the other settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
}

impl Default for Config {
    fn default() -> Self {
        let (step, contrastive) = (StepConfig::default(), Contrastive::default());
        Self {
            iterations: step.iterations,
            batch_size: 64,
            shards: 1,
            micro_batch: None,
            precision: Precision::default(),
            seed: 0,
            lr: step.lr,
            energy_l2: contrastive.energy_l2.data,
            sample_energy_l2: None,
            ema_decay: step.ema_decay,
            on_divergence: OnDivergence::default(),
            model: ModelConfig::default(),
            objective: ObjectiveConfig::default(),
            kl: KlConfig::default(),
            langevin: LangevinConfig::default(),
            buffer: BufferConfig::default(),
            data: DataConfig::default(),
            optimizer: OptimizerConfig::default(),
            posterior: PosteriorConfig::default(),
            rollback: RollbackConfig::default(),
            output: OutputConfig::default(),
            phases: Vec::new(),
        }
    }
}

impl Config {
    /// The whole configuration as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every configuration can be written as TOML")
    }

    /// How steps are taken.
    pub fn step(&self) -> StepConfig {
        StepConfig {
            start: 0,
            iterations: self.iterations,
            lr: self.lr,
            lr_factor: self.rollback.lr_factor,
            ema_decay: self.ema_decay,
            optimizer: self.optimizer.clone(),
            posterior: self.posterior.clone(),
        }
    }

    /// What is minimised, by a shard.
    pub fn objective(&self) -> AnyObjective {
        let classification = Classification {
            sharpness: self.objective.class_sharpness(),
            dropout_prob: self.model.dropout_prob(),
            micro_batch: self.micro_batch,
        };
        let flow = || {
            let (langevin, micro_batch) = (&self.langevin, self.micro_batch);
            AnyObjective::Flow(self.objective.flow(langevin, self.precision, micro_batch))
        };
        let denoising = || AnyObjective::Denoising(self.objective.denoising(self.micro_batch));
        let contrastive = || AnyObjective::Contrastive(self.contrastive());
        match self.objective.kind {
            ObjectiveKind::Cd | ObjectiveKind::Logsumexp | ObjectiveKind::Softplus => contrastive(),
            ObjectiveKind::Flow => flow(),
            ObjectiveKind::Denoising => denoising(),
            ObjectiveKind::Recovery => {
                let (langevin, micro_batch) = (&self.langevin, self.micro_batch);
                let recovery = self
                    .objective
                    .recovery(langevin, self.precision, micro_batch);
                AnyObjective::Recovery(recovery)
            }
            ObjectiveKind::Classification => AnyObjective::Classification(classification),
            ObjectiveKind::WhitenedCd => {
                AnyObjective::WhitenedContrast(self.objective.whitened_contrast(self.micro_batch))
            }
            ObjectiveKind::ScoreMatching => {
                AnyObjective::ScoreMatching(self.objective.score_matching(self.micro_batch))
            }
            ObjectiveKind::Jem => AnyObjective::Jem(Box::new(Jem {
                generative: match self.objective.generative {
                    Generative::Cd => contrastive(),
                    Generative::Flow => flow(),
                    Generative::Denoising => denoising(),
                },
                classification,
                weight: self.objective.classification_weight,
                images: self
                    .objective
                    .generative_batch
                    .map(|all| self.of_shard(all)),
            })),
            ObjectiveKind::Latent => AnyObjective::Latent(self.latent()),
        }
    }

    fn both_energy_l2(&self) -> EnergyL2 {
        EnergyL2 {
            data: self.energy_l2,
            samples: self.sample_energy_l2.unwrap_or(self.energy_l2),
        }
    }

    fn latent(&self) -> Latent {
        let (langevin, micro_batch) = (&self.langevin, self.micro_batch);
        let energy_l2 = self.both_energy_l2();
        self.objective
            .latent(langevin, energy_l2, self.precision, micro_batch)
    }

    fn contrastive(&self) -> Contrastive {
        Contrastive {
            loss: self.objective.loss(),
            marginal: self.objective.is_marginal(),
            energy_l2: self.both_energy_l2(),
            kl: KlConfig {
                samples: self.kl.samples.div_ceil(self.shards as usize),
                ..self.kl.clone()
            },
            langevin: self.langevin.clone(),
            buffer: BufferConfig {
                capacity: self.of_shard(self.buffer.capacity),
                ..self.buffer.clone()
            },
            precision: self.precision,
            dropout_prob: self.model.dropout_prob(),
            micro_batch: self.micro_batch,
        }
    }

    /// Images of a batch from which the energy of images is learned, and chains: the others teach classes alone.
    fn generative_batch(&self) -> usize {
        match self.objective.generative_batch {
            Some(images) if self.objective.kind == ObjectiveKind::Jem => images,
            _ => self.batch_size,
        }
    }

    /// A shard's part of a number that all share.
    fn of_shard(&self, all: usize) -> usize {
        all / self.shards as usize
    }

    /// How the data are cut into batches of a shard.
    pub fn batches(&self) -> BatchConfig {
        BatchConfig::new(self.of_shard(self.batch_size))
            .with_flip(self.data.flip)
            .with_turn(self.data.turn)
            .with_shift(self.data.shift)
            .with_noise_std(self.data.noise_std)
            .with_margin(self.langevin.margin)
    }

    /// Image-steps of an iteration: one forward pass and one input gradient of one image each, in chains. Of an
    /// objective without chains, its images.
    pub fn image_steps(&self) -> usize {
        if self.objective.kind == ObjectiveKind::WhitenedCd {
            let contrast = self.objective.whitened_contrast(self.micro_batch);
            return self.batch_size * contrast.leapfrog_steps;
        }
        match self.objective.has_chains() {
            // Those of the prior see no image; those of a free energy do.
            true if self.objective.kind == ObjectiveKind::Latent => {
                let of_samples = match self.model.network {
                    NetworkName::LatentFree => self.langevin.num_steps,
                    _ => 0,
                };
                self.batch_size * (self.objective.posterior_steps + of_samples)
            }
            true => self.generative_batch() * self.langevin.num_steps,
            false => self.batch_size,
        }
    }

    /// Check that a run is possible.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.validate_part()?;
        self.validate_first_chains()?;
        self.validate_unsampled()
    }

    /// The same of a part of a run, which may have keys that other parts alone use.
    pub(super) fn validate_part(&self) -> Result<(), Invalid> {
        let within = |section: &'static str| move |invalid: Invalid| invalid.within(section);
        for (key, value) in [
            ("batch_size", self.batch_size),
            ("micro_batch", self.micro_batch.unwrap_or(1)),
            ("langevin.num_steps", self.langevin.num_steps),
        ] {
            if value == 0 {
                return Err(Invalid::new(key, "must be at least 1, got 0"));
            }
        }
        for (key, value) in [
            ("energy_l2", self.energy_l2),
            ("sample_energy_l2", self.sample_energy_l2.unwrap_or(0.0)),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Invalid::new(key, format!("must be ≥ 0, got {value}")));
            }
        }
        self.step().validate()?;
        self.data.validate().map_err(within("data"))?;
        self.output.validate().map_err(within("output"))?;
        self.model.validate().map_err(within("model"))?;
        self.objective.validate().map_err(within("objective"))?;
        self.validate_shards()?;
        self.validate_objective()?;
        self.validate_kl().map_err(within("kl"))?;
        self.langevin.validate().map_err(within("langevin"))?;
        self.rollback.validate().map_err(within("rollback"))?;
        let buffer = self.buffer.validate(self.generative_batch());
        buffer.map_err(within("buffer"))?;
        if !self.phases.is_empty() {
            self.parts()?;
        }
        Ok(())
    }

    /// Refuse shards that cannot have equal parts.
    fn validate_shards(&self) -> Result<(), Invalid> {
        let shards = self.shards;
        if !(shards.is_power_of_two() && shards <= 1 << 16) {
            let problem = format!("must be 1, 2, 4, … and at most 65536, got {shards}");
            return Err(Invalid::new("shards", problem));
        }
        let shared = [
            ("batch_size", self.batch_size, true),
            ("objective.generative_batch", self.generative_batch(), true),
            (
                "buffer.capacity",
                self.buffer.capacity,
                self.objective.has_buffer(),
            ),
        ];
        for (key, all, is_shared) in shared {
            if is_shared && !all.is_multiple_of(shards as usize) {
                let problem = format!("must be a multiple of shards = {shards}, got {all}");
                return Err(Invalid::new(key, problem));
            }
        }
        Ok(())
    }

    /// Refuse what an objective cannot have.
    fn validate_objective(&self) -> Result<(), Invalid> {
        let problem = |key, problem: &str| Err(Invalid::new(key, problem));
        let is_plain_contrast = self.objective.has_buffer() && !self.objective.needs_classes();
        if self.objective.needs_classes() && !self.model.conditional {
            let needed = "of this kind needs model.conditional = true";
            return problem("objective.kind", needed);
        }
        if self.objective.needs_whitened() && self.model.network != NetworkName::Experts {
            let needed = "of this kind needs whitened coordinates; set model.network=experts";
            return problem("objective.kind", needed);
        }
        if self.objective.is_marginal() && self.objective.sharpness != 1.0 {
            let needed = "other than 1 needs objective.given_class = true: E(x) = −log Σ exp(−E(x, y)) has no T";
            return problem("objective.sharpness", needed);
        }
        let is_classification = self.objective.kind == ObjectiveKind::Classification;
        let drops = is_plain_contrast || is_classification;
        if !drops && self.model.dropout_prob() > 0.0 {
            let needed = "above 0 is for contrastive divergence and classification alone; set model.dropout = 0";
            return problem("model.dropout", needed);
        }
        if !is_plain_contrast && self.kl.weight > 0.0 {
            return problem("kl.weight", "above 0 is for contrastive divergence alone");
        }
        let (part, all) = (self.generative_batch(), self.batch_size);
        if part > all {
            let needed = format!("must be at most batch_size = {all}, got {part}");
            return problem("objective.generative_batch", &needed);
        }
        if self.objective.has_flow_contrast() && self.of_shard(self.generative_batch()) < 2 {
            let needed = "above 0 needs batch_size of at least 2, of each shard: half of its chains start at data";
            return problem("objective.contrast_weight", needed);
        }
        self.validate_sampling()?;
        self.validate_told_noise()?;
        self.validate_recovery()?;
        self.validate_latent()
    }

    fn validate_kl(&self) -> Result<(), Invalid> {
        self.kl.validate()?;
        if self.kl.weight == 0.0 {
            return Ok(());
        }
        let needs = |what: &str| Err(Invalid::new("weight", format!("above 0 needs {what}")));
        match self {
            _ if self.langevin.method != Method::Sgld => needs("langevin.method = \"sgld\""),
            _ if self.langevin.grad_norm_clip.is_some() => {
                needs("langevin.grad_clip in place of langevin.grad_norm_clip")
            }
            _ if self.buffer.capacity == self.batch_size => {
                needs("buffer.capacity above batch_size")
            }
            _ => Ok(()),
        }
    }
}

/// The network of a configuration with its initial weights, for data of `num_classes` classes.
///
/// # Errors
/// Where the network does not fit images of `shape`, or needs classes that the data do not have.
pub fn initial_model(
    config: &Config,
    shape: ImageShape,
    num_classes: usize,
    device: &Device,
) -> Result<Network, Invalid> {
    if config.model.conditional && num_classes == 0 {
        let problem = "needs labelled data: a data set with classes, or a folder of class folders";
        return Err(Invalid::new("model.conditional", problem));
    }
    let mut rng = PhiloxRng::new(NoiseKey::new(config.seed, Stream::Weights, 0), 0);
    let net = config.model.network(config.conditions(num_classes));
    let net = net.init(shape, &mut rng, device);
    net.map_err(|error| Invalid::new("model", error.to_string()))
}
