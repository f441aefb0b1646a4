//! Sum vectors over a fixed tree, so that the sum has the same bits however many ranks share the work.
//!
//! The leaves are the shards: neighbours are added, then neighbouring pairs, and so on. A rank adds its own subtree,
//! ranks add theirs at distance 1, 2, 4, …: each keeps one half of its numbers and sends the other (recursive halving),
//! and the sums go back the same way (recursive doubling), as in Thakur, Rabenseifner & Gropp, *Optimization of
//! collective communication operations in MPICH* (2005), §4.5. `MPI_Allreduce` may take any order. a + b is b + a to
//! the bit, so that both sides of an exchange have the same sum.

use super::Collective;

/// The sum of vectors of one length, a power of two of them, as a tree of neighbours.
pub(super) fn of_neighbours(mut leaves: Vec<Vec<f32>>) -> Vec<f32> {
    assert!(leaves.len().is_power_of_two(), "leaves of a whole tree");
    while leaves.len() > 1 {
        let mut pairs = leaves.into_iter();
        let mut sums = Vec::new();
        while let (Some(mut left), Some(right)) = (pairs.next(), pairs.next()) {
            add(&mut left, &right);
            sums.push(left);
        }
        leaves = sums;
    }
    leaves.pop().unwrap_or_default()
}

/// Make `values` the sum of those of all ranks, whose number is a power of two.
pub(super) fn over_ranks(collective: &dyn Collective, values: &mut [f32]) {
    let (rank, world) = (collective.rank(), collective.world());
    assert!(world.is_power_of_two(), "ranks of a whole tree");
    let distances = (0..world.trailing_zeros()).map(|level| 1 << level);
    let mut own = 0..values.len();
    let mut wider = Vec::new();
    let mut received = Vec::new();
    for distance in distances {
        let (low, high) = halves(&own);
        let (kept, sent) = match rank & distance {
            0 => (low, high),
            _ => (high, low),
        };
        received.resize(kept.len(), 0.0);
        collective.exchange(rank ^ distance, &values[sent.clone()], &mut received);
        add(&mut values[kept.clone()], &received);
        wider.push((distance, sent));
        own = kept;
    }
    for (distance, missing) in wider.into_iter().rev() {
        received.resize(missing.len(), 0.0);
        collective.exchange(rank ^ distance, &values[own.clone()], &mut received);
        values[missing.clone()].copy_from_slice(&received);
        own = own.start.min(missing.start)..own.end.max(missing.end);
    }
}

type Range = core::ops::Range<usize>;

fn halves(whole: &Range) -> (Range, Range) {
    let middle = whole.start + whole.len() / 2;
    (whole.start..middle, middle..whole.end)
}

fn add(to: &mut [f32], terms: &[f32]) {
    to.iter_mut().zip(terms).for_each(|(to, term)| *to += term);
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::Threads;
    use super::*;

    /// The numbers of a shard, of very different sizes, so that each order of adding them has other bits.
    fn leaf(shard: u32, length: usize) -> Vec<f32> {
        let number = |i: usize| {
            let bits = (shard.wrapping_mul(0x9E37_79B9) ^ i as u32).wrapping_mul(0x85EB_CA6B);
            (bits as f32 / u32::MAX as f32 - 0.5) * 10f32.powi((bits % 13) as i32 - 6)
        };
        (0..length).map(number).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    /// The sum of eight shards that so many ranks find.
    fn sums(world: u32, length: usize) -> Vec<Vec<f32>> {
        let of_rank = |rank: Threads| {
            let each = 8 / world;
            let own = (rank.rank() * each..(rank.rank() + 1) * each).map(|it| leaf(it, length));
            let mut sum = of_neighbours(own.collect());
            over_ranks(&rank, &mut sum);
            sum
        };
        thread::scope(|scope| {
            let ranks = Threads::ranks(world).into_iter();
            let running: Vec<_> = ranks.map(|rank| scope.spawn(|| of_rank(rank))).collect();
            let ended = running
                .into_iter()
                .map(|rank| rank.join().expect("no panic"));
            ended.collect()
        })
    }

    #[test]
    fn any_number_of_ranks_finds_the_same_bits() {
        for length in [0, 1, 3, 7, 8, 1001] {
            let expected = bits(&sums(1, length)[0]);
            for world in [2, 4, 8] {
                for sum in sums(world, length) {
                    assert_eq!(bits(&sum), expected, "{world} ranks, {length} numbers");
                }
            }
        }
    }

    #[test]
    fn the_sum_is_that_of_all_and_its_order_is_the_trees() {
        let leaves: Vec<Vec<f32>> = (0..8).map(|shard| leaf(shard, 100)).collect();
        let sum = of_neighbours(leaves.clone());
        for (i, &sum) in sum.iter().enumerate() {
            let x: Vec<f32> = leaves.iter().map(|leaf| leaf[i]).collect();
            let tree = ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
            assert_eq!(sum.to_bits(), tree.to_bits());
        }
        let in_a_row = leaves
            .iter()
            .skip(1)
            .fold(leaves[0].clone(), |mut sum, leaf| {
                add(&mut sum, leaf);
                sum
            });
        assert_ne!(
            bits(&sum),
            bits(&in_a_row),
            "an order that can be told apart"
        );
    }
}
