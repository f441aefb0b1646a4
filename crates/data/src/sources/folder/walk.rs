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
}

/// A walk through folders, which remembers what it passed over.
pub(super) struct Walk<S> {
    store: S,
    passed_over: BTreeMap<Reason, BTreeSet<PathBuf>>,
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
        }
    }

    /// The walk going on in another store, with what was passed over until now.
    pub fn on<T>(self, store: T) -> Walk<T> {
        Walk {
            store,
            passed_over: self.passed_over,
        }
    }

    /// Some of the paths that were passed over, sorted, which are so no longer.
    pub fn take_back(&mut self, is_wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let mut taken = BTreeSet::new();
        for paths in self.passed_over.values_mut() {
            let (wanted, others): (BTreeSet<_>, BTreeSet<_>) = mem::take(paths)
                .into_iter()
                .partition(|path| is_wanted(path));
            *paths = others;
            taken.extend(wanted);
        }
        self.passed_over.retain(|_, paths| !paths.is_empty());
        taken.into_iter().collect()
    }

    /// What was passed over until now, by reason.
    pub fn passed_over(self) -> Vec<PassedOver> {
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
                Entry::PassedOver(reason) => {
                    self.passed_over.entry(reason).or_default().insert(path);
                }
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
}
