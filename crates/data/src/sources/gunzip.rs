//! Decompress a gzip file, with the zeros behind it that fill a block of a tape.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The content of the members of a gzip file, one after another.
pub(super) struct Gunzip<R> {
    /// Of the member that is being read; always there between two calls.
    decoder: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    /// The content of `file`, from its first member on.
    pub fn new(file: R) -> Self {
        Self {
            decoder: Some(GzDecoder::new(file)),
        }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let num = decoder.read(into)?;
            if num > 0 || into.is_empty() || is_at_end(decoder.get_mut())? {
                return Ok(num);
            }
            let ended = self.decoder.take();
            self.decoder = ended.map(|decoder| GzDecoder::new(decoder.into_inner()));
        }
        Ok(0)
    }
}

/// Whether nothing follows, or nothing but zeros, which are passed.
fn is_at_end(rest: &mut impl BufRead) -> io::Result<bool> {
    let mut has_zeros = false;
    loop {
        let bytes = rest.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        let is_other = zeros < bytes.len();
        has_zeros |= zeros > 0;
        rest.consume(zeros);
        if is_other && has_zeros {
            let problem = "something follows the zeros at its end";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        if is_other {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// The content of a file, read through a buffer of a few bytes.
    fn gunzip(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut file = Gunzip::new(BufReader::with_capacity(3, file));
        file.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn members_are_read_one_after_another_and_zeros_behind_them_are_passed() {
        let [one, two] = [gzip(b"one"), gzip(b"two")];
        for zeros in [0, 1, 10, 1_000] {
            let zeros = vec![0u8; zeros];
            let alone = [one.as_slice(), &zeros].concat();
            assert_eq!(gunzip(&alone).unwrap(), b"one");
            let both = [one.as_slice(), &two, &zeros].concat();
            assert_eq!(gunzip(&both).unwrap(), b"onetwo");
        }
    }

    #[test]
    fn what_else_follows_is_refused() {
        let one = gzip(b"one");
        for rest in [&b"x"[..], b"\0x", b"\0\0\0\0\x1f\x8b", &one[..5]] {
            assert!(gunzip(&[&one[..], rest].concat()).is_err(), "{rest:?}");
        }
        for kept in 0..one.len() {
            assert!(gunzip(&one[..kept]).is_err(), "{kept} bytes");
        }
    }
}
