//! Say how likely held-out images are: log Z from both sides, and bits per dimension.

use burn::tensor::{Tensor, TensorData};
use ebm_core::pixels::BYTE_WIDTH;
use ebm_core::{Distribution, NoiseKey, Stream};
use ebm_langevin::StepCounter;
use serde::Serialize;
use thiserror::Error;

use super::annealing::{
    Annealing, AnnealingError, AnnealingOptions, AnnealingPath, Base, Bound, Temperature,
    TemperatureChoice,
};
use super::moments::{error_of_mean, mean};
use super::out_of_distribution::{NotFinite, check_finite};
use super::report::DataToJudge;
use crate::score;
use crate::trained::{Trained, Weights};

/// Key of [`Stream::DataExamples`] that spreads bytes over their intervals.
const FRACTIONS: u32 = 13;
/// Images that are on the device at a time.
const CHUNK: usize = 1024;

/// How likelihood is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct LikelihoodOptions {
    /// Chains, in each direction.
    pub chains: usize,
    /// Inverse temperatures that they go through.
    pub temperatures: usize,
    /// Leapfrog steps of each of their steps.
    pub leapfrog_steps: usize,
    /// Steps that held-out images take at the model's own temperature before they go back.
    pub settling: usize,
    /// T of p(x) ∝ exp(−E(x)/T); `None` for that at which training images are likeliest, or the lowest at which
    /// chains follow it.
    pub temperature: Option<f64>,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Default for LikelihoodOptions {
    fn default() -> Self {
        Self {
            chains: 256,
            temperatures: 1000,
            leapfrog_steps: 10,
            settling: 1000,
            temperature: None,
            seed: 0,
        }
    }
}

/// How likely held-out images are under p(x) = exp(−E(x)/T)/Z.
#[derive(Clone, Debug, Serialize)]
pub struct Likelihood {
    /// What the held-out images are: test images, or, where there are none, training images of one half, which the
    /// run has learned from as well.
    pub data: &'static str,
    /// T.
    pub temperature: f64,
    /// Where it comes from: given, found as that at which training images are likeliest, or, where chains
    /// stopped following the temperature above that, the lowest at which they did.
    pub temperature_choice: TemperatureChoice,
    /// The bounds of a pixel within which p is a density.
    pub bounds: [f64; 2],
    /// Inverse temperatures of the path.
    pub temperatures: usize,
    /// Leapfrog steps at each.
    pub leapfrog_steps: usize,
    /// Steps of held-out images at T before they went back.
    pub settling: usize,
    /// Seed of all random numbers.
    pub seed: u64,
    /// log Z from chains that start from noise: in expectation at most log Z.
    pub from_noise: Bound,
    /// log Z from chains that end there: in expectation at least log Z, were their starts exact samples.
    pub from_data: Bound,
    /// Mean of E/T over the held-out images, their bytes spread over their intervals.
    pub mean_energy: f64,
    /// Its standard error.
    pub mean_energy_error: f64,
    /// How many.
    pub images: usize,
    /// Their bits per dimension by log Z from noise and from data: −log₂ p per dimension of images whose bytes are
    /// spread over their intervals, plus 8. In expectation at least the first and, were the starts exact
    /// samples, at most the second.
    pub bits_per_dim: [f64; 2],
    /// Standard error of both by the held-out images.
    pub bits_per_dim_error: f64,
    /// What to know before these numbers are believed.
    pub warnings: Vec<String>,
}

/// A likelihood that cannot be measured.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum LikelihoodError {
    /// There are too few held-out images for as many chains.
    #[error("{chains} chains start from as many held-out images, and there are {images}")]
    FewImages {
        /// Chains.
        chains: usize,
        /// Held-out images.
        images: usize,
    },
    /// The energy of an image is the least over its latent vectors, and exp(−E(x)) not its density.
    #[error(
        "E(x) of a run with latent vectors is the least over them: exp(−E(x)) is not its density"
    )]
    OfLatents,
    /// The energy cannot be annealed.
    #[error(transparent)]
    Annealing(#[from] AnnealingError),
    /// Of a held-out image.
    #[error(transparent)]
    OfImage(#[from] NotFinite),
}

/// About as many gradients as [`likelihood`] takes: how many of them find the path shows as it does.
pub fn likelihood_gradients(options: &LikelihoodOptions) -> u64 {
    const PATH: usize = 64 * 60 * 10;
    let steps = options.chains * (2 * options.temperatures + options.settling);
    ((steps + PATH) * options.leapfrog_steps) as u64
}

/// Check that exp(−E(x)/T) is the density of a model.
///
/// # Errors
/// Where it has latent vectors.
pub fn check_likelihood(trained: &Trained) -> Result<(), LikelihoodError> {
    match trained.has_latents() {
        true => Err(LikelihoodError::OfLatents),
        false => Ok(()),
    }
}

/// Measure how likely the held-out images of `data` are, at the temperature at which its training images are likeliest
/// unless another is asked for. `counter` counts gradients.
///
/// # Errors
/// Where the model has latent vectors, there are fewer images than chains, or an energy is not finite.
///
/// # Panics
/// If the images are not of the model's shape.
pub fn likelihood(
    trained: &Trained,
    weights: Weights,
    data: &DataToJudge,
    options: &LikelihoodOptions,
    counter: StepCounter,
) -> Result<Likelihood, LikelihoodError> {
    check_likelihood(trained)?;
    let (shape, device) = (trained.shape(), trained.device());
    let got = data.shape();
    assert!(shape == got, "expected {shape} images, got {got}");
    let (pixels, images) = (shape.pixels(), data.len());
    let chains = options.chains;
    if images < chains {
        return Err(LikelihoodError::FewImages { chains, images });
    }
    let bounds = trained.config().langevin.clip().unwrap_or([0.0, 1.0]);
    let model = trained.energy(weights);
    let tensor = |some: &[f32]| {
        let num = some.len() / pixels;
        Tensor::<4>::from_data(TensorData::new(some.to_vec(), shape.batch(num)), device)
    };
    let energies_of = |set: &str, images: &[f32]| {
        let chunks = images.chunks(CHUNK * pixels);
        let energies = chunks.flat_map(|some| score::energies(&model, tensor(some)));
        let energies: Vec<f64> = energies.map(f64::from).collect();
        check_finite(set, &energies).map(|()| energies)
    };
    let temperature = match options.temperature {
        Some(temperature) => Temperature::Fixed(temperature),
        None => {
            let spread = spread_over_intervals(data.some_training(), pixels);
            Temperature::OfMeanEnergy(mean(&energies_of("the training images", &spread)?))
        }
    };
    let spread = spread_over_intervals(data.held(), pixels);
    let energies = energies_of("the held-out images", &spread)?;
    let annealing = AnnealingOptions {
        chains,
        temperatures: options.temperatures,
        leapfrog_steps: options.leapfrog_steps,
        temperature,
        base: Base::Uniform(bounds),
        seed: options.seed,
    };
    let annealing = Annealing::new(&model, shape, device, annealing, counter);
    let path = annealing.path()?;
    let from_noise = annealing.forward(&path)?;
    // Evenly over the set, whatever its order.
    let starts: Vec<f32> = (0..chains)
        .flat_map(|chain| &spread[chain * images / chains * pixels..][..pixels])
        .copied()
        .collect();
    let from_data = annealing.back(tensor(&starts), &path, options.settling)?;

    let temperature = path.temperature();
    let scaled: Vec<f64> = energies.iter().map(|energy| energy / temperature).collect();
    let (mean_energy, mean_energy_error) = (mean(&scaled), error_of_mean(&scaled));
    let bits = |bound: &Bound| bits_per_dim(mean_energy, bound.log_z, pixels);
    let largest = energies
        .iter()
        .map(|energy| energy.abs())
        .fold(0.0, f64::max);
    Ok(Likelihood {
        data: data.held_name(),
        temperature,
        temperature_choice: path.choice(),
        bounds,
        temperatures: options.temperatures,
        leapfrog_steps: options.leapfrog_steps,
        settling: options.settling,
        seed: options.seed,
        bits_per_dim: [bits(&from_noise), bits(&from_data)],
        bits_per_dim_error: bits_per_dim(mean_energy_error, 0.0, pixels) - 8.0,
        warnings: warnings(
            &from_noise,
            &from_data,
            &path,
            pixels,
            largest / temperature,
        ),
        from_noise,
        from_data,
        mean_energy,
        mean_energy_error,
        images,
    })
}

/// Bits per dimension of images of `pixels` dimensions whose bytes are spread over their intervals of 2⁻⁸:
/// (E/T + log Z)/(d ln 2) + 8.
fn bits_per_dim(energy: f64, log_z: f64, pixels: usize) -> f64 {
    (energy + log_z) / (pixels as f64 * core::f64::consts::LN_2) + 8.0
}

fn warnings(
    lower: &Bound,
    upper: &Bound,
    path: &AnnealingPath,
    pixels: usize,
    largest: f64,
) -> Vec<String> {
    /// Bits per dimension by which bounds may differ.
    const CLOSE: f64 = 0.1;
    let mut warnings = Vec::new();
    if let (TemperatureChoice::Given, Some(frozen)) = (path.choice(), path.froze_at()) {
        warnings.push(format!(
            "chains stop following the temperature at {frozen:.1e}, above the one that is asked for: log Z from \
             noise is that of the wells in which they lie"
        ));
    }
    let apart = bits_per_dim(0.0, upper.log_z, pixels) - bits_per_dim(0.0, lower.log_z, pixels);
    if apart > CLOSE {
        warnings.push(format!(
            "the bounds of log Z lie {apart:.2} bits per dimension apart; more temperatures bring them together"
        ));
    }
    if upper.log_z < lower.log_z - 5.0 * (lower.error + upper.error) {
        warnings.push(
            "log Z from data is below that from noise: the chains from data are not near samples of the model"
                .to_owned(),
        );
    }
    // An f32 has 24 bits.
    let rounding = largest * f64::from(f32::EPSILON);
    if rounding > 0.5 {
        warnings.push(format!(
            "energies of {largest:.1e} temperatures are known to {rounding:.1} nats only"
        ));
    }
    warnings
}

/// Bytes as pixels, each somewhere in the interval that it stands for, always the same.
fn spread_over_intervals(bytes: &[u8], pixels: usize) -> Vec<f32> {
    let key = NoiseKey::new(0, Stream::DataExamples, FRACTIONS);
    let mut spread = vec![0.0; bytes.len()];
    let rows = spread
        .chunks_exact_mut(pixels)
        .zip(bytes.chunks_exact(pixels));
    for (number, (row, bytes)) in rows.enumerate() {
        key.fill(number as u32, Distribution::Uniform, row);
        for (pixel, &byte) in row.iter_mut().zip(bytes) {
            *pixel = (f32::from(byte) + *pixel) * BYTE_WIDTH;
        }
    }
    spread
}

#[cfg(test)]
mod tests {
    use ebm_core::pixels::byte_of_pixel;

    use super::*;

    #[test]
    fn a_byte_is_spread_over_its_interval() {
        let bytes: Vec<u8> = (0..4000).map(|i| i as u8).collect();
        let spread = spread_over_intervals(&bytes, 400);
        let back: Vec<u8> = spread.iter().map(|&pixel| byte_of_pixel(pixel)).collect();
        assert_eq!(back, bytes);
        let fractions = spread.iter().zip(&bytes);
        let mean = fractions
            .map(|(pixel, &byte)| pixel * 256.0 - f32::from(byte))
            .sum::<f32>()
            / 4000.0;
        // Five standard errors of a mean of uniform numbers.
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * 4000f32).sqrt(), "{mean}");
    }

    #[test]
    fn bits_per_dimension_of_even_images_are_eight_and_of_a_gaussian_those_of_its_entropy() {
        assert_eq!(bits_per_dim(0.0, 0.0, 784), 8.0);
        // E/T is 1/2 a pixel on average, log Z = ln σ√2π a pixel: the entropy of a Gaussian is ½ log₂ 2πeσ².
        let (std, pixels) = (0.1_f64, 16);
        let log_z = 16.0 * (std * core::f64::consts::TAU.sqrt()).ln();
        let entropy = (core::f64::consts::TAU * core::f64::consts::E * std * std).log2() / 2.0;
        let found = bits_per_dim(8.0, log_z, pixels);
        assert!((found - (entropy + 8.0)).abs() < 1e-12, "{found}");
    }

    #[test]
    fn bounds_that_cannot_be_believed_are_warned_of() {
        let good = Bound {
            log_z: 0.0,
            error: 0.1,
            effective_chains: 100.0,
            mean_of_chains: 0.0,
            std_of_chains: 0.5,
            chains: 256,
        };
        let of = |upper: &Bound, path: &AnnealingPath, largest| {
            warnings(&good, upper, path, 784, largest)
        };
        let path = AnnealingPath::for_tests(None);
        assert_eq!(of(&good, &path, 1e3), [""; 0]);
        let above = Bound {
            log_z: 109.0,
            ..good
        };
        let below = Bound {
            log_z: -3.0,
            ..good
        };
        assert!(of(&above, &path, 0.0)[0].contains("lie 0.20 bits per dimension apart"));
        assert!(of(&below, &path, 0.0)[0].contains("not near samples"));
        assert!(of(&good, &path, 1e8)[0].contains("nats only"));
        let frozen = AnnealingPath::for_tests(Some(1e-3));
        assert!(of(&good, &frozen, 0.0)[0].contains("following the temperature at 1.0e-3"));
    }
}
