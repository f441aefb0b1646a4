//! Read the footer of a parquet file, and check what it claims before the parquet crate makes room for it.
//!
//! The structs and their fields are those of <https://github.com/apache/parquet-format>, `parquet.thrift`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::damage::{damaged, unread};
use super::thrift::{BINARY, Compact, I16, I32, I64, LIST, STRUCT};
use crate::error::DataError;

/// What a file begins and ends with.
const MAGIC: &[u8] = b"PAR1";
/// What an encrypted file ends with.
const ENCRYPTED: &[u8] = b"PARE";
/// What stands in the place of a file that Git LFS has not fetched.
const POINTER: &[u8] = b"version https://git-lfs";

/// Bytes of the magic number at the front, and of the footer's length and the magic number at the end.
const AROUND: u64 = 12;

/// The most bytes of a footer.
const MOST_BYTES: u64 = 64 << 20;
/// The most columns and groups of columns.
const MOST_ELEMENTS: u64 = 4096;
/// The most groups of columns that lie in each other.
const MOST_DEPTH: usize = 32;
/// The most bytes of the name of a column.
const MOST_NAME: usize = 1024;

/// The footer of a file of `len` bytes, whose claims are sound: room for what it tells is room for no more than some
/// hundred times its own bytes.
///
/// # Errors
/// Where the file cannot be read, is no parquet file or a damaged one, or is encrypted.
pub(super) fn read(path: &Path, file: &File, len: u64) -> Result<Vec<u8>, DataError> {
    let part = |start, num| {
        read_at(file, start, num).map_err(|source| DataError::Read {
            path: path.into(),
            source,
        })
    };
    let encrypted = || {
        unread(
            path,
            "is encrypted".to_owned(),
            "write it again without encryption",
        )
    };
    let start = part(0, POINTER.len() as u64)?;
    let end = part(len.saturating_sub(8), 8)?;
    if start == POINTER {
        let problem = "is a pointer to a file that Git LFS has not fetched".to_owned();
        return Err(unread(path, problem, "run `git lfs pull`"));
    }
    if start.starts_with(ENCRYPTED) || end.ends_with(ENCRYPTED) {
        return Err(encrypted());
    }
    if !start.starts_with(MAGIC) {
        return Err(damaged(path, "it does not begin with PAR1"));
    }
    let Some(num_bytes) = end.first_chunk().filter(|_| end.ends_with(MAGIC)) else {
        return Err(damaged(path, "it does not end with PAR1: it is cut short"));
    };
    let num_bytes = u64::from(u32::from_le_bytes(*num_bytes));
    let Some(start) = len.checked_sub(AROUND + num_bytes) else {
        return Err(damaged(path, "its footer is longer than the file"));
    };
    if num_bytes > MOST_BYTES {
        return Err(damaged(
            path,
            format!("its footer has {num_bytes} bytes: more than {MOST_BYTES} are not read"),
        ));
    }
    let footer = part(MAGIC.len() as u64 + start, num_bytes)?;
    match is_encrypted(&footer) {
        Some(false) => Ok(footer),
        Some(true) => Err(encrypted()),
        None => Err(damaged(path, "its footer makes no sense")),
    }
}

fn read_at(mut file: &File, start: u64, num: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(num).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a footer says that the file is encrypted; `None` where its claims are not sound.
fn is_encrypted(footer: &[u8]) -> Option<bool> {
    const SCHEMA: i64 = 2;
    const ROW_GROUPS: i64 = 4;
    const ENCRYPTION: i64 = 8;
    let mut is_encrypted = false;
    Compact::new(footer).fields(&mut |compact, id, kind| match (id, kind) {
        (SCHEMA, LIST) => walk_schema(compact).map(|()| true),
        (ROW_GROUPS, LIST) => Some(false),
        (SCHEMA | ROW_GROUPS, _) => None,
        _ => {
            is_encrypted |= id == ENCRYPTION;
            Some(false)
        }
    })?;
    Some(is_encrypted)
}

/// Walks through the columns and groups of columns, each group before what lies in it.
fn walk_schema(compact: &mut Compact<'_>) -> Option<()> {
    const NAME: i64 = 4;
    const NUM_CHILDREN: i64 = 5;
    let (num, kind) = compact.list()?;
    if kind != STRUCT || num > MOST_ELEMENTS {
        return None;
    }
    // How many elements are still to come in each of the groups around.
    let mut open: Vec<i64> = Vec::new();
    for left in (0..num as i64).rev() {
        let (mut name, mut children) = (0, 0);
        compact.fields(&mut |compact, id, kind| match (id, kind) {
            (NAME, BINARY) => {
                name = compact.binary()?.len();
                Some(true)
            }
            (NUM_CHILDREN, I16 | I32 | I64) => {
                children = compact.int()?;
                Some(true)
            }
            (NAME | NUM_CHILDREN, _) => None,
            _ => Some(false),
        })?;
        if name > MOST_NAME || !(0..=left).contains(&children) || open.len() > MOST_DEPTH {
            return None;
        }
        if let Some(around) = open.last_mut() {
            *around -= 1;
        }
        open.push(children);
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer of columns and groups of columns: their names, and how many lie directly in each.
    fn footer(elements: &[(&str, u32)]) -> Vec<u8> {
        let mut bytes = vec![0x29, 0xfc];
        push_varint(&mut bytes, elements.len() as u64);
        for (name, children) in elements {
            bytes.push(0x48);
            push_varint(&mut bytes, name.len() as u64);
            bytes.extend(name.bytes());
            bytes.push(0x15);
            push_varint(&mut bytes, 2 * u64::from(*children));
            bytes.push(0);
        }
        bytes.push(0);
        bytes
    }

    fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
        while value > 0x7f {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }

    #[test]
    fn a_footer_has_as_many_columns_as_it_says_and_not_too_many() {
        let whole = footer(&[
            ("schema", 2),
            ("image", 2),
            ("bytes", 0),
            ("path", 0),
            ("label", 0),
        ]);
        assert_eq!(is_encrypted(&whole), Some(false));
        for kept in 0..whole.len() {
            assert_eq!(is_encrypted(&whole[..kept]), None, "{kept} bytes");
        }
        for claimed in [2, 1_000, i32::MAX as u32, u32::MAX] {
            let one = footer(&[("schema", claimed), ("label", 0)]);
            assert_eq!(is_encrypted(&one), None, "{claimed}");
        }
        let wide = |num: u32| {
            let columns = vec![("label", 0); num as usize];
            footer(&[vec![("schema", num)], columns].concat())
        };
        assert_eq!(is_encrypted(&wide(4_095)), Some(false));
        assert_eq!(is_encrypted(&wide(4_096)), None);
    }

    #[test]
    fn groups_in_groups_and_names_without_end_are_refused() {
        let deep = |depth: usize| footer(&[vec![("a", 1); depth], vec![("b", 0)]].concat());
        assert_eq!(is_encrypted(&deep(32)), Some(false));
        assert_eq!(is_encrypted(&deep(34)), None);
        let long = |num: usize| footer(&[("schema", 1), ("a".repeat(num).as_str(), 0)]);
        assert_eq!(is_encrypted(&long(1_024)), Some(false));
        assert_eq!(is_encrypted(&long(1_025)), None);
    }

    #[test]
    fn fields_of_another_type_than_theirs_are_refused() {
        // The schema and the row groups as numbers, and the number of children as bytes.
        for bytes in [
            &[0x25, 2, 0][..],
            &[0x45, 2, 0],
            &[0x29, 0x1c, 0x58, 1, 7, 0, 0],
        ] {
            assert_eq!(is_encrypted(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn encryption_is_known_by_its_field() {
        let mut bytes = footer(&[("schema", 1), ("label", 0)]);
        bytes.pop();
        // Six fields on: an empty struct.
        bytes.extend([0x6c, 0, 0]);
        assert_eq!(is_encrypted(&bytes), Some(true));
    }
}
