//! Bring a picture to the shape of the model: as in training, or as MNIST's digits were brought to theirs.

use std::path::Path;

use anyhow::bail;
use clap::ValueEnum;
use ebm_apply::Trained;
use ebm_core::ImageShape;
use ebm_data::{DatasetKind, Planes, find_handwriting, read_on_paper};

use crate::output::{cut_sheet, has_extension};
use crate::pictures::Named;

/// Mean grey of the border of a digit that is white on black already.
const DARK: f32 = 0.2;

/// What is done to a picture before the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Prepare {
    /// handwriting for runs on digits or MNIST; none for other runs, for contact sheets and arrays, and for pictures of
    /// the model's size that are white on black
    Auto,
    /// One character is found, made white on black, sized and centred
    Handwriting,
    /// Cropped and resized as in training
    None,
}

impl Prepare {
    /// Add a file, prepared.
    ///
    /// # Errors
    /// Names the file that cannot be read or holds no handwriting.
    pub(super) fn add(
        self,
        path: &Path,
        trained: &Trained,
        named: &mut Named,
    ) -> anyhow::Result<()> {
        let shape = trained.shape();
        let is_handwriting = match self {
            Self::Auto => is_of_digits(trained.config().data.dataset, shape) && !holds_images(path),
            Self::Handwriting => true,
            Self::None => false,
        };
        if !is_handwriting {
            return named.add_file(path, shape);
        }
        let picture = read_on_paper(path)?;
        if self == Self::Auto && is_prepared(&picture, shape) {
            return named.add_file(path, shape);
        }
        match find_handwriting(&picture, shape.width) {
            Ok(image) => named.bytes.extend(image.repeat(shape.channels)),
            Err(error) => bail!(
                "{}: {error}; crop the picture to one character, or pass --prepare none to take it as it is",
                path.display()
            ),
        }
        named.names.push(path.display().to_string());
        Ok(())
    }
}

/// Whether a run has learned digits, white on black.
fn is_of_digits(dataset: DatasetKind, shape: ImageShape) -> bool {
    let is_of_digits = matches!(
        dataset,
        DatasetKind::Digits
            | DatasetKind::Mnist
            | DatasetKind::Qmnist
            | DatasetKind::EmnistDigits
            | DatasetKind::EmnistMnist
    );
    is_of_digits && shape.channels == 1
}

/// Whether a file holds images rather than a picture: an array, or a contact sheet of this program.
fn holds_images(path: &Path) -> bool {
    has_extension(path, "npy") || cut_sheet(path).is_some()
}

/// Whether a picture is of the model's size and dark at its border, as images of digits are.
fn is_prepared(picture: &Planes, shape: ImageShape) -> bool {
    let [_, height, width] = picture.shape.dims();
    if [height, width] != [shape.height, shape.width] {
        return false;
    }
    let is_border = |place: usize| {
        let (y, x) = (place / width, place % width);
        y == 0 || x == 0 || y + 1 == height || x + 1 == width
    };
    let border = picture.pixels.iter().enumerate();
    let border = border.filter(|(place, _)| is_border(*place));
    let greys: Vec<f32> = border.map(|(_, grey)| *grey).collect();
    greys.iter().sum::<f32>() < DARK * greys.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(side: usize, border: f32, inside: f32) -> Planes {
        let at = |place: usize| {
            let is_inside = |at: usize| (1..side - 1).contains(&at);
            if is_inside(place / side) && is_inside(place % side) {
                inside
            } else {
                border
            }
        };
        Planes {
            pixels: (0..side * side).map(at).collect(),
            shape: ImageShape::new(1, side, side),
        }
    }

    #[test]
    fn a_picture_of_the_models_size_with_a_dark_border_is_taken_as_it_is() {
        let shape = ImageShape::new(1, 16, 16);
        assert!(is_prepared(&planes(16, 0.1, 1.0), shape));
        assert!(!is_prepared(&planes(16, 0.9, 0.1), shape));
        assert!(!is_prepared(&planes(28, 0.0, 1.0), shape));
    }

    #[test]
    fn grey_digits_are_handwriting_and_clothes_are_not() {
        let grey = ImageShape::new(1, 28, 28);
        assert!(is_of_digits(DatasetKind::Digits, grey));
        assert!(is_of_digits(DatasetKind::Mnist, grey));
        assert!(!is_of_digits(DatasetKind::FashionMnist, grey));
        assert!(!is_of_digits(DatasetKind::Folder, grey));
    }
}
