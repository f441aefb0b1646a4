//! Lay out what was measured as a table.

use ebm_apply::evaluate::Closeness;

use super::Evaluation;
use crate::output::Table;

/// A table per kind of features, as numbers of different ones must not stand in one.
pub(super) fn render(evaluations: &[Evaluation]) -> String {
    let mut features: Vec<&str> = Vec::new();
    for one in evaluations {
        if !features.contains(&one.quality.features.as_str()) {
            features.push(&one.quality.features);
        }
    }
    let tables = features.iter().map(|&name| {
        let of_name: Vec<_> = evaluations
            .iter()
            .filter(|one| one.quality.features == name)
            .collect();
        of_features(name, &of_name)
    });
    tables.collect::<Vec<_>>().join("\n\n")
}

fn of_features(name: &str, evaluations: &[&Evaluation]) -> String {
    let header = ["", "Fréchet", "MMD²", "±", "precision", "recall", "images"];
    let mut table = Table::with_header(header);
    for one in evaluations {
        let Evaluation {
            quality,
            weights,
            from,
            steps,
            seed,
            ..
        } = one;
        let run = one.checkpoint.display();
        table.row(row(
            format!("{run}, {weights} weights, {steps} steps from {from}, seed {seed}"),
            &quality.samples,
        ));
        table.row(row(
            "  compared with training images".to_owned(),
            &quality.samples_to_training,
        ));
    }
    // Runs that learned from the same data share these.
    let anchors = |one: &Evaluation| {
        let quality = &one.quality;
        [
            row("training images (the floor)".to_owned(), &quality.floor),
            row("training images, blurred".to_owned(), &quality.blurred),
            row("uniform noise".to_owned(), &quality.noise),
        ]
    };
    let mut shown = Vec::new();
    for one in evaluations {
        let anchors = anchors(one);
        if shown.contains(&anchors) {
            continue;
        }
        let is_shared = shown.is_empty();
        for mut row in anchors.clone() {
            if !is_shared {
                row[0] = format!("{}, for {}", row[0], one.checkpoint.display());
            }
            table.row(row);
        }
        shown.push(anchors);
    }
    let mut classes = Table::new();
    for one in evaluations {
        let quality = &one.quality;
        let shares = |shares: &[f64]| {
            let shares = quality.class_names.iter().zip(shares);
            let shown = shares.map(|(name, share)| format!("{name} {:.1} %", 100.0 * share));
            shown.collect::<Vec<_>>().join("  ")
        };
        classes.row([
            format!(
                "{}, entropy {:.3}",
                one.checkpoint.display(),
                quality.class_entropy
            ),
            shares(&quality.class_shares),
        ]);
        classes.row([
            format!(
                "  {}, entropy {:.3}",
                quality.compared_with, quality.data_class_entropy
            ),
            shares(&quality.data_class_shares),
        ]);
    }
    let recognised = evaluations.iter().filter_map(|one| {
        let found = one.recognition.as_ref()?;
        Some(format!(
            "\n{} recognises {:.2} % of {} images, calibration error {:.3}",
            one.checkpoint.display(),
            100.0 * found.accuracy,
            found.images,
            found.calibration_error
        ))
    });
    let recognised: String = recognised.collect();
    format!(
        "features {name}, compared with {}\n{}\n\nclasses that the features see\n{}{recognised}",
        evaluations[0].quality.compared_with,
        table.render(1),
        classes.render(9)
    )
}

fn row(label: String, closeness: &Closeness) -> [String; 7] {
    [
        label,
        format!("{:.2}", closeness.frechet),
        format!("{:.2}", closeness.mmd2),
        format!("{:.2}", closeness.mmd2_error),
        format!("{:.3}", closeness.precision),
        format!("{:.3}", closeness.recall),
        format!("{} of {}", closeness.images, closeness.of),
    ]
}
