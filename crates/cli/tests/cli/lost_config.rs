//! Go on with a run whose configuration is lost or damaged, from the copy in its newest checkpoint.

use std::fs;

use crate::common::{Scratch, assert_same_end, differences, trained, tree};

/// The run goes on with its own configuration.
const ON_TO_SIX: [&str; 7] = [
    "train",
    "--device",
    "cpu",
    "--run-dir",
    "run",
    "--iterations",
    "6",
];
const CONFIG: &str = "run/config.toml";
const COPY: &str = "run/checkpoints/step_000002/config.toml";

/// The run goes on to six iterations, with one warning.
#[track_caller]
fn assert_goes_on(scratch: &Scratch, warning: &str) {
    let said = scratch.ebm(&ON_TO_SIX).succeeds().stderr;
    assert_eq!(said.matches(warning).count(), 1, "{said}");
    assert!(said.contains("going on after iteration 2"), "{said}");
}

/// It ends as a run whose configuration was never lost.
#[track_caller]
fn assert_ends_as_a_whole_run(scratch: &Scratch) {
    scratch.train("whole", &["--iterations", "6"]).succeeds();
    assert_same_end(scratch, "run", "whole");
}

#[test]
fn a_lost_configuration_is_taken_from_the_newest_checkpoint_and_written_again() {
    let scratch = trained();
    fs::remove_file(scratch.join(CONFIG)).expect("a file of a run");
    assert_goes_on(
        &scratch,
        &format!("{CONFIG} is missing; {COPY} takes its place"),
    );
    assert_ends_as_a_whole_run(&scratch);
}

#[test]
fn so_is_a_damaged_one_of_which_nothing_is_lost() {
    let scratch = trained();
    let text = fs::read(scratch.join(CONFIG)).expect("a configuration");
    let half = &text[..text.len() / 2];
    for damaged in [half, b"", b"\xff\xfe\0", b"iterations = 2 2\n"] {
        let scratch = trained();
        scratch.write(CONFIG, damaged);
        assert_goes_on(&scratch, &format!("{CONFIG} is damaged ("));
        let aside = scratch.join("run/config.toml.damaged");
        assert_eq!(fs::read(&aside).expect("it is kept"), damaged);
        fs::remove_file(aside).expect("a file");
        assert_ends_as_a_whole_run(&scratch);
    }
}

#[test]
fn the_same_command_as_before_goes_on_as_well() {
    let scratch = trained();
    fs::remove_file(scratch.join(CONFIG)).expect("a file of a run");
    scratch.train("run", &["--iterations", "6"]).succeeds();
    assert_ends_as_a_whole_run(&scratch);
}

#[test]
fn what_differs_from_the_copy_is_refused_and_nothing_is_written() {
    let scratch = trained();
    scratch.write(CONFIG, "[model\n");
    let args = ["--iterations", "6", "--set", "lr=0.002"];
    let fragments = ["is damaged (", "lr: 0.001 → 0.002", "--force"];
    scratch.refuses_to_train(&args, &fragments);
}

#[test]
fn a_model_is_used_whatever_became_of_the_configuration_of_its_run() {
    let scratch = trained();
    fs::remove_file(scratch.join(CONFIG)).expect("a file of a run");
    let run = scratch.join("run");
    let before = tree(&run);
    scratch.sample("run", &[]).succeeds();
    let changed = differences(&before, &tree(&run));
    assert!(changed.is_empty(), "changed: {changed:?}");
    scratch.write(CONFIG, "[model\n");
    scratch.sample("run", &[]).succeeds();
}

#[test]
fn a_configuration_that_was_edited_is_no_damaged_one() {
    let scratch = trained();
    let text = fs::read_to_string(scratch.join(CONFIG)).expect("a configuration");
    let edit = |from: &str, to: &str| {
        let edited = text.replace(from, to);
        assert_ne!(edited, text);
        scratch.write(CONFIG, edited);
    };
    edit("batch_size = 8", "batch_size = 0");
    let copy = format!("copy {COPY} over it");
    let fragments = [CONFIG, "`batch_size` must be at least 1", copy.as_str()];
    scratch.refuses(&ON_TO_SIX, &fragments);
    edit("log_every = 1", "log_every = 3 # fewer lines");
    let said = scratch.ebm(&ON_TO_SIX).succeeds().stderr;
    assert!(!said.contains("takes its place"), "{said}");
    let written = fs::read_to_string(scratch.join(CONFIG)).expect("a configuration");
    assert!(written.contains("log_every = 3"), "{written}");
}
