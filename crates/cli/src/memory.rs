//! Refuse a run that does not fit into the machine's memory, before anything is loaded.

use ebm_core::ImageShape;
use ebm_train::{Config, Held, least_memory};
use sysinfo::{MemoryRefreshKind, System};
use thiserror::Error;

/// A run that needs more memory than there is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "the run needs at least {} of memory, and {} are free here; {} of it are for `{key}` (images of {shape}): set less, or start all the same with --no-memory-check",
    in_words(*needed),
    in_words(*available),
    in_words(*most)
)]
pub(crate) struct NotEnoughMemory {
    /// What the run needs at least, in bytes.
    needed: u64,
    /// What is free, in bytes.
    available: u64,
    /// The key that decides the largest part of it.
    key: &'static str,
    /// That part, in bytes.
    most: u64,
    /// Shape of the images.
    shape: ImageShape,
}

/// Check that the machine has what a run on `images` images of this shape needs at least.
///
/// # Errors
/// Where it has less.
pub(crate) fn check(
    config: &Config,
    shape: ImageShape,
    images: u64,
) -> Result<(), NotEnoughMemory> {
    compare(&least_memory(config, shape, images), shape, available())
}

fn compare(held: &[Held], shape: ImageShape, available: u64) -> Result<(), NotEnoughMemory> {
    let needed = held
        .iter()
        .fold(0u64, |sum, held| sum.saturating_add(held.bytes));
    match held.iter().max_by_key(|held| held.bytes) {
        Some(most) if needed > available => Err(NotEnoughMemory {
            needed,
            available,
            key: most.key,
            most: most.bytes,
            shape,
        }),
        _ => Ok(()),
    }
}

/// Memory that this process may still take, in bytes: of the machine, or of its control group where that has less.
fn available() -> u64 {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    // What a group has read from files is given back when it is needed.
    let of_group = system.cgroup_limits().map_or(u64::MAX, |group| {
        group.total_memory.saturating_sub(group.rss)
    });
    system.available_memory().min(of_group)
}

/// Bytes in the unit that suits them.
fn in_words(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    match mib {
        mib if mib < 1024.0 => format!("{mib:.0} MiB"),
        mib => format!("{:.1} GiB", mib / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_key_that_needs_most() {
        let held = |key, bytes| Held { key, bytes };
        let all = [
            held("data.train_images", 1 << 20),
            held("buffer.capacity", 3 << 30),
        ];
        let (enough, shape) = ((3 << 30) + (1 << 20), ImageShape::new(1, 28, 28));
        assert_eq!(compare(&all, shape, enough), Ok(()));
        let message = compare(&all, shape, enough - 1)
            .expect_err("too little")
            .to_string();
        assert_eq!(
            message,
            "the run needs at least 3.0 GiB of memory, and 3.0 GiB are free here; 3.0 GiB of it are for \
             `buffer.capacity` (images of 1×28×28): set less, or start all the same with --no-memory-check"
        );
        let endless = [held("batch_size", u64::MAX), held("data.crops", u64::MAX)];
        assert!(compare(&endless, shape, 1 << 40).is_err());
    }

    #[test]
    fn this_machine_has_some_memory() {
        assert!((1 << 20..1 << 50).contains(&available()));
    }
}
