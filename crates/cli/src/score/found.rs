//! Read the pictures that are ranked.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::bail;
use ebm_apply::evaluate::{NotFinite, Scores};
use ebm_core::ImageShape;
use rayon::prelude::*;

use crate::pictures::Named;
use crate::progress::with_progress;

/// Scores of images `[n, c, h, w]`, or the image of this set whose score is no number.
pub(super) type Score<'a> = dyn Fn(&[u8], &str) -> Result<Scores, NotFinite> + 'a;

/// Pictures in the shape of the model.
pub(super) struct Found {
    /// `[n, c, h, w]`.
    pub(super) bytes: Vec<u8>,
    /// `n` names.
    pub(super) names: Vec<String>,
    /// Files that could not be read, which has been said.
    pub(super) failed: usize,
    image_len: usize,
}

impl Found {
    /// The pictures of files. One that cannot be read among others is told of and left out.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn read(files: &[PathBuf], shape: ImageShape, quiet: bool) -> anyhow::Result<Self> {
        let done = AtomicU64::new(0);
        let read = |path: &PathBuf| {
            let mut named = Named::default();
            let read = named.add_file(path, shape);
            done.fetch_add(1, Ordering::Relaxed);
            read.map(|()| named)
        };
        let (total, count) = (files.len() as u64, || done.load(Ordering::Relaxed));
        let read_all = || files.par_iter().map(read).collect::<Vec<_>>();
        let all = with_progress("reading pictures", total, count, quiet, read_all);
        let mut found = Self {
            bytes: Vec::new(),
            names: Vec::new(),
            failed: 0,
            image_len: shape.pixels(),
        };
        for one in all {
            match one {
                Ok(named) => {
                    found.bytes.extend(named.bytes);
                    found.names.extend(named.names);
                }
                Err(error) if files.len() > 1 => {
                    tell!("{error:#}");
                    found.failed += 1;
                }
                Err(error) => return Err(error),
            }
        }
        if found.names.is_empty() {
            bail!("no picture could be read");
        }
        Ok(found)
    }

    /// Pictures.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The image of this number.
    pub(super) fn image(&self, index: usize) -> &[u8] {
        &self.bytes[index * self.image_len..][..self.image_len]
    }

    /// What the model finds of each.
    ///
    /// # Errors
    /// Names the first picture whose energy or gradient is not finite.
    pub(super) fn scored(&self, score: &Score<'_>, quiet: bool) -> anyhow::Result<Scores> {
        const PART: usize = 256;
        let done = AtomicU64::new(0);
        let mut scores = Scores::default();
        let work = || -> anyhow::Result<Scores> {
            for (number, part) in self.bytes.chunks(PART * self.image_len).enumerate() {
                match score(part, "the pictures") {
                    Ok(of_part) => scores.extend(of_part),
                    Err(bad) => bail!(
                        "the energy of {} or its gradient is not finite",
                        self.names[number * PART + bad.index]
                    ),
                }
                done.store(scores.len() as u64, Ordering::Relaxed);
            }
            Ok(scores)
        };
        let count = || done.load(Ordering::Relaxed);
        with_progress("scoring", self.len() as u64, count, quiet, work)
    }
}
