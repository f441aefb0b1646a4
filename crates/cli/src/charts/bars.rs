//! Draw bars side by side: shares of classes, speeds of devices, entropies of predictions.

use plotters::coord::Shift;
use plotters::prelude::{
    BLACK, DrawResult, DrawingArea, DrawingBackend, PathElement, RGBColor, Rectangle,
};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, Scale};
use super::canvas::{Chart, PANEL};
use super::frame::{Frame, Plot, Y_TICKS};
use super::legend::Legend;
use super::text;

/// Share of the room of a group that its bars take.
const FILLED: f64 = 0.8;
/// The highest bar ends at this share of the axis.
const HIGHEST: f64 = 0.93;
/// Half the width of the ends of a whisker, in pixels.
const CAP: i32 = 4;
/// Pixels from the axis to the names of groups.
const BELOW: i32 = 8;
/// Pixels beside the name of a group, and beside the room of all groups, for an axis.
const GAP: u32 = 8;
const ASIDE: u32 = 100;

/// A bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bar {
    /// Index of its group.
    pub(crate) group: usize,
    pub(crate) color: RGBColor,
    pub(crate) value: f64,
    /// The lower and the higher end of what was seen of the value.
    pub(crate) spread: Option<(f64, f64)>,
}

/// Groups of bars that share their axes.
#[derive(Clone, Debug)]
pub(crate) struct BarPanel {
    pub(crate) caption: String,
    pub(crate) x_title: String,
    pub(crate) y_title: String,
    /// The most that a value can be, where the axis ends; else it ends above the bars.
    pub(crate) y_max: Option<f64>,
    /// What is written below the bars.
    pub(crate) groups: Vec<String>,
    /// From left to right within their group.
    pub(crate) bars: Vec<Bar>,
}

/// Panels of bars, below one legend.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    pub(crate) panels: Vec<BarPanel>,
    pub(crate) legend: Legend,
}

impl Chart for Bars {
    fn num_panels(&self) -> usize {
        self.panels.len()
    }

    /// A panel alone is as wide as the names of its groups need, and at most as two.
    fn panel_size(&self) -> (u32, u32) {
        let (width, height) = PANEL;
        match &self.panels[..] {
            [alone] => (alone.needed().clamp(width, 2 * width), height),
            _ => PANEL,
        }
    }

    fn legend(&self) -> Legend {
        self.legend.clone()
    }

    fn draw_panel<B: DrawingBackend>(
        &self,
        index: usize,
        area: &DrawingArea<B, Shift>,
    ) -> DrawResult<(), B> {
        let panel = &self.panels[index];
        let frame = Frame {
            caption: &panel.caption,
            x_title: &panel.x_title,
            y_title: &panel.y_title,
            x: Axis::bare(0.0, panel.groups.len() as f64),
            y: Axis::between(Scale::Linear, (0.0, panel.top()), Y_TICKS),
        };
        let mut plot = frame.draw(area)?;
        for (bar, [left, right]) in panel.bars.iter().zip(panel.places()) {
            let corners = [(left, 0.0), (right, bar.value)];
            plot.draw_series([Rectangle::new(corners, bar.color.filled())])?;
            if let Some(spread) = bar.spread {
                draw_whisker(&plot, (left + right) / 2.0, spread)?;
            }
        }
        panel.draw_groups(area, &plot)
    }
}

impl BarPanel {
    /// The upper end of the axis.
    fn top(&self) -> f64 {
        let ends = self.bars.iter().map(|bar| {
            let (_, high) = bar.spread.unwrap_or((0.0, 0.0));
            bar.value.max(high)
        });
        let highest = ends.fold(0.0, f64::max);
        match self.y_max {
            Some(most) => highest.max(most),
            None if highest > 0.0 => highest / HIGHEST,
            None => 1.0,
        }
    }

    /// Pixels of the widest name of a group.
    fn widest(&self) -> u32 {
        let names = self.groups.iter();
        let widths = names.map(|name| text::width(name, text::LABEL) + GAP);
        widths.max().unwrap_or(0)
    }

    /// Pixels in which every group has its name.
    fn needed(&self) -> u32 {
        ASIDE + self.widest() * self.groups.len() as u32
    }

    /// The left and the right end of each bar, where a group takes the room from its index to the next.
    fn places(&self) -> impl Iterator<Item = [f64; 2]> {
        let of = |group: usize| self.bars.iter().filter(move |bar| bar.group == group);
        self.bars.iter().enumerate().map(move |(index, bar)| {
            let width = FILLED / of(bar.group).count() as f64;
            let before = self.bars[..index].iter();
            let before = before.filter(|other| other.group == bar.group).count();
            let left = bar.group as f64 + (1.0 - FILLED) / 2.0 + before as f64 * width;
            [left, left + width]
        })
    }

    /// Write the names of groups below them, of as many as there is room for.
    fn draw_groups<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        plot: &Plot<'_, B>,
    ) -> DrawResult<(), B> {
        let (width, _) = plot.plotting_area().dim_in_pixel();
        let room = width / self.groups.len().max(1) as u32;
        let widest = self.widest().min(width);
        let every = widest.div_ceil(room.max(1)).max(1) as usize;
        let style = text::style(text::LABEL).pos(Pos::new(HPos::Center, VPos::Top));
        let (left, top) = area.get_base_pixel();
        for (group, name) in self.groups.iter().enumerate().step_by(every) {
            let (x, y) = plot.backend_coord(&(group as f64 + 0.5, 0.0));
            let name = text::fitting(name, text::LABEL, width);
            area.draw_text(&name, &style, (x - left, y - top + BELOW))?;
        }
        Ok(())
    }
}

/// A line from one end to the other, with caps.
fn draw_whisker<B: DrawingBackend>(
    plot: &Plot<'_, B>,
    x: f64,
    (low, high): (f64, f64),
) -> DrawResult<(), B> {
    let picture = plot.plotting_area().use_screen_coord();
    let [low, high] = [low, high].map(|end| plot.backend_coord(&(x, end)));
    let cap = |(x, y): (i32, i32)| vec![(x - CAP, y), (x + CAP, y)];
    [vec![low, high], cap(low), cap(high)]
        .into_iter()
        .try_for_each(|line| picture.draw(&PathElement::new(line, BLACK)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::{color, svg};

    fn panel() -> BarPanel {
        let bar = |group, index, value, spread| Bar {
            group,
            color: color(index),
            value,
            spread,
        };
        BarPanel {
            caption: "uva chain".to_owned(),
            x_title: "batch".to_owned(),
            y_title: "image-steps/s".to_owned(),
            y_max: None,
            groups: vec!["64".to_owned(), "128".to_owned()],
            bars: vec![
                bar(0, 0, 40.0, Some((30.0, 93.0))),
                bar(0, 1, 80.0, None),
                bar(1, 1, 60.0, None),
            ],
        }
    }

    #[test]
    fn bars_of_a_group_share_its_room() {
        let near = |one: f64, other: f64| (one - other).abs() < 1e-12;
        let expected = [[0.1, 0.5], [0.5, 0.9], [1.1, 1.9]];
        let panel = panel();
        assert_eq!(panel.places().count(), 3);
        for (place, expected) in panel.places().zip(expected) {
            assert!(near(place[0], expected[0]) && near(place[1], expected[1]));
        }
        assert_eq!(panel.top(), 100.0);
    }

    #[test]
    fn an_axis_ends_where_values_do_unless_a_whisker_goes_on() {
        let with = |y_max| BarPanel {
            y_max: Some(y_max),
            ..panel()
        };
        assert_eq!((with(200.0).top(), with(90.0).top()), (200.0, 93.0));
    }

    #[test]
    fn a_chart_names_its_groups_and_axes_and_has_whiskers() {
        let with = |spread| {
            let mut panel = panel();
            panel.bars[0].spread = spread;
            let panels = vec![panel];
            let legend = Legend::default();
            svg(&Bars { panels, legend }).expect("drawn")
        };
        let (plain, drawn) = (with(None), with(Some((30.0, 50.0))));
        for name in ["uva chain", "image-steps/s", "batch", "64", "128"] {
            assert!(drawn.contains(&format!("\n{name}\n")), "{name}: {drawn}");
        }
        assert_eq!(drawn.matches("#286EBE").count(), 2, "{drawn}");
        let lines = |svg: &str| svg.matches("<polyline").count();
        assert_eq!(lines(&drawn), lines(&plain) + 3);
    }

    #[test]
    fn a_hundred_names_are_thinned_until_they_fit() {
        let groups: Vec<_> = (0..100).map(|group| format!("class {group}")).collect();
        let panels = vec![BarPanel { groups, ..panel() }];
        let legend = Legend::default();
        let drawn = svg(&Bars { panels, legend }).expect("drawn");
        let names = drawn.matches("\nclass ").count();
        assert!((2..=20).contains(&names), "{names}");
    }

    #[test]
    fn a_panel_alone_is_as_wide_as_its_names_need() {
        let with = |num: usize, groups: usize| {
            let groups = (0..groups).map(|group| format!("turned by {group}°"));
            let panel = BarPanel {
                groups: groups.collect(),
                ..panel()
            };
            let panels = vec![panel; num];
            let legend = Legend::default();
            Bars { panels, legend }
        };
        let seven = with(1, 7);
        let drawn = svg(&seven).expect("drawn");
        assert_eq!(drawn.matches("\nturned by ").count(), 7, "{drawn}");
        let width = seven.panel_size().0;
        assert!((421..840).contains(&width), "{width}");
        let others = [with(1, 2), with(1, 90), with(2, 90)];
        let widths = others.map(|bars| bars.panel_size().0);
        assert_eq!(widths, [420, 840, 420]);
    }
}
