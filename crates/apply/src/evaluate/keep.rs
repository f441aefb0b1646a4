//! Draw many samples in parts, and keep each part, so that what was interrupted goes on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use ebm_langevin::{StepCounter, to_bytes};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::sample::{SampleError, SampleOptions, sample_counted};
use crate::trained::Trained;

/// Bytes after the pixels of a part: the seconds that it took, and a checksum of all before it.
const SECONDS: usize = 8;
const CHECKSUM: usize = 32;

/// Samples that cannot be drawn or kept.
#[derive(Debug, Error)]
pub enum KeepError {
    /// They cannot be drawn.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// A part cannot be written or read.
    #[error("cannot keep samples in {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Samples that are kept in a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Bytes of `[num, channels, height, width]`.
    pub pixels: Vec<u8>,
    /// Seconds that drawing them took, whenever that was.
    pub seconds: f64,
}

/// The samples that `options` ask for: those of the parts that `folder` keeps whole are read, the others
/// drawn and kept. A folder is for one model and one set of options but for their number. `counter` counts the
/// gradients of all of them, at once those of the parts that are there.
///
/// # Errors
/// Where they cannot be drawn, or a part cannot be written.
pub fn kept_samples(
    trained: &Trained,
    options: &SampleOptions,
    folder: &Path,
    counter: &StepCounter,
) -> Result<Kept, KeepError> {
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut kept = Kept {
        pixels: Vec::with_capacity(options.labels.len() * trained.shape().pixels()),
        seconds: 0.0,
    };
    for of_part in options.parts() {
        let len = of_part.labels.len();
        let first = of_part.first_chain - options.first_chain;
        let file = folder.join(format!("{first:06}-{len}.samples"));
        let part = match read(&file, len * trained.shape().pixels()) {
            Some(part) => {
                counter.add(of_part.num_gradients() as usize);
                part
            }
            None => {
                let start = Instant::now();
                let samples = sample_counted(trained, &of_part, counter.clone())?;
                let part = Kept {
                    pixels: to_bytes(samples.images),
                    seconds: start.elapsed().as_secs_f64(),
                };
                write(&file, &part)?;
                part
            }
        };
        kept.pixels.extend(part.pixels);
        kept.seconds += part.seconds;
    }
    Ok(kept)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> KeepError {
    let path = path.to_owned();
    move |source| KeepError::Io { path, source }
}

/// A part that is there and whole.
fn read(file: &Path, pixels: usize) -> Option<Kept> {
    let bytes = fs::read(file).ok()?;
    if bytes.len() != pixels + SECONDS + CHECKSUM {
        return None;
    }
    let (content, checksum) = bytes.split_at(pixels + SECONDS);
    if Sha256::digest(content).as_slice() != checksum {
        return None;
    }
    let (pixels, seconds) = content.split_at(pixels);
    Some(Kept {
        pixels: pixels.to_vec(),
        seconds: f64::from_le_bytes(seconds.try_into().ok()?),
    })
}

/// Write a part whole or not at all, whoever else does so at the same time.
fn write(file: &Path, part: &Kept) -> Result<(), KeepError> {
    let mut bytes = part.pixels.clone();
    bytes.extend(part.seconds.to_le_bytes());
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    let unfinished = file.with_extension(format!("{}.tmp", std::process::id()));
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    let written = written.and_then(|()| fs::rename(&unfinished, file));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written.map_err(failed(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_as_it_was_written_and_not_where_a_byte_differs() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("part.samples");
        let part = Kept {
            pixels: vec![1, 2, 3],
            seconds: 1.5,
        };
        write(&file, &part).expect("written");
        assert_eq!(read(&file, 3), Some(part));
        assert_eq!(read(&file, 4), None);
        let mut bytes = fs::read(&file).expect("a part");
        bytes[1] = 7;
        fs::write(&file, &bytes).expect("written");
        assert_eq!(read(&file, 3), None);
        let names = fs::read_dir(folder.path()).expect("a folder");
        assert_eq!(names.count(), 1, "nothing is left beside it");
    }
}
