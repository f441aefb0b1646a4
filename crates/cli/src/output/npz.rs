//! Write a NumPy `.npz` archive: a zip file whose entries are stored without compression.
//!
//! Field by field as in PKWARE's APPNOTE 6.3.10, §4.3 and §4.5.3. Sizes and offsets always take the 64 bits of
//! zip64, so that an archive beyond 4 GiB is written by the code that writes a small one. By hand, as the `zip`
//! crate enables features of `indexmap`, which Burn's GPU backends share and would be rebuilt with.

use std::io::{self, Seek, SeekFrom, Write};

use crc32fast::Hasher;

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const CENTRAL_HEADER: &[u8] = b"PK\x01\x02";
const ZIP64_END: &[u8] = b"PK\x06\x06";
const ZIP64_LOCATOR: &[u8] = b"PK\x06\x07";
const END: &[u8] = b"PK\x05\x06";

/// Version 4.5 of the format, the first with zip64.
const VERSION: u16 = 45;
const NO_FLAGS: u16 = 0;
const STORED: u16 = 0;
/// 00:00 on 1 January 1980, so that the same arrays give the same bytes.
const TIME: u16 = 0;
const DATE: u16 = (1 << 5) | 1;
const ZIP64_EXTRA: u16 = 1;
/// In a field of 32 bits: the zip64 fields have the value.
const ELSEWHERE: u32 = u32::MAX;
/// Bytes of the zip64 end record after its own length.
const ZIP64_END_LEN: u64 = 44;

/// A zip file that is being written.
#[derive(Debug)]
pub(crate) struct Npz<W> {
    file: W,
    complete: Vec<Entry>,
    open: Option<(Entry, Hasher)>,
}

impl<W: Write + Seek> Npz<W> {
    /// An archive at the start of `file`.
    pub(crate) fn new(file: W) -> Self {
        Self {
            file,
            complete: Vec::new(),
            open: None,
        }
    }

    /// The file below.
    pub(crate) fn file(&self) -> &W {
        &self.file
    }

    /// Begin an entry: what is written next belongs to it.
    pub(crate) fn begin(&mut self, name: &str) -> io::Result<()> {
        self.end_entry()?;
        let entry = Entry {
            name: name.to_owned(),
            offset: self.file.stream_position()?,
            len: 0,
            crc: 0,
        };
        // Its length and checksum are not known yet.
        self.file.write_all(&entry.local_header())?;
        self.open = Some((entry, Hasher::new()));
        Ok(())
    }

    /// Write the directory of the archive.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.end_entry()?;
        let headers = self.complete.iter().flat_map(Entry::central_header);
        let directory: Vec<u8> = headers.collect();
        let start = self.file.stream_position()?;
        self.file.write_all(&directory)?;
        let end = end(self.complete.len() as u16, start, directory.len() as u64);
        self.file.write_all(&end)?;
        Ok(self.file)
    }

    /// Write length and checksum of the open entry into its header.
    fn end_entry(&mut self) -> io::Result<()> {
        let Some((mut entry, hasher)) = self.open.take() else {
            return Ok(());
        };
        entry.crc = hasher.finalize();
        self.file.seek(SeekFrom::Start(entry.offset))?;
        self.file.write_all(&entry.local_header())?;
        self.file.seek(SeekFrom::End(0))?;
        self.complete.push(entry);
        Ok(())
    }
}

impl<W: Write> Write for Npz<W> {
    /// # Panics
    /// If no entry was begun.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        let (entry, hasher) = self.open.as_mut().expect("an entry was begun");
        hasher.update(&bytes[..written]);
        entry.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// An entry of the archive.
#[derive(Debug)]
struct Entry {
    name: String,
    /// Where its local header starts.
    offset: u64,
    /// Bytes of its content.
    len: u64,
    /// CRC-32 of its content.
    crc: u32,
}

impl Entry {
    /// The header before the content (APPNOTE §4.3.7).
    fn local_header(&self) -> Vec<u8> {
        let extra = zip64_extra(&[self.len, self.len]);
        let common = self.common_fields(&extra);
        [LOCAL_HEADER, &common, self.name.as_bytes(), &extra].concat()
    }

    /// The header in the directory (APPNOTE §4.3.12).
    fn central_header(&self) -> Vec<u8> {
        let extra = zip64_extra(&[self.len, self.len, self.offset]);
        let common = self.common_fields(&extra);
        [
            CENTRAL_HEADER,
            &VERSION.to_le_bytes(), // that made it
            &common,
            &[0; 2],                  // length of a comment
            &[0; 2],                  // disk
            &[0; 6],                  // attributes
            &ELSEWHERE.to_le_bytes(), // offset
            self.name.as_bytes(),
            &extra,
        ]
        .concat()
    }

    /// The fields that both headers have.
    fn common_fields(&self, extra: &[u8]) -> Vec<u8> {
        let small = |fields: &[u16]| fields.iter().flat_map(|it| it.to_le_bytes()).collect();
        let (name_len, extra_len) = (self.name.len() as u16, extra.len() as u16);
        let first: Vec<u8> = small(&[VERSION, NO_FLAGS, STORED, TIME, DATE]);
        let last: Vec<u8> = small(&[name_len, extra_len]);
        let [stored_len, len] = [ELSEWHERE.to_le_bytes(); 2];
        let crc = self.crc.to_le_bytes();
        [&first[..], &crc, &stored_len, &len, &last].concat()
    }
}

/// The extra field that holds the values of 64 bits (APPNOTE §4.5.3).
fn zip64_extra(values: &[u64]) -> Vec<u8> {
    let mut extra = Vec::new();
    extra.extend(ZIP64_EXTRA.to_le_bytes());
    extra.extend((8 * values.len() as u16).to_le_bytes());
    extra.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    extra
}

/// The three records after a directory of `entries`, which is `len` bytes long and starts at `start`
/// (APPNOTE §4.3.14 to §4.3.16).
fn end(entries: u16, start: u64, len: u64) -> Vec<u8> {
    let (version, disk) = (&VERSION.to_le_bytes(), &[0; 4]);
    let (count, long_count) = (entries.to_le_bytes(), u64::from(entries).to_le_bytes());
    let zip64_end = [
        ZIP64_END,
        &ZIP64_END_LEN.to_le_bytes(),
        version, // that made it
        version, // that reads it
        disk,
        disk,        // where the directory starts
        &long_count, // on this disk
        &long_count,
        &len.to_le_bytes(),
        &start.to_le_bytes(),
    ];
    let locator = [
        ZIP64_LOCATOR,
        disk, // of the record above
        &(start + len).to_le_bytes(),
        &1_u32.to_le_bytes(), // disks
    ];
    let end = [
        END,
        &[0; 4], // disks of this record and of the directory
        &count,  // on this disk
        &count,
        &ELSEWHERE.to_le_bytes(), // length of the directory
        &ELSEWHERE.to_le_bytes(), // its start
        &[0; 2],                  // length of a comment
    ];
    [zip64_end.concat(), locator.concat(), end.concat()].concat()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const BIG: u64 = (5 << 32) | 7;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut npz = Npz::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            npz.begin(name).unwrap();
            let (first, second) = content.split_at(content.len() / 2);
            npz.write_all(first).unwrap();
            npz.write_all(second).unwrap();
        }
        npz.finish().unwrap().into_inner()
    }

    fn big() -> Entry {
        Entry {
            name: "a.npy".to_owned(),
            offset: BIG,
            len: BIG + 1,
            crc: 0x0403_0201,
        }
    }

    #[test]
    fn a_small_archive_is_these_bytes() {
        #[rustfmt::skip]
        let expected = [
            // Local header, content.
            b"PK\x03\x04\x2d\0\0\0\0\0\0\0\x21\0".as_slice(), &0x352441C2_u32.to_le_bytes(),
            b"\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\x14\0a",
            b"\x01\0\x10\0\x03\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0", b"abc",
            // Directory.
            b"PK\x01\x02\x2d\0\x2d\0\0\0\0\0\0\0\x21\0", &0x352441C2_u32.to_le_bytes(),
            b"\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\x1c\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xffa",
            b"\x01\0\x18\0\x03\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            // Its end: 54 bytes before it, 75 of its own.
            b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0",
            b"\x4b\0\0\0\0\0\0\0\x36\0\0\0\0\0\0\0",
            b"PK\x06\x07\0\0\0\0\x81\0\0\0\0\0\0\0\x01\0\0\0",
            b"PK\x05\x06\0\0\0\0\x01\0\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0",
        ];
        assert_eq!(archive(&[("a", b"abc")]), expected.concat());
    }

    #[test]
    fn sizes_and_offsets_beyond_four_gib_are_whole() {
        let ends_with = |header: &[u8], values: &[u64]| {
            let values: Vec<u8> = values.iter().flat_map(|it| it.to_le_bytes()).collect();
            let extra = [&[1, 0, values.len() as u8, 0], &values[..]].concat();
            header.ends_with(&[b"a.npy", &extra[..]].concat())
        };
        assert!(ends_with(&big().local_header(), &[BIG + 1, BIG + 1]));
        assert!(ends_with(&big().central_header(), &[BIG + 1, BIG + 1, BIG]));
        let end = end(2, BIG, 100);
        let of_directory = [100_u64.to_le_bytes(), BIG.to_le_bytes()].concat();
        assert_eq!(end[40..56], of_directory);
        assert_eq!(end[64..72], (BIG + 100).to_le_bytes());
    }

    #[test]
    fn every_entry_is_found_through_the_directory_with_its_checksum() {
        let long = vec![7; 100_000];
        let entries: [(&str, &[u8]); 3] = [("one", b"1"), ("empty", b""), ("long", &long)];
        let bytes = archive(&entries);
        let long_at = |at: usize| {
            let field = bytes[at..at + 8].try_into().unwrap();
            u64::from_le_bytes(field) as usize
        };
        let locator = bytes.len() - 22 - 20;
        let zip64_end = long_at(locator + 8);
        let mut at = long_at(zip64_end + 48);
        for (name, content) in entries {
            assert_eq!(bytes[at..at + 4], *CENTRAL_HEADER);
            let after_name = at + 46 + name.len();
            assert_eq!(bytes[at + 46..after_name], *name.as_bytes());
            assert_eq!(
                bytes[at + 16..at + 20],
                crc32fast::hash(content).to_le_bytes()
            );
            let (len, local) = (long_at(after_name + 4), long_at(after_name + 20));
            assert_eq!(bytes[local..local + 4], *LOCAL_HEADER);
            assert_eq!(bytes[local + 14..local + 18], bytes[at + 16..at + 20]);
            let start = local + 30 + name.len() + 20;
            assert_eq!(&bytes[start..start + len], content);
            at = after_name + 28;
        }
        assert_eq!(at, zip64_end);
    }
}
