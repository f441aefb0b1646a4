//! Draw the axes of a panel, with their titles, and hand out the room between them.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::prelude::{BLACK, Color, DrawResult, DrawingArea, DrawingBackend};

use super::axis::Axis;
use super::text;
use crate::printable::printable;

/// Pixels around a panel, and of a tick.
const MARGIN: i32 = 8;
const TICK: u32 = 4;
/// Pixels between a tick and its label, of a line of text, and between texts.
const LABEL_DISTANCE: u32 = 2 * TICK;
const LINE: u32 = 16;
const SPACE: u32 = 4;

/// About so many ticks on an axis.
pub(super) const X_TICKS: usize = 6;
pub(super) const Y_TICKS: usize = 5;

/// What surrounds the values of a panel. Texts that are empty take no room.
pub(super) struct Frame<'a> {
    pub(super) caption: &'a str,
    pub(super) x_title: &'a str,
    pub(super) y_title: &'a str,
    pub(super) x: Axis,
    pub(super) y: Axis,
}

/// The room between the axes.
pub(super) type Plot<'a, B> = ChartContext<'a, B, Cartesian2d<Axis, Axis>>;

impl Frame<'_> {
    /// Draw all of it.
    pub(super) fn draw<'b, B: DrawingBackend>(
        self,
        area: &DrawingArea<B, Shift>,
    ) -> DrawResult<Plot<'b, B>, B> {
        let [below, left] = [self.room_below(), self.room_to_the_left()];
        let mut builder = ChartBuilder::on(area);
        builder
            .margin(MARGIN)
            .margin_right(2 * MARGIN)
            .x_label_area_size(below)
            .y_label_area_size(left);
        if !self.caption.is_empty() {
            builder.caption(printable(self.caption), text::style(text::CAPTION));
        }
        let mut plot = builder.build_cartesian_2d(self.x, self.y)?;
        {
            let mut mesh = plot.configure_mesh();
            mesh.set_all_tick_mark_size(TICK)
                .label_style(text::style(text::LABEL))
                .axis_desc_style(text::style(text::TITLE))
                .bold_line_style(BLACK.mix(0.1));
            if !self.x_title.is_empty() {
                mesh.x_desc(printable(self.x_title));
            }
            if !self.y_title.is_empty() {
                mesh.y_desc(printable(self.y_title));
            }
            mesh.draw()?;
        }
        Ok(plot)
    }

    /// Pixels of the labels below, be they at ticks or of groups, and of the title.
    fn room_below(&self) -> u32 {
        let title = if self.x_title.is_empty() { 0 } else { LINE };
        LABEL_DISTANCE + LINE + title
    }

    fn room_to_the_left(&self) -> u32 {
        let widths = self.y.labels().map(|label| text::width(label, text::LABEL));
        let labels = widths
            .max()
            .map_or(0, |width| width + LABEL_DISTANCE + SPACE);
        let title = if self.y_title.is_empty() {
            0
        } else {
            LINE + SPACE
        };
        labels + title
    }
}
