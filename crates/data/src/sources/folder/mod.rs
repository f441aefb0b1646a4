//! Read any folder of pictures, on a disk or in an archive.
//!
//! Reading order: `find` (what `data.dir` may mean) → `tree` (classes and splits, from folders) and `listed` (classes,
//! from a `dataset.json`, made by `labelled`) over `walk`, which goes through `disk` or `archive` by the same `rules`;
//! `shards` (many archives) and `tables` (parquet files) → `source` (where they lie) → `decoding`
//! and `progress`.

mod archive;
mod decoding;
mod disk;
mod find;
mod labelled;
mod listed;
mod progress;
mod rules;
mod shards;
mod source;
mod tables;
#[cfg(test)]
mod testing;
mod tree;
mod walk;

use std::collections::BTreeMap;
use std::iter;
use std::path::PathBuf;

use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Stream};
use image::ImageError;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::images::Images;
use crate::keep::{Growing, Keep, Split};
use crate::picture::{Encoded, Squares};
use crate::sizes::PictureSizes;

use decoding::Decoder;
use find::{Found, find};
use progress::Progress;
use source::Source;
use tree::{Splits, Tree};

pub(super) use find::{count, holds_pictures};

pub use disk::{is_picture, pictures_below};
pub use progress::Decoded;

/// Reads the splits in `config.dir`, or the whole folder or archive as training images.
pub(super) fn load(
    config: &DataConfig,
    report: &(dyn Fn(Decoded) + Sync),
    keep: Keep<'_>,
) -> Result<Dataset, DataError> {
    let dir = config.given_dir()?;
    let channels = config.rgb_or_grey()?;
    let Found {
        splits: Splits { train, test },
        passed_over,
        source,
    } = find(dir)?;
    keep.check_class_names(&train.class_names)?;
    let side = if config.image_size == 0 {
        if config.crops > 0 {
            return Err(DataError::BadSetting {
                key: "data.image_size",
                got: 0,
                remedy: "`data.crops` cuts squares of that size from the pictures: set it",
            });
        }
        native_side(&source, &train)?
    } else {
        config.image_size
    };
    let num_test = match &test {
        Ok(Some(tree)) => tree.pictures.len(),
        _ => 0,
    };
    let mut reader = Reader {
        source: &source,
        shape: ImageShape::new(channels, side, side),
        crops: config.crops,
        skip_bad: config.skip_bad,
        keep,
        progress: Progress::new(train.pictures.len() + num_test, report),
        skipped: Vec::new(),
        sizes: None,
    };
    let train = reader.read(train, Split::Train)?;
    let test = test.and_then(|tree| tree.map(|tree| reader.read(tree, Split::Test)).transpose());
    let (skipped, sizes) = (reader.skipped, reader.sizes);
    Ok(Dataset {
        skipped,
        passed_over,
        sizes,
        ..Dataset::of_train(train).with_test(test)
    })
}

/// The largest side that is taken from a picture: photographs have thousands of pixels, and networks for
/// such images do not fit a machine.
const LARGEST_NATIVE_SIDE: u32 = 128;

/// Side of the first readable picture, which must be square and small.
fn native_side(source: &Source, tree: &Tree) -> Result<usize, DataError> {
    let Some((index, (width, height))) = source.first_dimensions(&tree.pictures)? else {
        // Any size will do: decoding them reports that all pictures are bad.
        return Ok(1);
    };
    if width != height || width > LARGEST_NATIVE_SIDE {
        return Err(DataError::SizeNeeded {
            path: tree.pictures[index].0.clone(),
            width,
            height,
        });
    }
    Ok(width as usize)
}

/// Decodes the pictures of one split after another.
struct Reader<'a> {
    source: &'a Source,
    shape: ImageShape,
    /// Squares to cut from a picture; 0 for its centre square, resized.
    crops: usize,
    skip_bad: bool,
    keep: Keep<'a>,
    progress: Progress<'a>,
    /// Pictures that could not be decoded, of all splits so far.
    skipped: Vec<PathBuf>,
    /// Sizes of the others.
    sizes: Option<PictureSizes>,
}

impl Reader<'_> {
    /// The images of one split. The first picture that cannot be decoded is an error, or with
    /// `skip_bad` all of them go to `skipped`.
    fn read(&mut self, tree: Tree, split: Split) -> Result<Images, DataError> {
        let (shape, crops) = (self.shape, self.crops);
        let places = NoiseKey::new(0, Stream::DataCrop, 0);
        let decode = |index: usize, picture: Encoded<'_>| match crops {
            0 => picture.decode(shape),
            num => picture.cut(shape, num, &mut PhiloxRng::new(places, index as u32)),
        };
        let per_picture = crops.max(1);
        let mut pixels = Growing::new(self.keep, split, shape)?;
        let mut bad = BTreeMap::new();
        let sizes = &mut self.sizes;
        let mut take = |index: usize, picture: Result<Squares, ImageError>| match picture {
            Ok(squares) => {
                PictureSizes::add(sizes, squares.size, shape.width);
                pixels.put(index * per_picture, &squares.pixels)
            }
            Err(cause) => {
                bad.insert(index, cause);
                Ok(())
            }
        };
        let decoder = Decoder {
            progress: &self.progress,
            decode: &decode,
            num_bytes: per_picture * shape.pixels(),
        };
        self.source.decode(&tree.pictures, &decoder, &mut take)?;
        let (num_bad, num_pictures) = (bad.len(), tree.pictures.len());
        if self.skip_bad && num_bad == num_pictures {
            return Err(DataError::NoImages {
                path: tree.root,
                remedy: "not one of its pictures can be decoded",
            });
        }
        if !self.skip_bad
            && let Some((index, cause)) = bad.pop_first()
        {
            return Err(DataError::BadPicture {
                path: tree.pictures[index].0.clone(),
                cause,
                num_bad,
                num_pictures,
            });
        }
        pixels.retain(|image| !bad.contains_key(&(image / per_picture)))?;
        let mut labels = Vec::with_capacity((num_pictures - num_bad) * per_picture);
        for (index, (path, label)) in tree.pictures.into_iter().enumerate() {
            if bad.contains_key(&index) {
                self.skipped.push(path);
            } else {
                labels.extend(iter::repeat_n(label, per_picture));
            }
        }
        Ok(Images {
            pixels: pixels.finish()?,
            shape,
            labels,
            class_names: tree.class_names,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Mutex;

    use image::{Rgb, RgbImage};

    use super::*;
    use crate::kind::DatasetKind;
    use crate::load;

    fn config(dir: &Path) -> DataConfig {
        DataConfig {
            dataset: DatasetKind::Folder,
            dir: Some(dir.into()),
            ..DataConfig::default()
        }
    }

    fn save(path: &Path, width: u32, height: u32, colour: [u8; 3]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(width, height, Rgb(colour))
            .save(path)
            .unwrap();
    }

    #[test]
    fn reads_classes_in_order_at_the_first_pictures_size() {
        let dir = tempfile::tempdir().unwrap();
        save(&dir.path().join("dog/1.bmp"), 5, 4, [4, 5, 6]);
        save(&dir.path().join("cat/2.png"), 2, 2, [1, 2, 3]);
        let data = load(&config(dir.path()), 0).unwrap();
        assert_eq!(data.train.shape.to_string(), "3×2×2");
        assert_eq!(data.train.image(0), [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
        assert_eq!(data.train.image(1), [4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6]);
        assert_eq!(data.train.labels, [0, 1]);
        assert_eq!(data.train.class_names, ["cat", "dog"]);
        assert_eq!((data.test, data.skipped), (None, vec![]));
    }

    #[test]
    fn reads_every_format_it_names() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "a.png", "b.jpg", "c.webp", "d.bmp", "e.gif", "f.TIFF", "g.ppm",
        ];
        for name in names {
            save(&dir.path().join(name), 8, 8, [60, 60, 60]);
        }
        let config = DataConfig {
            channels: 1,
            image_size: 4,
            ..config(dir.path())
        };
        let train = load(&config, 0).unwrap().train;
        assert_eq!(train.shape.to_string(), "1×4×4");
        assert_eq!(train.pixels, [60; 7 * 16]);
    }

    #[test]
    fn refuses_a_size_left_to_a_picture_that_is_not_square() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        save(&path, 3, 2, [0; 3]);
        assert_eq!(
            load(&config(dir.path()), 0).unwrap_err().to_string(),
            format!(
                "{} is 3 by 2: set `data.image_size` to crop and resize all pictures to a square",
                path.display()
            )
        );
    }

    #[test]
    fn crops_are_the_same_squares_each_time_with_their_pictures_class() {
        let dir = tempfile::tempdir().unwrap();
        save(&dir.path().join("cat/1.png"), 9, 6, [1, 2, 3]);
        save(&dir.path().join("dog/2.png"), 4, 8, [4, 5, 6]);
        let mut config = DataConfig {
            crops: 3,
            ..config(dir.path())
        };
        let message = load(&config, 0).unwrap_err().to_string();
        assert!(message.starts_with("`data.image_size` is 0: "), "{message}");
        config.image_size = 4;
        let train = load(&config, 0).unwrap().train;
        assert_eq!(
            (train.len(), train.labels.clone()),
            (6, vec![0, 0, 0, 1, 1, 1])
        );
        assert_eq!(train.image(3)[..17], [[4; 16].as_slice(), &[5]].concat());
        assert_eq!(load(&config, 1).unwrap().train, train);
        config.image_size = 5;
        let message = load(&config, 0).unwrap_err().to_string();
        assert!(
            message.contains("2.png: ") && message.contains("too small for squares of 5"),
            "{message}"
        );
    }

    #[test]
    fn photographs_are_never_taken_at_their_full_size_by_accident() {
        let dir = tempfile::tempdir().unwrap();
        save(&dir.path().join("a.png"), 129, 129, [0; 3]);
        let message = load(&config(dir.path()), 0).unwrap_err().to_string();
        assert!(
            message.contains("is 129 by 129: set `data.image_size`"),
            "{message}"
        );
        save(&dir.path().join("a.png"), 128, 128, [0; 3]);
        let side = load(&config(dir.path()), 0).unwrap().train.shape.width;
        assert_eq!(side, 128);
    }

    #[test]
    fn names_the_first_bad_picture_or_leaves_the_bad_ones_out() {
        let dir = tempfile::tempdir().unwrap();
        let [bad, worse] = ["a.png", "c.jpg"].map(|name| dir.path().join(name));
        fs::write(&bad, "not a picture").unwrap();
        fs::write(&worse, [0xff, 0xd8, 0xff, 0xe0]).unwrap();
        save(&dir.path().join("b.png"), 2, 2, [7; 3]);
        let mut config = config(dir.path());
        let message = load(&config, 0).unwrap_err().to_string();
        let start = format!(
            "2 of 3 pictures cannot be decoded, the first {}: ",
            bad.display()
        );
        assert!(message.starts_with(&start), "{message}");
        assert!(
            message.ends_with("; `data.skip_bad` leaves such pictures out"),
            "{message}"
        );

        config.skip_bad = true;
        let data = load(&config, 0).unwrap();
        assert_eq!(
            (data.train.len(), data.train.pixels),
            (1, vec![7; 12].into())
        );
        assert_eq!(data.skipped, [bad, worse]);
    }

    #[test]
    fn refuses_a_folder_whose_pictures_are_all_bad() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.png"), "").unwrap();
        let mut config = config(dir.path());
        assert!(matches!(
            load(&config, 0),
            Err(DataError::BadPicture { num_bad: 1, .. })
        ));
        config.skip_bad = true;
        assert!(matches!(load(&config, 0), Err(DataError::NoImages { .. })));
    }

    #[test]
    fn reports_every_picture_of_both_splits_in_order_bad_ones_included() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["train/a.png", "train/b.png", "train/c.png", "test/d.png"] {
            save(&dir.path().join(name), 2, 2, [7; 3]);
        }
        fs::write(dir.path().join("test/e.png"), "not a picture").unwrap();
        let config = DataConfig {
            skip_bad: true,
            ..config(dir.path())
        };
        let reports = Mutex::new(Vec::new());
        let report = |decoded: Decoded| reports.lock().unwrap().push(decoded);
        let data = crate::load_with(&config, 0, &report).unwrap();
        assert_eq!((data.train.len(), data.skipped.len()), (3, 1));
        let expected: Vec<Decoded> = (1..=5).map(|done| Decoded { done, total: 5 }).collect();
        assert_eq!(*reports.lock().unwrap(), expected);
    }

    #[test]
    fn refuses_two_channels() {
        let dir = tempfile::tempdir().unwrap();
        let config = DataConfig {
            channels: 2,
            ..config(dir.path())
        };
        assert_eq!(
            load(&config, 0).unwrap_err().to_string(),
            "`data.channels` is 2: pictures are read with 1 (grey) or 3 (RGB); 0 stands for 3"
        );
    }
}
