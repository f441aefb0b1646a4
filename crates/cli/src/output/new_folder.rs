//! Write a folder of files whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ebm_core::file_system::folder_of;
use tempfile::Builder;

use super::{WriteError, named};

/// A folder that is removed with all its files unless it was given another name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Write files, by name, into a new folder or in place of an empty one: into another one beside it first, which then
/// takes its name.
///
/// # Errors
/// Names the file or the folder that cannot be written; then there is nothing new.
pub(crate) fn write_folder(path: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), WriteError> {
    let path: PathBuf = path.components().collect(); // without a separator at its end
    let unfinished = named(&path, create_beside(&path))?;
    for (name, bytes) in files {
        let written = fs::write(unfinished.0.join(name), bytes);
        named(&path.join(name), written)?;
    }
    named(&path, take_place(&unfinished.0, &path))
}

fn create_beside(path: &Path) -> io::Result<Unfinished> {
    // Made here and not by `tempfile`, whose folders only their owner may read.
    fn create(path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }
    let made = Builder::new()
        .prefix(".ebm-")
        .make_in(folder_of(path), create)?;
    let path = made
        .into_temp_path()
        .keep()
        .map_err(|failed| failed.error)?;
    Ok(Unfinished(path))
}

fn take_place(folder: &Path, path: &Path) -> io::Result<()> {
    match fs::rename(folder, path) {
        // Windows gives no folder the name of another one, even where that is empty.
        Err(_) if path.is_dir() => {
            fs::remove_dir(path)?;
            fs::rename(folder, path)
        }
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_takes_its_name_with_all_its_files_whether_it_is_new_or_was_empty() {
        let dir = tempfile::tempdir().unwrap();
        let files = [("a", b"1".to_vec()), ("b", b"2".to_vec())];
        write_folder(&dir.path().join("new/"), &files).unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        write_folder(&dir.path().join("empty"), &files).unwrap();
        for name in ["new", "empty"] {
            assert_eq!(names(&dir.path().join(name)), ["a", "b"]);
            assert_eq!(fs::read(dir.path().join(name).join("b")).unwrap(), b"2");
        }
        assert_eq!(names(dir.path()), ["empty", "new"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_leaves_nothing_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        let files = [("a", b"1".to_vec()), ("nowhere/b", b"2".to_vec())];
        let message = write_folder(&path, &files).unwrap_err().to_string();
        assert!(message.contains("new/nowhere/b: No such file"), "{message}");
        assert_eq!(names(dir.path()), [""; 0]);
        // Somebody has put something there since it was looked at.
        fs::create_dir(&path).unwrap();
        fs::write(path.join("theirs"), "").unwrap();
        let message = write_folder(&path, &files[..1]).unwrap_err().to_string();
        assert!(!message.contains(".ebm-"), "{message}");
        assert_eq!(
            (names(dir.path()), names(&path)),
            (vec!["new".into()], vec!["theirs".into()])
        );
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_may_be_read_by_whoever_may_read_an_ordinary_one() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let (ours, ordinary) = (dir.path().join("ours"), dir.path().join("ordinary"));
        write_folder(&ours, &[]).unwrap();
        fs::create_dir(&ordinary).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }
}
