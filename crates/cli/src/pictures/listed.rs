//! List the pictures of files and folders.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ebm_data::{is_picture, pictures_below};

use crate::output::has_extension;

/// Files as they are, and the pictures of folders at any depth, in order.
///
/// # Errors
/// Where something is not there, or a folder holds no pictures.
pub(crate) fn listed(inputs: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let below = pictures_below(input)?;
            if below.is_empty() {
                bail!("{} holds no pictures", input.display());
            }
            files.extend(below);
        } else if input.exists() {
            files.push(input.clone());
        } else {
            bail!("there is no file {}", input.display());
        }
    }
    Ok(files)
}

/// The pictures directly in a folder, and the arrays where they are taken, in order.
///
/// # Errors
/// Where the folder cannot be read, or holds none.
pub(super) fn directly_in(folder: &Path, takes_arrays: bool) -> anyhow::Result<Vec<PathBuf>> {
    let named = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(named)? {
        let entry = entry.with_context(named)?;
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        let is_wanted = is_picture(&path) || (takes_arrays && has_extension(&path, "npy"));
        if is_wanted && !is_hidden && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!(
            "{} holds no pictures; its sub-folders are not read, name them too",
            folder.display()
        );
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    fn names(dir: &tempfile::TempDir, files: &[PathBuf]) -> Vec<String> {
        let relative = files
            .iter()
            .map(|file| file.strip_prefix(dir.path()).unwrap());
        relative.map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn folders_are_listed_to_any_depth_and_files_as_they_are() {
        let dir = folder(&["in/b.png", "in/a/c.JPG", "in/note.txt", "one.xyz"]);
        let inputs = ["one.xyz", "in"].map(|name| dir.path().join(name));
        let found = listed(&inputs).unwrap();
        assert_eq!(names(&dir, &found), ["one.xyz", "in/b.png", "in/a/c.JPG"]);
    }

    #[test]
    fn what_is_not_there_and_a_folder_without_pictures_are_refused() {
        let dir = folder(&["in/note.txt"]);
        let of = |name: &str| listed(&[dir.path().join(name)]).unwrap_err().to_string();
        assert!(of("nowhere.png").contains("there is no file"));
        assert!(of("in").contains("holds no pictures"));
    }

    #[test]
    fn sub_folders_are_left_out_of_what_is_directly_in_a_folder() {
        let dir = folder(&["b.npy", "a.png", ".hidden.png", "sub/c.png", "d.txt"]);
        let found = directly_in(dir.path(), true).unwrap();
        assert_eq!(names(&dir, &found), ["a.png", "b.npy"]);
        let found = directly_in(dir.path(), false).unwrap();
        assert_eq!(names(&dir, &found), ["a.png"]);
    }
}
