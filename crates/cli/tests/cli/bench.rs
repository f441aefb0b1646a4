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

/// Measurements of this program, and of a peer.
fn measured() -> Scratch {
    let scratch = Scratch::new();
    let ours = concat!(
        r#"{"peer":"ebm 0.1.0","device":"cpu","workload":"uva","variant":"cpu f32","task":"chain","batch":64,"steps":5,"#,
        r#""image_steps_per_s_median":300,"image_steps_per_s_best":330,"image_steps_per_s_worst":270}"#,
        "\n",
        r#"{"peer":"ebm 0.1.0","device":"cpu","workload":"uva","variant":"cpu bf16","task":"chain","batch":64,"steps":5,"#,
        r#""image_steps_per_s_median":450,"image_steps_per_s_best":460}"#,
        "\n",
    );
    let theirs = concat!(
        r#"{"peer":"torch 2.11","device":"cpu x2","workload":"uva","variant":"eager","task":"chain","batch":64,"steps":5,"#,
        r#""image_steps_per_s_median":75.0,"image_steps_per_s_best":90.0,"peak_mib":null}"#,
        "\nnot JSON\n",
        r#"{"workload":"uva","variant":"compile","task":"chain","error":"no compiler"}"#,
        "\n",
    );
    scratch.write("ours.json", ours);
    scratch.write("theirs.jsonl", theirs);
    scratch
}

#[test]
fn files_are_compared_in_a_table_and_a_picture_and_nothing_is_measured() {
    let scratch = measured();
    let done = scratch
        .line("bench --compare ours.json theirs.jsonl --plot bench.svg")
        .succeeds();
    let rows: Vec<Vec<&str>> = done
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 5, "{}", done.stdout);
    assert_eq!(rows[0][..4], ["workload", "task", "file", "variant"]);
    for (row, ratio) in rows[1..4].iter().zip(["1.00", "1.50", "0.25"]) {
        assert!(row.contains(&ratio), "{}", done.stdout);
        assert!(row.ends_with(&["cpu", "f32"]), "{}", done.stdout);
    }
    assert_eq!(rows[4], ["bench.svg"]);
    for warning in [
        "theirs.jsonl: line 2 is no measurement",
        "theirs.jsonl: line 3 was not measured: uva chain compile: no compiler",
    ] {
        assert!(done.stderr.contains(warning), "{}", done.stderr);
    }
    let svg = std::fs::read_to_string(scratch.join("bench.svg")).expect("a picture");
    for text in [
        "ours.json: ebm 0.1.0 cpu f32",
        "theirs.jsonl: torch 2.11 eager",
        "uva chain",
        "batch 64, 5 steps",
    ] {
        assert!(svg.contains(&format!("\n{text}\n")), "{text}: {svg}");
    }
}

#[test]
fn what_was_measured_is_drawn_with_and_without_json() {
    let scratch = Scratch::new();
    let args = [&SMALL[..], &["--warmup", "0", "--tasks", "chain", "energy"]].concat();
    let with = |more: &[&str]| scratch.ebm(&[&args[..], more].concat()).succeeds();
    let json = with(&["--json", "--plot", "a.png"]);
    assert_eq!(json.stdout.lines().count(), 2, "{}", json.stdout);
    assert!(json.stderr.ends_with("a.png\n"), "{}", json.stderr);
    let size = crate::common::size_of_picture(&scratch.join("a.png"));
    assert_eq!(size, (840, 285));
    let table = with(&["--plot", "b.svg"]).stdout;
    assert!(table.ends_with("\nb.svg\n"), "{table}");
    for line in json.stdout.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        for key in ["peak_gflops", "share_of_peak"] {
            assert!(
                line[key].as_f64().is_some_and(|value| value > 0.0),
                "{line}"
            );
        }
    }
}

#[test]
fn a_comparison_that_cannot_be_made_is_refused() {
    let scratch = measured();
    scratch.write("none.json", "noise\n");
    scratch.refuses(
        &["bench", "--compare", "nowhere.json"],
        &["cannot read nowhere.json: "],
    );
    let none = ["bench", "--compare", "ours.json", "none.json"];
    scratch.refuses(&none, &["none.json has no measurement", "ebm bench --json"]);
    for more in [&["--json"][..], &["--batch", "8"], &["--profile"]] {
        let both = [&["bench", "--compare", "ours.json"][..], more].concat();
        scratch.refuses_as_typed(&both, &["cannot be used with"]);
    }
    let picture = ["bench", "--compare", "ours.json", "--plot", "x.pdf"];
    scratch.refuses_as_typed(&picture, &["--plot x.pdf: name a .svg or .png file"]);
}
