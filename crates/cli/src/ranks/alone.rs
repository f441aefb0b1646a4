//! Be the only rank, in a build without MPI.

use std::sync::Arc;

use ebm_train::{Collective, Solo};

use super::{Failure, RanksError};

pub(super) fn begin() -> anyhow::Result<Option<String>> {
    Err(RanksError::NotCompiledIn.into())
}

pub(super) fn collective() -> Arc<dyn Collective> {
    Arc::new(Solo)
}

pub(super) fn local_ranks() -> &'static [u32] {
    &[0]
}

pub(super) fn abort_others() {}

pub(super) fn end(failure: Option<&Failure>) {
    if let Some(failure) = failure {
        failure.say();
    }
}
