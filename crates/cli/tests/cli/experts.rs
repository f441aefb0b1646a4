//! Train experts on patches, look at their filters, and use their energy like any other.

use crate::common::{
    Scratch, bytes, floats, images, latest, metrics, size_of_picture, trained_with,
};
use image::{GrayImage, Luma};
use serde_json::Value;

/// Keys of a tiny run of 30 experts on 20 dimensions of 16×16 digits.
const EXPERTS: [&str; 7] = [
    "model.filters=none",
    "model.spectral_norm=none",
    "model.network=experts",
    "model.experts=30",
    "model.dimensions=20",
    "objective.kind=whitened-cd",
    "data.noise_std=0.01",
];

fn set<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    keys.iter().flat_map(|&key| ["--set", key]).collect()
}

/// A run of experts.
fn trained(more: &[&str]) -> Scratch {
    trained_with(&set(&[&EXPERTS, more].concat()))
}

#[test]
fn filters_are_a_sheet_an_array_and_lines_of_json_strongest_first() {
    let scratch = trained(&[]);
    let done = scratch.line("filters run --output filters.png --device cpu");
    assert_eq!(done.succeeds().stdout, "filters.png\n");
    // Six columns of five rows, each pixel a square of three, two pixels between.
    assert_eq!(
        size_of_picture(&scratch.join("filters.png")),
        (3 * (6 * 16 + 5 * 2), 3 * (5 * 16 + 4 * 2))
    );
    let line =
        "filters run --output fields.npy --show receptive-fields --top 7 --json --device cpu";
    let said = scratch.line(line).succeeds().stdout;
    assert_eq!(floats(&scratch.join("fields.npy")).len(), 7 * 256);
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 7);
    let strengths: Vec<f64> = lines
        .iter()
        .map(|line| line["strength"].as_f64().expect("a number"))
        .collect();
    assert!(strengths.is_sorted_by(|a, b| a >= b), "{strengths:?}");
    let last = "filters run --output last.npy --no-ema --device cpu";
    scratch.line(last).succeeds();
    assert_eq!(floats(&scratch.join("last.npy")).len(), 30 * 256);
}

#[test]
fn what_was_measured_is_in_every_checkpoint_and_crosses_with_the_weights() {
    let scratch = trained(&[]);
    let arrays = latest(&scratch.join("run")).expect("a checkpoint");
    let arrays = arrays.arrays("model.safetensors").expect("arrays");
    assert_eq!(arrays["whitening.matrix"].shape(), [256, 20]);
    assert_eq!(arrays["whitening.mean"].shape(), [1, 256]);
    assert_eq!(arrays["weight"].shape(), [20, 30]);

    images(&scratch);
    let energies = |source: &str| {
        let line = format!("energy {source} images.npy --device cpu");
        scratch.line(&line).succeeds().stdout
    };
    let expected = energies("run");
    let export = "export run --format hf --output model --device cpu";
    scratch.line(export).succeeds();
    assert_eq!(energies("model"), expected);
    scratch.line("import model --output again").succeeds();
    assert_eq!(energies("again"), expected);
}

#[test]
fn both_objectives_tell_what_they_do_and_samples_can_be_drawn() {
    for (kind, terms) in [
        (
            "objective.kind=whitened-cd",
            &["e_pos", "e_neg", "acceptance", "step_scale"][..],
        ),
        ("objective.kind=score-matching", &["loss", "e_pos"]),
    ] {
        let scratch = trained(&[kind]);
        for line in metrics(&scratch.join("run")) {
            for term in terms {
                assert!(line[*term].as_f64().is_some_and(f64::is_finite), "{line:?}");
            }
        }
        let samples = ["--steps", "3", "--output", "samples.npy"];
        scratch.sample("run", &samples).succeeds();
    }
}

#[test]
fn pictures_of_any_size_are_denoised_by_descent_and_by_nothing_else() {
    let scratch = trained(&[]);
    let picture = GrayImage::from_fn(37, 29, |x, y| Luma([(60 + 3 * x + (x * y * 7) % 41) as u8]));
    picture.save(scratch.join("old.png")).expect("a picture");
    let line =
        "denoise old.png --model run --method descent --sigma 50 --output new.png --device cpu";
    scratch.line(line).succeeds();
    assert_eq!(size_of_picture(&scratch.join("new.png")), (37, 29));
    assert_ne!(
        bytes(&scratch.join("new.png")),
        bytes(&scratch.join("old.png"))
    );
    let mean = "denoise old.png --model run --output mean.png --device cpu";
    scratch
        .line(mean)
        .fails_saying(&["no mean", "pass --method descent"]);
    let log = trained(&["model.intensity=log"]);
    picture.save(log.join("old.png")).expect("a picture");
    log.line(line)
        .fails_saying(&["logarithms of pixels", "model.intensity=linear"]);
}

#[test]
fn what_experts_cannot_be_is_refused() {
    let scratch = Scratch::new();
    let refused = |code: i32, keys: &[&str], fragment: &str| {
        let keys = [&EXPERTS, keys].concat();
        scratch
            .train("run", &set(&keys))
            .fails_with(code, &[fragment]);
    };
    let others = [
        "model.network=uva",
        "model.experts=none",
        "model.dimensions=none",
    ];
    refused(2, &others, "set model.network=experts");
    let layers = "`model.activation` is for networks of layers";
    refused(2, &["model.activation=swish"], layers);
    let steps = ["objective.trajectory_steps=0"];
    refused(2, &steps, "`objective.trajectory_steps` must be at least 1");
    // A patch of 256 pixels has 255 without its mean, and 64 images vary in 63 at most.
    for dimensions in ["model.dimensions=256", "model.dimensions=64"] {
        refused(1, &[dimensions], "ask for fewer dimensions");
    }

    scratch.train("plain", &[]).succeeds();
    let line = "filters plain --output filters.png --device cpu";
    scratch
        .line(line)
        .fails_saying(&["this model has no filters"]);
    let line = "filters plain --output filters.txt --device cpu";
    scratch
        .line(line)
        .fails_with(2, &["name a .png or .npy file"]);
}
