//! Run the `ebm` binary on tiny jobs and look at what it says and leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ebm_cli::save_npy_u8;
use ebm_train::checkpoint::{self, Checkpoint};
use image::{Rgb, RgbImage};
use serde_json::{Map, Value};
use tempfile::TempDir;

/// A model with classes, with a learning rate at which a few iterations tell the classes apart.
pub const CONDITIONAL: [&str; 6] = [
    "--set",
    "model.conditional=true",
    "--set",
    "lr=0.02",
    "--iterations",
    "20",
];

/// Keys with which an iteration takes milliseconds, and a run two iterations.
const TINY: [&str; 13] = [
    "iterations=2",
    "batch_size=8",
    "model.filters=4",
    "langevin.num_steps=4",
    "buffer.capacity=32",
    "data.train_images=64",
    "data.test_images=0",
    "data.image_size=16",
    "optimizer.warmup=10",
    "output.log_every=1",
    "output.sample_every=0",
    "output.num_samples=4",
    "output.sample_steps=4",
];

/// Keys of a line of metrics that depend on the machine.
const TIMING: [&str; 5] = [
    "image_steps_per_s",
    "s_per_iteration",
    "elapsed_s",
    "eta_s",
    "evaluation_s",
];

/// Every file and folder below a directory; of a file, the checksum.
pub type Tree = BTreeMap<PathBuf, Option<u32>>;

/// A temporary directory in which the binary runs.
pub struct Scratch(TempDir);

/// Let signals reach a process as they do from a terminal, whatever those who run the tests ignore: what is ignored at
/// the start stays ignored.
#[cfg(unix)]
fn hear_signals(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    let heed = || {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: the default action of a signal may be taken at any time.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: it calls `signal` alone, which is allowed between fork and exec.
    unsafe { command.pre_exec(heed) };
}

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Write a file and the folders above it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("the folder above");
        fs::write(&path, bytes).expect("a file in a temporary directory");
        path
    }

    /// Write a picture of one colour.
    pub fn write_picture(&self, name: &str, colour: [u8; 3]) {
        let path = self.write(name, "");
        let picture = RgbImage::from_pixel(20, 18, Rgb(colour));
        picture
            .save(path)
            .expect("a picture in a temporary directory");
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ebm"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env_remove("RUST_LOG");
        #[cfg(unix)]
        hear_signals(&mut command);
        command
    }

    pub fn ebm(&self, args: &[&str]) -> Finished {
        Finished::from(self.command(args).output().expect("the binary starts"))
    }

    /// Run a command line whose words are separated by spaces.
    pub fn line(&self, line: &str) -> Finished {
        self.ebm(&line.split(' ').collect::<Vec<_>>())
    }

    /// A tiny training job; `args` have the last word.
    pub fn train_command(&self, run_dir: &str, args: &[&str]) -> Command {
        self.train_command_on("cpu", run_dir, args)
    }

    pub fn train_command_on(&self, device: &str, run_dir: &str, args: &[&str]) -> Command {
        let mut command = self.command(&["train", "--device", device, "--run-dir", run_dir]);
        let is_drawn = !self.reads_files(run_dir, args);
        let tiny = TINY.iter();
        let tiny = tiny.filter(|assignment| is_drawn || !assignment.contains("_images="));
        command
            .args(tiny.flat_map(|assignment| ["--set", assignment]))
            .args(args);
        let in_colour = |arg: &&str| ["folder", "arrays", "cifar10", "cifar100"].contains(arg);
        if args.iter().any(in_colour) && !args.contains(&"--preset") {
            // Of their own accord they are learned by a network that has no filters to set.
            command.args(["--preset", "digits"]);
        }
        command
    }

    /// Whether a training job reads its images from files, of which all are used.
    fn reads_files(&self, run_dir: &str, args: &[&str]) -> bool {
        let config = fs::read_to_string(self.join(run_dir).join("config.toml"));
        let names_dir = |arg: &&str| *arg == "--data-dir" || arg.starts_with("data.dir=");
        let flags = args.windows(2).filter(|pair| pair[0] == "--dataset");
        let keys = args
            .iter()
            .filter_map(|arg| arg.strip_prefix("data.dataset="));
        let mut datasets = flags.map(|pair| pair[1]).chain(keys);
        args.iter().any(names_dir)
            || config.is_ok_and(|text| text.contains("\ndir = "))
            || datasets.any(|name| !["digits", "shapes"].contains(&name))
    }

    pub fn train(&self, run_dir: &str, args: &[&str]) -> Finished {
        self.train_on("cpu", run_dir, args)
    }

    pub fn train_on(&self, device: &str, run_dir: &str, args: &[&str]) -> Finished {
        let output = self.train_command_on(device, run_dir, args).output();
        Finished::from(output.expect("the binary starts"))
    }

    /// Four samples of a run, in four steps.
    pub fn sample(&self, source: &str, args: &[&str]) -> Finished {
        let first = ["sample", source, "--device", "cpu", "--num", "4"];
        let all = [&first[..], args].concat();
        self.ebm(&all)
    }

    pub fn tree(&self) -> Tree {
        tree(self.0.path())
    }

    /// The command fails with exit code 1 and these words, and leaves everything as it was.
    #[track_caller]
    pub fn refuses(&self, args: &[&str], fragments: &[&str]) {
        let before = self.tree();
        self.ebm(args).fails_saying(fragments);
        self.assert_unchanged_since(&before);
    }

    /// The same for a tiny training job in `run`.
    #[track_caller]
    pub fn refuses_to_train(&self, args: &[&str], fragments: &[&str]) {
        let before = self.tree();
        self.train("run", args).fails_saying(fragments);
        self.assert_unchanged_since(&before);
    }

    /// The command fails with exit code 2, as its own words are wrong, and leaves everything as it was.
    #[track_caller]
    pub fn refuses_as_typed(&self, args: &[&str], fragments: &[&str]) {
        let before = self.tree();
        self.ebm(args).fails_with(2, fragments);
        self.assert_unchanged_since(&before);
    }

    /// The same for a tiny training job in `run`.
    #[track_caller]
    pub fn refuses_to_train_as_typed(&self, args: &[&str], fragments: &[&str]) {
        let before = self.tree();
        self.train("run", args).fails_with(2, fragments);
        self.assert_unchanged_since(&before);
    }

    #[track_caller]
    pub fn assert_unchanged_since(&self, before: &Tree) {
        let changed = differences(before, &self.tree());
        assert!(changed.is_empty(), "changed: {changed:?}");
    }
}

/// How the binary ended, and what it said.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Finished {
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// An error was reported, in these words, once, and not by a panic.
    #[track_caller]
    pub fn fails_saying(self, fragments: &[&str]) {
        self.fails_with(1, fragments);
    }

    #[track_caller]
    pub fn fails_with(self, code: i32, fragments: &[&str]) {
        let stderr = &self.stderr;
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert_eq!(self.code, Some(code), "{self:#?}");
        for fragment in fragments {
            assert!(stderr.contains(fragment), "no {fragment:?} in: {stderr}");
        }
        let message = stderr.rsplit("error: ").next().unwrap_or_default().trim();
        let cause = message.rsplit(": ").next().unwrap_or_default();
        let times = message.matches(cause).count();
        assert!(
            cause.len() < 12 || times == 1,
            "{cause:?} is said {times} times: {message}"
        );
    }
}

/// Everything below `root`.
pub fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder that can be read") {
            let path = entry.expect("an entry of a folder").path();
            let name = path
                .strip_prefix(root)
                .expect("a path below the root")
                .to_owned();
            if path.is_dir() {
                folders.push(path);
                found.insert(name, None);
            } else {
                let bytes = fs::read(&path).expect("a file that can be read");
                found.insert(name, Some(crc32fast::hash(&bytes)));
            }
        }
    }
    found
}

/// What is in one tree and not, or not the same, in the other.
pub fn differences(one: &Tree, other: &Tree) -> Vec<PathBuf> {
    let missing = other.keys().filter(|path| !one.contains_key(*path));
    let changed = one
        .iter()
        .filter(|(path, content)| other.get(*path) != Some(content));
    changed
        .map(|(path, _)| path)
        .chain(missing)
        .cloned()
        .collect()
}

/// The latest checkpoint of a run, verified.
pub fn latest(run: &Path) -> Option<Checkpoint> {
    let path = checkpoint::latest(run).expect("a run directory that can be read")?;
    Some(checkpoint::read(&path).expect("a whole checkpoint"))
}

/// The whole lines of `metrics.jsonl`, without what depends on the machine.
pub fn metrics(run: &Path) -> Vec<Map<String, Value>> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let without_timing = lines.map(|mut line: Map<String, Value>| {
        TIMING.iter().for_each(|key| {
            line.remove(*key);
        });
        line
    });
    without_timing.collect()
}

/// The iteration of the last line of metrics; 0 without one.
pub fn last_logged(run: &Path) -> u64 {
    let last = metrics(run).pop();
    last.and_then(|line| line["iteration"].as_u64())
        .unwrap_or(0)
}

/// A run of two iterations.
pub fn trained() -> Scratch {
    trained_with(&[])
}

/// The same with these arguments, which have the last word.
pub fn trained_with(args: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    scratch.train("run", args).succeeds();
    scratch
}

pub fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file that was written")
}

pub fn size_of_picture(path: &Path) -> (u32, u32) {
    image::image_dimensions(path).expect("a picture")
}

/// The elements of an array of f32 that was written.
pub fn floats(path: &Path) -> Vec<f32> {
    let bytes = bytes(path);
    let file = npyz::NpyFile::new(bytes.as_slice()).expect("an array");
    file.into_vec().expect("elements")
}

/// Three images of 16×16 grey pixels.
pub fn images(scratch: &Scratch) -> &'static str {
    let pixels: Vec<u8> = (0..3 * 256).map(|i| (i * 37 % 251) as u8).collect();
    let path = scratch.join("images.npy");
    save_npy_u8(&path, &[3, 16, 16, 1], &pixels).expect("written");
    "images.npy"
}

/// Both runs hold the same last checkpoint, pictures, configuration and metrics.
#[track_caller]
pub fn assert_same_end(scratch: &Scratch, one: &str, other: &str) {
    let (one, other) = (scratch.join(one), scratch.join(other));
    let ends = [&one, &other].map(|run| latest(run).expect("a finished run has a checkpoint"));
    assert_eq!(ends[0].step, ends[1].step);
    let different = differences(&tree(&ends[0].path), &tree(&ends[1].path));
    assert!(
        different.is_empty(),
        "the last checkpoints differ in {different:?}"
    );
    let (mut left, mut right) = (tree(&one), tree(&other));
    for tree in [&mut left, &mut right] {
        // Lines of metrics hold times; of the checkpoints only the last is the same.
        tree.retain(|path, _| {
            !["checkpoints", "metrics.jsonl"]
                .iter()
                .any(|it| path.starts_with(it))
        });
    }
    let different = differences(&left, &right);
    assert!(different.is_empty(), "the runs differ in {different:?}");
    assert_eq!(metrics(&one), metrics(&other));
}
