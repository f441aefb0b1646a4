//! Evaluate a run while it trains.

use serde_json::Value;

use crate::common::{Scratch, assert_same_end, latest, metrics};

/// Images of the size of the program's features, enough of them, and evaluations.
const KEYS: [&str; 6] = [
    "data.image_size=28",
    "data.test_images=100",
    "data.train_images=200",
    "output.log_every=100",
    "output.evaluate_every=2",
    "output.evaluate_samples=80",
];

fn args<'a>(iterations: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let keys = KEYS.iter().flat_map(|key| ["--set", key]);
    keys.chain(["--iterations", iterations])
        .chain(more.iter().copied())
        .collect()
}

/// Iterations and distances of the evaluations of a run.
fn distances(scratch: &Scratch, run: &str) -> Vec<(u64, f64)> {
    let of_line = |line: &serde_json::Map<String, Value>| {
        let distance = line.get("frechet")?.as_f64()?;
        Some((line["iteration"].as_u64()?, distance))
    };
    let lines = metrics(&scratch.join(run));
    lines.iter().filter_map(of_line).collect()
}

#[test]
fn distances_stand_in_the_metrics_and_are_those_of_an_evaluation_afterwards() {
    let scratch = Scratch::new();
    let said = scratch.train("run", &args("5", &[])).succeeds().stderr;
    assert!(said.contains("  frechet "), "{said}");
    let text = std::fs::read_to_string(scratch.join("run/metrics.jsonl")).expect("text");
    assert_eq!(text.matches("\"evaluation_s\":").count(), 3, "{text}");
    let by = text.matches("\"frechet_by\":\"digits-").count();
    assert_eq!(by, 3, "{text}");
    let found = distances(&scratch, "run");
    let iterations: Vec<_> = found.iter().map(|(iteration, _)| *iteration).collect();
    assert_eq!(iterations, [2, 4, 5]);

    let evaluate = [
        "evaluate", "run", "--device", "cpu", "--num", "80", "--json",
    ];
    let stdout = scratch.ebm(&evaluate).succeeds().stdout;
    let report: Vec<Value> = serde_json::from_str(&stdout).expect("JSON");
    let expected = report[0]["quality"]["samples"]["frechet"].as_f64();
    assert_eq!(expected, Some(found[2].1));
}

#[test]
fn a_run_that_is_evaluated_learns_the_same_and_goes_on_exactly() {
    let scratch = Scratch::new();
    scratch
        .train("whole", &args("6", &["--keep-best"]))
        .succeeds();
    for iterations in ["2", "6"] {
        scratch
            .train("parts", &args(iterations, &["--keep-best"]))
            .succeeds();
    }
    assert_same_end(&scratch, "whole", "parts");

    let without = ["--set", "output.evaluate_every=0"];
    scratch.train("without", &args("6", &without)).succeeds();
    let arrays = |run: &str| {
        let mut files = latest(&scratch.join(run)).expect("a checkpoint").files;
        files.retain(|name, _| name.ends_with(".safetensors"));
        assert!(files.len() > 3, "{:?}", files.keys());
        files
    };
    assert!(arrays("whole") == arrays("without"), "weights differ");

    let best = distances(&scratch, "whole")
        .into_iter()
        .min_by(|one, other| one.1.total_cmp(&other.1));
    let (iteration, distance) = best.expect("evaluations");
    let last = latest(&scratch.join("whole")).expect("a checkpoint");
    let state: Value = last.json("state.json").expect("JSON");
    assert_eq!(state["best"]["iteration"], iteration);
    assert_eq!(state["best"]["distance"], distance);
    let measure = state["best"]["measure"].to_string();
    assert!(measure.contains("frechet by digits-"), "{measure}");
    scratch.sample("whole", &["--best"]).succeeds();
}

#[test]
fn images_without_features_or_too_few_of_them_are_refused_before_anything_is_written() {
    let scratch = Scratch::new();
    scratch.refuses_to_train(
        &["--set", "output.evaluate_every=2"],
        &[
            "no features of images of 1×16×16",
            "ebm features train",
            "--output run/features.safetensors",
        ],
    );
    scratch.refuses_to_train(
        &args("5", &["--set", "output.evaluate_samples=64"]),
        &[
            "needs more than 64 images, got 64",
            "output.evaluate_samples",
        ],
    );
}

#[test]
fn samples_beyond_the_images_to_compare_with_are_warned_of() {
    let scratch = Scratch::new();
    let more = args("1", &["--set", "output.evaluate_samples=130"]);
    let said = scratch.train("run", &more).succeeds().stderr;
    assert!(said.contains("output.evaluate_samples=100"), "{said}");
}

#[test]
fn a_run_starts_beside_features_of_its_own() {
    let scratch = Scratch::new();
    for i in 0..70_u8 {
        let red = 3 * i;
        scratch.write_picture(&format!("pictures/red/{i:02}.png"), [red, 0, 40]);
        scratch.write_picture(&format!("pictures/blue/{i:02}.png"), [0, 40, red]);
    }
    let data = [
        "--dataset",
        "folder",
        "--data-dir",
        "pictures",
        "--image-size",
        "16",
    ];
    std::fs::create_dir(scratch.join("run")).expect("a folder");
    let features = [
        "features",
        "train",
        "cifar10",
        "--iterations",
        "3",
        "--output",
        "run/features.safetensors",
    ];
    scratch.ebm(&[&features[..], &data].concat()).succeeds();
    let keys = ["output.evaluate_every=1", "output.evaluate_samples=70"];
    let keys = keys.map(|key| ["--set", key]).concat();
    scratch
        .train("run", &[&data[..], &keys].concat())
        .succeeds();
    let found = distances(&scratch, "run");
    assert_eq!(found.len(), 2, "{found:?}");
}
