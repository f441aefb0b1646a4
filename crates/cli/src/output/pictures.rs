//! Draw the samples of a run beside data, as pictures in its directory.

use ebm_train::{Observer, ObserverError, Samples};

use super::grid::{columns_for, scale_for, side_by_side};

/// The most classes that have a column each.
const MOST_COLUMNS: usize = 20;

/// Draws a grid of samples with a grid of data beside it whenever a run has drawn samples.
#[derive(Debug)]
pub(crate) struct Pictures;

impl Observer for Pictures {
    fn on_samples(&mut self, drawn: &Samples) -> Result<(), ObserverError> {
        // A column for each class, as classes come in turn.
        let columns = match drawn.num_classes {
            classes @ 2..=MOST_COLUMNS => classes,
            _ => columns_for(drawn.samples.len() / drawn.shape.pixels()),
        };
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
