//! Run a Langevin step on the CPU: one pass over the pixels of each chain, chains spread over the
//! threads of the caller's pool.

use burn::backend::Flex;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::LangevinOps;
use crate::step::{Descent, Noise};

impl LangevinOps for Flex {
    fn perturb(x: FloatTensor<Self>, chains: IntTensor<Self>, noise: Noise) -> FloatTensor<Self> {
        let mut x = contiguous(x);
        let chains = chain_ids(&chains);
        rows(&mut x, chains.len())
            .zip(&chains)
            .for_each(|(row, &chain)| add_noise(row, chain, noise));
        x
    }

    fn descend(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        chains: IntTensor<Self>,
        descent: Descent,
        noise: Option<Noise>,
    ) -> FloatTensor<Self> {
        let (mut x, gradient) = (contiguous(x), contiguous(gradient));
        let offset = gradient.layout().start_offset();
        let gradient = &gradient.storage::<f32>()[offset..];
        let chains = chain_ids(&chains);
        let pixels = x.layout().num_elements() / chains.len().max(1);
        let gradients = gradient.par_chunks(pixels.max(1));
        rows(&mut x, chains.len())
            .zip(gradients)
            .zip(&chains)
            .for_each(|((row, gradient), &chain)| {
                for (x, &g) in row.iter_mut().zip(gradient) {
                    *x = descent.of_pixel(*x, g);
                }
                if let Some(noise) = noise {
                    add_noise(row, chain, noise);
                }
            });
        x
    }
}

/// The tensor in row-major order; it may still be a view of a longer storage.
fn contiguous(x: FlexTensor) -> FlexTensor {
    if x.is_contiguous() {
        x
    } else {
        x.to_contiguous()
    }
}

/// The pixels of every chain, mutable: in place where nothing else holds the tensor, else in a copy.
fn rows(x: &mut FlexTensor, chains: usize) -> impl IndexedParallelIterator<Item = &mut [f32]> {
    if !x.is_unique() {
        *x = x.to_contiguous();
    }
    let (offset, elements) = (x.layout().start_offset(), x.layout().num_elements());
    let pixels = elements / chains.max(1);
    x.storage_mut::<f32>()[offset..offset + elements].par_chunks_mut(pixels.max(1))
}

fn chain_ids(chains: &FlexTensor) -> Vec<u32> {
    let chains = chains.to_contiguous();
    let (offset, len) = (
        chains.layout().start_offset(),
        chains.layout().num_elements(),
    );
    let ids = &chains.storage::<i32>()[offset..offset + len];
    ids.iter().map(|&id| id as u32).collect()
}

/// x + s·ξ for one chain.
fn add_noise(row: &mut [f32], chain: u32, noise: Noise) {
    noise.key.add(chain, noise.distribution, noise.scale, row);
}
