//! Draw curves: what changes along a run or a chain.

use plotters::coord::Shift;
use plotters::prelude::{
    Circle, Color, DashedLineSeries, DrawResult, DrawingArea, DrawingBackend, PathElement, RGBColor,
};

use super::axis::{Axis, Scale, ends_of};
use super::canvas::Chart;
use super::frame::{Frame, Plot, X_TICKS, Y_TICKS};
use super::legend::Legend;
use super::thin::thinned;

/// Opacity of a curve behind others.
pub(super) const FAINT: f64 = 0.3;
/// Share of what is between the ends of the values that lies beyond each of them.
const MARGIN: f64 = 0.03;

/// A curve.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) color: RGBColor,
    /// Whether it is behind others.
    pub(crate) is_faint: bool,
    /// Places and values. A value that is not finite leaves a gap.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A vertical line that marks a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) x: f64,
    pub(crate) color: RGBColor,
}

/// Curves that share their axes.
#[derive(Clone, Debug)]
pub(crate) struct CurvePanel {
    pub(crate) x_title: String,
    pub(crate) y_title: String,
    pub(crate) scale: Scale,
    pub(crate) curves: Vec<Curve>,
    pub(crate) rules: Vec<Rule>,
}

/// Panels of curves, below one legend.
#[derive(Clone, Debug)]
pub(crate) struct Curves {
    pub(crate) panels: Vec<CurvePanel>,
    pub(crate) legend: Legend,
}

impl Chart for Curves {
    fn num_panels(&self) -> usize {
        self.panels.len()
    }

    fn panel_size(&self) -> (u32, u32) {
        match self.panels.len() {
            1 => (720, 360),
            _ => (520, 280),
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
        let (x, y) = self.axes_of(panel);
        let mut plot = Frame {
            caption: "",
            x_title: &panel.x_title,
            y_title: &panel.y_title,
            x: x.clone(),
            y: y.clone(),
        }
        .draw(area)?;
        for rule in panel.rules.iter().filter(|rule| x.contains(rule.x)) {
            let ends = y.ends().map(|end| (rule.x, end));
            let style = rule.color.stroke_width(1);
            plot.draw_series(DashedLineSeries::new(ends, 5, 4, style))?;
        }
        let (faint, others): (Vec<_>, Vec<_>) =
            panel.curves.iter().partition(|curve| curve.is_faint);
        faint
            .into_iter()
            .chain(others)
            .try_for_each(|curve| curve.draw(&plot))
    }
}

impl Curves {
    /// Axes on which all values of a panel are; places are those of all panels, so that they can be compared.
    fn axes_of(&self, panel: &CurvePanel) -> (Axis, Axis) {
        let shown = self.panels.iter().flat_map(CurvePanel::shown);
        let xs = ends_of(shown.map(|point| point.0)).unwrap_or((0.0, 1.0));
        let ys = ends_of(panel.shown().map(|point| point.1)).unwrap_or((0.0, 1.0));
        (
            Axis::around(Scale::Linear, xs, MARGIN, X_TICKS),
            Axis::around(panel.scale, ys, MARGIN, Y_TICKS),
        )
    }
}

impl CurvePanel {
    /// The points that can be shown.
    fn shown(&self) -> impl Iterator<Item = &(f64, f64)> {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        points.filter(|(x, y)| x.is_finite() && y.is_finite())
    }
}

impl Curve {
    /// Draw what can be seen of it; a value between gaps is a dot.
    fn draw<B: DrawingBackend>(&self, plot: &Plot<'_, B>) -> DrawResult<(), B> {
        let pixels = self.points.iter().map(|point| {
            let is_finite = point.0.is_finite() && point.1.is_finite();
            is_finite.then(|| plot.backend_coord(point))
        });
        let color = self.color.mix(if self.is_faint { FAINT } else { 1.0 });
        let picture = plot.plotting_area().use_screen_coord();
        for curve in thinned(pixels) {
            if curve.len() == 1 {
                picture.draw(&Circle::new(curve[0], 2, color.filled()))?;
            } else {
                picture.draw(&PathElement::new(curve, color))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::{Entry, Mark, color, svg};

    fn panel(points: Vec<(f64, f64)>) -> CurvePanel {
        CurvePanel {
            x_title: "iteration".to_owned(),
            y_title: "loss".to_owned(),
            scale: Scale::Linear,
            curves: vec![Curve {
                color: color(0),
                is_faint: false,
                points,
            }],
            rules: Vec::new(),
        }
    }

    fn drawn(panels: Vec<CurvePanel>) -> String {
        let entry = Entry {
            name: "digits".to_owned(),
            color: color(0),
            mark: Mark::Line,
        };
        let legend = Legend(vec![entry]);
        svg(&Curves { panels, legend }).expect("drawn")
    }

    /// Paths in the first colour, the legend's first.
    fn paths(svg: &str) -> Vec<&str> {
        let is_path = |line: &&str| line.starts_with("<polyline") && line.contains("#C83C32");
        svg.lines().filter(is_path).collect()
    }

    #[test]
    fn a_chart_names_its_axes_and_its_curves() {
        let svg = drawn(vec![panel(vec![(1.0, 2.0), (2.0, 3.0)])]);
        for text in ["iteration", "loss", "digits", "2.4"] {
            assert!(svg.contains(&format!("\n{text}\n")), "{text}: {svg}");
        }
        assert_eq!(paths(&svg).len(), 2);
    }

    #[test]
    fn a_value_that_is_not_finite_leaves_a_gap_and_one_between_gaps_a_dot() {
        let values = [1.0, 2.0, f64::NAN, 3.0, f64::INFINITY, 1.0, 2.0];
        let points = (0_i32..).map(f64::from).zip(values).collect();
        let svg = drawn(vec![panel(points)]);
        assert_eq!(paths(&svg).len(), 1 + 2, "{svg}");
        assert_eq!(svg.matches("<circle").count(), 1, "{svg}");
    }

    #[test]
    fn a_marked_place_is_a_dashed_line_where_it_is_on_the_axis() {
        let plain = panel(vec![(1.0, 2.0), (9.0, 3.0)]);
        let dashes = |x: f64| {
            let rules = vec![Rule { x, color: color(1) }];
            let svg = drawn(vec![CurvePanel {
                rules,
                ..plain.clone()
            }]);
            svg.matches("#286EBE").count()
        };
        assert_eq!(dashes(100.0), 0);
        assert!(dashes(4.0) > 10, "{}", dashes(4.0));
    }

    #[test]
    fn a_faint_curve_is_behind_the_others() {
        let mut panel = panel(vec![(1.0, 2.0), (9.0, 3.0)]);
        let mut faint = panel.curves[0].clone();
        faint.is_faint = true;
        panel.curves.push(faint);
        let svg = drawn(vec![panel]);
        let opacities = paths(&svg).into_iter();
        let faint: Vec<_> = opacities.map(|path| path.contains("\"0.3\"")).collect();
        assert_eq!(faint, [false, true, false]);
    }

    #[test]
    fn a_run_of_a_million_iterations_is_a_small_picture() {
        let value = |i: i32| f64::from(i % 1000 * 7919 % 1000);
        let points = (0..1_000_000).map(|i| (f64::from(i), value(i)));
        let svg = drawn(vec![panel(points.collect())]);
        assert!(svg.len() < 60_000, "{} bytes", svg.len());
    }
}
