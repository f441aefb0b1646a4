//! Train on archives of pictures, and refuse those that cannot be used.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

use crate::common::{Scratch, metrics};

const ARCHIVE: [&str; 4] = ["--dataset", "folder", "--data-dir", "photos.tar"];
const FOLDER: [&str; 4] = ["--dataset", "folder", "--data-dir", "photos"];

/// A tar archive of these files (ustar, POSIX.1-1988).
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive: Vec<u8> = Vec::new();
    for (name, content) in files {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        archive.extend(header);
        archive.extend(*content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend([0u8; 1024]);
    archive
}

/// A zip archive of these files, stored (APPNOTE 6.3.10, section 4.3).
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::<u8>::new(), Vec::<u8>::new());
    for (name, content) in files {
        let size = (content.len() as u32).to_le_bytes();
        let header = [
            &[20u8, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], // version, flags, method, time, date
            &crc32fast::hash(content).to_le_bytes(),
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&header);
        directory.extend([0u8; 10]); // comment, disk, attributes
        directory.extend((archive.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(header);
        archive.extend(name.as_bytes());
        archive.extend(*content);
    }
    let count = (files.len() as u16).to_le_bytes();
    let sizes = [directory.len() as u32, archive.len() as u32].map(u32::to_le_bytes);
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([count, count].concat());
    archive.extend(sizes.concat());
    archive.extend([0u8; 2]);
    archive
}

/// A picture of one colour.
fn png(colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(20, 18, Rgb(colour))
        .write_to(&mut bytes, ImageFormat::Png)
        .expect("a picture in memory");
    bytes.into_inner()
}

/// A place with an archive of these files.
fn with_archive(files: &[(&str, &[u8])]) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("photos.tar", tar(files));
    scratch
}

#[test]
fn an_archive_is_the_folder_that_it_holds() {
    let [red, blue, grey] = [png([200, 10, 10]), png([10, 10, 200]), png([90; 3])];
    let files = [
        ("photos/dog/b.png", blue.as_slice()),
        ("photos/cat/a.png", &red),
        ("photos/cat/c.png", &grey),
        ("photos/notes.txt", b"text"),
    ];
    let scratch = with_archive(&files);
    for (name, content) in files {
        scratch.write(name, content);
    }
    let [packed, unpacked] = [("packed", ARCHIVE), ("unpacked", FOLDER)]
        .map(|(run, args)| scratch.train(run, &args).succeeds());
    for done in [&packed, &unpacked] {
        for fragment in [
            "data: 3 training",
            "classes: cat, dog",
            "passed over: 1 .txt files",
        ] {
            assert!(done.stderr.contains(fragment), "{}", done.stderr);
        }
    }
    let seen = ["packed", "unpacked"].map(|run| metrics(&scratch.join(run)));
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn a_zip_archive_with_a_list_of_labels_is_the_folder_that_it_holds() {
    let [red, blue] = [png([200, 10, 10]), png([10, 10, 200])];
    let list = br#"{"labels": [["00000/a.png", 10], ["00001/b.png", 9]]}"#;
    let files = [
        ("photos/00001/b.png", blue.as_slice()),
        ("photos/00000/a.png", &red),
        ("photos/dataset.json", list),
    ];
    let scratch = Scratch::new();
    scratch.write("photos.zip", zip(&files));
    for (name, content) in files {
        scratch.write(name, content);
    }
    let packed = ["--dataset", "folder", "--data-dir", "photos.zip"];
    for (run, args) in [("packed", packed), ("unpacked", FOLDER)] {
        let done = scratch.train(run, &args).succeeds();
        for fragment in ["data: 2 training", "classes: 9, 10"] {
            assert!(done.stderr.contains(fragment), "{}", done.stderr);
        }
        assert!(!done.stderr.contains("passed over"), "{}", done.stderr);
    }
    let seen = ["packed", "unpacked"].map(|run| metrics(&scratch.join(run)));
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn refuses_lists_of_labels_that_are_none() {
    let picture = png([1, 2, 3]);
    for (list, problem) in [
        (
            &br#"{"labels": [["a.png", 0.5]]}"#[..],
            "label of a.png is 0.5",
        ),
        (br#"{"labels": [["a.png", 1]"#, "column"),
    ] {
        let scratch = Scratch::new();
        scratch.write("photos/a.png", &picture);
        scratch.write("photos/dataset.json", list);
        let fragments = ["photos/dataset.json does not list labels", problem];
        scratch.refuses_to_train(&FOLDER, &fragments);
    }
}

#[test]
fn refuses_zip_archives_that_are_damaged_or_encrypted() {
    let whole = zip(&[("a.png", &png([1, 2, 3])), ("b.png", &png([4, 5, 6]))]);
    let mut flipped = whole.clone();
    flipped[60] ^= 1;
    let scratch = Scratch::new();
    let args = ["--dataset", "folder", "--data-dir", "photos.zip"];
    for bytes in [&whole[..200], &flipped, b"no archive"] {
        scratch.write("photos.zip", bytes);
        let fragments = ["photos.zip is a damaged zip archive", "--data-dir"];
        scratch.refuses_to_train(&args, &fragments);
    }
    let mut encrypted = whole;
    for place in 0..encrypted.len() - 10 {
        // The flags of a member in the directory.
        if encrypted[place..].starts_with(b"PK\x01\x02") {
            encrypted[place + 8] |= 1;
        }
    }
    scratch.write("photos.zip", encrypted);
    let fragments = [
        "member a.png of",
        "photos.zip is encrypted",
        "without a password",
    ];
    scratch.refuses_to_train(&args, &fragments);
}

#[test]
fn says_what_a_file_is_that_is_no_archive() {
    let scratch = Scratch::new();
    scratch.write("photos.tar.bz2", b"BZh91AY&SY\xff\xfe\xfd");
    let args = ["--dataset", "folder", "--data-dir", "photos.tar.bz2"];
    let fragments = [
        "photos.tar.bz2 is a bzip2 file",
        "a zip archive",
        "--data-dir",
    ];
    scratch.refuses_to_train(&args, &fragments);
}

#[test]
fn shards_are_read_with_their_labels_and_splits() {
    let scratch = Scratch::new();
    let [red, blue] = [png([200, 10, 10]), png([10, 10, 200])];
    let labelled = [
        ("000000.png", red.as_slice()),
        ("000000.cls", b"10"),
        ("000001.png", &blue),
        ("000001.cls", b"9"),
    ];
    for shard in ["train-000000", "train-000001"] {
        scratch.write(&format!("photos/{shard}.tar"), tar(&labelled));
    }
    scratch.write("photos/val-000000.tar", tar(&labelled[..2]));
    let done = scratch.train("run", &FOLDER).succeeds();
    for fragment in [
        "data: 4 training and 1 test images of 3×16×16, 2 classes",
        "classes: 9, 10",
    ] {
        assert!(done.stderr.contains(fragment), "{}", done.stderr);
    }
}

#[test]
fn refuses_an_archive_that_is_cut_short_or_none() {
    let whole = tar(&[("a.png", &png([1, 2, 3])), ("b.png", &png([4, 5, 6]))]);
    let scratch = Scratch::new();
    for bytes in [&whole[..700], &whole[..1024], b"no archive"] {
        scratch.write("photos.tar", bytes);
        let fragments = [
            "photos.tar is no tar archive",
            "download it again",
            "--data-dir",
        ];
        scratch.refuses_to_train(&ARCHIVE, &fragments);
    }
}

#[test]
fn refuses_names_that_lead_out_of_an_archive_and_writes_nothing() {
    let scratch = with_archive(&[("../x.png", &png([1, 2, 3]))]);
    let fragments = [
        "member ../x.png of",
        "photos.tar has a `..` in it",
        "pack the files again",
    ];
    scratch.refuses_to_train(&ARCHIVE, &fragments);
}

#[test]
fn names_a_member_that_is_no_picture_and_leaves_it_out_when_told_to() {
    let scratch = with_archive(&[("a.png", b"not a picture"), ("b.png", &png([1, 2, 3]))]);
    let fragments = ["1 of 2 pictures", "photos.tar/a.png", "that is --skip-bad"];
    scratch.refuses_to_train(&ARCHIVE, &fragments);
    let skipping = [&ARCHIVE[..], &["--skip-bad"]].concat();
    let done = scratch.train("run", &skipping).succeeds();
    assert!(done.stderr.contains("data: 1 training"), "{}", done.stderr);
}

#[test]
fn refuses_an_archive_without_pictures() {
    let scratch = with_archive(&[("notes.txt", b"text")]);
    let fragments = ["photos.tar holds no image", "PNG", "--data-dir"];
    scratch.refuses_to_train(&ARCHIVE, &fragments);
}

#[test]
fn refuses_labels_that_are_missing_or_no_text() {
    let picture = png([1, 2, 3]);
    let scratch = with_archive(&[("1.png", &picture), ("1.cls", b"7"), ("2.png", &picture)]);
    let fragments = ["photos.tar/2.png has no label", ".cls"];
    scratch.refuses_to_train(&ARCHIVE, &fragments);
    let scratch = with_archive(&[("1.png", &picture), ("1.cls", b"\xff\xd8")]);
    let fragments = ["photos.tar/1.cls holds no label", "one line of text"];
    scratch.refuses_to_train(&ARCHIVE, &fragments);
}

#[test]
fn refuses_shards_of_which_only_some_tell_a_split() {
    let scratch = Scratch::new();
    let shard = tar(&[("1.png", &png([1, 2, 3]))]);
    for name in ["photos/test-0.tar", "photos/val-0.tar"] {
        scratch.write(name, &shard);
    }
    scratch.refuses_to_train(&FOLDER, &["none to train on", "test-0.tar", "--data-dir"]);
    scratch.write("photos/more-0.tar", &shard);
    scratch.refuses_to_train(&FOLDER, &["beside them more-0.tar", "train-…"]);
}

#[test]
fn an_archive_is_never_left_unread() {
    let scratch = with_archive(&[("a.png", &png([1, 2, 3]))]);
    let fragments = ["dataset digits", "photos.tar", "looks like folder"];
    let drawn = ["--dataset", "digits", "--data-dir", "photos.tar"];
    scratch.refuses_to_train(&drawn, &fragments);
}

#[test]
fn the_first_picture_of_an_archive_tells_the_size() {
    let scratch = with_archive(&[("b.png", &png([1, 2, 3])), ("a.png", b"no picture")]);
    let own = ["--set", "data.image_size=0", "--skip-bad"];
    let args = [&ARCHIVE[..], &own].concat();
    scratch.refuses_to_train(&args, &["photos.tar/b.png is 20 by 18", "--image-size"]);
}
