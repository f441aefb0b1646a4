//! Let threads of one process be the ranks: every path that several processes take, without any.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use super::Collective;

/// One of several ranks that are threads of a process.
#[derive(Debug)]
pub struct Threads {
    rank: u32,
    /// To every rank.
    to: Vec<Sender<Vec<u8>>>,
    /// From every rank.
    from: Vec<Mutex<Receiver<Vec<u8>>>>,
}

impl Threads {
    /// So many ranks, one for each thread.
    pub fn ranks(world: u32) -> Vec<Self> {
        let all = || 0..world as usize;
        // `senders[from][to]`, and `receivers[to][from]`.
        let mut senders: Vec<Vec<_>> = all().map(|_| Vec::new()).collect();
        let mut receivers: Vec<Vec<_>> = all().map(|_| Vec::new()).collect();
        for from in all() {
            for receivers_of in &mut receivers {
                let (sender, receiver) = channel();
                senders[from].push(sender);
                receivers_of.push(Mutex::new(receiver));
            }
        }
        let ends = senders.into_iter().zip(receivers);
        (0..)
            .zip(ends)
            .map(|(rank, (to, from))| Self { rank, to, from })
            .collect()
    }

    fn send(&self, peer: u32, bytes: Vec<u8>) {
        let sent = self.to[peer as usize].send(bytes);
        sent.unwrap_or_else(|_| panic!("rank {peer} has ended"));
    }

    fn receive(&self, peer: u32) -> Vec<u8> {
        let from = self.from[peer as usize].lock();
        let bytes = from.unwrap_or_else(PoisonError::into_inner).recv();
        bytes.unwrap_or_else(|_| panic!("rank {peer} has ended"))
    }
}

impl Collective for Threads {
    fn rank(&self) -> u32 {
        self.rank
    }

    fn world(&self) -> u32 {
        self.to.len() as u32
    }

    fn exchange(&self, peer: u32, send: &[f32], receive: &mut [f32]) {
        self.send(peer, send.iter().flat_map(|x| x.to_ne_bytes()).collect());
        let bytes = self.receive(peer);
        let (words, _) = bytes.as_chunks::<4>();
        assert_eq!(words.len(), receive.len(), "numbers from rank {peer}");
        let received = receive.iter_mut().zip(words);
        received.for_each(|(to, &word)| *to = f32::from_ne_bytes(word));
    }

    fn gather(&self, own: &[u8]) -> Vec<Vec<u8>> {
        let all = || 0..self.world();
        all().for_each(|peer| self.send(peer, own.to_vec()));
        all().map(|peer| self.receive(peer)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::thread;

    use super::*;

    #[test]
    fn everybody_gets_the_bytes_of_all_in_order_and_the_numbers_of_a_peer() {
        let of_rank = |rank: Threads| {
            let me = rank.rank();
            let all = rank.gather(&vec![me as u8; me as usize]);
            assert_eq!(all, [vec![], vec![1], vec![2, 2], vec![3, 3, 3]]);
            let mut other = [0.0; 2];
            rank.exchange(me ^ 1, &[me as f32, 0.5], &mut other);
            assert_eq!(other, [(me ^ 1) as f32, 0.5]);
        };
        thread::scope(|scope| {
            for rank in Threads::ranks(4) {
                scope.spawn(move || of_rank(rank));
            }
        });
    }

    #[test]
    fn nobody_waits_for_a_rank_that_has_ended() {
        let mut ranks = Threads::ranks(2);
        let second = ranks.pop().expect("a rank");
        drop(ranks);
        assert!(catch_unwind(|| second.gather(&[])).is_err());
    }
}
