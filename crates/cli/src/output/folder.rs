//! Write images as a folder of pictures, a PNG each.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ebm_core::file_system::folder_of;

use crate::typed::Mistyped;

use super::sheet::{Sheet, count_of};
use super::{WriteError, check_folder_of, check_output, has_any_extension, named, write_encoded};

/// Whether a path asks for a folder: it ends in a separator, or there is a folder of this name.
pub(crate) fn is_folder(path: &Path) -> bool {
    let text = path.as_os_str().to_string_lossy();
    text.ends_with(std::path::is_separator) || path.is_dir()
}

/// Refuse what [`check_output`] refuses, and a folder that has files already, before the work of
/// filling it.
pub(crate) fn check_output_or_folder(
    flag: &str,
    path: &Path,
    extensions: &[&str],
) -> anyhow::Result<()> {
    if is_folder(path) {
        return check_new_folder(flag, path);
    }
    if !has_any_extension(path, extensions) {
        let (path, names) = (path.display(), extensions.join(" or ."));
        let problem = format!("{flag} {path}: name a .{names} file, or a folder: {path}/");
        return Err(Mistyped(problem).into());
    }
    check_output(flag, path, extensions)
}

/// Refuse a folder that has files already, or for which there is no place.
pub(crate) fn check_new_folder(flag: &str, path: &Path) -> anyhow::Result<()> {
    let asked = || format!("{flag} {}", path.display());
    if path.is_dir() {
        let is_empty = fs::read_dir(path).with_context(asked)?.next().is_none();
        if !is_empty {
            bail!(
                "{}: this folder has files already, and none is replaced; name another folder",
                asked()
            );
        }
        return Ok(());
    }
    // With a separator at its end a path finds no file.
    if path.components().as_path().exists() {
        bail!(
            "{}: there is a file of this name; name another folder",
            asked()
        );
    }
    check_folder_of(flag, path)
}

/// Write each image as a PNG of its own size.
///
/// # Shapes
/// `images` is `[n, channels, height, width]`, `shape` is `[channels, height, width]`; `names` are `n`
/// paths below `folder`.
///
/// # Errors
/// Names the file or the folder that cannot be written.
///
/// # Panics
/// If `images` are not as many as `names`, or `channels` is neither 1 nor 3.
pub(crate) fn save_pictures(
    folder: &Path,
    names: &[PathBuf],
    images: &[u8],
    shape: [usize; 3],
) -> Result<(), WriteError> {
    let (expected, got) = (names.len(), count_of(images, shape));
    assert!(expected == got, "expected {expected} images, got {got}");
    let images = images.chunks_exact(images.len() / got);
    for (name, image) in names.iter().zip(images) {
        let path = folder.join(name);
        let below = folder_of(&path);
        named(below, fs::create_dir_all(below))?;
        write_encoded(&path, Sheet::of(image, shape, 1).to_png(None))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_is_a_picture_of_its_own_size() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("out");
        let names = ["0.png", "cat/1.png"].map(PathBuf::from);
        // Two images of one row and two pixels in colour.
        let images = [1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60];
        save_pictures(&folder, &names, &images, [3, 1, 2]).unwrap();
        let pixels = |name: &PathBuf| image::open(folder.join(name)).unwrap().into_rgb8();
        let [first, second] = [&names[0], &names[1]].map(pixels);
        assert_eq!(first.dimensions(), (2, 1));
        assert_eq!(first.into_raw(), [1, 3, 5, 2, 4, 6]);
        assert_eq!(second.into_raw(), [10, 30, 50, 20, 40, 60]);
    }

    #[test]
    fn a_folder_is_a_path_that_ends_in_a_separator_or_is_one() {
        let dir = tempfile::tempdir().unwrap();
        assert!(is_folder(dir.path()));
        assert!(is_folder(Path::new("nowhere/")));
        assert!(!is_folder(Path::new("nowhere")));
        assert!(!is_folder(Path::new("a/b.png")));
    }

    #[test]
    fn only_an_empty_folder_or_a_new_one_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let check = |name: &str| {
            let path = dir.path().join(name);
            let checked = check_output_or_folder("--output", &path, &["png"]);
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(check(""), Ok(()));
        assert_eq!(check("new/"), Ok(()));
        fs::write(dir.path().join("taken"), "").unwrap();
        let refused = |name, part: &str| {
            let message = check(name).unwrap_err();
            assert!(message.contains(part), "{message}");
        };
        refused("", "has files already");
        refused("taken/", "there is a file of this name");
        refused("nowhere/new/", "there is no folder");
        refused("no-extension", "name a .png file, or a folder");
    }
}
