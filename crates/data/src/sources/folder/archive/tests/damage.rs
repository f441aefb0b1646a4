//! Check that archives that are damaged or hostile are refused.

use std::fs::File;
use std::io::Write;

use tar::{Builder, EntryType};

use super::{append, config, greys, gzip, header, load_bytes, load_packed, packed, png};

#[test]
fn an_archive_cut_anywhere_is_an_error_or_the_whole() {
    let [one, two] = [png(1), png(2)];
    let files = [
        ("a.png", one.as_slice()),
        ("notes.txt", &[b'.'; 700]),
        ("b.png", &two),
    ];
    let plain = packed(&files);
    let gzipped = gzip(&plain);
    let whole = load_bytes(&plain).unwrap();
    assert_eq!(load_bytes(&gzipped).as_ref(), Ok(&whole));
    // One of two blocks of zeros is enough of an end.
    let end = plain.len() - 512;
    assert_eq!(load_bytes(&plain[..end]).as_ref(), Ok(&whole));
    let plain_cuts = (0..end).step_by(64).chain([end - 513, end - 1]);
    let gzip_cuts = 0..gzipped.len();
    let cuts = plain_cuts.map(|kept| &plain[..kept]);
    for bytes in cuts.chain(gzip_cuts.map(|kept| &gzipped[..kept])) {
        assert_eq!(
            load_bytes(bytes).unwrap_err(),
            "DIR/photos.tar is no tar archive, or a damaged one: download it again, or set `data.dir` to a folder",
            "{} bytes",
            bytes.len()
        );
    }
}

#[test]
fn refuses_what_is_no_archive_or_a_damaged_one() {
    let mut flipped = gzip(&packed(&[("a.png", &png(1))]));
    let checksum = flipped.len() - 8;
    flipped[checksum] ^= 1;
    let mut garbled = packed(&[("a.png", &png(1))]);
    garbled[0] ^= 1;
    for bytes in [&flipped[..], &garbled, &[b'a'; 2_000], b"no archive"] {
        let message = load_bytes(bytes).unwrap_err();
        assert!(
            message.contains("no tar archive, or a damaged"),
            "{message}"
        );
    }
}

#[test]
fn zeros_behind_a_gzipped_archive_are_passed_and_other_bytes_refused() {
    let gzipped = gzip(&packed(&[("a.png", &png(1))]));
    for zeros in [1, 512, 10_240] {
        let zeros = vec![0u8; zeros];
        let data = load_bytes(&[gzipped.as_slice(), &zeros].concat()).unwrap();
        assert_eq!(greys(&data.train), [1]);
        let message = load_bytes(&[gzipped.as_slice(), &zeros, b"x"].concat()).unwrap_err();
        assert!(
            message.contains("no tar archive, or a damaged"),
            "{message}"
        );
    }
}

#[test]
fn refuses_names_that_lead_out_of_the_archive() {
    let picture = png(1);
    for (name, problem) in [
        ("../x.png", "has a `..` in it"),
        ("cat/../../x.png", "has a `..` in it"),
        ("..", "has a `..` in it"),
        ("/x.png", "is an absolute path"),
    ] {
        assert_eq!(
            load_packed(&[("a.png", &picture), (name, &picture)]).unwrap_err(),
            format!(
                "the name of member {name} of DIR/photos.tar {problem}: pack the files again, by their names in one \
                 folder"
            )
        );
    }
}

#[test]
fn long_names_are_read_and_endless_ones_refused() {
    let in_folders = |folder: &str, num: usize| {
        let name = [folder.repeat(num), "a.png".to_owned()].concat();
        let mut tar = Builder::new(Vec::new());
        append(
            &mut tar,
            "././@LongLink",
            EntryType::GNULongName,
            name.as_bytes(),
        );
        append(&mut tar, "short.png", EntryType::Regular, &png(1));
        tar.into_inner().unwrap()
    };
    let folder = format!("{}/", "x".repeat(59));
    let with_name = |bytes: usize| in_folders(&folder, bytes / folder.len());
    let data = load_bytes(&with_name(1_000)).unwrap();
    assert_eq!(greys(&data.train), [1]);
    let message = load_bytes(&with_name(6_000)).unwrap_err();
    assert!(message.contains("is longer than any path"), "{message}");
    let message = load_bytes(&in_folders("x/", 65)).unwrap_err();
    assert!(message.contains("lies in too many folders"), "{message}");
    // Larger than what is read of a name.
    let endless = with_name(3 << 20);
    for bytes in [gzip(&endless), endless] {
        let message = load_bytes(&bytes).unwrap_err();
        assert!(
            message.contains("no tar archive, or a damaged"),
            "{message}"
        );
    }
}

#[test]
fn a_member_of_more_than_a_gibibyte_is_a_bad_picture_and_never_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("photos.tar");
    let size = (1 << 30) + 1;
    let mut file = File::create(&path).unwrap();
    let huge = header("huge.png", EntryType::Regular, size);
    file.write_all(huge.as_bytes()).unwrap();
    // Zeros that take no space on most disks: the content, and the end of the archive.
    let content = (size as u64).next_multiple_of(512);
    file.set_len(512 + content + 1024).unwrap();
    let message = crate::load(&config(&path), 0).unwrap_err().to_string();
    for fragment in ["photos.tar/huge.png: ", "it has 1073741825 bytes"] {
        assert!(message.contains(fragment), "{message}");
    }
}

#[test]
fn an_archive_without_pictures_is_refused_as_a_folder_is() {
    let none: [&[(&str, &[u8])]; 2] = [&[], &[("notes.txt", b"text"), (".a.png", b"")]];
    for files in none {
        assert_eq!(
            load_packed(files).unwrap_err(),
            "DIR/photos.tar holds no image: set `data.dir` to a folder or a tar or zip archive of PNG, JPEG, WebP, \
             BMP, GIF, TIFF, TGA or PNM pictures, or to parquet files that hold such"
        );
    }
}
