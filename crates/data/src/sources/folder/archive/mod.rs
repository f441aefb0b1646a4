//! Read pictures from archives, without unpacking them.
//!
//! An [`Archive`] gives its members one after another: `format` tells its kind, `tarball` reads tar, through `gunzip`
//! where it is compressed, `zipped` reads zip, and another format is one more implementation. `members` shows them as
//! folders and files, `labels` has the texts beside the pictures, `read` gives the pictures to those who decode them.

mod format;
mod labels;
mod members;
mod read;
mod tarball;
#[cfg(test)]
pub(super) mod tests;
mod zipped;

use std::error::Error;
use std::io::{self, Read};
use std::iter;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use crate::error::DataError;
use crate::picture::MOST_BYTES;

use format::Format;
use tarball::Tarball;
use zipped::Zipped;

pub(super) use format::{archive_extension, is_archive};
pub(super) use members::Members;

/// The most bytes of the path of a member: more than file systems take.
const MOST_BYTES_OF_PATH: usize = 4096;

/// The most parts of the path of a member.
const MOST_FOLDERS: usize = 64;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    /// A link, a device, or what else is no file.
    Other,
}

/// A member of an archive.
#[derive(Debug)]
struct Member {
    /// Where it lies in the archive, in names alone; never empty.
    path: PathBuf,
    kind: Kind,
    /// Bytes of its content.
    size: u64,
}

impl Member {
    /// A member of this name; `None` for the folder that all others lie in.
    ///
    /// # Errors
    /// Where the name may lead out of that folder.
    fn new(archive: &Path, name: &Path, kind: Kind, size: u64) -> Result<Option<Self>, DataError> {
        let refused = |member: &Path, problem| DataError::BadMember {
            archive: archive.into(),
            member: member.into(),
            problem,
        };
        if name.as_os_str().len() > MOST_BYTES_OF_PATH {
            let start: String = name.to_string_lossy().chars().take(40).collect();
            let problem = "is longer than any path of a file";
            return Err(refused(Path::new(&format!("{start}…")), problem));
        }
        if name.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(refused(&visible(name), "has a zero byte in it"));
        }
        let mut path = PathBuf::new();
        for part in name.components() {
            match part {
                Component::Normal(part) => path.push(part),
                Component::CurDir => {}
                Component::ParentDir => return Err(refused(name, "has a `..` in it")),
                Component::RootDir | Component::Prefix(_) => {
                    return Err(refused(name, "is an absolute path"));
                }
            }
        }
        if path.components().count() > MOST_FOLDERS {
            return Err(refused(name, "lies in too many folders"));
        }
        let is_root = path.as_os_str().is_empty();
        Ok((!is_root).then_some(Self { path, kind, size }))
    }
}

/// What is done with each member and its content, until it breaks off.
type Visit<'a> = dyn FnMut(&Member, &mut dyn Read) -> Result<ControlFlow<()>, DataError> + 'a;

/// Files packed into one.
trait Archive {
    /// Visits the members in order.
    ///
    /// # Errors
    /// Where the archive cannot be read, is damaged or cut short, or `visit` fails.
    fn visit(&self, visit: &mut Visit<'_>) -> Result<(), DataError>;
}

/// The archive in a file.
fn open(path: &Path) -> Result<Box<dyn Archive>, DataError> {
    let format = Format::of(path).map_err(|source| DataError::Read {
        path: path.into(),
        source,
    })?;
    let path = path.to_owned();
    let is_gzipped = format == Format::GzippedTar;
    match format {
        Format::Tar | Format::GzippedTar => Ok(Box::new(Tarball { path, is_gzipped })),
        Format::Zip => Ok(Box::new(Zipped { path })),
        Format::Other(what) => Err(DataError::NoArchive { path, what }),
    }
}

/// The error of an archive, where reading it failed so.
fn damaged(archive: &Path, source: io::Error) -> DataError {
    let source = match source.downcast::<DataError>() {
        Ok(told) => return told,
        Err(source) => source,
    };
    // What is no archive is quoted as if it were a number or a name in one.
    let first: &(dyn Error + 'static) = &source;
    let mut causes = iter::successors(Some(first), |&cause| cause.source());
    let source = if causes.any(|cause| cause.to_string().contains(is_unseen)) {
        io::Error::new(source.kind(), "the header of a member is damaged")
    } else {
        source
    };
    DataError::BadArchive {
        path: archive.into(),
        source,
    }
}

/// A name with a sign in the place of each letter that cannot be seen.
fn visible(name: &Path) -> PathBuf {
    let letters = name.to_string_lossy();
    let seen = letters.chars().map(|letter| {
        if is_unseen(letter) {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        }
    });
    PathBuf::from(seen.collect::<String>())
}

fn is_unseen(letter: char) -> bool {
    letter.is_control() || letter == char::REPLACEMENT_CHARACTER
}
