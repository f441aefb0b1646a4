//! Write what a user asked for: pictures, animations, arrays, tables, and lines on stdout.

mod animation;
mod arrangement;
mod cut;
mod folder;
mod grid;
mod image_array;
mod layout;
mod new_file;
mod new_folder;
mod npy;
mod npy_size;
mod npz;
mod photo;
mod pictures;
mod places;
mod sheet;
mod table;

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use ebm_core::file_system::folder_of;

use crate::ranks;
use crate::typed::Mistyped;
use new_file::NewFile;

pub(crate) use animation::save_animation;
pub(crate) use cut::{CutSheet, cut_sheet};
pub(crate) use folder::{check_new_folder, check_output_or_folder, is_folder, save_pictures};
pub(crate) use grid::{
    Picture, columns_for, columns_in_turn, save_grid, scale_for, sheet_bytes_per_pixel,
    shows_classes,
};
pub(crate) use image_array::ImageArray;
pub(crate) use layout::{nchw_to_nhwc, nhwc_to_nchw};
pub(crate) use new_folder::write_folder;
pub(crate) use npy::{load_npy_f32, load_npy_u8, save_npy_u32};
pub use npy::{save_npy_f32, save_npy_u8};
pub(crate) use photo::{PHOTO_EXTENSIONS, save_photo};
pub(crate) use pictures::{Pictures, picture_of};
pub(crate) use places::check_different;
pub(crate) use sheet::encode_rgb;
pub(crate) use table::Table;

/// Chains of equal weight from which on an error by their spread means something.
pub(crate) const FEW_CHAINS: f64 = 10.0;

/// Write results to stdout; of several ranks, the first does. A broken pipe is an error, not a panic.
pub(crate) fn say(results: impl Display) -> io::Result<()> {
    if !ranks::is_first() {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{results}")?;
    stdout.flush()
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {cause}; {}", path.display(), elsewhere(cause))]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What an encoder or the file system reported.
    pub cause: io::Error,
}

/// What to do where the file system does not let a file be written.
pub(crate) fn elsewhere(cause: &io::Error) -> String {
    let first = match cause.kind() {
        ErrorKind::NotFound => "make that folder or ",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "make it writable or ",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space there or ",
        _ => "",
    };
    format!("{first}choose another place")
}

/// Write a file whole or not at all: an earlier one of that name stays until the new one is complete.
///
/// # Errors
/// Names the file.
pub(crate) fn write_output(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    named(path, replace(path, bytes))
}

/// Write what an encoder has made, or name the file for which it could make nothing.
///
/// # Errors
/// Names the file.
fn write_encoded(path: &Path, encoded: io::Result<Vec<u8>>) -> Result<(), WriteError> {
    named(path, encoded.and_then(|bytes| replace(path, &bytes)))
}

fn named<T>(path: &Path, written: io::Result<T>) -> Result<T, WriteError> {
    written.map_err(|cause| WriteError {
        path: path.to_owned(),
        cause,
    })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Whether the name of a file ends in `.extension`, in upper or lower case.
pub(crate) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Whether the name of a file ends in one of these extensions.
fn has_any_extension(path: &Path, extensions: &[&str]) -> bool {
    let mut known = extensions.iter();
    known.any(|extension| has_extension(path, extension))
}

/// Refuse a file whose name does not say what will be in it, or whose folder is not there, before the
/// work of filling it.
pub(crate) fn check_output(flag: &str, path: &Path, extensions: &[&str]) -> anyhow::Result<()> {
    if !has_any_extension(path, extensions) {
        let names = extensions.join(" or .");
        let problem = format!("{flag} {}: name a .{names} file", path.display());
        return Err(Mistyped(problem).into());
    }
    check_folder_of(flag, path)
}

/// Refuse a folder that cannot be made, or in which no file can, before the work of filling it.
pub(crate) fn check_writable(flag: &str, folder: &Path) -> anyhow::Result<()> {
    let mut above = folder.ancestors();
    let nearest = above.find(|path| path.exists());
    let nearest = nearest.unwrap_or(Path::new("."));
    // Removed at once.
    if let Err(cause) = NewFile::create(&nearest.join("file")) {
        bail!(
            "{flag} {}: cannot write in {}: {cause}; {}",
            folder.display(),
            nearest.display(),
            elsewhere(&cause)
        );
    }
    Ok(())
}

/// Refuse to write over the picture that is read.
pub(crate) fn check_not_input(flag: &str, output: &Path, input: &Path) -> anyhow::Result<()> {
    let [from, to] = [input, output].map(|path| path.canonicalize().ok());
    if from.is_some() && from == to {
        bail!(
            "{flag} {}: this is the picture itself, which is never written over; name another file",
            output.display()
        );
    }
    Ok(())
}

/// Refuse to write over any of the files that are read.
pub(crate) fn check_not_inputs(
    flag: &str,
    output: &Path,
    inputs: &[PathBuf],
) -> anyhow::Result<()> {
    if !output.exists() {
        return Ok(());
    }
    let mut inputs = inputs.iter();
    inputs.try_for_each(|input| check_not_input(flag, output, input))
}

/// Refuse a file or folder in a folder that is not there.
fn check_folder_of(flag: &str, path: &Path) -> anyhow::Result<()> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        bail!(
            "{flag} {}: there is no folder {}; make it, or choose another place",
            path.display(),
            folder.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_output_replaces_an_earlier_one_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.bin");
        write_output(&path, b"old").unwrap();
        write_output(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn an_output_may_be_read_by_whoever_may_read_an_ordinary_file() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let (ours, ordinary) = (dir.path().join("ours"), dir.path().join("ordinary"));
        write_output(&ours, b"x").unwrap();
        fs::write(&ordinary, b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nowhere/out.bin");
        let message = write_output(&path, b"x").unwrap_err().to_string();
        assert!(
            message.contains("nowhere/out.bin: No such file"),
            "{message}"
        );
        assert!(!message.contains(".ebm-"), "{message}");
    }
}
