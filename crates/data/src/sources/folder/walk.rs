//! Walk through folders, of a disk or of archives: collect the pictures, and remember what is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::path::{Path, PathBuf};

use super::rules::Reason;
use crate::dataset::PassedOver;
use crate::error::DataError;

/// Something that lies in a folder.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Folder,
    Picture,
    PassedOver(Reason),
}

/// Folders that can be walked through.
pub(super) trait Store {
    /// What lies directly in a folder, without what is hidden; folders and pictures each sorted by path.
    ///
    /// # Errors
    /// Where there is no such folder, or it cannot be read.
    fn entries(&mut self, dir: &Path) -> Result<Vec<(PathBuf, Entry)>, DataError>;

    /// The content of a file, up to a byte more than `most`; `None` where there is no such file.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn content(&mut self, file: &Path, most: u64) -> Result<Option<Vec<u8>>, DataError>;

    /// Whether a file lies at this path.
    fn has_file(&self, path: &Path) -> bool;
}

/// A walk through folders, which remembers what it passed over.
pub(super) struct Walk<S> {
    store: S,
    passed_over: BTreeMap<Reason, BTreeSet<PathBuf>>,
    /// Files that are read although they are no pictures.
    used: BTreeSet<PathBuf>,
}

/// What is directly in a folder, each sorted by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    pub folders: Vec<PathBuf>,
    pub pictures: Vec<PathBuf>,
}

impl<S> Walk<S> {
    pub fn through(store: S) -> Self {
        Self {
            store,
            passed_over: BTreeMap::new(),
            used: BTreeSet::new(),
        }
    }

    /// The walk going on in another store, with what was passed over until now.
    pub fn on<T>(self, store: T) -> Walk<T> {
        Walk {
            store,
            passed_over: self.passed_over,
            used: self.used,
        }
    }

    /// Takes a file for one that is read, and not passed over.
    pub fn use_file(&mut self, path: PathBuf) {
        self.used.insert(path);
    }

    /// Takes a path for one that is passed over.
    pub fn pass_over(&mut self, path: PathBuf, reason: Reason) {
        self.passed_over.entry(reason).or_default().insert(path);
    }

    /// Some of the paths that were passed over, by path and reason; sorted. They are passed over no longer.
    pub fn take_back(&mut self, is_wanted: impl Fn(&Path, &Reason) -> bool) -> Vec<PathBuf> {
        let mut taken = BTreeSet::new();
        for (reason, paths) in &mut self.passed_over {
            let (wanted, others): (BTreeSet<_>, BTreeSet<_>) = mem::take(paths)
                .into_iter()
                .partition(|path| is_wanted(path, reason));
            *paths = others;
            taken.extend(wanted);
        }
        self.passed_over.retain(|_, paths| !paths.is_empty());
        taken.into_iter().collect()
    }

    /// What was passed over until now, by reason.
    pub fn passed_over(mut self) -> Vec<PassedOver> {
        let used = mem::take(&mut self.used);
        self.take_back(|path, _| used.contains(path));
        let each = self.passed_over.into_iter();
        each.map(|(reason, paths)| PassedOver {
            what: reason.what(),
            remedy: reason.remedy(),
            paths: paths.into_iter().collect(),
        })
        .collect()
    }
}

impl<S: Store> Walk<S> {
    /// The folders and pictures directly in `dir`; hidden ones are ignored.
    ///
    /// # Errors
    /// Where a folder cannot be read.
    pub fn list(&mut self, dir: &Path) -> Result<Listing, DataError> {
        let mut listing = Listing::default();
        for (path, entry) in self.store.entries(dir)? {
            match entry {
                Entry::Folder => listing.folders.push(path),
                Entry::Picture => listing.pictures.push(path),
                Entry::PassedOver(reason) => self.pass_over(path, reason),
            }
        }
        Ok(listing)
    }

    /// All pictures at any depth below a folder, in order.
    ///
    /// # Errors
    /// Where a folder cannot be read.
    pub fn pictures_below(&mut self, dir: &Path) -> Result<Vec<PathBuf>, DataError> {
        let Listing {
            folders,
            mut pictures,
        } = self.list(dir)?;
        for folder in folders {
            pictures.extend(self.pictures_below(&folder)?);
        }
        Ok(pictures)
    }

    /// As [`Store::content`].
    pub fn content(&mut self, file: &Path, most: u64) -> Result<Option<Vec<u8>>, DataError> {
        self.store.content(file, most)
    }

    /// As [`Store::has_file`].
    pub fn has_file(&self, path: &Path) -> bool {
        self.store.has_file(path)
    }
}
