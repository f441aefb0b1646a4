//! Start the `ebm` binary under mpirun: however many ranks share a run, it becomes the same run, and whatever happens to
//! one of them, all end and nothing is lost.
//!
//! Without Open MPI nothing is tested, and that is said; with `EBM_REQUIRE_MPI=1` it is a failure.
#![cfg(unix)]

#[allow(dead_code)] // it serves the tests of one process, too
#[path = "../cli/common.rs"]
mod common;
mod job;

use std::path::Path;
use std::process::Command;

use common::{Finished, Scratch, assert_same_end, last_logged, latest};
use job::{Job, Mpi};

/// Iterations after which a run is asked to end.
const ENDLESS: [&str; 3] = ["--iterations", "1000000", "--quiet"];
/// Makes rank 1 panic, and nobody else: no stack of a thread is as large as it asks for.
const PANIC: &str = "if [ $OMPI_COMM_WORLD_RANK = 1 ]; then \
    export RUST_MIN_STACK=1000000000000000 RAYON_NUM_THREADS=1; fi;";
/// Keeps rank 1 from writing more than 1 KiB into a file, as a full disk does.
const FULL_DISK: &str = "if [ $OMPI_COMM_WORLD_RANK = 1 ]; then trap '' XFSZ; ulimit -f 1; fi;";
/// Starts rank 1 with another configuration.
const OTHER_SEED: &str = "if [ $OMPI_COMM_WORLD_RANK = 1 ]; then set -- \"$@\" --seed 7; fi;";
/// Has the launcher say that it has started more than MPI will find.
const UNSEEN: &str = "export OMPI_COMM_WORLD_SIZE=4;";
/// Sends messages over TCP, none through memory that ranks share, which is a file.
const TCP: [&str; 3] = ["--mca", "btl", "tcp,self"];

/// The command fails with one message, which is said once.
#[track_caller]
fn assert_fails_once(finished: &Finished, message: &str) {
    let stderr = &finished.stderr;
    assert_eq!(finished.code, Some(1), "{stderr}");
    assert_eq!(stderr.matches(message).count(), 1, "{message}: {stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// Both runs have the same last checkpoint to the byte, and the same metrics but for times.
#[track_caller]
fn assert_same_run(scratch: &Scratch, one: &str, other: &str) {
    assert_same_end(scratch, one, other);
    let [one, other] = [one, other].map(|run| latest(&scratch.join(run)).expect("a checkpoint"));
    for (name, bytes) in &one.files {
        assert!(other.files.get(name) == Some(bytes), "{name} differs");
    }
}

/// No iteration of a run that has ended is missing from its latest checkpoint.
#[track_caller]
fn assert_nothing_lost(run: &Path) -> u64 {
    let saved = latest(run).expect("a checkpoint").step;
    assert_eq!(last_logged(run), saved);
    saved
}

/// Copies of a run that was harmed, each gone on with by another number of ranks, become what a run becomes that one process
/// trains without a break.
#[track_caller]
fn assert_goes_on(mpi: &Mpi, scratch: &Scratch, run: &str, ranks: &[usize]) {
    let saved = latest(&scratch.join(run)).expect("a checkpoint").step;
    let total = (saved + 7).to_string();
    let to_end = ["--iterations", &total[..]];
    mpi.alone(scratch, "whole", &to_end).succeeds();
    for &ranks in ranks {
        let copy = format!("{run}-{ranks}");
        let copied = Command::new("cp")
            .arg("-r")
            .args([scratch.join(run), scratch.join(&copy)])
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "cp");
        mpi.train(scratch, ranks, &copy, &to_end).succeeds();
        assert_same_run(scratch, "whole", &copy);
    }
}

/// A run of two ranks, which has written a checkpoint and goes on.
fn endless<'a>(mpi: &Mpi, scratch: &'a Scratch, options: &[&str]) -> Job<'a> {
    let mut job = mpi.start(scratch, 2, options, "", "run", &ENDLESS);
    job.wait_for(&scratch.join("run/LATEST"));
    job
}

#[test]
fn one_two_and_four_ranks_train_the_same_run_to_the_byte_and_one_of_them_speaks() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    mpi.alone(&scratch, "alone", &[]).succeeds();
    for ranks in [1, 2, 4] {
        let run = format!("ranks-{ranks}");
        let forced = ["--distributed", "mpi"];
        let finished = mpi.train(&scratch, ranks, &run, &forced).succeeds();
        assert_same_run(&scratch, "alone", &run);
        assert_eq!(finished.stdout.lines().count(), 1, "{finished:#?}");
        let said = finished.stderr.matches("new run in").count();
        assert_eq!(said, 1, "{finished:#?}");
    }
}

#[test]
fn messages_over_tcp_are_the_same() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    mpi.alone(&scratch, "alone", &[]).succeeds();
    let job = mpi.start(&scratch, 2, &TCP, "", "run", &[]);
    job.end().succeeds();
    assert_same_run(&scratch, "alone", "run");
}

#[test]
fn one_rank_that_hears_sigusr1_stops_all_after_the_same_iteration_and_any_number_goes_on() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    let job = endless(&mpi, &scratch, &[]);
    job.signal("1", "USR1");
    let finished = job.end();
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    assert_nothing_lost(&scratch.join("run"));
    assert_goes_on(&mpi, &scratch, "run", &[4, 1]);
}

#[test]
fn mpirun_passes_sigusr1_on() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    let job = endless(&mpi, &scratch, &[]);
    job.signal("mpirun", "USR1");
    let finished = job.end();
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    assert_nothing_lost(&scratch.join("run"));
}

#[test]
fn sigterm_to_mpirun_ends_with_a_checkpoint() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    // Seconds that pass before the ranks hear of it, and again before they are killed.
    let job = endless(
        &mpi,
        &scratch,
        &["--mca", "odls_base_sigkill_timeout", "20"],
    );
    job.signal("mpirun", "TERM");
    let finished = job.end();
    assert!(
        finished.code.is_some_and(|code| code != 0 && code != 124),
        "{finished:#?}"
    );
    assert_nothing_lost(&scratch.join("run"));
    assert_goes_on(&mpi, &scratch, "run", &[2]);
}

#[test]
fn a_rank_that_is_killed_ends_all_and_the_run_goes_on_from_its_checkpoint() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    let job = endless(&mpi, &scratch, &[]);
    job.signal("1", "KILL");
    let finished = job.end();
    assert_eq!(finished.code, Some(128 + 9), "{finished:#?}");
    assert_goes_on(&mpi, &scratch, "run", &[4]);
}

#[test]
fn a_panic_in_one_rank_ends_all_with_its_message() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    let job = mpi.start(&scratch, 2, &[], PANIC, "run", &ENDLESS);
    let finished = job.end();
    assert_eq!(finished.code, Some(101), "{finished:#?}");
    let stderr = finished.stderr;
    // Whichever thread of that rank is the first to be started, and others before all have ended.
    assert!(stderr.contains("panicked"), "{stderr}");
    assert!(stderr.contains("rank 1 of 2:"), "{stderr}");
    assert!(!stderr.contains("rank 0 of 2:"), "{stderr}");
}

#[test]
fn a_full_disk_under_one_rank_ends_all_with_one_message_and_the_run_goes_on_with_room() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    let four = ["--iterations", "4"];
    mpi.train(&scratch, 2, "run", &four).succeeds();
    let job = mpi.start(&scratch, 2, &TCP, FULL_DISK, "run", &ENDLESS);
    assert_fails_once(&job.end(), "File too large");
    let saved = latest(&scratch.join("run")).map(|last| last.step);
    assert_eq!(saved, Some(4), "the checkpoint before it stays");
    assert_goes_on(&mpi, &scratch, "run", &[2]);
}

#[test]
fn ranks_that_cannot_share_the_shards_are_refused_once() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    let three = mpi.train(&scratch, 3, "run", &[]);
    assert_fails_once(&three, "3 ranks cannot share 4 shards");
    let four = mpi.train(&scratch, 4, "run", &["--set", "shards=2"]);
    assert_fails_once(&four, "4 ranks cannot share 2 shards");
    assert!(!scratch.join("run").exists());
}

#[test]
fn a_process_that_does_not_see_the_others_is_refused() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    let job = mpi.start(&scratch, 1, &[], UNSEEN, "run", &[]);
    assert_fails_once(
        &job.end(),
        "OMPI_COMM_WORLD_SIZE=4 says that this is one of several processes, but MPI sees one; start them with",
    );
    assert!(!scratch.join("run").exists());
}

#[test]
fn ranks_with_different_configurations_are_refused_once() {
    let Some(mpi) = Mpi::installed() else { return };
    let scratch = Scratch::new();
    let job = mpi.start(&scratch, 2, &[], OTHER_SEED, "run", &[]);
    assert_fails_once(&job.end(), "rank 1 has another configuration than rank 0");
    assert!(!scratch.join("run").exists());
}
