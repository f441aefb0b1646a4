//! Sort the pictures of a folder: its sub-folders are classes, or the splits `train` and `test`.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::listed::Listed;
use super::rules::{Reason, name_of};
use super::walk::{Listing, Store, Walk};
use crate::class_name::{MOST_CLASSES, is_class_name};
use crate::error::DataError;

/// What to do where there is no picture.
pub(super) const NEEDS_PICTURES: &str = "set `data.dir` to a folder or a tar or zip archive of PNG, JPEG, WebP, BMP, \
                                         GIF, TIFF, TGA or PNM pictures, or to parquet files that hold such";

/// Pictures of one split, not yet read.
#[derive(Debug)]
pub(super) struct Tree {
    /// The split's folder.
    pub root: PathBuf,
    /// Names of the classes, in order; empty if the pictures have none.
    pub class_names: Vec<String>,
    /// Path and class of each picture, in order.
    pub pictures: Vec<(PathBuf, u32)>,
}

/// The splits of a data set.
#[derive(Debug)]
pub(super) struct Splits {
    /// What to train on.
    pub train: Tree,
    /// Held-out pictures, where there are some, or what is wrong with them.
    pub test: Result<Option<Tree>, DataError>,
}

/// What pictures are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    Train,
    Test,
    Validation,
}

impl Split {
    /// The split of a folder, by its name.
    fn of(folder: &Path) -> Option<Self> {
        Self::named(&name_of(folder))
    }

    /// The names in use, in any case.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "test" | "testing" => Some(Self::Test),
            "val" | "valid" | "validation" => Some(Self::Validation),
            _ => None,
        }
    }
}

/// The pictures below `dir`: training, and test if its sub-folders are splits, in one of their usual names. Pictures
/// to validate with stand in for missing test pictures and are otherwise left out. `tree_of` gives the pictures of a
/// split's folder, or of the only one, with their classes, where no file in it or in `dir` lists these.
///
/// # Errors
/// Where a folder cannot be read, holds no picture, or could be meant in two ways.
pub(super) fn scan<S: Store>(
    walk: &mut Walk<S>,
    listed: &mut Listed,
    dir: &Path,
    tree_of: impl Fn(&mut Walk<S>, &Path) -> Result<Tree, DataError>,
) -> Result<Splits, DataError> {
    listed.read(walk, dir)?;
    let Some((train, held_out)) = splits(walk, dir)? else {
        return Ok(Splits {
            train: listed.tree_or(walk, dir, tree_of)?,
            test: Ok(None),
        });
    };
    let train = listed.tree_or(walk, &train, &tree_of)?;
    let test = held_out.map(|held_out| {
        let tree = listed.tree_or(walk, &held_out, &tree_of)?;
        tree.with_classes_of(&train)
    });
    Ok(Splits {
        train,
        test: test.transpose(),
    })
}

/// The folders of pictures to train on and of held-out ones, where the sub-folders of `dir` are such.
fn splits<S: Store>(
    walk: &mut Walk<S>,
    dir: &Path,
) -> Result<Option<(PathBuf, Option<PathBuf>)>, DataError> {
    let Listing { folders, pictures } = walk.list(dir)?;
    let (named, others): (Vec<_>, Vec<_>) = folders
        .into_iter()
        .partition(|folder| Split::of(folder).is_some());
    let of = |split| {
        named
            .iter()
            .filter(move |path| Split::of(path) == Some(split))
    };
    let [train, test, validation] = [Split::Train, Split::Test, Split::Validation];
    let held_out = of(test).chain(of(validation)).next();
    let mut classes = Vec::new();
    for other in others {
        if !walk.pictures_below(&other)?.is_empty() {
            classes.push(other);
        }
    }
    let has_one_each = [train, test, validation]
        .iter()
        .all(|&split| of(split).count() <= 1);
    let is_alone = pictures.is_empty() && classes.is_empty();
    match (of(train).next(), held_out) {
        (None, None) => Ok(None),
        (Some(train), held_out) if is_alone && has_one_each => {
            for left_out in of(validation).filter(|path| Some(*path) != held_out) {
                walk.pass_over(left_out.clone(), Reason::Validation);
            }
            Ok(Some((train.clone(), held_out.cloned())))
        }
        // A train is a class beside ships, unless it has classes of its own.
        (train, held_out)
            if !classes.is_empty()
                && (train.is_none() || held_out.is_none())
                && !has_folders_of_pictures(walk, &named)? =>
        {
            Ok(None)
        }
        _ => Err(DataError::AmbiguousSplits {
            path: dir.into(),
            splits: named.iter().map(|path| name_of(path)).collect(),
            others: classes.iter().map(|path| name_of(path)).collect(),
            picture: pictures.into_iter().next(),
        }),
    }
}

/// Whether any of these folders has folders of pictures in it.
fn has_folders_of_pictures<S: Store>(
    walk: &mut Walk<S>,
    folders: &[PathBuf],
) -> Result<bool, DataError> {
    for folder in folders {
        for inner in walk.list(folder)?.folders {
            if !walk.pictures_below(&inner)?.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The pictures of one split: directly in `root`, or below its class folders.
///
/// # Errors
/// Where a folder cannot be read, there are pictures in both or in neither, or the name of a folder is not that of a
/// class.
pub(super) fn class_folders<S: Store>(walk: &mut Walk<S>, root: &Path) -> Result<Tree, DataError> {
    let Listing { folders, pictures } = walk.list(root)?;
    let mut tree = Tree {
        root: root.into(),
        class_names: Vec::new(),
        pictures: Vec::new(),
    };
    let mut names = BTreeSet::new();
    for folder in folders {
        let below = walk.pictures_below(&folder)?;
        // A folder without a single picture is no class.
        if below.is_empty() {
            continue;
        }
        if let Some(picture) = pictures.first() {
            return Err(DataError::MixedFolder {
                path: root.into(),
                picture: picture.clone(),
                folder,
            });
        }
        refuse_splits_in(walk, &folder)?;
        let name = name_of(&folder);
        let problem = if !is_class_name(&name) {
            Some("is not one line of letters, figures and signs")
        } else if !names.insert(name.clone()) {
            Some("differs from that of another only in what is not UTF-8")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(DataError::UnfitClassFolder {
                path: folder,
                problem,
            });
        }
        let class = tree.class_names.len() as u32;
        tree.class_names.push(name);
        tree.pictures
            .extend(below.into_iter().map(|path| (path, class)));
    }
    tree.pictures
        .extend(pictures.into_iter().map(|path| (path, 0)));
    if tree.pictures.is_empty() {
        return Err(DataError::NoImages {
            path: root.into(),
            remedy: NEEDS_PICTURES,
        });
    }
    refuse_many(root, tree.class_names.len())?;
    Ok(tree)
}

/// Refuse more classes than are read.
pub(super) fn refuse_many(root: &Path, num_classes: usize) -> Result<(), DataError> {
    if num_classes > MOST_CLASSES {
        return Err(DataError::TooManyClasses {
            path: root.into(),
            num: num_classes,
            most: MOST_CLASSES,
        });
    }
    Ok(())
}

/// Refuse a class whose folders are splits: the data set lies one folder deeper.
fn refuse_splits_in<S: Store>(walk: &mut Walk<S>, class: &Path) -> Result<(), DataError> {
    let folders = walk.list(class)?.folders;
    let of = |split| {
        folders
            .iter()
            .any(|folder| Split::of(folder) == Some(split))
    };
    if of(Split::Train) && (of(Split::Test) || of(Split::Validation)) {
        return Err(DataError::NestedSplits { path: class.into() });
    }
    Ok(())
}

impl Tree {
    /// The pictures of several trees, one after another, classes of one name together.
    ///
    /// # Errors
    /// Where some have classes and others have none, or there are too many.
    pub fn merged(root: &Path, trees: Vec<Self>) -> Result<Self, DataError> {
        let names: BTreeSet<&String> = trees.iter().flat_map(|tree| &tree.class_names).collect();
        refuse_many(root, names.len())?;
        let class_names: Vec<String> = names.into_iter().cloned().collect();
        let mut pictures = Vec::new();
        for tree in trees {
            if tree.class_names.is_empty() != class_names.is_empty() {
                return Err(DataError::ClassesDiffer {
                    path: tree.root,
                    test: tree.class_names,
                    train: class_names,
                });
            }
            let numbers: Vec<u32> = (tree.class_names.iter())
                .map(|name| class_names.partition_point(|other| other < name) as u32)
                .collect();
            let number = |class: u32| numbers.get(class as usize).copied().unwrap_or(0);
            pictures.extend(
                tree.pictures
                    .into_iter()
                    .map(|(path, class)| (path, number(class))),
            );
        }
        Ok(Self {
            root: root.into(),
            class_names,
            pictures,
        })
    }

    /// The same pictures with the class numbers of `train`.
    pub fn with_classes_of(mut self, train: &Self) -> Result<Self, DataError> {
        let numbers: HashMap<&String, u32> = train.class_names.iter().zip(0..).collect();
        let class_of = |name: &String| numbers.get(name).copied();
        let classes: Option<Vec<u32>> = self.class_names.iter().map(class_of).collect();
        let same_kind = self.class_names.is_empty() == train.class_names.is_empty();
        let Some(classes) = classes.filter(|_| same_kind) else {
            return Err(DataError::ClassesDiffer {
                path: self.root,
                test: self.class_names,
                train: train.class_names.clone(),
            });
        };
        for (_, label) in &mut self.pictures {
            *label = classes.get(*label as usize).copied().unwrap_or(0);
        }
        self.class_names.clone_from(&train.class_names);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sources::folder::walk::Entry;

    /// Scans a folder of empty files; paths relative to it, errors as text with it as `DIR`.
    fn scan_files(files: &[&str]) -> Result<(Listing, Option<Listing>), String> {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let listing = |tree: Tree| {
            let relative = |(path, class): (PathBuf, u32)| {
                let path = path.strip_prefix(dir.path()).unwrap().display().to_string();
                (path.replace('\\', "/"), class)
            };
            let pictures = tree.pictures.into_iter().map(relative).collect();
            (tree.class_names, pictures)
        };
        let mut walk = Walk::on_disk(dir.path()).unwrap();
        let both = scan(&mut walk, &mut Listed::default(), dir.path(), class_folders);
        let both = both.and_then(|splits| Ok((splits.train, splits.test?)));
        match both {
            Ok((train, test)) => Ok((listing(train), test.map(listing))),
            Err(error) => {
                let text = error.to_string();
                Err(text.replace(&dir.path().display().to_string(), "DIR"))
            }
        }
    }

    /// Class names, and pictures with their class.
    type Listing = (Vec<String>, Vec<(String, u32)>);

    fn listing(class_names: &[&str], pictures: &[(&str, u32)]) -> Listing {
        (
            class_names.iter().map(|&name| name.into()).collect(),
            pictures
                .iter()
                .map(|&(path, class)| (path.into(), class))
                .collect(),
        )
    }

    #[test]
    fn pictures_in_the_folder_itself_are_unlabelled_and_sorted() {
        let (train, test) =
            scan_files(&["b.PNG", "a.jpeg", "c.txt", ".d.png", "empty/e.md"]).unwrap();
        assert_eq!(train, listing(&[], &[("a.jpeg", 0), ("b.PNG", 0)]));
        assert_eq!(test, None);
    }

    #[test]
    fn sub_folders_are_classes_at_any_depth() {
        let (train, _) =
            scan_files(&["dog/x/2.gif", "dog/1.tif", "cat/3.webp", "note.txt"]).unwrap();
        let pictures = [("cat/3.webp", 0), ("dog/1.tif", 1), ("dog/x/2.gif", 1)];
        assert_eq!(train, listing(&["cat", "dog"], &pictures));
    }

    #[test]
    fn sub_folders_named_train_and_test_are_splits() {
        let files = [
            "train/a/1.png",
            "train/b/2.png",
            "test/b/3.png",
            "val/a/4.png",
        ];
        let (train, test) = scan_files(&files).unwrap();
        assert_eq!(
            train,
            listing(&["a", "b"], &[("train/a/1.png", 0), ("train/b/2.png", 1)])
        );
        // The only class of the test split keeps the number it has in training.
        assert_eq!(test, Some(listing(&["a", "b"], &[("test/b/3.png", 1)])));

        let (_, val) = scan_files(&["train/1.png", "val/2.png"]).unwrap();
        assert_eq!(val, Some(listing(&[], &[("val/2.png", 0)])));
    }

    #[test]
    fn splits_are_known_in_their_usual_names_beside_folders_that_hold_no_pictures() {
        for [train, test] in [
            ["Train", "Test"],
            ["training", "testing"],
            ["train", "valid"],
            ["TRAIN", "validation"],
        ] {
            let files = [
                format!("{train}/a/1.png"),
                format!("{test}/a/2.png"),
                "__MACOSX/train/a/._1.png".to_owned(),
                "__MACOSX/b.png".to_owned(),
                "labels/1.txt".to_owned(),
            ];
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            let (found, held_out) = scan_files(&files).unwrap();
            assert_eq!(found, listing(&["a"], &[(files[0], 0)]));
            assert_eq!(held_out, Some(listing(&["a"], &[(files[1], 0)])));
        }
        // Test pictures come before those to validate with.
        let (_, test) = scan_files(&["train/1.png", "valid/2.png", "test/3.png"]).unwrap();
        assert_eq!(test, Some(listing(&[], &[("test/3.png", 0)])));
    }

    #[test]
    fn a_train_is_a_class_beside_ships() {
        let (train, test) = scan_files(&["train/1.png", "ship/2.png"]).unwrap();
        assert_eq!(train.0, ["ship", "train"]);
        assert_eq!(test, None);
    }

    #[test]
    fn refuses_folders_that_may_be_classes_or_splits() {
        let refused = |files: &[&str]| scan_files(files).unwrap_err();
        assert_eq!(
            refused(&["train/1.png", "test/2.png", "rail/3.png"]),
            "DIR has folders of splits (test, train) and beside them rail: move that elsewhere, or set `data.dir` \
             to one of the folders"
        );
        assert_eq!(
            refused(&["train/1.png", "test/2.png", "a.png"]),
            "DIR has folders of splits (test, train) and beside them a.png: move that elsewhere, or set `data.dir` \
             to one of the folders"
        );
        assert_eq!(
            refused(&["test/1.png", "val/2.png"]),
            "DIR has folders of splits (test, val), and not one of each kind and one to train on: name them train \
             and test, or set `data.dir` to one of them"
        );
        let message = refused(&["train/1.png", "Training/2.png", "test/2.png"]);
        assert!(
            message.contains("(Training, test, train), and not one of each"),
            "{message}"
        );
        let message = refused(&["train/cat/1.png", "raw/2.png"]);
        assert!(message.contains("beside them raw"), "{message}");
        assert_eq!(
            refused(&["set/train/1.png", "set/test/2.png"]),
            "DIR/set holds pictures to train on and held-out ones: set `data.dir` to it"
        );
    }

    #[test]
    fn refuses_pictures_beside_class_folders() {
        assert_eq!(
            scan_files(&["a.png", "dog/b.png"]).unwrap_err(),
            "DIR holds both pictures (DIR/a.png, …) and folders of pictures (DIR/dog, …): \
             move the pictures into class folders, or the folders elsewhere"
        );
    }

    /// A folder of so many class folders, each with a picture.
    struct Many(usize);

    impl Store for Many {
        fn entries(&mut self, dir: &Path) -> Result<Vec<(PathBuf, Entry)>, DataError> {
            Ok(match dir.to_str() {
                Some("DIR") => (0..self.0)
                    .map(|class| (dir.join(class.to_string()), Entry::Folder))
                    .collect(),
                _ => vec![(dir.join("1.png"), Entry::Picture)],
            })
        }

        fn content(&mut self, _: &Path, _: u64) -> Result<Option<Vec<u8>>, DataError> {
            Ok(None)
        }

        fn has_file(&self, _: &Path) -> bool {
            false
        }
    }

    #[test]
    fn refuses_more_classes_than_are_read() {
        let of = |num| class_folders(&mut Walk::through(Many(num)), Path::new("DIR"));
        assert_eq!(of(MOST_CLASSES).unwrap().class_names.len(), MOST_CLASSES);
        assert_eq!(
            of(MOST_CLASSES + 1).unwrap_err().to_string(),
            "DIR has 65537 classes, and 65536 are the most: merge some, or leave the labels out"
        );
    }

    #[cfg(unix)]
    #[test]
    fn refuses_folders_whose_names_are_no_names_of_classes_or_become_one() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let scanned = |names: &[&[u8]]| {
            let dir = tempfile::tempdir().unwrap();
            for name in names {
                let folder = dir.path().join(OsStr::from_bytes(name));
                // Some file systems refuse such names.
                fs::create_dir_all(&folder).ok()?;
                fs::write(folder.join("1.png"), "").unwrap();
            }
            let mut walk = Walk::on_disk(dir.path()).unwrap();
            Some(class_folders(&mut walk, dir.path()).map_err(|error| error.to_string()))
        };
        for (names, problem) in [
            (
                &[&b"a\x1b[31m"[..], b"b"][..],
                "a\u{fffd}[31m is not one line",
            ),
            (&[b"a\nb"], "a\u{fffd}b is not one line"),
            (&[b"a\xff", b"a\xfe"], "differs from that of another only"),
        ] {
            if let Some(found) = scanned(names) {
                let message = found.unwrap_err();
                assert!(
                    message.starts_with("the name of the class folder "),
                    "{message}"
                );
                assert!(message.contains(problem), "{message}");
            }
        }
        if let Some(found) = scanned(&[&b"a\xff"[..], b"b"]) {
            assert_eq!(found.unwrap().class_names, ["a\u{fffd}", "b"]);
        }
    }

    #[test]
    fn a_split_to_validate_with_beside_a_test_split_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        for split in ["train", "test", "val"] {
            fs::create_dir(dir.path().join(split)).unwrap();
            fs::write(dir.path().join(split).join("1.png"), "").unwrap();
        }
        let scanned = || {
            let mut walk = Walk::on_disk(dir.path()).unwrap();
            scan(&mut walk, &mut Listed::default(), dir.path(), class_folders).unwrap();
            walk.passed_over()
        };
        let passed_over = scanned();
        assert_eq!(passed_over.len(), 1);
        assert_eq!(passed_over[0].paths, [dir.path().join("val")]);
        assert_eq!(passed_over[0].what, Reason::Validation.what());
        fs::remove_dir_all(dir.path().join("test")).unwrap();
        assert!(scanned().is_empty());
    }

    #[test]
    fn refuses_a_folder_without_pictures() {
        assert_eq!(
            scan_files(&["a.txt", "dog/b.md"]).unwrap_err(),
            "DIR holds no image: set `data.dir` to a folder or a tar or zip archive of PNG, JPEG, WebP, BMP, GIF, \
             TIFF, TGA or PNM pictures, or to parquet files that hold such"
        );
        let message = scan_files(&["train/a.png", "test/b.txt"]).unwrap_err();
        assert!(message.starts_with("DIR/test holds no image"), "{message}");
    }

    #[test]
    fn refuses_test_classes_that_training_does_not_have() {
        assert_eq!(
            scan_files(&["train/a/1.png", "test/c/2.png"]).unwrap_err(),
            "DIR/test has the classes [c] but the training images have [a]: use the same names"
        );
        assert!(scan_files(&["train/a/1.png", "test/2.png"]).is_err());
    }
}
