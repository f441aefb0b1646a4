//! Spread the pieces of a batch over threads, each piece whole on one thread.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::panic::resume_unwind;
use std::sync::OnceLock;

use burn::tensor::Device;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::device_kind::DeviceKind;

/// The most chains of a piece on a CPU: few enough for a network's activations to stay in a core's
/// cache, enough to fill its vectors and to be worth reading the weights for.
pub const MAX_CHAINS_OF_PIECE: usize = 16;
/// Chains that fill a CPU's vectors: fewer take as long as this many.
const LANES: usize = 8;

/// The pieces of a batch of chains on `device`. On a CPU they are as large as they can be while every
/// thread stays busy to the end; on a GPU the whole batch is one piece.
pub fn chain_pieces(device: &Device, batch: usize) -> Vec<Range<usize>> {
    if DeviceKind::is_cpu(device) {
        balanced_pieces(batch, rayon::current_num_threads())
    } else {
        pieces_of(batch, batch)
    }
}

/// Large pieces first, equally many for each thread. Then pieces of [`LANES`] chains, so that all threads
/// end together.
fn balanced_pieces(batch: usize, threads: usize) -> Vec<Range<usize>> {
    let of_thread = batch.div_ceil(LANES * threads.max(1)) * LANES;
    let large = threads * (of_thread / MAX_CHAINS_OF_PIECE) * MAX_CHAINS_OF_PIECE;
    let large = large.min(batch);
    let rest = pieces_of(batch - large, LANES).into_iter();
    let rest = rest.map(|piece| piece.start + large..piece.end + large);
    let large = pieces_of(large, MAX_CHAINS_OF_PIECE).into_iter();
    large.chain(rest).collect()
}

/// The ranges into which a batch is cut on `device`: ranges of `on_cpu` on a CPU, the whole batch on a
/// GPU.
pub fn pieces_for(device: &Device, batch: usize, on_cpu: usize) -> Vec<Range<usize>> {
    pieces_of(
        batch,
        if DeviceKind::is_cpu(device) {
            on_cpu
        } else {
            batch
        },
    )
}

/// Ranges of `size`, at least 1, that cover a batch; the last one may be shorter.
pub fn pieces_of(batch: usize, size: usize) -> Vec<Range<usize>> {
    let size = size.max(1);
    (0..batch)
        .step_by(size)
        .map(|start| start..(start + size).min(batch))
        .collect()
}

/// Apply `work` to every piece and return the results in order: on a CPU on threads, on a GPU one
/// piece after the other.
///
/// Each thread works inside a rayon pool of its own with one thread: a tensor operation that
/// would fork stays on its core, and forks of different pieces do not wait for each other.
///
/// # Panics
/// If `work` panics.
pub fn each_piece<T: Send>(
    device: &Device,
    pieces: Vec<Range<usize>>,
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    if pieces.len() == 1 || !DeviceKind::is_cpu(device) {
        return pieces.into_iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let take_pieces = || {
        let mut results = Vec::new();
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(piece) = pieces.get(index)
        {
            results.push((index, work(piece.clone())));
        }
        results
    };
    let mut results: Vec<(usize, T)> = std::thread::scope(|scope| {
        let pools = single_thread_pools().iter().take(pieces.len());
        let workers: Vec<_> = pools
            .map(|pool| scope.spawn(|| pool.install(take_pieces)))
            .collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .flat_map(|results| results.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// One pool of one thread per core, started once.
fn single_thread_pools() -> &'static [ThreadPool] {
    static POOLS: OnceLock<Vec<ThreadPool>> = OnceLock::new();
    POOLS.get_or_init(|| {
        (0..rayon::current_num_threads())
            .map(|core| {
                ThreadPoolBuilder::new()
                    .num_threads(1)
                    .thread_name(move |_| format!("chains-{core}"))
                    .build()
                    .expect("a thread can be started")
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_get_as_many_chains_each_in_pieces_as_large_as_possible() {
        let sizes = |batch, threads| {
            let pieces = balanced_pieces(batch, threads);
            let ends = pieces.iter().map(|piece| piece.end);
            assert!(
                pieces
                    .iter()
                    .map(|piece| piece.start)
                    .eq([0].into_iter().chain(ends).take(pieces.len()))
            );
            assert_eq!(pieces.last().map_or(0, |piece| piece.end), batch);
            pieces
                .iter()
                .map(ExactSizeIterator::len)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(64, 2), [16; 4]);
        assert_eq!(sizes(48, 2), [16, 16, 8, 8]);
        assert_eq!(sizes(32, 4), [8; 4]);
        assert_eq!(sizes(100, 2), [16, 16, 16, 16, 16, 16, 4]);
        assert_eq!(sizes(20, 1), [16, 4]);
        assert_eq!(sizes(3, 64), [3]);
        assert_eq!(sizes(0, 2), [0; 0]);
    }

    #[test]
    fn ranges_cover_a_batch_whatever_their_size() {
        assert_eq!(pieces_of(5, 2), [0..2, 2..4, 4..5]);
        assert_eq!(pieces_of(2, 0), [0..1, 1..2]);
        assert!(pieces_of(0, 0).is_empty());
    }
}
