//! Walk through a folder on a disk: which folders are entered, and which files are pictures.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use image::ImageReader;

use super::rules::{
    Reason, START, is_named_as_a_picture, is_start_of_a_picture, may_be_a_picture, name_of,
};
use super::walk::{Entry, Store, Walk};
use crate::error::DataError;

/// The folders below one on a disk. Every one is entered once, however many links lead to it.
pub(super) struct Disk {
    /// Where the walk began, without links.
    root: PathBuf,
    /// Folders outside of the root, without links, and the link that led to each.
    entered: BTreeMap<PathBuf, PathBuf>,
}

impl Walk<Disk> {
    /// A walk through the folder `root`.
    ///
    /// # Errors
    /// Where there is no such folder.
    pub fn on_disk(root: &Path) -> Result<Self, DataError> {
        Ok(Self::through(Disk {
            root: real_path(root)?,
            entered: BTreeMap::new(),
        }))
    }
}

impl Store for Disk {
    fn entries(&mut self, dir: &Path) -> Result<Vec<(PathBuf, Entry)>, DataError> {
        let failed = |source| DataError::Read {
            path: dir.into(),
            source,
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            paths.extend(seen(&entry.map_err(failed)?));
        }
        paths.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut entries = Vec::with_capacity(paths.len());
        for (path, kind) in paths {
            let entry = if kind.is_some_and(|kind| kind.is_dir()) {
                let reason = self.why_not_entered(&path)?;
                reason.map_or(Entry::Folder, Entry::PassedOver)
            } else {
                why_no_picture(&path, kind).map_or(Entry::Picture, Entry::PassedOver)
            };
            entries.push((path, entry));
        }
        Ok(entries)
    }

    fn content(&mut self, file: &Path, most: u64) -> Result<Option<Vec<u8>>, DataError> {
        if !file.is_file() {
            return Ok(None);
        }
        start_of(file, most + 1)
            .map(Some)
            .map_err(|source| DataError::Read {
                path: file.into(),
                source,
            })
    }

    fn has_file(&self, path: &Path) -> bool {
        path.is_file()
    }
}

impl Disk {
    /// As [`holds_any`], of a folder on the way.
    fn holds_any(&mut self, dir: &Path, is_packed: &dyn Fn(&Path) -> bool) -> bool {
        let mut folders = Vec::new();
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Some((path, kind)) = seen(&entry) else {
                continue;
            };
            if kind.is_some_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if why_no_picture(&path, kind).is_none()
                || (kind.is_some_and(|kind| kind.is_file()) && is_packed(&path))
            {
                return true;
            }
        }
        folders.iter().any(|folder| {
            matches!(self.why_not_entered(folder), Ok(None)) && self.holds_any(folder, is_packed)
        })
    }

    /// Why a folder is not entered, if it is not.
    fn why_not_entered(&mut self, path: &Path) -> Result<Option<Reason>, DataError> {
        if let Some(reason) = Reason::of_folder(path, Path::is_file, Path::exists) {
            return Ok(Some(reason));
        }
        if !path.is_symlink() {
            return Ok(None);
        }
        // What is in the root is found without links, and what leads back to it never ends.
        let target = real_path(path)?;
        if self.root.starts_with(&target) && self.root != target {
            return Ok(Some(Reason::LinkUp));
        }
        let is_within = |other: &Path| target.starts_with(other) || other.starts_with(&target);
        let mut others = self.entered.iter().filter(|(_, link)| *link != path);
        if target.starts_with(&self.root) || others.any(|(other, _)| is_within(other)) {
            return Ok(Some(Reason::Link));
        }
        self.entered.insert(target, path.to_owned());
        Ok(None)
    }
}

/// Whether a picture, or a file that `is_packed`, lies at any depth below a folder. The search ends with the first, and
/// what cannot be read holds none.
pub(super) fn holds_any(dir: &Path, is_packed: &dyn Fn(&Path) -> bool) -> bool {
    real_path(dir).is_ok_and(|root| {
        let entered = BTreeMap::new();
        Disk { root, entered }.holds_any(dir, is_packed)
    })
}

/// The path and the kind of what lies in a folder, unless it is hidden. The kind is not known of a link that leads
/// nowhere.
fn seen(entry: &DirEntry) -> Option<(PathBuf, Option<FileType>)> {
    let path = entry.path();
    if name_of(&path).starts_with('.') {
        return None;
    }
    // Asked of the folder, and of the file only where that does not know: calls take time on a network.
    let kind = entry.file_type().ok().filter(|kind| !kind.is_symlink());
    let kind = kind.or_else(|| Some(fs::metadata(&path).ok()?.file_type()));
    Some((path, kind))
}

/// Why a file of this kind is not taken for a picture, if it is not. The kind of a link that leads nowhere is not known.
fn why_no_picture(path: &Path, kind: Option<FileType>) -> Option<Reason> {
    if kind.is_some_and(|kind| !kind.is_file()) {
        return Some(Reason::NotRegular);
    }
    // Where a link leads nowhere, decoding says so.
    let is_picture = is_named_as_a_picture(path)
        || (kind.is_some() && may_be_a_picture(path) && has_content_of_a_picture(path));
    (!is_picture).then(|| Reason::of_file(path))
}

/// Whether the content of a file is a picture in a format that is decoded here.
fn has_content_of_a_picture(path: &Path) -> bool {
    start_of(path, START).is_ok_and(|start| is_start_of_a_picture(path, &start)) && {
        // A few first letters may be those of a text.
        let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
        reader.is_ok_and(|reader| reader.into_dimensions().is_ok())
    }
}

/// The first bytes of a file.
fn start_of(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether a file is a picture: by its extension, or else by its content.
pub fn is_picture(path: &Path) -> bool {
    let kind = fs::metadata(path).ok().map(|metadata| metadata.file_type());
    why_no_picture(path, kind).is_none()
}

/// All pictures at any depth below a folder, in order; hidden ones are ignored.
///
/// # Errors
/// Where a folder cannot be read.
pub fn pictures_below(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    Walk::on_disk(dir)?.pictures_below(dir)
}

/// The path of a folder without links.
fn real_path(path: &Path) -> Result<PathBuf, DataError> {
    path.canonicalize().map_err(|source| DataError::Read {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, RgbImage};

    use super::*;

    /// The pictures below a folder relative to it, and what was passed over with its number.
    fn walk(dir: &Path) -> (Vec<String>, Vec<(String, usize)>) {
        let mut walk = Walk::on_disk(dir).unwrap();
        let pictures = walk.pictures_below(dir).unwrap();
        let relative = |path: &PathBuf| path.strip_prefix(dir).unwrap().display().to_string();
        let passed_over = walk.passed_over().into_iter();
        (
            pictures.iter().map(relative).collect(),
            passed_over
                .map(|over| (over.what, over.paths.len()))
                .collect(),
        )
    }

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn pictures_are_known_by_their_extension_or_by_their_content() {
        let dir = tempfile::tempdir().unwrap();
        let saved = |name: &str, format| {
            let picture = RgbImage::new(2, 2);
            picture
                .save_with_format(dir.path().join(name), format)
                .unwrap();
        };
        saved("bare", ImageFormat::Png);
        saved("photo.heic", ImageFormat::Jpeg);
        for name in ["a.jfif", "b.JPE", "c.tga", "d.heic", "e.heic", "f.avif"] {
            touch(&dir.path().join(name));
        }
        fs::write(dir.path().join("g.txt"), "BM is what bitmaps begin with").unwrap();
        touch(&dir.path().join("README"));
        let (pictures, passed_over) = walk(dir.path());
        assert_eq!(pictures, ["a.jfif", "b.JPE", "bare", "c.tga", "photo.heic"]);
        let expected = [
            (".avif pictures, which this program does not decode", 1),
            (".heic pictures, which this program does not decode", 2),
            (".txt files", 1),
            ("files without an extension", 1),
        ];
        assert_eq!(
            passed_over,
            expected.map(|(what, num)| (what.to_owned(), num))
        );
    }

    #[test]
    fn the_search_for_any_picture_finds_what_a_walk_finds() {
        let is_packed = |path: &Path| path.ends_with("a.tar");
        for (names, holds) in [
            (&["a/b/c.png"][..], true),
            (&["a/notes.txt", "z.jpg"], true),
            (&["a/a.tar"], true),
            (&["a.tar/notes.txt"], false),
            (&[".a/b.png", "a/.b.png", "__MACOSX/a.png"], false),
            (&["run/config.toml", "run/samples/a.png"], false),
            (&["notes.txt"], false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            names.iter().for_each(|name| touch(&dir.path().join(name)));
            assert_eq!(holds_any(dir.path(), &is_packed), holds, "{names:?}");
        }
        assert!(!holds_any(Path::new("/no/such/place"), &is_packed));
    }

    #[test]
    fn runs_and_folders_of_other_programs_hold_no_data() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "a.png",
            "__MACOSX/._a.png",
            "__MACOSX/b.png",
            "run/config.toml",
            "run/samples/step_000001.png",
            "notes/config.toml",
            "notes/c.png",
            "exported/config.json",
            "exported/model.safetensors",
            "exported/samples.png",
            "settings/config.json",
            "settings/d.png",
        ] {
            touch(&dir.path().join(name));
        }
        let (pictures, passed_over) = walk(dir.path());
        assert_eq!(pictures, ["a.png", "notes/c.png", "settings/d.png"]);
        let reasons: Vec<_> = passed_over.iter().map(|(what, _)| what.as_str()).collect();
        let expected = [
            ".json files",
            ".toml files",
            "folders of other programs",
            "run directories of this program",
            "folders of exported models",
        ];
        assert_eq!(reasons, expected);
        // The samples of a run that are asked for are.
        let (pictures, _) = walk(&dir.path().join("run/samples"));
        assert_eq!(pictures, ["step_000001.png"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_neither_multiply_pictures_nor_go_round_in_circles() {
        use std::os::unix::fs::symlink;

        let outside = tempfile::tempdir().unwrap();
        touch(&outside.path().join("o.png"));
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        for name in ["cat/1.png", "dog/2.png"] {
            touch(&dir.join(name));
        }
        for (link, target) in [
            ("cat/self", dir.join("cat")),
            ("cat/up", dir.clone()),
            ("cat/above", parent.path().to_owned()),
            ("dog/cats", dir.join("cat")),
            ("dog/outside", outside.path().to_owned()),
            ("dog/outside_again", outside.path().to_owned()),
            ("dog/3.png", dir.join("dog/2.png")),
        ] {
            symlink(target, dir.join(link)).unwrap();
        }
        symlink(&dir, outside.path().join("back")).unwrap();
        let (pictures, passed_over) = walk(&dir);
        let expected = ["cat/1.png", "dog/2.png", "dog/3.png", "dog/outside/o.png"];
        assert_eq!(pictures, expected);
        let links = "links to folders whose pictures are there already".to_owned();
        let above = "links to folders above".to_owned();
        assert_eq!(passed_over, [(links, 5), (above, 1)]);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_with_the_name_of_a_picture_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("a.png");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let (pictures, passed_over) = walk(dir.path());
        assert!(pictures.is_empty(), "{pictures:?}");
        assert_eq!(passed_over, [("pipes, sockets or devices".to_owned(), 1)]);
    }
}
