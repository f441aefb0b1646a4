//! Tell the parquet files of one data set from those of several.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::sources::folder::rules::name_of;
use crate::sources::folder::tree::Split;

/// Refuses files below `dir` in folders that the Hub has for several data sets in one repository, as
/// `cats/train-00000-of-00001.parquet` and `dogs/train/0000.parquet`. Folders with the names of splits do not tell data
/// sets apart.
///
/// # Errors
/// Where there are several.
pub(super) fn refuse_several(dir: &Path, files: &[PathBuf]) -> Result<(), DataError> {
    let mut sets = BTreeMap::new();
    for file in files {
        let (words, folder) = set_of(dir, file);
        sets.entry(words).or_insert(folder);
    }
    if sets.len() < 2 {
        return Ok(());
    }
    Err(DataError::SeveralTables {
        path: dir.into(),
        sets: sets.into_values().collect(),
    })
}

/// The words in the folders of a file below `dir` that tell its data set, and the last of these folders, or where no
/// folder tells it the file, as seen from `dir`.
fn set_of(dir: &Path, file: &Path) -> (Vec<String>, String) {
    let below = file.strip_prefix(dir).unwrap_or(file);
    let (mut words, mut named) = (Vec::new(), below);
    let mut folders: Vec<&Path> = below.ancestors().skip(1).collect();
    folders.reverse();
    for folder in folders {
        let name = name_of(folder).to_lowercase();
        // Where a split is too large, the Hub's converter calls its first part partial.
        let own = name
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty() && *word != "partial" && Split::named(word).is_none());
        let before = words.len();
        words.extend(own.map(str::to_owned));
        if words.len() > before {
            named = folder;
        }
    }
    (words, named.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data sets of which there are several.
    fn several(files: &[&str]) -> Vec<String> {
        let dir = Path::new("DIR");
        let files: Vec<PathBuf> = files.iter().map(|file| dir.join(file)).collect();
        match refuse_several(dir, &files) {
            Ok(()) => Vec::new(),
            Err(DataError::SeveralTables { sets, .. }) => {
                sets.into_iter().map(|set| set.replace('\\', "/")).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_files_of_one_data_set_are_known_as_the_hub_lays_them_out() {
        for files in [
            &[
                "train-00000-of-00001.parquet",
                "test-00000-of-00001.parquet",
            ][..],
            &[
                "data/train-0.parquet",
                "data/train-1.parquet",
                "data/validation-0.parquet",
            ],
            &["plain_text/train-0.parquet", "plain_text/test-0.parquet"],
            &["default/train/0000.parquet", "default/test/0000.parquet"],
            &[
                "default/partial-train/0000.parquet",
                "default/test/0000.parquet",
            ],
            &["train/0.parquet", "Test/0.parquet"],
            &["mnist_train/0.parquet", "mnist_test/0.parquet"],
            &["a/b/train.parquet", "a/b/val/0.parquet"],
        ] {
            assert_eq!(several(files), [""; 0], "{files:?}");
        }
    }

    #[test]
    fn several_data_sets_are_named_by_their_folders() {
        for (files, expected) in [
            (
                ["cats/train-0.parquet", "dogs/train-0.parquet"],
                ["cats", "dogs"],
            ),
            (
                ["set/dogs/test/0.parquet", "set/cats/train/0.parquet"],
                ["set/cats", "set/dogs"],
            ),
            (
                ["cats-train/0.parquet", "dogs-train/0.parquet"],
                ["cats-train", "dogs-train"],
            ),
            (
                ["train-0.parquet", "mnist/train-0.parquet"],
                ["train-0.parquet", "mnist"],
            ),
        ] {
            assert_eq!(several(&files), expected);
        }
    }
}
