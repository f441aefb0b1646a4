//! Check that archives are known by their content, and that other files are called what they are.

use std::error::Error;
use std::{fs, iter};

use super::{config, greys, load, packed, packed_in_every_way, png};

#[test]
fn an_archive_is_known_by_its_content_whatever_its_name() {
    for bytes in packed_in_every_way(&[("a.png", &png(3))]) {
        for name in [
            "photos",
            "photos.bin",
            "photos.tar",
            "photos.tgz",
            "photos.zip",
        ] {
            let data = load(name, &[(name, &bytes)]).unwrap();
            assert_eq!(greys(&data.train), [3], "{name}");
        }
    }
}

#[test]
fn says_what_a_file_is_that_is_no_archive_and_what_can_be_read() {
    for (start, what) in [
        (&b"BZh91AY&SY"[..], "a bzip2 file"),
        (b"\xfd7zXZ\0\0\x04", "an xz file"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
        (b"\x04\x22\x4d\x18", "an LZ4 file"),
        (b"\x1f\x9d\x90", "a file of `compress`"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
        (&png(1), "a picture"),
    ] {
        let rest = [0xfeu8; 2_000];
        for name in ["photos", "photos.tar.bz2", "photos.rar", "photos.tar"] {
            let bytes = [start, &rest].concat();
            assert_eq!(
                load(name, &[(name, &bytes)]).unwrap_err(),
                format!(
                    "DIR/{name} is {what}: set `data.dir` to a folder, or to a tar archive, gzipped or not, or a zip \
                     archive; unpack others first"
                )
            );
        }
    }
    for other in [&b""[..], b"text", &[0xfe; 2_000]] {
        let message = load("photos.dat", &[("photos.dat", other)]).unwrap_err();
        let start = "DIR/photos.dat is no archive: ";
        assert!(message.starts_with(start), "{message}");
        let message = load("photos.zip", &[("photos.zip", other)]).unwrap_err();
        let start = "DIR/photos.zip is a damaged zip archive";
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn bytes_that_an_unpacker_quotes_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("photos.tar");
    let whole = packed(&[("a.png", &png(1)), ("b.png", &png(2))]);
    // The header of the second member, after that of the first and a block of content.
    for fill in [0x01, 0x1b, 0x80, 0xfe] {
        let mut bytes = whole.clone();
        bytes[1024..1536].fill(fill);
        fs::write(&path, bytes).unwrap();
        let error = crate::load(&config(&path), 0).unwrap_err();
        let first: &(dyn Error + 'static) = &error;
        for cause in iter::successors(Some(first), |&cause| cause.source()) {
            let said = cause.to_string();
            let is_text = |letter: char| !letter.is_control() && letter != '\u{fffd}';
            assert!(said.chars().all(is_text), "{said:?}");
        }
    }
}
