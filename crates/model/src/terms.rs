//! Hold the weighted energies of which others are made, for all rows of a batch or for some.

use core::ops::Range;

use ebm_core::Energy;

/// Energies, each with its weight: at least one.
pub(crate) struct Terms<'a, const D: usize>(Vec<(f64, Term<'a, D>)>);

/// One of them.
enum Term<'a, const D: usize> {
    Whole(&'a dyn Energy<D>),
    Rows(Box<dyn Energy<D> + 'a>),
}

impl<const D: usize> Term<'_, D> {
    fn energy(&self) -> &(dyn Energy<D> + '_) {
        match self {
            Self::Whole(energy) => *energy,
            Self::Rows(energy) => energy.as_ref(),
        }
    }
}

impl<'a, const D: usize> Terms<'a, D> {
    /// Energies with their weights.
    ///
    /// # Panics
    /// If there are none.
    pub(crate) fn new(terms: Vec<(f64, &'a dyn Energy<D>)>) -> Self {
        assert!(!terms.is_empty(), "expected at least one energy, got none");
        let terms = terms.into_iter();
        Self(
            terms
                .map(|(weight, energy)| (weight, Term::Whole(energy)))
                .collect(),
        )
    }

    /// Each with its weight, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f64, &(dyn Energy<D> + '_))> {
        self.0.iter().map(|(weight, term)| (*weight, term.energy()))
    }

    /// Those of the states at `rows` of a batch; `None` where all rows have the same energies.
    pub(crate) fn of_rows(&self, rows: Range<usize>) -> Option<Terms<'_, D>> {
        let mut differs = false;
        let terms = self.0.iter().map(|(weight, term)| {
            let energy = term.energy();
            match energy.of_rows(rows.clone()) {
                Some(of_rows) => {
                    differs = true;
                    (*weight, Term::Rows(of_rows))
                }
                None => (*weight, Term::Whole(energy)),
            }
        });
        let terms: Vec<_> = terms.collect();
        differs.then_some(Terms(terms))
    }
}
