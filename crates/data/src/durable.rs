//! Wait until what was written is on the device, where the file system can.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Waits for the content of a file.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    unless_unsupported(file.sync_all())
}

/// Waits for the names in a folder. Windows has no such call.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    sync_file(&File::open(path)?)?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// The folder that a file or a folder lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Goes on where a file system cannot wait for its device, as some of networks and in user space.
fn unless_unsupported(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        // `InvalidInput` is what Linux says of a folder that cannot be synced.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Unsupported | ErrorKind::InvalidInput
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_cannot_wait_is_no_obstacle_and_a_full_one_is() {
        let synced = |kind: ErrorKind| unless_unsupported(Err(kind.into()));
        for kind in [ErrorKind::Unsupported, ErrorKind::InvalidInput] {
            assert!(synced(kind).is_ok(), "{kind}");
        }
        for kind in [
            ErrorKind::StorageFull,
            ErrorKind::PermissionDenied,
            ErrorKind::Other,
        ] {
            assert!(synced(kind).is_err(), "{kind}");
        }
        assert!(unless_unsupported(Ok(())).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_synced_and_one_that_is_gone_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(sync_folder(dir.path()).is_ok());
        assert!(sync_folder(&dir.path().join("gone")).is_err());
    }

    #[test]
    fn a_name_alone_lies_in_the_working_directory() {
        for (path, folder) in [("a", "."), ("b/a", "b"), ("/a", "/"), ("/", ".")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder));
        }
    }
}
