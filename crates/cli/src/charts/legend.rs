//! Say what the colours of a chart mean, in rows above its panels.

use plotters::coord::Shift;
use plotters::prelude::{
    Color, DrawResult, DrawingArea, DrawingBackend, PathElement, RGBColor, Rectangle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::text;

/// Pixels of a row, of the margin around all, of a mark, and after an entry.
const ROW: i32 = 20;
const MARGIN: i32 = 10;
const MARK: i32 = 18;
const GAP: i32 = 22;
/// Pixels between a mark and its name.
const SPACE: i32 = 6;

/// Names of colours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Legend(pub(crate) Vec<Entry>);

/// A name, with the mark that it explains.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) color: RGBColor,
    pub(crate) mark: Mark,
}

/// What is in the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Line,
    /// A line behind others.
    Faint,
    Dashes,
    Area,
}

/// A legend whose entries have their places.
pub(super) struct Placed {
    /// Left end and middle of each.
    entries: Vec<(i32, i32, Entry)>,
    rows: i32,
}

impl Legend {
    /// The legend in rows of so many pixels.
    pub(super) fn placed(self, width: u32) -> Placed {
        let width = width as i32;
        let (mut x, mut rows) = (MARGIN, i32::from(!self.0.is_empty()));
        let mut entries = Vec::new();
        for mut entry in self.0 {
            let most = width - 2 * MARGIN - MARK - SPACE;
            entry.name = text::fitting(&entry.name, text::LABEL, most.max(0) as u32);
            let len = MARK + SPACE + text::width(&entry.name, text::LABEL) as i32;
            if x > MARGIN && x + len > width - MARGIN {
                (x, rows) = (MARGIN, rows + 1);
            }
            entries.push((x, MARGIN / 2 + rows * ROW - ROW / 2, entry));
            x += len + GAP;
        }
        Placed { entries, rows }
    }
}

impl Placed {
    /// Pixels that it takes.
    pub(super) fn height(&self) -> u32 {
        match self.rows {
            0 => 0,
            rows => (rows * ROW + MARGIN / 2) as u32,
        }
    }

    pub(super) fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> DrawResult<(), B> {
        let style = text::style(text::LABEL).pos(Pos::new(HPos::Left, VPos::Center));
        for (x, y, entry) in &self.entries {
            entry.draw_mark(area, *x, *y)?;
            area.draw_text(&entry.name, &style, (x + MARK + SPACE, *y))?;
        }
        Ok(())
    }
}

impl Entry {
    fn draw_mark<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        x: i32,
        y: i32,
    ) -> DrawResult<(), B> {
        let line = |from: i32, to: i32| vec![(x + from, y), (x + to, y)];
        let bold = self.color.stroke_width(2);
        match self.mark {
            Mark::Line => area.draw(&PathElement::new(line(0, MARK), bold)),
            Mark::Faint => {
                let faint = self.color.mix(super::curves::FAINT);
                area.draw(&PathElement::new(line(0, MARK), faint.stroke_width(2)))
            }
            Mark::Dashes => (0..MARK).step_by(7).try_for_each(|from| {
                let to = (from + 4).min(MARK);
                area.draw(&PathElement::new(line(from, to), bold))
            }),
            Mark::Area => {
                let corners = [(x + 3, y - 6), (x + MARK - 3, y + 6)];
                area.draw(&Rectangle::new(corners, self.color.filled()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::color;

    fn legend(names: &[&str]) -> Legend {
        let entries = names.iter().map(|name| Entry {
            name: (*name).to_owned(),
            color: color(0),
            mark: Mark::Line,
        });
        Legend(entries.collect())
    }

    #[test]
    fn entries_go_on_in_the_next_row_where_the_picture_ends() {
        assert_eq!(legend(&[]).placed(400).height(), 0);
        let names = ["a run", "another run", "one more run", "the last run"];
        let wide = legend(&names).placed(2000);
        assert_eq!(wide.rows, 1);
        let narrow = legend(&names).placed(200);
        assert!(narrow.rows > 1 && narrow.height() > wide.height());
        for (x, _, entry) in &narrow.entries {
            let end = x + MARK + SPACE + text::width(&entry.name, text::LABEL) as i32;
            assert!(end <= 200, "{} ends at {end}", entry.name);
        }
    }
}
