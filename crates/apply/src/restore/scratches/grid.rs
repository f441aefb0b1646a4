//! Hold one plane of values, and turn, halve and scale it.

/// Row-major values, `[height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) values: Vec<f32>,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Grid {
    /// Zeros in the same size.
    pub(super) fn zeros_like(&self) -> Self {
        Self {
            values: vec![0.0; self.values.len()],
            ..*self
        }
    }

    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }

    /// The row so many rows below; the first or last row for one beyond it.
    pub(super) fn row_from(&self, row: usize, down: isize) -> &[f32] {
        self.row(row.saturating_add_signed(down).min(self.height - 1))
    }

    pub(super) fn times(&self, factor: f32) -> Self {
        Self {
            values: self.values.iter().map(|value| factor * value).collect(),
            ..*self
        }
    }

    /// Columns as rows.
    pub(super) fn transposed(&self) -> Self {
        let column = |column: usize| self.values.iter().skip(column).step_by(self.width);
        Self {
            values: (0..self.width).flat_map(column).copied().collect(),
            height: self.width,
            width: self.height,
        }
    }

    /// The means of squares of two by two; an odd last row or column is left out.
    pub(super) fn halved(&self) -> Self {
        let (height, width) = (self.height / 2, self.width / 2);
        let mean = |place: usize| {
            let (row, column) = (2 * (place / width), 2 * (place % width));
            let (above, below) = (self.row(row), self.row(row + 1));
            let diagonals = [
                above[column] + below[column + 1],
                above[column + 1] + below[column],
            ];
            (diagonals[0] + diagonals[1]) / 4.0
        };
        Self {
            values: (0..height * width).map(mean).collect(),
            height,
            width,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(height: usize, width: usize) -> Grid {
        Grid {
            values: (0..height * width).map(|place| place as f32).collect(),
            height,
            width,
        }
    }

    #[test]
    fn columns_become_rows_and_back() {
        let grid = counting(2, 3);
        let turned = grid.transposed();
        assert_eq!(turned.values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(turned.transposed(), grid);
    }

    #[test]
    fn an_odd_last_row_and_column_are_left_out_of_the_half() {
        let half = counting(3, 5).halved();
        assert_eq!((half.height, half.width), (1, 2));
        assert_eq!(half.values, [3.0, 5.0]);
    }

    #[test]
    fn rows_beyond_the_grid_are_its_first_and_last() {
        let grid = counting(2, 2);
        assert_eq!(grid.row_from(0, -3), [0.0, 1.0]);
        assert_eq!(grid.row_from(0, 1), [2.0, 3.0]);
        assert_eq!(grid.row_from(1, 9), [2.0, 3.0]);
    }
}
