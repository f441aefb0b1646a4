//! Use every command as a user would, and look at what it prints and writes.

use std::path::{Path, PathBuf};

use crate::common::{Scratch, latest};
use ebm_train::config::Config;
use ebm_train::metrics::Metrics;
use ebm_train::preset::PRESETS;
use serde_json::Value;

/// A run of two iterations.
fn trained() -> Scratch {
    let scratch = Scratch::new();
    scratch.train("run", &[]).succeeds();
    scratch
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file that was written")
}

fn size_of_picture(path: &Path) -> (u32, u32) {
    image::image_dimensions(path).expect("a picture")
}

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
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_printed_is_an_error_and_no_panic() {
    for args in [&["presets"][..], &["devices"], &["completions", "bash"]] {
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
        said.contains("32 training") && said.contains("p.png"),
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
fn progress_goes_to_stderr_and_the_checkpoint_to_stdout() {
    let scratch = Scratch::new();
    let run = scratch
        .train("run", &["--iterations", "5", "--set", "output.log_every=2"])
        .succeeds();
    assert_eq!(run.stdout, "run/checkpoints/step_000005\n");
    for line in [
        "device: CPU",
        "data: 64 images",
        "2/5 ",
        "4/5 ",
        "5/5 ",
        "ebm sample run",
    ] {
        assert!(run.stderr.contains(line), "no {line:?} in: {}", run.stderr);
    }
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
    refused.fails_saying(&["`batch_size`"]);
}

#[test]
fn metrics_hold_a_line_per_interval_with_every_key_and_finite_numbers() {
    let scratch = Scratch::new();
    scratch
        .train("run", &["--iterations", "5", "--set", "output.log_every=2"])
        .succeeds();
    let text = String::from_utf8(bytes(&scratch.join("run/metrics.jsonl"))).expect("text");
    let mut iterations = Vec::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).expect("a line is a JSON object");
        let parsed: Metrics = serde_json::from_str(line).expect("a line has every key");
        let all = serde_json::to_value(&parsed).expect("metrics can be written");
        assert_eq!(value, all, "a line has other keys");
        let mut numbers = value.as_object().expect("a JSON object").values();
        assert!(
            numbers.all(|n| n.as_f64().is_some_and(f64::is_finite)),
            "{line}"
        );
        iterations.push(parsed.iteration);
    }
    assert_eq!(iterations, [2, 4, 5]);
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

#[test]
fn samples_are_a_picture_or_an_array_with_channels_last() {
    let scratch = trained();
    let said = scratch
        .sample("run", &["--output", "s.png"])
        .succeeds()
        .stdout;
    assert_eq!(said, "s.png\n");
    assert_eq!(size_of_picture(&scratch.join("s.png")), (3 * 34, 3 * 34));
    scratch.sample("run", &["--output", "s.npy"]).succeeds();
    assert_is_npy(&bytes(&scratch.join("s.npy")), [4, 16, 16, 1]);
}

/// A NumPy file, version 1, of bytes of this shape.
#[track_caller]
fn assert_is_npy(npy: &[u8], shape: [usize; 4]) {
    assert_eq!(&npy[..8], b"\x93NUMPY\x01\x00");
    let header_len = usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    let (header, pixels) = npy[10..].split_at(header_len);
    let header: String = String::from_utf8_lossy(header).split_whitespace().collect();
    let header = header.replace(",)", ")");
    let [n, h, w, c] = shape;
    let shape_part = format!("'shape':({n},{h},{w},{c})");
    for part in ["'descr':'|u1'", "'fortran_order':False", &shape_part] {
        assert!(header.contains(part), "no {part} in: {header}");
    }
    assert_eq!(pixels.len(), n * h * w * c);
}

#[test]
fn a_seed_determines_the_samples() {
    let scratch = trained();
    let draw = |seed: &str, more: &[&str]| {
        let args = [&["--output", "s.npy", "--seed", seed][..], more].concat();
        scratch.sample("run", &args).succeeds();
        bytes(&scratch.join("s.npy"))
    };
    let nothing: &[&str] = &[];
    for more in [nothing, &["--init", "buffer"], &["--no-ema"]] {
        assert_eq!(draw("7", more), draw("7", more), "{more:?}");
        assert_ne!(draw("7", more), draw("8", more), "{more:?}");
    }
    assert_ne!(draw("7", &[]), draw("7", &["--init", "buffer"]));
    assert_ne!(draw("7", &[]), draw("7", &["--steps", "9"]));
}

#[test]
fn a_run_and_its_latest_checkpoint_give_the_same_samples() {
    let scratch = trained();
    scratch.sample("run", &["--output", "a.npy"]).succeeds();
    scratch
        .sample("run/checkpoints/step_000002", &["--output", "b.npy"])
        .succeeds();
    assert_eq!(bytes(&scratch.join("a.npy")), bytes(&scratch.join("b.npy")));
}

#[test]
fn a_trajectory_shows_a_row_per_chain_from_start_to_end() {
    let scratch = trained();
    let args = [
        "--steps",
        "4",
        "--output",
        "s.png",
        "--trajectory",
        "way.png",
    ];
    let said = scratch.sample("run", &args).succeeds().stdout;
    assert_eq!(said, "s.png\nway.png\n");
    // Four chains; the start and four steps.
    let (columns, rows) = (5 * 16 + 4 * 2, 4 * 16 + 3 * 2);
    assert_eq!(
        size_of_picture(&scratch.join("way.png")),
        (3 * columns, 3 * rows)
    );
}

#[test]
fn a_folder_of_class_folders_can_be_learned_in_colour() {
    let scratch = Scratch::new();
    for i in 0..12_u8 {
        let class = ["cats", "dogs", "owls"][usize::from(i) % 3];
        scratch.write_picture(
            &format!("photos/{class}/{i}.png"),
            [20 * i, 255 - 20 * i, 90],
        );
    }
    let args = [
        "--dataset",
        "folder",
        "--data-dir",
        "photos",
        "--image-size",
        "16",
    ];
    let more = ["--channels", "3", "--set", "output.sample_every=1"];
    let run = scratch
        .train("run", &[&args[..], &more].concat())
        .succeeds();
    assert!(
        run.stderr.contains("data: 12 images of 3×16×16"),
        "{}",
        run.stderr
    );
    let grid = image::open(scratch.join("run/samples/step_000002.png")).expect("a picture");
    assert!(grid.color().has_color());
    let last = latest(&scratch.join("run")).expect("a finished run has a checkpoint");
    let state: Value = last.json("state.json").expect("the numbers of a state");
    assert_eq!(state["class_frequencies"].as_array().map(Vec::len), Some(3));
    scratch.sample("run", &["--output", "s.npy"]).succeeds();
    assert_is_npy(&bytes(&scratch.join("s.npy")), [4, 16, 16, 3]);
}
