//! Lock a run directory against other processes, where its file system has locks.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ebm_core::file_system::is_unsupported;

use crate::error::TrainError;

/// The file whose lock a process holds while it trains.
pub(super) const LOCK: &str = ".lock";

/// The lock of a directory, until it is dropped.
#[derive(Debug)]
pub(super) struct DirLock {
    file: File,
    is_real: bool,
}

impl DirLock {
    /// Take the lock of a directory.
    ///
    /// # Errors
    /// Where another process has it, or its file cannot be written.
    pub(super) fn take(dir: &Path) -> Result<Self, TrainError> {
        let path = dir.join(LOCK);
        let file = File::create(&path).map_err(TrainError::writing(&path))?;
        let tried = tried_for(PATIENCE, || file.try_lock());
        let taken = taken(tried, dir).map_err(TrainError::writing(&path))?;
        let lock = taken.map(|is_real| Self { file, is_real });
        // A process that was refused may have removed the file between the two.
        lock.filter(|lock| lock.is_in(dir))
            .ok_or_else(|| TrainError::InUse {
                path: dir.to_owned(),
            })
    }

    /// Whether it keeps others away: not where the file system has no locks.
    pub(super) fn is_real(&self) -> bool {
        self.is_real
    }

    /// Whether its file is the one that others find in `dir`.
    pub(super) fn is_in(&self, dir: &Path) -> bool {
        is_at(&self.file, &dir.join(LOCK))
    }
}

/// Whether another process trains in the directory of a run. Nothing is written there, and the lock is let
/// go at once; shared, it does not get in the way of others who look.
///
/// # Errors
/// Where the lock is there and cannot be read.
pub(super) fn is_in_use(dir: &Path) -> Result<bool, TrainError> {
    let path = dir.join(LOCK);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(TrainError::reading(&path)(cause)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        // Where there are no locks, nobody knows.
        Err(TryLockError::Error(error)) if is_unsupported(&error) => Ok(false),
        Err(TryLockError::Error(cause)) => Err(TrainError::reading(&path)(cause)),
    }
}

/// How long a lock may be held by those who only look.
const PATIENCE: Duration = Duration::from_millis(200);

/// Try again and again while another process has the lock, but no longer than this.
fn tried_for(
    patience: Duration,
    try_lock: impl Fn() -> Result<(), TryLockError>,
) -> Result<(), TryLockError> {
    let begin = Instant::now();
    loop {
        match try_lock() {
            Err(TryLockError::WouldBlock) if begin.elapsed() < patience => {
                thread::sleep(patience / 20);
            }
            tried => return tried,
        }
    }
}

/// `None` where another process has the lock, else whether it is real: where there are no locks it is taken for
/// granted, with a warning.
fn taken(tried: Result<(), TryLockError>, dir: &Path) -> io::Result<Option<bool>> {
    match tried {
        Ok(()) => Ok(Some(true)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) if is_unsupported(&error) => {
            tracing::warn!(
                "the file system of {} has no locks ({error}): see to it that no other process trains there",
                dir.display()
            );
            Ok(Some(false))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether an open file is the one that others find at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata().map(number), fs::metadata(path).map(number)) {
        (Ok(own), Ok(found)) => own == found,
        (_, Err(error)) if error.kind() == ErrorKind::NotFound => false,
        // What cannot be looked at is for those who write to report.
        _ => true,
    }
}

/// Whether an open file is the one that others find at `path`: elsewhere an open file is not removed.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    fs::metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_once_and_again_when_the_lock_is_dropped() {
        let dir = tempfile::tempdir().expect("a folder");
        let lock = DirLock::take(dir.path()).expect("free");
        assert!(lock.is_in(dir.path()));
        assert!(lock.is_real());
        let refused = DirLock::take(dir.path()).expect_err("taken");
        assert!(matches!(refused, TrainError::InUse { .. }), "{refused}");
        drop(lock);
        DirLock::take(dir.path()).expect("free");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_system_without_locks_is_no_obstacle_and_one_that_fails_is() {
        let dir = Path::new("run");
        let tried = |code| {
            let failed = TryLockError::Error(io::Error::from_raw_os_error(code));
            taken(Err(failed), dir).map_err(|error| error.raw_os_error())
        };
        let [eio, eacces, einval, enolck, enosys, eopnotsupp] = [5, 13, 22, 37, 38, 95];
        for code in [einval, enolck, enosys, eopnotsupp] {
            assert_eq!(tried(code), Ok(Some(false)));
        }
        assert_eq!([eio, eacces].map(tried), [Err(Some(5)), Err(Some(13))]);
        let other = taken(Err(TryLockError::WouldBlock), dir);
        assert!(
            other.is_ok_and(|taken| taken.is_none()),
            "another process has it"
        );
    }
}
