//! Write what has been restored, and say so.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use ebm_apply::restore::{Mask, Restored};
use ebm_data::{Photo, Planes};
use serde::Serialize;

use super::damage::{heat_map, mask_picture};
use crate::output::{is_folder, save_photo, say, write_output};
use crate::pictures::Job;

/// What is said of a picture.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) input: &'a Path,
    pub(super) output: Option<&'a Path>,
    /// The file of the mask, where it was asked for.
    pub(super) mask: Option<&'a Path>,
    /// Missing pixels.
    pub(super) missing: usize,
    /// The share of all pixels that they are.
    pub(super) share: f64,
    /// How much several restorations differ there: [`doubt`].
    pub(super) doubt: Option<f64>,
    pub(super) seconds: f64,
    /// Why nothing is missing, where that is so.
    #[serde(skip)]
    pub(super) why_nothing: Option<String>,
    /// The files of `output`.
    #[serde(skip)]
    pub(super) written: Vec<PathBuf>,
}

impl<'a> Report<'a> {
    /// What is known of a picture before anything is written.
    pub(super) fn new(input: &'a Path, mask: &Mask) -> Self {
        let missing = mask.missing.iter().filter(|missing| **missing).count();
        Self {
            input,
            output: None,
            mask: None,
            missing,
            share: missing as f64 / mask.missing.len() as f64,
            doubt: None,
            seconds: 0.0,
            why_nothing: None,
            written: Vec::new(),
        }
    }

    /// Say what became of a picture since `begin`: that its missing pixels are `done`, as "put in", or why it has none.
    pub(super) fn end(
        mut self,
        begin: Instant,
        done: &str,
        (as_json, quiet): (bool, bool),
    ) -> anyhow::Result<()> {
        self.seconds = begin.elapsed().as_secs_f64();
        self.say(as_json)?;
        if !as_json && !quiet {
            let (name, share) = (self.input.display(), 100.0 * self.share);
            match &self.why_nothing {
                Some(why) => tell!("{name}: nothing is missing: {why}"),
                None => tell!("{name}: {share:.1} % of the pixels {done}"),
            }
        }
        Ok(())
    }

    /// Print it as JSON, or the files that were written, a line each.
    fn say(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            say(serde_json::to_string(self)?)?;
            return Ok(());
        }
        let written = self.written.iter().map(PathBuf::as_path);
        for path in self.mask.into_iter().chain(written) {
            say(path.display())?;
        }
        Ok(())
    }
}

/// The mean over the missing pixels of the standard deviation of several restorations, of 255.
pub(super) fn doubt(restored: &Restored, mask: &Mask) -> Option<f64> {
    if restored.samples.len() < 2 {
        return None;
    }
    let spread = restored.spread();
    let missing = spread.iter().zip(&mask.missing).filter(|(_, is)| **is);
    let missing: Vec<f64> = missing.map(|(spread, _)| f64::from(*spread)).collect();
    Some(255.0 * missing.iter().sum::<f64>() / missing.len() as f64)
}

/// Write a mask, white where a pixel is missing.
pub(super) fn write_mask(job: &Job, mask: &Mask) -> anyhow::Result<()> {
    job.make_folder()?;
    save_photo(&job.output, &Photo::of_planes(mask_picture(mask)))
}

/// Write the mean, or into a folder everything; returns what was written.
pub(super) fn write(job: &Job, photo: &Photo, restored: &Restored) -> anyhow::Result<Vec<PathBuf>> {
    job.make_folder()?;
    let save = |path: &Path, planes: Planes| {
        let mut photo = photo.clone();
        photo.planes = planes;
        save_photo(path, &photo)
    };
    let output = &job.output;
    if !is_folder(output) {
        save(output, restored.mean())?;
        return Ok(vec![output.clone()]);
    }
    let mut written = Vec::new();
    for (number, sample) in restored.samples.iter().enumerate() {
        let path = output.join(format!("{:03}.png", number + 1));
        save(&path, sample.clone())?;
        written.push(path);
    }
    let mean = output.join("mean.png");
    save(&mean, restored.mean())?;
    written.push(mean);
    if restored.samples.len() > 1 {
        let path = output.join("doubt.png");
        let shape = photo.planes.shape;
        let heat = heat_map(&restored.spread(), [shape.height, shape.width]);
        save_photo(&path, &Photo::of_planes(heat))?;
        written.push(path);
    }
    Ok(written)
}

/// Write a picture of which nothing is missing as it is, or into a folder what `samples` restorations of it are; returns
/// what was written.
pub(super) fn write_as_it_is(
    job: &Job,
    photo: &Photo,
    samples: usize,
) -> anyhow::Result<Vec<PathBuf>> {
    let (input, output) = (&job.input, &job.output);
    if is_folder(output) || input.extension() != output.extension() {
        let samples = vec![photo.planes.clone(); samples];
        return write(job, photo, &Restored { samples });
    }
    job.make_folder()?;
    let named = || format!("cannot read {}", input.display());
    write_output(output, &fs::read(input).with_context(named)?)?;
    Ok(vec![output.clone()])
}

#[cfg(test)]
mod tests {
    use ebm_core::ImageShape;

    use super::*;

    #[test]
    fn doubt_is_the_mean_spread_of_missing_pixels_alone() {
        let sample = |pixels: [f32; 3]| Planes {
            pixels: pixels.to_vec(),
            shape: ImageShape::new(1, 1, 3),
        };
        let mask = Mask {
            missing: vec![false, true, true],
            size: [1, 3],
        };
        let one = sample([0.5, 0.25, 0.5]);
        let mut restored = Restored {
            samples: vec![one.clone()],
        };
        assert_eq!(doubt(&restored, &mask), None);
        restored.samples.push(sample([0.5, 0.75, 0.5]));
        // Deviations of ¼ to either side, squared and divided by one less than two: √⅛, and 0.
        let expected = 255.0 * 0.125_f64.sqrt() / 2.0;
        let got = doubt(&restored, &mask).expect("two");
        assert!((got - expected).abs() < 1e-4, "{got}");
        let report = Report::new(Path::new("a.png"), &mask);
        assert_eq!((report.missing, report.share), (2, 2.0 / 3.0));
    }
}
