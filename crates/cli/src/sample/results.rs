//! Take samples part by part and write them as pictures, arrays and animations.

use std::io;
use std::path::Path;

use ebm_apply::{SamplePart, Samples, to_bytes};
use ebm_core::ImageShape;

use super::images::Images;
use super::outputs::{Outputs, TRAJECTORY_FRAMES};
use super::plan::{Plan, TRAJECTORY_ROWS};
use super::totals::Totals;
use crate::output::{save_animation, save_grid, say, scale_for};

/// How long a frame of an animation is shown.
const FRAME_MS: u32 = 80;

/// What was drawn so far.
pub(crate) struct Results<'a> {
    outputs: &'a Outputs,
    plan: &'a Plan,
    images: Images,
    frames: Vec<Vec<u8>>,
    totals: Totals,
}

impl<'a> Results<'a> {
    /// No samples yet.
    ///
    /// # Errors
    /// Where the samples cannot be written.
    pub(crate) fn new(outputs: &'a Outputs, plan: &'a Plan) -> anyhow::Result<Self> {
        Ok(Self {
            outputs,
            plan,
            images: Images::create(&outputs.output, plan)?,
            frames: Vec::new(),
            totals: Totals::default(),
        })
    }

    /// Whether samples cannot be taken in parts: a sheet or a trajectory shows all of them.
    pub(crate) fn needs_all_at_once(&self) -> bool {
        let is_sheet = matches!(self.images, Images::Sheet(_));
        is_sheet || self.outputs.shows_trajectory() || self.plan.then.is_some()
    }

    /// Take the next samples.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(crate) fn add(&mut self, samples: Samples) -> anyhow::Result<()> {
        self.totals.add(&samples);
        self.frames
            .extend(samples.trajectory.into_iter().map(to_bytes));
        self.images.append(&to_bytes(samples.images))?;
        Ok(())
    }

    /// Take the next samples as bytes, without a trajectory.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(super) fn add_part(&mut self, part: &SamplePart) -> anyhow::Result<()> {
        self.totals.add_part(&part.energies, part.acceptance);
        self.images.append(&part.pixels)?;
        Ok(())
    }

    /// Write everything that was asked for and print the name of each file.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        self.finish_naming(&mut |file: &Path| say(file.display()))
    }

    /// Write everything that was asked for; `name` is told of each file once it is there.
    ///
    /// # Errors
    /// Where a file cannot be written, or `name` fails.
    pub(crate) fn finish_naming(
        self,
        name: &mut dyn FnMut(&Path) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let (outputs, plan, num) = (self.outputs, self.plan, self.plan.labels.len());
        let (shape, scale) = (plan.shape, scale_for(plan.shape.width));
        let dims = shape.dims();
        match self.images {
            Images::Sheet(images) => {
                let (images, columns) = match plan.then {
                    Some(_) => rows_of_frames(&self.frames, num, shape),
                    None => (images, plan.columns),
                };
                save_grid(&outputs.output, &images, dims, columns, scale)?;
                name(&outputs.output)?;
            }
            Images::Array { array, classes } => {
                for file in array.finish(classes.as_deref())? {
                    name(&file)?;
                }
            }
            Images::Folder { .. } => name(&outputs.output)?,
        }
        if let Some(path) = &outputs.trajectory {
            let (rows, columns) = rows_of_frames(&self.frames, num, shape);
            save_grid(path, &rows, dims, columns, scale)?;
            name(path)?;
        }
        if let Some(path) = &outputs.animation {
            save_animation(path, &self.frames, dims, plan.columns, scale, FRAME_MS)?;
            name(path)?;
        }
        self.totals.log();
        Ok(())
    }
}

/// Up to a dozen of the frames of the first chains, chain by chain, and how many of each.
fn rows_of_frames(frames: &[Vec<u8>], num: usize, shape: ImageShape) -> (Vec<u8>, usize) {
    let kept = frames.len().min(TRAJECTORY_FRAMES);
    let last = frames.len().saturating_sub(1);
    let picked: Vec<&Vec<u8>> = (0..kept)
        .map(|i| &frames[i * last / (kept - 1).max(1)])
        .collect();
    let mut rows = Vec::new();
    for chain in 0..num.min(TRAJECTORY_ROWS) {
        let start = chain * shape.pixels();
        for frame in &picked {
            rows.extend_from_slice(&frame[start..start + shape.pixels()]);
        }
    }
    (rows, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_frames_goes_from_the_first_to_the_last() {
        // Two chains of one pixel, fifty frames.
        let frames: Vec<Vec<u8>> = (0..50).map(|i| vec![i, 100 + i]).collect();
        let (rows, columns) = rows_of_frames(&frames, 2, ImageShape::new(1, 1, 1));
        assert_eq!(
            (rows.len(), columns),
            (2 * TRAJECTORY_FRAMES, TRAJECTORY_FRAMES)
        );
        assert_eq!([rows[0], rows[columns - 1]], [0, 49]);
        assert_eq!([rows[columns], rows[2 * columns - 1]], [100, 149]);
    }

    #[test]
    fn few_frames_are_all_shown() {
        let frames = [vec![1], vec![2], vec![3]];
        let shape = ImageShape::new(1, 1, 1);
        assert_eq!(rows_of_frames(&frames, 1, shape), (vec![1, 2, 3], 3));
        assert_eq!(rows_of_frames(&frames[..1], 1, shape), (vec![1], 1));
    }
}
