//! Hold runs that keep weights, and were stopped, to those of one that was not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;

use crate::config::Config;
use crate::run::{Observer, ObserverError, Run, RunOptions, StepReport};

const TINY: [&str; 12] = [
    "iterations=9",
    "batch_size=8",
    "model.widths=[6, 4]",
    "data.dataset=digits",
    "data.train_images=32",
    "data.test_images=0",
    "data.image_size=16",
    "output.log_every=2",
    "output.checkpoint_every=4",
    "output.keep_checkpoints=3",
    "posterior.burn_in=2",
    "posterior.every=3",
];

fn config(preset: &str, keys: &[&str]) -> Config {
    let overrides = TINY.iter().chain(keys).map(ToString::to_string);
    let overrides: Vec<_> = overrides.collect();
    Config::resolve(preset, None, &overrides).expect("resolves")
}

/// Asks a run to stop after an iteration.
struct Stopper<'a> {
    after: u64,
    stop: &'a AtomicBool,
}

impl Observer for Stopper<'_> {
    fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
        if report.iteration == self.after {
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Train in `dir`, up to an iteration.
fn train(config: &Config, dir: &Path, until: u64) {
    let data = ebm_data::load(&config.data, config.seed).expect("drawn");
    let stop = AtomicBool::new(false);
    let mut stopper = Stopper {
        after: until,
        stop: &stop,
    };
    let options = RunOptions::new(dir);
    let run = Run::open(config, &data, &Device::flex(), &options).expect("opened");
    run.train(&mut [&mut stopper], &stop).expect("trained");
}

/// The files of a folder of a run.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, fs::read(entry.path()).expect("a file"))
    };
    entries
        .map(|entry| file(entry.expect("an entry")))
        .collect()
}

#[test]
fn a_run_that_was_stopped_keeps_the_same_weights_to_the_bit() {
    let cyclic = [
        "lr={ kind = \"cyclic\", start = 1e-6, cycles = 2 }",
        "posterior.exploration=0.4",
        "posterior.burn_in=0",
        "posterior.every=2",
    ];
    let none: &[&str] = &[];
    for (preset, keys, expected) in [
        ("mnist-sgld", none, &[5, 8][..]),
        ("mnist-psgld", none, &[5, 8]),
        ("mnist-sgld", &cyclic, &[3, 5, 9]),
    ] {
        let config = config(preset, keys);
        let parent = tempfile::tempdir().expect("a folder");
        let [whole, stopped] = ["whole", "stopped"].map(|name| parent.path().join(name));
        train(&config, &whole, 99);
        for until in [3, 6, 99] {
            train(&config, &stopped, until);
        }
        let [kept, again] = [&whole, &stopped].map(|run| files(&run.join("posterior")));
        let names: Vec<_> = expected
            .iter()
            .map(|step| format!("step_{step:06}.safetensors"))
            .collect();
        assert_eq!(kept.keys().cloned().collect::<Vec<_>>(), names, "{preset}");
        assert_eq!(kept, again, "{preset}");
        let weights = "checkpoints/step_000009/model.safetensors";
        let [last, of_stopped] =
            [whole, stopped].map(|run| fs::read(run.join(weights)).expect("a file"));
        assert_eq!(last, of_stopped, "{preset}");
    }
}

#[test]
fn weights_from_beyond_the_checkpoint_that_a_run_goes_on_from_are_written_again() {
    let config = config("mnist-sgld", &[]);
    let run = tempfile::tempdir().expect("a folder");
    train(&config, run.path(), 99);
    let posterior = run.path().join("posterior");
    let kept = files(&posterior);
    for later in ["checkpoints/step_000008", "checkpoints/step_000009"] {
        fs::remove_dir_all(run.path().join(later)).expect("removed");
    }
    fs::write(
        posterior.join("step_000008.safetensors"),
        "of another attempt",
    )
    .expect("written");
    train(&config, run.path(), 6);
    let found = files(&posterior);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        ["step_000005.safetensors"]
    );
    train(&config, run.path(), 99);
    assert_eq!(files(&posterior), kept);
}

#[test]
fn a_posterior_is_refused_where_nothing_is_sampled() {
    for (preset, key, problem) in [
        (
            "mnist-mlp",
            "posterior.every=3",
            "`posterior.every` above 0 needs optimizer.method",
        ),
        (
            "mnist-sgld",
            "posterior.exploration=0.5",
            "`posterior.exploration` above 0 needs a cyclic lr",
        ),
        (
            "mnist-sgld",
            "lr={ kind = \"cyclic\", start = 1e-6, cycles = 20000 }",
            "`lr` has 20000 cycles, and its part of the run 12000 iterations",
        ),
        (
            "mnist-sgld",
            r#"phases=[{ until = 3, set = ['lr={ kind = "cyclic", start = 1e-6, cycles = 4 }'] }]"#,
            "`phases[0].lr` has 4 cycles, and its part of the run 3 iterations",
        ),
        (
            "mnist-sgld",
            "posterior.temperature=1e38",
            "`posterior.temperature` must be at most 1000",
        ),
        (
            "mnist-sgld",
            "optimizer.weight_decay=0.1",
            "`optimizer.weight_decay` above 0 is for adam",
        ),
        (
            "mnist-uva",
            "optimizer.method=sgld",
            "`optimizer.method` other than adam samples the posterior of a classifier",
        ),
        (
            "mnist-sgld",
            "model.spectral_norm=true",
            "`optimizer.method` other than adam needs model.spectral_norm = false",
        ),
        (
            "mnist-sgld",
            "model.dropout=0.5",
            "`optimizer.method` other than adam needs model.dropout = 0.0",
        ),
    ] {
        let error = Config::resolve(preset, None, &[key.to_owned()]);
        let message = error.expect_err("refused").to_string();
        assert!(message.contains(problem), "{message}");
    }
}
