//! Find the pictures in a folder of archives, the shards of one data set.

use std::path::{Path, PathBuf};

use super::archive::Members;
use super::find::{Found, pictures_of, start_of};
use super::listed::Listed;
use super::rules::Reason;
use super::source::Source;
use super::tree::{Split, Splits, Tree};
use super::walk::Walk;
use crate::error::DataError;

/// The pictures in these archives below `dir`, one archive after another. Their names tell splits.
///
/// # Errors
/// Where the names tell no clear splits, an archive is damaged, or there is nothing to train on.
pub(super) fn find<S>(walk: Walk<S>, dir: &Path, archives: &[PathBuf]) -> Result<Found, DataError> {
    let ByName {
        train,
        held_out,
        left_out,
    } = splits(dir, archives)?;
    // Training needs no others.
    let (members, problem) = match Members::read([train.as_slice(), &held_out].concat()) {
        Ok(members) => (members, None),
        Err(problem) => (Members::read(train.clone())?, Some(problem)),
    };
    let mut walk = walk.on(&members);
    for archive in left_out {
        walk.pass_over(archive, Reason::Validation);
    }
    let mut listed = Listed::default();
    let train = tree(&mut walk, &members, &mut listed, dir, &train)?;
    let test = match (problem, held_out.as_slice()) {
        (Some(problem), _) => Err(problem),
        (None, []) => Ok(None),
        (None, held_out) => tree(&mut walk, &members, &mut listed, dir, held_out)
            .and_then(|test| test.with_classes_of(&train))
            .map(Some),
    };
    let splits = Splits { train, test };
    let passed_over = listed.passed_over(walk, &splits);
    Ok(Found {
        splits,
        passed_over,
        source: Source::Archives(members),
    })
}

/// The pictures of a split, of the classes that their labels tell, or else the folders of the archives.
fn tree(
    walk: &mut Walk<&Members>,
    members: &Members,
    listed: &mut Listed,
    dir: &Path,
    archives: &[PathBuf],
) -> Result<Tree, DataError> {
    if let [only] = archives {
        return pictures_of(walk, members, listed, only);
    }
    let mut are_listed = false;
    for archive in archives {
        let root = start_of(walk, listed, archive)?;
        listed.read(walk, &root)?;
        are_listed |= listed.covers(&root);
    }
    let mut pictures = Vec::new();
    for archive in archives {
        pictures.extend(walk.pictures_below(archive)?);
    }
    if are_listed {
        return listed.tree(&archives[0], pictures);
    }
    if members.has_label_of_any(&pictures) {
        return members.labelled(walk, &archives[0], pictures);
    }
    let trees = archives
        .iter()
        .map(|archive| pictures_of(walk, members, listed, archive));
    Tree::merged(dir, trees.collect::<Result<_, _>>()?)
}

/// Archives or parquet files, as their names tell.
#[derive(Debug, Default)]
pub(super) struct ByName {
    pub train: Vec<PathBuf>,
    /// Those to test with; if there are none, those to validate with.
    pub held_out: Vec<PathBuf>,
    /// Those to validate with, where there are some to test with.
    pub left_out: Vec<PathBuf>,
}

/// What archives are for.
///
/// # Errors
/// Where only some names tell splits, or none to train on.
pub(super) fn splits(dir: &Path, archives: &[PathBuf]) -> Result<ByName, DataError> {
    let is_of = |archive: &Path, split: Option<Split>| split_of(dir, archive) == split;
    let of = |split: Option<Split>| -> Vec<PathBuf> {
        let those = archives.iter().filter(|archive| is_of(archive, split));
        those.cloned().collect()
    };
    let others = of(None);
    let Some(named) = archives.iter().find(|archive| !is_of(archive, None)) else {
        return Ok(ByName {
            train: others,
            ..ByName::default()
        });
    };
    let [train, test, validation] =
        [Split::Train, Split::Test, Split::Validation].map(|split| of(Some(split)));
    if train.is_empty() || !others.is_empty() {
        return Err(DataError::AmbiguousShards {
            path: dir.into(),
            named: named.clone(),
            other: others.into_iter().next(),
        });
    }
    let (held_out, left_out) = if test.is_empty() {
        (validation, test)
    } else {
        (test, validation)
    };
    Ok(ByName {
        train,
        held_out,
        left_out,
    })
}

/// The split that a part of the name of an archive tells, or of the folders that it lies in.
fn split_of(dir: &Path, archive: &Path) -> Option<Split> {
    let name = archive.strip_prefix(dir).unwrap_or(archive);
    let name = name.to_string_lossy();
    let mut parts = name.split(|letter: char| !letter.is_alphanumeric());
    parts.find_map(Split::named)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Archives to train on and held-out ones, errors as text.
    fn split(names: &[&str]) -> Result<(Vec<String>, Vec<String>), String> {
        let dir = Path::new("DIR");
        let archives: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
        let name = |path: PathBuf| {
            let path = path.strip_prefix(dir).unwrap();
            path.display().to_string().replace('\\', "/")
        };
        let found = splits(dir, &archives).map_err(|error| error.to_string())?;
        let [train, held_out] =
            [found.train, found.held_out].map(|paths| paths.into_iter().map(name).collect());
        Ok((train, held_out))
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn shards_are_all_to_train_on_unless_their_names_tell_splits() {
        let all = ["data-000000.tar", "data-000001.tar"];
        assert_eq!(split(&all).unwrap(), (names(&all), vec![]));
        for [train, held_out] in [
            ["train-000000.tar", "test-000000.tar"],
            ["imagenet1k-train-0000.tar", "imagenet1k-validation-00.tar"],
            ["cc3m_Train_0.tar.gz", "cc3m_val_0.tar.gz"],
            ["train/0.tar", "valid/0.tar"],
            ["train.tgz", "testing.tgz"],
        ] {
            let expected = (names(&[train]), names(&[held_out]));
            assert_eq!(split(&[held_out, train]).unwrap(), expected);
        }
        let three = ["test-0.tar", "train-0.tar", "train-1.tar", "val-0.tar"];
        let expected = (
            names(&["train-0.tar", "train-1.tar"]),
            names(&["test-0.tar"]),
        );
        assert_eq!(split(&three).unwrap(), expected);
    }

    #[test]
    fn refuses_archives_of_which_only_some_tell_a_split() {
        assert_eq!(
            split(&["more-0.tar", "train-0.tar"]).unwrap_err(),
            "DIR holds shards of splits (train-0.tar, …) and beside them more-0.tar: name all of them train-… or \
             test-…, or move others elsewhere"
        );
        assert_eq!(
            split(&["test-0.tar", "val-0.tar"]).unwrap_err(),
            "DIR holds shards of splits (test-0.tar, …) and none to train on: name those train-…, or set `data.dir` \
             to one of them"
        );
    }
}
