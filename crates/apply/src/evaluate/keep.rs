//! Draw many samples in parts, and keep each part, so that what was interrupted goes on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use ebm_langevin::StepCounter;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::sample::{PartSampler, SampleError, SampleOptions};
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Bytes of `[num, channels, height, width]`.
    pub pixels: Vec<u8>,
    /// Seconds that drawing them took, whenever that was; of several ranks, all of theirs together.
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
    let sampler = PartSampler::new(trained, options).with_counter(counter.clone());
    kept_by_first(&sampler, folder)
}

/// Let the ranks of a sampler draw the parts that `folder` lacks, for [`kept_samples`] to find. The first rank alone
/// reads and writes there.
///
/// # Errors
/// As [`kept_samples`], and where ranks draw other samples than each other; on all ranks.
pub fn keep_samples(sampler: &PartSampler<'_>, folder: &Path) -> Result<(), KeepError> {
    kept_by_first(sampler, folder).map(drop)
}

/// All samples on the first rank, and none elsewhere.
fn kept_by_first(sampler: &PartSampler<'_>, folder: &Path) -> Result<Kept, KeepError> {
    sampler.check_ranks()?;
    let parts = parts_of(sampler, folder);
    let team = sampler.team();
    let found = match team.is_first() {
        true => found_in(folder, &parts, sampler),
        false => Ok((Kept::default(), Vec::new())),
    };
    let (mut kept, missing) = sampler.agree(found)?;
    let missing: Vec<usize> = team.first(|| missing);
    let options: Vec<_> = missing
        .iter()
        .map(|&at| parts[at].options.clone())
        .collect();
    sampler.draw_parts(&options, |index, drawn| {
        let part = &parts[missing[index]];
        let drawn = Kept {
            pixels: drawn.pixels,
            seconds: drawn.seconds,
        };
        write(&part.file, &drawn)?;
        kept.put(part, &drawn);
        Ok::<_, KeepError>(())
    })?;
    Ok(kept)
}

/// A part of the samples.
struct Part {
    options: SampleOptions,
    /// Where it is kept.
    file: PathBuf,
    /// Where its pixels are among those of all samples.
    pixels: Range<usize>,
}

fn parts_of(sampler: &PartSampler<'_>, folder: &Path) -> Vec<Part> {
    let (all, image) = (sampler.options(), sampler.trained().shape().pixels());
    let parts = all.parts().map(|options| {
        let len = options.labels.len();
        let first = (options.first_chain - all.first_chain) as usize;
        Part {
            options,
            file: folder.join(format!("{first:06}-{len}.samples")),
            pixels: first * image..(first + len) * image,
        }
    });
    parts.collect()
}

/// The parts that a folder keeps whole, and the indices of the others.
fn found_in(
    folder: &Path,
    parts: &[Part],
    sampler: &PartSampler<'_>,
) -> Result<(Kept, Vec<usize>), KeepError> {
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut kept = Kept {
        pixels: vec![0; parts.last().map_or(0, |part| part.pixels.end)],
        seconds: 0.0,
    };
    let mut missing = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        match read(&part.file, part.pixels.len()) {
            Some(found) => {
                kept.put(part, &found);
                let gradients = part.options.num_gradients();
                sampler.counter().add(gradients as usize);
            }
            None => missing.push(index),
        }
    }
    Ok((kept, missing))
}

impl Kept {
    fn put(&mut self, part: &Part, of_part: &Self) {
        self.pixels[part.pixels.clone()].copy_from_slice(&of_part.pixels);
        self.seconds += of_part.seconds;
    }
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
    use ebm_core::ImageShape;

    use super::*;
    use crate::testing::{each_rank, untrained};

    /// Pixels of an image.
    const IMAGE: usize = 256;

    #[test]
    fn ranks_keep_what_one_process_draws_and_only_what_is_missing() {
        let trained = untrained(&[], ImageShape::new(1, 16, 16));
        let options = SampleOptions {
            steps: 1,
            ..SampleOptions::new(&trained, 1501)
        };
        let alone = tempfile::tempdir().expect("a folder");
        let alone = alone.path();
        let counter = StepCounter::default();
        let expected = kept_samples(&trained, &options, alone, &counter).expect("drawn");
        let parts = [
            "000000-500.samples",
            "000500-500.samples",
            "001000-500.samples",
            "001500-1.samples",
        ];
        for (world, kept) in [(2, None), (3, Some(1)), (4, Some(3))] {
            let folder = tempfile::tempdir().expect("a folder");
            let folder = folder.path();
            // A part with other pixels shows that it is read and not drawn.
            let other = kept.map(|at: usize| {
                let (path, len) = (folder.join(parts[at]), [500, 500, 500, 1][at] * IMAGE);
                let part = Kept {
                    pixels: vec![9; len],
                    seconds: 0.0,
                };
                write(&path, &part).expect("written");
                at * 500 * IMAGE..at * 500 * IMAGE + len
            });
            let nowhere = folder.join("nowhere");
            each_rank(world, |ranks| {
                let folder = match ranks.rank() {
                    0 => folder,
                    _ => nowhere.as_path(),
                };
                let sampler = PartSampler::new(&trained, &options).with_ranks(ranks);
                keep_samples(&sampler, folder).expect("kept");
            });
            assert!(!nowhere.exists(), "other ranks keep nothing");
            let counter = StepCounter::default();
            let found = kept_samples(&trained, &options, folder, &counter).expect("kept");
            let mut pixels = expected.pixels.clone();
            if let Some(other) = other {
                pixels[other].fill(9);
            }
            assert!(found.pixels == pixels, "{world} ranks");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_on_all_ranks() {
        let trained = untrained(&[], ImageShape::new(1, 16, 16));
        let options = SampleOptions::new(&trained, 2);
        let file = tempfile::NamedTempFile::new().expect("a file");
        let folder = file.path().join("below");
        let found = each_rank(2, |ranks| {
            let sampler = PartSampler::new(&trained, &options).with_ranks(ranks);
            keep_samples(&sampler, &folder).expect_err("refused")
        });
        assert!(matches!(found[0], KeepError::Io { .. }), "{found:?}");
        let elsewhere = SampleError::OnRank {
            rank: 0,
            why: found[0].to_string(),
        };
        let is_told = matches!(&found[1], KeepError::Sample(error) if *error == elsewhere);
        assert!(is_told, "{found:?}");
    }

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
