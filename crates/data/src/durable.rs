//! Wait until what was written is on the device, where the file system can.

use std::fs::File;
use std::io;
use std::path::Path;

use ebm_core::file_system::is_unsupported;

/// Waits for the content of a file.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // Some file systems of networks and in user space cannot.
        Err(error) if is_unsupported(&error) => Ok(()),
        synced => synced,
    }
}

/// Waits for the names in a folder. Windows has no such call.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    sync_file(&File::open(path)?)?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_synced_and_one_that_is_gone_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(sync_folder(dir.path()).is_ok());
        assert!(sync_folder(&dir.path().join("gone")).is_err());
    }
}
