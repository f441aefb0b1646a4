//! Save images as a contact sheet: one PNG, integer magnification, grey lines between the images.

use std::io;
use std::path::Path;

use super::arrangement::{Arrangement, Content};
use super::sheet::{Sheet, count_of};
use super::{WriteError, write_encoded};

/// A contact sheet as a PNG.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) png: Vec<u8>,
}

/// Saves images row by row, `columns` in a row, every pixel as a square of `scale` pixels.
///
/// The file carries a text that says where they lie, from which [`cut_sheet`](super::cut_sheet) finds
/// them again.
///
/// # Shapes
/// `images` is `[n, channels, height, width]`, `shape` is `[channels, height, width]`.
///
/// # Errors
/// [`WriteError`] if the file cannot be written; an earlier one of that name is then left as it was.
///
/// # Panics
/// If there is no image, `images` is not a whole number of them, `channels` is neither 1 nor 3, or
/// `columns` or `scale` is 0.
pub(crate) fn save_grid(
    path: &Path,
    images: &[u8],
    shape: [usize; 3],
    columns: usize,
    scale: u32,
) -> Result<(), WriteError> {
    let content = Content::Images(count_of(images, shape));
    let drawn = draw(&Arrangement::new(shape, columns, scale, content), &[images]);
    write_encoded(path, drawn.map(|picture| picture.png))
}

/// Draws two grids as [`save_grid`] does, `samples` on the left and `data` on the right, a wide gap
/// apart.
///
/// # Errors
/// Where the encoder fails.
///
/// # Panics
/// As [`save_grid`].
pub(crate) fn side_by_side(
    samples: &[u8],
    data: &[u8],
    shape: [usize; 3],
    columns: usize,
    scale: u32,
) -> io::Result<Picture> {
    let content = Content::SamplesBesideData(count_of(samples, shape), count_of(data, shape));
    draw(
        &Arrangement::new(shape, columns, scale, content),
        &[samples, data],
    )
}

/// Draw the images of every grid, and write with them where they lie.
fn draw(arrangement: &Arrangement, grids: &[&[u8]]) -> io::Result<Picture> {
    let sheet = Sheet::arranged(arrangement, grids).magnified(arrangement.scale);
    let png = sheet.to_png(Some(arrangement.to_text()))?;
    Ok(Picture {
        channels: sheet.channels,
        height: sheet.height,
        width: sheet.width,
        png,
    })
}

/// Columns of a grid of `images`: as near to a square as its images allow.
pub(crate) fn columns_for(images: usize) -> usize {
    (1..)
        .find(|columns| columns * columns >= images)
        .unwrap_or(1)
}

/// The most classes that have a row or a column each.
const MOST_CLASSES: usize = 20;

/// Whether a model or a data set has so many classes that each is shown in a row or a column of its own.
pub(crate) fn shows_classes(classes: usize) -> bool {
    (2..=MOST_CLASSES).contains(&classes)
}

/// Columns of a grid of `images` whose classes come in turn: one for each class where there are few.
pub(crate) fn columns_in_turn(images: usize, classes: usize) -> usize {
    if shows_classes(classes) {
        classes
    } else {
        columns_for(images)
    }
}

/// Magnification at which an image of `width` pixels is easy to see.
pub(crate) fn scale_for(width: usize) -> u32 {
    (56 / width.max(1)).max(1) as u32
}

/// Bytes for each pixel of the images of a sheet while it is drawn: the images, the sheet, and the sheet magnified as
/// [`scale_for`] says.
pub(crate) fn sheet_bytes_per_pixel(width: usize) -> u64 {
    let scale = u64::from(scale_for(width));
    2 + scale * scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::sheet::MID_GREY;

    const G: u8 = MID_GREY;

    fn read_back(path: &Path) -> (u32, u32, Vec<u8>) {
        let image = image::open(path).unwrap();
        (image.width(), image.height(), image.into_bytes())
    }

    fn saved(images: &[u8], shape: [usize; 3], columns: usize, scale: u32) -> (u32, u32, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grid.png");
        save_grid(&path, images, shape, columns, scale).unwrap();
        read_back(&path)
    }

    #[test]
    fn two_grey_pixels_lie_beside_each_other_with_a_line_between() {
        assert_eq!(
            saved(&[10, 20], [1, 1, 1], 2, 1),
            (4, 1, vec![10, G, G, 20])
        );
    }

    #[test]
    fn a_column_has_its_lines_across() {
        assert_eq!(
            saved(&[10, 20], [1, 1, 1], 1, 1),
            (1, 4, vec![10, G, G, 20])
        );
    }

    #[test]
    fn channels_are_interleaved() {
        let (red, blue) = ([255, 0, 0], [0, 0, 255]);
        let expected = [red, [G; 3], [G; 3], blue].concat();
        assert_eq!(
            saved(&[red, blue].concat(), [3, 1, 1], 2, 1),
            (4, 1, expected)
        );
        // One image of two pixels: all of red, then green, then blue.
        assert_eq!(
            saved(&[1, 2, 3, 4, 5, 6], [3, 1, 2], 1, 1),
            (2, 1, vec![1, 3, 5, 2, 4, 6])
        );
    }

    #[test]
    fn magnification_repeats_pixels_and_lines() {
        let line = [1, 1, 1, G, G, G, G, G, G, 2, 2, 2];
        assert_eq!(saved(&[1, 2], [1, 1, 1], 2, 3), (12, 3, line.repeat(3)));
    }

    #[test]
    fn an_incomplete_last_row_is_filled_with_grey() {
        #[rustfmt::skip]
        let expected = vec![
            1, G, G, 2,
            G, G, G, G,
            G, G, G, G,
            3, G, G, G,
        ];
        assert_eq!(saved(&[1, 2, 3], [1, 1, 1], 2, 1), (4, 4, expected));
    }

    #[test]
    fn fewer_images_than_columns_make_a_narrower_sheet() {
        assert_eq!(saved(&[9], [1, 1, 1], 8, 1), (1, 1, vec![9]));
    }

    #[test]
    fn two_grids_are_a_wide_gap_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pair.png");
        let pair = side_by_side(&[1], &[2, 3], [1, 1, 1], 1, 1).unwrap();
        assert_eq!((pair.channels, pair.height, pair.width), (1, 4, 10));
        std::fs::write(&path, pair.png).unwrap();
        let row = |left: u8, right: u8| [vec![left], vec![G; 8], vec![right]].concat();
        let expected = [row(1, 2), row(G, G), row(G, G), row(G, 3)].concat();
        assert_eq!(read_back(&path), (10, 4, expected));
    }

    #[test]
    fn a_sheet_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nowhere/grid.png");
        let message = save_grid(&path, &[1], [1, 1, 1], 1, 1)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("nowhere/grid.png: No such file"),
            "{message}"
        );
    }
}
