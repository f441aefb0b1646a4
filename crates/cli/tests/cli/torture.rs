//! Harm a run again and again, and see what is lost.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::common::{Finished, Scratch, last_logged, latest, metrics};

/// How often a run is harmed.
pub const ROUNDS: usize = 20;
/// Iterations between checkpoints.
const INTERVAL: u64 = 5;
/// What a run is asked for that is to be harmed.
pub const TORTURED: [&str; 4] = [
    "--iterations",
    "1000000",
    "--set",
    "output.checkpoint_every=5",
];

/// Times from 30 to 400 ms, the same in every run of the test unless `EBM_KILL_SEED` asks for others.
pub fn pauses() -> impl Iterator<Item = Duration> {
    // Numerical Recipes' 32-bit linear congruential generator.
    let next = |x: &u32| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let seed = std::env::var("EBM_KILL_SEED").map_or(20_190_604, |seed| {
        seed.parse().expect("EBM_KILL_SEED is a number")
    });
    let states = std::iter::successors(Some(seed), next).skip(1);
    states.map(|x| Duration::from_millis(30 + u64::from(x >> 16) % 371))
}

/// Start training that does not end by itself, do `harm` after a pause from the first iteration, and wait for the end.
pub fn train_and(mut command: Command, pause: Duration, harm: impl FnOnce()) -> Finished {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut said = String::new();
    while !said.contains("/1000000 ") {
        let bytes = stderr.read_line(&mut said).expect("lines of text");
        assert!(bytes > 0, "it ended early, {:?}: {said}", child.wait());
    }
    sleep(pause);
    harm();
    stderr.read_to_string(&mut said).expect("text");
    Finished {
        code: child.wait().expect("it ends").code(),
        stdout: String::new(),
        stderr: said,
    }
}

/// What a run lost so far.
#[derive(Default)]
pub struct Losses {
    rounds: usize,
    /// Iterations in the latest checkpoint.
    saved: u64,
    /// Iterations that one harm cost at most.
    most: u64,
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rounds,
            saved,
            most,
        } = self;
        write!(
            f,
            "{saved} iterations were saved over {rounds}, each of which lost at most {most}"
        )
    }
}

impl Losses {
    /// Look at a run that was harmed: it has the iterations of the last interval at worst to do again.
    #[track_caller]
    pub fn look(&mut self, scratch: &Scratch, run: &Path) {
        self.rounds += 1;
        let (round, saved) = (self.rounds, self.saved);
        let step = latest(run).map_or(0, |checkpoint| checkpoint.step);
        assert!(
            step >= saved,
            "round {round} fell back from {saved} to {step}"
        );
        let lost = last_logged(run).saturating_sub(step);
        assert!(lost <= INTERVAL, "round {round} lost {lost} iterations");
        self.most = self.most.max(lost);
        self.saved = step;
        if step > 0 {
            let run = run.to_str().expect("a path of ASCII");
            scratch.sample(run, &["--steps", "1"]).succeeds();
        }
    }

    /// Let the run end in peace: it becomes what a run becomes that nobody harmed.
    #[track_caller]
    pub fn assert_none_in_the_end(&self, scratch: &Scratch, run: &Path) {
        let total = (self.saved + 10).to_string();
        let finish = [&TORTURED[2..], &["--iterations", &total]].concat();
        let name = run.to_str().expect("a path of ASCII");
        scratch.train(name, &finish).succeeds();
        let rarely = [
            "--iterations",
            &total,
            "--set",
            "output.checkpoint_every=1000000",
        ];
        scratch.train("whole", &rarely).succeeds();
        let whole = scratch.join("whole");
        let [tortured, unharmed] = [run, &whole].map(|run| {
            let mut end = latest(run).expect("a finished run has a checkpoint");
            // It says how often checkpoints were written.
            end.files.remove("config.toml");
            end
        });
        assert_eq!(tortured.step, unharmed.step);
        for (name, bytes) in &unharmed.files {
            assert!(tortured.files[name] == *bytes, "{name} differs");
        }
        assert_eq!(metrics(run), metrics(&whole));
    }
}
