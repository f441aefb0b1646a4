//! Draw how often values are seen: scores of data beside those of something else.

use std::borrow::Cow;

use plotters::coord::Shift;
use plotters::prelude::{Color, DrawResult, DrawingArea, DrawingBackend, RGBColor, Rectangle};

use super::axis::{Axis, Scale, ends_of};
use super::canvas::Chart;
use super::frame::{Frame, X_TICKS};
use super::palette::{GREY, color};

const BINS: usize = 60;
/// Share of what is between the ends of the values that lies beyond each of them.
const MARGIN: f64 = 0.02;
/// Opacity of a bar: both of a bin are seen.
const OPACITY: f64 = 0.55;
/// The axis is this many times as high as the highest bar.
const HEADROOM: f64 = 1.05;

/// A panel for each of some sets of values, beside those of the data.
#[derive(Clone, Debug)]
pub(crate) struct Histograms<'a> {
    /// What the values are.
    pub(crate) values: &'a str,
    /// What is counted.
    pub(crate) counted: &'a str,
    pub(crate) data: Cow<'a, [f64]>,
    pub(crate) others: Vec<(&'a str, Cow<'a, [f64]>)>,
}

impl Chart for Histograms<'_> {
    fn num_panels(&self) -> usize {
        self.others.len()
    }

    fn draw_panel<B: DrawingBackend>(
        &self,
        index: usize,
        area: &DrawingArea<B, Shift>,
    ) -> DrawResult<(), B> {
        let (name, others) = &self.others[index];
        let (data, others) = (&*self.data, &**others);
        let all = data.iter().chain(others).copied();
        let ends = ends_of(all).unwrap_or((0.0, 1.0));
        let x = Axis::around(Scale::Linear, ends, MARGIN, X_TICKS);
        let [low, high] = x.ends();
        let sets = [(data, GREY), (others, color(0))]
            .map(|(values, color)| (histogram(values, low, high), color));
        let shares = sets.iter().flat_map(|(shares, _)| shares.iter().copied());
        let top = shares.fold(0.0, f64::max);
        let mut plot = Frame {
            caption: &caption(name, data, others),
            x_title: self.values,
            y_title: self.counted,
            x,
            y: Axis::bare(0.0, HEADROOM * if top > 0.0 { top } else { 1.0 }),
        }
        .draw(area)?;
        for (shares, color) in sets {
            plot.draw_series(bars(&shares, (low, high), color))?;
        }
        Ok(())
    }
}

/// The name of a set, and how many values are no finite numbers, which no bin has.
fn caption(name: &str, data: &[f64], others: &[f64]) -> String {
    let missing = |values: &[f64]| values.iter().filter(|value| !value.is_finite()).count();
    match (missing(data), missing(others)) {
        (0, 0) => name.to_owned(),
        (0, others) => format!("{name} ({others} not finite)"),
        (data, others) => format!("{name} ({others} not finite, {data} of the data)"),
    }
}

/// A bar for each bin.
fn bars(
    shares: &[f64],
    (low, high): (f64, f64),
    color: RGBColor,
) -> impl Iterator<Item = Rectangle<(f64, f64)>> {
    let width = (high - low) / BINS as f64;
    shares.iter().enumerate().map(move |(bin, &share)| {
        let left = low + bin as f64 * width;
        let corners = [(left, 0.0), (left + width, share)];
        Rectangle::new(corners, color.mix(OPACITY).filled())
    })
}

/// The share of the values in each of equal bins.
fn histogram(values: &[f64], low: f64, high: f64) -> Vec<f64> {
    let mut shares = vec![0.0; BINS];
    for value in values.iter().filter(|value| value.is_finite()) {
        let bin = ((value - low) / (high - low) * BINS as f64) as usize;
        shares[bin.min(BINS - 1)] += 1.0 / values.len() as f64;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::svg;

    #[test]
    fn every_value_is_in_a_bin() {
        let shares = histogram(&[0.0, 0.0, 1.0, 2.0], -0.04, 2.04);
        assert_eq!(shares[1], 0.5);
        assert_eq!(shares[58], 0.25);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(histogram(&[3.0, f64::NAN], 2.5, 3.5)[30], 0.5);
    }

    #[test]
    fn values_that_no_bin_has_are_counted_in_the_caption() {
        let captions = [&[1.0, 2.0][..], &[f64::NAN, 2.0], &[f64::INFINITY; 3]];
        let captions = captions.map(|others| caption("noise", &[1.0], others));
        assert_eq!(
            captions,
            ["noise", "noise (1 not finite)", "noise (3 not finite)"]
        );
        let both = caption("noise", &[f64::NAN], &[1.0]);
        assert_eq!(both, "noise (0 not finite, 1 of the data)");
    }

    #[test]
    fn each_set_has_a_panel_with_its_name_and_titles_of_the_axes() {
        let (data, other) = ([1.0, 2.0, 3.0], [2.0, 5.0]);
        let chart = Histograms {
            values: "energy",
            counted: "share of images",
            data: Cow::Borrowed(&data[..]),
            others: vec![
                ("noise", Cow::Borrowed(&other[..])),
                ("constant", Cow::Borrowed(&data[..])),
            ],
        };
        let svg = svg(&chart).expect("drawn");
        for name in ["noise", "constant"] {
            assert_eq!(svg.matches(&format!("\n{name}\n")).count(), 1, "{svg}");
        }
        for title in ["energy", "share of images"] {
            assert_eq!(svg.matches(&format!("\n{title}\n")).count(), 2, "{svg}");
        }
    }

    #[test]
    fn without_data_the_others_are_drawn_alone() {
        let scores = [1.0, 1.0];
        let chart = Histograms {
            values: "score",
            counted: "share of pictures",
            data: Cow::default(),
            others: vec![("scores", Cow::Borrowed(&scores[..]))],
        };
        assert!(svg(&chart).expect("drawn").contains("scores"));
    }
}
