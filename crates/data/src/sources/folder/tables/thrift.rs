//! Walk through the structs in a parquet file before the parquet crate reads them, which trusts what they claim.
//!
//! They are in the compact protocol of Thrift:
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

/// Types of fields, and of elements of lists.
pub(super) const I16: u8 = 4;
pub(super) const I32: u8 = 5;
pub(super) const I64: u8 = 6;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// The most structs and lists that lie in each other.
const MOST_DEPTH: usize = 64;

/// Bytes that are read from the front. What reads them gives `None` where they are cut short or no such struct.
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
}

impl<'a> Compact<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(byte)
    }

    fn take(&mut self, num: u64) -> Option<&'a [u8]> {
        let num = usize::try_from(num).ok()?;
        let (taken, rest) = self.bytes.split_at_checked(num)?;
        self.bytes = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A whole number of 16, 32 or 64 bits.
    pub fn int(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Bytes with their number before them.
    pub fn binary(&mut self) -> Option<&'a [u8]> {
        let num = self.varint()?;
        self.take(num)
    }

    /// The number of elements of a list, and their type.
    pub fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let num = match head >> 4 {
            15 => self.varint()?,
            num => u64::from(num),
        };
        Some((num, head & 0x0f))
    }

    /// The number and the type of the field after field `last` of a struct; `Some(None)` at the end of the struct.
    pub fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head & 0x0f == 0 {
            return Some(None);
        }
        let id = match head >> 4 {
            0 => self.int()?,
            step => last.checked_add(i64::from(step))?,
        };
        Some(Some((id, head & 0x0f)))
    }

    /// Walks through the fields of a struct. `visit` gets the number and the type of each, and says whether it has read
    /// the field.
    pub fn fields(
        &mut self,
        visit: &mut dyn FnMut(&mut Self, i64, u8) -> Option<bool>,
    ) -> Option<()> {
        let mut last = 0;
        while let Some((id, kind)) = self.field(last)? {
            if !visit(self, id, kind)? {
                self.skip(kind, MOST_DEPTH)?;
            }
            last = id;
        }
        Some(())
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // The type of a boolean field is its value.
            1 | 2 => {}
            3 => {
                self.byte()?;
            }
            I16 | I32 | I64 => {
                self.varint()?;
            }
            // A float.
            7 => {
                self.take(8)?;
            }
            BINARY => {
                self.binary()?;
            }
            // A set is a list.
            LIST | 10 => {
                let (num, kind) = self.list()?;
                for _ in 0..num {
                    self.skip_element(kind, depth)?;
                }
            }
            // A map.
            11 => {
                let num = self.varint()?;
                if num > 0 {
                    let kinds = self.byte()?;
                    for _ in 0..num {
                        self.skip_element(kinds >> 4, depth)?;
                        self.skip_element(kinds & 0x0f, depth)?;
                    }
                }
            }
            STRUCT => {
                let mut last = 0;
                while let Some((id, kind)) = self.field(last)? {
                    self.skip(kind, depth)?;
                    last = id;
                }
            }
            // A UUID.
            13 => {
                self.take(16)?;
            }
            _ => return None,
        }
        Some(())
    }

    /// Skips an element of a list, which takes a byte at least.
    fn skip_element(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1 | 2 => self.byte().map(|_| ()),
            kind => self.skip(kind, depth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_zigzag_varints() {
        let int = |bytes: &[u8]| Compact::new(bytes).int();
        assert_eq!(
            [0x00, 0x01, 0x02, 0x7f].map(|byte| int(&[byte])),
            [Some(0), Some(-1), Some(1), Some(-64)]
        );
        assert_eq!(int(&[0x80, 0x01]), Some(64));
        let most = [[0xff; 9].as_slice(), &[0x01]].concat();
        assert_eq!(int(&most), Some(i64::MIN));
        assert_eq!(int(&[0xff; 9]), None);
        assert_eq!(int(&[0xff; 11]), None);
    }

    #[test]
    fn fields_of_every_type_are_skipped_and_none_is_cut() {
        let bytes = [
            0x11, // Field 1: true.
            0x13, 7, // Field 2: a byte.
            0x16, 0x80, 0x01, // Field 3: 64.
            0x17, 0, 0, 0, 0, 0, 0, 0, 0, // Field 4: a float.
            0x18, 2, b'a', b'b', // Field 5: two bytes.
            0x19, 0x21, 1, 2, // Field 6: two booleans.
            0x1a, 0x15, 6, // Field 7: a set of one number.
            0x1b, 1, 0x85, 1, b'k', 4, // Field 8: a map of a text to a number.
            0x1c, 0x15, 2, 0, // Field 9: a struct of one number.
            0x05, 0x50, 8, // Field 40: 4.
            0,
        ];
        let read = |bytes: &[u8]| {
            let mut found = Vec::new();
            Compact::new(bytes).fields(&mut |compact, id, kind| {
                let is_it = (id, kind) == (40, I32);
                found.push((id, if is_it { compact.int()? } else { 0 }));
                Some(is_it)
            })?;
            Some(found)
        };
        let found = read(&bytes).unwrap();
        let ids: Vec<i64> = found.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8, 9, 40]);
        assert_eq!(found.last(), Some(&(40, 4)));
        for kept in 0..bytes.len() {
            assert_eq!(read(&bytes[..kept]), None, "{kept} bytes");
        }
    }

    #[test]
    fn claims_of_many_elements_or_of_structs_without_end_are_refused() {
        let walk = |bytes: &[u8]| Compact::new(bytes).fields(&mut |_, _, _| Some(false));
        // Two thousand million booleans, numbers and bytes.
        let many = [0xff, 0xff, 0xff, 0xff, 0x07];
        for element in [0xf1, 0xf5] {
            assert_eq!(
                walk(&[[0x19, element].as_slice(), &many].concat()),
                None,
                "{element}"
            );
        }
        assert_eq!(walk(&[[0x18].as_slice(), &many].concat()), None);
        let nested = |depth: usize| [vec![0x1c; depth], vec![0; depth + 1]].concat();
        assert_eq!(walk(&nested(MOST_DEPTH)), Some(()));
        assert_eq!(walk(&nested(MOST_DEPTH + 1)), None);
        assert_eq!(walk(&[0x1e, 0]), None, "there is no type 14");
    }
}
