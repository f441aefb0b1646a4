//! Train on disks that are full or become so, and in folders that close: what is saved stays whole, and a run goes on
//! when it can.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Scratch, latest};
use crate::torture::{Losses, ROUNDS, TORTURED, pauses, train_and};

/// A file system in memory.
pub struct SmallDisk(PathBuf);

fn quietly(program: &str, args: &[&str], path: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl SmallDisk {
    /// One of this size, as `mount` takes it; nothing without the right to mount.
    pub fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&path).expect("a folder to mount on");
        let size = format!("size={size}");
        let args = ["-t", "tmpfs", "-o", &size, "tmpfs"];
        let is_mounted = quietly("mount", &args, &path);
        if !is_mounted {
            eprintln!("skipped: this user may not mount a file system");
        }
        is_mounted.then_some(Self(path))
    }

    fn grow(&self) -> bool {
        quietly("mount", &["-o", "remount,size=16m"], &self.0)
    }

    /// Write a file that takes all that is left.
    fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file");
        let block = [7; 1 << 12];
        let full = loop {
            if let Err(error) = file.write_all(&block) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).expect("the file is there");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        quietly("umount", &[], &self.0);
    }
}

#[test]
fn a_full_disk_is_reported_and_the_checkpoints_before_it_stay_whole() {
    let scratch = Scratch::new();
    let Some(disk) = SmallDisk::mount(scratch.join("small"), "300k") else {
        return;
    };
    let keys = ["output.checkpoint_every=2", "output.keep_checkpoints=50"];
    let args = ["--iterations", "20", "--set", keys[0], "--set", keys[1]];
    scratch
        .train("small/run", &args)
        .fails_saying(&["No space left", "--run-dir"]);
    let run = scratch.join("small/run");
    let before = latest(&run).expect("a checkpoint fits on the disk").step;
    assert!((2..20).contains(&before), "{before}");
    let again = scratch.train("small/run", &args);
    again.fails_saying(&["No space left", "--run-dir"]);
    assert_eq!(latest(&run).map(|last| last.step), Some(before));
    scratch.sample("small/run", &[]).succeeds();

    assert!(disk.grow());
    scratch.train("small/run", &args).succeeds();
    assert_eq!(latest(&run).map(|last| last.step), Some(20));
}

#[test]
fn a_disk_that_fills_up_costs_at_most_one_interval_and_changes_no_byte() {
    let scratch = Scratch::new();
    let Some(disk) = SmallDisk::mount(scratch.join("small"), "16m") else {
        return;
    };
    let run = scratch.join("small/run");
    let mut losses = Losses::default();
    for pause in pauses().take(ROUNDS) {
        let command = scratch.train_command("small/run", &TORTURED);
        let harmed = train_and(command, pause, || disk.fill());
        harmed.fails_saying(&["No space left"]);
        disk.empty();
        losses.look(&scratch, &run);
    }
    println!("full disks: {losses}");
    losses.assert_none_in_the_end(&scratch, &run);
}

/// Let all folders of a run take new files, or none. One that the run renames or removes meanwhile is left out.
fn open_folders(folder: &Path, are_open: bool) {
    let mode = if are_open { 0o755 } else { 0o555 };
    let is_there = |done: io::Result<()>| match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        done => {
            done.expect("the owner may");
            true
        }
    };
    // From above: in a folder that is closed, none is renamed or removed any more.
    if is_there(fs::set_permissions(folder, Permissions::from_mode(mode))) {
        let below = fs::read_dir(folder).expect("a folder");
        for entry in below.map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                open_folders(&entry, are_open);
            }
        }
    }
}

/// The program as one runs it who may not write into closed folders, as root may.
pub fn as_a_user(scratch: &Scratch, command: &Command) -> Command {
    /// The user `nobody`, by custom.
    const NOBODY: u32 = 65_534;
    // SAFETY: it asks the system for a number.
    if unsafe { libc::geteuid() } != 0 {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args())
            .current_dir(scratch.join(""))
            .env_remove("RUST_LOG");
        return same;
    }
    // Where the program lies, others may have no right to look.
    let program = scratch.join("ebm");
    if !program.exists() {
        fs::copy(command.get_program(), &program).expect("the binary can be copied");
        std::os::unix::fs::chown(scratch.join(""), Some(NOBODY), Some(NOBODY)).expect("root may");
    }
    let mut as_nobody = Command::new(program);
    let args: Vec<&OsStr> = command.get_args().collect();
    as_nobody
        .args(args)
        .current_dir(scratch.join(""))
        .env_remove("RUST_LOG")
        .uid(NOBODY)
        .gid(NOBODY);
    as_nobody
}

#[test]
fn folders_that_become_read_only_cost_at_most_one_interval_and_change_no_byte() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    let mut losses = Losses::default();
    for pause in pauses().take(ROUNDS) {
        let command = as_a_user(&scratch, &scratch.train_command("run", &TORTURED));
        let harmed = train_and(command, pause, || open_folders(&run, false));
        open_folders(&run, true);
        harmed.fails_saying(&["Permission denied"]);
        losses.look(&scratch, &run);
    }
    println!("read-only folders: {losses}");
    losses.assert_none_in_the_end(&scratch, &run);
}
