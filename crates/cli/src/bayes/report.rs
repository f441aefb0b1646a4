//! Hold what predictors were measured by, and lay it out as tables.

use std::path::PathBuf;

use ebm_apply::PredictionMeasures;
use serde::Serialize;

use crate::output::Table;

/// What the columns after the first are.
const COLUMNS: [&str; 6] = [
    "networks",
    "error %",
    "log p(y|x)",
    "calibration",
    "entropy",
    "disagreement",
];

/// All that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The checkpoint up to which weights were kept.
    pub(super) checkpoint: PathBuf,
    pub(super) device: String,
    pub(super) version: &'static str,
    pub(super) predictors: Vec<OfPredictor>,
}

/// What was measured of networks that predict together.
#[derive(Debug, Serialize)]
pub(super) struct OfPredictor {
    pub(super) name: String,
    /// How many there are.
    pub(super) networks: usize,
    /// Of each set of images, in the same order for all.
    pub(super) sets: Vec<OfSet>,
}

/// What was measured on a set of images.
#[derive(Debug, Serialize)]
pub(super) struct OfSet {
    /// Its name.
    pub(super) set: String,
    #[serde(flatten)]
    pub(super) measures: PredictionMeasures,
}

impl Report {
    /// A table for each set of images, a row for each predictor, the columns as wide in all of them.
    pub(super) fn render(&self) -> String {
        let num_sets = self.predictors.first().map_or(0, |first| first.sets.len());
        let mut table = Table::new();
        for place in 0..num_sets {
            if place > 0 {
                table.row([String::new()]);
            }
            self.add_set(place, &mut table);
        }
        table.render(1)
    }

    fn add_set(&self, place: usize, table: &mut Table) {
        let set = &self.predictors[0].sets[place];
        let title = format!("{} ({})", set.set, set.measures.images);
        table.row([title].into_iter().chain(COLUMNS.map(str::to_owned)));
        for predictor in &self.predictors {
            let measures = &predictor.sets[place].measures;
            table.row([
                predictor.name.clone(),
                predictor.networks.to_string(),
                known(measures.error.map(|error| 100.0 * error), 2),
                known(measures.log_likelihood, 4),
                known(measures.calibration_error, 4),
                known(Some(measures.entropy), 3),
                known(Some(measures.mutual_information), 3),
            ]);
        }
    }
}

/// A number with so many decimals, or a dash.
fn known(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures(error: Option<f64>) -> PredictionMeasures {
        PredictionMeasures {
            images: 50,
            error,
            log_likelihood: error.map(|error| -3.0 * error),
            calibration_error: error,
            entropy: 0.25,
            entropy_error: Some(0.0625),
            mutual_information: 0.125,
        }
    }

    #[test]
    fn each_set_has_a_table_and_what_is_not_known_is_a_dash() {
        let sets = [("test images", Some(0.018)), ("noise", None)];
        let sets = sets.map(|(set, error)| OfSet {
            set: set.to_owned(),
            measures: measures(error),
        });
        let report = Report {
            checkpoint: "run/checkpoints/step_000002".into(),
            device: "cpu".to_owned(),
            version: "0",
            predictors: vec![OfPredictor {
                name: "run, posterior".to_owned(),
                networks: 30,
                sets: sets.into(),
            }],
        };
        let text = report.render();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let of_test = ["run,", "posterior", "30", "1.80", "-0.0540", "0.0180"];
        assert_eq!(lines[1], [&of_test[..], &["0.250", "0.125"]].concat());
        let of_noise = ["run,", "posterior", "30", "–", "–", "–", "0.250", "0.125"];
        assert_eq!(lines[4], of_noise);
        assert_eq!(lines[3][..2], ["noise", "(50)"]);
        assert!(lines[2].is_empty(), "{text}");
        let widths = text.lines().map(|line| line.chars().count());
        let widths: Vec<_> = widths.filter(|width| *width > 0).collect();
        assert_eq!(widths, [widths[0]; 4], "{text}");
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["predictors"][0]["sets"][0]["error"], 0.018);
    }
}
