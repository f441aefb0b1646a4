//! Read pictures from archives, without unpacking them.
//!
//! An [`Archive`] gives its members one after another: `tarball` reads tar, and another format is one more
//! implementation. `members` shows them as folders and files, `labels` has the texts beside the pictures, `read` gives
//! the pictures to those who decode them.

mod labels;
mod members;
mod read;
mod tarball;
#[cfg(test)]
pub(super) mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use super::rules::name_of;
use crate::error::DataError;

use tarball::Tarball;

pub(super) use members::Members;

/// The most bytes of a member that is read.
const MOST_BYTES: u64 = 1 << 30;

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

/// The archive in a file, whose first bytes tell its kind.
fn open(path: &Path) -> Result<Box<dyn Archive>, DataError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let start = start_of(path).map_err(|source| DataError::Read {
        path: path.into(),
        source,
    })?;
    Ok(Box::new(Tarball {
        path: path.into(),
        is_gzipped: start == GZIP,
    }))
}

/// The first two bytes of a file.
fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether the name of a file is that of an archive.
pub(super) fn is_archive(path: &Path) -> bool {
    let name = name_of(path).to_lowercase();
    [".tar", ".tar.gz", ".tgz"]
        .iter()
        .any(|extension| name.ends_with(extension))
}

fn damaged(archive: &Path, source: io::Error) -> DataError {
    DataError::BadArchive {
        path: archive.into(),
        source,
    }
}
