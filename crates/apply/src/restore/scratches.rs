//! Find the scratches of a picture: long thin lines, brighter or darker than what lies at both sides of them.
//!
//! Reading order: `lines` (how much each pixel looks like one of a line) → `noise` (beside how much the picture has of
//! that anyway) → `components` (which of them are long enough to be a scratch). `grid` holds the values.

mod components;
mod grid;
mod lines;
mod noise;

use ebm_core::ImageShape;
use ebm_data::Planes;

use super::Mask;
use components::{long_components, without_gaps};
use grid::Grid;
use lines::line_contrast;
use noise::standardised;

/// Shorter side of the smallest picture that is searched in place of a larger one.
const LEAST_SIDE: usize = 192;

/// Whether scratches are brighter or darker than what is around them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScratchTone {
    /// Brighter, as cracks of a print and dust on a negative.
    #[default]
    Bright,
    /// Darker, as hairs on a print.
    Dark,
    /// Either.
    Both,
}

impl ScratchTone {
    /// By what a picture is multiplied so that its scratches are bright.
    fn signs(self) -> &'static [f32] {
        match self {
            Self::Bright => &[1.0],
            Self::Dark => &[-1.0],
            Self::Both => &[1.0, -1.0],
        }
    }
}

/// What counts as a scratch.
#[derive(Clone, Debug, PartialEq)]
pub struct ScratchOptions {
    /// How far a scratch stands out, in standard deviations (estimated from the median absolute deviation) of what the
    /// filter of lines finds around it.
    pub contrast: f32,
    /// Whether it is bright or dark.
    pub tone: ScratchTone,
}

impl Default for ScratchOptions {
    fn default() -> Self {
        Self {
            contrast: 7.0,
            tone: ScratchTone::Bright,
        }
    }
}

/// The pixels of scratches. What else is thin, long and of the right tone is found, too: a rope, the rim of a hat.
///
/// A large picture is also searched at half its size, and so on, as its scratches are wider.
///
/// # Panics
/// If the picture has no pixels.
pub fn find_scratches(picture: &Planes, options: &ScratchOptions) -> Mask {
    let ImageShape { height, width, .. } = picture.shape;
    let mut missing = vec![false; height * width];
    let mut grid = Grid {
        values: picture.grey().pixels,
        height,
        width,
    };
    let mut scale = 1;
    loop {
        let found = scratches_at_one_scale(&grid, options);
        for (place, missing) in missing.iter_mut().enumerate() {
            let (row, column) = (place / width / scale, place % width / scale);
            let is_inside = row < grid.height && column < grid.width; // an odd last row is lost by halving
            *missing |= is_inside && found[row * grid.width + column];
        }
        if grid.height.min(grid.width) < 2 * LEAST_SIDE {
            break;
        }
        grid = grid.halved();
        scale *= 2;
    }
    Mask {
        missing,
        size: [height, width],
    }
}

fn scratches_at_one_scale(grid: &Grid, options: &ScratchOptions) -> Vec<bool> {
    let size = [grid.height, grid.width];
    let mut found = vec![false; grid.values.len()];
    for &sign in options.tone.signs() {
        let strength = standardised(line_contrast(&grid.times(sign)));
        let of_tone = without_gaps(&long_components(&strength, options.contrast), size);
        for (found, is_scratch) in found.iter_mut().zip(of_tone) {
            *found |= is_scratch;
        }
    }
    found
}

#[cfg(test)]
mod tests;
