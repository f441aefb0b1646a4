//! Show what the experts of a model have learned to see.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueEnum, ValueHint};
use ebm_model::Filters;
use serde::Serialize;

use crate::args::positive;
use crate::output::{
    check_output, columns_for, has_extension, save_grid, save_npy_f32, say, scale_for,
};
use crate::trained::TrainedArgs;

/// Show the filters of experts as images
///
/// For models of `model.network=experts`. Those come first whose energies are the largest on average,
/// γ log(1 + ‖w‖²/2). Each image of a sheet has its own scale: mid-grey is 0, the largest value black or white.
#[derive(Args, Debug)]
pub(crate) struct FiltersArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// A sheet of filters, or an array of f32 [n, c, h, w], in units of the intensity that experts see
    #[arg(long, value_name = "FILE.png|FILE.npy", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    /// Which image of an expert
    #[arg(long, value_enum, value_name = "KIND", default_value_t = Show::Patterns)]
    show: Show,

    /// The most filters to show [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    top: Option<usize>,

    /// Print a JSON object a filter, in order: place, expert, scale (γ), length (‖w‖, the standard deviation of its
    /// response), strength (γ log(1 + ‖w‖²/2))
    #[arg(long)]
    json: bool,
}

/// An image of an expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Show {
    /// What it responds to: by how much a pixel changes on average where the response does
    Patterns,
    /// What its response multiplies the pixels by
    ReceptiveFields,
}

impl Show {
    fn of(self, filters: &Filters) -> &[f32] {
        match self {
            Self::Patterns => &filters.patterns,
            Self::ReceptiveFields => &filters.receptive_fields,
        }
    }
}

/// What is said of a filter.
#[derive(Serialize)]
struct Said {
    place: usize,
    expert: usize,
    scale: f64,
    length: f64,
    strength: f64,
}

impl FiltersArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        check_output("--output", &self.output, &["png", "npy"])?;
        let (trained, _) = self.trained.open(quiet)?;
        let energy = trained.energy(self.trained.weights());
        let Some(experts) = energy.experts() else {
            bail!(
                "this model has no filters, which are those of experts; train one with `ebm train --preset overcomplete-ica --data-dir DIR`"
            );
        };
        let filters = experts.filters();
        let all = filters.experts.len();
        let num = self.top.map_or(all, |top| top.min(all));
        let (shape, pixels) = (filters.shape.dims(), filters.shape.pixels());
        let values = &self.show.of(&filters)[..num * pixels];
        if has_extension(&self.output, "npy") {
            let [channels, height, width] = shape;
            save_npy_f32(&self.output, &[num, channels, height, width], values)?;
        } else {
            let bytes: Vec<u8> = values.chunks(pixels).flat_map(grey).collect();
            let (columns, scale) = (columns_for(num), scale_for(shape[2]));
            save_grid(&self.output, &bytes, shape, columns, scale)?;
        }
        if self.json {
            for place in 0..num {
                say(serde_json::to_string(&Said::of(&filters, place))?)?;
            }
            // With --json stdout has a line a filter and nothing else.
            tell!("{}", self.output.display());
        } else {
            say(self.output.display())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Said {
    fn of(filters: &Filters, place: usize) -> Self {
        Self {
            place,
            expert: filters.experts[place],
            scale: filters.scales[place],
            length: filters.lengths[place],
            strength: filters.strength(place),
        }
    }
}

/// An image as bytes: 128 for 0, and the largest value, above or below, 127 away.
fn grey(values: &[f32]) -> Vec<u8> {
    let largest = values
        .iter()
        .fold(0.0_f32, |max, value| max.max(value.abs()));
    let scale = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    let byte = |value: &f32| (128.0 + (value * scale).round()) as u8;
    values.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_mid_grey_and_the_largest_value_black_or_white() {
        assert_eq!(grey(&[0.0, -0.2, 0.1]), [128, 1, 192]);
        assert_eq!(grey(&[5.0, 0.0]), [255, 128]);
        assert_eq!(grey(&[0.0; 2]), [128; 2]);
    }
}
