//! Check what is peculiar to zip archives, and that damaged and hostile ones are refused.

use std::error::Error;
use std::fs;

use super::zip_writer::{Stated, zip_of, zip64_of};
use super::{config, greys, load, passed_over, png};
use crate::dataset::Dataset;

/// What is said of an archive that does not hold together.
const DAMAGED: &str = "DIR/photos.zip is a damaged zip archive";

/// The two ways in which members are packed.
const WAYS: [fn(&str, &[u8]) -> Stated; 2] = [Stated::stored, Stated::deflated];

fn load_zip(bytes: &[u8]) -> Result<Dataset, String> {
    load("photos.zip", &[("photos.zip", bytes)])
}

fn load_members(members: &[Stated]) -> Result<Dataset, String> {
    load_zip(&zip_of(members))
}

/// What is said of an archive that is refused, and the first cause of it.
fn refusal(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("photos.zip");
    fs::write(&path, bytes).unwrap();
    let error = crate::load(&config(&path), 0).unwrap_err();
    let cause = error
        .source()
        .map_or_else(String::new, |cause| format!(": {cause}"));
    format!("{error}{cause}").replace(&dir.path().display().to_string(), "DIR")
}

/// Asserts that an archive is refused as damaged, for this reason.
#[track_caller]
fn assert_damaged(bytes: &[u8], reason: &str) {
    let message = refusal(bytes);
    assert!(message.starts_with(DAMAGED), "{message}");
    assert!(message.contains(reason), "{message}");
}

/// Where the header of the last member begins in the directory of an archive.
fn last_header(bytes: &[u8]) -> usize {
    let mut places = bytes.windows(4).enumerate().rev();
    let last = places.find(|(_, four)| four.starts_with(b"PK\x01\x02"));
    let (place, _) = last.unwrap();
    place
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let [one, two] = [png(1), png(2)];
    for pack in WAYS {
        let whole = zip_of(&[
            pack("a.png", &one),
            pack("notes.txt", b"text"),
            pack("b.png", &two),
        ]);
        assert_eq!(greys(&load_zip(&whole).unwrap().train), [1, 2]);
        for kept in 0..whole.len() {
            let message = load_zip(&whole[..kept]).unwrap_err();
            assert!(message.starts_with(DAMAGED), "{kept} bytes: {message}");
        }
    }
}

#[test]
fn a_changed_byte_is_refused_or_changes_no_pixel_and_no_picture_is_lost_unsaid() {
    let pictures = [png(1), png(2), png(3)];
    for pack in WAYS {
        let members = ["a.png", "b.png", "d.png"].into_iter().zip(&pictures);
        let members = members.map(|(name, picture)| pack(name, picture));
        let whole = zip_of(&members.collect::<Vec<_>>());
        let (mut refused, mut tried) = (0, 0);
        for place in 0..whole.len() {
            for mask in [0x01, 0x20, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[place] ^= mask;
                tried += 1;
                let Ok(data) = load_zip(&bytes) else {
                    refused += 1;
                    continue;
                };
                let found = greys(&data.train);
                let is_part = found.iter().all(|grey| (1..=3).contains(grey));
                let is_said = !data.passed_over.is_empty();
                assert!(
                    found == [1, 2, 3] || (is_part && is_said),
                    "byte {place} with {mask:#04x}: {found:?}, {:?}",
                    data.passed_over
                );
            }
        }
        assert!(refused > tried / 2, "{refused} of {tried}");
    }
}

#[test]
fn the_whole_archive_in_one_that_is_cut_short_is_not_taken_for_it() {
    let picture = png(1);
    let inner = zip_of(&[Stated::stored("x.png", &picture)]);
    let whole = zip_of(&[
        Stated::stored("a.png", &picture),
        Stated::stored("inner.zip", &inner),
        Stated::stored("b.png", &picture),
    ]);
    let place = whole.windows(inner.len()).position(|some| some == inner);
    let end = place.unwrap() + inner.len();
    assert_damaged(&whole[..end], "");
    let data = load_zip(&whole).unwrap();
    assert_eq!(greys(&data.train), [1, 1]);
    assert_eq!(passed_over(&data), [(".zip files", 1)]);
}

#[test]
fn sizes_that_are_not_those_of_the_content_are_refused() {
    let picture = png(1);
    for pack in WAYS {
        let whole = pack("a.png", &picture);
        for size in [0, 1, whole.size - 1, whole.size + 1, u32::MAX >> 3] {
            let bytes = zip_of(&[Stated {
                size,
                ..whole.clone()
            }]);
            assert_damaged(&bytes, "a.png: ");
        }
    }
    let bomb = Stated {
        size: 4,
        ..Stated::deflated("a.png", &vec![0; 1 << 20])
    };
    assert_damaged(&zip_of(&[bomb]), "a.png: ");
}

#[test]
fn a_member_of_more_than_a_gibibyte_is_a_bad_picture_and_never_unpacked() {
    let huge = Stated {
        size: (1 << 30) + 1,
        ..Stated::deflated("huge.png", &png(1))
    };
    let message = load_members(&[huge]).unwrap_err();
    for fragment in ["photos.zip/huge.png: ", "it has 1073741825 bytes"] {
        assert!(message.contains(fragment), "{message}");
    }
}

#[test]
fn members_that_share_bytes_are_refused() {
    let picture = png(1);
    let members = ["a.png", "b.png"].map(|name| Stated::deflated(name, &picture));
    let whole = zip_of(&members);
    let offset = last_header(&whole) + 42;
    let second = u32::from_le_bytes(whole[offset..offset + 4].try_into().unwrap());
    // The first member itself, a place in its content, the directory and what follows.
    for place in [0, 40, second - 10, second + 60, second + 200, u32::MAX] {
        let mut bytes = whole.clone();
        bytes[offset..offset + 4].copy_from_slice(&place.to_le_bytes());
        assert_damaged(&bytes, "its members overlap");
    }
}

#[test]
fn a_number_of_members_that_is_wrong_is_refused() {
    let picture = png(1);
    let members = ["a.png", "b.png"].map(|name| Stated::stored(name, &picture));
    let whole = zip_of(&members);
    let counts = whole.len() - 22 + 8;
    for count in [1u16, 3, 65_535] {
        let mut bytes = whole.clone();
        for place in [counts, counts + 2] {
            bytes[place..place + 2].copy_from_slice(&count.to_le_bytes());
        }
        let reason = if count == 1 { "more members than" } else { "" };
        assert_damaged(&bytes, reason);
    }
    let data = load_zip(&zip64_of(&members, 2)).unwrap();
    assert_eq!(greys(&data.train), [1, 1]);
    for count in [1, 3, 1 << 16, 1 << 40, u64::MAX] {
        assert_damaged(&zip64_of(&members, count), "");
    }
}

#[test]
fn two_members_of_one_name_are_refused() {
    let [one, two] = [png(1), png(2)];
    let same_name = "two of its members have the same name";
    for (name, other) in [
        ("a.png", "a.png"),
        ("a.png", "./a.png"),
        ("./d/a.png", "d/./a.png"),
        ("d//a.png", "d/a.png"),
    ] {
        for (name, other) in [(name, other), (other, name)] {
            let members = [Stated::stored(name, &one), Stated::stored(other, &two)];
            assert_damaged(&zip_of(&members), same_name);
        }
    }
    let of_dos = Stated {
        system: 0,
        ..Stated::stored("d\\a.png", &one)
    };
    let members = [of_dos, Stated::stored("d/a.png", &two)];
    assert_damaged(&zip_of(&members), same_name);
    // Folders are often listed more than once.
    let members = ["d/", "./d/", "d/a.png"].map(|name| match name {
        "d/a.png" => Stated::stored(name, &one),
        folder => Stated::stored(folder, b""),
    });
    assert_eq!(greys(&load_zip(&zip_of(&members)).unwrap().train), [1]);
}

#[test]
fn names_the_member_whose_content_is_not_that_of_its_headers() {
    let [one, two] = [png(1), png(2)];
    for pack in WAYS {
        let wrong = Stated {
            crc: 7,
            ..pack("b.png", &two)
        };
        let bytes = zip_of(&[pack("a.png", &one), wrong]);
        assert_damaged(&bytes, "b.png: ");
        let mut renamed = zip_of(&[pack("a.png", &one), pack("b.png", &two)]);
        let name = last_header(&renamed) + 46;
        renamed[name] = b'c';
        assert_damaged(&renamed, "c.png: its name before its content is another");
    }
}

#[test]
fn encrypted_members_and_other_methods_are_refused_with_a_way_out() {
    let picture = png(1);
    let stored = Stated::stored("cat/a.png", &picture);
    let with_method = |method| Stated {
        method,
        ..stored.clone()
    };
    let encrypted = Stated {
        flags: 1,
        ..stored.clone()
    };
    let aes = Stated {
        flags: 1,
        ..with_method(99)
    };
    for (member, problem) in [
        (encrypted, "is encrypted"),
        (aes, "is encrypted"),
        (with_method(9), "(Deflate64)"),
        (with_method(12), "(Bzip2)"),
        (with_method(14), "(Lzma)"),
        (with_method(93), "(Zstd)"),
        (with_method(7_777), "(Unknown)"),
    ] {
        let message = load_members(&[member]).unwrap_err();
        for fragment in [
            "member cat/a.png of DIR/photos.zip is ",
            problem,
            ": pack the files again, stored or deflated, without a password",
        ] {
            assert!(message.contains(fragment), "{message}");
        }
    }
}

#[test]
fn members_that_are_not_used_are_never_unpacked() {
    let picture = png(1);
    let damaged = |name: &str| Stated {
        crc: 7,
        ..Stated::deflated(name, &picture)
    };
    let mut notes = damaged("notes.txt");
    let train = Stated::deflated("train/a.png", &picture);
    let test = Stated::deflated("test/b.png", &picture);
    for flags in [0, 1] {
        notes.flags = flags;
        let members = [
            notes.clone(),
            train.clone(),
            test.clone(),
            damaged("val/c.png"),
        ];
        let data = load_members(&members).unwrap();
        assert_eq!((data.train.len(), data.test.unwrap().len()), (1, 1));
    }
}

#[test]
fn names_with_backslashes_are_paths_where_dos_is_the_system() {
    let [one, two] = [png(1), png(2)];
    let of_dos = |name: &str, content: &[u8]| Stated {
        system: 0,
        attributes: 0x20,
        ..Stated::stored(name, content)
    };
    let members = [
        of_dos("set\\dog\\2.png", &two),
        of_dos("set\\empty\\", b""),
        of_dos("set\\cat\\1.png", &one),
    ];
    let data = load_members(&members).unwrap();
    assert_eq!(data.train.class_names, ["cat", "dog"]);
    assert_eq!(greys(&data.train), [1, 2]);
    for (name, problem) in [
        ("..\\x.png", "has a `..` in it"),
        ("\\x.png", "is an absolute path"),
    ] {
        let message = load_members(&[of_dos(name, &one)]).unwrap_err();
        assert!(message.contains(problem), "{message}");
    }
    if cfg!(unix) {
        let members = [
            Stated::stored("cat\\1.png", &one),
            of_dos("a/b\\2.png", &two),
        ];
        let message = load_members(&members).unwrap_err();
        assert!(message.contains("photos.zip/cat\\1.png, …"), "{message}");
    }
}

#[test]
fn names_are_utf_8_or_else_code_page_437() {
    let [one, two] = [png(1), png(2)];
    let old = Stated {
        name: b"k\x94ln/1.png".to_vec(),
        ..Stated::stored("", &one)
    };
    let members = [old, Stated::stored("größe/2.png", &two)];
    let data = load_members(&members).unwrap();
    assert_eq!(data.train.class_names, ["größe", "köln"]);
}

#[test]
fn refuses_a_name_with_a_zero_byte() {
    let picture = png(1);
    let message = load_members(&[Stated::stored("a.png\0.txt", &picture)]).unwrap_err();
    assert!(message.contains("has a zero byte in it"), "{message}");
    assert!(!message.contains('\0'));
}

#[test]
fn links_and_folders_with_content_are_passed_over_and_counted() {
    let picture = png(3);
    let of_type = |name: &str, kind: u32, content: &[u8]| Stated {
        attributes: kind << 16,
        ..Stated::stored(name, content)
    };
    let members = [
        Stated::stored("a.png", &picture),
        of_type("b.png", 0o120_777, b"a.png"),
        of_type("c.png", 0o010_644, b""),
        of_type("cat/", 0o040_755, b""),
        of_type("dog/", 0o040_755, &picture),
        of_type("cow", 0o040_755, b""),
    ];
    let data = load_members(&members).unwrap();
    assert_eq!(greys(&data.train), [3]);
    let expected = [("links, devices or other members that are no files", 3)];
    assert_eq!(passed_over(&data), expected);
}

#[test]
fn a_part_of_an_archive_in_parts_is_refused() {
    let mut bytes = b"PK\x07\x08".to_vec();
    bytes.extend(zip_of(&[Stated::stored("a.png", &png(1))]));
    assert_damaged(&bytes, "");
}
