//! Measure values by how much those around them vary, so that texture counts for less than the same in a plain area.

use std::ops::Range;

use rayon::prelude::*;

use super::grid::Grid;

/// Side of the blocks that are measured, about.
const BLOCK: usize = 32;
/// Standard deviation of a normal distribution over its median absolute deviation.
const STD_OF_MAD: f32 = 1.4826;
/// The least standard deviation that is believed: a step of 8 bits.
const LEAST_STD: f32 = 1.0 / 255.0;

/// The middle of some values, and how far they lie from it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    median: f32,
    std: f32,
}

impl Level {
    fn of(mut values: Vec<f32>) -> Self {
        let middle = median(&mut values);
        for value in &mut values {
            *value = (*value - middle).abs();
        }
        Self {
            median: middle,
            std: (STD_OF_MAD * median(&mut values)).max(LEAST_STD),
        }
    }

    /// The greater of each.
    fn at_least(self, other: Self) -> Self {
        Self {
            median: self.median.max(other.median),
            std: self.std.max(other.std),
        }
    }

    /// Between this (0) and another level (1).
    fn towards(self, other: Self, share: f32) -> Self {
        let between = |from: f32, to: f32| from + share * (to - from);
        Self {
            median: between(self.median, other.median),
            std: between(self.std, other.std),
        }
    }
}

/// The upper median.
///
/// # Panics
/// If there are no values.
fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// How far each value is above the median around it, in standard deviations around it; both are of blocks, blended
/// from one to the next, and neither is less than that of all values.
///
/// # Panics
/// If there are no values.
pub(super) fn standardised(mut grid: Grid) -> Grid {
    let (height, width) = (grid.height, grid.width);
    let [down, across] = [height, width].map(blocks_along);
    let all = Level::of(grid.values.clone());
    let of_block = |block: usize| {
        let rows = block_range(block / across, down, height);
        let columns = block_range(block % across, across, width);
        let values = rows.flat_map(|row| &grid.row(row)[columns.clone()]);
        Level::of(values.copied().collect()).at_least(all)
    };
    let levels: Vec<Level> = (0..down * across).map(of_block).collect();
    let columns = (0..width).map(|column| blend_at(column, width, across));
    let columns: Vec<Blend> = columns.collect();
    let rows = grid.values.par_chunks_mut(width).enumerate();
    rows.for_each(|(row, values)| {
        let vertical = blend_at(row, height, down);
        let [above, below] =
            [vertical.from, vertical.to].map(|it| &levels[it * across..][..across]);
        let levels = above.iter().zip(below);
        let levels = levels.map(|(above, below)| above.towards(*below, vertical.share));
        let levels: Vec<Level> = levels.collect();
        for (value, blend) in values.iter_mut().zip(&columns) {
            let level = levels[blend.from].towards(levels[blend.to], blend.share);
            *value = (*value - level.median) / level.std;
        }
    });
    grid
}

/// How many blocks a side is cut into.
fn blocks_along(length: usize) -> usize {
    ((length + BLOCK / 2) / BLOCK).max(1)
}

/// The pixels of one of so many blocks along a side.
fn block_range(block: usize, blocks: usize, length: usize) -> Range<usize> {
    block * length / blocks..(block + 1) * length / blocks
}

/// Two blocks between whose middles a pixel lies, and how far it is on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Blend {
    from: usize,
    to: usize,
    share: f32,
}

fn blend_at(place: usize, length: usize, blocks: usize) -> Blend {
    let at = (place as f32 + 0.5) * blocks as f32 / length as f32 - 0.5;
    let at = at.clamp(0.0, (blocks - 1) as f32);
    let from = at as usize;
    Blend {
        from,
        to: (from + 1).min(blocks - 1),
        share: at - from as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_of_most_values_and_not_of_the_few_far_away() {
        let mut values: Vec<f32> = (0..101).map(|place| place as f32).collect();
        values[100] = 1e6;
        let level = Level::of(values);
        assert_eq!((level.median, level.std), (50.0, STD_OF_MAD * 25.0));
        assert_eq!(Level::of(vec![3.0; 5]).std, LEAST_STD);
    }

    #[test]
    fn blocks_cover_a_side_and_are_blended_from_middle_to_middle() {
        assert_eq!([1, 47, 48, 100].map(blocks_along), [1, 1, 2, 3]);
        let ranges = [0, 1, 2].map(|block| block_range(block, 3, 100));
        assert_eq!(ranges, [0..33, 33..66, 66..100]);
        let blend = |place| {
            let Blend { from, to, share } = blend_at(place, 64, 2);
            (from, to, share)
        };
        assert_eq!(blend(0), (0, 1, 0.0));
        assert_eq!(blend(32), (0, 1, 0.515_625));
        assert_eq!(blend(63), (1, 1, 0.0));
        let alone = blend_at(5, 9, 1);
        assert_eq!((alone.from, alone.to, alone.share), (0, 0, 0.0));
    }

    #[test]
    fn a_value_is_measured_by_those_around_it() {
        // The right half varies ten times as much as the left one.
        let value = |place: usize| {
            let size = if place % 128 < 64 { 0.02 } else { 0.2 };
            size * (place * 7 % 11) as f32
        };
        let grid = Grid {
            values: (0..64 * 128).map(value).collect(),
            height: 64,
            width: 128,
        };
        let measured = standardised(grid.clone());
        let largest = |columns: Range<usize>| {
            let values = measured.row(32)[columns].iter().copied();
            values.fold(f32::MIN, f32::max)
        };
        assert!(largest(112..128) < 3.0, "{}", largest(112..128));
        assert!(largest(0..16) < 3.0, "{}", largest(0..16));
    }
}
