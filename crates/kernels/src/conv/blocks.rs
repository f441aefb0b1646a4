//! Define the layout of a packed matrix: blocks of a few rows, stored column after column.

/// Rows of a block; the last block of a matrix may have fewer.
pub(super) const ROWS: usize = 6;

/// Row and column of the element at an index of a packed matrix.
pub(super) fn position(index: usize, [rows, columns]: [usize; 2]) -> [usize; 2] {
    let first_row = index / columns / ROWS * ROWS;
    let block_rows = ROWS.min(rows - first_row);
    let in_block = index - first_row * columns;
    [first_row + in_block % block_rows, in_block / block_rows]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_of_a_packed_matrix_has_a_position_of_its_own() {
        for [rows, columns] in [[1, 1], [13, 5], [12, 3], [29, 7]] {
            let mut seen = vec![false; rows * columns];
            for index in 0..rows * columns {
                let [row, column] = position(index, [rows, columns]);
                assert!(row < rows && column < columns);
                assert!(!std::mem::replace(&mut seen[row * columns + column], true));
            }
        }
    }
}
