//! Files that are cut, damaged, or say of themselves what is not so.

use super::*;
use crate::error::DataError;

fn arrays() -> Named<'static> {
    vec![
        ("train_images", u8s("(2, 2, 2)", 1..9)),
        ("train_labels", u8s("(2,)", [1, 0])),
    ]
}

/// What loading a file of this name and content gives.
fn load(path: &Path, content: &[u8]) -> Result<Dataset, DataError> {
    fs::write(path, content).unwrap();
    crate::load(&config(path), 0)
}

#[test]
fn a_file_that_is_cut_is_an_error_wherever_it_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    for (name, whole) in [
        ("deflated.npz", npz(&arrays())),
        ("stored.npz", zipped(&arrays(), CompressionMethod::Stored)),
        ("array.npy", u8s("(2, 2, 2)", 1..9)),
    ] {
        let path = dir.path().join(name);
        load(&path, &whole).unwrap();
        for len in 0..whole.len() {
            assert!(load(&path, &whole[..len]).is_err(), "{name} of {len} bytes");
        }
    }
}

#[test]
fn an_archive_with_other_bytes_gives_the_same_pixels_or_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for (name, whole) in [
        ("deflated.npz", npz(&arrays())),
        ("stored.npz", zipped(&arrays(), CompressionMethod::Stored)),
    ] {
        let path = dir.path().join(name);
        let pixels = load(&path, &whole).unwrap().train.pixels;
        for at in 0..whole.len() {
            for flip in [0x01, 0x08, 0xff] {
                let mut other = whole.clone();
                other[at] ^= flip;
                if let Ok(data) = load(&path, &other) {
                    assert_eq!(data.train.pixels, pixels, "{name}: {at} by {flip:#x}");
                }
            }
        }
    }
}

#[test]
fn an_array_in_a_file_with_another_header_is_an_error_or_of_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("array.npy");
    let whole = u8s("(2, 2, 2)", 1..9);
    for at in 0..whole.len() - 8 {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut other = whole.clone();
            other[at] ^= flip;
            if let Ok(data) = load(&path, &other) {
                let expected: Vec<u8> = (1..9).collect();
                assert_eq!(data.train.pixels, expected, "{at} by {flip:#x}");
            }
        }
    }
}

#[test]
fn a_pixel_that_the_checksum_does_not_bear_out_is_an_error() {
    let mut archive = zipped(&arrays(), CompressionMethod::Stored);
    let pixels = archive
        .windows(8)
        .position(|it| it == [1, 2, 3, 4, 5, 6, 7, 8]);
    archive[pixels.unwrap()] = 0;
    assert_eq!(
        load_from("a.npz", &[("a.npz", archive)], DataConfig::default()).unwrap_err(),
        "DIR/a.npz/train_images.npy is no NumPy file, or a damaged one: download it again, or save it again with \
         numpy.save or numpy.savez"
    );
}

#[test]
fn an_array_of_another_length_than_its_shape_is_refused() {
    for (shape, elements, problem) in [
        (
            "(2, 2, 2)",
            7,
            "is cut short: expected 136 bytes, got 135; download it again",
        ),
        (
            "(2, 2, 2)",
            9,
            "has bytes after its last item: expected 136 bytes, got 137; download it again",
        ),
        (
            "(4294967296, 4294967296, 2)",
            8,
            "is no NumPy file, or a damaged one",
        ),
        (
            "(72057594037927936, 16, 16, 1)",
            0,
            "is no NumPy file, or a damaged one",
        ),
        (
            "(1000000000000, 2, 2)",
            8,
            "is cut short: expected 4000000000128 bytes, got 136",
        ),
        ("(-1, 2, 2)", 8, "is no NumPy file, or a damaged one"),
    ] {
        let array = u8s(shape, vec![0; elements]);
        for message in [
            load_npz(&vec![("images", array.clone())]).unwrap_err(),
            load_from(
                "images.npy",
                &[("images.npy", array.clone())],
                DataConfig::default(),
            )
            .unwrap_err(),
        ] {
            assert!(
                message.contains(&format!("images.npy {problem}")),
                "{message}"
            );
        }
    }
}

/// The archive with another uncompressed size of its only member, in both of its headers.
fn with_size(mut archive: Vec<u8>, size: u32) -> Vec<u8> {
    for (signature, place) in [(b"PK\x03\x04", 22), (b"PK\x01\x02", 24)] {
        let start = archive.windows(4).position(|it| it == signature).unwrap();
        archive[start + place..start + place + 4].copy_from_slice(&size.to_le_bytes());
    }
    archive
}

#[test]
fn a_member_that_holds_more_or_less_than_its_archive_says_is_an_error() {
    let load = |archive| load_from("a.npz", &[("a.npz", archive)], DataConfig::default());
    let damaged = "DIR/a.npz/images.npy is no NumPy file, or a damaged one";
    // A mebibyte behind the last pixel, of which the archive says nothing.
    let bomb = u8s("(2, 2, 2)", vec![0; 8 + (1 << 20)]);
    let bomb = with_size(npz(&vec![("images", bomb)]), 128 + 8);
    assert!(load(bomb).unwrap_err().starts_with(damaged));
    // Two gigabytes that are not there, though the archive and the array both say so.
    let claim = u8s("(1000000000, 1, 2)", vec![0; 8]);
    let claim = with_size(npz(&vec![("images", claim)]), 2_000_000_128);
    let config = DataConfig {
        image_size: 1,
        ..DataConfig::default()
    };
    let message = load_from("a.npz", &[("a.npz", claim)], config).unwrap_err();
    assert!(message.starts_with(damaged), "{message}");
}

#[test]
fn two_members_of_one_name_are_refused() {
    let image = u8s("(1, 2, 2)", 0..4);
    let mut archive = npz(&vec![("image1", image.clone()), ("image2", image)]);
    for at in 0..archive.len() - 6 {
        if archive[at..].starts_with(b"image2") {
            archive[at + 5] = b'1';
        }
    }
    let message = load_from("a.npz", &[("a.npz", archive)], DataConfig::default()).unwrap_err();
    assert!(
        message.starts_with("DIR/a.npz is no NumPy file, or a damaged one"),
        "{message}"
    );
}

#[test]
fn what_is_no_array_at_all_is_refused() {
    for (name, content) in [
        ("a.npz", "no archive"),
        ("a.npz", "PK\x03\x04"),
        ("a.npy", "PK\x05\x06"),
        ("a.npy", "no array"),
        ("a.npy", ""),
        ("a.txt", "text"),
    ] {
        let message = load_from(name, &[(name, content.into())], DataConfig::default());
        let start = format!("DIR/{name} is no NumPy file, or a damaged one");
        assert!(message.unwrap_err().starts_with(&start), "{name}");
    }
}
