//! Find the pictures that `data.dir` means: in a folder, in an archive or a parquet file, or in a folder of these.

use std::path::{Path, PathBuf};

use super::archive::{Members, is_archive};
use super::disk::holds_any;
use super::listed::Listed;
use super::rules::Reason;
use super::shards;
use super::source::Source;
use super::tables::{self, is_table};
use super::tree::{Splits, Tree, class_folders, scan};
use super::walk::{Listing, Walk};
use crate::dataset::PassedOver;
use crate::error::DataError;

/// Pictures that are not yet read.
#[derive(Debug)]
pub(super) struct Found {
    pub splits: Splits,
    /// What lies beside them and is not read.
    pub passed_over: Vec<PassedOver>,
    pub source: Source,
}

/// The pictures in the folder or the archive `path`, or in a folder of an archive.
///
/// # Errors
/// Where it cannot be read, holds no picture, or could be meant in two ways.
pub(super) fn find(path: &Path) -> Result<Found, DataError> {
    if let Some(archive) = archive_of(path)? {
        if is_table(archive) {
            return tables::find(path, &[path.into()], Vec::new());
        }
        return in_archive(Walk::through(()), archive, path);
    }
    let mut walk = Walk::on_disk(path)?;
    let mut listed = Listed::default();
    let problem = match scan(&mut walk, &mut listed, path, class_folders) {
        Err(problem) => problem,
        Ok(splits) => {
            return Ok(Found {
                passed_over: listed.passed_over(walk, &splits),
                splits,
                source: Source::Disk,
            });
        }
    };
    if !walk.pictures_below(path)?.is_empty() {
        return Err(problem);
    }
    let archives = walk.take_back(is_archive_file);
    if archives.is_empty() {
        let files = walk.take_back(is_table_file);
        if !files.is_empty() {
            return tables::find(path, &files, walk.passed_over());
        }
    }
    match archives.as_slice() {
        [] => Err(match walk.passed_over() {
            others if others.is_empty() => problem,
            others => DataError::NoImagesBeside {
                path: path.into(),
                others,
            },
        }),
        [only] => in_archive(walk, only, only),
        archives => shards::find(walk, path, archives),
    }
}

/// Whether something that was passed over is an archive in a file.
fn is_archive_file(_: &Path, reason: &Reason) -> bool {
    matches!(reason, Reason::Archive(_))
}

/// Whether something that was passed over is a parquet file.
fn is_table_file(path: &Path, reason: &Reason) -> bool {
    matches!(reason, Reason::NoPicture(_)) && is_table(path)
}

/// Whether there are pictures in a folder, an archive, a folder in one, or a parquet file. Archives and parquet files
/// are not opened.
pub(in crate::sources) fn holds_pictures(path: &Path) -> bool {
    if let Some(file) = path.ancestors().find(|above| above.is_file()) {
        return is_archive(file) || (is_table(file) && file == path);
    }
    holds_any(path, &|path: &Path| is_archive(path) || is_table(path))
}

/// How many pictures there are in what [`find`] searches, whatever they are for.
///
/// # Errors
/// Where it cannot be read.
pub(in crate::sources) fn count(path: &Path) -> Result<usize, DataError> {
    if let Some(archive) = archive_of(path)? {
        if is_table(archive) {
            return tables::count(&[path.into()]);
        }
        let members = Members::read(vec![archive.into()])?;
        return Ok(Walk::through(&members).pictures_below(path)?.len());
    }
    let mut walk = Walk::on_disk(path)?;
    let mut num = walk.pictures_below(path)?.len();
    if num == 0 {
        let archives = walk.take_back(is_archive_file);
        if archives.is_empty() {
            return tables::count(&walk.take_back(is_table_file));
        }
        let members = Members::read(archives.clone())?;
        let mut walk = walk.on(&members);
        for archive in &archives {
            num += walk.pictures_below(archive)?.len();
        }
    }
    Ok(num)
}

/// The archive that a path is or leads into, or the parquet file that it is; `None` for a folder on a disk.
///
/// # Errors
/// Where it is neither.
fn archive_of(path: &Path) -> Result<Option<&Path>, DataError> {
    let archive = path.ancestors().find(|above| above.is_file());
    let is_in_table = archive.is_some_and(|archive| is_table(archive) && archive != path);
    if is_in_table || (archive.is_none() && !path.is_dir()) {
        return Err(DataError::NoSuchDir { path: path.into() });
    }
    Ok(archive)
}

/// The pictures of an archive, or of the folder `root` in it, of all splits.
fn in_archive<S>(walk: Walk<S>, archive: &Path, root: &Path) -> Result<Found, DataError> {
    let members = Members::read(vec![archive.into()])?;
    let mut walk = walk.on(&members);
    let mut listed = Listed::default();
    let root = if root == archive {
        start_of(&mut walk, &mut listed, archive)?
    } else {
        root.into()
    };
    let splits = scan(&mut walk, &mut listed, &root, |walk, root| {
        members.tree(walk, root)
    })?;
    let passed_over = listed.passed_over(walk, &splits);
    Ok(Found {
        splits,
        passed_over,
        source: Source::Archives(members),
    })
}

/// The pictures of an archive, of one split.
///
/// # Errors
/// Where it holds no picture, or its classes are not clear.
pub(super) fn pictures_of(
    walk: &mut Walk<&Members>,
    members: &Members,
    listed: &mut Listed,
    archive: &Path,
) -> Result<Tree, DataError> {
    let root = start_of(walk, listed, archive)?;
    listed.tree_or(walk, &root, |walk, root| members.tree(walk, root))
}

/// Where the classes or splits of an archive lie: in its only folder, if it was packed with the folder around them, and
/// no file beside that lists labels.
///
/// # Errors
/// Where there is such a file, and it cannot be used.
pub(super) fn start_of(
    walk: &mut Walk<&Members>,
    listed: &mut Listed,
    archive: &Path,
) -> Result<PathBuf, DataError> {
    listed.read(walk, archive)?;
    let Listing { folders, pictures } = walk.list(archive)?;
    Ok(match folders.as_slice() {
        [only] if pictures.is_empty() && !listed.covers(archive) => only.clone(),
        _ => archive.into(),
    })
}
