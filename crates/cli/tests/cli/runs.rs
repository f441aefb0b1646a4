//! List runs and prune them, and see that nothing else changes and that they go on as before.

use std::fs::{self, File};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{Scratch, Tree, assert_same_end, differences, metrics, tree};
use serde_json::Value;

/// A checkpoint after every iteration, all of them kept.
const MANY: [&str; 4] = [
    "--set",
    "output.checkpoint_every=1",
    "--set",
    "output.keep_checkpoints=50",
];

fn train(scratch: &Scratch, run: &str, iterations: &str) {
    let args = [&MANY[..], &["--iterations", iterations]].concat();
    scratch.train(run, &args).succeeds();
}

/// A finished run of two iterations, and one of four that was stopped after two.
fn two_runs() -> Scratch {
    let scratch = Scratch::new();
    for run in ["runs/done", "runs/deep/half"] {
        scratch.train(run, &[]).succeeds();
    }
    let config = scratch.join("runs/deep/half/config.toml");
    let text = fs::read_to_string(&config).expect("a run has a configuration");
    let longer = text.replacen("iterations = 2\n", "iterations = 4\n", 1);
    assert_ne!(text, longer);
    fs::write(config, longer).expect("written");
    scratch
}

/// Names of a run's checkpoints.
fn checkpoints(scratch: &Scratch, run: &str) -> Vec<String> {
    let names = tree(&scratch.join(run).join("checkpoints")).into_keys();
    let folders = names.filter(|name| name.components().count() == 1);
    folders.map(|name| name.display().to_string()).collect()
}

/// The words of the line of a run.
#[track_caller]
fn words<'a>(listed: &'a str, run: &str) -> Vec<&'a str> {
    let lines = listed.lines();
    let mut lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = lines.find(|words| words.first() == Some(&run));
    found.unwrap_or_else(|| panic!("no line of {run} in: {listed}"))
}

#[test]
fn every_run_has_a_line_with_its_state_and_how_far_it_is() {
    let scratch = two_runs();
    scratch.write("runs/notes/config.toml", "of another program");
    let before = scratch.tree();
    let listed = scratch.ebm(&["runs", "runs"]).succeeds().stdout;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert_eq!(words(&listed, "deep/half")[1..3], ["stopped", "2/4"]);
    let done = words(&listed, "done");
    assert_eq!(done[1..3], ["finished", "2/2"]);
    for word in ["ago", "data", "samples", "KiB"] {
        assert!(done.contains(&word), "no {word:?} in: {listed}");
    }
    let from_above = scratch.ebm(&["runs"]).succeeds().stdout;
    assert_eq!(words(&from_above, "runs/done")[1], "finished");
    let alone = scratch.ebm(&["runs", "runs/done"]).succeeds().stdout;
    assert_eq!(words(&alone, "runs/done")[1], "finished");
    scratch.assert_unchanged_since(&before);
}

#[test]
fn programs_get_an_array_with_whole_values() {
    let scratch = two_runs();
    let json = ["runs", "runs", "--json"];
    let printed = scratch.ebm(&json).succeeds().stdout;
    let runs: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(runs.as_array().map(Vec::len), Some(2), "{runs}");
    assert_eq!(runs[0]["run"], "runs/deep/half");
    assert_eq!(runs[0]["state"], "stopped");
    let done = &runs[1];
    let (iteration, iterations) = (&done["iteration"], &done["iterations"]);
    assert_eq!((iteration, iterations), (&Value::from(2), &Value::from(2)));

    let run = scratch.join("runs/done");
    let last = metrics(&run).pop().expect("a line");
    for key in ["iteration", "e_pos", "e_neg", "loss"] {
        assert_eq!(done["last_metrics"][key], last[key], "{key}");
    }
    let sizes = tree(&run).into_keys().map(|name| {
        let file = fs::metadata(run.join(name)).expect("it was just listed");
        if file.is_file() { file.len() } else { 0 }
    });
    assert_eq!(done["size_bytes"], sizes.sum::<u64>());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let written = done["last_write_unix_s"].as_u64().expect("a time");
    assert!((now - 3600..=now + 1).contains(&written), "{written}");
}

#[test]
fn a_folder_without_runs_is_no_error_and_one_that_is_not_there_is() {
    let scratch = Scratch::new();
    for command in [&["runs"][..], &["runs", "prune"]] {
        let said = scratch.ebm(command).succeeds().stdout;
        assert_eq!(said, "there is no run in . or below it\n");
    }
    let none = scratch.ebm(&["runs", "--json"]).succeeds().stdout;
    assert_eq!(none, "[]\n");
    scratch.write("file", "text");
    for name in ["nowhere", "file"] {
        let said = format!("cannot read {name}: ");
        scratch.refuses(&["runs", name], &[&said, "name a folder"]);
        scratch.refuses(&["runs", "prune", name], &[&said, "name a folder"]);
    }
}

#[test]
fn a_dry_run_says_what_would_go_and_removes_nothing() {
    let scratch = Scratch::new();
    train(&scratch, "runs/one", "4");
    let before = scratch.tree();
    let dry = ["runs", "prune", "runs", "--keep", "2", "--dry-run"];
    let said = scratch.ebm(&dry).succeeds().stdout;
    let would = "one: would remove step_000001, step_000002 (";
    assert!(said.starts_with(would), "{said}");
    assert!(said.ends_with(" would be freed\n"), "{said}");
    scratch.assert_unchanged_since(&before);
    let none = ["runs", "prune", "--keep", "0"];
    scratch.refuses_as_typed(&none, &["--keep", "must be at least 1"]);
}

#[test]
fn pruning_removes_old_checkpoints_and_changes_nothing_else() {
    let scratch = Scratch::new();
    train(&scratch, "runs/one", "4");
    train(&scratch, "runs/two", "1");
    scratch.write("runs/one/checkpoints/step_000009.tmp/model", "half");
    scratch.write("runs/one/checkpoints/mine/notes.txt", "years of work");
    let before = scratch.tree();
    let said = scratch.ebm(&["runs", "prune"]).succeeds().stdout;
    assert!(said.contains("runs/one: removed "), "{said}");
    assert!(!said.contains("runs/two"), "{said}");
    assert!(said.ends_with(" freed\n"), "{said}");
    assert_eq!(checkpoints(&scratch, "runs/one"), ["mine", "step_000004"]);

    let gone = [
        "step_000001",
        "step_000002",
        "step_000003",
        "step_000009.tmp",
    ];
    let gone = gone.map(|name| format!("runs/one/checkpoints/{name}"));
    let others: Tree = before
        .into_iter()
        .filter(|(path, _)| !gone.iter().any(|gone| path.starts_with(gone)))
        .collect();
    let changed = differences(&others, &scratch.tree());
    assert!(changed.is_empty(), "changed: {changed:?}");

    let again = scratch.ebm(&["runs", "prune"]).succeeds().stdout;
    assert_eq!(again, "0 B freed\n");
}

#[test]
fn a_pruned_run_goes_on_as_one_that_was_not() {
    let scratch = Scratch::new();
    train(&scratch, "whole", "8");
    train(&scratch, "parts", "4");
    scratch.ebm(&["runs", "prune", "parts"]).succeeds();
    assert_eq!(checkpoints(&scratch, "parts"), ["step_000004"]);
    train(&scratch, "parts", "8");
    assert_same_end(&scratch, "whole", "parts");
}

#[test]
fn a_run_that_is_being_trained_is_left_alone() {
    let scratch = Scratch::new();
    train(&scratch, "one", "4");
    train(&scratch, "two", "4");
    let lock = File::open(scratch.join("one/.lock")).expect("a run leaves its lock");
    lock.lock().expect("nobody holds the lock");
    let listed = scratch.ebm(&["runs"]).succeeds().stdout;
    assert_eq!(words(&listed, "one")[1], "training");
    assert_eq!(words(&listed, "two")[1], "finished");
    let before = tree(&scratch.join("one"));
    let said = scratch.ebm(&["runs", "prune"]).succeeds().stdout;
    assert!(said.contains("one: left alone"), "{said}");
    assert!(said.contains("two: removed"), "{said}");
    assert_eq!(tree(&scratch.join("one")), before);
    lock.unlock().expect("this process holds the lock");
    scratch.ebm(&["runs", "prune"]).succeeds();
    assert_eq!(checkpoints(&scratch, "one"), ["step_000004"]);
}

#[test]
fn a_damaged_run_is_said_to_be_one_and_the_others_are_listed_and_pruned() {
    let scratch = Scratch::new();
    train(&scratch, "bad", "3");
    train(&scratch, "good", "3");
    let config = scratch.join("bad/config.toml");
    let text = fs::read_to_string(&config).expect("a run has a configuration");
    scratch.write("bad/config.toml", format!("iteratoins = 3\n{text}"));
    let listed = scratch.ebm(&["runs"]).succeeds().stdout;
    assert_eq!(words(&listed, "bad")[1], "damaged");
    assert!(listed.contains("config.toml is not"), "{listed}");
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert_eq!(words(&listed, "good")[1], "finished");
    let fragments = ["bad: not pruned: ", "config.toml", "1 run could not be"];
    scratch.ebm(&["runs", "prune"]).fails_with(1, &fragments);
    assert_eq!(checkpoints(&scratch, "bad").len(), 3);
    assert_eq!(checkpoints(&scratch, "good"), ["step_000003"]);
}

#[test]
fn a_run_whose_newest_checkpoint_is_damaged_has_not_finished() {
    let scratch = Scratch::new();
    train(&scratch, "one", "3");
    let checkpoint = "one/checkpoints/step_000003";
    for file in ["manifest.json", "state.json", "model.safetensors"] {
        let path = scratch.join(checkpoint).join(file);
        let whole = fs::read(&path).expect("a file of a checkpoint");
        fs::write(&path, "{\u{1b}").expect("written");
        let listed = scratch.ebm(&["runs"]).succeeds().stdout;
        assert_eq!(words(&listed, "one")[1], "damaged", "{file}: {listed}");
        assert!(!listed.contains('\u{1b}'), "{listed:?}");
        fs::write(&path, whole).expect("written");
    }
    let listed = scratch.ebm(&["runs"]).succeeds().stdout;
    assert_eq!(words(&listed, "one")[1], "finished");
}

#[test]
fn a_run_inside_of_another_is_listed_and_pruned_as_well() {
    let scratch = Scratch::new();
    train(&scratch, "outer", "3");
    train(&scratch, "outer/more/inner", "3");
    let listed = scratch.ebm(&["runs"]).succeeds().stdout;
    for run in ["outer", "outer/more/inner"] {
        assert_eq!(words(&listed, run)[1], "finished");
    }
    scratch.ebm(&["runs", "prune"]).succeeds();
    for run in ["outer", "outer/more/inner"] {
        assert_eq!(checkpoints(&scratch, run), ["step_000003"]);
    }
}

#[test]
fn pruning_names_a_newer_checkpoint_that_is_broken_and_leaves_it() {
    let scratch = Scratch::new();
    train(&scratch, "one", "4");
    let broken = scratch.join("one/checkpoints/step_000004/manifest.json");
    fs::remove_file(broken).expect("a file of a checkpoint");
    for more in [&["--dry-run"][..], &[]] {
        let prune = [&["runs", "prune"][..], more].concat();
        let said = scratch.ebm(&prune).succeeds().stderr;
        assert!(said.contains("step_000004 has no manifest.json"), "{said}");
    }
    let left = checkpoints(&scratch, "one");
    assert_eq!(left, ["step_000003", "step_000004"]);
}
