//! Say what was found of each picture, in lines or in JSON.

use ebm_apply::infer::{Explained, FreeEnergy};
use serde::Serialize;

use crate::output::{FEW_CHAINS, say};

/// What was found of all pictures.
pub(super) struct Found<'a> {
    pub(super) names: &'a [String],
    pub(super) least: &'a Explained,
    /// As many of each picture, one picture after the other.
    pub(super) samples: Option<&'a Explained>,
    pub(super) free: Option<&'a [FreeEnergy]>,
}

/// What is said of a picture.
#[derive(Serialize)]
struct Line<'a> {
    picture: &'a str,
    energy: f32,
    latents: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free_energy: Option<FreeEnergy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    samples: Vec<Sample>,
}

/// A latent vector that was drawn.
#[derive(Serialize)]
struct Sample {
    energy: f32,
    latents: Vec<f32>,
}

impl Found<'_> {
    /// A line a picture on stdout.
    pub(super) fn say(&self, json: bool) -> anyhow::Result<()> {
        for (place, name) in self.names.iter().enumerate() {
            if json {
                say(serde_json::to_string(&self.line(place, name))?)?;
                continue;
            }
            let energy = self.least.energies[place];
            match self.free.map(|free| free[place]) {
                Some(FreeEnergy {
                    value,
                    error,
                    effective_chains,
                }) => {
                    let free = format!("{value:.3} ± {error:.3} ({effective_chains:.0} chains)");
                    say(format_args!("{energy:.6}\t{free}\t{name}"))?;
                }
                None => say(format_args!("{energy:.6}\t{name}"))?,
            }
        }
        Ok(())
    }

    /// Warn of free energies of which few chains have told.
    pub(super) fn warn(&self) {
        for (name, free) in self.names.iter().zip(self.free.unwrap_or_default()) {
            let chains = free.effective_chains;
            if chains < FEW_CHAINS {
                tracing::warn!(
                    "{name}: the free energy is worth {chains:.1} chains, too few for its error to be known; ask for more \
                     with --temperatures"
                );
            }
        }
    }

    fn line<'a>(&self, place: usize, name: &'a str) -> Line<'a> {
        let of_each = self
            .samples
            .map_or(0, |samples| samples.energies.len() / self.names.len());
        let samples = self.samples.into_iter().flat_map(|samples| {
            let rows = place * of_each..(place + 1) * of_each;
            rows.map(|row| Sample {
                energy: samples.energies[row],
                latents: latents_of(samples, row),
            })
        });
        Line {
            picture: name,
            energy: self.least.energies[place],
            latents: latents_of(self.least, place),
            free_energy: self.free.map(|free| free[place]),
            samples: samples.collect(),
        }
    }
}

fn latents_of(found: &Explained, row: usize) -> Vec<f32> {
    let row = found.latents.clone().narrow(0, row, 1);
    row.into_data().iter::<f32>().collect()
}
