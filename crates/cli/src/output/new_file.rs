//! Write a file whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IntoInnerError, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ebm_core::file_system::folder_of;
use tempfile::TempPath;

/// A file that takes its name once it is complete. Until then an earlier one of that name stays; dropped
/// earlier, it is removed.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: BufWriter<File>,
    unfinished: TempPath,
    path: PathBuf,
}

impl NewFile {
    /// A new file beside `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        // Opened here and not by `tempfile`, whose files only their owner may read.
        let create = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
        let file = tempfile::Builder::new()
            .prefix(".ebm-")
            .make_in(folder_of(path), create)?;
        let (file, unfinished) = file.into_parts();
        Ok(Self {
            file: BufWriter::new(file),
            unfinished,
            path: path.to_owned(),
        })
    }

    /// Where the file is until it is complete.
    pub(crate) fn unfinished(&self) -> &Path {
        &self.unfinished
    }

    /// Give the file its name.
    pub(crate) fn finish(self) -> io::Result<()> {
        let file = self.file.into_inner();
        drop(file.map_err(IntoInnerError::into_error)?); // Windows renames no open file
        self.unfinished
            .persist(&self.path)
            .map_err(|failed| failed.error)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for NewFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_takes_its_name_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.bin");
        fs::write(&path, "old").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_not_finished_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.bin");
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert!(file.unfinished().exists());
        drop(file);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
