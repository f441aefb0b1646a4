//! Lay out what was measured as tables.

use ebm_apply::evaluate::{
    Bound, Closeness, Completion, Difference, Likelihood, OutOfDistribution, QualityReport,
    Recognition, Robustness, SamplerComparison, Score, TemperatureChoice,
};

use super::evaluation::{Evaluation, Recognised, Sampling};
use crate::output::{FEW_CHAINS, Table, say};

/// Print what was measured of runs, as tables or as JSON.
///
/// # Errors
/// Where nothing can be printed.
pub(super) fn say_all(evaluations: &[Evaluation], as_json: bool) -> anyhow::Result<()> {
    let text = match as_json {
        true => serde_json::to_string_pretty(evaluations)?,
        false => render(evaluations),
    };
    Ok(say(text)?)
}

/// The most frequent mistakes that are told.
const SHOWN_MISTAKES: usize = 3;

/// A table of samples per kind of features, as numbers of different ones must not stand in one; then what else
/// was measured, run by run.
pub(super) fn render(evaluations: &[Evaluation]) -> String {
    let judged: Vec<Row<'_>> = evaluations.iter().filter_map(Row::of).collect();
    let mut features: Vec<&str> = Vec::new();
    for row in &judged {
        if !features.contains(&row.quality.features.as_str()) {
            features.push(&row.quality.features);
        }
    }
    let mut sections: Vec<String> = features
        .iter()
        .map(|&name| {
            let of_name = judged.iter().filter(|row| row.quality.features == name);
            of_features(name, &of_name.collect::<Vec<_>>())
        })
        .collect();
    sections.extend(robustness(evaluations));
    for one in evaluations {
        let run = one.checkpoint.display().to_string();
        sections.extend(
            one.recognition
                .as_ref()
                .map(|found| recognition(&run, found)),
        );
        sections.extend(one.completion.as_ref().map(|found| completion(&run, found)));
        sections.extend(
            one.out_of_distribution
                .as_ref()
                .map(|found| others(&run, found)),
        );
        sections.extend(one.likelihood.as_ref().map(|found| likelihood(&run, found)));
        sections.extend(one.samplers.as_ref().map(|found| samplers(&run, found)));
    }
    sections.join("\n\n")
}

/// A run whose samples were judged.
struct Row<'a> {
    one: &'a Evaluation,
    quality: &'a QualityReport,
    sampling: &'a Sampling,
}

impl<'a> Row<'a> {
    fn of(one: &'a Evaluation) -> Option<Self> {
        Some(Self {
            one,
            quality: one.quality.as_ref()?,
            sampling: one.samples.as_ref()?,
        })
    }

    fn run(&self) -> String {
        self.one.checkpoint.display().to_string()
    }
}

fn of_features(name: &str, rows: &[&Row<'_>]) -> String {
    let header = ["", "Fréchet", "MMD²", "±", "precision", "recall", "images"];
    let mut table = Table::with_header(header);
    for row in rows {
        let Sampling { from, steps, .. } = row.sampling;
        let Evaluation { weights, seed, .. } = row.one;
        let run = row.run();
        table.row(closeness(
            format!("{run}, {weights} weights, {steps} steps from {from}, seed {seed}"),
            &row.quality.samples,
        ));
        table.row(closeness(
            "  compared with training images".to_owned(),
            &row.quality.samples_to_training,
        ));
    }
    // Runs that learned from the same data share these.
    let mut shown = Vec::new();
    for row in rows {
        let quality = row.quality;
        let anchors = [
            closeness("training images (the floor)".to_owned(), &quality.floor),
            closeness("training images, blurred".to_owned(), &quality.blurred),
            closeness("uniform noise".to_owned(), &quality.noise),
        ];
        if shown.contains(&anchors) {
            continue;
        }
        let is_shared = shown.is_empty();
        for mut cells in anchors.clone() {
            if !is_shared {
                cells[0] = format!("{}, for {}", cells[0], row.run());
            }
            table.row(cells);
        }
        shown.push(anchors);
    }
    format!(
        "features {name}, compared with {}\n{}\n\nclasses that the features see\n{}\n\n\
         median distance to the nearest of all training images\n{}",
        rows[0].quality.compared_with,
        table.render(1),
        classes(rows).render(9),
        copying(rows).render(1)
    )
}

fn classes(rows: &[&Row<'_>]) -> Table {
    let mut table = Table::new();
    for row in rows {
        let quality = row.quality;
        let shares = |shares: &[f64]| {
            let shares = quality.class_names.iter().zip(shares);
            let shown = shares.map(|(name, share)| format!("{name} {:.1} %", 100.0 * share));
            shown.collect::<Vec<_>>().join("  ")
        };
        table.row([
            format!("{}, entropy {:.3}", row.run(), quality.class_entropy),
            shares(&quality.class_shares),
        ]);
        table.row([
            format!(
                "  {}, entropy {:.3}",
                quality.compared_with, quality.data_class_entropy
            ),
            shares(&quality.data_class_shares),
        ]);
    }
    table
}

fn copying(rows: &[&Row<'_>]) -> Table {
    let mut table = Table::with_header(["", "by pixels", "by features"]);
    for row in rows {
        let copying = row.quality.copying;
        let cells = |name, pixels: f64, features: f64| {
            [name, format!("{pixels:.2}"), format!("{features:.2}")]
        };
        table.row(cells(
            row.run(),
            copying.samples_by_pixels,
            copying.samples_by_features,
        ));
        table.row(cells(
            format!("  {}", row.quality.compared_with),
            copying.held_by_pixels,
            copying.held_by_features,
        ));
    }
    table
}

fn closeness(label: String, closeness: &Closeness) -> [String; 7] {
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

fn recognition(run: &str, of_run: &Recognised) -> String {
    let found = &of_run.found;
    format!(
        "{run} recognises {:.2} % of {} {}, calibration error {:.3}, {:.2} ms an image{}",
        100.0 * found.accuracy,
        found.images,
        found.data,
        found.calibration_error,
        1e3 * of_run.seconds_per_image,
        mistakes(found)
    )
}

/// What is most often taken for something else, in a line.
fn mistakes(found: &Recognition) -> String {
    let name = |class: usize| &found.class_names[class];
    let shown = found.mistakes().into_iter().take(SHOWN_MISTAKES);
    let shown = shown.map(|it| {
        format!(
            "{} for {} ({})",
            name(it.class),
            name(it.taken_for),
            it.images
        )
    });
    let shown: Vec<String> = shown.collect();
    match shown.is_empty() {
        true => String::new(),
        false => format!("\n  most often it takes {}", shown.join(", ")),
    }
}

/// A column for each run that was asked.
fn robustness(evaluations: &[Evaluation]) -> Option<String> {
    let found: Vec<(String, &Robustness)> = evaluations
        .iter()
        .filter_map(|one| {
            Some((
                one.checkpoint.display().to_string(),
                one.robustness.as_ref()?,
            ))
        })
        .collect();
    let (_, first) = found.first()?;
    let runs = found.iter().map(|(run, _)| run.as_str());
    let mut table = Table::with_header(["damage"].into_iter().chain(runs));
    for (row, of_damage) in first.damages.iter().enumerate() {
        let accuracy =
            |(_, one): &(_, &Robustness)| format!("{:.2} %", 100.0 * one.damages[row].accuracy);
        let cells = found.iter().map(accuracy);
        table.row([of_damage.damage.clone()].into_iter().chain(cells));
    }
    let images = found
        .iter()
        .map(|(_, one)| format!("{} {}", one.images, one.data));
    table.row(["images".to_owned()].into_iter().chain(images));
    Some(format!("damaged images recognised\n{}", table.render(1)))
}

fn completion(run: &str, found: &Completion) -> String {
    let [read, nearest, whole] =
        [found.read, found.read_nearest, found.read_whole].map(|share| 100.0 * share);
    let how = found.steps.map_or_else(
        || "by a draw".to_owned(),
        |steps| format!("in {steps} steps"),
    );
    format!(
        "{run}: of {} images whose lower half it completed {how}, features {} read {read:.2} % as their own class;\n\
         {nearest:.2} % of those completed by the nearest training image, {whole:.2} % of the whole images",
        found.images, found.features
    )
}

fn others(run: &str, found: &OutOfDistribution) -> String {
    let header = [
        "",
        "images",
        "mean E",
        "score",
        "AUROC",
        "AUPRC",
        "FPR at 95 %",
    ];
    let mut table = Table::with_header(header);
    for other in &found.others {
        let scores = [
            (Score::Energy, other.energy),
            (Score::FromMean, other.from_mean),
            (Score::GradientNorm, other.gradient_norm),
        ];
        for (number, (score, detection)) in scores.into_iter().enumerate() {
            let only_first = |text: String| if number == 0 { text } else { String::new() };
            table.row([
                only_first(other.name.clone()),
                only_first(other.images.to_string()),
                only_first(format!("{:.4}", other.mean_energy)),
                score.formula().to_owned(),
                format!("{:.3}", detection.auroc),
                format!("{:.3}", detection.auprc),
                format!("{:.3}", detection.fpr95),
            ]);
        }
    }
    format!(
        "{run}: other images told from {} {}, of mean E {:.4}; Ē = {:.4}, of training images\n{}",
        found.images,
        found.data,
        found.mean_energy,
        found.mean_energy_of_training,
        table.render(4)
    )
}

fn likelihood(run: &str, found: &Likelihood) -> String {
    let header = [
        "log Z",
        "nats",
        "±",
        "effective chains",
        "mean of chains",
        "sd of chains",
    ];
    let mut table = Table::with_header(header);
    let row = |name: &str, bound: &Bound| {
        // The weights of few chains say nothing of their spread.
        let is_known = bound.effective_chains >= FEW_CHAINS;
        [
            name.to_owned(),
            format!("{:.1}", bound.log_z),
            if is_known {
                format!("{:.1}", bound.error)
            } else {
                "?".to_owned()
            },
            format!("{:.1} of {}", bound.effective_chains, bound.chains),
            format!("{:.1}", bound.mean_of_chains),
            format!("{:.1}", bound.std_of_chains),
        ]
    };
    table.row(row("from noise (lower bound)", &found.from_noise));
    table.row(row(
        "from data (upper bound of exact samples)",
        &found.from_data,
    ));
    let [low, high] = found.bounds;
    let choice = match found.temperature_choice {
        TemperatureChoice::Given => "",
        TemperatureChoice::OfMeanEnergy => " (training images are likeliest there)",
        TemperatureChoice::LowestFollowed => {
            " (the lowest that chains follow; training images would be likelier below)"
        }
    };
    let [least, most] = found.bits_per_dim;
    format!(
        "{run}: likelihood at T = {:.3e}{choice}, pixels in [{low}, {high}],\n{} inverse temperatures of {} leapfrog \
         steps, seed {}\n{}\nbits per dimension of {} {}: from {least:.3} (by the lower bound) to {most:.3} (by the \
         upper one,\nwhose chains start from these after {} steps at T), ± {:.3} by the images",
        found.temperature,
        found.temperatures,
        found.leapfrog_steps,
        found.seed,
        table.render(1),
        found.images,
        found.data,
        found.settling,
        found.bits_per_dim_error
    )
}

fn samplers(run: &str, found: &SamplerComparison) -> String {
    let header = [
        "",
        "mean E",
        "±",
        "sd of E",
        "accepted",
        "R̂",
        "autocorrelation",
        "effective samples",
    ];
    let mut table = Table::with_header(header);
    for one in &found.methods {
        let accepted = one
            .acceptance
            .map(|share| format!("{:.0} %", 100.0 * share));
        table.row([
            one.method.clone(),
            format!("{:.5}", one.mean_energy),
            format!("{:.5}", one.error),
            format!("{:.5}", one.std_energy),
            accepted.unwrap_or_default(),
            format!("{:.3}", one.scale_reduction),
            format!("{:.0} gradients", one.autocorrelation),
            format!("{:.0}", one.effective_sample_size),
        ]);
    }
    let Difference {
        mean,
        error,
        is_of_density,
    } = found.difference;
    let difference = if is_of_density {
        format!(
            "the steps of training are {mean:+.5} ± {error:.5} in mean E off the density that HMC samples"
        )
    } else {
        format!(
            "chains have not forgotten where they began: how far the steps of training are from the density cannot be\n\
             told; from the same starts they end {mean:+.5} ± {error:.5} in mean E beside HMC"
        )
    };
    format!(
        "{run}: samplers at T = {:.3e}, {} chains of {} gradients each, the first half left out\n{}\n{difference}",
        found.temperature,
        found.chains,
        found.gradients,
        table.render(1),
    )
}
