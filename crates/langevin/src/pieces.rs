//! Spread the pieces of a batch over threads, each piece whole on one thread.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::panic::resume_unwind;
use std::sync::OnceLock;

#[cfg(feature = "wgpu")]
use burn::backend::DispatchDevice;
use burn::tensor::Device;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Chains of a piece on a CPU: few enough for a network's activations to stay in a core's cache,
/// enough to fill its matrix products.
pub const CHAINS_OF_PIECE: usize = 8;

/// The ranges into which `device` wants a batch cut: one on a GPU, pieces of `on_cpu` on a CPU.
pub fn pieces_for(device: &Device, batch: usize, on_cpu: usize) -> Vec<Range<usize>> {
    pieces_of(batch, if is_cpu(device) { on_cpu } else { batch })
}

/// A batch in ranges of `size`, the last one of what is left.
pub fn pieces_of(batch: usize, size: usize) -> Vec<Range<usize>> {
    (0..batch)
        .step_by(size.max(1))
        .map(|start| start..(start + size).min(batch))
        .collect()
}

/// Whether a device is a CPU, whose cores take pieces of a batch each.
pub fn is_cpu(device: &Device) -> bool {
    match device.as_dispatch() {
        #[cfg(feature = "wgpu")]
        DispatchDevice::Cube(_) => false,
        #[allow(unreachable_patterns)] // without a GPU backend
        _ => true,
    }
}

/// Apply `work` to every piece and return the results in order: on a CPU on threads, on a GPU one
/// piece after the other.
///
/// Each thread works inside a rayon pool of its own with one thread: a tensor operation that
/// would fork stays on its core, and forks of different pieces do not wait for each other.
pub fn each_piece<T: Send>(
    device: &Device,
    pieces: Vec<Range<usize>>,
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    if pieces.len() == 1 || !is_cpu(device) {
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
