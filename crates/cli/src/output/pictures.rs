//! Draw the samples of a run beside data, as pictures in its directory.

use ebm_train::{Observer, ObserverError, Samples};

use super::grid::{columns_in_turn, scale_for, side_by_side};

/// Draws a grid of samples with a grid of data beside it whenever a run has drawn samples.
#[derive(Debug)]
pub(crate) struct Pictures;

impl Observer for Pictures {
    fn on_samples(&mut self, drawn: &Samples) -> Result<(), ObserverError> {
        let num = drawn.samples.len() / drawn.shape.pixels();
        let columns = columns_in_turn(num, drawn.num_classes);
        let scale = scale_for(drawn.shape.width);
        let shape = drawn.shape.dims();
        Ok(side_by_side(
            &drawn.path,
            &drawn.samples,
            &drawn.data,
            shape,
            columns,
            scale,
        )?)
    }
}
