//! Start a build without MPI as one of several processes: none of them writes into the directory of the others.

use crate::common::{Finished, Scratch};

fn train_as_one_of(processes: &str, scratch: &Scratch, args: &[&str]) -> Finished {
    let mut command = scratch.train_command("run", args);
    let output = command.env("OMPI_COMM_WORLD_SIZE", processes).output();
    Finished::from(output.expect("the binary starts"))
}

#[test]
fn one_of_several_processes_is_refused_before_it_writes_anything() {
    let scratch = Scratch::new();
    let refused = train_as_one_of("2", &scratch, &[]);
    refused.fails_saying(&[
        "OMPI_COMM_WORLD_SIZE=2",
        "--features mpi",
        "--distributed off",
    ]);
    assert!(!scratch.join("run").exists());
}

#[test]
fn a_process_that_is_started_alone_or_is_to_work_alone_does() {
    let scratch = Scratch::new();
    train_as_one_of("1", &scratch, &[]).succeeds();
    let more = ["--distributed", "off", "--iterations", "3"];
    train_as_one_of("2", &scratch, &more).succeeds();
}

#[test]
fn mpi_is_refused_by_a_build_without_it() {
    let scratch = Scratch::new();
    scratch.refuses_to_train(&["--distributed", "mpi"], &["no MPI", "--features mpi"]);
}
