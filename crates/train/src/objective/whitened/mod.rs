//! Learn energies of whitened coordinates: by short trajectories from data, or by score matching in closed form.

mod contrast;
mod matching;
#[cfg(test)]
mod tests;

use ebm_model::{EnergyModel, Whitened};

pub use contrast::{TrajectoryState, WhitenedContrast};
pub use matching::ScoreMatching;

/// A model as an energy of coordinates.
///
/// # Panics
/// If it is none.
fn whitened<M: EnergyModel>(model: &M) -> &dyn Whitened {
    let Some(whitened) = model.whitened() else {
        panic!("expected a network of whitened coordinates");
    };
    whitened
}
