//! Find what `ebm evaluate` has measured of a checkpoint, in the reports that lie in its run.

use std::fs;
use std::path::{Path, PathBuf};

use ebm_apply::Weights;
use serde_json::Value;

use crate::evaluate::REPORT;

/// A number that was measured, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) what: String,
    pub(super) value: String,
    pub(super) how: String,
}

/// What the reports in the folders of a run say of one checkpoint with these weights; of other checkpoints they say
/// nothing that holds for it.
pub(super) fn findings(run: &Path, fingerprint: &str, weights: Weights) -> Vec<Finding> {
    let mut found = Vec::new();
    for evaluation in reports(run).iter().flat_map(|path| evaluations(path)) {
        if evaluation["fingerprint"] != fingerprint || evaluation["weights"] != weights.name() {
            continue;
        }
        for finding in of_evaluation(&evaluation) {
            if !found.contains(&finding) {
                found.push(finding);
            }
        }
    }
    found
}

fn reports(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path().join(REPORT));
    let mut paths: Vec<_> = paths.filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

/// The evaluations in a report; none, with a warning, where it cannot be read.
fn evaluations(report: &Path) -> Vec<Value> {
    let read = fs::read(report).map_err(|error| error.to_string());
    let parsed =
        read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
    parsed.unwrap_or_else(|error| {
        tracing::warn!("{} is left out of the card: {error}", report.display());
        Vec::new()
    })
}

fn of_evaluation(evaluation: &Value) -> Vec<Finding> {
    let found = [
        of_quality(evaluation),
        of_recognition(evaluation),
        of_completion(evaluation),
        of_others(evaluation),
        of_likelihood(evaluation),
    ];
    found.into_iter().flatten().flatten().collect()
}

fn of_quality(evaluation: &Value) -> Option<Vec<Finding>> {
    let (quality, drawn) = (evaluation.get("quality")?, evaluation.get("samples")?);
    let samples = &quality["samples"];
    let how = format!(
        "{} samples of {} steps from {}, seed {}, beside {} {}; features {}",
        samples["images"],
        drawn["steps"],
        text(&drawn["from"]),
        evaluation["seed"],
        samples["of"],
        text(&quality["compared_with"]),
        text(&quality["features"]),
    );
    let numbers = [
        ("Fréchet distance", &samples["frechet"], 2),
        (
            "Fréchet distance of training images",
            &quality["floor"]["frechet"],
            2,
        ),
        ("precision", &samples["precision"], 3),
        ("recall", &samples["recall"], 3),
    ];
    let findings = numbers.into_iter().filter_map(|(what, value, digits)| {
        Some(Finding {
            what: what.to_owned(),
            value: number(value, digits)?,
            how: how.clone(),
        })
    });
    Some(findings.collect())
}

fn of_recognition(evaluation: &Value) -> Option<Vec<Finding>> {
    let found = evaluation.get("recognition")?;
    Some(vec![Finding {
        what: "accuracy of recognition".to_owned(),
        value: number(&found["accuracy"], 4)?,
        how: images(found),
    }])
}

/// How many images were looked at, and what they are, which older reports do not tell.
fn images(found: &Value) -> String {
    let of = found["data"].as_str().unwrap_or("images");
    format!("{} {of}", found["images"])
}

fn of_completion(evaluation: &Value) -> Option<Vec<Finding>> {
    let found = evaluation.get("completion")?;
    Some(vec![Finding {
        what: "completed images that are read as their class".to_owned(),
        value: number(&found["read"], 4)?,
        how: format!(
            "{} images; features {}",
            found["images"],
            text(&found["features"])
        ),
    }])
}

fn of_others(evaluation: &Value) -> Option<Vec<Finding>> {
    let found = evaluation.get("out_of_distribution")?;
    let (images, data) = (&found["images"], text(&found["data"]));
    let others = found["others"].as_array()?.iter();
    let findings = others.filter_map(|other| {
        Some(Finding {
            what: format!("AUROC of E(x), {}", text(&other["name"])),
            value: number(&other["energy"]["auroc"], 3)?,
            how: format!("{} of them, told from {images} {data}", other["images"]),
        })
    });
    Some(findings.collect())
}

fn of_likelihood(evaluation: &Value) -> Option<Vec<Finding>> {
    let found = evaluation.get("likelihood")?;
    let [low, high] = [0_usize, 1].map(|end| number(&found["bits_per_dim"][end], 3));
    Some(vec![Finding {
        what: "bits per dimension, from below and above".to_owned(),
        value: format!("{} to {}", low?, high?),
        how: format!("{}, temperature {}", images(found), found["temperature"]),
    }])
}

fn number(value: &Value, digits: usize) -> Option<String> {
    value.as_f64().map(|value| format!("{value:.digits$}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_of_the_checkpoint_and_its_weights_are_found_once_and_no_others() {
        let run = tempfile::tempdir().unwrap();
        let write = |name: &str, report: &str| {
            fs::create_dir(run.path().join(name)).unwrap();
            fs::write(run.path().join(name).join(REPORT), report).unwrap();
        };
        let of = |fingerprint: &str, weights: &str, accuracy: f64| {
            json!({
                "fingerprint": fingerprint,
                "weights": weights,
                "seed": 0,
                "recognition": { "accuracy": accuracy, "data": "training images", "images": 120 },
            })
        };
        let mut whole = of("own", "average", 0.98);
        whole["samples"] = json!({ "from": "noise", "steps": 3 });
        whole["quality"] = json!({
            "features": "digits (1234)",
            "compared_with": "test images",
            "samples": { "frechet": 5.25, "precision": 0.5, "recall": 0.25, "images": 120, "of": 100 },
            "floor": { "frechet": 1.5 },
        });
        whole["out_of_distribution"] = json!({
            "data": "test images",
            "images": 50,
            "others": [{ "name": "noise", "images": 40, "energy": { "auroc": 0.9996 } }],
        });
        whole["likelihood"] =
            json!({ "bits_per_dim": [1.25, 1.5], "images": 9, "temperature": 1e-6 });
        let others = [of("other", "average", 0.1), of("own", "last", 0.2)];
        write("a", &json!([whole, others[0]]).to_string());
        write(
            "b",
            &json!([others[1], of("own", "average", 0.98)]).to_string(),
        );
        write("c", "[");
        let found = findings(run.path(), "own", Weights::Average);
        let told: Vec<_> = found
            .iter()
            .map(|it| (it.what.as_str(), it.value.as_str()))
            .collect();
        let expected = [
            ("Fréchet distance", "5.25"),
            ("Fréchet distance of training images", "1.50"),
            ("precision", "0.500"),
            ("recall", "0.250"),
            ("accuracy of recognition", "0.9800"),
            ("AUROC of E(x), noise", "1.000"),
            ("bits per dimension, from below and above", "1.250 to 1.500"),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            found[0].how,
            "120 samples of 3 steps from noise, seed 0, beside 100 test images; features digits (1234)"
        );
        let how = |of: &str| {
            let finding = found.iter().find(|it| it.what.starts_with(of));
            finding.expect("a finding").how.as_str()
        };
        assert_eq!(how("accuracy"), "120 training images");
        // A report that does not say what its images are.
        assert!(how("bits per dimension").starts_with("9 images, temperature "));
        assert!(findings(run.path(), "nobody's", Weights::Average).is_empty());
    }
}
