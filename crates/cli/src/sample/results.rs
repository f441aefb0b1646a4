//! Write samples as pictures, arrays and animations.

use ebm_apply::{Samples, to_bytes};
use ebm_core::ImageShape;

use super::plan::{Plan, TRAJECTORY_ROWS};
use super::{SampleArgs, TRAJECTORY_FRAMES};
use crate::output::{
    has_extension, nchw_to_nhwc, save_animation, save_grid, save_npy_u8, say, scale_for,
};

/// How long a frame of an animation is shown.
const FRAME_MS: u32 = 80;

/// Write everything that was asked for and print the name of each file.
pub(super) fn write(
    args: &SampleArgs,
    samples: Samples,
    plan: &Plan,
    shape: ImageShape,
) -> anyhow::Result<()> {
    let (num, dims, scale) = (plan.labels.len(), shape.dims(), scale_for(shape.width));
    let frames: Vec<Vec<u8>> = samples.trajectory.into_iter().map(to_bytes).collect();
    let bytes = to_bytes(samples.images);
    if has_extension(&args.output, "npy") {
        let [channels, height, width] = dims;
        let pixels = nchw_to_nhwc(&bytes, dims);
        save_npy_u8(&args.output, &[num, height, width, channels], &pixels)?;
    } else if plan.then.is_some() {
        let (rows, columns) = rows_of_frames(&frames, num, shape);
        save_grid(&args.output, &rows, dims, columns, scale)?;
    } else {
        save_grid(&args.output, &bytes, dims, plan.columns, scale)?;
    }
    say(args.output.display())?;
    if let Some(path) = &args.trajectory {
        let (rows, columns) = rows_of_frames(&frames, num, shape);
        save_grid(path, &rows, dims, columns, scale)?;
        say(path.display())?;
    }
    if let Some(path) = &args.animation {
        save_animation(path, &frames, dims, plan.columns, scale, FRAME_MS)?;
        say(path.display())?;
    }
    let mean = samples.energies.iter().sum::<f32>() / num as f32;
    tracing::info!("mean energy of the samples: {mean:.3}");
    if let Some(acceptance) = samples.acceptance {
        tracing::info!("accepted {:.1}% of the steps", 100.0 * acceptance);
    }
    Ok(())
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
