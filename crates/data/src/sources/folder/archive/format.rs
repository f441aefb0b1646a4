//! Tell the kind of an archive from its first bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::sources::folder::rules::name_of;

/// What the names of archives end with.
const EXTENSIONS: [&str; 4] = [".tar", ".tar.gz", ".tgz", ".zip"];

/// Bytes of a block of a tar archive.
const BLOCK: usize = 512;

/// The first bytes of files that are packed in other ways, and what these are.
const OTHERS: [(&[u8], &str); 7] = [
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"\x04\x22\x4d\x18", "an LZ4 file"),
    (b"\x1f\x9d", "a file of `compress`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
];

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Tar,
    GzippedTar,
    Zip,
    /// No archive that is read, but this.
    Other(&'static str),
}

impl Format {
    /// The kind of a file, by its content, or by its name where that tells nothing.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut start = Vec::new();
        File::open(path)?
            .take(BLOCK as u64)
            .read_to_end(&mut start)?;
        Ok(Self::told_by(&start).unwrap_or_else(|| {
            if name_of(path).to_lowercase().ends_with(".zip") {
                Self::Zip
            } else if is_archive(path) {
                Self::Tar
            } else {
                Self::Other("no archive")
            }
        }))
    }

    /// The kind that the first bytes tell, as many as there are up to those of a block.
    fn told_by(start: &[u8]) -> Option<Self> {
        const GZIP: &[u8] = b"\x1f\x8b";
        // A member, the end of an archive without any, a part of one.
        const ZIP: [&[u8]; 3] = [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"];
        if start.starts_with(GZIP) {
            return Some(Self::GzippedTar);
        }
        if ZIP.iter().any(|zip| start.starts_with(zip)) {
            return Some(Self::Zip);
        }
        if is_start_of_tar(start) {
            return Some(Self::Tar);
        }
        let other = OTHERS.iter().find(|(other, _)| start.starts_with(other));
        if let Some(&(_, what)) = other {
            return Some(Self::Other(what));
        }
        image::guess_format(start)
            .is_ok()
            .then_some(Self::Other("a picture"))
    }
}

/// Whether a block is the header of a member, or the end of an archive without any.
fn is_start_of_tar(start: &[u8]) -> bool {
    let Some(block) = start.first_chunk::<BLOCK>() else {
        return false;
    };
    // The sum of all bytes, those of the sum itself taken for spaces (POSIX.1-1988, ustar).
    let (before, rest) = block.split_at(148);
    let (sum, after) = rest.split_at(8);
    let others = before.iter().chain(after);
    let expected = others.map(|&byte| u32::from(byte)).sum::<u32>() + 8 * u32::from(b' ');
    let sum = std::str::from_utf8(sum).unwrap_or_default();
    let sum = sum.trim_matches(|letter| letter == '\0' || letter == ' ');
    u32::from_str_radix(sum, 8) == Ok(expected) || block.iter().all(|&byte| byte == 0)
}

/// Whether the name of a file is that of an archive.
pub(in crate::sources::folder) fn is_archive(path: &Path) -> bool {
    archive_extension(path).is_some()
}

/// What the name of an archive ends with, such as `.tar.gz`; `None` for other names.
pub(in crate::sources::folder) fn archive_extension(path: &Path) -> Option<&'static str> {
    let name = name_of(path).to_lowercase();
    let mut extensions = EXTENSIONS.iter().copied();
    extensions.find(|extension| name.ends_with(extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::folder::archive::tests::packed;

    #[test]
    fn a_tar_archive_is_known_by_the_sum_of_its_first_block() {
        let mut bytes = packed(&[("a.png", b"x")]);
        assert_eq!(Format::told_by(&bytes[..BLOCK]), Some(Format::Tar));
        assert_eq!(Format::told_by(&bytes[..BLOCK - 1]), None);
        assert_eq!(Format::told_by(&[0; BLOCK]), Some(Format::Tar));
        bytes[0] ^= 1;
        assert_eq!(Format::told_by(&bytes[..BLOCK]), None);
        assert_eq!(Format::told_by(&[0xff; BLOCK]), None);
    }
}
