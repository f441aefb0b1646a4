//! Kill training at any moment, again and again: no checkpoint is ever lost and no byte changes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::common::{Scratch, latest, metrics};
use crate::torture::{Losses, ROUNDS, TORTURED, pauses};

/// Start training and kill it after `pause`, counted from its start, or from its first iteration.
fn train_and_kill(scratch: &Scratch, pause: Duration, from_first_iteration: bool) {
    let mut command = scratch.train_command("run", &TORTURED);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // Kept open to the end: a closed pipe would stop the run before the kill does.
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    if from_first_iteration {
        await_first_iteration(&mut child, &mut stderr);
    }
    sleep(pause);
    let ended = child.try_wait().expect("the state of the process");
    if let Some(status) = ended {
        let said = std::io::read_to_string(stderr).expect("text");
        panic!("it ended by itself, {status}: {said}");
    }
    child.kill().expect("the process can be killed");
    child.wait().expect("the process ends");
}

fn await_first_iteration(child: &mut Child, stderr: &mut impl BufRead) {
    let mut said = String::new();
    while !said.contains("/1000000 ") {
        let bytes = stderr.read_line(&mut said).expect("lines of text");
        assert!(bytes > 0, "it ended early, {:?}: {said}", child.wait());
    }
}

#[test]
fn kills_lose_at_most_one_interval_each_and_change_no_byte() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    let mut losses = Losses::default();
    for (round, pause) in pauses().take(ROUNDS).enumerate() {
        train_and_kill(&scratch, pause, round % 2 == 1);
        losses.look(&scratch, &run);
    }
    println!("kills: {losses}");
    losses.assert_none_in_the_end(&scratch, &run);
}

#[test]
fn no_debris_of_a_kill_is_left_after_the_next_checkpoint() {
    let scratch = Scratch::new();
    let to = |iterations| {
        [
            "--set",
            "output.checkpoint_every=4",
            "--iterations",
            iterations,
        ]
    };
    scratch.train("run", &to("4")).succeeds();
    let checkpoints = scratch.join("run/checkpoints");
    // Half a checkpoint, half a pointer, half a line.
    scratch.write("run/checkpoints/step_000006.tmp/model.safetensors", "half");
    scratch.write("run/LATEST.tmp", "step_0000");
    let log = scratch.join("run/metrics.jsonl");
    let text = fs::read_to_string(&log).expect("metrics");
    fs::write(&log, format!("{text}{{\"iteration\":5,\"lo")).expect("half a line");

    scratch.train("run", &to("6")).succeeds();
    scratch.train("whole", &to("6")).succeeds();
    assert_eq!(
        metrics(&scratch.join("run")),
        metrics(&scratch.join("whole"))
    );
    let log = fs::read_to_string(&log).expect("metrics");
    assert_eq!(log.lines().count(), 6, "{log}");
    let entries = fs::read_dir(checkpoints).expect("checkpoints");
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    assert_eq!(names, ["step_000004", "step_000006"]);
    assert!(!scratch.join("run/LATEST.tmp").exists());
}

#[test]
fn a_run_that_was_killed_before_its_first_file_was_whole_starts_again() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.join("run/samples")).expect("a folder");
    scratch.write("run/.lock", "");
    scratch.write("run/config.toml.tmp", "iterations = 2\nbatch_");
    scratch.train("run", &[]).succeeds();
    let saved = latest(&scratch.join("run")).map(|checkpoint| checkpoint.step);
    assert_eq!(saved, Some(2));
}
