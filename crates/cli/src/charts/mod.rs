//! Draw what tables cannot show, as SVG or as PNG: histograms, shares, curves, speeds.
//!
//! Reading order: `canvas` (a picture of panels, on any backend) → `text`, `axis`, `frame`, `legend`, `palette`
//! (what panels share) → `histograms`, `bars`, `curves` (the kinds of panels) → `thin` (long curves in few points).

mod axis;
mod bars;
mod canvas;
mod curves;
mod frame;
mod histograms;
mod legend;
mod palette;
mod text;
mod thin;

pub(crate) use axis::Scale;
pub(crate) use bars::{Bar, BarPanel, Bars};
pub(crate) use canvas::{CHART_EXTENSIONS, save_chart, svg};
pub(crate) use curves::{Curve, CurvePanel, Curves, Rule};
pub(crate) use histograms::Histograms;
pub(crate) use legend::{Entry, Legend, Mark};
pub(crate) use palette::{GREY, color};
