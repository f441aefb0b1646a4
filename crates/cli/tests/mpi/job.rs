//! Start some ranks with mpirun, do something to one of them, and wait for the end of all.

use std::fs::{self, File};
use std::io::{Write, stderr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use crate::common::{Finished, Scratch};

/// What every run here is asked for: that one which goes on for minutes does not collapse, too.
const SHARDED: [&str; 8] = [
    "--set",
    "shards=4",
    "--set",
    "output.checkpoint_every=5",
    "--set",
    "lr=1e-4",
    "--set",
    "sample_energy_l2=0",
];
/// Seconds that a job may take.
const LIMIT: u64 = 120;
/// Says in files what its process is, and what that of mpirun.
const SHELL: &str = "echo $PPID > pid.mpirun; echo $$ > pid.$OMPI_COMM_WORLD_RANK;";

/// The right to start ranks: one test at a time has it, as each fills the machine.
pub struct Mpi {
    _alone: MutexGuard<'static, ()>,
}

/// Ranks at work.
pub struct Job<'a> {
    mpirun: Child,
    scratch: &'a Scratch,
}

impl Mpi {
    /// Open MPI, where it is installed.
    pub fn installed() -> Option<Self> {
        static ONE: Mutex<()> = Mutex::new(());
        let version = Command::new("mpirun").arg("--version").output();
        let is_there = version.is_ok_and(|said| {
            said.status.success() && String::from_utf8_lossy(&said.stdout).contains("Open MPI")
        });
        let is_required = std::env::var("EBM_REQUIRE_MPI").is_ok_and(|value| value == "1");
        assert!(
            is_there || !is_required,
            "EBM_REQUIRE_MPI=1, and there is no mpirun of Open MPI"
        );
        if !is_there {
            // Not with a macro: what those print the test harness keeps to itself.
            let skipped =
                b"\n*** SKIPPED: no mpirun of Open MPI was found; MPI is not tested ***\n";
            stderr().write_all(skipped).expect("stderr");
            return None;
        }
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Self { _alone: alone })
    }

    /// Train in one process, without mpirun.
    pub fn alone(&self, scratch: &Scratch, run: &str, args: &[&str]) -> Finished {
        scratch.train(run, &[&SHARDED, args].concat())
    }

    /// Train with so many ranks to the end.
    pub fn train(&self, scratch: &Scratch, ranks: usize, run: &str, args: &[&str]) -> Finished {
        self.start(scratch, ranks, &[], "", run, args).end()
    }

    /// Start so many ranks; mpirun takes these `options`, and each rank is a shell that does what `before` says before it
    /// becomes the program.
    pub fn start<'a>(
        &self,
        scratch: &'a Scratch,
        ranks: usize,
        options: &[&str],
        before: &str,
        run: &str,
        args: &[&str],
    ) -> Job<'a> {
        let output = |name| File::create(scratch.join(name)).expect("a file");
        let ebm = scratch.train_command(run, &[&SHARDED, args].concat());
        let script = format!("{SHELL} {before} exec \"$@\"");
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", &LIMIT.to_string()])
            .args(["mpirun", "--allow-run-as-root", "--oversubscribe"])
            .args(["--bind-to", "none", "-np", &ranks.to_string()])
            .args(options)
            .args(["bash", "-c", &script, "ebm"])
            .arg(ebm.get_program())
            .args(ebm.get_args())
            .current_dir(scratch.join(""))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            // Not pipes: a full one would stop a run that nobody reads yet.
            .stdout(output("stdout"))
            .stderr(output("stderr"));
        Job {
            mpirun: command.spawn().expect("timeout, of the coreutils, starts"),
            scratch,
        }
    }
}

impl Job<'_> {
    /// Wait until a file is there, for as long as ranks are at work.
    #[track_caller]
    pub fn wait_for(&mut self, path: &Path) {
        while !path.exists() {
            let ended = self.mpirun.try_wait().expect("the state of the process");
            assert!(ended.is_none(), "it ended early: {:#?}", self.output());
            sleep(Duration::from_millis(50));
        }
    }

    /// Send a signal to a rank, or to `mpirun`.
    #[track_caller]
    pub fn signal(&self, whom: &str, signal: &str) {
        let process = fs::read_to_string(self.scratch.join(&format!("pid.{whom}")));
        let process = process.expect("the number of the process");
        let signal = format!("-{signal}");
        let sent = Command::new("kill")
            .args([&signal[..], process.trim()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {process}");
    }

    /// Wait for the end.
    pub fn end(mut self) -> Finished {
        let status = self.mpirun.wait().expect("it ends");
        let [stdout, stderr] = self.output();
        Finished {
            code: status.code(),
            stdout,
            stderr,
        }
    }

    fn output(&self) -> [String; 2] {
        ["stdout", "stderr"].map(|name| {
            let bytes = fs::read(self.scratch.join(name)).expect("a file that was made");
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }
}
