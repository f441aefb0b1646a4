//! Read the header of a `.npy` file: type, order and shape of an array.
//!
//! Format: NumPy Enhancement Proposal 1. The header is text that Python would evaluate; only what NumPy writes is
//! read, so that neither deep nesting nor long numbers can do harm.

use std::fmt;
use std::io::{self, Read};

use npyz::{TypeChar, TypeStr};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest text of a header in bytes: all that version 1.0 can hold.
const LONGEST: u64 = 65_535;

/// What a `.npy` file says of its array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub dtype: Dtype,
    pub is_fortran: bool,
    pub shape: Vec<u64>,
    /// Bytes before the elements.
    pub len: usize,
}

/// Type of the elements of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    Plain(TypeStr),
    /// Fields with a type each.
    Structured,
}

impl Header {
    /// Reads what stands before the first element.
    ///
    /// # Errors
    /// Where that cannot be read, or is no header.
    pub fn read(mut reader: impl Read) -> io::Result<Self> {
        let start: [u8; 8] = part(&mut reader)?;
        let [.., version, _] = start;
        if !start.starts_with(MAGIC) {
            return Err(invalid("it does not begin as a .npy file does".to_owned()));
        }
        let (before_text, text_len) = match version {
            1 => (10, u32::from(u16::from_le_bytes(part(&mut reader)?))),
            2 | 3 => (12, u32::from_le_bytes(part(&mut reader)?)),
            other => {
                return Err(invalid(format!(
                    "its format has version {other}, and 1 to 3 are known"
                )));
            }
        };
        let text_len = u64::from(text_len);
        if text_len > LONGEST {
            return Err(invalid(format!("its header has {text_len} bytes")));
        }
        let mut text = Vec::new();
        reader.take(text_len).read_to_end(&mut text)?;
        if (text.len() as u64) < text_len {
            return Err(ends_early());
        }
        let (dtype, is_fortran, shape) = parse(&text).ok_or_else(|| {
            let text = String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned();
            invalid(format!("its header is not understood: {}", text.trim_end()))
        })?;
        Ok(Self {
            dtype,
            is_fortran,
            shape,
            len: before_text + text.len(),
        })
    }

    /// Bytes of the whole file; `None` where the elements of its type have no fixed size.
    ///
    /// # Errors
    /// Where no file has so many.
    pub fn file_len(&self) -> io::Result<Option<u64>> {
        let Some(element) = self.dtype.num_bytes() else {
            return Ok(None);
        };
        let bytes = self
            .shape
            .iter()
            .try_fold(element, |bytes, &extent| bytes.checked_mul(extent));
        let len = bytes.and_then(|bytes| bytes.checked_add(self.len as u64));
        len.map(Some).ok_or_else(|| {
            let shape = &self.shape;
            invalid(format!(
                "its shape {shape:?} is of more elements than any file holds"
            ))
        })
    }
}

impl Dtype {
    /// Bytes of an element, where that is one number.
    fn num_bytes(&self) -> Option<u64> {
        match self {
            Self::Plain(plain) => plain.num_bytes().map(|bytes| bytes as u64),
            Self::Structured => None,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Plain(plain) = self else {
            return f.write_str("a structured type");
        };
        let bits = plain.size_field().saturating_mul(8);
        match plain.type_char() {
            TypeChar::Bool => f.write_str("bool"),
            TypeChar::Int => write!(f, "int{bits}"),
            TypeChar::Uint => write!(f, "uint{bits}"),
            TypeChar::Float => write!(f, "float{bits}"),
            TypeChar::Complex => write!(f, "complex{bits}"),
            TypeChar::Object => f.write_str("object"),
            TypeChar::ByteStr => f.write_str("bytes"),
            TypeChar::UnicodeStr => f.write_str("str"),
            _ => write!(f, "{plain}"),
        }
    }
}

pub(super) fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn ends_early() -> io::Error {
    invalid("it ends within its header".to_owned())
}

/// The next `N` bytes.
fn part<const N: usize>(mut reader: impl Read) -> io::Result<[u8; N]> {
    let mut part = [0; N];
    match reader.read_exact(&mut part) {
        Ok(()) => Ok(part),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ends_early()),
        Err(error) => Err(error),
    }
}

/// Type, order and shape; `None` where the text is no such header.
fn parse(text: &[u8]) -> Option<(Dtype, bool, Vec<u64>)> {
    let mut literal = Literal(text);
    let (mut dtype, mut is_fortran, mut shape) = (None, None, None);
    literal.expects(b"{")?;
    while !literal.takes(b"}") {
        let key = literal.string()?;
        literal.expects(b":")?;
        let comes_again = match key {
            b"descr" => dtype.replace(literal.dtype()?).is_some(),
            b"fortran_order" => is_fortran.replace(literal.boolean()?).is_some(),
            b"shape" => shape.replace(literal.extents()?).is_some(),
            _ => return None,
        };
        if comes_again {
            return None;
        }
        if !literal.takes(b",") {
            literal.expects(b"}")?;
            break;
        }
    }
    let is_all = literal.0.trim_ascii().is_empty();
    is_all.then_some((dtype?, is_fortran?, shape?))
}

/// What is left to read of a Python literal.
struct Literal<'a>(&'a [u8]);

impl<'a> Literal<'a> {
    /// Goes past this token, where it comes next.
    fn takes(&mut self, token: &[u8]) -> bool {
        match self.0.trim_ascii_start().strip_prefix(token) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expects(&mut self, token: &[u8]) -> Option<()> {
        self.takes(token).then_some(())
    }

    fn boolean(&mut self) -> Option<bool> {
        if self.takes(b"True") {
            return Some(true);
        }
        self.takes(b"False").then_some(false)
    }

    /// Text in quotes, without escapes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let quote = match self.takes(b"'") {
            true => b'\'',
            false => {
                self.expects(b"\"")?;
                b'"'
            }
        };
        let end = self.0.iter().position(|&byte| byte == quote)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        (!text.contains(&b'\\')).then_some(text)
    }

    fn integer(&mut self) -> Option<u64> {
        let text = self.0.trim_ascii_start();
        let end = text.iter().position(|byte| !byte.is_ascii_digit());
        let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
        // Python 2 has long integers of its own.
        self.0 = rest.strip_prefix(b"L").unwrap_or(rest);
        str::from_utf8(digits).ok()?.parse().ok()
    }

    /// A tuple of whole numbers.
    fn extents(&mut self) -> Option<Vec<u64>> {
        self.expects(b"(")?;
        let mut extents = Vec::new();
        while !self.takes(b")") {
            extents.push(self.integer()?);
            if !self.takes(b",") {
                self.expects(b")")?;
                break;
            }
        }
        Some(extents)
    }

    /// The text of a plain type, or a list of fields.
    fn dtype(&mut self) -> Option<Dtype> {
        if self.takes(b"[") {
            self.skip_list()?;
            return Some(Dtype::Structured);
        }
        let text = str::from_utf8(self.string()?).ok()?;
        text.parse().ok().map(Dtype::Plain)
    }

    /// Goes to the end of a list that has begun, whatever is in it.
    fn skip_list(&mut self) -> Option<()> {
        let mut depth = 1usize;
        while depth > 0 {
            if self.takes(b"[") || self.takes(b"(") {
                depth += 1;
            } else if self.takes(b"]") || self.takes(b")") {
                depth -= 1;
            } else if self.string().is_none() {
                let (_, rest) = self.0.trim_ascii_start().split_first()?;
                self.0 = rest;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this version with this text in its header, and two bytes after it.
    fn file(version: u8, text: &str) -> Vec<u8> {
        let mut file = [MAGIC, &[version, 0]].concat();
        match version {
            1 => file.extend((text.len() as u16).to_le_bytes()),
            _ => file.extend((text.len() as u32).to_le_bytes()),
        }
        file.extend(text.bytes());
        file.extend([7, 7]);
        file
    }

    #[test]
    fn type_order_and_shape_are_read_in_all_versions_and_spellings() {
        for (version, len) in [(1, 10), (2, 12), (3, 12)] {
            for (text, is_fortran, shape) in [
                (
                    "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }  \n",
                    false,
                    vec![2, 3],
                ),
                (
                    "{\"shape\":(5,),\"fortran_order\":True,\"descr\":\"|u1\"}",
                    true,
                    vec![5],
                ),
                (
                    " { 'descr':'<u1' , 'fortran_order':False,'shape':( 4L, 28L ) }",
                    false,
                    vec![4, 28],
                ),
                (
                    "{'descr': '|u1', 'fortran_order': False, 'shape': (), }",
                    false,
                    vec![],
                ),
            ] {
                let file = file(version, text);
                let mut rest = &file[..];
                let header = Header::read(&mut rest).unwrap();
                assert_eq!(header.dtype.to_string(), "uint8", "{text}");
                assert_eq!((header.is_fortran, header.shape), (is_fortran, shape));
                assert_eq!(header.len, len + text.len());
                assert_eq!(rest, [7, 7]);
                for cut in 0..file.len() - 2 {
                    assert!(Header::read(&file[..cut]).is_err(), "{text}: {cut}");
                }
            }
        }
    }

    #[test]
    fn types_have_the_names_that_numpy_gives_them() {
        for (descr, name) in [
            ("'|b1'", "bool"),
            ("'|i1'", "int8"),
            ("'>u2'", "uint16"),
            ("'<i8'", "int64"),
            ("'<f2'", "float16"),
            ("'<c16'", "complex128"),
            ("'|O'", "object"),
            ("'|S3'", "bytes"),
            ("'<U9'", "str"),
            ("'<M8[ns]'", "<M8[ns]"),
            (
                "[('x', '<f4', (2, 3)), ('it[s', [('y', 'u1')])]",
                "a structured type",
            ),
        ] {
            let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,)}}");
            let header = Header::read(&file(1, &text)[..]).unwrap();
            assert_eq!(header.dtype.to_string(), name);
        }
    }

    #[test]
    fn what_is_no_header_is_refused_whatever_it_is() {
        let deep = format!("{{'descr': {}", "[".repeat(60_000));
        let wide = format!(
            "{{'descr': '|u1', 'fortran_order': False, 'shape': ({})}}",
            "9".repeat(400)
        );
        for text in [
            "",
            "{",
            "{}",
            "None",
            "{'descr': '|u1', 'fortran_order': False}",
            "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1.5,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': 7}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (18446744073709551616,)}",
            "{'descr': 'u', 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '|\\x75', 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'more': 1}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} + 1",
            "{'descr': '|u1 'fortran_order': False, 'shape': (1,)}",
            &deep,
            &wide,
        ] {
            let message = Header::read(&file(1, text)[..]).unwrap_err().to_string();
            assert!(
                message.starts_with("its header is not understood"),
                "{text}"
            );
        }
        let good = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}";
        for (file, problem) in [
            (file(4, good), "its format has version 4"),
            (b"\x93NUMPX\x01\x00".to_vec(), "it does not begin as"),
            (
                b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
                "its header has 4294967295",
            ),
            (
                b"\x93NUMPY\x01\x00\xff\xff{".to_vec(),
                "it ends within its header",
            ),
        ] {
            let message = Header::read(&file[..]).unwrap_err().to_string();
            assert!(message.starts_with(problem), "{message}");
        }
    }

    #[test]
    fn the_length_of_a_file_follows_from_its_header_or_is_impossible() {
        let len = |descr: &str, shape: &str| {
            let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}");
            let header = Header::read(&file(1, &text)[..]).unwrap();
            let len = header.file_len().map_err(|error| error.to_string())?;
            Ok::<_, String>(len.map(|len| len - header.len as u64))
        };
        assert_eq!(len("'<i4'", "(2, 3)"), Ok(Some(24)));
        assert_eq!(len("'<U5'", "(2,)"), Ok(Some(40)));
        assert_eq!(len("'|u1'", "()"), Ok(Some(1)));
        assert_eq!(len("'|u1'", "(0, 9)"), Ok(Some(0)));
        assert_eq!(len("'|O'", "(2,)"), Ok(None));
        assert_eq!(len("[('x', '<f4')]", "(2,)"), Ok(None));
        for shape in [
            "(4294967296, 4294967296)",
            "(18446744073709551615,)",
            "(72057594037927936, 16, 16, 1)",
        ] {
            let message = len("'|u1'", shape).unwrap_err();
            assert!(message.ends_with("than any file holds"), "{message}");
        }
    }
}
