//! Pack a data set into files that are read in place, whatever its size.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ebm_core::file_system::folder_of;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::durable::sync_folder;
use crate::error::DataError;
use crate::images::Images;
use crate::keep::{Growing, Keep, Split, images_in, write_class_names, write_labels};
use crate::sources::{Decoded, load_into};

/// Writes the data set that `config` asks for into a new folder, as NumPy arrays that are mapped and not read where
/// they are [loaded](crate::load) from it: `train_images.npy` of bytes `[n, c, h, w]`, `train_labels.npy` and
/// `class_names.json` where there are classes, and the same of the test images. Pictures and arrays are written as they
/// are read, in bounded memory. The folder appears when it is whole and on the device. Returns the data set in its place.
///
/// # Errors
/// As [`load`](crate::load), of test images, too; where the folder is there, or cannot be written. Then there is nothing
/// new.
pub fn pack(
    config: &DataConfig,
    seed: u64,
    folder: &Path,
    report: &(dyn Fn(Decoded) + Sync),
) -> Result<Dataset, DataError> {
    if !config.leave_out.is_empty() {
        return Err(DataError::PackedWithout);
    }
    let path = folder.to_owned();
    if fs::symlink_metadata(&path).is_ok() {
        return Err(DataError::PlaceTaken { path });
    }
    let unfinished = Unfinished::beside(&path)?;
    let data = load_into(config, seed, report, Keep::InFolder(&unfinished.0))?;
    if let Some(problem) = data.test_problem {
        return Err(DataError::BadTestImages { problem });
    }
    let data = Dataset {
        train: packed(data.train, Split::Train, &unfinished.0)?,
        test: match data.test {
            Some(test) => Some(packed(test, Split::Test, &unfinished.0)?),
            None => None,
        },
        test_problem: None,
        skipped: data.skipped,
        passed_over: data.passed_over,
        sizes: data.sizes,
    };
    Keep::InFolder(&unfinished.0).check_class_names(&data.train.class_names)?;
    if !data.train.class_names.is_empty() {
        write_class_names(&unfinished.0, &data.train.class_names)?;
    }
    unfinished.finish(path)?;
    Ok(data)
}

/// Where the files of a data set that is being packed into `folder` lie until all are whole. Whoever ends the program
/// before has to remove it.
pub fn unfinished_pack(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    folder.with_file_name(name)
}

/// The images of a split, in the files of `folder`.
fn packed(images: Images, split: Split, folder: &Path) -> Result<Images, DataError> {
    if !images.class_names.is_empty() {
        write_labels(folder, split, &images.labels)?;
    }
    if images_in(folder, split).exists() {
        return Ok(images); // written as they were read
    }
    let mut pixels = Growing::new(Keep::InFolder(folder), split, images.shape)?;
    for index in 0..images.len() {
        pixels.push(images.image(index))?;
    }
    Ok(Images {
        pixels: pixels.finish()?,
        ..images
    })
}

/// A folder that is removed with all its files unless it was given another name.
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(path: &Path) -> Result<Self, DataError> {
        let path = unfinished_pack(path);
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(DataError::HalfPacked { path })
            }
            Err(source) => Err(DataError::Write { path, source }),
        }
    }

    /// Gives the folder its name, once all that is in it is on the device; the name is, too, when this returns.
    ///
    /// # Errors
    /// Where that cannot be done; then there is no folder of this name.
    fn finish(&self, path: PathBuf) -> Result<(), DataError> {
        let renamed = sync_folder(&self.0).and_then(|()| fs::rename(&self.0, &path));
        let finished = renamed.and_then(|()| {
            sync_folder(folder_of(&path)).inspect_err(|_| {
                let _ = fs::rename(&path, &self.0);
            })
        });
        finished.map_err(|source| DataError::Write { path, source })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use image::{Rgb, RgbImage};

    use super::*;
    use crate::kind::DatasetKind;
    use crate::load;

    fn arrays(dir: &Path) -> DataConfig {
        DataConfig {
            dataset: DatasetKind::Arrays,
            dir: Some(dir.into()),
            ..DataConfig::default()
        }
    }

    fn pack_quietly(config: &DataConfig, folder: &Path) -> Result<Dataset, DataError> {
        pack(config, 3, folder, &|_| {})
    }

    #[test]
    fn a_packed_data_set_is_the_same_and_stays_in_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("packed");
        let config = DataConfig {
            train_images: 5,
            test_images: 2,
            ..DataConfig::default()
        };
        let drawn = load(&config, 3).unwrap();
        assert_eq!(pack_quietly(&config, &folder).unwrap(), drawn);
        let packed = load(&arrays(&folder), 0).unwrap();
        assert_eq!(packed, drawn);
        assert!(packed.train.pixels.are_in_a_file());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // Packed again, from the files.
        let twice = dir.path().join("twice");
        assert_eq!(pack_quietly(&arrays(&folder), &twice).unwrap(), drawn);
        assert_eq!(load(&arrays(&twice), 0).unwrap(), drawn);
    }

    #[test]
    fn pictures_that_cannot_be_decoded_leave_no_gap() {
        let dir = tempfile::tempdir().unwrap();
        for (name, red) in [("a/1", 1), ("a/3", 3), ("b/4", 4)] {
            let path = dir.path().join(format!("in/{name}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            RgbImage::from_pixel(2, 2, Rgb([red, 0, 0]))
                .save(path)
                .unwrap();
        }
        fs::write(dir.path().join("in/a/2.png"), "no picture").unwrap();
        let mut config = DataConfig {
            dataset: DatasetKind::Folder,
            dir: Some(dir.path().join("in")),
            ..DataConfig::default()
        };
        let folder = dir.path().join("packed");
        assert!(matches!(
            pack_quietly(&config, &folder),
            Err(DataError::BadPicture { .. })
        ));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        config.skip_bad = true;
        let packed = pack_quietly(&config, &folder).unwrap();
        assert_eq!(packed, load(&config, 0).unwrap());
        assert_eq!(packed.train, load(&arrays(&folder), 0).unwrap().train);
    }

    #[cfg(unix)]
    #[test]
    fn classes_that_could_not_be_read_again_are_refused_before_a_picture_is_decoded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in/cat\nor dog/1.png");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::new(2, 2).save(path).unwrap();
        let config = DataConfig {
            dataset: DatasetKind::Folder,
            dir: Some(dir.path().join("in")),
            ..DataConfig::default()
        };
        let decoded = AtomicUsize::new(0);
        let report = |_: Decoded| {
            decoded.fetch_add(1, Ordering::Relaxed);
        };
        let packed = pack(&config, 0, &dir.path().join("packed"), &report);
        let message = packed.unwrap_err().to_string();
        assert!(message.contains("or dog"), "{message}");
        assert_eq!(decoded.into_inner(), 0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_get_its_name_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("packed");
        let unfinished = Unfinished::beside(&path).unwrap();
        fs::write(unfinished.0.join("a"), "").unwrap();
        // Another program was faster.
        fs::create_dir(&path).unwrap();
        fs::write(path.join("b"), "").unwrap();
        let error = unfinished.finish(path.clone()).unwrap_err();
        assert!(matches!(error, DataError::Write { .. }), "{error}");
        drop(unfinished);
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
        assert!(path.join("b").exists());
    }

    #[test]
    fn nothing_is_written_over_and_no_class_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("packed");
        let mut config = DataConfig {
            train_images: 1,
            ..DataConfig::default()
        };
        fs::create_dir(&folder).unwrap();
        let message = |config: &DataConfig| pack_quietly(config, &folder).unwrap_err().to_string();
        assert!(message(&config).ends_with("packed is there already: name a new folder"));
        fs::rename(&folder, dir.path().join("packed.unfinished")).unwrap();
        assert!(message(&config).ends_with(
            "packed.unfinished exists: another `ebm data pack` is writing it, or one was interrupted. If none is \
             running, delete it"
        ));
        config.leave_out = vec!["3".to_owned()];
        assert!(message(&config).starts_with("`data.leave_out` is for those who use"));
    }
}
