//! Train with judges of the test's own: when they are asked, what becomes of what they say, and that training
//! takes nothing from it.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use super::{JudgeError, SampleJudge};
use crate::checkpoint::{self, Checkpoint, MANIFEST};
use crate::config::Config;
use crate::error::TrainError;
use crate::run::{Observer, ObserverError, Run, RunOptions, StepReport};
use crate::state::Best;

const TINY: [&str; 14] = [
    "batch_size=8",
    "model.filters=4",
    "langevin.num_steps=2",
    "buffer.capacity=16",
    "data.train_images=32",
    "data.test_images=0",
    "data.image_size=16",
    "output.log_every=100",
    "output.sample_every=0",
    "output.sample_steps=3",
    "output.evaluate_every=2",
    "output.evaluate_samples=10",
    "output.checkpoint_every=100",
    "output.keep_checkpoints=1",
];

/// Bytes of an image.
const IMAGE: usize = 16 * 16;

fn config(more: &[&str]) -> Config {
    let overrides: Vec<_> = TINY.iter().chain(more).map(ToString::to_string).collect();
    Config::resolve("digits", None, &overrides).expect("resolves")
}

/// Gives these distances, one after the other, and none after that.
struct Scripted {
    name: &'static str,
    distances: &'static [f64],
    /// The samples that it was shown.
    seen: RefCell<Vec<Vec<u8>>>,
}

impl Scripted {
    fn new(name: &'static str, distances: &'static [f64]) -> Self {
        Self {
            name,
            distances,
            seen: RefCell::default(),
        }
    }
}

impl SampleJudge for Scripted {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn distance(&self, samples: &[u8]) -> Result<f64, JudgeError> {
        let mut seen = self.seen.borrow_mut();
        seen.push(samples.to_vec());
        let distance = self.distances.get(seen.len() - 1).copied();
        distance.ok_or_else(|| "nothing to compare with".into())
    }
}

/// Keeps the distances of the lines of metrics, and looks whether their cost stands beside them.
#[derive(Default)]
struct Watcher(Vec<(u64, f64)>);

impl Observer for Watcher {
    fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
        if let Some(metrics) = report.metrics {
            let frechet = metrics.term("frechet");
            let seconds = metrics.speed.evaluation_s;
            assert_eq!(frechet.is_some(), seconds.is_some());
            assert_eq!(frechet.is_some(), metrics.frechet_by.is_some());
            let line = frechet.map(|frechet| (report.iteration, frechet));
            self.0.extend(line);
        }
        Ok(())
    }
}

/// Train in `dir`, and return iterations and distances of the evaluations.
fn train(
    config: &Config,
    judge: Option<&dyn SampleJudge>,
    dir: &Path,
) -> Result<Vec<(u64, f64)>, TrainError> {
    let data = ebm_data::load(&config.data, config.seed).expect("drawn");
    let mut run = Run::open(config, &data, &Device::flex(), &RunOptions::new(dir))?;
    if let Some(judge) = judge {
        run = run.with_judge(judge);
    }
    let mut watcher = Watcher::default();
    run.train(&mut [&mut watcher], &AtomicBool::new(false))?;
    Ok(watcher.0)
}

fn latest(dir: &Path) -> Checkpoint {
    let path = checkpoint::latest(dir).expect("readable").expect("one");
    checkpoint::read(&path).expect("whole")
}

fn best(dir: &Path) -> Option<Best> {
    Best::of_checkpoint(&latest(dir)).expect("a state")
}

#[test]
fn a_judge_sees_fresh_samples_at_every_interval_and_at_the_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let judge = Scripted::new("mine", &[3.0, 2.0, 1.0]);
    let found = train(&config(&["iterations=5"]), Some(&judge), dir.path()).expect("trains");
    assert_eq!(found, [(2, 3.0), (4, 2.0), (5, 1.0)]);
    let seen = judge.seen.into_inner();
    // 10 of them, in parts of 8 and 2.
    assert!(seen.iter().all(|samples| samples.len() == 10 * IMAGE));
    assert_ne!(seen[0][..IMAGE], seen[0][9 * IMAGE..]);
    assert_eq!(best(dir.path()), None);
}

#[test]
fn samples_are_the_same_whatever_the_images_of_a_batch() {
    let samples = |more: &[&str]| {
        let dir = tempfile::tempdir().expect("a folder");
        let config = config(&[&["model.conditional=true", "iterations=1"], more].concat());
        let data = ebm_data::load(&config.data, config.seed).expect("drawn");
        let options = RunOptions::new(dir.path().join("run"));
        let run = Run::open(&config, &data, &Device::flex(), &options).expect("opens");
        let judge = Scripted::new("mine", &[1.0]);
        assert_eq!(run.distance(&judge), 1.0);
        judge.seen.into_inner().remove(0)
    };
    assert_eq!(samples(&[]), samples(&["micro_batch=3"]));
}

#[test]
fn training_takes_nothing_from_an_evaluation() {
    let of = |more: &[&str], judge: Option<&dyn SampleJudge>| {
        let dir = tempfile::tempdir().expect("a folder");
        let config = config(&[&["iterations=5"], more].concat());
        train(&config, judge, dir.path()).expect("trains");
        let mut files = latest(dir.path()).files;
        files.retain(|name, _| name != "config.toml" && name != MANIFEST);
        assert!(files.len() > 3, "{:?}", files.keys());
        files
    };
    let judge = Scripted::new("mine", &[3.0, 2.0, 1.0]);
    let (with, without) = (
        of(&[], Some(&judge)),
        of(&["output.evaluate_every=0"], None),
    );
    assert!(with == without, "checkpoints differ");
}

#[test]
fn the_best_checkpoint_is_the_nearest_and_never_one_without_a_distance() {
    let dir = tempfile::tempdir().expect("a folder");
    let keys = [
        "iterations=6",
        "output.keep_best=true",
        "output.evaluate_every=1",
        "output.sample_every=1",
        "output.num_samples=4",
    ];
    let judge = Scripted::new("mine", &[3.0, f64::NAN, 1.0, 2.0]);
    let found = train(&config(&keys), Some(&judge), dir.path()).expect("trains");
    assert_eq!(found.len(), 6);
    assert!(found[1].1.is_nan(), "{found:?}");
    let where_it_fails = &found[4..];
    assert!(where_it_fails.iter().all(|(_, distance)| distance.is_nan()));
    let expected = Best {
        iteration: 3,
        measure: "frechet by mine, 10 samples of 3 steps".to_owned(),
        distance: 1.0,
    };
    assert_eq!(best(dir.path()), Some(expected));
    let is_kept = |step: u64| {
        dir.path()
            .join(format!("checkpoints/step_{step:06}"))
            .exists()
    };
    let kept: Vec<_> = (1..=6).filter(|&step| is_kept(step)).collect();
    assert_eq!(kept, [3, 6]);
}

#[test]
fn a_run_that_goes_on_under_another_judge_seeks_its_best_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let on_to = |iterations, judge: &Scripted| {
        let config = config(&[iterations, "output.keep_best=true"]);
        train(&config, Some(judge), dir.path()).expect("trains");
        let best = best(dir.path()).expect("one");
        (best.iteration, best.distance)
    };
    let first = Scripted::new("one", &[1.0, 2.0]);
    assert_eq!(on_to("iterations=4", &first), (2, 1.0));
    let same = Scripted::new("one", &[1.5]);
    assert_eq!(on_to("iterations=6", &same), (2, 1.0));
    let other = Scripted::new("other", &[9.0, 8.0]);
    assert_eq!(on_to("iterations=10", &other), (10, 8.0));
}

#[test]
fn samples_that_are_not_finite_have_no_distance() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = config(&["model.spectral_norm=false"]);
    let data = ebm_data::load(&config.data, config.seed).expect("drawn");
    let options = RunOptions::new(dir.path().join("run"));
    let mut run = Run::open(&config, &data, &Device::flex(), &options).expect("opens");
    let state = &mut run.trainer.state;
    state.ema = state.ema.clone() * f32::NAN;
    let judge = Scripted::new("mine", &[1.0]);
    assert!(run.distance(&judge).is_nan());
    assert!(judge.seen.into_inner().is_empty(), "bytes show no NaN");
}

#[test]
fn a_run_without_a_judge_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("run");
    let refused = train(&config(&["iterations=5"]), None, &path).expect_err("no judge");
    assert!(
        matches!(refused, TrainError::NoJudge { every: 2 }),
        "{refused}"
    );
    assert!(!path.exists());
}
