//! Write files so that a reader, or a crash, sees the old content or the new one, never a mixture.
//!
//! Every change that a checkpoint makes on disk goes through this file, so that a test can stop it
//! at any of them, as `kill -9` would (see `crash`).

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;

use ebm_core::file_system::{folder_of, is_unsupported};

/// Writes `bytes` to `path`: to `<path>.tmp` first, then fsync, rename, and fsync of the directory.
///
/// # Errors
/// What the file system reports; `path` is then as it was and the temporary file is removed.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = with_suffix(path, ".tmp");
    let written = write_synced(&temporary, bytes).and_then(|()| rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_directory(folder_of(path))
}

/// Writes `bytes` to `path`, in place, and returns once the device has them.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    crash::point();
    let mut file = File::create(path)?;
    crash::point();
    file.write_all(bytes)?;
    crash::point();
    sync(&file, path)
}

/// Gives a file or a directory another name on the same file system, in one step.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    crash::point();
    fs::rename(from, to)
}

/// Creates a directory whose parent exists.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    crash::point();
    fs::create_dir(path)
}

/// Creates a directory unless it is there; its parent has to exist, so that nothing is made anew where a run
/// directory was and is gone.
pub(crate) fn ensure_dir(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        created => created,
    }
}

/// Removes a directory and all that is in it, file by file: not in one step.
pub(crate) fn remove_dir_all(path: &Path) -> io::Result<()> {
    crash::point();
    // So that a test can stop half-way.
    #[cfg(test)]
    for entry in fs::read_dir(path)? {
        fs::remove_file(entry?.path())?;
        crash::point();
    }
    fs::remove_dir_all(path)
}

/// Makes the names in a directory durable. Windows has no such call: the rename has to do there.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    crash::point();
    #[cfg(unix)]
    sync(&File::open(path)?, path)?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Waits for the device, where its file system can. Not in tests: they stop a process, not the machine, and
/// that loses nothing.
fn sync(file: &File, path: &Path) -> io::Result<()> {
    if cfg!(test) {
        return Ok(());
    }
    unless_unsupported(file.sync_all(), path)
}

/// Goes on, with one warning, where a file system cannot wait for its device.
fn unless_unsupported(synced: io::Result<()>, path: &Path) -> io::Result<()> {
    static WARNED: Once = Once::new();
    match synced {
        Err(error) if is_unsupported(&error) => {
            WARNED.call_once(|| {
                tracing::warn!(
                    "the file system of {} cannot wait for its device ({error}): a checkpoint survives the end \
                     of this program at any moment, and perhaps not that of the machine",
                    path.display()
                );
            });
            Ok(())
        }
        synced => synced,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(not(test))]
mod crash {
    #[inline(always)]
    pub(super) fn point() {}
}

/// Stops the disk work of this thread at a chosen operation: nothing runs after it, not even clean-up.
#[cfg(test)]
pub(crate) mod crash {
    use std::cell::Cell;
    use std::panic::{UnwindSafe, catch_unwind, resume_unwind};

    thread_local!(static OPERATIONS_LEFT: Cell<Option<usize>> = const { Cell::new(None) });

    pub(super) fn point() {
        match OPERATIONS_LEFT.get() {
            Some(0) => resume_unwind(Box::new("crash")),
            left => OPERATIONS_LEFT.set(left.map(|left| left - 1)),
        }
    }

    /// Runs `work` and lets it make `operations` changes on disk; `None` if it wanted more.
    pub(crate) fn after<T>(operations: usize, work: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
        OPERATIONS_LEFT.set(Some(operations));
        let result = catch_unwind(work);
        let crashed = OPERATIONS_LEFT.replace(None) == Some(0);
        match result {
            Ok(value) => Some(value),
            Err(panic) if !crashed => resume_unwind(panic),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_whole_content_and_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LATEST");
        write_atomically(&path, b"a longer first text").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_crash_at_any_operation_leaves_the_old_text_or_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LATEST");
        let mut crashes = 0;
        loop {
            fs::write(&path, b"old").unwrap();
            let finished = crash::after(crashes, || write_atomically(&path, b"new").unwrap());
            let text = fs::read(&path).unwrap();
            assert!(text == b"old" || text == b"new", "{text:?}");
            if finished.is_some() {
                break;
            }
            crashes += 1;
        }
        assert_eq!(crashes, 5); // create, write, fsync, rename, fsync of the directory
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_system_that_cannot_wait_for_its_device_is_no_obstacle_and_a_bad_device_is() {
        let synced = |code| {
            let failed = Err(io::Error::from_raw_os_error(code));
            unless_unsupported(failed, Path::new("run")).map_err(|error| error.raw_os_error())
        };
        let [eio, einval, enospc, enosys] = [5, 22, 28, 38];
        assert_eq!([einval, enosys].map(synced), [Ok(()), Ok(())]);
        assert_eq!([eio, enospc].map(synced), [Err(Some(5)), Err(Some(28))]);
    }

    #[test]
    fn a_directory_is_made_beside_others_and_never_with_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("samples");
        ensure_dir(&path).unwrap();
        ensure_dir(&path).unwrap();
        assert!(path.is_dir());
        assert!(ensure_dir(&dir.path().join("gone/samples")).is_err());
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(ensure_dir(&dir.path().join("file")).is_err());
    }

    #[test]
    fn a_failed_write_leaves_the_target_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("sheet.png");
        fs::create_dir(&target).unwrap(); // a file cannot take the name of a directory
        assert!(write_atomically(&target, b"x").is_err());
        assert!(target.is_dir());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
