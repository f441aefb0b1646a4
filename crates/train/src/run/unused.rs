//! Tell a directory that is free for a new run from one that belongs to something else.

use std::fs::{self, DirEntry};
use std::path::Path;

use super::lock::LOCK;
use crate::error::TrainError;

/// Files of a run that ended before its configuration was written, by which ranks tell whether they share the directory
/// among them, and features by which its samples are to be judged.
const OWN: [&str; 6] = [
    LOCK,
    ".shared",
    ".shared.tmp",
    "samples",
    "config.toml.tmp",
    "features.safetensors",
];
/// What systems and version control leave in folders of all kinds.
const LITTER: [&str; 5] = [
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    ".gitignore",
    ".gitkeep",
];
/// What a file of NFS is called while it is open and deleted.
const OPEN_AND_DELETED: &str = ".nfs";
/// A folder of the file system itself.
const OF_FILE_SYSTEM: &str = "lost+found";
/// Extensions of what schedulers and shells write about a job: `slurm-123.out`, `nohup.out`.
const LOGS: [&str; 3] = ["log", "out", "err"];

/// Whether a directory holds nothing that anybody has put there for a purpose of its own.
pub(super) fn is_unused(path: &Path) -> Result<bool, TrainError> {
    let mut entries = fs::read_dir(path).map_err(TrainError::writing(path))?;
    Ok(entries.all(|entry| entry.is_ok_and(|entry| belongs_to_nobody(&entry))))
}

fn belongs_to_nobody(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
    name.to_str().is_some_and(|name| {
        let is_of_file_system = is_folder && name == OF_FILE_SYSTEM;
        OWN.contains(&name) || is_of_file_system || (!is_folder && is_litter(name))
    })
}

/// Whether a file of this name may be in the directory of a run that has not begun.
fn is_litter(name: &str) -> bool {
    let extension = Path::new(name).extension();
    let is_log = LOGS
        .iter()
        .any(|log| extension.is_some_and(|it| it == *log));
    is_log || LITTER.contains(&name) || name.starts_with(OPEN_AND_DELETED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a directory with these files and folders, whose names end in `/`, is unused.
    fn is_unused_with(names: &[&str]) -> bool {
        let dir = tempfile::tempdir().expect("a folder");
        for name in names {
            let path = dir.path().join(name);
            if name.ends_with('/') {
                fs::create_dir(path).expect("a folder");
            } else {
                fs::write(path, "").expect("a file");
            }
        }
        is_unused(dir.path()).expect("readable")
    }

    #[test]
    fn logs_of_jobs_and_what_systems_leave_do_not_make_a_directory_used() {
        assert!(is_unused_with(&[]));
        let litter = [
            "slurm-123.out",
            "slurm-123_4.err",
            "train.log",
            "nohup.out",
            "lost+found/",
            ".DS_Store",
            "Thumbs.db",
            "desktop.ini",
            ".gitignore",
            ".gitkeep",
            ".nfs000000000123",
            ".lock",
            ".shared",
            ".shared.tmp",
            "samples/",
            "features.safetensors",
        ];
        for name in litter {
            assert!(is_unused_with(&[name]), "{name}");
        }
        assert!(is_unused_with(&litter));
    }

    #[test]
    fn anything_else_does() {
        for name in [
            "thesis.tex",
            "results.log/",
            "lost+found",
            ".git/",
            "log",
            ".log",
            "out.txt",
            "model.safetensors",
            "picture.png",
            "metrics.jsonl",
        ] {
            assert!(!is_unused_with(&[name]), "{name}");
            assert!(!is_unused_with(&["nohup.out", name]), "{name}");
        }
    }
}
