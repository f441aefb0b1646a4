//! Tell how much each pixel of a picture looks like one of a thin bright line.

use std::ops::RangeInclusive;

use rayon::prelude::*;

use super::grid::Grid;

/// Pixels from the middle of the filter to each of its ends.
const REACH: f32 = 7.0;
/// Pixels by which each half of the filter goes beyond its middle, so that the last pixels of a line are found.
const OVERLAP: isize = 2;
/// Slopes of the filter are the multiples of 1/`RUN` from −1 to 1, and the same from the other axis.
const RUN: isize = 4;
/// Pixels at each side of the middle of a line: lines of one and of three pixels are looked for.
const HALF_WIDTHS: [isize; 2] = [0, 1];

/// By how much the line through each pixel is brighter than what lies at both sides of it, of the direction and the
/// width where it is most so; 0 where there is none.
///
/// A line is as bright as the darkest pixel across it, and its two sides count as the brighter one: an edge is no
/// line. Along it, the weaker half counts, so that a spot is none either.
pub(super) fn line_contrast(picture: &Grid) -> Grid {
    let steep = contrast_of_flat_lines(&picture.transposed()).transposed();
    let mut best = contrast_of_flat_lines(picture);
    raise(&mut best.values, &steep.values);
    best
}

/// The same for lines that go down or up by at most a row in each column.
fn contrast_of_flat_lines(picture: &Grid) -> Grid {
    let mut best = picture.zeros_like();
    let width = best.width;
    for slope in -RUN..=RUN {
        let reach = reach(slope);
        let halves = [-reach..=OVERLAP, -OVERLAP..=reach];
        let halves = halves.map(|steps| means_along(picture, slope, &steps));
        for half_width in HALF_WIDTHS {
            let contrast = strip_contrast(&halves, half_width);
            let rows = best.values.par_chunks_mut(width).enumerate();
            // What is true of the middle of a line is true of all pixels across it.
            rows.for_each(|(row, best)| {
                for down in -half_width..=half_width {
                    raise(best, contrast.row_from(row, down));
                }
            });
        }
    }
    best
}

/// Columns from the middle of the filter to its ends, so that it is as long in all directions.
fn reach(slope: isize) -> isize {
    let slope = slope as f32 / RUN as f32;
    (REACH / slope.hypot(1.0)).round() as isize
}

/// Rows by which a line is lower after so many columns.
fn rows_down(slope: isize, columns: isize) -> isize {
    let exact = slope * columns;
    (2 * exact + exact.signum() * RUN) / (2 * RUN)
}

/// The mean of the pixels at these steps along a line through each pixel, without those beyond the picture.
fn means_along(picture: &Grid, slope: isize, steps: &RangeInclusive<isize>) -> Grid {
    let (mut means, width) = (picture.zeros_like(), picture.width);
    let rows = means.values.par_chunks_mut(width).enumerate();
    rows.for_each_init(
        || vec![0.0_f32; width],
        |counts, (row, means)| {
            counts.fill(0.0);
            for step in steps.clone() {
                let other = row.checked_add_signed(rows_down(slope, step));
                let (before, after) = (step.min(0).unsigned_abs(), step.max(0).unsigned_abs());
                let Some(other) = other.filter(|&other| other < picture.height) else {
                    continue;
                };
                if before + after >= width {
                    continue;
                }
                let own = before..width - after;
                let values = &picture.row(other)[after..width - before];
                let sums = means[own.clone()].iter_mut().zip(&mut counts[own]);
                for ((sum, count), value) in sums.zip(values) {
                    *sum += *value;
                    *count += 1.0;
                }
            }
            for (mean, count) in means.iter_mut().zip(counts.iter()) {
                *mean /= *count; // at least 1: step 0 is always inside
            }
        },
    );
    means
}

/// By how much strips of 2 · `half_width` + 1 rows are brighter than both sides, in each half of the filter.
fn strip_contrast(halves: &[Grid; 2], half_width: isize) -> Grid {
    let [first, second] = halves;
    let (mut contrast, width) = (first.zeros_like(), first.width);
    let rows = contrast.values.par_chunks_mut(width).enumerate();
    rows.for_each_init(
        || vec![0.0_f32; width],
        |of_second, (row, of_first)| {
            strip_contrast_of_row(first, row, half_width, of_first);
            strip_contrast_of_row(second, row, half_width, of_second);
            lower(of_first, of_second);
        },
    );
    contrast
}

/// The darkest row of the strip less the brighter of the two means of the two rows beside it.
fn strip_contrast_of_row(means: &Grid, row: usize, half_width: isize, contrast: &mut [f32]) {
    contrast.copy_from_slice(means.row(row));
    for away in 1..=half_width {
        lower(contrast, means.row_from(row, away));
        lower(contrast, means.row_from(row, -away));
    }
    let (near, far) = (half_width + 1, half_width + 2);
    let [below, far_below, above, far_above] =
        [near, far, -near, -far].map(|away| means.row_from(row, away));
    let below = below.iter().zip(far_below);
    let above = above.iter().zip(far_above);
    for ((contrast, below), above) in contrast.iter_mut().zip(below).zip(above) {
        *contrast -= (0.5 * (below.0 + below.1)).max(0.5 * (above.0 + above.1));
    }
}

/// Each value, or the other where that is greater.
fn raise(values: &mut [f32], others: &[f32]) {
    for (value, other) in values.iter_mut().zip(others) {
        *value = value.max(*other);
    }
}

/// Each value, or the other where that is less.
fn lower(values: &mut [f32], others: &[f32]) {
    for (value, other) in values.iter_mut().zip(others) {
        *value = value.min(*other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 24 by 24 pixels of 0.25, others where `is_line`.
    fn drawn(line: f32, is_line: impl Fn(usize, usize) -> bool) -> Grid {
        let value = |place: usize| {
            if is_line(place / 24, place % 24) {
                line
            } else {
                0.25
            }
        };
        Grid {
            values: (0..24 * 24).map(value).collect(),
            height: 24,
            width: 24,
        }
    }

    #[test]
    fn lines_step_down_evenly_and_alike_in_both_directions() {
        let rows = |slope: isize| {
            (-4..=4)
                .map(|step| rows_down(slope, step))
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(0), [0; 9]);
        assert_eq!(rows(1), [-1, -1, -1, 0, 0, 0, 1, 1, 1]);
        assert_eq!(rows(-4), [4, 3, 2, 1, 0, -1, -2, -3, -4]);
        assert_eq!((reach(0), reach(4), reach(-4)), (7, 5, 5));
    }

    #[test]
    fn the_contrast_of_a_line_is_how_much_brighter_it_is() {
        for thickness in [1, 3] {
            let contrast =
                line_contrast(&drawn(0.75, |row, _| (10..10 + thickness).contains(&row)));
            for (place, value) in contrast.values.iter().enumerate() {
                let is_line = (10..10 + thickness).contains(&(place / 24));
                assert_eq!(*value == 0.5, is_line, "{thickness}: {value} at {place}");
            }
        }
    }

    #[test]
    fn a_dark_line_and_an_edge_have_none() {
        let dark = line_contrast(&drawn(0.0, |_, column| column == 9));
        assert!(dark.row(12)[9] < 1e-6);
        let edge = line_contrast(&drawn(0.75, |_, column| column > 9));
        assert!(edge.values.iter().all(|value| *value < 1e-6));
    }

    #[test]
    fn a_picture_of_one_row_has_a_contrast() {
        let row = Grid {
            values: vec![0.5, 0.75, 0.5],
            height: 1,
            width: 3,
        };
        assert_eq!(line_contrast(&row).values.len(), 3);
    }
}
