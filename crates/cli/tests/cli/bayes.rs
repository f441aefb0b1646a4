//! Average the predictions of kept weights, beside those of one network and of dropped units.

use std::fs;

use serde_json::Value;

use crate::common::{Scratch, size_of_picture};

/// Keys of a tiny classifier of drawn digits.
const MLP: [&str; 8] = [
    "--dataset",
    "digits",
    "--set",
    "model.filters=none",
    "--set",
    "model.widths=[8]",
    "--set",
    "data.test_images=20",
];

/// A run that has kept weights after both of its iterations and averaged them, and one with dropout.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let kept = [
        "--set",
        "posterior.burn_in=0",
        "--set",
        "posterior.every=1",
        "--set",
        "ema_decay=0.9",
    ];
    let sgld = [&["--preset", "mnist-sgld"][..], &MLP, &kept].concat();
    scratch.train("run", &sgld).succeeds();
    let dropout = ["--set", "model.dropout=0.5"];
    let dropout = [&["--preset", "mnist-mlp"][..], &MLP, &dropout].concat();
    scratch.train("dropout", &dropout).succeeds();
    scratch
}

#[test]
fn an_ensemble_is_measured_beside_one_network_and_dropout_on_all_images() {
    let scratch = scratch();
    let line = "bayes run --beside dropout --device cpu --json --num 20 --dropout-samples 3 \
                --turned 45 --against noise,shapes";
    let done = scratch.line(line).succeeds();
    let report: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let predictors = report["predictors"].as_array().expect("a list");
    let named: Vec<_> = predictors
        .iter()
        .map(|it| (it["name"].as_str(), it["networks"].as_u64()))
        .collect();
    let expected = [
        ("run, posterior", 2),
        ("run, one network", 1),
        ("dropout, dropout", 3),
        ("dropout, one network", 1),
    ];
    assert_eq!(named, expected.map(|(name, num)| (Some(name), Some(num))));
    for predictor in predictors {
        let sets = predictor["sets"].as_array().expect("a list");
        let names: Vec<_> = sets.iter().map(|set| set["set"].as_str()).collect();
        let expected = ["test images", "turned by 45°", "noise", "shapes"];
        assert_eq!(names, expected.map(Some));
        for (place, set) in sets.iter().enumerate() {
            assert_eq!(set["images"], 20);
            assert_eq!(set.get("error").is_some(), place < 2, "{set}");
            let [entropy, shared] =
                ["entropy", "mutual_information"].map(|name| set[name].as_f64().expect("a number"));
            let is_alone = predictor["networks"] == 1;
            assert!((0.0..=10f64.ln() + 1e-9).contains(&entropy), "{set}");
            assert!(shared > 0.0 || is_alone && shared.abs() < 1e-9, "{set}");
        }
    }
    assert_eq!(scratch.line(line).succeeds().stdout, done.stdout);
    let alone = "bayes run --device cpu --json --num 20 --turned 45";
    let last = scratch.line(&format!("{alone} --no-ema")).succeeds();
    assert_eq!(scratch.line(alone).succeeds().stdout, last.stdout);
    let table = scratch.line("bayes run --device cpu --num 20").succeeds();
    for fragment in ["test images (20)", "turned by 90° (20)", "run, posterior"] {
        assert!(table.stdout.contains(fragment), "{}", table.stdout);
    }
}

#[test]
fn entropies_are_drawn_with_and_without_json() {
    let scratch = scratch();
    let line = "bayes run --beside dropout --device cpu --num 20 --dropout-samples 3 --turned 45 \
                --against noise --output";
    let table = scratch.line(&format!("{line} entropies.svg")).succeeds();
    assert!(table.stdout.ends_with("\nentropies.svg\n"), "{table:?}");
    let svg = fs::read_to_string(scratch.join("entropies.svg")).expect("a chart");
    assert!(svg.starts_with("<svg"), "{svg}");
    for text in [
        "run, posterior",
        "run, one network",
        "dropout, dropout",
        "dropout, one network",
        "test images",
        "turned by 45°",
        "noise",
    ] {
        assert!(svg.contains(&format!("\n{text}\n")), "{text}: {svg}");
    }
    let json = scratch.line(&format!("{line} entropies.png --json"));
    let json = json.succeeds();
    assert!(json.stderr.ends_with("entropies.png\n"), "{json:?}");
    let report: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert!(report["predictors"][0]["sets"][0]["entropy_error"].is_f64());
    assert_eq!(size_of_picture(&scratch.join("entropies.png")).0, 420);

    let picture = ["bayes", "run", "--output", "x.pdf"];
    scratch.refuses_as_typed(&picture, &["--output x.pdf: name a .svg or .png file"]);
    let folder = ["bayes", "run", "--output", "no/x.svg"];
    scratch.refuses(&folder, &["--output no/x.svg: there is no folder no"]);
}

#[test]
fn a_classifier_that_diverges_is_calmed_by_keys_that_it_uses() {
    for (preset, calmed_by) in [
        ("mnist-sgld", "a smaller posterior.temperature"),
        ("mnist-mlp", "an optimizer.grad_norm_clip"),
    ] {
        let args = [&["--preset", preset][..], &MLP, &["--set", "lr=1e38"]].concat();
        let diverged = Scratch::new().train("run", &args);
        let said = &diverged.stderr;
        assert!(!said.contains("energy_l2"), "{said}");
        assert!(!said.contains("langevin"), "{said}");
        diverged.fails_saying(&["diverged", "--set lr=", calmed_by]);
    }
}

#[test]
fn a_key_that_a_preset_does_not_go_with_is_a_wrong_command_line() {
    let scratch = Scratch::new();
    for (assignment, problem) in [
        ("model.spectral_norm=true", "`optimizer.method` other than"),
        ("objective.kind=cd", "`optimizer.method` other than adam"),
        ("optimizer.beta1=0.9", "`optimizer.beta1` is for adam"),
    ] {
        let args = [
            &["--preset", "mnist-sgld"][..],
            &MLP,
            &["--set", assignment],
        ]
        .concat();
        let expected = format!("--set {assignment}: {problem}");
        scratch.refuses_to_train_as_typed(&args, &[&expected]);
    }
    let cycles = [
        "--set",
        "lr={ kind = \"cyclic\", start = 1e-6, cycles = 4 }",
        "--iterations",
        "3",
    ];
    let args = [&["--preset", "mnist-sgld"][..], &MLP, &cycles].concat();
    scratch.refuses_to_train_as_typed(&args, &["`lr` has 4 cycles"]);
}

#[test]
fn what_cannot_be_averaged_is_refused() {
    let scratch = scratch();
    let nothing_kept = scratch.line("bayes dropout --device cpu");
    nothing_kept.fails_saying(&["has kept no weights", "--set posterior.every=N"]);
    let exported = scratch.line("export run --format hf --output model --device cpu");
    exported.succeeds();
    let one_network = scratch.line("bayes model --device cpu");
    one_network.fails_saying(&["error: model is an exported model", "the run", "--beside"]);
    let beside = scratch.line("bayes run --beside model --device cpu --num 20");
    let table = beside.succeeds().stdout;
    assert!(table.contains("model, one network"), "{table}");
    scratch.train("plain", &[]).succeeds();
    let no_classes = scratch.line("bayes plain --device cpu");
    no_classes.fails_saying(&["knows no classes", "model.conditional=true"]);
    let other_images = scratch.line("bayes run --beside plain --device cpu");
    other_images.fails_saying(&["knows no classes"]);
    let no_units = scratch.line("bayes run --device cpu --dropout-samples 3");
    let expected = ["--dropout-samples does nothing", "--beside"];
    no_units.fails_with(2, &expected);
    scratch.write("run/posterior/step_000001.safetensors", "damaged");
    let damaged = scratch.line("bayes run --device cpu --num 20");
    let expected = ["run/posterior/step_000001.safetensors", "delete this file"];
    damaged.fails_saying(&expected);
    fs::remove_file(scratch.join("run/posterior/step_000001.safetensors")).expect("removed");
    scratch.line("bayes run --device cpu --num 20").succeeds();
    let no_files = scratch.line("bayes run --device cpu --num 20 --against mnist=nowhere");
    no_files.fails_saying(&["--against mnist=nowhere: ", "nowhere does not exist"]);
    let no_images = scratch.line("bayes run --device cpu --num 20 --against mnist=run");
    let named = "set --against mnist=DIR to the folder";
    no_images.fails_saying(&["--against mnist=run: run has none of", named]);
    let angle = scratch.line("bayes run --turned 200");
    angle.fails_with(2, &["--turned", "at most 180"]);
}
