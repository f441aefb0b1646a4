//! Open a picture as SVG or as PNG, and lay out panels in it.

use std::error::Error;
use std::path::Path;

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::{
    BitMapBackend, DrawResult, DrawingArea, DrawingBackend, IntoDrawingArea, SVGBackend, WHITE,
};

use super::legend::{Legend, Placed};
use crate::output::{encode_rgb, has_extension, write_output};

/// Extensions of the formats in which charts are drawn.
pub(crate) const CHART_EXTENSIONS: [&str; 2] = ["svg", "png"];

/// Width and height of a panel, in pixels.
pub(super) const PANEL: (u32, u32) = (420, 260);

/// Panels side by side, below a legend.
pub(crate) trait Chart {
    /// How many panels there are.
    fn num_panels(&self) -> usize;

    /// Width and height of each, in pixels.
    fn panel_size(&self) -> (u32, u32) {
        PANEL
    }

    /// What the colours mean.
    fn legend(&self) -> Legend {
        Legend::default()
    }

    /// Draw the panel at `index`.
    ///
    /// # Errors
    /// Those of the backend.
    fn draw_panel<B: DrawingBackend>(
        &self,
        index: usize,
        area: &DrawingArea<B, Shift>,
    ) -> DrawResult<(), B>;
}

/// Write a chart in the format that the name of the file asks for.
///
/// # Errors
/// Names the file where it cannot be written.
pub(crate) fn save_chart(path: &Path, chart: &impl Chart) -> anyhow::Result<()> {
    if has_extension(path, "png") {
        write_output(path, &png(chart)?)?;
    } else {
        write_output(path, svg(chart)?.as_bytes())?;
    }
    Ok(())
}

/// A chart as SVG.
///
/// # Errors
/// Where it cannot be drawn.
pub(crate) fn svg(chart: &impl Chart) -> anyhow::Result<String> {
    let page = Page::of(chart);
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, page.size).into_drawing_area();
    page.draw(chart, &area).map_err(undrawn)?;
    drop(area);
    Ok(svg)
}

/// A chart as a PNG.
fn png(chart: &impl Chart) -> anyhow::Result<Vec<u8>> {
    let page = Page::of(chart);
    let (width, height) = page.size;
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, page.size).into_drawing_area();
    page.draw(chart, &area).map_err(undrawn)?;
    drop(area);
    Ok(encode_rgb(pixels, page.size)?)
}

fn undrawn<E: Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("cannot draw a chart: {error}")
}

/// Where panels and legend are.
struct Page {
    size: (u32, u32),
    rows: usize,
    columns: usize,
    legend: Placed,
}

impl Page {
    /// Panels in rows of two.
    fn of(chart: &impl Chart) -> Self {
        let num = chart.num_panels();
        let columns = num.clamp(1, 2);
        let rows = num.div_ceil(columns).max(1);
        let (width, height) = chart.panel_size();
        let width = width * columns as u32;
        let legend = chart.legend().placed(width);
        Self {
            size: (width, height * rows as u32 + legend.height()),
            rows,
            columns,
            legend,
        }
    }

    fn draw<B: DrawingBackend>(
        &self,
        chart: &impl Chart,
        root: &DrawingArea<B, Shift>,
    ) -> DrawResult<(), B> {
        root.fill(&WHITE)?;
        let (top, below) = root.split_vertically(self.legend.height());
        self.legend.draw(&top)?;
        let panels = below.split_evenly((self.rows, self.columns));
        for (index, area) in panels.iter().take(chart.num_panels()).enumerate() {
            chart.draw_panel(index, area)?;
        }
        root.present()
    }
}

#[cfg(test)]
mod tests {
    use plotters::prelude::{BLACK, Color, Rectangle};

    use super::*;
    use crate::charts::{Entry, Mark, color};

    /// Panels that are black squares, with a legend or none.
    struct Squares(usize, Vec<Entry>);

    impl Chart for Squares {
        fn num_panels(&self) -> usize {
            self.0
        }

        fn panel_size(&self) -> (u32, u32) {
            (100, 50)
        }

        fn legend(&self) -> Legend {
            Legend(self.1.clone())
        }

        fn draw_panel<B: DrawingBackend>(
            &self,
            _: usize,
            area: &DrawingArea<B, Shift>,
        ) -> DrawResult<(), B> {
            area.draw(&Rectangle::new([(10, 10), (20, 20)], BLACK.filled()))
        }
    }

    fn entry() -> Entry {
        Entry {
            name: "a <run>".to_owned(),
            color: color(0),
            mark: Mark::Line,
        }
    }

    #[test]
    fn a_picture_is_what_the_name_of_its_file_asks_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name| dir.path().join(name);
        for (name, panels, expected) in [
            ("one.png", 1, (100, 50)),
            ("two.png", 2, (200, 50)),
            ("three.PNG", 3, (200, 100)),
        ] {
            save_chart(&path(name), &Squares(panels, Vec::new())).expect("drawn");
            let size = image::image_dimensions(path(name)).expect("a picture");
            assert_eq!(size, expected);
        }
        let picture = image::open(path("three.PNG")).expect("a picture").to_rgb8();
        let black = picture.pixels().filter(|pixel| pixel.0 == [0; 3]).count();
        assert!((300..=363).contains(&black), "{black}");
        assert_eq!(picture.get_pixel(15, 15).0, [0; 3]);
        assert_eq!(picture.get_pixel(115, 15).0, [0; 3]);
        assert_eq!(picture.get_pixel(15, 65).0, [0; 3]);
        assert_eq!(picture.get_pixel(115, 65).0, [255; 3]);

        save_chart(&path("one.svg"), &Squares(1, vec![entry()])).expect("drawn");
        let svg = std::fs::read_to_string(path("one.svg")).expect("text");
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{svg}"
        );
        assert!(svg.contains("a &lt;run&gt;"), "{svg}");
        assert!(svg.contains("font-family=\"sans-serif\""), "{svg}");
    }

    #[test]
    fn a_legend_takes_room_of_its_own_and_is_written_in_both_formats() {
        let [without, with] = [Vec::new(), vec![entry()]].map(|entries| Squares(1, entries));
        let [plain, higher] = [&without, &with].map(|chart| Page::of(chart).size.1);
        assert!(higher > plain);
        let pixels = |chart: &Squares| {
            let png = png(chart).expect("drawn");
            image::load_from_memory(&png).expect("a picture").to_rgb8()
        };
        let picture = pixels(&with);
        assert_eq!(picture.height(), higher);
        let dark = picture.rows().take((higher - plain) as usize);
        let dark = dark.flatten().filter(|pixel| pixel.0[1] < 128).count();
        assert!(dark > 20, "a line and letters: {dark}");
    }
}
