//! Lend each thread memory that it keeps from one convolution to the next.

use std::cell::Cell;

use crate::lanes::MAX_WIDTH;

/// Runs `work` with slices of these lengths. Their content is unspecified, and each starts at a
/// cache line.
pub(super) fn with_scratch<const N: usize>(
    lengths: [usize; N],
    work: impl FnOnce([&mut [f32]; N]),
) {
    thread_local!(static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) });
    SCRATCH.with(|scratch| {
        let mut memory = scratch.take();
        let aligned = lengths.map(|len| len.next_multiple_of(MAX_WIDTH));
        let needed = aligned.iter().sum::<usize>() + MAX_WIDTH;
        memory.resize(memory.len().max(needed), 0.0);
        let start = memory.as_ptr().align_offset(64).min(MAX_WIDTH);
        let mut rest = &mut memory[start..];
        work(std::array::from_fn(|i| {
            let (slice, after) = std::mem::take(&mut rest).split_at_mut(aligned[i]);
            rest = after;
            &mut slice[..lengths[i]]
        }));
        scratch.set(memory);
    });
}
