//! Draw the samples of a run beside data, as pictures in its directory.

use std::io;

use ebm_train::{Observer, ObserverError, Samples};

use super::grid::{Picture, columns_in_turn, scale_for, side_by_side};
use super::write_encoded;

/// Writes the picture of the samples of a run whenever it has drawn some.
#[derive(Debug)]
pub(crate) struct Pictures;

impl Observer for Pictures {
    fn on_samples(&mut self, drawn: &Samples) -> Result<(), ObserverError> {
        let encoded = picture_of(drawn).map(|picture| picture.png);
        Ok(write_encoded(&drawn.path, encoded)?)
    }
}

/// The picture of the samples of a run: a grid of them with a grid of data beside it.
///
/// # Errors
/// Where the encoder fails.
pub(crate) fn picture_of(drawn: &Samples) -> io::Result<Picture> {
    let num = drawn.samples.len() / drawn.shape.pixels();
    let columns = columns_in_turn(num, drawn.num_classes);
    let scale = scale_for(drawn.shape.width);
    let shape = drawn.shape.dims();
    side_by_side(&drawn.samples, &drawn.data, shape, columns, scale)
}
