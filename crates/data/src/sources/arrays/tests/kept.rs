//! Where pixels are kept: in their own file, in memory, or in a folder.

use super::super::load;
use super::*;
use crate::keep::Keep;

/// A folder of these arrays.
fn folder_of(arrays: &Named<'_>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files(arrays) {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

#[test]
fn bytes_that_are_wanted_as_they_are_stay_in_their_file_and_are_the_same() {
    for (shape, stays) in [
        ("(3, 2, 2)", true),
        ("(3, 1, 2, 2)", true),
        ("(3, 2, 2, 1)", true),
        ("(1, 3, 2, 2)", true),
        ("(1, 2, 2, 3)", false),
    ] {
        let arrays = vec![("train_images", u8s(shape, 5..17))];
        let dir = folder_of(&arrays);
        let own = config(dir.path());
        let resized = DataConfig {
            image_size: 1,
            ..own.clone()
        };
        let channels = crate::load(&own, 0).unwrap().train.shape.channels;
        let recoloured = DataConfig {
            channels: 4 - channels,
            ..own.clone()
        };
        let num = 12 / (4 * channels as u64);
        for (config, stays) in [(&own, stays), (&resized, false), (&recoloured, false)] {
            let mapped = crate::load(config, 0).unwrap().train;
            assert_eq!(mapped.pixels.are_in_a_file(), stays, "{shape}");
            let archive = dir.path().join("a.npz");
            fs::write(&archive, npz(&arrays)).unwrap();
            let of_archive = DataConfig {
                dir: Some(archive.clone()),
                ..config.clone()
            };
            let read = crate::load(&of_archive, 0).unwrap().train;
            assert!(!read.pixels.are_in_a_file());
            assert_eq!(mapped, read, "{shape}");
            assert_eq!(crate::images_in(&of_archive).unwrap().num, num);
            fs::remove_file(archive).unwrap();
            let held = crate::images_in(config).unwrap();
            assert_eq!(held.num, if stays { 0 } else { num }, "{shape}");
            assert_eq!(held.shape, Some(mapped.shape));
        }
    }
}

#[test]
fn images_are_counted_in_both_splits_from_the_headers_alone() {
    let arrays = vec![
        ("x_train", u8s("(3, 2, 2)", 0..12)),
        ("y_train", u8s("(1,)", [9])),
        ("x_test", u8s("(1, 2, 2)", 0..4)),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    fs::write(&path, npz(&arrays)).unwrap();
    assert_eq!(crate::images_in(&config(&path)).unwrap().num, 4);
    let nowhere = config(Path::new("/no/such/place"));
    assert!(crate::images_in(&nowhere).is_err());
}

#[test]
fn what_is_left_without_some_classes_is_in_memory_and_counted() {
    let dir = folder_of(&vec![
        ("train_images", u8s("(3, 2, 2)", 0..12)),
        ("train_labels", u8s("(3,)", [0, 1, 1])),
        ("test_images", u8s("(1, 2, 2)", 0..4)),
        ("test_labels", u8s("(1,)", [0])),
    ]);
    let mut config = config(dir.path());
    assert_eq!(crate::images_in(&config).unwrap().num, 0);
    config.leave_out = vec!["0".to_owned()];
    assert_eq!(crate::images_in(&config).unwrap().num, 4);
    let train = crate::load(&config, 0).unwrap().train;
    assert!(train.len() == 2 && !train.pixels.are_in_a_file());
}

#[test]
fn images_that_are_kept_in_a_folder_are_there_read_as_the_same() {
    let arrays = vec![
        ("x_train", u8s("(2, 2, 2, 3)", 0..24)),
        ("x_test", u8s("(1, 2, 2, 3)", 24..36)),
    ];
    let from = folder_of(&arrays);
    let to = tempfile::tempdir().unwrap();
    let kept = load(&config(from.path()), Keep::InFolder(to.path())).unwrap();
    assert!(kept.train.pixels.are_in_a_file());
    let again = crate::load(&config(to.path()), 0).unwrap();
    assert_eq!(again, kept);
    assert_eq!(again, crate::load(&config(from.path()), 0).unwrap());
    // Bytes that could stay in their file are copied, too.
    let copy = tempfile::tempdir().unwrap();
    load(&config(to.path()), Keep::InFolder(copy.path())).unwrap();
    assert_eq!(crate::load(&config(copy.path()), 0).unwrap(), kept);
}
