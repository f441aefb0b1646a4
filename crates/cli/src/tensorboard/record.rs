//! Frame records as files of TensorFlow do: length, its checksum, data, their checksum.

use std::io::{self, Read};

/// Bytes of a checksum.
const CHECKSUM: u64 = 4;
/// Bytes of a record beside its data.
const FRAME: u64 = 8 + 2 * CHECKSUM;

/// CRC-32C, rotated and shifted: the plain one is weak over data that contain such checksums themselves.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// A record of `data`.
pub(super) fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + FRAME as usize);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend_from_slice(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// The records of a file, up to the first one that is damaged or not whole, as a crash leaves it.
#[derive(Debug)]
pub(super) struct Records<R> {
    file: R,
    /// Bytes of the records that were read.
    position: u64,
}

impl<R: Read> Records<R> {
    pub(super) fn new(file: R) -> Self {
        Self { file, position: 0 }
    }

    /// Where the next record begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The data of the next record; `None` after the last one that is whole.
    pub(super) fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut length = [0; 8];
        match self.checked(8)? {
            Some(bytes) => length.copy_from_slice(&bytes),
            None => return Ok(None),
        }
        let data = self.checked(u64::from_le_bytes(length))?;
        if let Some(data) = &data {
            self.position += FRAME + data.len() as u64;
        }
        Ok(data)
    }

    /// The next `length` bytes, where the checksum after them is theirs.
    fn checked(&mut self, length: u64) -> io::Result<Option<Vec<u8>>> {
        let length = length.saturating_add(CHECKSUM);
        let mut bytes = Vec::new();
        self.file.by_ref().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Ok(None);
        }
        let checksum = bytes.split_off(bytes.len() - CHECKSUM as usize);
        let is_right = checksum == masked_crc(&bytes).to_le_bytes();
        Ok(is_right.then_some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(file: &[u8]) -> (Vec<Vec<u8>>, u64) {
        let mut records = Records::new(file);
        let mut found = Vec::new();
        while let Some(data) = records.read().expect("bytes in memory") {
            found.push(data);
        }
        (found, records.position())
    }

    #[test]
    fn checksums_are_the_published_ones_masked() {
        // CRC-32C of RFC 3720, B.4, and of "123456789"; the mask is that of TensorFlow's `crc32c::Mask`.
        for (data, crc) in [
            (&[0; 32][..], 0x8a91_36aa_u32),
            (&[0xff; 32], 0x62a8_ab43),
            (b"123456789", 0xe306_9283),
        ] {
            let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
            assert_eq!(masked_crc(data), masked, "{data:?}");
        }
        assert_eq!(masked_crc(b"123456789"), 0xc78a_b0e5);
    }

    #[test]
    fn a_record_is_length_checksum_data_checksum() {
        #[rustfmt::skip]
        let expected = [
            3, 0, 0, 0, 0, 0, 0, 0,
            0xb0, 0x99, 0x49, 0x0e,
            b'a', b'b', b'c',
            0x6e, 0x57, 0xf1, 0x21,
        ];
        assert_eq!(framed(b"abc"), expected);
    }

    #[test]
    fn records_come_back_and_end_where_a_file_was_cut_or_damaged() {
        let (first, second) = (framed(b"first"), framed(b""));
        let file = [first.as_slice(), &second].concat();
        let both = vec![b"first".to_vec(), Vec::new()];
        assert_eq!(records(&file), (both.clone(), file.len() as u64));
        for end in first.len()..file.len() {
            let cut = (both[..1].to_vec(), first.len() as u64);
            assert_eq!(records(&file[..end]), cut, "{end}");
        }
        for byte in 0..first.len() {
            let mut damaged = file.clone();
            damaged[byte] ^= 1;
            assert_eq!(records(&damaged), (Vec::new(), 0), "{byte}");
        }
    }
}
