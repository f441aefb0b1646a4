//! Hold ranks to the bits of one process: the same shards, on 1, 2 and 4 threads that stand for processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use burn::tensor::Device;

use super::*;
use crate::collective::Threads;
use crate::config::Phase;
use crate::run::{Observer, ObserverError, Outcome, Run, RunOptions, StepReport, new_state};
use crate::state::Rollback;

const FILTERS: &str = "model.filters=4";
const TINY: [&str; 12] = [
    "shards=4",
    "batch_size=16",
    FILTERS,
    "langevin.num_steps=2",
    "buffer.capacity=32",
    "data.train_images=32",
    "data.test_images=0",
    "data.image_size=16",
    "output.log_every=2",
    "output.sample_every=0",
    "output.checkpoint_every=4",
    "iterations=6",
];

fn config(preset: &str, keys: &[&str]) -> Config {
    let widths = keys.iter().any(|key| key.starts_with("model.widths="));
    let usual = TINY.iter().filter(|key| !(widths && **key == FILTERS));
    let overrides: Vec<_> = usual.chain(keys).map(ToString::to_string).collect();
    Config::resolve(preset, None, &overrides).expect("resolves")
}

/// Keeps what is told of a run, and asks it to stop.
struct Witness<'a> {
    lines: Vec<String>,
    rollbacks: usize,
    stop_after: Option<u64>,
    stop: &'a AtomicBool,
}

impl Observer for Witness<'_> {
    fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
        if let Some(metrics) = report.metrics {
            let terms = metrics.terms.iter();
            let terms: Vec<_> = terms
                .map(|(name, value)| format!("{name}={value:?}"))
                .collect();
            self.lines
                .push(format!("{}: {}", report.iteration, terms.join(" ")));
        }
        if self.stop_after == Some(report.iteration) {
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn on_rollback(&mut self, _: &Rollback) -> Result<(), ObserverError> {
        self.rollbacks += 1;
        Ok(())
    }
}

/// What became of a run on some ranks.
struct Ended {
    outcomes: Vec<Result<Outcome, TrainError>>,
    lines: Vec<String>,
    rollbacks: usize,
}

impl Ended {
    /// Why the ranks were refused, each of them.
    fn reasons(&self) -> Vec<String> {
        let refused = self
            .outcomes
            .iter()
            .map(|it| it.as_ref().expect_err("refused"));
        refused.map(ToString::to_string).collect()
    }
}

/// Train on `world` ranks; rank 0 asks to stop in an iteration, if any.
fn train(config: &Config, dir: &Path, world: u32, stop_after: Option<u64>) -> Ended {
    train_as(&|_| config.clone(), dir, world, stop_after)
}

fn train_as(
    config_of: &(impl Fn(u32) -> Config + Sync),
    dir: &Path,
    world: u32,
    stop_after: Option<u64>,
) -> Ended {
    let of_rank = |(number, rank): (u32, Threads)| {
        let (config, stop) = (config_of(number), AtomicBool::new(false));
        let data = ebm_data::load(&config.data, config.seed).expect("drawn");
        let mut witness = Witness {
            lines: Vec::new(),
            rollbacks: 0,
            stop_after,
            stop: &stop,
        };
        let options = RunOptions::new(dir).with_collective(Arc::new(rank));
        let run = Run::open(&config, &data, &Device::flex(), &options);
        let outcome = run.and_then(|run| match number {
            0 => run.train(&mut [&mut witness], &stop),
            _ => run.train(&mut [], &stop),
        });
        (outcome, witness.lines, witness.rollbacks)
    };
    thread::scope(|scope| {
        let ranks = (0..).zip(Threads::ranks(world));
        let of_rank = &of_rank;
        let running: Vec<_> = ranks
            .map(|rank| scope.spawn(move || of_rank(rank)))
            .collect();
        let mut all = Ended {
            outcomes: Vec::new(),
            lines: Vec::new(),
            rollbacks: 0,
        };
        for rank in running {
            let (outcome, lines, rollbacks) = rank.join().expect("no panic");
            all.outcomes.push(outcome);
            all.lines.extend(lines);
            all.rollbacks += rollbacks;
        }
        all
    })
}

type Files = BTreeMap<String, Vec<u8>>;

/// The files of all checkpoints of a run, by name.
fn files(run: &Path) -> Files {
    let mut found = BTreeMap::new();
    for folder in fs::read_dir(run.join("checkpoints")).expect("checkpoints") {
        for file in fs::read_dir(folder.expect("an entry").path()).expect("a checkpoint") {
            let path = file.expect("an entry").path();
            let name = path
                .strip_prefix(run)
                .expect("inside")
                .display()
                .to_string();
            found.insert(name, fs::read(&path).expect("a file"));
        }
    }
    found
}

fn assert_same(found: &Files, expected: &Files, what: &str) {
    assert!(
        found.keys().eq(expected.keys()),
        "{what}: {:?}",
        found.keys()
    );
    for (name, bytes) in found {
        assert!(bytes == &expected[name], "{what}: {name} differs");
    }
}

/// The run on one rank, after two and four have come to the same.
fn assert_ranks_agree(config: &Config, what: &str) -> Ended {
    let alone = tempfile::tempdir().expect("a folder");
    let first = train(config, alone.path(), 1, None);
    for outcome in &first.outcomes {
        assert!(
            matches!(outcome, Ok(Outcome::Finished { .. })),
            "{what}: {outcome:?}"
        );
    }
    let expected = files(alone.path());
    for world in [2, 4] {
        let dir = tempfile::tempdir().expect("a folder");
        let ended = train(config, dir.path(), world, None);
        assert_eq!(ended.lines, first.lines, "{what}, {world} ranks");
        assert_same(
            &files(dir.path()),
            &expected,
            &format!("{what}, {world} ranks"),
        );
    }
    first
}

#[test]
fn contrast_of_energies_learns_the_same_on_any_number_of_ranks() {
    let kl = [
        "kl.weight=0.3",
        "kl.samples=8",
        "kl.neighbors=2",
        "buffer.augment=[\"crop\"]",
    ];
    for (what, keys) in [
        ("cd", &["data.shift=1", "data.noise_std=0.02"][..]),
        (
            "mala",
            &["langevin.method=mala", "langevin.target_acceptance=0.6"],
        ),
        (
            "logsumexp",
            &["objective.kind=logsumexp", "buffer.restart=data"],
        ),
        (
            "softplus",
            &["objective.kind=softplus", "model.spectral_norm=true"],
        ),
        (
            "micro-batches",
            &["objective.kind=softplus", "micro_batch=3"],
        ),
        ("kl", &kl),
        ("dropout", &["model.network=resnet32", "model.dropout=0.2"]),
    ] {
        assert_ranks_agree(&config("digits-conditional", keys), what);
    }
}

#[test]
fn what_only_the_first_rank_draws_and_judges_changes_nothing_between_ranks() {
    let keys = [
        "output.sample_every=2",
        "output.keep_best=true",
        "output.num_samples=4",
        "output.sample_steps=2",
    ];
    let mut config = config("digits-conditional", &keys);
    config.phases = vec![Phase {
        until: 3,
        set: vec!["objective.kind=denoising".to_owned()],
    }];
    let ended = assert_ranks_agree(&config, "samples, the best of them, and phases");
    assert!(
        ended
            .lines
            .iter()
            .any(|line| line.contains("sample_distance="))
    );
}

#[test]
fn chains_start_at_the_same_samples_on_any_number_of_ranks() {
    let phases = "phases=[{until=3, set=[\"objective.kind=flow\", \"langevin.method=euler\", \
                  \"langevin.grad_clip=none\"]}]";
    let [samples, noise] = ["buffer.start=previous", "buffer.start=noise"].map(|start| {
        let config = config("digits", &[phases, start, "output.sample_steps=2"]);
        assert_ranks_agree(&config, start).lines
    });
    assert_ne!(samples, noise);
}

#[test]
fn a_directory_that_ranks_do_not_share_and_weights_that_differ_are_refused() {
    let dirs = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
    let of_rank = |(number, rank): (usize, Threads)| {
        let team = Team::new(2, Arc::new(rank)).expect("a team");
        let unshared = refuse_unshared(&team, dirs[number].path()).expect_err("not shared");
        refuse_unshared(&team, dirs[0].path()).expect("shared");
        let state = |seed: usize| {
            let config = config("digits", &[&format!("seed={seed}")]);
            let data = ebm_data::load(&config.data, 0).expect("drawn");
            new_state(&config, (&data.train).into(), &Device::flex()).expect("fits")
        };
        refuse_other_weights(&team, &state(0)).expect("the same");
        let differs = refuse_other_weights(&team, &state(number)).expect_err("other weights");
        [unshared.to_string(), differs.to_string()]
    };
    let found = thread::scope(|scope| {
        let ranks = Threads::ranks(2).into_iter().enumerate();
        let of_rank = &of_rank;
        let running: Vec<_> = ranks
            .map(|rank| scope.spawn(move || of_rank(rank)))
            .collect();
        let ended = running
            .into_iter()
            .map(|rank| rank.join().expect("no panic"));
        ended.collect::<Vec<_>>()
    });
    for [unshared, differs] in found {
        assert!(unshared.starts_with("rank 1 does not see"), "{unshared}");
        assert!(differs.contains("rank 1 has other weights"), "{differs}");
    }
}

#[test]
fn regression_and_classes_are_learned_the_same_on_any_number_of_ranks() {
    for (what, keys) in [
        (
            "flow",
            &["objective.kind=flow", "objective.coupling=optimal"][..],
        ),
        (
            "flow and contrast",
            &["objective.kind=flow", "objective.contrast_weight=0.1"],
        ),
        ("denoising", &["objective.kind=denoising"]),
        ("classification", &["objective.kind=classification"]),
        ("jem", &["objective.kind=jem"]),
    ] {
        assert_ranks_agree(&config("digits-conditional", keys), what);
    }
    let recovery = [
        "objective.kind=recovery",
        "langevin.grad_clip=none",
        "model.network=unet",
        "model.widths=[4, 6]",
    ];
    assert_ranks_agree(&config("digits", &recovery), "recovery");
    for (network, step_size) in [("latent", 0.08), ("latent-free", 0.01)] {
        let (network, step_size) = (
            format!("model.network={network}"),
            format!("langevin.step_size={step_size}"),
        );
        let latent = [
            "objective.kind=latent",
            "objective.posterior_steps=2",
            "langevin.grad_clip=none",
            "model.spectral_norm=none",
            "model.widths=[4, 6]",
            "model.latents=3",
            &network,
            &step_size,
        ];
        assert_ranks_agree(&config("digits", &latent), &network);
    }
}

#[test]
fn a_run_that_is_stopped_goes_on_with_another_number_of_ranks() {
    let config = config("digits-conditional", &["objective.kind=softplus"]);
    let whole = tempfile::tempdir().expect("a folder");
    train(&config, whole.path(), 1, None);
    let expected = files(whole.path());
    for worlds in [[1, 4], [4, 2], [2, 1]] {
        let dir = tempfile::tempdir().expect("a folder");
        let stopped = train(&config, dir.path(), worlds[0], Some(2));
        // Several ranks say it to each other with the next step.
        let last = if worlds[0] == 1 { 2 } else { 3 };
        for outcome in stopped.outcomes {
            let Ok(Outcome::Interrupted { iteration, .. }) = outcome else {
                panic!("{worlds:?}: {outcome:?}");
            };
            assert_eq!(iteration, last, "{worlds:?}");
        }
        train(&config, dir.path(), worlds[1], None);
        assert_same(&files(dir.path()), &expected, &format!("{worlds:?}"));
    }
}

#[test]
fn a_run_keeps_its_shards_even_by_force() {
    let dir = tempfile::tempdir().expect("a folder");
    train(&config("digits", &[]), dir.path(), 1, None);
    let config = config("digits", &["shards=2", "iterations=9"]);
    let data = ebm_data::load(&config.data, config.seed).expect("drawn");
    let mut options = RunOptions::new(dir.path());
    options.force = true;
    let refused = Run::open(&config, &data, &Device::flex(), &options).err();
    let refused = refused.expect("refused").to_string();
    assert!(refused.contains("of a run with shards = 4"), "{refused}");
}

#[test]
fn ranks_go_back_together_and_to_the_same() {
    let keys = [
        "lr=1e6",
        "on_divergence=rollback",
        "rollback.max=30",
        "rollback.lr_factor=1e-4",
    ];
    let ended = assert_ranks_agree(&config("digits", &keys), "rollback");
    assert!(ended.rollbacks > 0, "the run has gone back");
}

#[test]
fn all_ranks_end_with_the_divergence_of_the_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let reasons = train(&config("digits", &["lr=1e30"]), dir.path(), 2, None).reasons();
    assert!(reasons[0].contains("diverged"), "{}", reasons[0]);
    assert_eq!(reasons[0], reasons[1]);
}

#[test]
fn ranks_that_were_started_differently_are_refused_with_what_differs() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = dir.path().join("run");
    let of_rank = |rank| match rank {
        1 => config("digits", &["langevin.num_steps=3"]),
        _ => config("digits", &[]),
    };
    let reasons = train_as(&of_rank, &run, 2, None).reasons();
    assert!(
        reasons
            .iter()
            .all(|why| why.contains("rank 1 has another configuration"))
    );
    assert!(
        reasons[0].contains("num_steps = 3, and num_steps = 2"),
        "{}",
        reasons[0]
    );
    let reasons = train(&config("digits", &["shards=2"]), &run, 4, None).reasons();
    assert!(
        reasons
            .iter()
            .all(|why| why.contains("4 ranks cannot share 2 shards"))
    );
    assert!(!run.exists(), "nothing is left of a run that was refused");
}

#[test]
fn texts_are_told_apart_by_their_first_other_line() {
    let difference = first_difference("a = 1\nb = 2\nc = 3", "a = 1\nb = 5\nc = 4");
    assert_eq!(difference, ("b = 2".to_owned(), "b = 5".to_owned()));
    let difference = first_difference("a = 1", "a = 1\nb = 5");
    assert_eq!(difference, ("nothing".to_owned(), "b = 5".to_owned()));
}
