//! Record an operation of our own on the tape.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, NodeGuard, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

/// The result of `compute`, recorded where an input is on the tape. `compute` is told whether it is,
/// and returns what the backward pass keeps, and the result.
pub(super) fn record<B, C, R, const N: usize>(
    inputs: [NodeGuard; N],
    backward: R,
    compute: impl FnOnce(bool) -> (R::State, FloatTensor<B>),
) -> FloatTensor<Autodiff<B, C>>
where
    B: Backend,
    C: CheckpointStrategy,
    R: Backward<B, N>,
{
    match backward.prepare::<C>(inputs).compute_bound().stateful() {
        OpsKind::Tracked(operation) => {
            let (kept, output) = compute(true);
            operation.finish(kept, output)
        }
        OpsKind::UnTracked(operation) => operation.finish(compute(false).1),
    }
}
