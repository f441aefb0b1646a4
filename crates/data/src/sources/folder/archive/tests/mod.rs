//! Check what is read from archives, and what is refused.

mod damage;
mod folders;
mod kinds;
mod labels;
mod listed;
mod zip_writer;
mod zips;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::dataset::Dataset;
use crate::sources::folder::testing::{config, greys, load_with, passed_over, png, relative};

use zip_writer::{Stated, zip_of};

/// A tar archive of files with these paths.
pub(in crate::sources) fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, content) in files {
        append(&mut tar, name, EntryType::Regular, content);
    }
    tar.into_inner().unwrap()
}

/// Adds a member whose name is written as it is, which the crate refuses for some.
fn append(tar: &mut Builder<Vec<u8>>, name: &str, kind: EntryType, content: &[u8]) {
    tar.append(&header(name, kind, content.len()), content)
        .unwrap();
}

fn header(name: &str, kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_cksum();
    header
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Archives of files with these paths, one packed in each way.
fn packed_in_every_way(files: &[(&str, &[u8])]) -> [Vec<u8>; 4] {
    let zip = |stated: fn(&str, &[u8]) -> Stated| {
        let members = files.iter().map(|(name, content)| stated(name, content));
        zip_of(&members.collect::<Vec<_>>())
    };
    let tar = packed(files);
    [gzip(&tar), zip(Stated::stored), zip(Stated::deflated), tar]
}

/// Loads `path` in a folder of these files; errors as text.
fn load(path: &str, files: &[(&str, &[u8])]) -> Result<Dataset, String> {
    load_with(path, files, |_| {}, ToString::to_string)
}

/// Loads an archive of these bytes.
fn load_bytes(bytes: &[u8]) -> Result<Dataset, String> {
    load("photos.tar", &[("photos.tar", bytes)])
}

/// Loads an archive of these files, which is the same however it is packed.
fn load_packed(files: &[(&str, &[u8])]) -> Result<Dataset, String> {
    let [loaded, others @ ..] = packed_in_every_way(files).map(|bytes| load_bytes(&bytes));
    for other in others {
        assert_eq!(other, loaded);
    }
    loaded
}
