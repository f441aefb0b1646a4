//! Cut a contact sheet of this program back into the images that it shows.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat};

use super::arrangement::Arrangement;
use super::layout::nhwc_to_nchw;
use super::sheet::{KEYWORD, Sheet};

/// The images of a contact sheet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CutSheet {
    /// Channels, height and width of every image.
    pub(crate) shape: [usize; 3],
    /// `[n, channels, height, width]`.
    pub(crate) images: Vec<u8>,
    /// Where each image is in the sheet: `0`, or `sample 0` and `data 0`.
    pub(crate) places: Vec<String>,
}

/// The images of a sheet that [`save_grid`](super::save_grid) has written, or a run as it trained;
/// `None` for any other file, and for a sheet that has another size now.
pub(crate) fn cut_sheet(path: &Path) -> Option<CutSheet> {
    let file = fs::read(path).ok()?;
    let arrangement = arrangement_of(&file)?;
    let picture = image::load_from_memory_with_format(&file, ImageFormat::Png).ok()?;
    let [channels, ..] = arrangement.shape;
    let sheet = sheet_of(picture, channels);
    if !fits(&sheet, &arrangement) {
        tracing::warn!(
            "{} was a contact sheet of several images and has another size now: it is taken as one picture",
            path.display()
        );
        return None;
    }
    Some(cut(&sheet.reduced(arrangement.scale), &arrangement))
}

/// What the text of a PNG says of its images.
fn arrangement_of(file: &[u8]) -> Option<Arrangement> {
    let reader = png::Decoder::new(Cursor::new(file)).read_info().ok()?;
    let mut texts = reader.info().uncompressed_latin1_text.iter();
    let found = texts.find(|chunk| chunk.keyword == KEYWORD)?;
    Arrangement::from_text(&found.text)
}

fn sheet_of(picture: DynamicImage, channels: usize) -> Sheet {
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let pixels = if channels == 1 {
        picture.into_luma8().into_raw()
    } else {
        picture.into_rgb8().into_raw()
    };
    Sheet {
        channels,
        height,
        width,
        pixels,
    }
}

/// Whether a sheet, still magnified, has the size of its arrangement.
fn fits(sheet: &Sheet, arrangement: &Arrangement) -> bool {
    let (height, width) = arrangement.size();
    let scale = arrangement.scale as usize;
    height.checked_mul(scale) == Some(sheet.height) && width.checked_mul(scale) == Some(sheet.width)
}

/// The images of a sheet that is not magnified any more.
fn cut(sheet: &Sheet, arrangement: &Arrangement) -> CutSheet {
    let [_, height, width] = arrangement.shape;
    let (mut images, mut places) = (Vec::new(), Vec::new());
    for grid in arrangement.grids() {
        for index in 0..grid.images {
            let (top, left) = arrangement.place(&grid, index);
            let tile = sheet.part(top, left, height, width);
            images.extend(nhwc_to_nchw(&tile, arrangement.shape));
            places.push(format!("{}{index}", grid.prefix));
        }
    }
    CutSheet {
        shape: arrangement.shape,
        images,
        places,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::output::grid::{save_grid, side_by_side};

    fn some_images(num: usize, shape: [usize; 3]) -> Vec<u8> {
        let len = num * shape.iter().product::<usize>();
        (0..len).map(|i| (i * 37 % 251) as u8).collect()
    }

    fn file(dir: &TempDir) -> PathBuf {
        dir.path().join("sheet.png")
    }

    #[test]
    fn a_sheet_is_cut_into_exactly_the_images_that_were_drawn() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir);
        for shape in [[1, 4, 3], [3, 2, 5]] {
            // A single image, an incomplete last row, more columns than images, whole rows.
            for (num, columns) in [(1, 1), (5, 2), (2, 8), (6, 3)] {
                for scale in [1, 3] {
                    let images = some_images(num, shape);
                    save_grid(&path, &images, shape, columns, scale).unwrap();
                    let expected = CutSheet {
                        shape,
                        images,
                        places: (0..num).map(|index| index.to_string()).collect(),
                    };
                    assert_eq!(cut_sheet(&path), Some(expected), "{num} of {shape:?}");
                }
            }
        }
    }

    #[test]
    fn samples_beside_data_are_cut_into_both() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir);
        for shape in [[1, 3, 3], [3, 3, 2]] {
            let images = some_images(3 + 2, shape);
            let (samples, data) = images.split_at(3 * shape.iter().product::<usize>());
            let pair = side_by_side(samples, data, shape, 2, 2).unwrap();
            fs::write(&path, pair.png).unwrap();
            let expected = CutSheet {
                shape,
                images,
                places: ["sample 0", "sample 1", "sample 2", "data 0", "data 1"]
                    .map(String::from)
                    .to_vec(),
            };
            assert_eq!(cut_sheet(&path), Some(expected));
        }
    }

    #[test]
    fn other_files_are_no_sheets() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir);
        assert_eq!(cut_sheet(&path), None);
        fs::write(&path, "no picture").unwrap();
        assert_eq!(cut_sheet(&path), None);
        image::RgbImage::new(8, 2).save(&path).unwrap();
        assert_eq!(cut_sheet(&path), None);
    }

    #[test]
    fn a_sheet_that_was_cropped_is_a_picture() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir);
        save_grid(&path, &some_images(4, [1, 2, 2]), [1, 2, 2], 2, 1).unwrap();
        let arrangement = arrangement_of(&fs::read(&path).unwrap()).unwrap();
        let cropped = Sheet::of(&[1, 2, 3, 4], [1, 2, 2], 1);
        let file = cropped.to_png(Some(arrangement.to_text())).unwrap();
        fs::write(&path, file).unwrap();
        assert_eq!(cut_sheet(&path), None);
    }
}
