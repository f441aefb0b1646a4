//! Write zip archives as they should be, or wrong on purpose (APPNOTE 6.3.10, section 4.3).

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// A member with what its headers say of it.
#[derive(Clone)]
pub(super) struct Stated {
    pub name: Vec<u8>,
    /// The content, packed by the method.
    pub packed: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    pub crc: u32,
    /// Bytes of the content, unpacked.
    pub size: u32,
    /// The system whose attributes follow: 0 for DOS, 3 for Unix.
    pub system: u8,
    pub attributes: u32,
}

impl Stated {
    pub fn stored(name: &str, content: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        Self {
            name: name.into(),
            packed: content.into(),
            method: 0,
            flags: 0,
            crc: crc.sum(),
            size: content.len() as u32,
            system: 3,
            attributes: 0o100_644 << 16,
        }
    }

    pub fn deflated(name: &str, content: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        Self {
            packed: encoder.finish().unwrap(),
            method: 8,
            ..Self::stored(name, content)
        }
    }

    /// What both headers have of it, from the flags to the length of the extra fields.
    fn header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        header.extend(self.flags.to_le_bytes());
        header.extend(self.method.to_le_bytes());
        header.extend([0u8; 4]); // time and date
        header.extend(self.crc.to_le_bytes());
        header.extend((self.packed.len() as u32).to_le_bytes());
        header.extend(self.size.to_le_bytes());
        header.extend((self.name.len() as u16).to_le_bytes());
        header.extend([0u8; 2]);
        header
    }
}

/// The members one after another, and the directory of them.
fn parts(members: &[Stated]) -> (Vec<u8>, Vec<u8>) {
    let (mut contents, mut directory) = (Vec::<u8>::new(), Vec::<u8>::new());
    for member in members {
        let offset = contents.len() as u32;
        contents.extend(b"PK\x03\x04\x14\0");
        contents.extend(member.header());
        contents.extend(&member.name);
        contents.extend(&member.packed);
        directory.extend(b"PK\x01\x02\x14");
        directory.push(member.system);
        directory.extend(b"\x14\0");
        directory.extend(member.header());
        directory.extend([0u8; 6]); // comment, disk, internal attributes
        directory.extend(member.attributes.to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&member.name);
    }
    (contents, directory)
}

/// The record at the end.
fn end(count: u16, size: u32, offset: u32) -> Vec<u8> {
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend(count.to_le_bytes());
    end.extend(count.to_le_bytes());
    end.extend(size.to_le_bytes());
    end.extend(offset.to_le_bytes());
    end.extend([0u8; 2]);
    end
}

/// A zip archive of these members.
pub(super) fn zip_of(members: &[Stated]) -> Vec<u8> {
    let (contents, directory) = parts(members);
    let sizes = (directory.len() as u32, contents.len() as u32);
    let end = end(members.len() as u16, sizes.0, sizes.1);
    [contents, directory, end].concat()
}

/// A zip64 archive of these members that says that it has `count` of them.
pub(super) fn zip64_of(members: &[Stated], count: u64) -> Vec<u8> {
    let (contents, directory) = parts(members);
    let mut end64 = b"PK\x06\x06".to_vec();
    end64.extend(44u64.to_le_bytes());
    end64.extend([45u8, 3, 45, 0]);
    end64.extend([0u8; 8]);
    end64.extend(count.to_le_bytes());
    end64.extend(count.to_le_bytes());
    end64.extend((directory.len() as u64).to_le_bytes());
    end64.extend((contents.len() as u64).to_le_bytes());
    let mut locator = b"PK\x06\x07\0\0\0\0".to_vec();
    locator.extend(((contents.len() + directory.len()) as u64).to_le_bytes());
    locator.extend(1u32.to_le_bytes());
    let end = end(u16::MAX, u32::MAX, u32::MAX);
    [contents, directory, end64, locator, end].concat()
}
