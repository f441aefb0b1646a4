//! Draw how sure predictors are of each set of images.

use ebm_apply::PredictionMeasures;

use super::report::Report;
use crate::charts::{Bar, BarPanel, Bars, Entry, Legend, Mark, color};

impl Report {
    /// A group for each set of images, a colour for each predictor, whiskers of a standard error. The axis ends where
    /// one of so many classes is as likely as another.
    pub(super) fn entropies(&self, classes: usize) -> Bars {
        let sets = self.predictors.iter().take(1).flat_map(|it| &it.sets);
        let bars = self.predictors.iter().enumerate();
        let bars = bars.flat_map(|(index, predictor)| {
            let sets = predictor.sets.iter().enumerate();
            sets.map(move |(group, set)| bar(group, index, &set.measures))
        });
        let panel = BarPanel {
            caption: String::new(),
            x_title: String::new(),
            y_title: format!("entropy in nats (0 to ln {classes})"),
            y_max: Some((classes as f64).ln()),
            groups: sets.map(|set| set.set.clone()).collect(),
            bars: bars.collect(),
        };
        let entries = self.predictors.iter().enumerate();
        let entries = entries.map(|(index, predictor)| Entry {
            name: predictor.name.clone(),
            color: color(index),
            mark: Mark::Area,
        });
        Bars {
            panels: vec![panel],
            legend: Legend(entries.collect()),
        }
    }
}

/// The entropy of a predictor.
fn bar(group: usize, predictor: usize, measures: &PredictionMeasures) -> Bar {
    let (value, error) = (measures.entropy, measures.entropy_error);
    Bar {
        group,
        color: color(predictor),
        value,
        spread: error.map(|error| (value - error, value + error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bayes::report::{OfPredictor, OfSet};
    use crate::charts::svg;

    #[test]
    fn each_set_has_a_group_and_each_predictor_a_colour() {
        let set = |name: &str, entropy: f64, entropy_error| OfSet {
            set: name.to_owned(),
            measures: PredictionMeasures {
                images: 50,
                error: None,
                log_likelihood: None,
                calibration_error: None,
                entropy,
                entropy_error,
                mutual_information: 0.0,
            },
        };
        let predictor = |name: &str, entropy: f64| OfPredictor {
            name: name.to_owned(),
            networks: 1,
            sets: vec![
                set("test images", entropy, Some(0.25)),
                set("noise", 2.0 * entropy, None),
            ],
        };
        let report = Report {
            checkpoint: "run/checkpoints/step_000002".into(),
            device: "cpu".to_owned(),
            version: "0",
            predictors: vec![
                predictor("run, posterior", 0.5),
                predictor("run, one network", 0.25),
            ],
        };
        let chart = report.entropies(10);
        let bars = &chart.panels[0].bars;
        let found: Vec<_> = bars.iter().map(|bar| (bar.group, bar.value)).collect();
        assert_eq!(found, [(0, 0.5), (1, 1.0), (0, 0.25), (1, 0.5)]);
        let colors = [bars[0].color, bars[1].color, bars[2].color];
        assert_eq!(colors, [color(0), color(0), color(1)]);
        assert_eq!([bars[0].spread, bars[1].spread], [Some((0.25, 0.75)), None]);
        assert_eq!(chart.panels[0].y_max, Some(10f64.ln()));
        let svg = svg(&chart).expect("drawn");
        for text in [
            "test images",
            "noise",
            "run, posterior",
            "run, one network",
            "entropy in nats (0 to ln 10)",
        ] {
            assert!(svg.contains(&format!("\n{text}\n")), "{text}: {svg}");
        }
    }
}
