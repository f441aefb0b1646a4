//! Hold what a run of chains leaves behind, and join the runs of the pieces of a batch.

use burn::tensor::Tensor;

use crate::stats::ChainStats;
use crate::step::Descent;

/// What a run leaves behind.
#[derive(Clone, Debug)]
pub struct ChainRun<const D: usize> {
    /// The chains after the last step, and after the final denoising where they had one.
    pub x: Tensor<D>,
    /// What the chains did, where asked for.
    pub stats: Option<ChainStats>,
    /// The chains at the start and after every n-th step, where asked for.
    pub trajectory: Vec<Tensor<D>>,
    /// The last step of `sgld`, where asked for.
    pub last_step: Option<LastStep<D>>,
}

/// The last step of `sgld`: x = clip(from − η·clamp(∇E(from)/T)).
#[derive(Clone, Debug)]
pub struct LastStep<const D: usize> {
    /// Where it took the gradient: where it started, its noise included, `[batch, ..]`.
    pub from: Tensor<D>,
    /// How far it went, and what bounded it.
    pub descent: Descent,
}

/// The runs of consecutive pieces as the run of the whole batch.
pub(super) fn join<const D: usize>(pieces: Vec<ChainRun<D>>) -> ChainRun<D> {
    let frames = pieces.first().map_or(0, |piece| piece.trajectory.len());
    let trajectory = (0..frames)
        .map(|frame| {
            let pieces = pieces.iter().map(|piece| piece.trajectory[frame].clone());
            Tensor::cat(pieces.collect(), 0)
        })
        .collect();
    let starts: Option<Vec<_>> = pieces.iter().map(|piece| piece.last_step.clone()).collect();
    let last_step = starts.map(|starts| LastStep {
        descent: starts[0].descent,
        from: Tensor::cat(starts.into_iter().map(|start| start.from).collect(), 0),
    });
    let (xs, stats): (Vec<_>, Vec<_>) = pieces
        .into_iter()
        .map(|piece| (piece.x, piece.stats))
        .unzip();
    ChainRun {
        x: Tensor::cat(xs, 0),
        stats: ChainStats::join(stats.into_iter().flatten().collect()),
        trajectory,
        last_step,
    }
}
