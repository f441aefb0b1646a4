//! Name what may be changed about a network, and refuse what it does not have.

use ebm_core::Invalid;
use ebm_model::{Activation, Head, Intensity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network_name::{Family, NetworkName, Owners};

/// The most channels of a layer that is asked for: with many more, its weights fit no memory.
const MOST_CHANNELS: usize = 4096;

/// The most dimensions of a patch: it has no more elements.
const MOST_DIMENSIONS: usize = 1024;

/// Changes to the published architecture.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The architecture.
    pub network: NetworkName,
    /// Filters of the first layer, the others in proportion; absent for the published ones. `unet`, `pooled`, `mlp`,
    /// `latent` and `latent-free` have `widths` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4096))]
    pub filters: Option<usize>,
    /// Channels of each stage of `unet` and `pooled`, the first at the images' size (over `patch`), each next one
    /// at half of it; absent for 32, 64 and 64. The same of `latent` and `latent-free`; absent for 16, 32 and 64. Of
    /// `mlp`, units of each hidden layer; absent for 1200 and 1200.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub widths: Option<Vec<usize>>,
    /// Side of the squares of pixels that `unet` sees as one pixel of so many more channels; absent for 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub patch: Option<usize>,
    /// Residual blocks of each stage of `unet` on the way down; absent for 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub blocks: Option<usize>,
    /// What makes an energy of `unet`, a network f of c = 2x − 1; absent for `dot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// s: `unet` sees s·c of c = 2x − 1 instead of c, and the image that it makes is divided by s; absent for 1. Above 1
    /// its activations bend within smaller differences of pixels, such as those of weak noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub input_scale: Option<f64>,
    /// A constant by which the energy of `unet` and `pooled` is multiplied; absent for 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub energy_scale: Option<f64>,
    /// Nonlinearity; absent for the published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Whether the energy is given the class, E(x, y).
    pub conditional: bool,
    /// Whether the class chooses an output of the last layer of `uva`, `mnist`, `dsprites` or `features`, so that all
    /// classes cost as much as one, instead of acting on the layers before it.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub class_head: bool,
    /// Whether weights are under spectral norm; absent for the published network's way, and none
    /// where `plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spectral_norm: Option<bool>,
    /// Whether residual networks and `unet` have self-attention.
    pub attention: bool,
    /// Probability with which the elements between a residual block's convolutions, or the units of `mlp`, are dropped
    /// while training; absent for the published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub dropout: Option<f64>,
    /// Whether residual networks leave out input biases and output gains: what is then left are
    /// ordinary layers, with PyTorch's names when exported.
    pub plain: bool,
    /// Whether the network sees 2x − 1 instead of x; absent for the published network's way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub centered_input: Option<bool>,
    /// How many `experts` there are; absent for twice as many as `dimensions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4096))]
    pub experts: Option<usize>,
    /// Principal components of patches that `experts` see, those of the largest variance; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub dimensions: Option<usize>,
    /// What `experts` see of a pixel; absent for `linear`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intensity: Option<Intensity>,
    /// Whether `experts` see a patch without the mean of its elements; absent for true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_mean: Option<bool>,
    /// d: elements of the latent vector z of `latent` and `latent-free`; absent for 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4096))]
    pub latents: Option<usize>,
    /// σ of images around what `latent` generates, for pixels in [0, 1]; absent for 0.15.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub observation_std: Option<f64>,
    /// The most steps of the descent to the z that explains an image, of `latent` and `latent-free`: E(x) is the least
    /// energy on it. Absent for 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16777215))]
    pub inference_steps: Option<usize>,
    /// η of chains of z given an image, whose noise is √(2η), and of the first step of the descent to the z that
    /// explains it, of `latent` and `latent-free`; absent for 0.005.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub inference_step_size: Option<f64>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            network: NetworkName::Uva,
            filters: None,
            widths: None,
            patch: None,
            blocks: None,
            head: None,
            input_scale: None,
            energy_scale: None,
            activation: None,
            conditional: false,
            class_head: false,
            spectral_norm: None,
            attention: false,
            dropout: None,
            plain: false,
            centered_input: None,
            experts: None,
            dimensions: None,
            intensity: None,
            remove_mean: None,
            latents: None,
            observation_std: None,
            inference_steps: None,
            inference_step_size: None,
        }
    }
}

impl ModelConfig {
    /// Check that the values make a network, and that it has the keys that are set.
    ///
    /// # Errors
    /// Names the first key for which this is not so.
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        self.validate_values()?;
        self.validate_keys()?;
        self.validate_latent_keys()?;
        if self.class_head && !self.conditional {
            return Err(Invalid::new("class_head", "needs model.conditional = true"));
        }
        if self.plain && self.conditional {
            return Err(Invalid::new(
                "plain",
                "leaves out what a class acts on; set model.conditional = false or model.plain = false",
            ));
        }
        Ok(())
    }

    fn validate_values(&self) -> Result<(), Invalid> {
        if let Some(dropout) = self.dropout.filter(|p| !(0.0..1.0).contains(p)) {
            let problem = format!("must be in [0, 1), got {dropout}");
            return Err(Invalid::new("dropout", problem));
        }
        for (key, value, most) in [
            ("filters", self.filters, MOST_CHANNELS),
            ("patch", self.patch, 64),
            ("blocks", self.blocks, 100),
            ("experts", self.experts, MOST_CHANNELS),
            ("dimensions", self.dimensions, MOST_DIMENSIONS),
            ("latents", self.latents, MOST_CHANNELS),
            ("inference_steps", self.inference_steps, (1 << 24) - 1),
        ] {
            if let Some(value) = value.filter(|value| !(1..=most).contains(value)) {
                let problem = format!("must be at least 1 and at most {most}, got {value}");
                return Err(Invalid::new(key, problem));
            }
        }
        let is_usable = |width: &usize| (1..=MOST_CHANNELS).contains(width);
        let is_unusable = |widths: &&Vec<usize>| widths.is_empty() || !widths.iter().all(is_usable);
        if let Some(widths) = self.widths.as_ref().filter(is_unusable) {
            let problem = format!(
                "must be a list of numbers of at least 1 and at most {MOST_CHANNELS}, got {widths:?}"
            );
            return Err(Invalid::new("widths", problem));
        }
        let is_unusable = |scale: &f64| !(*scale > 0.0 && scale.is_finite());
        for (key, scale) in [
            ("input_scale", self.input_scale),
            ("energy_scale", self.energy_scale),
            ("observation_std", self.observation_std),
            ("inference_step_size", self.inference_step_size),
        ] {
            if let Some(scale) = scale.filter(is_unusable) {
                let problem = format!("must be above 0, got {scale}");
                return Err(Invalid::new(key, problem));
            }
        }
        Ok(())
    }

    /// Refuse classes of latent vectors, and spectral norm of a generator, whose slopes nothing has to bound.
    fn validate_latent_keys(&self) -> Result<(), Invalid> {
        let family = self.network.family();
        if self.conditional && matches!(family, Family::Latent | Family::LatentFree) {
            let problem = "is not for latent and latent-free; set model.conditional = false";
            return Err(Invalid::new("conditional", problem));
        }
        if self.spectral_norm == Some(true) && family == Family::Latent {
            let problem = "is not for latent; leave it out";
            return Err(Invalid::new("spectral_norm", problem));
        }
        Ok(())
    }

    /// Refuse what the network does not have.
    fn validate_keys(&self) -> Result<(), Invalid> {
        let keys = [
            ("filters", self.filters.is_some(), Owners::PUBLISHED),
            ("widths", self.widths.is_some(), Owners::WIDE),
            ("patch", self.patch.is_some(), Owners::UNET),
            ("blocks", self.blocks.is_some(), Owners::UNET),
            ("head", self.head.is_some(), Owners::UNET),
            ("input_scale", self.input_scale.is_some(), Owners::UNET),
            ("energy_scale", self.energy_scale.is_some(), Owners::STAGED),
            ("class_head", self.class_head, Owners::STRIDED),
            ("attention", self.attention, Owners::ATTENTIVE),
            (
                "dropout",
                self.dropout.is_some_and(|p| p > 0.0),
                Owners::DROPPING,
            ),
            ("plain", self.plain, Owners::PUBLISHED),
            ("activation", self.activation.is_some(), Owners::LAYERED),
            ("conditional", self.conditional, Owners::LAYERED),
            (
                "spectral_norm",
                self.spectral_norm.is_some(),
                Owners::LAYERED,
            ),
            (
                "centered_input",
                self.centered_input.is_some(),
                Owners::LAYERED,
            ),
            ("experts", self.experts.is_some(), Owners::EXPERTS),
            ("dimensions", self.dimensions.is_some(), Owners::EXPERTS),
            ("intensity", self.intensity.is_some(), Owners::EXPERTS),
            ("remove_mean", self.remove_mean.is_some(), Owners::EXPERTS),
            ("latents", self.latents.is_some(), Owners::LATENT),
            (
                "observation_std",
                self.observation_std.is_some(),
                Owners::GENERATED,
            ),
            (
                "inference_steps",
                self.inference_steps.is_some(),
                Owners::LATENT,
            ),
            (
                "inference_step_size",
                self.inference_step_size.is_some(),
                Owners::LATENT,
            ),
        ];
        let family = self.network.family();
        let refused = |(_, asked, owners): &&(_, bool, Owners)| *asked && !owners.has(family);
        if let Some((key, _, owners)) = keys.iter().find(refused) {
            let problem = format!("is for {}; leave it out", owners.in_words);
            return Err(Invalid::new(*key, problem));
        }
        let problem = match (family, self.centered_input) {
            (Family::Residual, Some(true)) => "is not for residual networks; leave it out",
            (Family::UNet, Some(false)) => "cannot be false for unet; leave it out",
            (Family::Latent | Family::LatentFree, Some(_)) => {
                "is not for latent and latent-free; leave it out"
            }
            _ => return Ok(()),
        };
        Err(Invalid::new("centered_input", problem))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    /// Why these keys of a model are refused.
    fn refused(assignments: &[&str]) -> String {
        let assignments: Vec<String> = assignments.iter().map(|it| format!("model.{it}")).collect();
        let error = Config::resolve("mnist-uva", None, &assignments).expect_err("refused");
        error.to_string()
    }

    #[test]
    fn keys_that_the_network_does_not_have_are_refused() {
        for (network, assignment, problem) in [
            (
                "unet",
                "filters=4",
                "is for uva, mnist, dsprites, features and residual networks",
            ),
            (
                "pooled",
                "filters=4",
                "is for uva, mnist, dsprites, features and residual networks",
            ),
            ("uva", "widths=[4]", "is for unet, pooled, mlp, latent"),
            ("uva", "class_head=true", "needs model.conditional = true"),
            (
                "resnet32",
                "class_head=true",
                "is for uva, mnist, dsprites and features",
            ),
            ("resnet32", "energy_scale=2.0", "is for unet and pooled"),
            ("pooled", "blocks=2", "is for unet; leave it out"),
            ("pooled", "patch=2", "is for unet; leave it out"),
            ("pooled", "input_scale=2", "is for unet; leave it out"),
            ("pooled", "head=dot", "is for unet; leave it out"),
            (
                "pooled",
                "attention=true",
                "is for residual networks and unet",
            ),
            (
                "unet",
                "dropout=0.5",
                "is for residual networks and mlp; leave it out",
            ),
            (
                "unet",
                "plain=true",
                "is for uva, mnist, dsprites, features and residual networks",
            ),
            (
                "resnet32",
                "centered_input=true",
                "is not for residual networks",
            ),
            ("unet", "centered_input=false", "cannot be false for unet"),
            ("unet", "experts=4", "is for experts; leave it out"),
            ("uva", "intensity=log", "is for experts; leave it out"),
            (
                "experts",
                "activation=swish",
                "is for networks of layers, which experts are not; leave it out",
            ),
            ("experts", "conditional=true", "is for networks of layers"),
            ("experts", "widths=[4]", "is for unet, pooled, mlp, latent"),
            ("pooled", "latents=4", "is for latent and latent-free"),
            ("latent-free", "observation_std=0.1", "is for latent; leave"),
            ("latent", "filters=4", "is for uva, mnist, dsprites"),
            ("latent", "energy_scale=2.0", "is for unet and pooled"),
            ("latent", "spectral_norm=true", "is not for latent; leave"),
            (
                "latent",
                "conditional=true",
                "is not for latent and latent-free",
            ),
            (
                "latent",
                "centered_input=true",
                "is not for latent and latent-free",
            ),
        ] {
            let network = format!("network={network}");
            let message = refused(&[&network, assignment]);
            let key = assignment.split('=').next().unwrap_or_default();
            let expected = format!("`model.{key}` {problem}");
            assert!(message.contains(&expected), "{assignment}: {message}");
        }
    }

    #[test]
    fn values_that_make_no_network_are_refused() {
        for (assignment, problem) in [
            (
                "widths=[]",
                "must be a list of numbers of at least 1 and at most 4096, got []",
            ),
            (
                "widths=[16, 0]",
                "must be a list of numbers of at least 1 and at most 4096, got [16, 0]",
            ),
            ("widths=16", "expected a list"),
            ("blocks=0", "must be at least 1 and at most 100, got 0"),
            ("experts=0", "must be at least 1 and at most 4096, got 0"),
            (
                "dimensions=2000",
                "must be at least 1 and at most 1024, got 2000",
            ),
            ("intensity=dark", "unknown value `dark`, expected `linear`"),
            (
                "blocks=1000",
                "must be at least 1 and at most 100, got 1000",
            ),
            ("patch=0", "must be at least 1 and at most 64, got 0"),
            ("energy_scale=0", "must be above 0, got 0"),
            ("energy_scale=inf", "must be above 0, got inf"),
            ("input_scale=-2", "must be above 0, got -2"),
            ("head=sum", "unknown value `sum`, expected one of"),
        ] {
            let message = refused(&["network=unet", assignment]);
            assert!(message.contains(problem), "{assignment}: {message}");
        }
    }
}
