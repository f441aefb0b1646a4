//! Keep what is connected over a length, and drop short pieces.

use super::grid::Grid;
use crate::restore::around;

/// A scratch goes on where it stands out by this share of what it must stand out by somewhere.
const SHARE_TO_GO_ON: f32 = 0.5;
/// The diagonal of the box around the shortest scratch, in pixels.
const LEAST_EXTENT: f32 = 20.0;
/// The same as a share of the picture's diagonal; the larger one counts.
const LEAST_SHARE: f32 = 0.04;
/// How often the least extent a scratch is long that on the whole just stands out; one that stands out twice as much
/// may be half as long.
const EXTENTS_WHERE_FAINT: f64 = 2.0;
/// Neighbours in a scratch, of eight, with which a pixel is of it.
const NEIGHBOURS_TO_JOIN: usize = 4;

/// The pixels of connected pieces that stand out by `contrast` somewhere and are long enough.
pub(super) fn long_components(strength: &Grid, contrast: f32) -> Vec<bool> {
    let size = [strength.height, strength.width];
    let goes_on = |value: &f32| *value > SHARE_TO_GO_ON * contrast;
    let mut left: Vec<bool> = strength.values.iter().map(goes_on).collect();
    let mut found = vec![false; left.len()];
    for start in 0..left.len() {
        if left[start] {
            let members = take_component(&mut left, start, size);
            if is_scratch(&members, strength, contrast) {
                members.into_iter().for_each(|place| found[place] = true);
            }
        }
    }
    found
}

/// The places connected with `start`, diagonals included; they are not left any more.
fn take_component(left: &mut [bool], start: usize, size: [usize; 2]) -> Vec<usize> {
    let mut members = vec![start];
    left[start] = false;
    let mut next = 0;
    while let Some(&place) = members.get(next) {
        for near in around(place, size) {
            if std::mem::take(&mut left[near]) {
                members.push(near);
            }
        }
        next += 1;
    }
    members
}

/// Whether a component is strong and long enough.
fn is_scratch(members: &[usize], strength: &Grid, contrast: f32) -> bool {
    let values = members.iter().map(|&place| strength.values[place]);
    let peak = values.clone().fold(f32::MIN, f32::max);
    let mean = values.map(f64::from).sum::<f64>() / members.len() as f64;
    let rows = members.iter().map(|place| place / strength.width);
    let columns = members.iter().map(|place| place % strength.width);
    let extent = length_of(rows).hypot(length_of(columns));
    let diagonal = (strength.height as f32).hypot(strength.width as f32);
    let least = LEAST_EXTENT.max(LEAST_SHARE * diagonal);
    let faint = EXTENTS_WHERE_FAINT * f64::from(contrast) * f64::from(least);
    peak > contrast && extent >= least && mean * f64::from(extent) >= faint
}

/// From the first to the last of some rows or columns, both included.
fn length_of(places: impl Iterator<Item = usize> + Clone) -> f32 {
    let first = places.clone().min().unwrap_or(0);
    let last = places.max().unwrap_or(0);
    (last - first + 1) as f32
}

/// The same with every pixel half of whose neighbours are of it.
pub(super) fn without_gaps(scratches: &[bool], size: [usize; 2]) -> Vec<bool> {
    let of_scratch = |place: usize| around(place, size).filter(|&near| scratches[near]).count();
    let places = 0..scratches.len();
    let filled = places.map(|place| scratches[place] || of_scratch(place) >= NEIGHBOURS_TO_JOIN);
    filled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeros but for these strengths along the diagonal from the top left corner.
    fn diagonal(strengths: &[f32]) -> Grid {
        let mut grid = Grid {
            values: vec![0.0; 40 * 50],
            height: 40,
            width: 50,
        };
        for (step, strength) in strengths.iter().enumerate() {
            grid.values[51 * step] = *strength;
        }
        grid
    }

    fn count(strengths: &[f32]) -> usize {
        let found = long_components(&diagonal(strengths), 4.0);
        found.into_iter().filter(|&found| found).count()
    }

    #[test]
    fn a_piece_is_kept_where_it_is_long_and_stands_out_somewhere() {
        // 30 pixels of a diagonal are 42.4 long, a little more than twice the least.
        assert_eq!(count(&[5.0; 30]), 30);
        assert_eq!(count(&[&[9.0_f32][..], &[3.9; 29]].concat()), 30);
        assert_eq!(count(&[3.9; 30]), 0, "nowhere strong enough");
        assert_eq!(
            count(&[&[5.0_f32; 14][..], &[1.9], &[5.0; 14]].concat()),
            0,
            "in two pieces"
        );
    }

    #[test]
    fn a_strong_piece_may_be_shorter_and_a_very_short_one_is_none() {
        assert_eq!(count(&[5.0; 15]), 0);
        assert_eq!(count(&[9.0; 15]), 15);
        assert_eq!(count(&[1000.0; 14]), 0);
    }

    #[test]
    fn a_gap_is_filled_and_a_single_pixel_stays_single() {
        let mut scratches = vec![false; 25];
        scratches[..10].fill(true);
        scratches[7] = false;
        scratches[23] = true;
        let filled = without_gaps(&scratches, [5, 5]);
        assert!(filled[7]);
        assert_eq!(filled.iter().filter(|&&is| is).count(), 11);
    }
}
