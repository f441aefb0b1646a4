//! Read tar archives, gzipped or not.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::rc::Rc;

use tar::{Entries, Entry, EntryType};

use super::{Archive, Kind, Member, Visit, damaged};
use crate::error::DataError;
use crate::sources::gunzip::Gunzip;

/// The most bytes between the contents of two members: the tar crate reads a name into memory however long it is, and
/// zeros without end take little space in a gzipped archive.
const MOST_BYTES_BETWEEN: u64 = 1 << 20;

/// A tar archive.
pub(super) struct Tarball {
    pub path: PathBuf,
    pub is_gzipped: bool,
}

impl Archive for Tarball {
    fn visit(&self, visit: &mut Visit<'_>) -> Result<(), DataError> {
        let file = File::open(&self.path).map_err(|source| DataError::Read {
            path: self.path.clone(),
            source,
        })?;
        let watch = Rc::new(Watch::default());
        if !self.is_gzipped {
            let mut archive = tar::Archive::new(Watched::new(file, &watch));
            let end = self.visit_entries(archive.entries_with_seek(), &watch, visit);
            return end.map(|_| ());
        }
        let content = Gunzip::new(BufReader::new(file));
        let mut archive = tar::Archive::new(Watched::new(content, &watch));
        let end = self.visit_entries(archive.entries(), &watch, visit)?;
        if end.is_continue() {
            // The checksum follows the last member, and is compared only when it is read.
            let rest = io::copy(&mut archive.into_inner().inner, &mut io::sink());
            rest.map_err(|source| damaged(&self.path, source))?;
        }
        Ok(())
    }
}

impl Tarball {
    fn visit_entries<R: Read>(
        &self,
        entries: io::Result<Entries<'_, R>>,
        watch: &Watch,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, DataError> {
        let failed = |source| damaged(&self.path, source);
        for entry in entries.map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let content = stored_size(&entry).map_err(failed)?;
            watch.left.set(content.saturating_add(MOST_BYTES_BETWEEN));
            let Some(kind) = kind_of(&entry) else {
                continue;
            };
            let name = entry.path().map_err(failed)?.into_owned();
            let member = Member::new(&self.path, &name, kind, entry.size())?;
            if let Some(member) = member
                && visit(&member, &mut entry)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        if watch.is_at_end.get() {
            let cut = "it is cut short";
            return Err(failed(io::Error::new(io::ErrorKind::UnexpectedEof, cut)));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// What an entry is; `None` for one that only tells something of the archive.
fn kind_of<R: Read>(entry: &Entry<'_, R>) -> Option<Kind> {
    match entry.header().entry_type() {
        EntryType::XGlobalHeader => None,
        EntryType::Directory => Some(Kind::Folder),
        // In the oldest archives a folder is known by the end of its name.
        EntryType::Regular if entry.path_bytes().ends_with(b"/") => Some(Kind::Folder),
        EntryType::Regular | EntryType::Continuous => Some(Kind::File),
        _ => Some(Kind::Other),
    }
}

/// Bytes that an entry takes in the archive; those of a sparse file are fewer than it has.
fn stored_size<R: Read>(entry: &Entry<'_, R>) -> io::Result<u64> {
    match entry.header().entry_type() {
        EntryType::GNUSparse => entry.header().entry_size(),
        _ => Ok(entry.size()),
    }
}

/// What is known of a reader while others have it.
struct Watch {
    /// Bytes that may still be read or sought over.
    left: Cell<u64>,
    /// Whether the last reading found the end of the file. A whole archive ends with blocks of zeros, at which reading
    /// stops: only one that is cut short is read to the end of its file.
    is_at_end: Cell<bool>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            left: Cell::new(MOST_BYTES_BETWEEN),
            is_at_end: Cell::new(false),
        }
    }
}

impl Watch {
    fn pass(&self, bytes: u64) {
        self.left.set(self.left.get().saturating_sub(bytes));
    }
}

/// A reader with a watch.
struct Watched<R> {
    inner: R,
    watch: Rc<Watch>,
}

impl<R> Watched<R> {
    fn new(inner: R, watch: &Rc<Watch>) -> Self {
        Self {
            inner,
            watch: Rc::clone(watch),
        }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.watch.left.get() == 0 {
            return Err(io::Error::other("the header of a member has no end"));
        }
        let num = self.inner.read(into)?;
        self.watch.pass(num as u64);
        self.watch.is_at_end.set(num == 0);
        Ok(num)
    }
}

impl<R: Seek> Seek for Watched<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let SeekFrom::Current(bytes) = to {
            self.watch.pass(bytes.unsigned_abs());
        }
        self.inner.seek(to)
    }
}
