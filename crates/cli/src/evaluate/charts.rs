//! Say what is drawn of an evaluation: classes of samples, scores of images, chains of samplers.

use ebm_apply::evaluate::{OutOfDistribution, Score, Scores};

use crate::charts::{
    Bar, BarPanel, Bars, Curve, CurvePanel, Curves, Entry, GREY, Histograms, Legend, Mark, Scale,
    color,
};

/// Shares in hundredths, as people read them.
const PERCENT: f64 = 100.0;

/// The share of each class among samples, beside that among data.
pub(super) fn classes(names: &[String], samples: &[f64], data: &[f64]) -> Bars {
    let bar = |group, share: &f64, color| Bar {
        group,
        color,
        value: PERCENT * share,
        spread: None,
    };
    let pairs = data.iter().zip(samples).enumerate();
    let bars = pairs.flat_map(|(class, (data, samples))| {
        [bar(class, data, GREY), bar(class, samples, color(0))]
    });
    let panel = BarPanel {
        caption: String::new(),
        x_title: "class".to_owned(),
        y_title: "share of images in %".to_owned(),
        y_max: None,
        groups: names.to_vec(),
        bars: bars.collect(),
    };
    let entries = [("data", GREY), ("samples", color(0))].map(|(name, color)| Entry {
        name: name.to_owned(),
        color,
        mark: Mark::Area,
    });
    Bars {
        panels: vec![panel],
        legend: Legend(entries.to_vec()),
    }
}

/// A score of data beside that of each other set.
pub(super) fn scores(compared: &OutOfDistribution, score: Score) -> Histograms<'_> {
    let mean = compared.mean_energy_of_training;
    let values = |of: &Scores| of.values(score, mean);
    let others = compared.others.iter();
    Histograms {
        values: score.words(),
        counted: "share of images",
        data: values(&compared.scores).into(),
        others: others
            .map(|other| (other.name.as_str(), values(&other.scores).into()))
            .collect(),
    }
}

/// The mean energy of chains of several samplers over their gradients.
pub(super) fn traces(traces: &[(&str, &[f64])], gradients: usize) -> Curves {
    let curve = |(index, (_, trace)): (usize, &(&str, &[f64]))| {
        let each = gradients as f64 / trace.len() as f64;
        let points = (1..).zip(*trace);
        Curve {
            color: color(index),
            is_faint: false,
            points: points
                .map(|(look, energy)| (f64::from(look) * each, *energy))
                .collect(),
        }
    };
    let entries = traces.iter().enumerate().map(|(index, (name, _))| Entry {
        name: (*name).to_owned(),
        color: color(index),
        mark: Mark::Line,
    });
    let panel = CurvePanel {
        x_title: "gradients of a chain".to_owned(),
        y_title: "mean energy".to_owned(),
        scale: Scale::Linear,
        curves: traces.iter().enumerate().map(curve).collect(),
        rules: Vec::new(),
    };
    Curves {
        panels: vec![panel],
        legend: Legend(entries.collect()),
    }
}

#[cfg(test)]
mod tests {
    use ebm_apply::evaluate::{Separation, detection};

    use super::*;
    use crate::charts::svg;

    #[test]
    fn every_score_is_drawn_of_the_data_and_of_each_other_set() {
        let scores = |energies: [f64; 2]| Scores {
            energies: energies.to_vec(),
            gradient_norms: vec![7.0, 9.0],
        };
        let [low, high] = [1.0, 3.0].map(|energy| scores([energy, energy + 1.0]));
        let alike = detection(&[0.0], &[0.0]);
        let others = ["noise", "constant"].map(|name| Separation {
            name: name.to_owned(),
            images: 2,
            mean_energy: high.mean_energy(),
            energy: alike,
            from_mean: alike,
            gradient_norm: alike,
            scores: high.clone(),
        });
        let compared = OutOfDistribution {
            data: "test images",
            images: 2,
            mean_energy: low.mean_energy(),
            mean_energy_of_training: 2.0,
            others: others.to_vec(),
            warnings: Vec::new(),
            scores: low,
        };
        for (score, data, other) in [
            (Score::Energy, [1.0, 2.0], [3.0, 4.0]),
            (Score::FromMean, [1.0, 0.0], [1.0, 2.0]),
            (Score::GradientNorm, [7.0, 9.0], [7.0, 9.0]),
        ] {
            let chart = super::scores(&compared, score);
            assert_eq!(chart.values, score.words());
            assert_eq!(*chart.data, data);
            assert_eq!(chart.others.len(), 2);
            assert!(chart.others.iter().all(|(_, values)| **values == other));
        }
    }

    #[test]
    fn charts_name_classes_and_samplers_and_have_titles_of_axes() {
        let names = ["cat".to_owned(), "dog".to_owned()];
        let of_classes = svg(&classes(&names, &[0.4, 0.6], &[0.5, 0.5])).expect("drawn");
        for text in [
            "cat",
            "dog",
            "data",
            "samples",
            "class",
            "share of images in %",
        ] {
            assert!(of_classes.contains(&format!("\n{text}\n")), "{text}");
        }
        let pairs: [(&str, &[f64]); 2] = [("sgld", &[1.0, 2.0, 3.0]), ("hmc", &[2.0, 5.0])];
        let chart = traces(&pairs, 100);
        let last = chart.panels[0].curves[1].points.last();
        assert_eq!(last, Some(&(100.0, 5.0)));
        let of_traces = svg(&chart).expect("drawn");
        for text in ["sgld", "hmc", "gradients of a chain", "mean energy"] {
            assert!(of_traces.contains(&format!("\n{text}\n")), "{text}");
        }
    }
}
