//! Count what a folder takes on disk.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::lock::LOCK;

/// The files below a folder, taken together. Symbolic links are not followed. The lock of a run is left out: it is
/// empty, and whoever takes it writes it anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DiskUsage {
    /// Sum of their lengths.
    pub(super) bytes: u64,
    /// When one of them was last written.
    pub(super) last_write: Option<SystemTime>,
}

impl DiskUsage {
    /// What can be seen of a folder; what cannot be read, or vanishes meanwhile, counts nothing.
    pub(super) fn of(folder: &Path) -> Self {
        let mut usage = Self::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                    Ok(metadata) if metadata.is_file() && entry.file_name() != LOCK => {
                        usage.add(&metadata);
                    }
                    _ => {}
                }
            }
        }
        usage
    }

    fn add(&mut self, file: &fs::Metadata) {
        self.bytes += file.len();
        self.last_write = self.last_write.max(file.modified().ok());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn files_at_any_depth_count_and_the_last_one_written_says_when() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(DiskUsage::of(dir.path()), DiskUsage::default());
        fs::create_dir_all(dir.path().join("a/b")).expect("folders");
        let day = |day: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * day);
        for (name, len, written) in [("one", 3, 7), ("a/b/two", 40, 9), (".lock", 500, 11)] {
            let path = dir.path().join(name);
            fs::write(&path, vec![0_u8; len]).expect("written");
            let file = fs::File::options().write(true).open(path).expect("opened");
            file.set_modified(day(written)).expect("a time");
        }
        let expected = DiskUsage {
            bytes: 43,
            last_write: Some(day(9)),
        };
        assert_eq!(DiskUsage::of(dir.path()), expected);
    }

    #[test]
    #[cfg(unix)]
    fn what_a_link_leads_to_does_not_count() {
        let dir = tempfile::tempdir().expect("a folder");
        let data = tempfile::tempdir().expect("a folder");
        fs::write(data.path().join("images"), [0; 100]).expect("written");
        std::os::unix::fs::symlink(data.path(), dir.path().join("data")).expect("a link");
        assert_eq!(DiskUsage::of(dir.path()), DiskUsage::default());
    }
}
