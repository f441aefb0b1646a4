//! Say which file, folder or setting kept the images from loading, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use ebm_core::ImageShape;

use crate::dataset::PassedOver;
use crate::kind::DatasetKind;

/// Why [`load`](crate::load) gives no data set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A data set that is read from files was asked for without a folder.
    #[error("dataset {dataset} is read from files: `data.dir` must name their folder")]
    NoDirGiven {
        /// The dataset asked for.
        dataset: DatasetKind,
    },
    /// A folder was named for a data set that is drawn by code.
    #[error(
        "`data.dir` is {}, but dataset {dataset} is drawn by this program and reads no files{}",
        path.display(), looks_like(holds)
    )]
    DirUnused {
        /// The dataset asked for.
        dataset: DatasetKind,
        /// The folder.
        path: PathBuf,
        /// What is in it, as far as the names of its files tell.
        holds: Vec<DatasetKind>,
    },
    /// The folder does not exist or is not a folder.
    #[error("data folder {} does not exist", path.display())]
    NoSuchDir {
        /// The folder asked for.
        path: PathBuf,
    },
    /// The place of a packed data set is taken.
    #[error("{} is there already: name a new folder", path.display())]
    PlaceTaken {
        /// The folder.
        path: PathBuf,
    },
    /// The folder of a data set that is being packed is there.
    #[error(
        "{} exists: another `ebm data pack` is writing it, or one was interrupted. If none is running, delete it",
        path.display()
    )]
    HalfPacked {
        /// The folder.
        path: PathBuf,
    },
    /// Classes were to be left out of a packed data set.
    #[error(
        "`data.leave_out` is for those who use a data set: pack all of its classes, and leave them out later"
    )]
    PackedWithout,
    /// The names of the classes cannot be packed.
    #[error(
        "the list of the classes {problem}, and could not be read again: rename or merge classes first"
    )]
    UnfitClassNames {
        /// What is wrong with them.
        problem: String,
    },
    /// Test images cannot be packed.
    #[error("the test images cannot be used: {problem}")]
    BadTestImages {
        /// What is wrong with them.
        problem: String,
    },
    /// A file of a packed data set cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A setting has a value that the dataset cannot serve.
    #[error("`{key}` is {got}: {remedy}")]
    BadSetting {
        /// Section and key in the configuration.
        key: &'static str,
        /// The value found.
        got: usize,
        /// What to set instead.
        remedy: &'static str,
    },
    /// Shapes that are not turned are to be told apart by how they are turned.
    #[error(
        "`data.factor` is rotation, of which `data.upright` leaves one: set `data.upright=false`, or another factor"
    )]
    UprightRotation,
    /// A class is to be left out that the images do not have.
    #[error("`data.leave_out` has `{name}`, and {}", classes(names))]
    NoSuchClass {
        /// The class asked for.
        name: String,
        /// The classes that there are.
        names: Vec<String>,
    },
    /// No training image is in another class than those that are left out.
    #[error("`data.leave_out` leaves no training image: leave out fewer classes")]
    AllLeftOut,
    /// A file or folder could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// None of the names under which a file is known is in the folder.
    #[error(
        "{} has none of {}: download the file, or set `data.dir` to the folder that holds it",
        dir.display(), names.join(", ")
    )]
    MissingFile {
        /// Where it was looked for.
        dir: PathBuf,
        /// Every name that was looked for.
        names: Vec<String>,
    },
    /// Some files of a set are missing from a folder or an archive.
    #[error(
        "{} lacks {}: take every file of the {version} version of {dataset}",
        path.display(), names.join(", ")
    )]
    Incomplete {
        /// The folder or the archive.
        path: PathBuf,
        /// Every file that is missing.
        names: Vec<String>,
        /// The version of the dataset of which others are there.
        version: &'static str,
        /// The dataset asked for.
        dataset: DatasetKind,
    },
    /// A file that should be a tar archive cannot be unpacked.
    #[error(
        "{} is no tar archive, or a damaged one: download it again, or set `data.dir` to a folder",
        path.display()
    )]
    BadArchive {
        /// The file.
        path: PathBuf,
        /// What the decompressor or the unpacker said.
        source: io::Error,
    },
    /// A zip archive does not hold together.
    #[error(
        "{} is a damaged zip archive: download it or pack it again, or set `data.dir` to a folder",
        path.display()
    )]
    BadZip {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A member of a zip archive cannot be unpacked here.
    #[error(
        "member {} of {} {problem}: pack the files again, stored or deflated, without a password",
        member.display(), archive.display()
    )]
    UnreadableMember {
        /// The archive.
        archive: PathBuf,
        /// The name.
        member: PathBuf,
        /// Why it cannot be unpacked.
        problem: String,
    },
    /// A file that should be an archive is of another kind.
    #[error(
        "{} is {what}: set `data.dir` to a folder, or to a tar archive, gzipped or not, or a zip archive; unpack others first",
        path.display()
    )]
    NoArchive {
        /// The file.
        path: PathBuf,
        /// What it is, as far as its first bytes tell.
        what: &'static str,
    },
    /// A member of an archive has a name that no file in a folder has.
    #[error(
        "the name of member {} of {} {problem}: pack the files again, by their names in one folder",
        member.display(), archive.display()
    )]
    BadMember {
        /// The archive.
        archive: PathBuf,
        /// The name.
        member: PathBuf,
        /// What is wrong with the name.
        problem: &'static str,
    },
    /// The file beside a picture does not tell its class.
    #[error("{} holds no label: {expected}", path.display())]
    NotALabel {
        /// The file, in its archive.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// Some pictures in an archive have labels, and some have none.
    #[error(
        "{} has no label, as other pictures have: add its .cls file or the `label` of its .json file, or remove those of the others",
        path.display()
    )]
    NoLabel {
        /// The first picture without a label, in its archive.
        path: PathBuf,
    },
    /// A `dataset.json` tells labels in a way that is not read.
    #[error(
        "{} does not list labels as StyleGAN and EDM2 do, {{\"labels\": [[\"a.png\", 0], …]}} with whole numbers from 0: {problem}; mend it, or move it elsewhere to do without",
        path.display()
    )]
    BadLabelList {
        /// The file, in its folder or archive.
        path: PathBuf,
        /// What is wrong with it, and where.
        problem: String,
    },
    /// Some pictures are listed with labels, and some are not.
    #[error("{} has no label{}", picture.display(), not_listed(list.as_deref()))]
    NotListed {
        /// The first picture without a label.
        picture: PathBuf,
        /// The `dataset.json` that should list it; `None` where its archive has none.
        list: Option<PathBuf>,
    },
    /// A file that should be a parquet file cannot be read.
    #[error("{} is no parquet file, or a damaged one: download it again", path.display())]
    BadTable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A parquet file is stored in a way that is not read.
    #[error("{} {problem}: {remedy}", path.display())]
    UnreadTable {
        /// The file.
        path: PathBuf,
        /// How it is stored.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A parquet file has no column that may hold pictures.
    #[error(
        "{} has no column of pictures, which is one of bytes, or of a group with `bytes` in it; it has {}",
        path.display(), columns.join(", ")
    )]
    NoPictureColumn {
        /// The file.
        path: PathBuf,
        /// Its columns with their types.
        columns: Vec<String>,
    },
    /// Several columns of a parquet file may be the one to read.
    #[error(
        "{} has several columns of {what} ({}): give the one to read the name {name}, or remove the others",
        path.display(), columns.join(", ")
    )]
    AmbiguousColumns {
        /// The file.
        path: PathBuf,
        /// What they hold.
        what: &'static str,
        /// These columns with their types.
        columns: Vec<String>,
        /// A name that decides.
        name: &'static str,
    },
    /// Parquet files in a folder have other columns than others.
    #[error(
        "the columns or the names of classes of {} are not those of {}: set `data.dir` to files of one data set",
        path.display(), other.display()
    )]
    TablesDiffer {
        /// The first file that differs.
        path: PathBuf,
        /// The first file of all.
        other: PathBuf,
    },
    /// Parquet files in a folder are of several data sets.
    #[error(
        "{} holds parquet files of several data sets ({}): set `data.dir` to one of them",
        path.display(), sets.join(", ")
    )]
    SeveralTables {
        /// The folder.
        path: PathBuf,
        /// Folders or files of each, as seen from it.
        sets: Vec<String>,
    },
    /// The label in a row of a parquet file is not one.
    #[error("the label of {} is {label}, expected {expected}: it is another file, or damaged", path.display())]
    BadRowLabel {
        /// The row, as a file in the parquet file.
        path: PathBuf,
        /// The label found.
        label: String,
        /// What a label is.
        expected: String,
    },
    /// Some rows of parquet files have labels, and some have none.
    #[error("{} has no label, as other rows have: give it one, or remove the column of labels", path.display())]
    NoRowLabel {
        /// The first row without a label, as a file in its parquet file.
        path: PathBuf,
    },
    /// A parquet file has the paths of pictures, and not their bytes.
    #[error(
        "{} holds the paths of pictures, not the pictures: set `data.dir` to the folder where these are, or write the \
         file again with their bytes in it",
        path.display()
    )]
    PicturesElsewhere {
        /// The file.
        path: PathBuf,
    },
    /// A file of records is empty, or its last record is incomplete.
    #[error(
        "{} has {got} bytes, expected one or more records of {record_len} bytes: it is another file, or damaged; download it again",
        path.display()
    )]
    NotRecords {
        /// The file.
        path: PathBuf,
        /// Bytes in a record.
        record_len: usize,
        /// Bytes in the file.
        got: usize,
    },
    /// A pickle is damaged, or holds something else than images and labels.
    #[error("{} {problem}: it is another file, or damaged; download it again", path.display())]
    BadPickle {
        /// The file.
        path: PathBuf,
        /// What is wrong, as the end of a sentence that begins with the file.
        problem: String,
    },
    /// A gzipped file does not decompress.
    #[error("{} is a damaged gzip file: download it again", path.display())]
    CorruptGzip {
        /// The file.
        path: PathBuf,
        /// What the decompressor said.
        source: io::Error,
    },
    /// An IDX file does not start with the number that says what it holds.
    #[error(
        "{} starts with {got:#010x}, expected {expected:#010x} ({content}): it is another file, or damaged",
        path.display()
    )]
    WrongMagic {
        /// The file.
        path: PathBuf,
        /// What the file should hold.
        content: &'static str,
        /// First word of such a file.
        expected: u32,
        /// First word of this file.
        got: u32,
    },
    /// A file is shorter than its header says.
    #[error("{} is cut short: expected {expected} bytes, got {got}; download it again", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Length according to the header, uncompressed.
        expected: u64,
        /// Actual length, uncompressed.
        got: u64,
    },
    /// A file is longer than its header says.
    #[error(
        "{} has bytes after its last item: expected {expected} bytes, got {got}; download it again",
        path.display()
    )]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// Length according to the header, uncompressed.
        expected: u64,
        /// Actual length, uncompressed.
        got: u64,
    },
    /// A file that should hold a NumPy array, or an archive of them, cannot be read as one.
    #[error(
        "{} is no NumPy file, or a damaged one: download it again, or save it again with numpy.save or numpy.savez",
        path.display()
    )]
    BadArray {
        /// The file, or the member of an archive as if that were a folder.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// An array, or the list of the names of the classes, is none that is read.
    #[error("{} {problem}: {remedy}", path.display())]
    UnfitArray {
        /// The file, or the member of an archive as if that were a folder.
        path: PathBuf,
        /// What it is, and what would be read.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// No array has one of the names that images are known by.
    #[error(
        "{} holds no images under a name that is read: it holds {}; name them train_images, x_train, images, arr_0 or data, and their labels train_labels, y_train, labels or arr_1, or set `data.dir` to a .npy file of images",
        path.display(), arrays(found)
    )]
    NoArrays {
        /// The folder or the archive.
        path: PathBuf,
        /// The names of its arrays.
        found: Vec<String>,
    },
    /// A folder holds arrays of several data sets.
    #[error(
        "{} holds several data sets ({}): set `data.dir` to one of these files, or move the others elsewhere",
        path.display(), names.join(", ")
    )]
    AmbiguousArrays {
        /// The folder.
        path: PathBuf,
        /// The archives, and the images in a file of their own.
        names: Vec<String>,
    },
    /// Images and labels do not belong together.
    #[error(
        "{} has {num_images} images but {} has {num_labels} labels: take both from the same set",
        images.display(), labels.display()
    )]
    CountMismatch {
        /// The file of images.
        images: PathBuf,
        /// The file of labels.
        labels: PathBuf,
        /// Images found.
        num_images: usize,
        /// Labels found.
        num_labels: usize,
    },
    /// A label is not one of the classes.
    #[error(
        "label {index} of {} is {label}, expected {first} to {}{}: it is another set, or damaged",
        path.display(), first + *num_classes as u32 - 1, as_named_in(named_in.as_deref())
    )]
    BadLabel {
        /// The file of labels.
        path: PathBuf,
        /// Position of the label, from 0.
        index: usize,
        /// The label found.
        label: i64,
        /// The label of the first class.
        first: u32,
        /// How many classes there are.
        num_classes: usize,
        /// Where their names stand, if that tells how many there are.
        named_in: Option<PathBuf>,
    },
    /// A file or folder holds no image.
    #[error("{} holds no image: {remedy}", path.display())]
    NoImages {
        /// The file or folder.
        path: PathBuf,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A folder holds files of other kinds, and no image.
    #[error(
        "{} holds no image, but {}: set `data.dir` to a folder or a tar or zip archive of PNG, JPEG, WebP, BMP, GIF, TIFF, TGA or PNM pictures, or to parquet files that hold such",
        path.display(), counted(others)
    )]
    NoImagesBeside {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        others: Vec<PassedOver>,
    },
    /// Training and test images differ in size or in channels.
    #[error(
        "test images of {} are {test} but training images are {train}: set {}",
        path.display(), keys_of(*train, *test)
    )]
    ShapesDiffer {
        /// The folder.
        path: PathBuf,
        /// Shape of the training images.
        train: ImageShape,
        /// Shape of the test images.
        test: ImageShape,
    },
    /// A size was left to the pictures, but they are not square, or large.
    #[error("{} is {width} by {height}: set `data.image_size` to crop and resize all pictures to a square", path.display())]
    SizeNeeded {
        /// The first picture.
        path: PathBuf,
        /// Its columns.
        width: u32,
        /// Its rows.
        height: u32,
    },
    /// Pictures lie both beside and in class folders.
    #[error(
        "{} holds both pictures ({}, …) and folders of pictures ({}, …): move the pictures into class folders, or the folders elsewhere",
        path.display(), picture.display(), folder.display()
    )]
    MixedFolder {
        /// The folder.
        path: PathBuf,
        /// Its first picture.
        picture: PathBuf,
        /// Its first folder with pictures.
        folder: PathBuf,
    },
    /// Folders may be splits or classes.
    #[error(
        "{} has folders of splits ({}){}",
        path.display(), splits.join(", "), beside_splits(others, picture.as_deref())
    )]
    AmbiguousSplits {
        /// The folder.
        path: PathBuf,
        /// Its folders with names of splits.
        splits: Vec<String>,
        /// Its other folders that hold pictures.
        others: Vec<String>,
        /// The first picture that lies beside them.
        picture: Option<PathBuf>,
    },
    /// Archives or parquet files in a folder may be of splits or not.
    #[error(
        "{} holds shards of splits ({}, …) and {}",
        path.display(), below(named, path), beside_shards(other.as_deref(), path)
    )]
    AmbiguousShards {
        /// The folder.
        path: PathBuf,
        /// The first one with the name of a split.
        named: PathBuf,
        /// The first one without.
        other: Option<PathBuf>,
    },
    /// A class folder is a data set with splits of its own.
    #[error("{} holds pictures to train on and held-out ones: set `data.dir` to it", path.display())]
    NestedSplits {
        /// The folder.
        path: PathBuf,
    },
    /// A class folder has a name that is not that of a class, or that another has too.
    #[error(
        "the name of the class folder {} {problem}: give it another name",
        visible(path)
    )]
    UnfitClassFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with its name.
        problem: &'static str,
    },
    /// There are more classes than are read.
    #[error("{} has {num} classes, and {most} are the most: merge some, or leave the labels out", path.display())]
    TooManyClasses {
        /// The folder, archive or file.
        path: PathBuf,
        /// How many there are.
        num: usize,
        /// How many may be.
        most: usize,
    },
    /// One number is written in two ways in labels.
    #[error(
        "labels in {} write one number in two ways, {one} and {other}: write it in one way",
        path.display()
    )]
    AmbiguousLabels {
        /// The folder, archive or file.
        path: PathBuf,
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// The test images have other classes than the training images.
    #[error(
        "{} has the classes [{}] but the training images have [{}]: use the same names",
        path.display(), test.join(", "), train.join(", ")
    )]
    ClassesDiffer {
        /// Folder or archive of the test images.
        path: PathBuf,
        /// Its classes.
        test: Vec<String>,
        /// Classes of the training images.
        train: Vec<String>,
    },
    /// A file cannot be read as a picture.
    #[error("cannot read {} as a picture: {cause}", path.display())]
    NotAPicture {
        /// The file.
        path: PathBuf,
        /// What the decoder or the system said.
        cause: image::ImageError,
    },
    /// Pictures cannot be decoded.
    #[error(
        "{num_bad} of {num_pictures} pictures cannot be decoded, the first {}: {cause}; `data.skip_bad` leaves such pictures out",
        path.display()
    )]
    BadPicture {
        /// The first bad picture.
        path: PathBuf,
        /// What the decoder said about it.
        cause: image::ImageError,
        /// How many are bad.
        num_bad: usize,
        /// How many there are.
        num_pictures: usize,
    },
}

/// What was passed over, the most first.
fn counted(others: &[PassedOver]) -> String {
    const SHOWN: usize = 4;
    let mut others: Vec<&PassedOver> = others.iter().collect();
    others.sort_by_key(|over| std::cmp::Reverse(over.paths.len()));
    let some = others.iter().take(SHOWN);
    let some = some.map(|over| format!("{} {}", over.paths.len(), over.what));
    some.collect::<Vec<_>>().join(", ")
}

/// The names of arrays, not all of very many.
fn arrays(names: &[String]) -> String {
    const SHOWN: usize = 20;
    match names.len().saturating_sub(SHOWN) {
        _ if names.is_empty() => "no array".to_owned(),
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

fn classes(names: &[String]) -> String {
    match names {
        [] => "the images have no classes".to_owned(),
        names => format!("the classes are {}", names.join(", ")),
    }
}

/// The keys that make two shapes one.
fn keys_of(one: ImageShape, other: ImageShape) -> &'static str {
    let is_same_size = (one.height, one.width) == (other.height, other.width);
    match (one.channels == other.channels, is_same_size) {
        (false, true) => "`data.channels`",
        (false, false) => "`data.channels` and `data.image_size`",
        (true, _) => "`data.image_size`",
    }
}

/// What tells which labels there are.
fn as_named_in(names: Option<&Path>) -> String {
    names.map_or_else(String::new, |names| {
        format!(", the places of the names in {}", names.display())
    })
}

/// Where a label is missing, and what to do.
fn not_listed(list: Option<&Path>) -> String {
    match list {
        Some(list) => format!(
            " in {}, as other pictures have: add it there, or remove the picture",
            list.display()
        ),
        None => ", as other pictures have in the dataset.json of their archives: add one to its own, or move that \
                 elsewhere"
            .to_owned(),
    }
}

/// What is wrong with folders of splits, and what to do.
fn beside_splits(others: &[String], picture: Option<&Path>) -> String {
    let picture = picture.and_then(Path::file_name);
    let picture = picture.map(|name| name.to_string_lossy().into_owned());
    let beside: Vec<String> = others.iter().cloned().chain(picture).collect();
    if beside.is_empty() {
        return ", and not one of each kind and one to train on: name them train and test, or set `data.dir` to one \
                of them"
            .to_owned();
    }
    format!(
        " and beside them {}: move that elsewhere, or set `data.dir` to one of the folders",
        beside.join(", ")
    )
}

/// What is wrong with archives of splits, and what to do.
fn beside_shards(other: Option<&Path>, dir: &Path) -> String {
    match other {
        Some(other) => format!(
            "beside them {}: name all of them train-… or test-…, or move others elsewhere",
            below(other, dir)
        ),
        None => "none to train on: name those train-…, or set `data.dir` to one of them".to_owned(),
    }
}

/// A path with a sign in the place of each letter that cannot be seen.
fn visible(path: &Path) -> String {
    let is_unseen = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    let path = path.display().to_string();
    path.replace(is_unseen, "\u{fffd}")
}

/// A path as seen from a folder above it.
fn below(path: &Path, dir: &Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).display().to_string()
}

fn looks_like(kinds: &[DatasetKind]) -> String {
    if kinds.is_empty() {
        return String::new();
    }
    let names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    format!("; what is there looks like {}", names.join(" or "))
}
