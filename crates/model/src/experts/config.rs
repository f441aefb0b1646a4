//! Describe overcomplete experts by their numbers, and build them.

use burn::module::Param;
use burn::tensor::{Device, TensorData};
use ebm_core::ImageShape;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::net::Experts;
use super::steps::Intensity;
use super::whitening::Whitening;
use crate::invalid_network::InvalidNetwork;
use crate::layers::standard_normal;

/// Elements of the largest patch: of a larger one the principal components take minutes.
const MOST_PIXELS: usize = 1024;

/// What [`Experts`] are made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExpertsConfig {
    /// Experts; `None` for twice as many as dimensions.
    pub experts: Option<usize>,
    /// Principal components that are kept, the largest; `None` for all, which are one less than a patch has elements
    /// where their mean is removed.
    pub dimensions: Option<usize>,
    /// What is seen of a pixel.
    pub intensity: Intensity,
    /// Whether experts see a patch without the mean of its elements.
    pub remove_mean: bool,
}

impl Default for ExpertsConfig {
    /// All components of patches without their mean, and twice as many experts.
    fn default() -> Self {
        Self {
            experts: None,
            dimensions: None,
            intensity: Intensity::Linear,
            remove_mean: true,
        }
    }
}

impl ExpertsConfig {
    /// Build the experts for patches of `shape`: wᵢ of length 1 in directions drawn from `rng`, the same on every
    /// device, and γᵢ = 1. What is whitened is measured later ([`calibrate`](crate::EnergyModel::calibrate)).
    ///
    /// # Errors
    /// Where there are no experts or dimensions, more dimensions than a patch has, or patches are too large.
    pub fn init(
        &self,
        shape: ImageShape,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<Experts, InvalidNetwork> {
        let dimensions = self.dimensions_of(shape)?;
        let experts = self.experts.unwrap_or(2 * dimensions);
        if experts == 0 {
            return Err(InvalidNetwork::Zero {
                layer: 1,
                what: "experts",
            });
        }
        let weight = TensorData::new(directions(dimensions, experts, rng), [dimensions, experts]);
        Ok(Experts {
            weight: Param::from_data(weight, device),
            log_scale: Param::from_data(TensorData::zeros::<f32, _>([experts]), device),
            whitening: Whitening::unmeasured(shape.pixels(), dimensions, &device.clone().inner()),
            intensity: self.intensity,
            remove_mean: self.remove_mean,
            shape,
        })
    }

    fn dimensions_of(&self, shape: ImageShape) -> Result<usize, InvalidNetwork> {
        let pixels = shape.pixels();
        if pixels > MOST_PIXELS {
            return Err(InvalidNetwork::TooLarge {
                shape,
                most: MOST_PIXELS,
            });
        }
        let most = pixels - usize::from(self.remove_mean && pixels > 0);
        match self.dimensions.unwrap_or(most) {
            0 => Err(InvalidNetwork::Zero {
                layer: 1,
                what: "dimensions",
            }),
            asked if asked > most => Err(InvalidNetwork::FewDirections { asked, found: most }),
            dimensions => Ok(dimensions),
        }
    }
}

/// Columns of length 1, `[dimensions, experts]` row by row.
fn directions(dimensions: usize, experts: usize, rng: &mut impl Rng) -> Vec<f32> {
    let columns: Vec<Vec<f32>> = (0..experts)
        .map(|_| {
            let drawn: Vec<f32> = (0..dimensions).map(|_| standard_normal(rng)).collect();
            let length = drawn.iter().map(|it| it * it).sum::<f32>().sqrt();
            drawn
                .into_iter()
                .map(|it| it / length.max(f32::MIN_POSITIVE))
                .collect()
        })
        .collect();
    let rows = (0..dimensions).flat_map(|row| columns.iter().map(move |column| column[row]));
    rows.collect()
}
