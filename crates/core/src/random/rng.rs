//! Offer the words of a key to `rand`'s algorithms.

use core::convert::Infallible;

use rand::TryRng;

use super::NoiseKey;

/// A sequence of Philox words for [`rand`]'s algorithms (shuffles, initial weights), one per
/// (key, chain).
#[derive(Clone, Debug)]
pub struct PhiloxRng {
    key: NoiseKey,
    chain: u32,
    drawn: u32,
    words: [u32; 4],
}

impl PhiloxRng {
    /// The sequence of `key` for `chain`, from its first word.
    pub fn new(key: NoiseKey, chain: u32) -> Self {
        Self {
            key,
            chain,
            drawn: 0,
            words: [0; 4],
        }
    }
}

impl TryRng for PhiloxRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let lane = self.drawn % 4;
        if lane == 0 {
            self.words = self.key.words(self.chain, self.drawn / 4);
        }
        self.drawn += 1;
        Ok(self.words[lane as usize])
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let (low, high) = (self.try_next_u32()?, self.try_next_u32()?);
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            let word = self.try_next_u32()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn a_sequence_is_the_words_of_its_chain_in_order() {
        let key = NoiseKey::new(9, Stream::Weights, 0);
        let mut rng = PhiloxRng::new(key, 2);
        let drawn: Vec<u32> = (0..8).map(|_| rand::Rng::next_u32(&mut rng)).collect();
        assert_eq!(drawn, [key.words(2, 0), key.words(2, 1)].concat());
    }
}
