//! Say what is written of samples, for the commands that draw them.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::output::{check_different, check_output, check_output_or_folder, has_extension};

/// Columns of a trajectory picture.
pub(super) const TRAJECTORY_FRAMES: usize = 12;
/// Frames of an animation.
const ANIMATION_FRAMES: usize = 60;

/// What is written of samples.
#[derive(Args, Debug)]
pub(crate) struct Outputs {
    /// The samples as one picture, as an array of u8 [n, h, w, c] (.npz: with their classes, where they were
    /// drawn under classes of one model), or as a folder with a picture of each
    #[arg(
        long,
        value_name = "FILE.png|FILE.npy|FILE.npz|DIR/",
        value_hint = ValueHint::AnyPath,
        default_value = "samples.png"
    )]
    pub(super) output: PathBuf,

    /// Sampling steps, one row per image, of the first 10 images
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    pub(super) trajectory: Option<PathBuf>,

    /// Animate sampling
    #[arg(long, value_name = "FILE.gif|FILE.apng", value_hint = ValueHint::FilePath)]
    pub(super) animation: Option<PathBuf>,
}

impl Outputs {
    /// Refuse what cannot be written before a model is opened.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        check_output_or_folder("--output", &self.output, &["png", "npy", "npz"])?;
        if let Some(path) = &self.trajectory {
            check_output("--trajectory", path, &["png"])?;
        }
        if let Some(path) = &self.animation {
            check_output("--animation", path, &["gif", "apng", "png"])?;
        }
        check_different(&[
            ("--output", Some(self.output.as_path())),
            ("--trajectory", self.trajectory.as_deref()),
            ("--animation", self.animation.as_deref()),
        ])?;
        Ok(())
    }

    /// Whether the samples are one picture.
    pub(crate) fn is_sheet(&self) -> bool {
        has_extension(&self.output, "png")
    }

    /// Whether states between the start and the end are shown.
    pub(crate) fn shows_trajectory(&self) -> bool {
        self.trajectory.is_some() || self.animation.is_some()
    }

    /// Steps between frames.
    pub(crate) fn frame_every(&self, steps: usize) -> usize {
        let frames = if self.animation.is_some() {
            ANIMATION_FRAMES
        } else {
            TRAJECTORY_FRAMES - 1
        };
        steps.div_ceil(frames)
    }

    /// Frames of a chain of so many steps, at least.
    pub(crate) fn num_frames(&self, steps: usize) -> u64 {
        (steps / self.frame_every(steps).max(1)) as u64
    }
}
