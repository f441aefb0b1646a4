//! Measure in small, and look at what is printed, not at how fast it was.

use crate::common::Scratch;
use serde_json::Value;

const SMALL: [&str; 9] = [
    "bench",
    "--workloads",
    "uva",
    "--batch",
    "3",
    "--steps",
    "2",
    "--repeats",
    "2",
];

#[test]
fn every_task_and_device_is_a_line_of_json_with_the_keys_of_the_peers() {
    let tasks = ["--tasks", "energy", "gradient", "chain", "train"];
    let devices: &[&str] = if cfg!(feature = "ndarray") {
        &["cpu", "ndarray"]
    } else {
        &["cpu"]
    };
    let output = ["--warmup", "0", "--json"];
    let args = [&SMALL[..], &tasks, &["--devices"], devices, &output].concat();
    let printed = Scratch::new().ebm(&args).succeeds().stdout;
    let lines = printed.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.map(|line| line.expect("JSON")).collect();
    let tasks: Vec<_> = lines
        .iter()
        .filter_map(|line| line["task"].as_str())
        .collect();
    assert_eq!(
        tasks,
        ["energy", "gradient", "chain", "train"].repeat(devices.len())
    );
    for line in lines {
        for key in [
            "image_steps_per_s_median",
            "image_steps_per_s_best",
            "ms_per_step_median",
        ] {
            assert!(
                line[key].as_f64().is_some_and(|value| value > 0.0),
                "{key} of {line}"
            );
        }
        assert_eq!(line["batch"], 3);
        let error = line["energy_error"].as_f64();
        assert!(error.is_some_and(|error| error < 1e-5), "{line}");
    }
}

#[test]
fn people_get_a_table() {
    let args = [&SMALL[..], &["--warmup", "0", "--tasks", "chain"]].concat();
    let printed = Scratch::new().ebm(&args).succeeds().stdout;
    let mut lines = printed.lines();
    assert!(
        lines
            .next()
            .is_some_and(|head| head.starts_with("workload"))
    );
    assert!(
        lines
            .next()
            .is_some_and(|line| line.starts_with("uva ") && line.contains("cpu f32"))
    );
    assert_eq!(lines.next(), None);
}

#[test]
fn a_lower_precision_is_a_variant_with_an_error_of_its_size() {
    let options = ["--warmup", "0", "--tasks", "energy", "--json"];
    for (precision, bits) in [("f16", 11), ("bf16", 8)] {
        let args = [&SMALL[..], &options, &["--precision", precision]].concat();
        let finished = Scratch::new().ebm(&args).succeeds();
        let warns = finished.stderr.contains("f16 on a CPU is emulated");
        assert_eq!(warns, precision == "f16", "{}", finished.stderr);
        let printed = finished.stdout;
        let line: Value = serde_json::from_str(&printed).expect("JSON");
        assert_eq!(line["variant"], format!("cpu {precision}"));
        let error = line["energy_error"].as_f64().expect("a number");
        let rounding = 0.5f64.powi(bits);
        assert!(
            (0.05 * rounding..10.0 * rounding).contains(&error),
            "{line}"
        );
    }
}

#[test]
fn refuses_nothing_to_measure() {
    let scratch = Scratch::new();
    scratch.refuses(&["bench", "--profile"], &["--profile: cpu has no"]);
    for flag in ["--batch", "--steps", "--repeats"] {
        scratch.refuses_as_typed(&["bench", flag, "0"], &[flag, "must be at least 1"]);
    }
}
