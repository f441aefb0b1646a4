//! Run a Langevin step on a GPU: one thread for each four pixels of a chain, as Philox yields four words.

use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use ebm_core::random::{
    Distribution, ERFINV_CENTRAL, ERFINV_TAIL, MULTIPLIERS, ROUNDS, UNIFORM_CELL, WEYL,
};

use super::LangevinOps;
use crate::step::{Descent, Noise};

impl LangevinOps for CubeBackend {
    fn perturb(x: FloatTensor<Self>, chains: IntTensor<Self>, noise: Noise) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let gradient = x.clone(); // not read without a descent
        launch(x, gradient, chains, None, Some(noise))
    }

    fn descend(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        chains: IntTensor<Self>,
        descent: Descent,
        noise: Option<Noise>,
    ) -> FloatTensor<Self> {
        let (x, gradient) = (into_contiguous(x), into_contiguous(gradient));
        launch(x, gradient, chains, Some(descent), noise)
    }
}

/// What one launch does; each variant is compiled once.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Variant {
    descend: bool,
    noise: Option<Distribution>,
}

fn launch(
    x: CubeTensor,
    gradient: CubeTensor,
    chains: CubeTensor,
    descent: Option<Descent>,
    noise: Option<Noise>,
) -> CubeTensor {
    assert_eq!(x.dtype, DType::F32, "Langevin kernels work in f32");
    let chains = into_contiguous(chains);
    let shape = x.shape();
    let output =
        empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape.clone(), x.dtype);
    let batch = chains.shape().num_elements();
    if batch == 0 || shape.num_elements() == 0 {
        return output;
    }
    let pixels = shape.num_elements() / batch;
    let blocks = pixels.div_ceil(4);

    let variant = Variant {
        descend: descent.is_some(),
        noise: noise.map(|noise| noise.distribution),
    };
    let descent = descent.unwrap_or(Descent {
        step_size: 0.0,
        inverse_temperature: 1.0,
        grad_clip: f32::INFINITY,
        bounds: [f32::NEG_INFINITY, f32::INFINITY],
    });
    let (key, counter, scale) = noise.map_or(([0; 2], [0; 2], 0.0), |noise| {
        let counter = noise.key.middle_words();
        (noise.key.philox_key(), counter, noise.scale)
    });

    let client = output.client.clone();
    let units = batch * blocks;
    let cube_dim = CubeDim::new(&client, units);
    let cube_count = calculate_cube_count_elemwise(&client, units, cube_dim);
    // SAFETY: a unit beyond the rows ends at once, and a row has `pixels` elements in `x`, `gradient` and
    // `output`, which have one shape.
    unsafe {
        langevin_kernel::launch_unchecked(
            &client,
            cube_count,
            cube_dim,
            x.into_tensor_arg(),
            gradient.into_tensor_arg(),
            chains.into_tensor_arg(),
            output.clone().into_tensor_arg(),
            pixels as u32,
            descent.step_size,
            descent.inverse_temperature,
            finite(descent.grad_clip),
            finite(descent.bounds[0]),
            finite(descent.bounds[1]),
            key[0],
            key[1],
            counter[0],
            counter[1],
            scale,
            variant,
        )
    };
    output
}

/// Shading languages have no infinity: the largest number stands for it.
fn finite(bound: f32) -> f32 {
    bound.clamp(f32::MIN, f32::MAX)
}

#[allow(clippy::too_many_arguments, clippy::manual_div_ceil)] // an interface to a device, and its language
#[cube(launch_unchecked)]
fn langevin_kernel(
    x: &Tensor<f32>,
    gradient: &Tensor<f32>,
    chains: &Tensor<i32>,
    output: &mut Tensor<f32>,
    pixels: u32,
    step_size: f32,
    inverse_temperature: f32,
    grad_clip: f32,
    low: f32,
    high: f32,
    key_low: u32,
    key_high: u32,
    step_and_stream: u32,
    iteration: u32,
    scale: f32,
    #[comptime] variant: Variant,
) {
    let blocks = (pixels + 3) / 4;
    let unit = ABSOLUTE_POS as u32;
    let row = unit / blocks;
    let block = unit % blocks;
    if row as usize >= chains.len() {
        terminate!();
    }

    let mut words = Array::<u32>::new(4usize);
    if comptime!(variant.noise.is_some()) {
        let chain = u32::cast_from(chains[row as usize]);
        philox(
            &mut words,
            block,
            step_and_stream,
            iteration,
            chain,
            key_low,
            key_high,
        );
    }

    #[unroll]
    for lane in 0..4u32 {
        let pixel = block * 4 + lane;
        if pixel < pixels {
            let at = (row * pixels + pixel) as usize;
            let mut value = x[at];
            if comptime!(variant.descend) {
                let scaled = gradient[at] * inverse_temperature;
                let clamped = scaled.clamp(-grad_clip, grad_clip);
                value = (value - step_size * clamped).clamp(low, high);
            }
            if comptime!(variant.noise.is_some()) {
                let word = words[comptime!(lane as usize)];
                if comptime!(variant.noise == Some(Distribution::Normal)) {
                    value += scale * normal(word);
                } else {
                    value += scale * uniform(word);
                }
            }
            output[at] = value;
        }
    }
}

/// Four random words, as [`ebm_core::random::philox4x32_10`] gives them.
#[cube]
fn philox(
    words: &mut Array<u32>,
    block: u32,
    step_and_stream: u32,
    iteration: u32,
    chain: u32,
    key_low: u32,
    key_high: u32,
) {
    let mut c0 = block;
    let mut c1 = step_and_stream;
    let mut c2 = iteration;
    let mut c3 = chain;
    let mut k0 = key_low;
    let mut k1 = key_high;
    #[unroll]
    for _ in 0..ROUNDS {
        let m0 = comptime!(MULTIPLIERS[0]).runtime();
        let m1 = comptime!(MULTIPLIERS[1]).runtime();
        let high0 = m0.mul_hi(c0);
        let high1 = m1.mul_hi(c2);
        let low0 = m0 * c0;
        let low1 = m1 * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += comptime!(WEYL[0]).runtime();
        k1 += comptime!(WEYL[1]).runtime();
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

/// As [`ebm_core::random::uniform`].
#[cube]
fn uniform(word: u32) -> f32 {
    (f32::cast_from(word >> 9) + 0.5) * UNIFORM_CELL
}

/// As [`ebm_core::random::normal`].
#[allow(clippy::needless_range_loop)] // unrolled by the index
#[cube]
fn normal(word: u32) -> f32 {
    let y = 2.0 * uniform(word) - 1.0;
    let w = -((1.0 - y) * (1.0 + y)).ln();
    let mut polynomial = f32::new(0.0);
    if w < 5.0 {
        let t = w - 2.5;
        #[unroll]
        for i in 0..9usize {
            polynomial = polynomial * t + comptime!(ERFINV_CENTRAL[i]).runtime();
        }
    } else {
        let t = w.sqrt() - 3.0;
        #[unroll]
        for i in 0..9usize {
            polynomial = polynomial * t + comptime!(ERFINV_TAIL[i]).runtime();
        }
    }
    comptime!(core::f32::consts::SQRT_2).runtime() * polynomial * y
}
