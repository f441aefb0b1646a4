//! Find the pictures of a folder: its sub-folders are classes, or the splits `train` and `test`.

use std::path::{Path, PathBuf};

use crate::error::DataError;

/// A file with one of these extensions, in any case, is a picture.
#[rustfmt::skip]
const EXTENSIONS: [&str; 13] = [
    "png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff", "pnm", "pbm", "pgm", "ppm", "pam",
];

/// Pictures of one split, still on disk.
pub(super) struct Tree {
    /// The split's folder.
    pub root: PathBuf,
    /// Sub-folders that hold pictures, in order; empty if the pictures lie in `root` itself.
    pub class_names: Vec<String>,
    /// Path and class of each picture, in order.
    pub pictures: Vec<(PathBuf, u32)>,
}

/// The pictures below `dir`: training, and test if its sub-folders are splits. Splits are
/// `train` with `test`, `val` or both; `val` stands in for a missing `test` and is otherwise left out.
pub(super) fn scan(dir: &Path) -> Result<(Tree, Option<Tree>), DataError> {
    let (folders, pictures) = list(dir)?;
    let names: Vec<String> = folders.iter().map(|folder| name_of(folder)).collect();
    let is_split = |name: &String| ["train", "test", "val"].contains(&name.as_str());
    let train = dir.join("train");
    if !pictures.is_empty() || !names.iter().all(is_split) || !folders.contains(&train) {
        return Ok((scan_tree(dir)?, None));
    }
    let train = scan_tree(&train)?;
    let held_out = ["test", "val"].map(|name| dir.join(name));
    let Some(test) = held_out.iter().find(|path| folders.contains(path)) else {
        return Ok((train, None));
    };
    let test = scan_tree(test)?.with_classes_of(&train)?;
    Ok((train, Some(test)))
}

/// The pictures of one split: directly in `root`, or below its class folders.
fn scan_tree(root: &Path) -> Result<Tree, DataError> {
    let (folders, pictures) = list(root)?;
    let mut tree = Tree {
        root: root.into(),
        class_names: Vec::new(),
        pictures: Vec::new(),
    };
    for folder in folders {
        let below = pictures_below(&folder)?;
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
        let class = tree.class_names.len() as u32;
        tree.class_names.push(name_of(&folder));
        tree.pictures
            .extend(below.into_iter().map(|path| (path, class)));
    }
    tree.pictures
        .extend(pictures.into_iter().map(|path| (path, 0)));
    if tree.pictures.is_empty() {
        return Err(DataError::NoImages {
            path: root.into(),
            remedy: "set `data.dir` to a folder of PNG, JPEG, WebP, BMP, GIF, TIFF or PNM pictures",
        });
    }
    Ok(tree)
}

impl Tree {
    /// The same pictures with the class numbers of `train`.
    fn with_classes_of(mut self, train: &Self) -> Result<Self, DataError> {
        let class_of = |name: &String| train.class_names.iter().position(|other| other == name);
        let classes: Option<Vec<usize>> = self.class_names.iter().map(class_of).collect();
        let same_kind = self.class_names.is_empty() == train.class_names.is_empty();
        let Some(classes) = classes.filter(|_| same_kind) else {
            return Err(DataError::ClassesDiffer {
                path: self.root,
                test: self.class_names,
                train: train.class_names.clone(),
            });
        };
        for (_, label) in &mut self.pictures {
            *label = classes
                .get(*label as usize)
                .map_or(0, |&class| class as u32);
        }
        self.class_names.clone_from(&train.class_names);
        Ok(self)
    }
}

/// Sub-folders and pictures directly in `dir`, each sorted by path; hidden ones are ignored.
fn list(dir: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), DataError> {
    let failed = |source| DataError::Read {
        path: dir.into(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !name_of(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    let (folders, mut files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    files.retain(|path| is_picture(path));
    Ok((folders, files))
}

/// All pictures at any depth below a folder, in order; hidden ones are ignored.
///
/// # Errors
/// Where a folder cannot be read.
pub fn pictures_below(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let (folders, mut pictures) = list(dir)?;
    for folder in folders {
        pictures.extend(pictures_below(&folder)?);
    }
    Ok(pictures)
}

/// Whether the name of a file has the extension of a picture.
pub fn is_picture(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
        match scan(dir.path()) {
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
    fn another_folder_beside_train_and_test_makes_all_three_classes() {
        let (train, test) = scan_files(&["train/1.png", "test/2.png", "rail/3.png"]).unwrap();
        assert_eq!(train.0, ["rail", "test", "train"]);
        assert_eq!(test, None);
    }

    #[test]
    fn refuses_pictures_beside_class_folders() {
        assert_eq!(
            scan_files(&["a.png", "dog/b.png"]).unwrap_err(),
            "DIR holds both pictures (DIR/a.png, …) and folders of pictures (DIR/dog, …): \
             move the pictures into class folders, or the folders elsewhere"
        );
    }

    #[test]
    fn refuses_a_folder_without_pictures() {
        assert_eq!(
            scan_files(&["a.txt", "dog/b.md"]).unwrap_err(),
            "DIR holds no image: set `data.dir` to a folder of PNG, JPEG, WebP, BMP, GIF, TIFF or \
             PNM pictures"
        );
        let message = scan_files(&["train/a.png", "test/b.txt"]).unwrap_err();
        assert!(message.starts_with("DIR/test holds no image"), "{message}");
    }

    #[test]
    fn refuses_test_classes_that_training_does_not_have() {
        assert_eq!(
            scan_files(&["train/a/1.png", "test/c/2.png"]).unwrap_err(),
            "DIR/test has class folders [c] but the training images have [a]: use the same names"
        );
        assert!(scan_files(&["train/a/1.png", "test/2.png"]).is_err());
    }
}
