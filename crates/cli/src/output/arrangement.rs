//! Say where the images of a contact sheet lie, as a text that its file carries.

use serde_json::{Value, json};

/// Between two images, before magnification.
const LINE_PIXELS: usize = 2;
/// Between samples and the data beside them, before magnification.
const GAP_PIXELS: usize = 8;
/// Numbers in a file's text are below this, so that a product of two does not overflow.
const NUMBER_END: u64 = 1 << 24;

/// Where the images of a contact sheet lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrangement {
    /// Channels, height and width of an image.
    pub(super) shape: [usize; 3],
    /// Images in a full row.
    columns: usize,
    /// Pixels between two images, before magnification.
    line: usize,
    /// Pixels between two grids, before magnification.
    gap: usize,
    /// Every pixel is a square of `scale` × `scale` pixels.
    pub(super) scale: u32,
    content: Content,
}

/// What a sheet shows, and how many images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Images in one grid.
    Images(usize),
    /// A grid of samples with a grid of data beside it.
    SamplesBesideData(usize, usize),
}

/// Images row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// What stands before an image's index in its name.
    pub(super) prefix: &'static str,
    /// Number of images.
    pub(super) images: usize,
    /// First column of pixels in the sheet, before magnification.
    left: usize,
}

impl Arrangement {
    /// Images of `shape`, `columns` in a row, each pixel as a square of `scale` pixels.
    ///
    /// # Panics
    /// If `columns` is 0.
    pub(super) fn new(shape: [usize; 3], columns: usize, scale: u32, content: Content) -> Self {
        assert!(columns >= 1, "expected at least 1 column, got {columns}");
        Self {
            shape,
            columns,
            line: LINE_PIXELS,
            gap: GAP_PIXELS,
            scale,
            content,
        }
    }

    /// The grids from left to right.
    pub(super) fn grids(&self) -> Vec<Grid> {
        let grid = |prefix, images, left| Grid {
            prefix,
            images,
            left,
        };
        match self.content {
            Content::Images(images) => vec![grid("", images, 0)],
            Content::SamplesBesideData(samples, data) => {
                let right = self.width_of(samples) + self.gap;
                vec![grid("sample ", samples, 0), grid("data ", data, right)]
            }
        }
    }

    /// Height and width of the sheet, before magnification.
    pub(super) fn size(&self) -> (usize, usize) {
        let grids = self.grids();
        let bottoms = grids.iter().map(|grid| self.height_of(grid.images));
        let rights = grids
            .iter()
            .map(|grid| grid.left + self.width_of(grid.images));
        (bottoms.max().unwrap_or(0), rights.max().unwrap_or(0))
    }

    /// First row and first column of an image, before magnification.
    pub(super) fn place(&self, grid: &Grid, index: usize) -> (usize, usize) {
        let [_, height, width] = self.shape;
        let (row, column) = (index / self.columns, index % self.columns);
        let left = grid.left + column * (width + self.line);
        (row * (height + self.line), left)
    }

    fn height_of(&self, images: usize) -> usize {
        let [_, height, _] = self.shape;
        images.div_ceil(self.columns) * (height + self.line) - self.line
    }

    fn width_of(&self, images: usize) -> usize {
        let [_, _, width] = self.shape;
        self.columns.min(images) * (width + self.line) - self.line
    }

    /// The text for a file, JSON.
    pub(super) fn to_text(self) -> String {
        let [channels, height, width] = self.shape;
        let mut text = json!({
            "channels": channels,
            "height": height,
            "width": width,
            "columns": self.columns,
            "line": self.line,
            "gap": self.gap,
            "scale": self.scale,
        });
        match self.content {
            Content::Images(images) => text["images"] = json!(images),
            Content::SamplesBesideData(samples, data) => {
                text["samples"] = json!(samples);
                text["data"] = json!(data);
            }
        }
        text.to_string()
    }

    /// The arrangement that a text of [`Arrangement::to_text`] describes; `None` for any other text.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let number = |key: &str| {
            let number = value[key].as_u64()?;
            (1..NUMBER_END).contains(&number).then_some(number as usize)
        };
        let channels = number("channels").filter(|channels| matches!(channels, 1 | 3))?;
        let content = match number("images") {
            Some(images) => Content::Images(images),
            None => Content::SamplesBesideData(number("samples")?, number("data")?),
        };
        Some(Self {
            shape: [channels, number("height")?, number("width")?],
            columns: number("columns")?,
            line: number("line")?,
            gap: number("gap")?,
            scale: number("scale")? as u32,
            content,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid_of(images: usize) -> Arrangement {
        Arrangement::new([3, 4, 5], 2, 3, Content::Images(images))
    }

    #[test]
    fn an_arrangement_comes_back_from_its_text() {
        let pair = Content::SamplesBesideData(4, 3);
        for arrangement in [
            grid_of(7),
            Arrangement::new([1, 28, 28], 9, 2, Content::Images(1)),
            Arrangement::new([1, 16, 16], 2, 1, pair),
        ] {
            let text = arrangement.to_text();
            assert_eq!(Arrangement::from_text(&text), Some(arrangement), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_arrangement() {
        let text = grid_of(7).to_text();
        let without_columns = text.replace("columns", "rows");
        let of_no_scale = text.replace("\"scale\":3", "\"scale\":0");
        let with_alpha = text.replace("\"channels\":3", "\"channels\":4");
        let huge = text.replace("\"height\":4", "\"height\":99999999999");
        let others = [without_columns, of_no_scale, with_alpha, huge];
        for other in ["", "made by hand", "[]", "7"].map(String::from) {
            assert_eq!(Arrangement::from_text(&other), None, "{other}");
        }
        for other in others {
            assert_ne!(other, text);
            assert_eq!(Arrangement::from_text(&other), None, "{other}");
        }
    }

    #[test]
    fn images_lie_row_by_row_with_lines_between_them() {
        let arrangement = grid_of(3);
        let grid = arrangement.grids()[0];
        let places = [0, 1, 2].map(|index| arrangement.place(&grid, index));
        assert_eq!(places, [(0, 0), (0, 7), (6, 0)]);
        assert_eq!(arrangement.size(), (10, 12));
        assert_eq!(grid_of(1).size(), (4, 5));
    }

    #[test]
    fn data_lie_a_gap_to_the_right_of_the_samples() {
        let pair = Content::SamplesBesideData(1, 3);
        let arrangement = Arrangement::new([1, 4, 5], 2, 1, pair);
        let right = arrangement.grids()[1];
        assert_eq!(arrangement.place(&right, 1), (0, 5 + 8 + 7));
        assert_eq!(arrangement.size(), (10, 5 + 8 + 12));
    }
}
