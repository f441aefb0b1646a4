//! Cut a picture into tiles that overlap by what a pixel sees, so that no seam can be seen.

use core::ops::Range;

use ebm_model::Locality;

/// A part of a picture: what is computed, and what of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    /// Rows and columns that are computed, beyond the picture's end up to the next whole divisor.
    outer: [Range<usize>; 2],
    /// Rows and columns that are kept.
    core: [Range<usize>; 2],
}

impl Tile {
    /// A picture of `size`, height and width, in one piece.
    pub(super) fn whole(size: [usize; 2]) -> Self {
        let all = size.map(|length| 0..length);
        Self {
            outer: all.clone(),
            core: all,
        }
    }

    /// Height and width of what is computed.
    pub(super) fn size(&self) -> [usize; 2] {
        self.outer.clone().map(|range| range.len())
    }

    pub(super) fn rows(&self) -> Range<usize> {
        self.outer[0].clone()
    }

    pub(super) fn columns(&self) -> Range<usize> {
        self.outer[1].clone()
    }

    /// Copy what is kept of a plane of this tile into a plane of the picture of so many columns.
    pub(super) fn copy_core(&self, tile: &[f32], picture: &mut [f32], width: usize) {
        let [rows, columns] = &self.core;
        for row in rows.clone() {
            let from = (row - self.outer[0].start) * self.outer[1].len();
            let from = from + columns.start - self.outer[1].start;
            let to = row * width + columns.start;
            picture[to..to + columns.len()].copy_from_slice(&tile[from..from + columns.len()]);
        }
    }
}

/// The place in a line of `length` that stands for `place` beyond its end: the line mirrored there.
pub(super) fn mirrored(place: usize, length: usize) -> usize {
    let round = (2 * length).saturating_sub(2).max(1);
    let place = place % round;
    place.min(round - place).min(length - 1)
}

/// Tiles that cover a picture of `size`, of at most `side` pixels a side, or three times what a pixel sees where that
/// is more; tiles of one size stand together.
pub(super) fn tiles(size: [usize; 2], side: usize, locality: Locality) -> Vec<Tile> {
    let [rows, columns] = size.map(|length| spans(length, side, locality));
    let mut tiles: Vec<Tile> = Vec::with_capacity(rows.len() * columns.len());
    for row in &rows {
        for column in &columns {
            tiles.push(Tile {
                outer: [row.outer.clone(), column.outer.clone()],
                core: [row.core.clone(), column.core.clone()],
            });
        }
    }
    tiles.sort_by_key(Tile::size);
    tiles
}

/// A tile along one side.
struct Span {
    outer: Range<usize>,
    core: Range<usize>,
}

fn spans(length: usize, side: usize, locality: Locality) -> Vec<Span> {
    let divisor = locality.divisor;
    let padded = length.next_multiple_of(divisor);
    let margin = locality.reach.next_multiple_of(divisor);
    if padded <= side {
        return vec![Span {
            outer: 0..padded,
            core: 0..length,
        }];
    }
    let room = side.saturating_sub(2 * margin) / divisor * divisor;
    let step = room.max(margin);
    (0..length)
        .step_by(step)
        .map(|start| {
            let end = (start + step).min(padded);
            Span {
                outer: start.saturating_sub(margin)..(end + margin).min(padded),
                core: start..end.min(length),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCALITY: Locality = Locality {
        reach: 5,
        divisor: 4,
    };

    #[test]
    fn every_pixel_is_kept_once_with_all_that_it_sees() {
        for size in [[3, 4], [40, 41], [64, 19], [33, 100]] {
            for side in [4, 24, 32, 64] {
                let [height, width] = size;
                let mut kept = vec![0; height * width];
                for tile in tiles(size, side, LOCALITY) {
                    let [tall, wide] = tile.size();
                    assert_eq!((tall % 4, wide % 4), (0, 0));
                    for (outer, (core, length)) in tile.outer.iter().zip(tile.core.iter().zip(size))
                    {
                        assert_eq!(outer.start % 4, 0, "the grid of halvings stays");
                        assert!(outer.start == 0 || outer.start + 5 <= core.start);
                        let end = length.next_multiple_of(4);
                        assert!(outer.end == end || core.end + 5 <= outer.end);
                        assert!(outer.end <= end);
                    }
                    if side >= 24 {
                        assert!(tall <= side && wide <= side, "{tile:?}");
                    }
                    for row in tile.core[0].clone() {
                        for column in tile.core[1].clone() {
                            kept[row * width + column] += 1;
                        }
                    }
                }
                assert!(kept.iter().all(|&times| times == 1), "{size:?} {side}");
            }
        }
    }

    #[test]
    fn beyond_its_end_a_line_comes_back() {
        let line = |length| {
            (0..6)
                .map(|place| mirrored(place, length))
                .collect::<Vec<_>>()
        };
        assert_eq!(line(4), [0, 1, 2, 3, 2, 1]);
        assert_eq!(line(2), [0, 1, 0, 1, 0, 1]);
        assert_eq!(line(1), [0; 6]);
    }

    #[test]
    fn the_core_of_a_tile_goes_where_it_belongs() {
        let size = [10, 9];
        let picture: Vec<f32> = (0..90).map(|place| place as f32).collect();
        let mut copy = vec![-1.0; 90];
        for tile in tiles(size, 16, LOCALITY) {
            let seen = tile.rows().flat_map(|row| {
                let picture = &picture;
                let columns = tile.columns();
                columns.map(move |column| picture[mirrored(row, 10) * 9 + mirrored(column, 9)])
            });
            let seen: Vec<f32> = seen.collect();
            tile.copy_core(&seen, &mut copy, 9);
        }
        assert_eq!(copy, picture);
    }
}
