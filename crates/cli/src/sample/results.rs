//! Write samples as pictures, arrays and animations.

use std::path::Path;

use ebm_apply::{Samples, Trained, to_bytes};
use ebm_core::ImageShape;

use super::folder::picture_names;
use super::plan::{Plan, TRAJECTORY_ROWS};
use super::{SampleArgs, TRAJECTORY_FRAMES};
use crate::output::{
    has_extension, is_folder, nchw_to_nhwc, save_animation, save_grid, save_npy_u8, save_npy_u32,
    save_pictures, say, scale_for,
};

/// Shares of accepted steps beyond which a chain hardly moves: all are refused, or all are tiny.
const LOWEST_ACCEPTANCE: f64 = 0.1;
const HIGHEST_ACCEPTANCE: f64 = 0.98;

/// How long a frame of an animation is shown.
const FRAME_MS: u32 = 80;

/// Write everything that was asked for and print the name of each file.
pub(super) fn write(
    args: &SampleArgs,
    samples: Samples,
    plan: &Plan,
    trained: &Trained,
) -> anyhow::Result<()> {
    let (num, shape) = (plan.labels.len(), trained.shape());
    let (dims, scale) = (shape.dims(), scale_for(shape.width));
    let frames: Vec<Vec<u8>> = samples.trajectory.into_iter().map(to_bytes).collect();
    let bytes = to_bytes(samples.images);
    if is_folder(&args.output) {
        write_pictures(&args.output, &bytes, plan, trained)?;
    } else if has_extension(&args.output, "npy") {
        write_arrays(&args.output, &bytes, plan, trained)?;
    } else {
        let (images, columns) = match plan.then {
            Some(_) => rows_of_frames(&frames, num, shape),
            None => (bytes, plan.columns),
        };
        save_grid(&args.output, &images, dims, columns, scale)?;
        say(args.output.display())?;
    }
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
        if !(LOWEST_ACCEPTANCE..=HIGHEST_ACCEPTANCE).contains(&acceptance) {
            tracing::warn!(
                "with so {} steps accepted the chains hardly move: the samples are not of this energy's density; \
                 set langevin.target_acceptance, and another langevin.step_size or langevin.temperature",
                if acceptance < 0.5 { "few" } else { "many" }
            );
        }
    }
    Ok(())
}

/// Write a picture of each sample, in a folder for each class where the model has classes.
fn write_pictures(
    folder: &Path,
    bytes: &[u8],
    plan: &Plan,
    trained: &Trained,
) -> anyhow::Result<()> {
    let (num_classes, class_names) = (trained.num_classes(), trained.class_names());
    let names = picture_names(plan.last_classes(), num_classes, class_names);
    save_pictures(folder, &names, bytes, trained.shape().dims())?;
    say(folder.display())?;
    Ok(())
}

/// Write an array of the samples, and one of their classes where the model has classes.
fn write_arrays(path: &Path, bytes: &[u8], plan: &Plan, trained: &Trained) -> anyhow::Result<()> {
    let (classes, dims) = (plan.last_classes(), trained.shape().dims());
    let [channels, height, width] = dims;
    let shape = [classes.len(), height, width, channels];
    save_npy_u8(path, &shape, &nchw_to_nhwc(bytes, dims))?;
    say(path.display())?;
    if trained.num_classes() > 0 {
        let path = path.with_extension("labels.npy");
        save_npy_u32(&path, &[classes.len()], classes)?;
        say(path.display())?;
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
