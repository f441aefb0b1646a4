//! Refuse places that a run cannot own, changes it cannot take, and losses that are not finite.

use std::fs::{self, File};

use crate::common::{Scratch, latest, tree};

#[test]
fn refuses_a_directory_of_something_else() {
    let scratch = Scratch::new();
    scratch.write("run/thesis.tex", "years of work");
    scratch.refuses_to_train(&[], &["run is not a run directory", "--run-dir"]);
    scratch.refuses_to_train(&["--force"], &["run is not a run directory", "--run-dir"]);
}

#[test]
fn takes_a_directory_in_which_only_schedulers_and_systems_have_written() {
    let scratch = Scratch::new();
    for litter in ["slurm-7.out", "job.err", ".DS_Store", ".gitignore"] {
        scratch.write(&format!("run/{litter}"), "not of a run");
    }
    fs::create_dir(scratch.join("run/lost+found")).expect("a folder");
    scratch.train("run", &[]).succeeds();
    let log = fs::read_to_string(scratch.join("run/slurm-7.out")).expect("a log");
    assert_eq!(log, "not of a run");

    scratch.write("other/slurm-7.out", "");
    scratch.write("other/notes.txt", "years of work");
    let before = scratch.tree();
    let refused = scratch.train("other", &[]);
    refused.fails_saying(&["other is not a run directory", "--run-dir"]);
    scratch.assert_unchanged_since(&before);
}

#[test]
fn refuses_a_checkpoint_in_place_of_its_run() {
    let scratch = Scratch::new();
    scratch.train("run", &[]).succeeds();
    let before = scratch.tree();
    let inside = "run/checkpoints/step_000002";
    for more in [
        &["--iterations", "4"][..],
        &["--iterations", "4", "--force"],
    ] {
        let refused = scratch.train(inside, more);
        refused.fails_saying(&[inside, "is a checkpoint", "--run-dir"]);
        scratch.assert_unchanged_since(&before);
    }
}

#[test]
fn refuses_a_directory_whose_config_toml_is_of_another_program() {
    let scratch = Scratch::new();
    let config = scratch.write("run/config.toml", "[server]\nport = 80\n");
    scratch
        .train("run", &["--force"])
        .fails_saying(&["run/config.toml is not the configuration", "--run-dir"]);
    let text = fs::read_to_string(config).expect("the file is still there");
    assert_eq!(text, "[server]\nport = 80\n");
}

#[test]
fn refuses_a_file_in_place_of_the_run_directory_and_one_above_it() {
    let scratch = Scratch::new();
    scratch.write("run", "a file");
    scratch.refuses_to_train(&[], &["run: ", "--run-dir"]);
    let before = scratch.tree();
    scratch
        .train("run/below", &[])
        .fails_saying(&["run/below: ", "--run-dir"]);
    scratch.assert_unchanged_since(&before);
}

#[test]
#[cfg(target_os = "linux")]
fn names_a_directory_that_cannot_be_written() {
    // Not even root creates a directory there.
    let scratch = Scratch::new();
    scratch
        .train("/proc/ebm", &[])
        .fails_saying(&["/proc/ebm", "--run-dir"]);
}

#[test]
fn refuses_a_run_directory_that_another_process_uses() {
    let scratch = Scratch::new();
    scratch.train("run", &[]).succeeds();
    let lock = File::open(scratch.join("run/.lock")).expect("a run leaves its lock");
    lock.lock().expect("nobody holds the lock");
    let fragments = ["run is in use by another process", "--run-dir"];
    scratch.refuses_to_train(&["--iterations", "4"], &fragments);
    lock.unlock().expect("this process holds the lock");
    scratch.train("run", &["--iterations", "4"]).succeeds();
}

#[test]
fn lists_what_changed_since_a_run_began_and_goes_on_when_told_to() {
    let scratch = Scratch::new();
    scratch.train("run", &[]).succeeds();
    let changed = [
        "--iterations",
        "4",
        "--set",
        "lr=0.002",
        "--set",
        "buffer.reinit_prob=0.25",
    ];
    let fragments = [
        "run holds a run with another configuration",
        "lr: 0.001 → 0.002",
        "buffer.reinit_prob: 0.05 → 0.25",
        "--run-dir",
        "--force",
    ];
    scratch.refuses_to_train(&changed, &fragments);
    let gone_on = scratch
        .train("run", &[&changed[..], &["--force"]].concat())
        .succeeds();
    assert!(
        gone_on.stderr.contains("going on after iteration 2"),
        "{}",
        gone_on.stderr
    );
    // The new values are the run's own from now on.
    scratch
        .train("run", &[&changed[2..], &["--iterations", "6"]].concat())
        .succeeds();
    assert_eq!(latest(&scratch.join("run")).map(|last| last.step), Some(6));
}

#[test]
fn a_run_that_has_learned_nothing_takes_another_configuration() {
    let scratch = Scratch::new();
    scratch
        .train("run", &["--set", "lr=1e38", "--iterations", "20"])
        .fails_saying(&["diverged", "--set lr="]);
    scratch.train("run", &["--set", "lr=1e-4"]).succeeds();
}

#[test]
fn a_run_that_is_refused_leaves_nothing_behind() {
    let scratch = Scratch::new();
    scratch.write_picture("photos/a.png", [7; 3]);
    let unlabelled = ["--dataset", "folder", "--data-dir", "photos"];
    let args = [&unlabelled[..], &["--set", "model.conditional=true"]].concat();
    let before = scratch.tree();
    let run = scratch.train("runs/deep", &args);
    run.fails_saying(&["needs labelled data"]);
    scratch.assert_unchanged_since(&before);
}

#[test]
fn what_a_run_writes_and_how_long_it_is_may_change() {
    let scratch = Scratch::new();
    scratch.train("run", &[]).succeeds();
    let more = ["--iterations", "4", "--set", "output.sample_every=1"];
    scratch.train("run", &more).succeeds();
    assert!(scratch.join("run/samples/step_000004.png").exists());
}

#[test]
fn a_run_goes_on_with_another_micro_batch_or_none() {
    let scratch = Scratch::new();
    scratch.train("run", &["--micro-batch", "4"]).succeeds();
    let smaller = ["--iterations", "4", "--micro-batch", "2"];
    let gone_on = scratch.train("run", &smaller).succeeds();
    let said = &gone_on.stderr;
    assert!(said.contains("going on after iteration 2"), "{said}");
    let whole = ["--iterations", "6", "--set", "micro_batch=none"];
    scratch.train("run", &whole).succeeds();
    assert_eq!(latest(&scratch.join("run")).map(|last| last.step), Some(6));
}

#[test]
fn the_length_may_not_change_where_the_learning_rate_depends_on_it() {
    let scratch = Scratch::new();
    let cosine = [
        "--set",
        "lr={ kind = \"cosine\", start = 1e-3, end = 1e-4 }",
    ];
    scratch.train("run", &cosine).succeeds();
    let longer = [&cosine[..], &["--iterations", "4"]].concat();
    scratch.refuses_to_train(&longer, &["iterations: 2 → 4", "--force"]);
    let done = scratch.train("run", &cosine).succeeds().stderr;
    let said = "all 2 iterations are done; lr has gone through its schedule: a larger --iterations with --force";
    assert!(done.contains(said), "{done}");
    let forced = [&longer[..], &["--force"]].concat();
    scratch.train("run", &forced).succeeds();
    assert_eq!(latest(&scratch.join("run")).map(|last| last.step), Some(4));
}

#[test]
fn a_learning_rate_that_falls_from_step_to_step_lets_a_run_be_longer() {
    let scratch = Scratch::new();
    let polynomial = [
        "--set",
        "lr={ kind = \"polynomial\", start = 1e-3, offset = 10.0, power = 0.5 }",
    ];
    scratch.train("run", &polynomial).succeeds();
    let done = scratch.train("run", &polynomial).succeeds().stderr;
    let said = "all 2 iterations are done; a larger --iterations goes on";
    assert!(done.contains(said), "{done}");
    let longer = [&polynomial[..], &["--iterations", "4"]].concat();
    scratch.train("run", &longer).succeeds();
}

#[test]
fn a_diverging_run_says_when_and_with_which_seed() {
    let scratch = Scratch::new();
    let args = ["--seed", "5", "--iterations", "20", "--set", "lr=1e38"];
    let fragments = [
        "diverged",
        "iteration",
        "seed 5",
        "no checkpoint yet",
        "--set lr=",
        "the same --run-dir",
    ];
    scratch.train("run", &args).fails_saying(&fragments);
    assert!(latest(&scratch.join("run")).is_none());
}

#[test]
fn every_kind_of_objective_stops_where_it_diverges() {
    let recovery = [
        "objective.kind=recovery",
        "model.network=unet",
        "model.filters=none",
        "model.widths=[4, 4]",
        "model.spectral_norm=none",
        "langevin.grad_clip=none",
    ];
    let contrast = ["objective.kind=flow", "objective.contrast_weight=0.5"];
    for keys in [
        &["objective.kind=flow"][..],
        &contrast,
        &["objective.kind=denoising"],
        &recovery,
    ] {
        let scratch = Scratch::new();
        let keys = keys.iter().flat_map(|key| ["--set", key]);
        let fast = ["--set", "lr=1e38", "--iterations", "20"];
        let args: Vec<&str> = keys.chain(fast).collect();
        let fragments = ["diverged", "the loss is", "no checkpoint yet"];
        scratch.train("run", &args).fails_saying(&fragments);
        assert!(latest(&scratch.join("run")).is_none());
    }
}

#[test]
fn weights_that_are_not_finite_are_never_saved() {
    // The loss is finite when the first update spoils the weights.
    for iterations in ["1", "20"] {
        let scratch = Scratch::new();
        let keys = ["lr=1e300", "output.checkpoint_every=1"]
            .map(|key| ["--set", key])
            .concat();
        let args = [&keys[..], &["--iterations", iterations]].concat();
        scratch
            .train("run", &args)
            .fails_saying(&["diverged", "no checkpoint yet"]);
        assert!(latest(&scratch.join("run")).is_none());
    }
}

#[test]
fn a_diverging_run_leaves_the_checkpoint_before_it_and_names_it() {
    let scratch = Scratch::new();
    scratch.train("run", &["--seed", "5"]).succeeds();
    let checkpoints = scratch.join("run/checkpoints");
    let before = tree(&checkpoints);
    let args = [
        "--seed",
        "5",
        "--iterations",
        "20",
        "--set",
        "lr=1e38",
        "--force",
    ];
    let good = "run/checkpoints/step_000002";
    scratch
        .train("run", &args)
        .fails_saying(&["diverged", "seed 5", good, "--force"]);
    assert_eq!(tree(&checkpoints), before, "a checkpoint changed");
    scratch.sample("run", &[]).succeeds();
    // Back to a learning rate that works.
    let back = ["--set", "lr=3e-4", "--iterations", "4", "--force"];
    scratch.train("run", &back).succeeds();
}

#[cfg(unix)]
mod vanished {
    use std::fs;
    use std::time::Duration;

    use crate::common::{Finished, Scratch};

    /// A run that would never end and writes no checkpoint, to which `vanish` happens after its first line of
    /// progress.
    fn train_and(scratch: &Scratch, vanish: impl FnOnce()) -> Finished {
        let args = [
            "--iterations",
            "1000000",
            "--set",
            "output.checkpoint_every=1000000",
        ];
        crate::torture::train_and(scratch.train_command("run", &args), Duration::ZERO, vanish)
    }

    #[test]
    fn a_run_directory_that_vanishes_ends_the_run_and_no_other_one_is_made() {
        let scratch = Scratch::new();
        let run = scratch.join("run");
        let fragments = ["run is gone", "unmounted", "--run-dir"];
        let deleted = train_and(&scratch, || {
            fs::remove_dir_all(&run).expect("a folder");
        });
        deleted.fails_saying(&fragments);
        assert!(!run.exists());
        let replaced = train_and(&scratch, || {
            fs::remove_dir_all(&run).expect("a folder");
            fs::create_dir(&run).expect("as where a disk was mounted");
        });
        replaced.fails_saying(&fragments);
        assert_eq!(fs::read_dir(&run).expect("a folder").count(), 0);
        fs::remove_dir(&run).expect("a folder");
        let moved = train_and(&scratch, || {
            fs::rename(&run, scratch.join("elsewhere")).expect("a folder");
        });
        moved.fails_saying(&fragments);
        assert!(!run.exists());
    }
}
