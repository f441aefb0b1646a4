//! Show some chains of a run: the newest frame of them, for those who have an older one.

use std::time::Duration;

use axum::body::Bytes;
use ebm_apply::{score, to_bytes};
use ebm_core::{Energy, index_tensor};
use ebm_model::{EnergyModel, Frozen, Network};
use ebm_train::ChainState;
use tokio::sync::watch;
use tokio::time::timeout;

use super::demand::Demand;
use super::events::PATIENCE;

/// The most chains of a frame, and the most bytes of their pixels.
const MOST_CHAINS: usize = 64;
const MOST_BYTES: usize = 1 << 20;

/// The newest frame.
#[derive(Debug)]
pub(super) struct Frames {
    newest: watch::Sender<Newest>,
    demand: Demand,
}

#[derive(Clone, Debug, Default)]
struct Newest {
    /// 0 for none yet.
    number: u32,
    bytes: Bytes,
    /// Whether none will come any more.
    is_over: bool,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            newest: watch::Sender::new(Newest::default()),
            demand: Demand::default(),
        }
    }
}

impl Frames {
    /// Whether anybody asks for frames, or has within this time.
    pub(super) fn are_wanted(&self, within: Duration) -> bool {
        self.demand.is_there(within)
    }

    /// Show these chains from now on.
    pub(super) fn show(&self, look: &Look) {
        self.newest.send_modify(|newest| {
            newest.number = newest.number.wrapping_add(1).max(1);
            newest.bytes = look.encoded(newest.number).into();
        });
    }

    /// None will come any more: nobody waits for one.
    pub(super) fn end(&self) {
        self.newest.send_modify(|newest| newest.is_over = true);
    }

    /// The newest frame, where it is another one than `after`; else the next one, or none after a while.
    pub(super) async fn after(&self, after: u32) -> Option<Bytes> {
        let _asking = self.demand.ask();
        let mut newest = self.newest.subscribe();
        let is_other = |newest: &Newest| newest.number > 0 && newest.number != after;
        let come = async {
            let come = |newest: &Newest| is_other(newest) || newest.is_over;
            newest.wait_for(come).await.map(|_| ())
        };
        let _ = timeout(PATIENCE, come).await; // after a while without one
        let newest = self.newest.borrow();
        is_other(&newest).then(|| newest.bytes.clone())
    }
}

/// Some chains, as they were seen.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) iteration: u32,
    /// Channels, height and width.
    shape: [usize; 3],
    energies: Vec<f32>,
    /// Rounds of sampling since each began.
    ages: Vec<u32>,
    classes: Vec<u32>,
    /// `[chains, channels, height, width]`.
    pixels: Vec<u8>,
}

impl Look {
    /// Chains from everywhere in a buffer, always the same places, with their energies: each under its class, unless
    /// chains are of none, as where classes are summed out. On a GPU this waits for the device.
    pub(super) fn at(
        chains: &ChainState,
        model: &Frozen<Network>,
        is_marginal: bool,
        iteration: u64,
        seed: u64,
    ) -> Self {
        let buffer = &chains.buffer;
        let (shape, capacity) = (buffer.shape(), buffer.capacity());
        let fit = (MOST_BYTES / shape.iter().product::<usize>()).max(1);
        let num = MOST_CHAINS.min(capacity).min(fit);
        let slots: Vec<u32> = (0..num).map(|i| (i * capacity / num) as u32).collect();
        let images = buffer.peek(&slots, seed);
        let classes = buffer.labels(&slots);
        let given;
        let energy: &dyn Energy<4> = if model.num_classes() > 0 && !is_marginal {
            given = model.given(index_tensor(&classes, &images.device()));
            &given
        } else {
            model
        };
        let ages = buffer.ages();
        Self {
            iteration: iteration as u32,
            shape,
            energies: score::energies(energy, images.clone()),
            ages: slots.iter().map(|&slot| ages[slot as usize]).collect(),
            classes,
            pixels: to_bytes(images),
        }
    }

    /// As it travels, all numbers little endian.
    fn encoded(&self, number: u32) -> Vec<u8> {
        let [channels, height, width] = self.shape.map(|side| side as u32);
        let num = self.energies.len() as u32;
        let head = [number, self.iteration, num, channels, height, width];
        let energies = self.energies.iter().map(|energy| energy.to_bits());
        let words = head.into_iter().chain(energies);
        let words = words.chain(self.ages.iter().copied());
        let words = words.chain(self.classes.iter().copied());
        let bytes = words.flat_map(u32::to_le_bytes);
        bytes.chain(self.pixels.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn look(iteration: u32) -> Look {
        Look {
            iteration,
            shape: [1, 2, 1],
            energies: vec![0.5, f32::NAN],
            ages: vec![7, 8],
            classes: vec![0, 3],
            pixels: vec![1, 2, 3, 4],
        }
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().expect("a runtime");
        runtime.block_on(future)
    }

    #[test]
    fn a_frame_is_its_numbers_and_then_its_pixels() {
        let bytes = look(9).encoded(5);
        let (words, pixels) = bytes.split_at(4 * (6 + 3 * 2));
        let (words, rest) = words.as_chunks::<4>();
        assert!(rest.is_empty());
        let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        assert_eq!(words[..6], [5, 9, 2, 1, 2, 1]);
        let energies = [words[6], words[7]].map(f32::from_bits);
        assert!(energies[0] == 0.5 && energies[1].is_nan(), "{energies:?}");
        assert_eq!(words[8..], [7, 8, 0, 3]);
        assert_eq!(pixels, [1, 2, 3, 4]);
    }

    #[test]
    fn the_newest_frame_is_there_at_once_and_the_next_one_is_waited_for() {
        let frames = Frames::default();
        let number = |bytes: Option<Bytes>| bytes.map(|bytes| bytes[0]);
        wait(async {
            let mut first = pin!(frames.after(0));
            let mut context = Context::from_waker(Waker::noop());
            assert!(first.as_mut().poll(&mut context).is_pending());
            assert!(frames.are_wanted(Duration::ZERO));
            frames.show(&look(1));
            let Poll::Ready(shown) = first.as_mut().poll(&mut context) else {
                panic!("a frame was shown");
            };
            assert_eq!(number(shown), Some(1));
            frames.show(&look(2));
            frames.show(&look(3));
            assert_eq!(number(frames.after(1).await), Some(3), "none queues");
            // Of a server that has ended, a page knows larger numbers.
            assert_eq!(number(frames.after(99).await), Some(3));
            let mut none = pin!(frames.after(3));
            assert!(none.as_mut().poll(&mut context).is_pending());
            frames.end();
            assert_eq!(none.await, None);
        });
        assert!(!frames.are_wanted(Duration::ZERO));
    }
}
