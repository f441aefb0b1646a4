//! Refuse checkpoints that are damaged, of another format or for something else, and bad requests
//! for samples.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Finished, Scratch, assert_same_end, trained_with};

const LAST: &str = "run/checkpoints/step_000004";
const ONE_BEFORE: &str = "run/checkpoints/step_000002";
/// Four iterations, with a checkpoint after two.
const FOUR: [&str; 4] = ["--iterations", "4", "--set", "output.checkpoint_every=2"];
const SAMPLE: [&str; 4] = ["sample", "run", "--device", "cpu"];

/// A run with two checkpoints.
fn trained() -> Scratch {
    trained_with(&FOUR)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a checkpoint");
    entries
        .map(|entry| entry.expect("a file of a checkpoint").path())
        .collect()
}

/// Neither training nor sampling uses the last checkpoint once `damage` was done to one file; both
/// name the checkpoint, the file, what is wrong (`says`) and the checkpoint before it.
fn refuses_every_file_after(damage: impl Fn(&mut Vec<u8>), says: &str) {
    let scratch = trained();
    let paths = files(&scratch.join(LAST));
    assert_eq!(paths.len(), 8, "{paths:?}");
    for path in paths {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a plain name");
        let whole = fs::read(&path).expect("a file of a checkpoint");
        let mut damaged = whole.clone();
        damage(&mut damaged);
        assert_ne!(damaged, whole);
        fs::write(&path, damaged).expect("a file that can be written");
        // A damaged manifest may accuse any file.
        let fragments = match name {
            "manifest.json" => vec![LAST, ONE_BEFORE],
            name => vec![LAST, name, says, ONE_BEFORE],
        };
        scratch.refuses_to_train(&FOUR, &fragments);
        scratch.refuses(&SAMPLE, &fragments);
        fs::write(&path, whole).expect("a file that can be written");
    }
    scratch.train("run", &FOUR).succeeds();
}

#[test]
fn names_a_file_that_lost_its_last_byte_and_a_checkpoint_that_is_whole() {
    refuses_every_file_after(
        |bytes| {
            bytes.pop();
        },
        "bytes long where",
    );
}

#[test]
fn names_a_file_with_one_flipped_bit_and_a_checkpoint_that_is_whole() {
    refuses_every_file_after(
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        },
        "checksum",
    );
}

#[test]
fn names_a_file_that_is_missing() {
    let scratch = trained();
    fs::remove_file(scratch.join(LAST).join("ema.safetensors")).expect("a file of a checkpoint");
    let fragments = [LAST, "`ema.safetensors` is missing", ONE_BEFORE];
    scratch.refuses_to_train(&FOUR, &fragments);
    scratch.refuses(&SAMPLE, &fragments);
}

/// The same run, two iterations longer.
const SIX: [&str; 4] = ["--iterations", "6", "--set", "output.checkpoint_every=2"];

#[track_caller]
fn assert_says_once(finished: &Finished, warning: &str) {
    let said = &finished.stderr;
    assert_eq!(said.matches(warning).count(), 1, "{said}");
}

#[test]
fn a_newest_checkpoint_without_its_manifest_is_passed_over_with_a_warning() {
    let scratch = trained();
    fs::remove_file(scratch.join(LAST).join("manifest.json")).expect("a file of a checkpoint");
    let warning = format!(
        "{LAST} has no manifest.json, so it is not a whole checkpoint; {ONE_BEFORE} is taken instead"
    );
    let sampled = scratch.sample("run", &[]).succeeds();
    assert_says_once(&sampled, &warning);
    let gone_on = scratch.train("run", &SIX).succeeds();
    assert_says_once(&gone_on, &warning);
    assert_says_once(&gone_on, "going on after iteration 2");
    scratch.train("whole", &SIX).succeeds();
    assert_same_end(&scratch, "run", "whole");
    let sampled = scratch.sample("run", &[]).succeeds();
    assert!(!sampled.stderr.contains("manifest"), "{}", sampled.stderr);
}

#[test]
fn a_run_whose_only_checkpoint_has_no_manifest_is_not_begun_again() {
    let scratch = trained();
    for step in [LAST, ONE_BEFORE] {
        fs::remove_file(scratch.join(step).join("manifest.json")).expect("a file of a checkpoint");
    }
    let fragments = [LAST, "there is no manifest.json", "no other checkpoint"];
    scratch.refuses_to_train(&SIX, &fragments);
    scratch.refuses(&SAMPLE, &fragments);
}

#[test]
fn a_checkpoint_that_was_whole_before_a_kill_kept_latest_from_naming_it_is_taken() {
    let scratch = trained();
    scratch.write("run/LATEST", "step_000002\n");
    let warning = format!("run/LATEST names step_000002, and {LAST}, which is newer and whole");
    let sampled = scratch.sample("run", &[]).succeeds();
    assert_says_once(&sampled, &warning);
    let gone_on = scratch.train("run", &SIX).succeeds();
    assert_says_once(&gone_on, &warning);
    assert_says_once(&gone_on, "going on after iteration 4");
    scratch.train("whole", &SIX).succeeds();
    assert_same_end(&scratch, "run", "whole");
}

#[test]
fn the_checkpoint_that_a_refusal_proposes_can_be_sampled_from() {
    let scratch = trained();
    fs::write(scratch.join(LAST).join("model.safetensors"), "").expect("a file to damage");
    scratch.refuses(&SAMPLE, &[LAST, ONE_BEFORE]);
    scratch.sample(ONE_BEFORE, &[]).succeeds();
}

#[test]
fn says_so_where_no_checkpoint_is_whole() {
    let scratch = trained();
    for step in [LAST, ONE_BEFORE] {
        fs::write(scratch.join(step).join("state.json"), "{}").expect("a file to damage");
    }
    let fragments = [
        "`state.json`",
        "no other checkpoint of this run is whole",
        "--run-dir",
    ];
    scratch.refuses_to_train(&FOUR, &fragments);
    scratch.refuses(&SAMPLE, &fragments);
}

#[test]
fn asks_for_an_update_where_a_checkpoint_is_of_a_newer_format() {
    let scratch = trained();
    let manifest = scratch.join(LAST).join("manifest.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let newer = text.replace("\"format\": 2", "\"format\": 999");
    assert_ne!(newer, text);
    fs::write(&manifest, newer).expect("a manifest that can be written");
    let fragments = [LAST, "newer version", "format 999", "update ebm"];
    scratch.refuses_to_train(&FOUR, &fragments);
    scratch.refuses(&SAMPLE, &fragments);
}

#[test]
fn refuses_a_checkpoint_of_an_older_format() {
    let scratch = trained();
    let manifest = scratch.join(LAST).join("manifest.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let older = text.replace("\"format\": 2", "\"format\": 1");
    fs::write(&manifest, older).expect("a manifest that can be written");
    let fragments = [LAST, "older version", "format 1", "--run-dir"];
    scratch.refuses_to_train(&FOUR, &fragments);
}

#[test]
fn refuses_a_checkpoint_of_another_network_even_when_forced() {
    for network in ["model.filters=8", "model.network=mnist"] {
        let scratch = trained();
        let args = [&FOUR[..], &["--force", "--set", network]].concat();
        let fragments = [
            "another network",
            "convs.0.weight",
            "configuration it was trained with",
        ];
        scratch.refuses_to_train(&args, &fragments);
        // Nothing was written, so the run goes on as it was.
        scratch.train("run", &FOUR).succeeds();
    }
}

#[test]
fn refuses_to_drop_weights_that_the_network_has_no_place_for_even_when_forced() {
    let scratch = Scratch::new();
    let conditional = ["--set", "model.conditional=true"];
    scratch.train("run", &conditional).succeeds();
    let without = [&FOUR[..], &["--preset", "digits", "--force"]].concat();
    scratch.refuses_to_train(&without, &["another network", "conditions.0."]);
    scratch
        .train("run", &[&FOUR[..], &conditional].concat())
        .succeeds();
}

#[test]
fn refuses_a_checkpoint_of_another_network_than_the_edited_configuration_says() {
    let scratch = trained();
    let config = scratch.join("run/config.toml");
    let text = fs::read_to_string(&config).expect("the configuration of a run");
    let edited = text.replace("filters = 4", "filters = 8");
    assert_ne!(edited, text);
    fs::write(&config, edited).expect("a configuration that can be written");
    let args = [&FOUR[..], &["--set", "model.filters=8"]].concat();
    scratch.refuses_to_train(&args, &["another network", "convs.0.weight"]);
    // A checkpoint carries its own configuration.
    scratch.sample("run", &[]).succeeds();
}

#[test]
fn refuses_a_buffer_of_another_capacity_even_when_forced() {
    let scratch = trained();
    let args = [&FOUR[..], &["--force", "--set", "buffer.capacity=64"]].concat();
    scratch.refuses_to_train(&args, &["`images` is [32, 1, 16, 16]", "[64, 1, 16, 16]"]);
}

#[test]
fn refuses_data_of_another_size_than_the_checkpoint_even_when_forced() {
    let scratch = trained();
    let longer = [
        "--iterations",
        "6",
        "--force",
        "--set",
        "data.image_size=20",
    ];
    scratch.refuses_to_train(&longer, &["16×16", "20×20"]);
}

#[test]
fn says_what_can_be_sampled_from_when_given_something_else() {
    let scratch = Scratch::new();
    scratch.write("photos/a.txt", "no run");
    for (source, problem) in [
        ("nowhere", "nowhere does not exist"),
        (
            "photos",
            "photos is neither a run directory nor a checkpoint",
        ),
        ("photos/a.txt", "photos/a.txt is neither a run"),
    ] {
        scratch.refuses(&["sample", source], &[problem, "--run-dir"]);
    }
}

#[test]
fn says_so_where_a_run_has_no_checkpoint_yet() {
    let scratch = Scratch::new();
    scratch.write("run/config.toml", "");
    scratch.refuses(
        &SAMPLE,
        &["the run run has no checkpoint yet", "let it train"],
    );
}

#[test]
fn refuses_impossible_requests_for_samples() {
    let scratch = trained();
    for count in ["--num", "--steps"] {
        let args = [&SAMPLE[..], &[count, "0"]].concat();
        scratch.refuses_as_typed(&args, &[count, "at least 1"]);
    }
    let too_many = [&SAMPLE[..], &["--init", "buffer", "--num", "33"]].concat();
    scratch.refuses(&too_many, &["33", "32 chains", "--num", "--init noise"]);
    for (flag, file, known) in [
        ("--output", "a.bmp", ".png or .npy"),
        ("--output", "samples", ".png or .npy"),
        ("--trajectory", "way.npy", ".png"),
    ] {
        let args = [&SAMPLE[..], &[flag, file]].concat();
        scratch.refuses_as_typed(&args, &[flag, file, known]);
    }
}

#[test]
fn names_a_place_where_samples_cannot_be_written() {
    let scratch = trained();
    for output in ["nowhere/a.png", "nowhere/a.npy", "run/config.toml/a.png"] {
        let args = [&SAMPLE[..], &["--num", "2", "--output", output]].concat();
        scratch.refuses(&args, &[output, "choose another place"]);
    }
}
