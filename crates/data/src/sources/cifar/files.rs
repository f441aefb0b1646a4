//! Read named files from a folder or a gzipped tar archive into memory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use tar::Archive;

use crate::error::DataError;
use crate::sources::gunzip::Gunzip;

/// The most bytes of a file in an archive: about nine times those of the largest. Tests see large ones.
const MOST_BYTES: u64 = if cfg!(test) { 1 << 20 } else { 256 << 20 };

/// The bytes of files by their names.
type Contents = HashMap<&'static str, Vec<u8>>;

/// Files that were found under the names asked for.
pub(super) struct Files {
    /// The folder or archive that holds them.
    pub root: PathBuf,
    contents: Contents,
}

impl Files {
    /// Reads the files `names` as far as the folder `root` has them.
    pub(super) fn in_folder(root: PathBuf, names: &[&'static str]) -> Result<Self, DataError> {
        let mut contents = Contents::new();
        for &name in names {
            let path = root.join(name);
            if path.is_file() {
                let bytes = fs::read(&path).map_err(|source| DataError::Read { path, source })?;
                contents.insert(name, bytes);
            }
        }
        Ok(Self { root, contents })
    }

    /// Reads the files `names` as far as the archive `root` has them, in whatever folder of it.
    pub(super) fn in_archive(root: PathBuf, names: &[&'static str]) -> Result<Self, DataError> {
        match File::open(&root).map(|file| unpack(file, names)) {
            Ok(Ok(contents)) => Ok(Self { root, contents }),
            Ok(Err(source)) => Err(DataError::BadArchive { path: root, source }),
            Err(source) => Err(DataError::Read { path: root, source }),
        }
    }

    /// Whether files of all these names were found.
    pub(super) fn has_all(&self, names: &[&'static str]) -> bool {
        names.iter().all(|name| self.contents.contains_key(name))
    }

    /// Whether a file of one of these names was found.
    pub(super) fn has_some(&self, names: &[&'static str]) -> bool {
        names.iter().any(|name| self.contents.contains_key(name))
    }

    /// Takes all files of these names, each with its path, or tells which of them are missing.
    pub(super) fn take(
        &mut self,
        names: &[&'static str],
    ) -> Result<Vec<(PathBuf, Vec<u8>)>, Vec<String>> {
        let (mut taken, mut missing) = (Vec::new(), Vec::new());
        for &name in names {
            match self.contents.remove(name) {
                Some(bytes) => taken.push((self.root.join(name), bytes)),
                None => missing.push(name.into()),
            }
        }
        if missing.is_empty() {
            Ok(taken)
        } else {
            Err(missing)
        }
    }
}

/// The files `names` as far as a gzipped tar archive has them.
fn unpack(gzipped: impl Read, names: &[&'static str]) -> io::Result<Contents> {
    let mut archive = Archive::new(Gunzip::new(BufReader::new(gzipped)));
    let mut contents = Contents::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?;
        let name = path.file_name().unwrap_or_default();
        let known = names.iter().find(|&&known| name == known);
        if let Some(name) = known.filter(|_| entry.header().entry_type().is_file()) {
            let mut bytes = Vec::new();
            let most = MOST_BYTES + 1;
            entry.by_ref().take(most).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MOST_BYTES {
                let problem = format!("{name} in it has more than {MOST_BYTES} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            contents.insert(name, bytes);
        }
    }
    // The checksum follows the last entry, and is compared only when it is read.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(contents)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A gzipped tar archive of files with these paths.
    pub(in crate::sources::cifar) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, &bytes[..]).unwrap();
        }
        gzip(&tar.into_inner().unwrap())
    }

    fn two_files() -> Vec<u8> {
        archive(&["set/b", "set/._a", "set/deep/a"].map(|path| (path.into(), path.into())))
    }

    /// What reading `a` and then `b` from an archive of these bytes gives; paths without the folder
    /// that the archive is in.
    fn read(bytes: &[u8]) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.tgz");
        fs::write(&path, bytes).unwrap();
        let mut files = Files::in_archive(path, &["a", "b"]).map_err(|error| {
            let text = error.to_string();
            text.replace(&dir.path().join("").display().to_string(), "")
        })?;
        files.root = "some.tgz".into();
        files.take(&["a", "b"]).map_err(|names| names.join(", "))
    }

    #[test]
    fn reads_files_from_any_folder_of_an_archive_in_the_order_asked_for() {
        let expected = [("some.tgz/a", "set/deep/a"), ("some.tgz/b", "set/b")]
            .map(|(path, bytes)| (path.into(), bytes.into()));
        assert_eq!(read(&two_files()).unwrap(), expected);
    }

    #[test]
    fn tells_which_files_are_missing_from_an_archive_or_a_folder() {
        let b = ("b".to_owned(), vec![1]);
        assert_eq!(read(&archive(&[b])).unwrap_err(), "a");
        assert_eq!(read(&archive(&[])).unwrap_err(), "a, b");
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("b"), "of b").unwrap();
        let mut files = Files::in_folder(dir.path().into(), &["a", "b"]).unwrap();
        assert_eq!(files.take(&["a"]).unwrap_err(), ["a"]);
        let b = (dir.path().join("b"), b"of b".to_vec());
        assert_eq!(files.take(&["b"]).unwrap(), [b]);
    }

    #[test]
    fn refuses_a_file_in_an_archive_that_is_too_long_and_passes_others() {
        let most = MOST_BYTES as usize;
        let long = |name: &str, num: usize| archive(&[(name.into(), vec![0; num])]);
        let start = "some.tgz is no tar archive";
        assert!(read(&long("a", most + 1)).unwrap_err().starts_with(start));
        assert_eq!(read(&long("a", most)).unwrap_err(), "b");
        assert_eq!(read(&long("other", most + 1)).unwrap_err(), "a, b");
    }

    #[test]
    fn zeros_behind_an_archive_are_passed() {
        let padded = [two_files(), vec![0; 500]].concat();
        assert_eq!(read(&padded), read(&two_files()));
    }

    #[test]
    fn skips_what_is_no_file() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "a", "b").unwrap();
        let bytes = gzip(&tar.into_inner().unwrap());
        assert_eq!(read(&bytes).unwrap_err(), "a, b");
    }

    #[test]
    fn refuses_an_archive_that_is_damaged_or_none() {
        let whole = two_files();
        let cut = &whole[..whole.len() - 5];
        let mut flipped = whole.clone();
        let checksum = whole.len() - 8;
        flipped[checksum] ^= 1;
        for bytes in [cut, &flipped, &gzip(b"no tar"), b"no gzip", b""] {
            assert_eq!(
                read(bytes).unwrap_err(),
                "some.tgz is no tar archive, or a damaged one: download it again, \
                 or set `data.dir` to a folder"
            );
        }
    }
}
