//! Read zip archives.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use zip::read::{ArchiveOffset, Config, ZipFile, ZipFileEntry};
use zip::result::ZipResult;
use zip::{CompressionMethod, ExtraField, System, ZipArchive};

use super::{Archive, Kind, Member, Visit};
use crate::error::DataError;

/// Bytes of the header before the content of a member, but for the name and the extra fields (APPNOTE 4.3.7).
const LOCAL_HEADER: usize = 30;

/// Bytes of the header of a member in the directory, but for the name, the extra fields and the comment (4.3.12).
const CENTRAL_HEADER: usize = 46;

/// What is wrong with an archive of which one member would replace another.
const SAME_NAME: &str = "two of its members have the same name";

/// A zip archive.
pub(super) struct Zipped {
    pub path: PathBuf,
}

/// An archive whose directory has been read.
type Opened = ZipArchive<BufReader<File>>;

/// What the directory says of a member.
struct Stated {
    name: String,
    kind: Kind,
    size: u64,
    /// Why its content is not read, as the end of a sentence.
    problem: Option<String>,
}

impl Archive for Zipped {
    /// Members come in the order of the directory, in which programs list them.
    fn visit(&self, visit: &mut Visit<'_>) -> Result<(), DataError> {
        let path = &self.path;
        let open = || {
            File::open(path).map_err(|source| DataError::Read {
                path: path.clone(),
                source,
            })
        };
        let (file, mut headers) = (open()?, open()?);
        let failed = |source| damaged(path, source);
        let mut zip = open_checked(file, &mut headers).map_err(failed)?;
        let mut paths = HashSet::new();
        for index in 0..zip.len() {
            let stated = stated(&zip, index).map_err(|error| failed(error.into()))?;
            let name = Path::new(&stated.name);
            let Some(member) = Member::new(path, name, stated.kind, stated.size)? else {
                continue;
            };
            // The zip crate compares names as they are written: `./a` is another one to it than `a`.
            if member.kind != Kind::Folder && !paths.insert(member.path.clone()) {
                return Err(failed(invalid(SAME_NAME)));
            }
            let mut content = Content {
                archive: path,
                member: &member,
                problem: stated.problem,
                left: stated.size,
                index,
                zip: Some(&mut zip),
                headers: &mut headers,
                file: None,
            };
            if visit(&member, &mut content)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Reads the directory of an archive, and refuses one that does not hold together.
fn open_checked(file: File, headers: &mut File) -> io::Result<Opened> {
    // Nothing precedes the first member: the last whole archive in one that is cut short is not taken for it.
    let from_start = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let zip = ZipArchive::with_config(from_start, BufReader::new(file))?;
    if zip.has_duplicate_names() {
        return Err(invalid(SAME_NAME));
    }
    refuse_overlaps(&zip)?;
    refuse_uncounted(&zip, headers)?;
    Ok(zip)
}

/// Refuses members that share bytes: a few bytes would be a great many.
fn refuse_overlaps(zip: &Opened) -> io::Result<()> {
    let mut places = Vec::with_capacity(zip.len() + 1);
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index)?;
        let start = entry.header_start();
        let content = start.saturating_add(LOCAL_HEADER as u64);
        places.push((start, content.saturating_add(entry.compressed_size())));
    }
    places.push((zip.central_directory_start(), u64::MAX));
    places.sort_unstable();
    if places.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(invalid("its members overlap"));
    }
    Ok(())
}

/// Refuses a directory with more members than it counts: some programs count no further than 65 535.
fn refuse_uncounted(zip: &Opened, headers: &mut File) -> io::Result<()> {
    let end = match zip.len().checked_sub(1) {
        None => zip.central_directory_start(),
        Some(last) => {
            let start = zip.by_index_data(last)?.central_header_start();
            let mut header = [0; CENTRAL_HEADER];
            headers.seek(SeekFrom::Start(start))?;
            headers.read_exact(&mut header)?;
            let lengths = [28, 30, 32].map(|at| u16::from_le_bytes([header[at], header[at + 1]]));
            start + CENTRAL_HEADER as u64 + lengths.into_iter().map(u64::from).sum::<u64>()
        }
    };
    let mut next = Vec::new();
    headers.seek(SeekFrom::Start(end))?;
    Read::by_ref(headers).take(4).read_to_end(&mut next)?;
    if next == b"PK\x01\x02" {
        let problem = "it has more members than it counts, as some programs write it where there are more than 65 535";
        return Err(invalid(problem));
    }
    Ok(())
}

fn stated(zip: &Opened, index: usize) -> ZipResult<Stated> {
    let entry = zip.by_index_data(index)?;
    let name = entry.name()?.into_owned();
    // As `unzip` takes them: programs for Windows once wrote names so.
    let name = if entry.system() == System::Dos && !name.contains('/') {
        name.replace('\\', "/")
    } else {
        name
    };
    Ok(Stated {
        kind: kind_of(&entry, &name),
        size: entry.size(),
        problem: problem_of(&entry),
        name,
    })
}

fn kind_of(entry: &ZipFileEntry<'_>, name: &str) -> Kind {
    const TYPE: u32 = 0o170_000;
    const FOLDER: u32 = 0o040_000;
    const FILE: u32 = 0o100_000;
    let kind = entry.unix_mode().unwrap_or_default() & TYPE;
    if name.ends_with('/') || kind == FOLDER {
        // A folder has no content that could be lost.
        return if entry.size() == 0 {
            Kind::Folder
        } else {
            Kind::Other
        };
    }
    match kind {
        0 | FILE => Kind::File,
        _ => Kind::Other,
    }
}

/// Why the content of a member is not read, if it is not.
fn problem_of(entry: &ZipFileEntry<'_>) -> Option<String> {
    if entry.encrypted() {
        return Some("is encrypted".to_owned());
    }
    match entry.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => None,
        other => Some(format!(
            "is compressed in a way that is not read here ({other})"
        )),
    }
}

/// The content of a member, which is opened when it is first read.
struct Content<'a> {
    archive: &'a Path,
    member: &'a Member,
    problem: Option<String>,
    /// Bytes that are to come.
    left: u64,
    index: usize,
    /// The archive, until the member is opened.
    zip: Option<&'a mut Opened>,
    headers: &'a mut File,
    file: Option<ZipFile<'a, BufReader<File>>>,
}

impl<'a> Content<'a> {
    fn file(&mut self) -> io::Result<&mut ZipFile<'a, BufReader<File>>> {
        if let Some(zip) = self.zip.take() {
            let file = zip.by_index(self.index)?;
            refuse_other_name(&file, self.headers)?;
            self.file = Some(file);
        }
        let file = self.file.as_mut();
        file.ok_or_else(|| io::Error::other("it cannot be opened"))
    }

    /// An error that names the member.
    fn damaged(&self, source: &io::Error) -> io::Error {
        let named = format!("{}: {source}", self.member.path.display());
        let source = io::Error::new(source.kind(), named);
        io::Error::other(damaged(self.archive, source))
    }
}

impl Read for Content<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(problem) = &self.problem {
            return Err(io::Error::other(DataError::UnreadableMember {
                archive: self.archive.into(),
                member: self.member.path.clone(),
                problem: problem.clone(),
            }));
        }
        let read = self.file().and_then(|file| file.read(into));
        match read {
            Ok(0) if !into.is_empty() && self.left > 0 => {
                Err(self.damaged(&invalid("it is shorter than it says")))
            }
            Ok(num) => {
                self.left = self.left.saturating_sub(num as u64);
                Ok(num)
            }
            Err(source) if source.kind() == io::ErrorKind::Interrupted => Err(source),
            Err(source) => Err(self.damaged(&source)),
        }
    }
}

/// Refuses a member that has another name before its content than in the directory: one of them is damaged.
fn refuse_other_name(file: &ZipFile<'_, BufReader<File>>, headers: &mut File) -> io::Result<()> {
    let is_unicode_path = |field: &ExtraField| matches!(field, ExtraField::UnicodePath(_));
    if file.extra_data_fields().any(is_unicode_path) {
        return Ok(());
    }
    let name = file.name_raw();
    let mut header = vec![0; LOCAL_HEADER + name.len()];
    headers.seek(SeekFrom::Start(file.header_start()))?;
    headers.read_exact(&mut header)?;
    let (header, found) = header.split_at(LOCAL_HEADER);
    let length = u16::from_le_bytes([header[26], header[27]]);
    if usize::from(length) != name.len() || found != name {
        return Err(invalid("its name before its content is another"));
    }
    Ok(())
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn damaged(archive: &Path, source: io::Error) -> DataError {
    DataError::BadZip {
        path: archive.into(),
        source,
    }
}
