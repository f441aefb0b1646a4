//! Refuse what does not fit into the machine's memory, before it starts.

use clap::Args;
use ebm_core::ImageShape;
use ebm_data::{DataConfig, DatasetKind};
use ebm_train::Held;
use sysinfo::{MemoryRefreshKind, System};
use thiserror::Error;

/// Whether memory is checked, shared by the commands that say by their sizes how much they need.
#[derive(Args, Debug)]
pub(crate) struct MemoryArgs {
    /// Start although the machine has less memory than is needed at least
    #[arg(long)]
    no_memory_check: bool,
}

/// Work that needs more memory than there is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{work} needs at least {} of memory, and {} are free here; {} of it are for `{key}` (images of {shape}): set less, or start all the same with --no-memory-check",
    in_words(*needed),
    in_words(*available),
    in_words(*most)
)]
pub(crate) struct NotEnoughMemory {
    /// What needs it.
    work: &'static str,
    /// What it needs at least, in bytes.
    needed: u64,
    /// What is free, in bytes.
    available: u64,
    /// The flag or key that decides the largest part of it.
    key: &'static str,
    /// That part, in bytes.
    most: u64,
    /// Shape of the images.
    shape: ImageShape,
}

impl MemoryArgs {
    /// Check that the machine has what `work` on images of this shape holds at least.
    ///
    /// # Errors
    /// Where it has less.
    pub(crate) fn check(
        &self,
        work: &'static str,
        shape: ImageShape,
        held: &[Held],
    ) -> Result<(), NotEnoughMemory> {
        match self.no_memory_check {
            true => Ok(()),
            false => compare(work, shape, held, available()),
        }
    }

    /// [`check`](Self::check) of work on data, of which `held` says what it holds of them: given the shape of the images,
    /// the smallest that they may have where it is not known, and how many are in memory.
    ///
    /// # Errors
    /// Where the machine has less.
    pub(crate) fn check_with_data(
        &self,
        work: &'static str,
        data: &DataConfig,
        held: impl FnOnce(ImageShape, u64) -> Vec<Held>,
    ) -> Result<(), NotEnoughMemory> {
        if self.no_memory_check {
            return Ok(());
        }
        // What cannot be counted is reported where it is read.
        let Ok(images) = ebm_data::images_in(data) else {
            return Ok(());
        };
        let shape = images.shape.unwrap_or_else(|| least_shape(data));
        self.check(work, shape, &held(shape, images.num))
    }
}

/// The smallest shape that the images of a data set may have whose files do not tell it before they are read.
fn least_shape(data: &DataConfig) -> ImageShape {
    let shape = data.native_shape();
    if data.dataset == DatasetKind::Folder && data.image_size == 0 {
        ImageShape::new(shape.channels, 1, 1)
    } else {
        shape
    }
}

fn compare(
    work: &'static str,
    shape: ImageShape,
    held: &[Held],
    available: u64,
) -> Result<(), NotEnoughMemory> {
    let needed = sum(held);
    let for_key = |key| sum(held.iter().filter(|held| held.key == key));
    let keys = held.iter().map(|held| (for_key(held.key), held.key));
    match keys.max_by_key(|(bytes, _)| *bytes) {
        Some((most, key)) if needed > available => Err(NotEnoughMemory {
            work,
            needed,
            available,
            key: as_typed(key),
            most,
            shape,
        }),
        _ => Ok(()),
    }
}

fn sum<'a>(held: impl IntoIterator<Item = &'a Held>) -> u64 {
    let bytes = held.into_iter().map(|held| held.bytes);
    bytes.fold(0, u64::saturating_add)
}

/// A key as it is set on the command line: by its flag, where it has one.
fn as_typed(key: &'static str) -> &'static str {
    match key {
        "data.image_size" => "--image-size",
        key => key,
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

    const SHAPE: ImageShape = ImageShape::new(1, 28, 28);

    fn held(key: &'static str, bytes: u64) -> Held {
        Held { key, bytes }
    }

    /// Why work that holds this does not fit.
    fn refused(all: &[Held], available: u64) -> String {
        let compared = compare("the run", SHAPE, all, available);
        compared.expect_err("too little").to_string()
    }

    #[test]
    fn names_the_key_that_needs_most() {
        let all = [
            held("data.train_images", 1 << 20),
            held("buffer.capacity", 3 << 30),
        ];
        let enough = (3 << 30) + (1 << 20);
        assert_eq!(compare("the run", SHAPE, &all, enough), Ok(()));
        assert_eq!(
            refused(&all, enough - 1),
            "the run needs at least 3.0 GiB of memory, and 3.0 GiB are free here; 3.0 GiB of it are for \
             `buffer.capacity` (images of 1×28×28): set less, or start all the same with --no-memory-check"
        );
        let endless = [held("batch_size", u64::MAX), held("data.crops", u64::MAX)];
        assert!(compare("the run", SHAPE, &endless, 1 << 40).is_err());
    }

    #[test]
    fn what_one_key_needs_in_several_places_is_added_and_a_key_with_a_flag_is_named_by_it() {
        let all = [
            held("data.image_size", 2 << 30),
            held("--num", 3 << 30),
            held("data.image_size", 2 << 30),
        ];
        let message = refused(&all, 1 << 30);
        assert!(
            message.contains("4.0 GiB of it are for `--image-size`"),
            "{message}"
        );
    }

    #[test]
    fn pictures_whose_size_is_not_known_are_taken_for_the_smallest() {
        let mut data = DataConfig {
            dataset: DatasetKind::Folder,
            ..DataConfig::default()
        };
        assert_eq!(least_shape(&data), ImageShape::new(3, 1, 1));
        data.image_size = 48;
        assert_eq!(least_shape(&data), ImageShape::new(3, 48, 48));
    }

    #[test]
    fn arrays_are_counted_in_the_shape_that_their_header_tells() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("x.npy");
        let mut array = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        array.extend(b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 5, 5, 3), }");
        array.resize(127, b' ');
        array.push(b'\n');
        array.resize(128 + 2 * 75, 7);
        std::fs::write(&path, array).expect("a file");
        let data = DataConfig {
            dataset: DatasetKind::Arrays,
            dir: Some(path),
            ..DataConfig::default()
        };
        let memory = MemoryArgs {
            no_memory_check: false,
        };
        let mut seen = None;
        let checked = memory.check_with_data("the run", &data, |shape, images| {
            seen = Some((shape, images));
            vec![held("batch_size", 1)]
        });
        assert_eq!(
            (checked, seen),
            (Ok(()), Some((ImageShape::new(3, 5, 5), 2)))
        );
    }

    #[test]
    fn this_machine_has_some_memory() {
        assert!((1 << 20..1 << 50).contains(&available()));
    }
}
