//! Say what samples hold in memory at least, before any is drawn.

use ebm_core::ImageShape;
use ebm_train::Held;

use crate::output::sheet_bytes_per_pixel;

/// The flag that decides how many there are.
const NUM: &str = "--num";
/// The flag that decides how many chains each has.
const BEST_OF: &str = "--best-of";
/// Bytes of an element of a chain.
const F32: u64 = 4;
/// Bytes of the label of a chain.
const LABEL: u64 = 4;

/// What decides how much memory samples take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needed {
    /// How many they are.
    pub(crate) num: u64,
    /// Chains of each, of which one is kept.
    pub(crate) best_of: u64,
    /// Their shape.
    pub(crate) shape: ImageShape,
    /// States of each chain on its way that are kept.
    pub(crate) frames: u64,
    /// Whether all samples are on one sheet.
    pub(crate) is_sheet: bool,
    /// Whether chains depend on each other, so that they cannot be run in parts.
    pub(crate) is_one_part: bool,
    /// Whether chains are in the memory of the machine, and not of a GPU.
    pub(crate) is_on_cpu: bool,
}

impl Needed {
    /// The memory for all samples together; of what is written in parts, for the chains of one sample, which are never
    /// parted.
    pub(crate) fn held(&self) -> [Held; 2] {
        let num_chains = self.num.saturating_mul(self.best_of);
        let at_once = match self.is_sheet || self.is_one_part || self.frames > 0 {
            true => num_chains,
            false => self.best_of,
        };
        let of_chain = match self.is_on_cpu {
            true => F32 * (1 + self.frames),
            false => 0,
        };
        let sheet = match self.is_sheet {
            true => sheet_bytes_per_pixel(self.shape.width),
            false => 0,
        };
        let key = match self.best_of > self.num {
            true => BEST_OF,
            false => NUM,
        };
        let chains = Held::of_images(key, at_once, self.shape, of_chain);
        let shown = Held::of_images(NUM, self.num, self.shape, self.frames + sheet);
        let labels = num_chains.saturating_mul(LABEL);
        [
            // Chains are let go before the bytes of those that are kept are drawn on a sheet.
            match chains.bytes > shown.bytes {
                true => chains,
                false => shown,
            },
            Held { key, bytes: labels },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_PARTS: Needed = Needed {
        num: 10,
        best_of: 1,
        shape: ImageShape::new(1, 28, 28),
        frames: 0,
        is_sheet: false,
        is_one_part: false,
        is_on_cpu: true,
    };

    fn bytes(needed: Needed) -> u64 {
        needed.held().iter().map(|held| held.bytes).sum()
    }

    #[test]
    fn samples_that_are_written_as_they_come_hold_their_labels_and_a_chain() {
        assert_eq!(bytes(IN_PARTS), 40 + 784 * 4);
        let on_gpu = Needed {
            is_on_cpu: false,
            ..IN_PARTS
        };
        assert_eq!(bytes(on_gpu), 40);
    }

    #[test]
    fn of_several_chains_of_a_sample_all_are_held_and_one_is_shown() {
        let best = Needed {
            best_of: 3,
            ..IN_PARTS
        };
        assert_eq!(bytes(best), 3 * (40 + 784 * 4));
        let sheet = Needed {
            is_sheet: true,
            ..best
        };
        assert_eq!(bytes(sheet), 3 * (40 + 7840 * 4));
        let on_gpu = Needed {
            is_on_cpu: false,
            ..sheet
        };
        assert_eq!(bytes(on_gpu), 3 * 40 + 7840 * (2 + 4));
    }

    #[test]
    fn the_flag_that_asks_for_more_is_named() {
        let keys = |best_of| {
            let needed = Needed {
                best_of,
                ..IN_PARTS
            };
            needed.held().map(|held| held.key)
        };
        assert_eq!(keys(10), [NUM; 2]);
        assert_eq!(keys(11), [BEST_OF; 2]);
    }

    #[test]
    fn samples_that_are_drawn_together_hold_their_chains_their_frames_or_their_sheet() {
        let together = Needed {
            is_one_part: true,
            ..IN_PARTS
        };
        assert_eq!(bytes(together), 40 + 7840 * 4);
        let frames = Needed {
            frames: 60,
            ..IN_PARTS
        };
        assert_eq!(bytes(frames), 40 + 7840 * 4 * 61);
        let sheet = Needed {
            is_sheet: true,
            ..IN_PARTS
        };
        // An image of 28 pixels is magnified twofold.
        assert_eq!(bytes(sheet), 40 + 7840 * (2 + 4));
        let on_gpu = |needed| Needed {
            is_on_cpu: false,
            ..needed
        };
        assert_eq!(bytes(on_gpu(together)), 40);
        assert_eq!(bytes(on_gpu(frames)), 40 + 7840 * 60);
        assert_eq!(bytes(on_gpu(sheet)), bytes(sheet));
    }

    #[test]
    fn no_number_of_samples_overflows() {
        let endless = Needed {
            num: u64::MAX,
            is_sheet: true,
            ..IN_PARTS
        };
        assert_eq!(endless.held().map(|held| held.bytes), [u64::MAX; 2]);
    }
}
