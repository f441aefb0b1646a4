//! Use every command as a user would, and look at what it prints and writes.

use std::path::PathBuf;

use crate::common::{Scratch, bytes, size_of_picture};
use ebm_train::Config;
use ebm_train::preset::{self, PRESETS};
use serde_json::Value;

#[test]
fn presets_lists_all_of_them() {
    let listed = Scratch::new().ebm(&["presets"]).succeeds().stdout;
    let names: Vec<_> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let expected: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
    assert_eq!(names, expected);
    assert_eq!(names[0], "digits");
}

#[test]
fn every_preset_is_printed_as_a_configuration_that_can_run() {
    for preset in PRESETS {
        let printed = Scratch::new()
            .ebm(&["presets", preset.name])
            .succeeds()
            .stdout;
        let resolved = Config::resolve(preset.name, None, &[]).expect("a preset is valid");
        let parsed = Config::parse(&printed, preset.name).expect("a preset is valid");
        assert_eq!(parsed, resolved);
        let again = Config::parse(&resolved.to_toml(), preset.name).expect("it was written so");
        assert_eq!(again, resolved);
    }
}

#[test]
fn devices_lists_the_cpu_and_what_auto_takes() {
    let listed = Scratch::new().ebm(&["devices"]).succeeds().stdout;
    for name in ["cpu ", "ndarray ", "wgpu", "vulkan", "auto "] {
        assert!(
            listed.lines().any(|line| line.starts_with(name)),
            "no {name:?} in: {listed}"
        );
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Scratch::new()
            .ebm(&["completions", shell])
            .succeeds()
            .stdout;
        assert!(
            script.contains("ebm") && script.contains("run-dir"),
            "{shell}: {script}"
        );
    }
}

#[test]
fn names_of_presets_data_sets_and_devices_are_completed() {
    let bash = ["completions", "bash"];
    let script = Scratch::new().ebm(&bash).succeeds().stdout;
    for names in [
        "digits digits-conditional mnist-uva",
        "mnist fashion-mnist qmnist emnist-balanced",
        "auto cpu ndarray wgpu vulkan",
    ] {
        assert!(script.contains(names), "no {names:?} in: {script}");
    }
}

#[test]
fn help_shows_the_flags_of_a_command_first_and_shared_ones_in_groups() {
    let help = ["train", "--help"];
    let help = Scratch::new().ebm(&help).succeeds().stdout;
    let words: Vec<_> = help.split_whitespace().collect();
    let default = format!(
        "[default: {}; without --config, {} for data in colour]",
        preset::DEFAULT,
        preset::DEFAULT_IN_COLOUR
    );
    assert!(words.join(" ").contains(&default), "{help}");
    let in_order = [
        "\nOptions:\n",
        "\n      --run-dir",
        "\n      --dry-run",
        "\nConfiguration:\n",
        "\n      --preset",
        "\nData:\n",
        "\n      --dataset",
        "\nDevice:\n",
        "\n      --device",
        "\nGlobal options:\n",
        "--verbose",
    ];
    let places = in_order.map(|part| help.find(part));
    assert!(places.iter().all(Option::is_some), "{places:?} in {help}");
    assert!(places.is_sorted(), "{places:?} in {help}");
    assert!(!help.contains("possible values: digits"), "{help}");
}

#[test]
fn a_key_that_is_typed_as_a_flag_is_answered_with_how_keys_are_set() {
    let batch_size = ["train", "--batch-size", "64"];
    let answer = Scratch::new().ebm(&batch_size);
    assert!(!answer.stderr.contains("--image-size"), "{answer:?}");
    let fragments = ["'--batch-size'", "tip: ", "--set batch_size=VALUE"];
    answer.fails_with(2, &fragments);
}

#[test]
fn a_command_of_other_programs_is_answered_with_one_of_this() {
    for (typed, here) in [
        ("resume", "ebm train --run-dir RUN"),
        ("generate", "`ebm sample`"),
        ("rank", "`ebm score`"),
        ("fid", "`ebm evaluate`"),
    ] {
        let answer = Scratch::new().ebm(&[typed]);
        answer.fails_with(2, &[&format!("'{typed}'"), "tip: ", here]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_printed_is_an_error_and_no_panic() {
    for args in [
        &["presets"][..],
        &["devices"],
        &["runs"],
        &["completions", "bash"],
    ] {
        let scratch = Scratch::new();
        let full = std::fs::File::create("/dev/full").expect("a device that is always full");
        let output = scratch
            .command(args)
            .stdout(full)
            .output()
            .expect("the binary starts");
        crate::common::Finished::from(output).fails_saying(&["No space left"]);
    }
}

#[test]
fn a_preview_shows_the_first_images() {
    let scratch = Scratch::new();
    let images = [
        "--set",
        "data.train_images=32",
        "--set",
        "data.test_images=0",
    ];
    let preview = [
        "data",
        "preview",
        "--dataset",
        "digits",
        "--output",
        "p.png",
    ];
    let said = scratch
        .ebm(&[&preview[..], &images].concat())
        .succeeds()
        .stdout;
    assert!(
        said.contains("32 training")
            && said.contains("a row of each class")
            && said.contains("p.png"),
        "{said}"
    );
    assert!(image::open(scratch.join("p.png")).is_ok());
}

#[test]
fn a_dry_run_prints_configuration_and_cost_and_writes_nothing() {
    let scratch = Scratch::new();
    let before = scratch.tree();
    let printed = scratch.train("run", &["--dry-run"]).succeeds().stdout;
    let cost = ["parameters", "s/iteration", "total time", "memory"];
    for fragment in [&cost[..], &["batch_size = 8", "[langevin]"]].concat() {
        assert!(printed.contains(fragment), "no {fragment:?} in: {printed}");
    }
    scratch.assert_unchanged_since(&before);
}

#[test]
fn a_dry_run_says_what_the_samples_cost_that_chains_start_at() {
    let scratch = Scratch::new();
    let phases = "phases=[{until=1, set=[\"objective.kind=flow\", \"langevin.method=euler\", \
                  \"langevin.grad_clip=none\"]}]";
    let keys = [
        "--dry-run",
        "--set",
        phases,
        "--set",
        "buffer.start=previous",
    ];
    let printed = scratch.train("run", &keys).succeeds().stdout;
    let line = printed.lines().find(|line| line.contains("first chains"));
    let line = line.unwrap_or_else(|| panic!("no first chains in: {printed}"));
    assert!(line.contains(" more for 32 samples of 4 steps"), "{line}");
}

#[test]
fn what_a_dry_run_prints_is_a_configuration() {
    let scratch = Scratch::new();
    let run = scratch
        .train("run", &["--dry-run", "--set", "lr=1e-4"])
        .succeeds();
    scratch.write("again.toml", &run.stdout);
    let again = ["--config", "again.toml", "--dry-run"];
    let again = scratch
        .ebm(&[&["train", "--device", "cpu"][..], &again].concat())
        .succeeds();
    let keys = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(keys(&run.stdout), keys(&again.stdout));
    for fragment in ["# total time", "# dropout = … (optional", "at the fastest"] {
        assert!(
            run.stdout.contains(fragment),
            "no {fragment:?} in: {}",
            run.stdout
        );
    }
    let data = "data: 64 training and 0 test images of 1×16×16, 10 classes";
    assert!(run.stderr.contains(data), "{}", run.stderr);
}

#[test]
fn config_prints_every_key_and_describes_it() {
    let scratch = Scratch::new();
    let plain = scratch.ebm(&["config"]).succeeds().stdout;
    let own = Config::resolve("digits", None, &[]).expect("a preset is valid");
    assert_eq!(Config::parse(&plain, "stdout").expect("TOML"), own);
    let described = scratch
        .ebm(&["config", "mnist-uva", "--describe"])
        .succeeds()
        .stdout;
    for fragment in [
        "# K: Langevin steps per iteration.",
        "60 unless a preset sets it)\nnum_steps = 60",
        "batch_size = 128",
    ] {
        assert!(
            described.contains(fragment),
            "no {fragment:?} in: {described}"
        );
    }
    scratch
        .ebm(&["config", "nope"])
        .fails_with(2, &["no preset `nope`"]);
}

#[test]
fn a_file_that_names_an_objective_leaves_the_sections_other_keys() {
    let scratch = Scratch::new();
    scratch.write("my.toml", "[objective]\nkind = \"softplus\"\n");
    let config = ["--config", "my.toml", "--dry-run"];
    let printed = scratch.train("run", &config).succeeds().stdout;
    let section = "[objective]\nkind = \"softplus\"\nsharpness = 1.0\n";
    assert!(printed.contains(section), "{printed}");
    let sharper = [&config[..], &["--set", "objective.sharpness=3"]].concat();
    let printed = scratch.train("run", &sharper).succeeds().stdout;
    let section = "[objective]\nkind = \"softplus\"\nsharpness = 3.0\n";
    assert!(printed.contains(section), "{printed}");
}

#[test]
fn progress_goes_to_stderr_and_the_checkpoint_to_stdout() {
    let scratch = Scratch::new();
    let run = scratch
        .train("run", &["--iterations", "5", "--set", "output.log_every=2"])
        .succeeds();
    assert_eq!(run.stdout, "run/checkpoints/step_000005\n");
    for line in [
        "device: cpu (Burn's flex backend, ",
        "data: 64 training",
        "2/5 ",
        "4/5 ",
        "5/5 ",
        "ebm sample run",
    ] {
        assert!(run.stderr.contains(line), "no {line:?} in: {}", run.stderr);
    }
}

#[test]
#[cfg(unix)]
fn a_run_whose_progress_nobody_reads_any_more_goes_on() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;

    let scratch = Scratch::new();
    let mut command = scratch.train_command("run", &["--iterations", "40"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("a line of text");
    drop(stderr); // as `head -1` does
    let mut said = String::new();
    let mut stdout = child.stdout.take().expect("stdout is piped");
    stdout.read_to_string(&mut said).expect("text");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(said, "run/checkpoints/step_000040\n");
}

#[test]
fn quiet_says_nothing_but_the_result() {
    let scratch = Scratch::new();
    let run = scratch.train("run", &["--quiet"]).succeeds();
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("run/checkpoints/step_000002\n", "")
    );
    let sample = scratch.sample("run", &["--quiet"]).succeeds();
    assert_eq!(
        (sample.stdout.as_str(), sample.stderr.as_str()),
        ("samples.png\n", "")
    );
    let refused = scratch.train("run", &["--quiet", "--set", "batch_size=0"]);
    refused.fails_with(2, &["--set batch_size=0: `batch_size`"]);
}

/// Everything that a line of metrics holds, in order, of plain Langevin chains.
const METRICS: [&str; 23] = [
    "iteration",
    "e_pos",
    "e_neg",
    "gap",
    "loss",
    "contrastive",
    "regularization",
    "e_pos_std",
    "e_neg_std",
    "chain_energy_before",
    "chain_energy_after",
    "pixel_grad_norm_mean",
    "pixel_grad_norm_max",
    "clamped_share",
    "at_bound_share",
    "buffer_age_mean",
    "buffer_age_max",
    "weight_grad_norm",
    "lr",
    "image_steps_per_s",
    "s_per_iteration",
    "elapsed_s",
    "eta_s",
];

#[test]
fn metrics_hold_a_line_per_interval_with_every_key_and_finite_values() {
    let scratch = Scratch::new();
    scratch
        .train("run", &["--iterations", "5", "--set", "output.log_every=2"])
        .succeeds();
    let text = String::from_utf8(bytes(&scratch.join("run/metrics.jsonl"))).expect("text");
    let mut iterations = Vec::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).expect("a line is a JSON object");
        let object = value.as_object().expect("a JSON object");
        assert_eq!(object.len(), METRICS.len(), "{line}");
        let places = METRICS.map(|key| line.find(&format!("\"{key}\":")));
        assert!(places.iter().all(Option::is_some), "{places:?} in {line}");
        assert!(places.is_sorted(), "{places:?} in {line}");
        let mut values = object.values();
        assert!(
            values.all(|n| n.as_f64().is_some_and(f64::is_finite)),
            "{line}"
        );
        iterations.push(value["iteration"].as_u64().expect("a count"));
    }
    assert_eq!(iterations, [2, 4, 5]);
}

/// What a line holds besides where samples were drawn.
const OF_SAMPLES: [&str; 5] = [
    "e_train",
    "e_test",
    "e_samples",
    "e_noise",
    "sample_distance",
];

#[test]
fn lines_at_sample_grids_tell_whether_the_model_works() {
    let scratch = Scratch::new();
    let keys = [
        "output.log_every=10",
        "output.sample_every=2",
        "data.test_images=8",
    ];
    let keys = keys.map(|key| ["--set", key]).concat();
    let args = [&keys[..], &["--iterations", "5"]].concat();
    let said = scratch.train("run", &args).succeeds().stderr;
    assert!(said.contains("sample-distance"), "{said}");
    // A few steps teach nothing.
    assert!(said.contains("do not look like the data yet"), "{said}");
    let lines = crate::common::metrics(&scratch.join("run"));
    let iterations: Vec<_> = lines
        .iter()
        .map(|line| line["iteration"].as_u64())
        .collect();
    assert_eq!(iterations, [Some(2), Some(4), Some(5)]);
    for line in lines {
        for key in OF_SAMPLES {
            assert!(
                line[key].as_f64().is_some_and(f64::is_finite),
                "{key}: {line:?}"
            );
        }
    }
}

#[test]
fn every_key_of_the_metrics_is_explained_where_runs_are() {
    let page = include_str!("../../../../docs/training.md");
    let others = [
        "kl",
        "acceptance",
        "step_scale",
        "frechet",
        "frechet_by",
        "evaluation_s",
    ];
    for key in METRICS.iter().chain(&OF_SAMPLES).chain(&others) {
        assert!(page.contains(&format!("`{key}`")), "`{key}`");
    }
}

#[test]
fn sample_grids_appear_at_every_interval_and_at_the_end() {
    let scratch = Scratch::new();
    let args = ["--iterations", "5", "--set", "output.sample_every=2"];
    scratch.train("run", &args).succeeds();
    let pictures: Vec<_> = crate::common::tree(&scratch.join("run/samples"))
        .into_keys()
        .collect();
    let expected = ["step_000002.png", "step_000004.png", "step_000005.png"];
    assert_eq!(pictures, expected.map(PathBuf::from));
    // Two by two samples, a gap, two by two images, at three times their size.
    let size = size_of_picture(&scratch.join("run/samples/step_000005.png"));
    assert_eq!(size, (3 * (34 + 8 + 34), 3 * 34));
}
