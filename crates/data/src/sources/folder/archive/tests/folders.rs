//! Check what is read from archives against the folders that they unpack to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use image::{Rgb, RgbImage};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tar::{Builder, EntryType};

use super::{
    append, config, greys, gzip, load, load_bytes, load_packed, packed, packed_in_every_way,
    passed_over, png, relative,
};
use crate::config::DataConfig;
use crate::sources::folder::{Decoded, holds_pictures};

/// Writes a folder as people have it: splits, classes, folders in classes, a bad picture in each split, and what is no
/// data.
fn write_folder(root: &Path) {
    let mut rng = SmallRng::seed_from_u64(5);
    for name in [
        "train/ape/1.png",
        "train/cat/10.png",
        "train/cat/2.jpg",
        "train/cat/old/1.bmp",
        "train/dog/b.png",
        "train/dog/a.png",
        "train/dog/.2.png",
        "test/cat/3.png",
        "test/dog/1.png",
        ".hidden/1.png",
        "__MACOSX/train/cat/1.png",
        "run/samples/1.png",
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut pixel = || rng.random_range(0..=255u8);
        RgbImage::from_fn(12, 12, |_, _| Rgb([pixel(), pixel(), pixel()]))
            .save(path)
            .unwrap();
    }
    for name in [
        "train/ape/0.png",
        "test/cat/9.jpg",
        "train/cat/x.heic",
        "train/notes.txt",
        "train/labels",
        "run/config.toml",
    ] {
        fs::write(root.join(name), "BM is no picture").unwrap();
    }
    // Known by its content.
    fs::rename(root.join("train/dog/b.png"), root.join("train/dog/b")).unwrap();
}

/// All files below a folder, the last first.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.reverse();
    let below = paths.into_iter().flat_map(|path| {
        if path.is_dir() {
            files_below(&path)
        } else {
            vec![path]
        }
    });
    below.collect()
}

/// Archives of a folder, its files in another order than that of their names, after `prefix`.
fn pack_folder(root: &Path, prefix: &str) -> [Vec<u8>; 4] {
    let files = files_below(root).into_iter().map(|path| {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let name = format!("{prefix}{}", name.replace('\\', "/"));
        (name, fs::read(&path).unwrap())
    });
    let files: Vec<(String, Vec<u8>)> = files.collect();
    let files = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()));
    packed_in_every_way(&files.collect::<Vec<_>>())
}

#[test]
fn an_archive_gives_what_its_folder_gives_when_it_is_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("photos");
    write_folder(&folder);
    let mut whole = Builder::new(Vec::new());
    whole.append_dir_all("photos", &folder).unwrap();
    let mut archives = vec![("photos", whole.into_inner().unwrap())];
    for (inner, prefix) in [
        ("", ""),
        ("", "./"),
        ("photos", "photos/"),
        ("photos", "./photos/"),
    ] {
        let packed = pack_folder(&folder, prefix);
        archives.extend(packed.map(|bytes| (inner, bytes)));
    }
    let path = dir.path().join("photos.tar");
    for (image_size, crops, channels) in [(0, 0, 3), (8, 0, 1), (7, 3, 3)] {
        let config = |dir: &Path| DataConfig {
            image_size,
            crops,
            channels,
            skip_bad: true,
            ..config(dir)
        };
        let expected = crate::load(&config(&folder), 0).unwrap();
        let num_train = expected.train.len();
        assert_eq!(num_train, 6 * crops.max(1));
        assert_eq!(expected.train.class_names, ["ape", "cat", "dog"]);
        assert_eq!(expected.skipped.len(), 2);
        assert_eq!(expected.passed_over.len(), 5);
        let num_images = crate::images_in(&config(&folder)).unwrap();
        let expected = relative(expected, &folder);
        for (inner, bytes) in &archives {
            fs::write(&path, bytes).unwrap();
            let found = crate::load(&config(&path), 0).unwrap();
            let root: PathBuf = path.join(inner).components().collect();
            assert_eq!(relative(found, &root), expected, "{inner:?}, {image_size}");
            assert_eq!(crate::images_in(&config(&path)).unwrap(), num_images);
        }
    }
}

#[test]
fn every_picture_of_an_archive_is_reported_in_order_bad_ones_included() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("photos.tar");
    let (good, bad) = (png(7), vec![0u8; 3_000]);
    let files = ["train/a.png", "train/b.png", "train/c.png", "test/d.png"];
    let mut files = files.map(|name| (name, good.as_slice())).to_vec();
    files.push(("test/e.png", &bad));
    fs::write(&path, packed(&files)).unwrap();
    let reports = Mutex::new(Vec::new());
    let report = |decoded: Decoded| reports.lock().unwrap().push(decoded);
    let config = DataConfig {
        skip_bad: true,
        ..config(&path)
    };
    let data = crate::load_with(&config, 0, &report).unwrap();
    assert_eq!(data.skipped, [path.join("test/e.png")]);
    let expected: Vec<Decoded> = (1..=5).map(|done| Decoded { done, total: 5 }).collect();
    assert_eq!(*reports.lock().unwrap(), expected);
}

#[test]
fn names_the_first_bad_picture_by_its_archive() {
    let whole = png(7);
    let files = [
        ("c.png", &b"no picture"[..]),
        ("b.png", &whole[..20]),
        ("a.png", &whole),
    ];
    let message = load_packed(&files).unwrap_err();
    let start = "2 of 3 pictures cannot be decoded, the first DIR/photos.tar/b.png: ";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn a_folder_in_an_archive_is_a_folder() {
    let [one, two] = [png(1), png(2)];
    let files = [
        ("set/cat/1.png", one.as_slice()),
        ("set/dog/2.png", &two),
        ("3.png", &one),
    ];
    for bytes in packed_in_every_way(&files) {
        let load = |path: &str| load(path, &[("photos.tar", &bytes)]);
        let message = load("photos.tar").unwrap_err();
        assert!(message.contains("holds both pictures"), "{message}");
        let data = load("photos.tar/set").unwrap();
        assert_eq!(data.train.class_names, ["cat", "dog"]);
        assert_eq!(greys(&data.train), [1, 2]);
        assert_eq!(greys(&load("photos.tar/set/dog").unwrap().train), [2]);
        let message = load("photos.tar/zoo").unwrap_err();
        assert_eq!(message, "data folder DIR/photos.tar/zoo does not exist");
    }
}

#[test]
fn the_last_of_several_members_of_one_path_counts_in_a_tar_archive() {
    let [one, two] = [png(1), png(2)];
    let files = [
        ("a.png", one.as_slice()),
        ("b.png", &one),
        ("./a.png", &two),
    ];
    assert_eq!(greys(&load_bytes(&packed(&files)).unwrap().train), [2, 1]);
}

#[test]
fn links_and_devices_are_passed_over_and_counted() {
    let mut tar = Builder::new(Vec::new());
    append(
        &mut tar,
        "global",
        EntryType::XGlobalHeader,
        b"11 comment\n",
    );
    append(&mut tar, "a.png", EntryType::Regular, &png(3));
    append(&mut tar, "b.png", EntryType::Symlink, b"");
    append(&mut tar, "c.png", EntryType::Link, b"");
    append(&mut tar, "d.png", EntryType::Fifo, b"");
    append(&mut tar, "cat/", EntryType::Directory, b"");
    append(&mut tar, "dog/", EntryType::Regular, b"");
    for bytes in [tar.get_ref().clone(), gzip(tar.get_ref())] {
        let message = load_bytes(&bytes).unwrap_err();
        assert!(
            message.contains("no tar archive, or a damaged"),
            "{message}"
        );
    }
    let bytes = tar.into_inner().unwrap();
    for bytes in [gzip(&bytes), bytes] {
        let data = load_bytes(&bytes).unwrap();
        assert_eq!(greys(&data.train), [3]);
        let expected = [("links, devices or other members that are no files", 3)];
        assert_eq!(passed_over(&data), expected);
    }
}

#[cfg(unix)]
#[test]
fn only_files_with_the_names_of_archives_are_taken_for_archives() {
    let dir = tempfile::tempdir().unwrap();
    let archive = packed(&[("1.png", png(1).as_slice())]);
    fs::write(dir.path().join("a.tar"), archive).unwrap();
    let run = dir.path().join("run.tar");
    fs::create_dir_all(run.join("samples")).unwrap();
    fs::write(run.join("config.toml"), "").unwrap();
    std::os::unix::fs::symlink(&run, dir.path().join("link.tar")).unwrap();
    let [socket, table] = ["socket.tar", "socket.parquet"].map(|name| dir.path().join(name));
    let _listening =
        [&socket, &table].map(|path| std::os::unix::net::UnixListener::bind(path).unwrap());
    let data = crate::load(&config(dir.path()), 0).unwrap();
    assert_eq!(greys(&data.train), [1]);
    let [pipes, runs] = [
        "pipes, sockets or devices",
        "run directories of this program",
    ];
    assert_eq!(passed_over(&data), [(pipes, 2), (runs, 2)]);

    fs::remove_file(dir.path().join("a.tar")).unwrap();
    let message = crate::load(&config(dir.path()), 0).unwrap_err().to_string();
    assert!(message.contains("holds no image, but 2 "), "{message}");
}

#[test]
fn a_folder_in_an_archive_is_known_to_hold_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let [tar, table, text] = ["a.tar", "a.parquet", "a.txt"].map(|name| dir.path().join(name));
    for path in [&tar, &table, &text] {
        fs::write(path, "").unwrap();
    }
    for (path, holds) in [
        (tar.join("animals/cats"), true),
        (tar, true),
        (table.join("animals"), false),
        (table, true),
        (text.join("animals"), false),
        (text, false),
        (dir.path().join("none.tar"), false),
        (dir.path().into(), true),
    ] {
        assert_eq!(holds_pictures(&path), holds, "{}", path.display());
    }
}
