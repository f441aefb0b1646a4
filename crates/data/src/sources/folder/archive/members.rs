//! Show the members of archives as folders and files, each below the path of its archive.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::labels::Labels;
use super::{Kind, MOST_BYTES, Member, damaged, open};
use crate::error::DataError;
use crate::picture::Encoded;
use crate::sources::folder::labelled::labelled;
use crate::sources::folder::rules::{
    Reason, START, is_named_as_a_picture, is_start_of_a_picture, may_be_a_picture,
};
use crate::sources::folder::tree::{Tree, class_folders};
use crate::sources::folder::walk::{Entry, Store, Walk};

/// What lies in archives: names and labels, none of the pictures.
#[derive(Debug)]
pub(in crate::sources::folder) struct Members {
    /// The files.
    pub(super) archives: Vec<PathBuf>,
    folders: HashMap<PathBuf, Folder>,
    labels: Labels,
}

/// What lies directly in a folder.
#[derive(Debug, Default)]
struct Folder {
    folders: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Packed>,
}

/// A file in an archive.
#[derive(Debug)]
struct Packed {
    place: Place,
    /// Why it is no picture, if it is none.
    reason: Option<Reason>,
}

/// Where a file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Number of the archive.
    pub archive: usize,
    /// Number of the member in it.
    pub position: usize,
}

impl Members {
    /// Reads the names in these archives, and the labels. Of members of the same path the last one counts, as where
    /// they are unpacked.
    ///
    /// # Errors
    /// Where an archive cannot be read or is damaged, or has a name that leads out of it.
    pub fn read(archives: Vec<PathBuf>) -> Result<Self, DataError> {
        let roots = archives.iter().cloned();
        let mut members = Self {
            folders: roots.map(|root| (root, Folder::default())).collect(),
            archives: Vec::new(),
            labels: Labels::default(),
        };
        for (archive, path) in archives.iter().enumerate() {
            let mut position = 0;
            open(path)?.visit(&mut |member, content| {
                members.add(path, Place { archive, position }, member, content)?;
                position += 1;
                Ok(ControlFlow::Continue(()))
            })?;
        }
        members.archives = archives;
        members.mark_odd_labels();
        Ok(members)
    }

    fn add(
        &mut self,
        archive: &Path,
        place: Place,
        member: &Member,
        content: &mut dyn Read,
    ) -> Result<(), DataError> {
        let is_hidden = |name: &OsStr| name.to_string_lossy().starts_with('.');
        if member.path.iter().any(is_hidden) {
            return Ok(());
        }
        let path = archive.join(&member.path);
        if member.kind == Kind::Folder {
            self.folder(&path);
            return Ok(());
        }
        let reason = self.why_no_picture(&path, member, content);
        let reason = reason.map_err(|source| damaged(archive, source))?;
        let folder = self.folder(path.parent().unwrap_or(archive));
        folder.files.insert(path, Packed { place, reason });
        Ok(())
    }

    /// The folder of a path, which is made where it is missing.
    fn folder(&mut self, path: &Path) -> &mut Folder {
        if !self.folders.contains_key(path)
            && let Some(above) = path.parent()
        {
            self.folder(above).folders.insert(path.to_owned());
        }
        self.folders.entry(path.to_owned()).or_default()
    }

    /// Why a member is not taken for a picture, if it is not; its label is taken, if it is one. Nothing is read of what
    /// can be neither.
    fn why_no_picture(
        &mut self,
        path: &Path,
        member: &Member,
        content: &mut dyn Read,
    ) -> io::Result<Option<Reason>> {
        if member.kind != Kind::File {
            return Ok(Some(Reason::NoFile));
        }
        if is_named_as_a_picture(path) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        if may_be_a_picture(path) {
            read_up_to(START, content, &mut bytes)?;
            if is_start_of_a_picture(path, &bytes) && member.size <= MOST_BYTES {
                read_up_to(MOST_BYTES, content, &mut bytes)?;
                // A few first letters may be those of a text.
                if Encoded::new(&bytes, path).dimensions().is_ok() {
                    return Ok(None);
                }
            }
        }
        if Labels::may_be_in(path) {
            read_up_to(Labels::most_bytes(path) + 1, content, &mut bytes)?;
            self.labels.add(path, &bytes);
        }
        Ok(Some(Reason::of_file(path)))
    }

    /// Files of JSON whose label is not read are known as such.
    fn mark_odd_labels(&mut self) {
        let folders = self.folders.values_mut();
        for (path, packed) in folders.flat_map(|folder| &mut folder.files) {
            if let Some(reason) = self.labels.why_odd(path) {
                packed.reason = Some(reason);
            }
        }
    }

    /// Whether any of these pictures has a label.
    pub fn has_label_of_any(&self, pictures: &[PathBuf]) -> bool {
        pictures.iter().any(|picture| self.labels.is_for(picture))
    }

    /// Where a file lies, if there is one.
    pub(super) fn place(&self, path: &Path) -> Option<Place> {
        Some(self.file(path)?.place)
    }

    fn file(&self, path: &Path) -> Option<&Packed> {
        self.folders.get(path.parent()?)?.files.get(path)
    }

    /// Whether a file with content lies at a path.
    pub(super) fn has_content(&self, path: &Path) -> bool {
        self.file(path)
            .is_some_and(|packed| packed.reason != Some(Reason::NoFile))
    }

    /// The pictures below a folder, of the classes that their labels tell, or else their folders.
    ///
    /// # Errors
    /// As [`labelled`](Self::labelled) and [`class_folders`].
    pub fn tree(&self, walk: &mut Walk<&Self>, root: &Path) -> Result<Tree, DataError> {
        let pictures = walk.pictures_below(root)?;
        if self.has_label_of_any(&pictures) {
            self.labelled(walk, root, pictures)
        } else {
            class_folders(walk, root)
        }
    }

    /// Pictures in the order in which they lie in the archives, of the classes that their labels tell. The files of
    /// labels beside them are no longer passed over.
    ///
    /// # Errors
    /// Where there are none, or some have a label and some have none.
    pub fn labelled(
        &self,
        walk: &mut Walk<&Self>,
        root: &Path,
        mut pictures: Vec<PathBuf>,
    ) -> Result<Tree, DataError> {
        self.take_labels(walk, &pictures);
        pictures.sort_by_cached_key(|path| self.place(path));
        let missing = |path| DataError::NoLabel { path };
        labelled(root, pictures, |picture| self.labels.of(picture), missing)
    }

    /// Takes the files of labels beside these pictures out of what was passed over.
    fn take_labels(&self, walk: &mut Walk<&Self>, pictures: &[PathBuf]) {
        let folders: HashSet<&Path> = pictures.iter().filter_map(|path| path.parent()).collect();
        walk.take_back(|path, _| {
            let is_beside = path.parent().is_some_and(|folder| folders.contains(folder));
            is_beside && self.labels.has(path)
        });
    }
}

impl Store for &Members {
    fn entries(&mut self, dir: &Path) -> Result<Vec<(PathBuf, Entry)>, DataError> {
        let Some(folder) = self.folders.get(dir) else {
            return Err(DataError::NoSuchDir { path: dir.into() });
        };
        let is_file = |path: &Path| self.file(path).is_some();
        let exists = |path: &Path| is_file(path) || self.folders.contains_key(path);
        let folders = folder.folders.iter().map(|path| {
            let reason = Reason::of_folder(path, is_file, exists);
            let entry = reason.map_or(Entry::Folder, Entry::PassedOver);
            (path.clone(), entry)
        });
        let files = folder.files.iter().map(|(path, packed)| {
            let reason = packed.reason.clone();
            let entry = reason.map_or(Entry::Picture, Entry::PassedOver);
            (path.clone(), entry)
        });
        Ok(folders.chain(files).collect())
    }

    fn content(&mut self, file: &Path, most: u64) -> Result<Option<Vec<u8>>, DataError> {
        self.read_file(file, most)
    }

    fn has_file(&self, path: &Path) -> bool {
        self.has_content(path)
    }
}

/// Reads on until there are `most` bytes, or all that there are.
pub(super) fn read_up_to(most: u64, content: &mut dyn Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    let missing = most.saturating_sub(bytes.len() as u64);
    content.take(missing).read_to_end(bytes)?;
    Ok(())
}
