//! Rank pictures by how unusual they are, and tell by the exit code whether one is too unusual.

use std::fs;

use serde_json::Value;

use crate::common::{Scratch, size_of_picture};

/// A run with 50 test images, and a folder of pictures: grey ones, and one below.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let keys = ["--set", "data.test_images=50"];
    scratch.train("run", &keys).succeeds();
    for level in [0, 90, 180] {
        scratch.write_picture(&format!("in/{level}.png"), [level; 3]);
    }
    scratch.write_picture("in/below/255.png", [255; 3]);
    scratch
}

fn json(lines: &str) -> Vec<Value> {
    let lines = lines.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON lines")
}

/// Scores and pictures of JSON lines.
fn ranked(lines: &[Value]) -> Vec<(f64, &str)> {
    let one = |line: &Value| line["score"].as_f64().expect("a score");
    let lines = lines
        .iter()
        .map(|line| (one(line), line["picture"].as_str().expect("a name")));
    lines.collect()
}

#[test]
fn pictures_of_a_folder_are_ranked_by_their_energies() {
    let scratch = scratch();
    let done = scratch.line("score run in --device cpu --json --output odd.png --top 2");
    let lines = json(&done.succeeds().stdout);
    let ranked = ranked(&lines);
    assert_eq!(ranked.len(), 4);
    assert!(ranked.is_sorted_by(|one, other| one.0 >= other.0));
    let ranks: Vec<_> = lines.iter().map(|line| line["rank"].as_u64()).collect();
    assert_eq!(ranks, [Some(1), Some(2), Some(3), Some(4)]);
    assert!(lines.iter().all(|line| line.get("unusual").is_none()));
    // Two images of 16 by 16 on the sheet.
    let (width, height) = size_of_picture(&scratch.join("odd.png"));
    assert!(width > height, "{width} by {height}");

    let energies = scratch.line("energy run in --device cpu").succeeds().stdout;
    for (score, name) in &ranked {
        let line = energies
            .lines()
            .find_map(|line| line.strip_suffix(&format!("\t{name}")));
        let energy: f64 = line.expect("the picture").parse().expect("a number");
        assert!((energy - score).abs() < 1e-5, "{name}: {energy}, {score}");
    }

    let top = scratch.line("score run in --device cpu --top 1").succeeds();
    let expected = format!("{:.6}\t{}\n", ranked[0].0, ranked[0].1);
    assert_eq!(top.stdout, expected);
}

#[test]
fn the_exit_code_tells_of_pictures_above_a_threshold() {
    let scratch = scratch();
    let all = json(
        &scratch
            .line("score run in --json --quiet")
            .succeeds()
            .stdout,
    );
    let scores: Vec<f64> = ranked(&all).iter().map(|one| one.0).collect();
    let between = 0.5 * (scores[0] + scores[1]);
    let line = format!("score run in --json --threshold {between}");
    let found = scratch.line(&line);
    assert_eq!(found.code, Some(3));
    assert!(
        found.stderr.contains("1 of 4 pictures above"),
        "{}",
        found.stderr
    );
    let unusual: Vec<_> = json(&found.stdout)
        .iter()
        .map(|line| line["unusual"].as_bool())
        .collect();
    assert_eq!(unusual, [true, false, false, false].map(Some));
    let above_all = format!("score run in --threshold {}", scores[0] + 1.0);
    scratch.line(&above_all).succeeds();
}

#[test]
fn a_threshold_is_found_from_the_runs_own_test_images() {
    let scratch = scratch();
    let found = scratch.line("score run in --false-alarms 0.1 --histogram scores.svg");
    assert!(
        found.stderr.contains("of 50 test images are"),
        "{}",
        found.stderr
    );
    let svg = fs::read_to_string(scratch.join("scores.svg")).expect("a chart");
    assert!(svg.starts_with("<svg"));
    assert!(svg.contains("share of pictures"), "{svg}");
    assert!(svg.contains("test images (grey)"), "{svg}");
    scratch
        .line("score run in --histogram scores.png")
        .succeeds();
    assert_eq!(size_of_picture(&scratch.join("scores.png")), (420, 260));
    let few = scratch.line("score run in --false-alarms 0.01");
    let problem = "--false-alarms: among 50 usual images a share of 0.01 is less than one";
    few.fails_with(1, &[problem, "or pass --threshold"]);
    for by in ["from-mean", "gradient"] {
        let line = format!("score run in --by {by} --json");
        let lines = json(&scratch.line(&line).succeeds().stdout);
        assert!(ranked(&lines).iter().all(|(score, _)| *score >= 0.0));
    }
}

#[test]
fn a_picture_that_cannot_be_read_is_told_of_and_the_others_are_ranked() {
    let scratch = scratch();
    scratch.write("in/broken.png", "no picture");
    let done = scratch.line("score run in");
    assert_eq!(done.stdout.lines().count(), 4);
    done.fails_with(1, &["broken.png", "1 picture could not be read"]);
    scratch
        .line("score run in/broken.png")
        .fails_with(1, &["broken.png"]);
    scratch
        .line("score run nowhere.png")
        .fails_with(1, &["there is no file nowhere.png"]);
    let none = scratch.line("score run in --class 3");
    none.fails_with(2, &["this model knows no classes"]);
    let twice = scratch.line("score run in --threshold 1 --false-alarms 0.1");
    twice.fails_with(2, &["cannot be used with"]);
}

#[test]
fn that_pictures_are_made_grey_is_said_once() {
    let scratch = scratch();
    let said = "the model is of grey images: pictures in colour are made grey";
    let done = scratch.line("score run in").succeeds();
    assert_eq!(done.stderr.matches(said).count(), 1, "{}", done.stderr);
    let grey = image::GrayImage::from_pixel(16, 16, image::Luma([9]));
    grey.save(scratch.join("grey.png")).expect("a picture");
    let done = scratch.line("score run grey.png").succeeds();
    assert!(!done.stderr.contains("made grey"), "{}", done.stderr);
}

#[test]
fn no_picture_that_is_scored_is_written_over() {
    let scratch = scratch();
    let before = scratch.tree();
    for line in [
        "score run in --output in/90.png",
        "score run in/below in/0.png --histogram in/below/255.png",
    ] {
        let problem = "this is the picture itself, which is never written over";
        scratch.line(line).fails_with(1, &[problem]);
    }
    let twice = scratch.line("score run in --output odd.png --histogram odd.png");
    twice.fails_with(2, &["--histogram odd.png: this is what --output names"]);
    scratch.assert_unchanged_since(&before);
    scratch.line("score run in --output odd.png").succeeds();
    scratch.line("score run in --output odd.png").succeeds();
}

#[test]
fn without_test_images_a_threshold_has_to_be_given() {
    let scratch = Scratch::new();
    for level in [10, 200] {
        scratch.write_picture(&format!("data/{level}.png"), [level; 3]);
    }
    let folder = ["--dataset", "folder", "--data-dir", "data"];
    let grey = ["--set", "data.channels=1"];
    scratch
        .train("run", &[&folder[..], &grey].concat())
        .succeeds();
    let done = scratch.line("score run data --false-alarms 0.5");
    done.fails_with(1, &["has no test images", "--threshold"]);
    scratch
        .line("score run data --histogram scores.svg")
        .succeeds();
    let svg = fs::read_to_string(scratch.join("scores.svg")).expect("a chart");
    assert!(svg.contains("training images (grey)"), "{svg}");
}
