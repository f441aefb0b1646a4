//! Hold the pixels of many images: in memory, or in a file that is mapped into it.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

use memmap2::Mmap;
#[cfg(unix)]
use memmap2::{Advice, UncheckedAdvice};

/// Bytes of a file that are read in order at a time. Tests see many parts.
const PART: usize = if cfg!(test) { 8 << 10 } else { 8 << 20 };

/// Bytes of images, which are read like a slice: those of a mapped file stay on the disk until they are used, and
/// leave memory again when the machine needs it.
#[derive(Clone)]
pub struct Pixels(Held);

#[derive(Clone)]
enum Held {
    Memory(Vec<u8>),
    /// What follows the first bytes of a file.
    File {
        map: Arc<Mmap>,
        start: usize,
    },
}

impl Pixels {
    /// The bytes of a file after its first `start`.
    ///
    /// # Errors
    /// Where the file cannot be read or mapped, or is shorter.
    pub(crate) fn of_file(file: &File, start: usize) -> io::Result<Self> {
        // SAFETY: the map is only read, and the documentation of data sets asks users not to write to a mapped file while
        // a run uses it: whoever overwrites it changes the images of the run, and whoever cuts it ends the program.
        let map = unsafe { Mmap::map(file)? };
        if map.len() < start {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let map = Arc::new(map);
        Ok(Self(Held::File { map, start }))
    }

    /// Gives `take` all bytes in order, part by part: those of a file are read while the part before is taken, and let
    /// go of afterwards.
    pub fn in_order(&self, mut take: impl FnMut(&[u8])) {
        for (index, part) in self.chunks(PART).enumerate() {
            let Held::File { map, start } = &self.0 else {
                take(part);
                continue;
            };
            let here = start + index * PART;
            let next = here + part.len();
            read_ahead(map, next, PART.min(map.len() - next));
            take(part);
            let_go(map, here, part.len());
        }
    }

    /// Whether they stay in a file.
    pub fn are_in_a_file(&self) -> bool {
        matches!(self.0, Held::File { .. })
    }
}

/// Starts to read pages of a file that are used next.
#[cfg(unix)]
fn read_ahead(map: &Mmap, start: usize, len: usize) {
    if len > 0 {
        // They are read where they are used, if not before.
        let _ = map.advise_range(Advice::WillNeed, start, len);
    }
}

#[cfg(not(unix))]
fn read_ahead(_: &Mmap, _: usize, _: usize) {}

/// Lets go of pages of a file, which are read again where they are used again.
#[cfg(unix)]
fn let_go(map: &Mmap, start: usize, len: usize) {
    // SAFETY: the map is never written to, so that its pages are those of the file, however often they are read.
    let gone = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, len) };
    // Memory that stays taken does no harm.
    let _ = gone;
}

#[cfg(not(unix))]
fn let_go(_: &Mmap, _: usize, _: usize) {}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Memory(bytes) => bytes,
            Held::File { map, start } => &map[*start..],
        }
    }
}

impl From<Vec<u8>> for Pixels {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Held::Memory(bytes))
    }
}

impl From<Pixels> for Vec<u8> {
    fn from(pixels: Pixels) -> Self {
        match pixels.0 {
            Held::Memory(bytes) => bytes,
            Held::File { .. } => pixels.to_vec(),
        }
    }
}

impl FromIterator<u8> for Pixels {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        Vec::from_iter(bytes).into()
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Pixels {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl AsRef<[u8]> for Pixels {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Eq for Pixels {}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn pixels_in_a_file_are_those_in_memory() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"head123").unwrap();
        let mapped = Pixels::of_file(&file, 4).unwrap();
        let owned = Pixels::from(b"123".to_vec());
        assert_eq!(mapped, owned);
        assert_eq!(format!("{mapped:?}"), "[49, 50, 51]");
        assert_eq!(Vec::from(mapped.clone()), b"123");
        assert!(mapped.are_in_a_file() && !owned.are_in_a_file());
        let mut in_order = Vec::new();
        mapped.in_order(|part| in_order.extend_from_slice(part));
        assert_eq!(mapped, in_order);
        assert!(Pixels::of_file(&file, 7).unwrap().is_empty());
        assert!(Pixels::of_file(&file, 8).is_err());
    }

    #[test]
    fn a_file_of_many_parts_is_given_whole_and_in_order() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..2 * PART + 4097).map(|i| (i % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        let mapped = Pixels::of_file(&file, 4).unwrap();
        let (mut in_order, mut lens) = (Vec::new(), Vec::new());
        mapped.in_order(|part| {
            in_order.extend_from_slice(part);
            lens.push(part.len());
        });
        assert!(bytes[4..] == in_order[..]);
        assert_eq!(lens, [PART, PART, 4093]);
    }

    /// What the kernel was told of the mapping that an address lies in.
    #[cfg(target_os = "linux")]
    fn flags_of(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let range = |line: &str| {
            let (start, end) = line.split_whitespace().next()?.split_once('-')?;
            let [start, end] = [start, end].map(|end| usize::from_str_radix(end, 16));
            Some(start.ok()?..end.ok()?)
        };
        let of_map = maps
            .lines()
            .skip_while(|line| range(line).is_none_or(|range| !range.contains(&address)));
        let mut flags = of_map.filter_map(|line| line.strip_prefix("VmFlags:"));
        flags.next().unwrap().to_owned()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_pages_of_a_file_are_read_in_long_runs() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 1 << 16]).unwrap();
        let mapped = Pixels::of_file(&file, 4).unwrap();
        mapped.in_order(|_| {});
        let flags = flags_of(mapped.as_ptr() as usize);
        // `rr`: advised to be read at random, page by page.
        assert!(flags.split_whitespace().any(|flag| flag == "rd"), "{flags}");
        assert!(flags.split_whitespace().all(|flag| flag != "rr"), "{flags}");
    }
}
