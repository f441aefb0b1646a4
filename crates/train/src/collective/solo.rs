//! Be the only rank.

use super::Collective;

/// The only rank: nothing is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Solo;

impl Collective for Solo {
    fn rank(&self) -> u32 {
        0
    }

    fn world(&self) -> u32 {
        1
    }

    /// # Panics
    /// Always: there is nobody else.
    fn exchange(&self, peer: u32, _: &[f32], _: &mut [f32]) {
        panic!("expected a rank below 1, got {peer}");
    }

    fn gather(&self, own: &[u8]) -> Vec<Vec<u8>> {
        vec![own.to_vec()]
    }
}
