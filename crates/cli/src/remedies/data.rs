//! Say which flag mends an error of a data set.

use ebm_data::{DataError, DatasetKind};

use crate::output::has_extension;

/// The remedy of an error of the data. Where the error says which key to set, the flag for it.
pub(super) fn of_data(error: &DataError) -> Option<String> {
    let remedy = match error {
        DataError::NoDirGiven { .. }
        | DataError::MissingFile { .. }
        | DataError::AmbiguousSplits { .. }
        | DataError::NestedSplits { .. }
        | DataError::NoImagesBeside { .. }
        | DataError::NoArrays { .. }
        | DataError::AmbiguousArrays { .. }
        | DataError::AmbiguousShards { other: None, .. }
        | DataError::TablesDiffer { .. }
        | DataError::SeveralTables { .. } => "that is --data-dir DIR",
        DataError::NoSuchDir { .. } => "check --data-dir",
        DataError::DirUnused { holds, .. } => return Some(of_unread(holds)),
        // What the unpacker said, or a remedy of another kind, stands between the key and this.
        DataError::BadArchive { .. }
        | DataError::BadZip { .. }
        | DataError::NoArchive { .. }
        | DataError::PicturesElsewhere { .. } => "`data.dir` is --data-dir DIR",
        // Other reasons are about the files, not about where they are.
        DataError::NoImages { remedy, .. } if remedy.contains("data.dir") => {
            "that is --data-dir DIR"
        }
        DataError::BadPicture { .. } => "that is --skip-bad",
        // Where arrays are read, none comes here.
        DataError::NotAPicture { path, .. } if has_extension(path, "npy") => {
            "give a picture: no array is read here"
        }
        DataError::NotAPicture { .. } => "give a picture, such as a PNG or JPEG file",
        DataError::ShapesDiffer { train, test, .. } if train.channels != test.channels => {
            "`data.channels` is --channels 1 or 3, and `data.image_size` --image-size PIXELS"
        }
        DataError::SizeNeeded { .. } | DataError::ShapesDiffer { .. } => {
            "that is --image-size PIXELS"
        }
        DataError::PlaceTaken { .. } => "that is --output FOLDER",
        DataError::PackedWithout => "that is --leave-out CLASS of the commands that read it",
        DataError::NoSuchClass { .. } | DataError::AllLeftOut => "that is --leave-out CLASS",
        DataError::BadSetting { key, .. } => return of_setting(key),
        _ => return None,
    };
    Some(remedy.to_owned())
}

/// The remedy where a folder was named and nothing is read from it.
fn of_unread(holds: &[DatasetKind]) -> String {
    let names: Vec<String> = holds.iter().map(ToString::to_string).collect();
    let dataset = match names.as_slice() {
        [] => "NAME".to_owned(),
        names => names.join(" or --dataset "),
    };
    format!("pass --dataset {dataset}, or leave out --data-dir")
}

/// The flag that stands for a key of `[data]`.
fn of_setting(key: &str) -> Option<String> {
    let flag = match key {
        "data.image_size" => "--image-size".to_owned(),
        "data.channels" => "--channels".to_owned(),
        key => format!("--set {key}=…"),
    };
    Some(format!("pass another value with `{flag}`"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ebm_core::ImageShape;

    use super::*;

    #[test]
    fn a_folder_without_pictures_is_mended_by_another_folder_and_an_empty_file_is_not() {
        let of = |remedy| {
            let path = PathBuf::from("photos");
            of_data(&DataError::NoImages { path, remedy })
        };
        let elsewhere = of("set `data.dir` to a folder of pictures");
        assert!(elsewhere.is_some_and(|remedy| remedy.contains("--data-dir")));
        assert_eq!(of("download it again"), None);
    }

    #[test]
    fn an_array_is_advised_nowhere_where_none_is_read() {
        let of = |path: &str| {
            let path = PathBuf::from(path);
            let cause = image::ImageError::IoError(std::io::ErrorKind::InvalidData.into());
            of_data(&DataError::NotAPicture { path, cause }).unwrap_or_default()
        };
        assert_eq!(of("a.NPY"), "give a picture: no array is read here");
        assert_eq!(of("a.png"), "give a picture, such as a PNG or JPEG file");
    }

    #[test]
    fn shapes_that_differ_are_mended_by_the_flags_of_what_differs() {
        let of = |test| {
            let train = ImageShape::new(1, 4, 4);
            let path = PathBuf::from("a.npz");
            of_data(&DataError::ShapesDiffer { path, train, test }).unwrap_or_default()
        };
        assert!(of(ImageShape::new(3, 4, 4)).contains("--channels"));
        assert!(!of(ImageShape::new(1, 5, 5)).contains("--channels"));
    }

    #[test]
    fn a_bad_value_is_mended_by_the_flag_of_its_key() {
        let of = |key| {
            of_data(&DataError::BadSetting {
                key,
                got: 0,
                remedy: "use another",
            })
        };
        assert!(of("data.channels").is_some_and(|remedy| remedy.contains("`--channels`")));
        let by_key = of("data.train_images").unwrap_or_default();
        assert!(by_key.contains("--set data.train_images="), "{by_key}");
    }
}
