//! Find the arrays that `data.dir` means: in a file of one, in a folder of such files, or in an archive.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use ebm_core::file_system::folder_of;
use zip::ZipArchive;

use super::array::Array;
use super::class_names::{self, ClassNames};
use super::names::{ALONE, Naming};
use crate::dataset::PassedOver;
use crate::error::DataError;
use crate::keep::{Split, class_names_in, images_in};

/// Arrays that can be opened by their names.
pub(super) struct Store {
    /// The file, the folder or the archive.
    pub root: PathBuf,
    place: Place,
    /// Of all arrays.
    pub names: BTreeSet<String>,
    /// Those of the arrays that were opened.
    opened: BTreeSet<String>,
    /// What lies beside the arrays and is none that is read.
    others: Vec<PathBuf>,
}

enum Place {
    /// A file of one array.
    File,
    /// A folder of such files.
    Folder,
    /// An archive of such files.
    Archive(ZipArchive<BufReader<File>>),
}

/// The array of the names of the classes.
const CLASS_NAMES: &str = "class_names";

impl Store {
    /// The arrays of the file or folder `path`.
    ///
    /// # Errors
    /// Where it cannot be read, or holds arrays of several data sets.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        if path.is_dir() {
            return Self::of_folder(path);
        }
        let is_archive = is_archive(path).map_err(|source| DataError::Read {
            path: path.into(),
            source,
        })?;
        if is_archive {
            return Self::of_archive(path.into());
        }
        Ok(Self {
            root: path.into(),
            place: Place::File,
            names: BTreeSet::from([ALONE.to_owned()]),
            opened: BTreeSet::new(),
            others: Vec::new(),
        })
    }

    fn of_folder(folder: &Path) -> Result<Self, DataError> {
        let mut there = Entries::of(folder)?;
        let names = there.names();
        let naming = Naming::among(&names);
        match (there.archives.as_slice(), naming) {
            ([], _) => Ok(Self {
                root: folder.into(),
                place: Place::Folder,
                names,
                opened: BTreeSet::new(),
                others: there.others,
            }),
            ([only], None) => {
                let mut store = Self::of_archive(only.clone())?;
                store.others.append(&mut there.arrays);
                store.others.append(&mut there.others);
                Ok(store)
            }
            (archives, naming) => {
                let images = naming.map(|naming| folder.join(file_of(naming.train.images)));
                let all = archives.iter().chain(&images);
                let names = all.filter_map(|path| path.file_name());
                Err(DataError::AmbiguousArrays {
                    path: folder.into(),
                    names: names
                        .map(|name| name.to_string_lossy().into_owned())
                        .collect(),
                })
            }
        }
    }

    fn of_archive(path: PathBuf) -> Result<Self, DataError> {
        let file = match File::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(source) => return Err(DataError::Read { path, source }),
        };
        let listed = ZipArchive::new(file)
            .map_err(io::Error::from)
            .and_then(|archive| Ok((members_of(&archive)?, archive)));
        let (members, archive) = match listed {
            Ok(listed) => listed,
            Err(source) => return Err(DataError::BadArray { path, source }),
        };
        let (mut names, mut others) = (BTreeSet::new(), Vec::new());
        for member in members {
            match member.strip_suffix(".npy") {
                Some(name) => {
                    names.insert(name.to_owned());
                }
                None => others.push(path.join(&member)),
            }
        }
        Ok(Self {
            root: path,
            place: Place::Archive(archive),
            names,
            opened: BTreeSet::new(),
            others,
        })
    }

    /// Whether each array is a file of a folder.
    pub fn is_folder(&self) -> bool {
        matches!(self.place, Place::Folder)
    }

    /// The array of this name, whose header is read.
    ///
    /// # Errors
    /// Where there is none, or it is damaged.
    pub fn array(&mut self, name: &str) -> Result<Array<'_>, DataError> {
        self.opened.insert(name.to_owned());
        let path = match self.place {
            Place::File => self.root.clone(),
            Place::Folder | Place::Archive(_) => self.root.join(file_of(name)),
        };
        match &mut self.place {
            Place::File | Place::Folder => Array::of_file(path),
            Place::Archive(archive) => match archive.by_name(&file_of(name)) {
                Ok(member) => {
                    let len = member.size();
                    Array::of_member(path, member, len)
                }
                Err(error) => Err(DataError::BadArray {
                    path,
                    source: error.into(),
                }),
            },
        }
    }

    /// The names of the classes: in an array, else in a file beside the arrays; `None` where there are none. A file
    /// beside an archive is passed over where other data sets lie there, too: it does not say of which it is.
    ///
    /// # Errors
    /// Where they are not what such names are, or are damaged, or the folder cannot be read.
    pub fn class_names(&mut self) -> Result<Option<ClassNames>, DataError> {
        if self.names.contains(CLASS_NAMES) {
            return class_names::in_array(self.array(CLASS_NAMES)?).map(Some);
        }
        let folder = match self.place {
            Place::Folder => Some(self.root.as_path()),
            Place::File | Place::Archive(_) => self.root.parent(),
        };
        let path = class_names_in(folder.unwrap_or(Path::new("")));
        let is_theirs = match self.place {
            Place::Folder => true,
            Place::File | Place::Archive(_) => {
                !path.exists() || Entries::of(folder_of(&self.root))?.has_no_set_but(&self.root)
            }
        };
        self.others.retain(|other| *other != path);
        if is_theirs {
            return class_names::in_file(&path);
        }
        self.others.push(path);
        Ok(None)
    }

    /// What was not read.
    pub fn passed_over(self) -> Vec<PassedOver> {
        let unread = self.names.difference(&self.opened);
        let unread = unread.map(|name| self.root.join(file_of(name)));
        let passed_over = |what: &str, paths: Vec<PathBuf>| PassedOver {
            what: what.to_owned(),
            remedy: None,
            paths,
        };
        let mut all = vec![
            passed_over("arrays that are not used", unread.collect()),
            passed_over("other files or folders", self.others),
        ];
        all.retain(|over| !over.paths.is_empty());
        all
    }
}

/// The names of the files of arrays at a path: of itself, or of those in a folder. None is opened.
pub(in crate::sources) fn names_in(path: &Path) -> Vec<String> {
    let is_array = |path: &Path| has_extension(path, "npy") || has_extension(path, "npz");
    let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    if path.is_file() {
        let own = name(path).filter(|_| is_array(path));
        return own.into_iter().collect();
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let arrays = paths.filter(|path| is_array(path) && path.is_file());
    let names = arrays.filter_map(|path| name(&path));
    names.filter(|name| !name.starts_with('.')).collect()
}

/// Whether files of these names are arrays of images beyond doubt: one has a name that images are known by, or is an
/// archive, which may hold any.
pub(in crate::sources) fn have_known_names(files: &[String]) -> bool {
    let names = files.iter().filter_map(|file| name_of(Path::new(file)));
    Naming::among(&names.collect()).is_some()
        || files
            .iter()
            .any(|file| has_extension(Path::new(file), "npz"))
}

/// Whether these files are those of a packed data set.
pub(in crate::sources) fn are_packed(files: &[String]) -> bool {
    let packed = images_in(Path::new(""), Split::Train);
    files.iter().any(|file| Path::new(file) == packed)
}

/// The files of a folder, in order.
#[derive(Default)]
struct Entries {
    archives: Vec<PathBuf>,
    arrays: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Entries {
    /// What is in a folder, without what is hidden.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn of(folder: &Path) -> Result<Self, DataError> {
        let paths = fs::read_dir(folder).and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect()
        });
        let mut paths: Vec<PathBuf> = paths.map_err(|source| DataError::Read {
            path: folder.into(),
            source,
        })?;
        paths.sort();
        let mut there = Self::default();
        for path in paths {
            let name = path.file_name().unwrap_or_default();
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let to = match path.is_file() {
                true if has_extension(&path, "npz") => &mut there.archives,
                true if name_of(&path).is_some() => &mut there.arrays,
                _ => &mut there.others,
            };
            to.push(path);
        }
        Ok(there)
    }

    /// The names of the arrays in files of their own.
    fn names(&self) -> BTreeSet<String> {
        let names = self.arrays.iter().filter_map(|path| name_of(path));
        names.collect()
    }

    /// Whether an archive in the folder is its only data set.
    fn has_no_set_but(&self, archive: &Path) -> bool {
        let mut archives = self.archives.iter();
        archives.all(|other| other.file_name() == archive.file_name())
            && Naming::among(&self.names()).is_none()
    }
}

/// The name of the array in a file; `None` where that is not named like one.
fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".npy").map(str::to_owned)
}

/// The file of an array of this name.
fn file_of(name: &str) -> String {
    format!("{name}.npy")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Whether a file is an archive, by its first bytes or its name.
fn is_archive(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut start)?;
    Ok(start == b"PK" || has_extension(path, "npz"))
}

/// The names of the members of an archive.
fn members_of<R: Read + io::Seek>(archive: &ZipArchive<R>) -> io::Result<Vec<String>> {
    if archive.has_duplicate_names() {
        let problem = "two of its members have the same name";
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    let names = archive.file_names();
    let names = names.map(|name| name.map(|name| name.into_owned()));
    names.map(|name| name.map_err(io::Error::from)).collect()
}
