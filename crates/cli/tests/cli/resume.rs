//! Compare runs that were stopped with runs that were not: they must end in the same bytes.

use crate::common::{Scratch, assert_same_end, latest, metrics};

/// Two threads of chains, several epochs, all outputs.
const ARGS: [&str; 8] = [
    "--set",
    "batch_size=16",
    "--set",
    "output.log_every=5",
    "--set",
    "output.sample_every=20",
    "--set",
    "output.checkpoint_every=10",
];

#[track_caller]
fn train(scratch: &Scratch, run_dir: &str, iterations: u64, more: &[&str]) {
    let iterations = iterations.to_string();
    let args = [&ARGS[..], &["--iterations", &iterations], more].concat();
    scratch.train(run_dir, &args).succeeds();
}

#[test]
fn forty_iterations_are_twenty_and_then_twenty() {
    let scratch = Scratch::new();
    train(&scratch, "whole", 40, &[]);
    train(&scratch, "parts", 20, &[]);
    train(&scratch, "parts", 40, &[]);
    assert_same_end(&scratch, "whole", "parts");
    let logged = metrics(&scratch.join("parts"));
    let iterations: Vec<_> = logged
        .iter()
        .filter_map(|line| line["iteration"].as_u64())
        .collect();
    assert_eq!(iterations, [5, 10, 15, 20, 25, 30, 35, 40]);
}

/// Ten iterations with these keys are five and then five.
#[track_caller]
fn assert_goes_on(keys: &[&str]) {
    let scratch = Scratch::new();
    let keys = keys.iter().chain(&["output.sample_every=0"]);
    let more: Vec<&str> = keys.flat_map(|key| ["--set", key]).collect();
    train(&scratch, "whole", 10, &more);
    train(&scratch, "parts", 5, &more);
    train(&scratch, "parts", 10, &more);
    assert_same_end(&scratch, "whole", "parts");
}

#[test]
fn experts_go_on_with_what_was_measured_and_with_the_steps_of_their_trajectories() {
    for kind in ["whitened-cd", "score-matching"] {
        assert_goes_on(&[
            "model.filters=none",
            "model.spectral_norm=none",
            "model.network=experts",
            "model.dimensions=20",
            &format!("objective.kind={kind}"),
            "data.noise_std=0.01",
            "lr=0.01",
        ]);
    }
}

#[test]
fn latent_vectors_go_on_without_chains_that_are_kept() {
    for (network, step_size) in [("latent", 0.08), ("latent-free", 0.01)] {
        assert_goes_on(&[
            "model.filters=none",
            "model.spectral_norm=none",
            &format!("model.network={network}"),
            "model.widths=[4, 4]",
            "model.latents=3",
            "objective.kind=latent",
            "objective.posterior_steps=3",
            "langevin.grad_clip=none",
            &format!("langevin.step_size={step_size}"),
        ]);
    }
}

#[test]
fn chains_that_restart_from_data_go_on_as_well() {
    assert_goes_on(&[
        "buffer.restart=data",
        "buffer.reinit_prob=0.5",
        "optimizer.clamp_elements=true",
    ]);
}

#[test]
fn labels_spectral_norm_and_an_adapting_step_size_go_on_as_well() {
    let keys = [
        "model.network=mnist",
        "model.conditional=true",
        "langevin.method=hmc",
        "langevin.step_size=0.01",
        "langevin.leapfrog_steps=2",
        "langevin.target_acceptance=0.65",
        "objective.kind=softplus",
    ];
    assert_goes_on(&keys);
    let scratch = Scratch::new();
    let more: Vec<&str> = keys.iter().flat_map(|key| ["--set", key]).collect();
    train(&scratch, "run", 5, &more);
    let last = metrics(&scratch.join("run")).pop().expect("logged");
    assert!(
        last["step_scale"]
            .as_f64()
            .is_some_and(|scale| scale != 1.0)
    );
    assert!(last["acceptance"].as_f64().is_some_and(|rate| rate > 0.0));
}

#[test]
fn residual_networks_dropout_the_kl_term_and_augmented_chains_go_on_as_well() {
    assert_goes_on(&[
        "model.network=resnet32-large",
        "model.conditional=true",
        "model.attention=true",
        "kl.weight=0.3",
        "kl.neighbors=5",
        "data.flip=true",
        "buffer.augment=[\"crop\", \"flip\", \"color\"]",
        "objective.kind=logsumexp",
    ]);
}

#[test]
fn chains_beyond_the_bounds_of_an_image_go_on_as_well() {
    assert_goes_on(&["langevin.margin=0.1", "data.noise_std=0.1"]);
}

#[test]
fn objectives_without_chains_go_on_as_well() {
    let keys = ["model.activation=swish", "model.spectral_norm=true"];
    let more: &[&[&str]] = &[
        &["objective.kind=flow", "objective.coupling=optimal"],
        &["objective.kind=denoising", "objective.noise_reference=0.1"],
        &["objective.kind=classification", "model.conditional=true"],
    ];
    for more in more {
        assert_goes_on(&[&keys, *more].concat());
    }
    assert_goes_on(&[
        "objective.kind=denoising",
        "objective.noise_conditional=true",
        "model.filters=none",
        "model.network=unet",
        "model.widths=[4, 8]",
    ]);
}

#[test]
fn chains_that_take_noise_off_level_by_level_go_on_as_well() {
    let unet = [
        "objective.kind=recovery",
        "model.filters=none",
        "model.network=unet",
        "model.widths=[4, 8]",
        "langevin.grad_clip=none",
    ];
    assert_goes_on(&unet);
    assert_goes_on(
        &[
            &unet[..],
            &["model.conditional=true", "objective.recovery_levels=3"],
        ]
        .concat(),
    );
}

#[test]
fn classes_and_images_learned_together_go_on_as_well() {
    for generative in ["cd", "flow", "denoising"] {
        let generative = format!("objective.generative={generative}");
        for given_class in ["objective.given_class=false", "objective.given_class=true"] {
            let of_classes = ["objective.kind=jem", "model.conditional=true", given_class];
            assert_goes_on(&[&of_classes[..], &[&generative]].concat());
        }
    }
}

/// A run of three parts, stopped within each and on each border.
#[test]
fn a_run_with_phases_goes_on_from_anywhere() {
    let scratch = Scratch::new();
    let phases = "phases=[{until=4, set=[\"objective.kind=flow\", \"lr=0.001\"]}, \
                  {until=8, set=[\"buffer.capacity=16\", \"batch_size=8\"]}]";
    let mut more = vec!["--set", phases];
    more.extend([
        "--set",
        "output.sample_every=0",
        "--set",
        "output.log_every=1",
    ]);
    train(&scratch, "whole", 10, &more);
    for end in [2, 4, 6, 8, 9, 10] {
        train(&scratch, "parts", end, &more);
    }
    assert_same_end(&scratch, "whole", "parts");
    train(&scratch, "first", 3, &more);
    let chains = ["first", "whole"].map(|run| {
        let checkpoint = latest(&scratch.join(run)).expect("a checkpoint");
        checkpoint.files.contains_key("buffer.safetensors")
    });
    assert_eq!(chains, [false, true]);
    let of_flow = scratch.sample("first", &["--init", "buffer"]);
    of_flow.fails_saying(&["learned without chains", "start from noise"]);
}

/// A run whose chains start at samples of its flow, stopped before, on and after the border.
#[test]
fn a_run_whose_chains_start_at_samples_of_a_flow_goes_on_from_anywhere() {
    let scratch = Scratch::new();
    let phases = "phases=[{until=4, set=[\"objective.kind=flow\", \"langevin.method=euler\", \
                  \"langevin.grad_clip=none\"]}]";
    let keys = [
        "buffer.start=previous",
        phases,
        "output.sample_every=0",
        "output.log_every=1",
    ];
    let more = keys.map(|key| ["--set", key]).concat();
    train(&scratch, "whole", 6, &more);
    for end in [2, 4, 5, 6] {
        train(&scratch, "parts", end, &more);
    }
    assert_same_end(&scratch, "whole", "parts");
}

#[test]
fn the_same_command_again_reaches_the_same_bytes_and_another_seed_does_not() {
    let scratch = Scratch::new();
    train(&scratch, "one", 6, &[]);
    train(&scratch, "two", 6, &[]);
    train(&scratch, "other", 6, &["--seed", "1"]);
    assert_same_end(&scratch, "one", "two");
    let weights = |run: &str| {
        let last = latest(&scratch.join(run)).expect("a finished run has a checkpoint");
        last.files["model.safetensors"].clone()
    };
    assert_ne!(weights("one"), weights("other"));
}

#[test]
fn a_run_goes_on_with_every_seed() {
    let scratch = Scratch::new();
    let largest = u64::MAX.to_string();
    let every = [
        "--set",
        "output.log_every=1",
        "--set",
        "output.sample_every=0",
    ];
    let seed = [&["--seed", &largest], &every[..]].concat();
    train(&scratch, "whole", 10, &seed);
    train(&scratch, "parts", 5, &seed);
    // Once with the same command, once with the configuration that was written.
    train(&scratch, "parts", 7, &seed);
    let on = ["train", "--device", "cpu", "--run-dir", "parts"];
    let on_to_ten = [&on[..], &["--iterations", "10"]].concat();
    scratch.ebm(&on_to_ten).succeeds();
    assert_same_end(&scratch, "whole", "parts");
    scratch.sample("parts", &["--seed", &largest]).succeeds();
    let other = (u64::MAX - 1).to_string();
    let refused = scratch.ebm(&[&on_to_ten[..], &["--seed", &other]].concat());
    refused.fails_saying(&["seed: \"18446744073709551615\" → \"18446744073709551614\""]);
}

#[test]
fn a_run_directory_alone_goes_on_with_the_runs_own_configuration() {
    let scratch = Scratch::new();
    let own = ["energy_l2=0.2", "lr=1e-4", "output.sample_every=0"].map(|key| ["--set", key]);
    let own = own.concat();
    train(&scratch, "parts", 5, &own);
    let on = ["train", "--device", "cpu", "--run-dir", "parts"];
    let on_to_ten = [&on[..], &["--iterations", "10"]].concat();
    scratch.ebm(&on_to_ten).succeeds();
    train(&scratch, "whole", 10, &own);
    assert_same_end(&scratch, "whole", "parts");
    // A key that is named is compared with the run's own, and it alone.
    let refused = scratch.ebm(&[&on_to_ten[..], &["--set", "lr=2e-4"]].concat());
    assert!(!refused.stderr.contains("energy_l2"), "{}", refused.stderr);
    refused.fails_saying(&["lr: 0.0001 → 0.0002", "--run-dir"]);
    let done = scratch.ebm(&on).succeeds().stderr;
    assert!(done.contains("all 10 iterations are done"), "{done}");
}

#[test]
fn time_is_that_of_the_whole_run() {
    let scratch = Scratch::new();
    let elapsed = || {
        let text = std::fs::read_to_string(scratch.join("run/metrics.jsonl")).expect("text");
        let lines = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line["elapsed_s"].as_f64().expect("a number")
        });
        lines.collect::<Vec<_>>()
    };
    train(&scratch, "run", 20, &[]);
    train(&scratch, "run", 40, &[]);
    let elapsed = elapsed();
    assert!(elapsed.len() == 8 && elapsed.is_sorted(), "{elapsed:?}");
}

#[test]
fn a_run_goes_on_beside_a_damaged_line_of_metrics() {
    let scratch = Scratch::new();
    train(&scratch, "run", 20, &[]);
    let path = scratch.join("run/metrics.jsonl");
    let mut damaged = std::fs::read(&path).expect("metrics");
    let second = 1 + damaged
        .iter()
        .position(|&byte| byte == b'\n')
        .expect("lines");
    damaged[second] = 0xff;
    std::fs::write(&path, &damaged).expect("written");
    let args = [&ARGS[..], &["--iterations", "40"]].concat();
    let said = scratch.train("run", &args).succeeds().stderr;
    let warning = "run/metrics.jsonl: line 2 is damaged, and stays as it is";
    assert_eq!(said.matches(warning).count(), 1, "{said}");
    let after = std::fs::read(&path).expect("metrics");
    assert!(after.starts_with(&damaged), "a line was lost");
    train(&scratch, "whole", 40, &[]);
    let mut expected = metrics(&scratch.join("whole"));
    expected.remove(1);
    std::fs::write(&path, String::from_utf8_lossy(&after).as_bytes()).expect("written");
    assert_eq!(metrics(&scratch.join("run")), expected);
}

#[test]
fn a_finished_run_is_left_as_it_is() {
    let scratch = Scratch::new();
    train(&scratch, "run", 20, &[]);
    let before = scratch.tree();
    train(&scratch, "run", 20, &[]);
    scratch.assert_unchanged_since(&before);
}

#[cfg(unix)]
mod interrupt {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Command, Stdio};

    use super::{ARGS, assert_same_end, train};
    use crate::common::{Finished, Scratch, latest};

    fn send(signal: &str, child: &Child) {
        let kill = format!("kill -{signal} {}", child.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.is_ok_and(|status| status.success()), "{kill}");
    }

    /// A run that would never end, stopped by a signal after its first line of progress.
    fn interrupted_by(signal: &str, scratch: &Scratch) -> Finished {
        let args = [&ARGS[..], &["--iterations", "1000000"]].concat();
        let mut command = scratch.train_command("parts", &args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut said = String::new();
        while !said.contains("/1000000 ") {
            let bytes = stderr.read_line(&mut said).expect("lines of text");
            assert!(bytes > 0, "it ended early: {said}");
        }
        // Those who send a termination may send it more than once.
        let times = if signal == "INT" { 1 } else { 3 };
        (0..times).for_each(|_| send(signal, &child));
        stderr.read_to_string(&mut said).expect("text");
        let output = child.wait_with_output().expect("it ends");
        Finished {
            stderr: said,
            ..Finished::from(output)
        }
    }

    #[track_caller]
    fn assert_that_it_can_be_stopped_by(signal: &str) {
        let scratch = Scratch::new();
        let stopped = interrupted_by(signal, &scratch);
        assert_eq!(stopped.code, Some(130), "{stopped:#?}");
        assert!(!stopped.stderr.contains("panicked"), "{}", stopped.stderr);
        let last = latest(&scratch.join("parts")).expect("a checkpoint of the moment");
        let step = last.step;
        let message =
            format!("stopped after iteration {step}; the same command goes on from there");
        assert!(stopped.stderr.contains(&message), "{}", stopped.stderr);
        assert_eq!(
            stopped.stdout.trim(),
            format!("parts/checkpoints/step_{step:06}")
        );

        train(&scratch, "parts", step + 7, &[]);
        train(&scratch, "whole", step + 7, &[]);
        assert_same_end(&scratch, "whole", "parts");
    }

    #[test]
    fn ctrl_c_ends_a_run_with_a_checkpoint_from_which_it_goes_on_exactly() {
        assert_that_it_can_be_stopped_by("INT");
    }

    #[test]
    fn a_termination_does_the_same_however_often_it_comes() {
        assert_that_it_can_be_stopped_by("TERM");
        assert_that_it_can_be_stopped_by("HUP");
    }

    #[test]
    fn what_schedulers_send_ahead_of_time_does_the_same() {
        assert_that_it_can_be_stopped_by("USR1");
        assert_that_it_can_be_stopped_by("USR2");
    }

    #[test]
    fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
        let scratch = Scratch::new();
        let args = [&ARGS[..], &["--iterations", "1000000"]].concat();
        let command = scratch.train_command("parts", &args);
        let mut deaf = Command::new("sh");
        deaf.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(scratch.join(""))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = deaf.spawn().expect("a shell");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let mut await_progress = || loop {
            let line = lines.next().expect("it goes on").expect("text");
            assert!(!line.contains("writing a checkpoint"), "{line}");
            if line.contains("/1000000 ") {
                break;
            }
        };
        await_progress();
        send("HUP", &child);
        (0..20).for_each(|_| await_progress());
        send("TERM", &child);
        lines.for_each(drop);
        assert_eq!(child.wait().expect("it ends").code(), Some(130));
    }

    #[test]
    fn a_run_ends_with_a_checkpoint_before_its_time_is_over() {
        let scratch = Scratch::new();
        let args = ["--iterations", "1000000", "--time-limit", "2s"];
        let stopped = scratch.train("run", &args);
        assert_eq!(stopped.code, Some(130), "{stopped:#?}");
        assert!(
            stopped.stderr.contains("the time limit is near"),
            "{}",
            stopped.stderr
        );
        assert!(latest(&scratch.join("run")).is_some_and(|last| last.step > 0));
        for (limit, said) in [("0s", "must be above 0"), ("soon", "write it as 2h, 90min")] {
            let refused = scratch.train("run", &["--time-limit", limit]);
            refused.fails_with(2, &["--time-limit", said]);
        }
    }

    #[test]
    fn nothing_that_cannot_be_printed_ends_a_run() {
        let full = || std::fs::File::options().write(true).open("/dev/full");
        let Ok(_) = full() else {
            return; // not on this system
        };
        let scratch = Scratch::new();
        let mut command = scratch.train_command("run", &["-v", "--iterations", "30"]);
        command.stderr(full().expect("a device"));
        let done = command.output().expect("the binary starts");
        assert_eq!(done.status.code(), Some(0));
        let mut command = scratch.train_command("run", &["--iterations", "40"]);
        command
            .stdout(full().expect("a device"))
            .stderr(full().expect("a device"));
        let ended = command.status().expect("the binary starts");
        assert_eq!(
            ended.code(),
            Some(1),
            "its result could not be told, and it did not panic"
        );
        assert_eq!(latest(&scratch.join("run")).map(|last| last.step), Some(40));
    }
}
