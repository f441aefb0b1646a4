//! Tell pictures from other files, and folders of data from others, on a disk as in an archive.

use std::path::Path;

use image::ImageFormat;

use super::archive::archive_extension;

/// A file with one of these extensions, in any case, is a picture; others are where their content says so.
#[rustfmt::skip]
const EXTENSIONS: [&str; 17] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "dib", "gif", "tif", "tiff", "tga",
    "pnm", "pbm", "pgm", "ppm", "pam",
];

/// Formats of pictures that nothing here decodes, by their extensions.
#[rustfmt::skip]
const UNDECODABLE: [&str; 18] = [
    "heic", "heif", "avif", "jp2", "j2k", "jpx", "jxl", "svg", "psd", "xcf", "dng", "cr2", "cr3", "nef", "arw", "orf",
    "raf", "rw2",
];

/// Folders that archivers, file systems and file managers leave behind.
const OF_OTHER_PROGRAMS: [&str; 6] = [
    "__MACOSX",
    "__pycache__",
    "@eaDir",
    "lost+found",
    "$RECYCLE.BIN",
    "System Volume Information",
];

/// The first bytes of a file that are enough to tell its format.
pub(super) const START: u64 = 64;

/// Why something is passed over: what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Pictures of an extension that are not decoded.
    Undecodable(String),
    /// Archives of an extension, which begins with a dot.
    Archive(&'static str),
    /// Other files of an extension.
    NoPicture(String),
    NoExtension,
    NotRegular,
    /// In an archive.
    NoFile,
    Link,
    LinkUp,
    OfOtherProgram,
    Run,
    /// As `ebm export --format hf` and the Hugging Face Hub have it, with a picture of samples.
    Model,
    /// A `.json` file whose `label` is none.
    OddLabel,
    /// A `.json` file that is too long to look for a `label` in it.
    LongLabel,
    /// A path in a `dataset.json` at which no file lies.
    ListedAlone,
    /// Pictures to validate with, where there are some to test with.
    Validation,
}

impl Reason {
    /// Of a file that is no picture.
    pub fn of_file(path: &Path) -> Self {
        let extension = extension_of(path);
        if let Some(extension) = archive_extension(path) {
            Self::Archive(extension)
        } else if extension.is_empty() {
            Self::NoExtension
        } else if UNDECODABLE.contains(&extension.as_str()) {
            Self::Undecodable(extension)
        } else {
            Self::NoPicture(extension)
        }
    }

    /// Of a folder whose pictures are no data, given what else there is.
    pub fn of_folder(
        path: &Path,
        is_file: impl Fn(&Path) -> bool,
        exists: impl Fn(&Path) -> bool,
    ) -> Option<Self> {
        if OF_OTHER_PROGRAMS.contains(&name_of(path).as_str()) {
            return Some(Self::OfOtherProgram);
        }
        let is_run = is_file(&path.join("config.toml"))
            && ["checkpoints", "samples", "metrics.jsonl"]
                .iter()
                .any(|own| exists(&path.join(own)));
        if is_run {
            return Some(Self::Run);
        }
        let is_model = ["config.json", "model.safetensors"]
            .iter()
            .all(|own| is_file(&path.join(own)));
        is_model.then_some(Self::Model)
    }

    /// What to do where they are meant as data.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Undecodable(_) => Some("convert them to PNG or JPEG"),
            Self::Archive(_) => Some("an archive is read where no picture lies beside it"),
            Self::OddLabel => Some("make it one of these, and it is the class of its picture"),
            Self::LongLabel => Some("where a picture has its `label` in one, shorten it"),
            Self::ListedAlone => Some("the copy may be incomplete"),
            Self::NoPicture(extension) if extension == "parquet" => {
                Some("parquet files are read where no picture or archive lies beside them")
            }
            _ => None,
        }
    }

    /// What they are, in the plural.
    pub fn what(&self) -> String {
        match self {
            Self::Undecodable(extension) => {
                format!(".{extension} pictures, which this program does not decode")
            }
            Self::Archive(extension) => format!("{extension} files"),
            Self::NoPicture(extension) => format!(".{extension} files"),
            Self::NoExtension => "files without an extension".to_owned(),
            Self::NotRegular => "pipes, sockets or devices".to_owned(),
            Self::NoFile => "links, devices or other members that are no files".to_owned(),
            Self::Link => "links to folders whose pictures are there already".to_owned(),
            Self::LinkUp => "links to folders above".to_owned(),
            Self::OfOtherProgram => "folders of other programs".to_owned(),
            Self::Run => "run directories of this program".to_owned(),
            Self::Model => "folders of exported models".to_owned(),
            Self::OddLabel => {
                ".json files whose `label` is neither a whole number nor one line of text"
                    .to_owned()
            }
            Self::LongLabel => ".json files of more than 16 MiB".to_owned(),
            Self::ListedAlone => "paths in dataset.json at which no file lies".to_owned(),
            Self::Validation => {
                "validation splits, left out where there are test splits".to_owned()
            }
        }
    }
}

/// Whether the extension of a file is that of a picture.
pub(super) fn is_named_as_a_picture(path: &Path) -> bool {
    EXTENSIONS.contains(&extension_of(path).as_str())
}

/// Whether a file whose extension is not that of a picture may be one all the same: it has none, a number, or that of
/// a format that is not decoded, as some programs name JPEG files. Other extensions are taken at their word.
pub(super) fn may_be_a_picture(path: &Path) -> bool {
    let extension = extension_of(path);
    let is_number = extension.bytes().all(|byte| byte.is_ascii_digit());
    is_number || UNDECODABLE.contains(&extension.as_str())
}

/// Whether the first bytes of a file [that may be a picture](may_be_a_picture) are those of one in a format that is
/// decoded here. Raw files of cameras begin as TIFF files do, and hold a small preview.
pub(super) fn is_start_of_a_picture(path: &Path, start: &[u8]) -> bool {
    let is_raw =
        |format| format == ImageFormat::Tiff && UNDECODABLE.contains(&extension_of(path).as_str());
    image::guess_format(start)
        .is_ok_and(|format| ImageFormat::reading_enabled(&format) && !is_raw(format))
}

/// The last part of a path.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The extension of a file in lower case; empty where it has none.
fn extension_of(path: &Path) -> String {
    path.extension()
        .map_or_else(String::new, |text| text.to_string_lossy().to_lowercase())
}
