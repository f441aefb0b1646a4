//! Lay out tables that read well on a terminal and in a pipe: columns two spaces apart, no lines.

use comfy_table::CellAlignment;
use comfy_table::presets::NOTHING;

/// A table without lines.
#[derive(Debug)]
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// A table without a header.
    pub(crate) fn new() -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING);
        Self(table)
    }

    /// A table with a header.
    pub(crate) fn with_header<'a>(header: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Self::new();
        table.0.set_header(header);
        table
    }

    /// Add a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.add_row(cells);
    }

    /// The lines, with the columns from `first_number` on aligned to the right.
    pub(crate) fn render(mut self, first_number: usize) -> String {
        for (index, column) in self.0.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if index >= first_number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.0.trim_fmt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_two_spaces_apart_and_numbers_end_below_each_other() {
        let mut table = Table::with_header(["name", "ms"]);
        table.row(["a long one".into(), "7.5".into()]);
        table.row(["b".into(), "100.0".into()]);
        let expected = "name           ms\na long one    7.5\nb           100.0";
        assert_eq!(table.render(1), expected);
    }

    #[test]
    fn no_line_ends_in_spaces() {
        let mut table = Table::new();
        table.row(["cpu".into(), "two threads".into()]);
        table.row(["wgpu:10".into(), "–".into()]);
        assert_eq!(table.render(2), "cpu      two threads\nwgpu:10  –");
    }
}
