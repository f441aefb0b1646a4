//! Read a checkpoint back, and refuse it if a single byte differs from what was written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ebm_core::Shard;
use serde::de::DeserializeOwned;

use super::arrays::{Array, decode};
use super::error::{CheckpointError, Damage};
use super::layout::{self, MANIFEST};
use super::manifest::{Manifest, ManifestError};
use super::shards::shard_of_name;

/// The verified content of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where it was read.
    pub path: PathBuf,
    /// The step after which it was written.
    pub step: u64,
    /// Its files by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Checkpoint {
    /// The bytes of a file that every checkpoint of this kind must have.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`] if it is not there.
    pub fn file(&self, name: &str) -> Result<&[u8], CheckpointError> {
        let missing = || refusal(&self.path, Damage::MissingFile(name.to_owned()));
        self.files.get(name).map(Vec::as_slice).ok_or_else(missing)
    }

    /// The arrays in a file that [`encode`](super::encode) made.
    ///
    /// # Errors
    /// As [`file`](Self::file), and [`CheckpointError::InvalidFile`] if it is no such file.
    pub fn arrays(&self, name: &str) -> Result<BTreeMap<String, Array>, CheckpointError> {
        decode(self.file(name)?, &self.path.join(name))
    }

    /// The value in a JSON file.
    ///
    /// # Errors
    /// As [`file`](Self::file), and [`CheckpointError::InvalidFile`] if it is not JSON for a `T`.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, CheckpointError> {
        let json = self.file(name)?;
        serde_json::from_slice(json).map_err(|error| self.invalid(name, error.to_string()))
    }

    /// What it has of a shard, under the names that these files have where there is one shard.
    pub(crate) fn of_shard(&self, shard: Shard) -> Cow<'_, Self> {
        if shard.world == 1 {
            return Cow::Borrowed(self);
        }
        let files = self.files.iter().filter_map(|(name, bytes)| {
            let (name, number) = shard_of_name(name)?;
            (number == shard.rank).then(|| (name, bytes.clone()))
        });
        Cow::Owned(Self {
            path: self.path.clone(),
            step: self.step,
            files: files.collect(),
        })
    }

    /// The error for a file whose content makes no sense, for the reason given.
    pub fn invalid(&self, name: &str, reason: impl Into<String>) -> CheckpointError {
        CheckpointError::InvalidFile {
            path: self.path.join(name),
            reason: reason.into(),
        }
    }
}

/// Reads all files of a checkpoint directory and compares them with its manifest.
///
/// # Errors
/// [`CheckpointError::Damaged`] names the file that is missing, cut short or altered, and another
/// checkpoint of the run that is whole; [`CheckpointError::Newer`] or [`CheckpointError::Older`] if it has
/// another format; [`CheckpointError::Read`] if a file is there and cannot be read.
pub fn read(checkpoint_dir: &Path) -> Result<Checkpoint, CheckpointError> {
    read_where(checkpoint_dir, |_| true)
}

/// Reads what a rank with these shards goes on from: all files but those of other shards.
///
/// # Errors
/// See [`read()`].
pub(crate) fn read_for_shards(
    checkpoint_dir: &Path,
    shards: &[Shard],
) -> Result<Checkpoint, CheckpointError> {
    let is_own = |number| shards.iter().any(|shard| shard.rank == number);
    read_where(checkpoint_dir, |name| {
        shard_of_name(name).is_none_or(|(_, number)| is_own(number))
    })
}

/// Reads the files of these names alone and compares them with the manifest, where the arrays are not needed.
///
/// # Errors
/// See [`read()`].
pub(crate) fn read_files(
    checkpoint_dir: &Path,
    names: &[&str],
) -> Result<Checkpoint, CheckpointError> {
    read_where(checkpoint_dir, |name| names.contains(&name))
}

/// [`read_files`], and of the other files the sizes alone are compared with the manifest.
///
/// # Errors
/// See [`read()`].
pub(crate) fn read_outline(
    checkpoint_dir: &Path,
    names: &[&str],
) -> Result<Checkpoint, CheckpointError> {
    with_alternative(outline_of(checkpoint_dir, names))
}

/// [`read_outline`] without the search for an alternative.
fn outline_of(dir: &Path, names: &[&str]) -> Result<Checkpoint, CheckpointError> {
    for entry in manifest_of(dir)?.files {
        let missing = || damaged(dir, Damage::MissingFile(entry.name.clone()));
        let size = size_of(&dir.join(&entry.name))?.ok_or_else(missing)?;
        let is_whole = entry.check_size(size);
        is_whole.map_err(|damage| damaged(dir, damage))?;
    }
    read_verified(dir, |name| names.contains(&name))
}

/// Reads the files whose names are wanted.
fn read_where(
    checkpoint_dir: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Checkpoint, CheckpointError> {
    with_alternative(read_verified(checkpoint_dir, is_wanted))
}

/// Name what can be taken in place of a damaged checkpoint.
fn with_alternative(
    checkpoint: Result<Checkpoint, CheckpointError>,
) -> Result<Checkpoint, CheckpointError> {
    match checkpoint {
        Err(CheckpointError::Damaged { path, damage, .. }) => Err(refusal(&path, damage)),
        result => result,
    }
}

/// The newest other checkpoint beside this one that can be read.
pub(super) fn alternative_to(checkpoint_dir: &Path) -> Option<PathBuf> {
    let siblings = layout::whole_checkpoints(checkpoint_dir.parent()?).ok()?;
    let mut others = siblings.into_iter().rev().map(|entry| entry.path);
    others.find(|path| path != checkpoint_dir && read_verified(path, |_| true).is_ok())
}

fn refusal(path: &Path, damage: Damage) -> CheckpointError {
    CheckpointError::Damaged {
        path: path.to_owned(),
        damage,
        alternative: alternative_to(path),
    }
}

/// [`read_where`] without the search for an alternative.
fn read_verified(
    dir: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Checkpoint, CheckpointError> {
    let manifest = manifest_of(dir)?;
    let mut files = BTreeMap::new();
    let wanted = manifest.files.into_iter();
    for entry in wanted.filter(|entry| is_wanted(&entry.name)) {
        let missing = || damaged(dir, Damage::MissingFile(entry.name.clone()));
        let bytes = read_file(&dir.join(&entry.name))?.ok_or_else(missing)?;
        let is_whole = entry.check(&bytes);
        is_whole.map_err(|damage| damaged(dir, damage))?;
        files.insert(entry.name, bytes);
    }
    Ok(Checkpoint {
        path: dir.to_owned(),
        step: manifest.step,
        files,
    })
}

/// Damage for which no alternative was looked for.
fn damaged(dir: &Path, damage: Damage) -> CheckpointError {
    CheckpointError::Damaged {
        path: dir.to_owned(),
        damage,
        alternative: None,
    }
}

/// The manifest of a checkpoint directory, which is of its step.
fn manifest_of(dir: &Path) -> Result<Manifest, CheckpointError> {
    let damaged = |damage| damaged(dir, damage);
    let json = read_file(&dir.join(MANIFEST))?.ok_or_else(|| damaged(Damage::NoManifest))?;
    let manifest = Manifest::from_json(&json).map_err(|error| match error {
        ManifestError::Newer { found } => CheckpointError::Newer {
            path: dir.to_owned(),
            found,
        },
        ManifestError::Older { found } => CheckpointError::Older {
            path: dir.to_owned(),
            found,
        },
        ManifestError::Bad(reason) => damaged(Damage::BadManifest(reason)),
    })?;
    if let Some(name) = layout::directory_name(dir)
        && layout::step_of(name).is_some_and(|step| step != manifest.step)
    {
        let reason = format!("it says step {}, the directory says {name}", manifest.step);
        return Err(damaged(Damage::BadManifest(reason)));
    }
    Ok(manifest)
}

/// The size of a file; `None` where it is not there.
fn size_of(path: &Path) -> Result<Option<u64>, CheckpointError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if layout::is_absence(&error) => Ok(None),
        Err(error) => Err(CheckpointError::read(path)(error)),
    }
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, CheckpointError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if layout::is_absence(&error) => Ok(None),
        Err(error) => Err(CheckpointError::read(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{encode, write};
    use super::*;

    /// A run with steps 1 and 2, and the directory of step 2.
    fn run() -> (tempfile::TempDir, PathBuf) {
        let run = tempfile::tempdir().unwrap();
        for step in [1, 2] {
            let files = [("model", vec![step as u8; 100]), ("buffer", Vec::new())];
            write(run.path(), step, &files, 9).unwrap();
        }
        let last = run.path().join("checkpoints/step_000002");
        (run, last)
    }

    #[track_caller]
    fn assert_damage(dir: &Path, expected: Damage) {
        match read(dir) {
            Err(CheckpointError::Damaged {
                path,
                damage,
                alternative,
            }) => {
                assert_eq!((path.as_path(), damage), (dir, expected));
                assert_eq!(alternative, Some(dir.with_file_name("step_000001")));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_back_what_was_written() {
        let (_run, last) = run();
        let checkpoint = read(&last).unwrap();
        assert_eq!((checkpoint.step, &checkpoint.path), (2, &last));
        assert_eq!(checkpoint.file("model").unwrap(), [2; 100]);
        assert!(checkpoint.file("buffer").unwrap().is_empty());
        let message = checkpoint.file("ema").unwrap_err().to_string();
        assert!(message.contains("`ema` is missing"), "{message}");
    }

    #[test]
    fn reads_the_files_that_are_asked_for_and_no_others() {
        let (_run, last) = run();
        fs::remove_file(last.join("buffer")).unwrap();
        let checkpoint = read_files(&last, &["model", "ema"]).unwrap();
        assert_eq!(checkpoint.step, 2);
        assert_eq!(checkpoint.files.keys().collect::<Vec<_>>(), ["model"]);
        fs::write(last.join("model"), [2; 99]).unwrap();
        assert!(read_files(&last, &["model"]).is_err());
    }

    #[test]
    fn an_outline_has_all_files_and_the_content_of_some() {
        let (_run, last) = run();
        let outline = || read_outline(&last, &["buffer"]);
        let files = outline().unwrap().files;
        assert_eq!(files.keys().collect::<Vec<_>>(), ["buffer"]);
        let damage = || match outline() {
            Err(CheckpointError::Damaged { damage, .. }) => damage,
            other => panic!("{other:?}"),
        };
        fs::write(last.join("model"), [2; 99]).unwrap();
        assert!(matches!(damage(), Damage::WrongSize { found: 99, .. }));
        fs::remove_file(last.join("model")).unwrap();
        assert_eq!(damage(), Damage::MissingFile("model".to_owned()));
    }

    #[test]
    fn decodes_arrays_and_json_and_names_a_file_of_neither() {
        let run = tempfile::tempdir().unwrap();
        let arrays = BTreeMap::from([("x".to_owned(), Array::new([2], vec![1_u8, 2]))]);
        let files = [("arrays", encode(&arrays)), ("state.json", b"[7]".to_vec())];
        let checkpoint = read(&write(run.path(), 1, &files, 1).unwrap()).unwrap();
        assert_eq!(checkpoint.arrays("arrays").unwrap(), arrays);
        assert_eq!(checkpoint.json::<[u32; 1]>("state.json").unwrap(), [7]);
        for error in [
            checkpoint.arrays("state.json").unwrap_err(),
            checkpoint.json::<u32>("state.json").unwrap_err(),
            checkpoint.invalid("state.json", "no step"),
        ] {
            let message = error.to_string();
            assert!(
                message.contains("step_000001/state.json is not valid: "),
                "{message}"
            );
        }
    }

    #[test]
    fn refuses_a_truncated_file() {
        let (_run, last) = run();
        fs::write(last.join("model"), [2; 99]).unwrap();
        assert_damage(
            &last,
            Damage::WrongSize {
                name: "model".to_owned(),
                expected: 100,
                found: 99,
            },
        );
    }

    #[test]
    fn refuses_a_file_with_one_flipped_bit() {
        let (_run, last) = run();
        let mut bytes = [2; 100];
        bytes[57] ^= 0x10;
        fs::write(last.join("model"), bytes).unwrap();
        assert_damage(&last, Damage::Corrupt("model".to_owned()));
    }

    #[test]
    fn refuses_a_missing_file() {
        let (_run, last) = run();
        fs::remove_file(last.join("buffer")).unwrap();
        assert_damage(&last, Damage::MissingFile("buffer".to_owned()));
    }

    #[test]
    fn refuses_a_missing_manifest_and_a_cut_one() {
        let (_run, last) = run();
        let json = fs::read(last.join(MANIFEST)).unwrap();
        fs::write(last.join(MANIFEST), &json[..json.len() / 2]).unwrap();
        let message = read(&last).unwrap_err().to_string();
        assert!(
            message.contains("manifest.json is not valid (EOF"),
            "{message}"
        );
        fs::remove_file(last.join(MANIFEST)).unwrap();
        assert_damage(&last, Damage::NoManifest);
    }

    #[test]
    fn refuses_a_manifest_of_another_step_than_its_directory() {
        let (_run, last) = run();
        let json = fs::read_to_string(last.join(MANIFEST)).unwrap();
        fs::write(
            last.join(MANIFEST),
            json.replace("\"step\": 2", "\"step\": 3"),
        )
        .unwrap();
        let reason = "it says step 3, the directory says step_000002".to_owned();
        assert_damage(&last, Damage::BadManifest(reason));
    }

    #[test]
    fn refuses_another_format_and_says_which_version_reads_it() {
        let (_run, last) = run();
        for (found, expected) in [
            (
                3,
                "was written by a newer version (format 3, this program reads format 2): update ebm",
            ),
            (
                1,
                "was written by an older version (format 1, this program reads format 2), which drew other \
                 random numbers: go on with that version, or train anew",
            ),
        ] {
            fs::write(last.join(MANIFEST), format!(r#"{{"format": {found}}}"#)).unwrap();
            let message = read(&last).unwrap_err().to_string();
            assert!(message.ends_with(expected), "{message}");
        }
    }

    #[test]
    fn refuses_a_foreign_directory_and_one_that_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("nowhere")] {
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("not a checkpoint"), "{message}");
            assert!(
                message.contains("no other checkpoint of this run is whole"),
                "{message}"
            );
        }
    }

    #[test]
    fn does_not_propose_an_alternative_that_is_damaged_too() {
        let (_run, last) = run();
        for dir in [&last, &last.with_file_name("step_000001")] {
            fs::write(dir.join("model"), b"short").unwrap();
        }
        let message = read(&last).unwrap_err().to_string();
        assert!(
            message.contains("no other checkpoint of this run is whole"),
            "{message}"
        );
    }
}
