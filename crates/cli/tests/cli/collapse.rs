//! Let training collapse: a recipe that does so in seconds, what keeps it alive, and what becomes of a run.

use image::{GrayImage, Luma};

use crate::common::{Scratch, assert_same_end, latest, metrics};

/// Circles and crosses in black and white, and a penalty of energies so strong that a sample far above the
/// data is hardly raised.
const RECIPE: [&str; 13] = [
    "energy_l2=2",
    "sample_energy_l2=none",
    "model.spectral_norm=none",
    "langevin.step_size=2.5",
    "langevin.grad_clip=0.06",
    "lr=2e-3",
    "langevin.num_steps=6",
    "buffer.capacity=64",
    "data.dataset=folder",
    "data.dir=drawings",
    "data.channels=1",
    "output.log_every=10",
    "output.checkpoint_every=100",
];

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    draw(&scratch, 255, 0);
    scratch
}

/// Ink and paper of these grey levels.
fn draw(scratch: &Scratch, ink: u8, paper: u8) {
    for i in 0..96 {
        let (x, y, size) = (5 + i % 6, 5 + i / 6 % 6, 3 + i % 3);
        let is_ink = |column: i32, row: i32| {
            let (dx, dy) = (f64::from(column - x), f64::from(row - y));
            if i % 2 == 0 {
                (dx.hypot(dy) - f64::from(size)).abs() < 0.7
            } else {
                dx.abs() == dy.abs() && dx.abs() <= f64::from(size)
            }
        };
        let picture = GrayImage::from_fn(16, 16, |column, row| {
            Luma([if is_ink(column as i32, row as i32) {
                ink
            } else {
                paper
            }])
        });
        let path = scratch.write(&format!("drawings/{i:02}.png"), "");
        picture
            .save(path)
            .expect("a picture in a temporary directory");
    }
}

fn args<'a>(iterations: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let keys = RECIPE.iter().flat_map(|key| ["--set", key]);
    keys.chain(["--iterations", iterations])
        .chain(more.iter().copied())
        .collect()
}

#[test]
fn a_collapse_is_an_error_and_leaves_a_checkpoint_from_before_it() {
    let scratch = scratch();
    let keys = ["output.keep_checkpoints=1", "output.checkpoint_every=10"];
    let keys = keys.map(|key| ["--set", key]).concat();
    let run = scratch.train("run", &args("2000", &keys));
    let said = run.stderr.clone();
    run.fails_saying(&["training collapsed: ", "the data's energies", "(seed 0)"]);
    assert!(said.contains("training may collapse"), "{said}");
    // The one that the message names is there beside the one that was kept as the newest.
    let named = said
        .split("last good checkpoint is ")
        .nth(1)
        .expect("a checkpoint");
    let named = named.split(';').next().unwrap_or_default();
    scratch.sample(named, &[]).succeeds();
}

#[test]
fn the_same_recipe_lives_where_samples_are_raised_without_limit() {
    let scratch = scratch();
    let more = ["--set", "sample_energy_l2=0"];
    let run = scratch.train("run", &args("1200", &more)).succeeds();
    assert!(!run.stderr.contains("may collapse"), "{}", run.stderr);
    let last = metrics(&scratch.join("run")).pop().expect("a line");
    let stuck = last["stuck_share"].as_f64().expect("a share");
    assert!(stuck < 0.02, "{last:?}");
}

#[test]
fn data_that_change_under_a_run_are_noticed() {
    let scratch = scratch();
    let more = ["--set", "sample_energy_l2=0"];
    scratch.train("run", &args("600", &more)).succeeds();
    draw(&scratch, 0, 255);
    let others = scratch.train("run", &args("660", &more));
    others.fails_saying(&["from 96 other training images", "--force"]);
    let forced = [&more[..], &["--force"]].concat();
    let gone_on = scratch.train("run", &args("660", &forced));
    let said = "of the data have energies far above those of the chains";
    assert!(gone_on.stderr.contains(said), "{}", gone_on.stderr);
}

#[test]
fn a_run_that_went_back_and_was_stopped_ends_as_one_that_was_not() {
    let scratch = scratch();
    let more = ["--on-divergence", "rollback", "--set", "rollback.max=9"];
    let whole = scratch.train("whole", &args("1100", &more)).succeeds();
    assert!(whole.stderr.contains(", attempt 1"), "{}", whole.stderr);
    for iterations in ["150", "420", "599", "1100"] {
        scratch.train("parts", &args(iterations, &more)).succeeds();
    }
    assert_same_end(&scratch, "whole", "parts");
    let lines = metrics(&scratch.join("whole"));
    let back: Vec<_> = lines
        .iter()
        .filter_map(|line| line.get("rollback"))
        .collect();
    assert!(!back.is_empty());
    let state = latest(&scratch.join("whole")).expect("a checkpoint");
    let state = String::from_utf8_lossy(state.file("state.json").expect("a file")).into_owned();
    let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
    assert_eq!(
        state["rollbacks"].as_array().map(Vec::len),
        Some(back.len())
    );
    assert_eq!(state["attempt"].as_u64(), Some(back.len() as u64));
    let lr = lines
        .last()
        .and_then(|line| line["lr"].as_f64())
        .expect("a rate");
    let expected = 2e-3 * 0.5_f64.powi(back.len() as i32);
    assert!((lr / expected - 1.0).abs() < 1e-9, "{lr} is not {expected}");
}

#[test]
fn a_run_that_diverges_goes_back_with_a_smaller_learning_rate_and_lives() {
    let scratch = Scratch::new();
    let smaller = [
        "--set",
        "rollback.lr_factor=1e-41",
        "--on-divergence",
        "rollback",
    ];
    let args = [&["--set", "lr=1e38", "--iterations", "20"], &smaller[..]].concat();
    let run = scratch.train("run", &args).succeeds();
    let said = "going on from iteration 0 with other random numbers, attempt 1";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    assert_eq!(latest(&scratch.join("run")).map(|last| last.step), Some(20));
}

#[test]
fn a_run_goes_back_so_many_times_and_no_more() {
    let scratch = Scratch::new();
    let twice = ["--set", "rollback.max=2", "--on-divergence", "rollback"];
    let args = [&["--set", "lr=1e38", "--iterations", "20"], &twice[..]].concat();
    scratch
        .train("run", &args)
        .fails_saying(&["attempt 2", "training diverged"]);
    let back = metrics(&scratch.join("run"));
    let back = back.iter().filter(|line| line.contains_key("rollback"));
    assert_eq!(back.count(), 2);
}

#[test]
fn the_best_checkpoint_stays_and_can_be_sampled() {
    let scratch = scratch();
    let keys = [
        "sample_energy_l2=0",
        "output.keep_checkpoints=1",
        "output.checkpoint_every=25",
        "output.sample_every=10",
        "output.num_samples=16",
        "output.sample_steps=10",
    ];
    let keys = keys.map(|key| ["--set", key]).concat();
    let more = [&keys[..], &["--keep-best"]].concat();
    scratch.train("run", &args("75", &more)).succeeds();
    scratch.train("run", &args("150", &more)).succeeds();
    let lines = metrics(&scratch.join("run"));
    let distances = lines.iter().filter_map(|line| {
        let distance = line.get("sample_distance")?.as_f64()?;
        Some((distance, line["iteration"].as_u64()?))
    });
    let best = distances.min_by(|one, other| one.0.total_cmp(&other.0));
    let (_, best) = best.expect("lines with distances");
    let kept = scratch.join(&format!("run/checkpoints/step_{best:06}"));
    assert!(kept.is_dir(), "{}", kept.display());
    scratch.sample("run", &["--best"]).succeeds();

    scratch.train("other", &args("10", &[])).succeeds();
    let none = scratch.sample("other", &["--best"]);
    none.fails_saying(&["names no best checkpoint", "--keep-best"]);
}
