//! Tell what a file system does not have from what goes wrong on it, and in which folder a file lies.

use std::io::{self, ErrorKind};
use std::path::Path;

/// Whether an operation failed because the file system does not have it, as some network and FUSE file systems
/// have no locks, or cannot wait for a directory to be on the device.
pub fn is_unsupported(error: &io::Error) -> bool {
    let is_known = |code| errno::UNSUPPORTED.contains(&code);
    error.kind() == ErrorKind::Unsupported || error.raw_os_error().is_some_and(is_known)
}

/// The folder that a file or a folder lies in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Numbers of errors; `std` has no kind for some of them.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod errno {
    const EINVAL: i32 = 22;
    const ENOLCK: i32 = 37;
    const ENOSYS: i32 = 38;
    const EOPNOTSUPP: i32 = 95;

    pub(super) const UNSUPPORTED: &[i32] = &[EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP];
}

/// Numbers of errors; `std` has no kind for some of them.
#[cfg(target_vendor = "apple")]
mod errno {
    const EINVAL: i32 = 22;
    const ENOTSUP: i32 = 45;
    const ENOLCK: i32 = 77;
    const ENOSYS: i32 = 78;
    const EOPNOTSUPP: i32 = 102;

    pub(super) const UNSUPPORTED: &[i32] = &[EINVAL, ENOTSUP, ENOLCK, ENOSYS, EOPNOTSUPP];
}

/// Elsewhere the kind has to tell.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod errno {
    pub(super) const UNSUPPORTED: &[i32] = &[];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_file_system_does_not_have_is_told_by_the_number_of_the_error() {
        let is_unsupported = |code| is_unsupported(&io::Error::from_raw_os_error(code));
        let [einval, enolck, enosys, eopnotsupp] = [22, 37, 38, 95];
        for code in [einval, enolck, enosys, eopnotsupp] {
            assert!(is_unsupported(code), "{code}");
        }
        let [eperm, eio, eacces, enospc, erofs, estale, edquot] = [1, 5, 13, 28, 30, 116, 122];
        for code in [eperm, eio, eacces, enospc, erofs, estale, edquot] {
            assert!(!is_unsupported(code), "{code}");
        }
    }

    #[test]
    fn without_a_number_the_kind_tells() {
        assert!(is_unsupported(&ErrorKind::Unsupported.into()));
        for kind in [
            ErrorKind::InvalidInput,
            ErrorKind::PermissionDenied,
            ErrorKind::StorageFull,
            ErrorKind::Other,
        ] {
            assert!(!is_unsupported(&kind.into()), "{kind}");
        }
    }

    #[test]
    fn a_name_alone_lies_in_the_working_directory() {
        for (path, folder) in [("a", "."), ("b/a", "b"), ("/a", "/"), ("/", ".")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder));
        }
    }
}
