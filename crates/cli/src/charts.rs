//! Draw what tables cannot show, as SVG: histograms of energies, shares of classes, traces of chains.

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;

/// Size of one panel of a picture, in pixels.
const WIDTH: u32 = 420;
const HEIGHT: u32 = 240;
const BINS: usize = 60;
const DATA: RGBColor = RGBColor(120, 130, 140);
const COLORS: [RGBColor; 3] = [
    RGBColor(200, 60, 50),
    RGBColor(40, 110, 190),
    RGBColor(60, 150, 80),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A panel for each of the others: their scores beside those of the data.
pub(crate) fn histograms(data: &[f64], others: &[(&str, &[f64])]) -> anyhow::Result<String> {
    panels(others.len(), |index, area| {
        let (name, others) = others[index];
        let (low, high) = range(data.iter().chain(others));
        let [of_data, of_others] = [data, others].map(|set| histogram(set, low, high));
        let top = of_data
            .iter()
            .chain(&of_others)
            .copied()
            .fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(area)
            .caption(name, ("sans-serif", 15))
            .margin(6)
            .x_label_area_size(26)
            .build_cartesian_2d(low..high, 0.0..1.05 * top)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .disable_y_axis()
            .x_labels(5)
            .draw()?;
        let width = (high - low) / BINS as f64;
        let bars = |shares: &[f64], color: RGBColor| {
            let bars = shares.iter().enumerate().map(move |(bin, &share)| {
                let left = low + bin as f64 * width;
                Rectangle::new(
                    [(left, 0.0), (left + width, share)],
                    color.mix(0.55).filled(),
                )
            });
            bars.collect::<Vec<_>>()
        };
        chart.draw_series(bars(&of_data, DATA))?;
        chart.draw_series(bars(&of_others, COLORS[0]))?;
        Ok(())
    })
}

/// The share of each class among samples, beside that among data.
pub(crate) fn classes(names: &[String], samples: &[f64], data: &[f64]) -> anyhow::Result<String> {
    panels(1, |_, area| {
        let top = samples.iter().chain(data).copied().fold(0.0, f64::max);
        let num = names.len() as f64;
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .x_label_area_size(26)
            .y_label_area_size(44)
            .build_cartesian_2d(0.0..num, 0.0..1.05 * top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .y_labels(5)
            .y_label_formatter(&|share| format!("{:.0} %", 100.0 * share))
            .draw()?;
        let bars = |shares: &[f64], left: f64, color: RGBColor| {
            let bars = shares.iter().enumerate().map(move |(class, &share)| {
                let left = class as f64 + left;
                Rectangle::new([(left, 0.0), (left + 0.35, share)], color.filled())
            });
            bars.collect::<Vec<_>>()
        };
        chart.draw_series(bars(data, 0.12, DATA))?;
        chart.draw_series(bars(samples, 0.5, COLORS[0]))?;
        let style = ("sans-serif", 12).into_font().into_text_style(area);
        for (class, name) in names.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(class as f64 + 0.35, 0.0));
            area.draw_text(name, &style, (x, y + 8))?;
        }
        Ok(())
    })
}

/// The mean energy of chains of several samplers over their gradients.
pub(crate) fn traces(traces: &[(&str, &[f64])], gradients: usize) -> anyhow::Result<String> {
    panels(1, |_, area| {
        let (low, high) = range(traces.iter().flat_map(|(_, trace)| trace.iter()));
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .x_label_area_size(26)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..gradients as f64, low..high)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_labels(5)
            .y_labels(5)
            .draw()?;
        for ((name, trace), color) in traces.iter().zip(COLORS) {
            let each = gradients as f64 / trace.len() as f64;
            let points = (1..)
                .zip(*trace)
                .map(|(look, &energy)| (f64::from(look) * each, energy));
            let line = chart.draw_series(LineSeries::new(points, color))?;
            line.label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], color));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .draw()?;
        Ok(())
    })
}

/// Panels in rows of two.
fn panels(
    num: usize,
    draw: impl Fn(usize, &Area<'_>) -> Result<(), DrawingAreaErrorKind<std::io::Error>>,
) -> anyhow::Result<String> {
    let columns = num.clamp(1, 2);
    let rows = num.div_ceil(columns).max(1);
    let mut svg = String::new();
    let size = (WIDTH * columns as u32, HEIGHT * rows as u32);
    let mut drawn = || -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        for (index, area) in root
            .split_evenly((rows, columns))
            .iter()
            .take(num)
            .enumerate()
        {
            draw(index, area)?;
        }
        root.present()
    };
    drawn().map_err(|error| anyhow!("cannot draw a chart: {error}"))?;
    Ok(svg)
}

/// From the least to the greatest value, and a little more.
fn range<'a>(values: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (low, high) = values.fold(ends, |(low, high), &value| {
        (low.min(value), high.max(value))
    });
    let margin = if high > low { 0.02 * (high - low) } else { 0.5 };
    (low - margin, high + margin)
}

/// The share of the values in each of equal bins.
fn histogram(values: &[f64], low: f64, high: f64) -> Vec<f64> {
    let mut shares = vec![0.0; BINS];
    for value in values {
        let bin = ((value - low) / (high - low) * BINS as f64) as usize;
        shares[bin.min(BINS - 1)] += 1.0 / values.len() as f64;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bin() {
        let values = [0.0, 0.0, 1.0, 2.0];
        let (low, high) = range(values.iter());
        let shares = histogram(&values, low, high);
        assert_eq!(shares[1], 0.5);
        assert_eq!(shares[58], 0.25);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let (low, high) = range([3.0].iter());
        assert_eq!((low, high), (2.5, 3.5));
    }

    #[test]
    fn charts_are_svg_with_their_names() {
        let (data, other) = ([1.0, 2.0, 3.0], [2.0, 5.0]);
        let svg = histograms(&data, &[("noise", &other), ("constant", &data)]).expect("drawn");
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{svg}"
        );
        assert!(svg.contains("noise") && svg.contains("constant"));
        let names = ["cat".to_owned(), "dog".to_owned()];
        let svg = classes(&names, &[0.4, 0.6], &[0.5, 0.5]).expect("drawn");
        assert!(svg.contains("cat") && svg.contains("dog"));
        let svg = traces(&[("sgld", &data), ("hmc", &other)], 100).expect("drawn");
        assert!(svg.contains("sgld") && svg.contains("hmc"));
    }
}
