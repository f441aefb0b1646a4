//! Move chains that leave the buffer to other modes: crop, flip, jitter the colours, grey out.
//!
//! The augmentation transitions of Du, Li, Tenenbaum & Mordatch, *Improved contrastive divergence
//! training of energy-based models* (2021), in this order and with these laws, SimCLR's for
//! CIFAR-10 (Chen et al. 2020, app. A, strength ½) but for a mild crop and a hue that stays:
//! - crop: a share U(0.8, 1) of the area, its aspect relative to the image's log-uniform in
//!   [3/4, 4/3] among those that fit, its place uniform, resized back bilinearly;
//! - flip left and right with probability ½;
//! - colour, with probability 0.8: factors of brightness, contrast and saturation, each U(0.6, 1.4);
//! - grey, with probability 0.2.
//!
//! The release of Du et al. (utils.py) is rougher on CIFAR-10, area from 0.08, factors from 0.2 to
//! 1.8 and the hue too, and leaves MNIST alone.

#[cfg(test)]
mod tests;

use burn::tensor::{Tensor, TensorData};
use ebm_core::pixels::LUMA;
use ebm_core::rows::row_mask;
use ebm_core::{NoiseKey, PhiloxRng};
use rand::RngExt;

use super::bytes::ByteRange;
use super::config::{Augmentation, BufferConfig};

/// Area of a crop, as a share of the image's.
const AREA: [f64; 2] = [0.8, 1.0];
/// Largest aspect of a crop relative to the image's; its inverse is the smallest.
const MAX_ASPECT: f64 = 4.0 / 3.0;
const FLIP_PROB: f64 = 0.5;
const JITTER_PROB: f64 = 0.8;
/// Factors of brightness, contrast and saturation.
const JITTER: [f64; 2] = [0.6, 1.4];
const GREY_PROB: f64 = 0.2;

/// Augment the kept ones among drawn chains, each with probability `augment_prob`. What happens to
/// a chain is a function of the key and the chain alone.
///
/// A chain to which nothing happens keeps its bits. Its matrices are identities, but a product
/// with one rounds where products run in TF32, so it is masked out of the result; the shapes of
/// the kernels stay those of the batch, for which they are tuned.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]` in `range`, as is what returns
/// - `ids`, `kept`: one per chain
pub(super) fn augment(
    config: &BufferConfig,
    x: Tensor<4>,
    ids: &[u32],
    kept: &[bool],
    key: NoiseKey,
    range: ByteRange,
) -> Tensor<4> {
    if config.augment.is_empty() {
        return x;
    }
    let batch = x.dims()[0];
    assert_eq!(batch, ids.len(), "{batch} images need as many chain ids");
    assert_eq!(batch, kept.len(), "{batch} images, each kept or not");
    let transitions: Vec<Transition> = ids
        .iter()
        .zip(kept)
        .map(|(&id, &kept)| {
            if kept {
                Transition::draw(config, key, id)
            } else {
                Transition::STAY
            }
        })
        .collect();
    let moved: Vec<bool> = transitions.iter().map(|t| *t != Transition::STAY).collect();
    if !moved.contains(&true) {
        return x;
    }
    let moved = row_mask(&moved, &x);
    let there = transform(x.clone(), &transitions, &config.augment).clamp(range.low, range.high);
    x.mask_where(moved, there)
}

/// What happens to an image.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Transition {
    /// The part of its height that is kept.
    rows: Window,
    /// The part of its width that is kept.
    columns: Window,
    /// Whether left and right change places.
    mirrored: bool,
    /// What of the image, of its grey level, and of that level's mean is in the new image.
    shares: [f64; 3],
}

/// Part of a side of an image, in units of the side.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    start: f64,
    length: f64,
}

impl Window {
    const WHOLE: Self = Self {
        start: 0.0,
        length: 1.0,
    };
}

impl Transition {
    /// Nothing happens.
    const STAY: Self = Self {
        rows: Window::WHOLE,
        columns: Window::WHOLE,
        mirrored: false,
        shares: [1.0, 0.0, 0.0],
    };

    /// The transition of a chain. It takes the same random numbers whatever is configured, so that
    /// one augmentation does not change what another does.
    fn draw(config: &BufferConfig, key: NoiseKey, chain: u32) -> Self {
        let has = |augmentation| config.augment.contains(&augmentation);
        let numbers: [f64; 11] = PhiloxRng::new(key, chain).random();
        let [moved, area, aspect, top, left, flip, jitter, b, k, s, grey] = numbers;
        if moved >= config.augment_prob {
            return Self::STAY;
        }
        let [rows, columns] = if has(Augmentation::Crop) {
            crop(area, aspect, [top, left])
        } else {
            [Window::WHOLE; 2]
        };
        let is_jittered = has(Augmentation::Color) && jitter < JITTER_PROB;
        let [brightness, contrast, saturation] = if is_jittered {
            [b, k, s].map(|u| within(JITTER, u))
        } else {
            [1.0; 3]
        };
        let is_grey = has(Augmentation::Grey) && grey < GREY_PROB;
        let saturation = if is_grey { 0.0 } else { saturation };
        Self {
            rows,
            columns,
            mirrored: has(Augmentation::Flip) && flip < FLIP_PROB,
            shares: recolouring(brightness, contrast, saturation),
        }
    }
}

/// The number in `[low, high]` that stands for `u` in [0, 1).
fn within([low, high]: [f64; 2], u: f64) -> f64 {
    low + (high - low) * u
}

/// Rows and columns of a crop, from uniform numbers.
///
/// A crop of area a and aspect r has height √(a/r) and width √(a·r), which fit where a ≤ r ≤ 1/a:
/// the tighter bound on r where a > 3/4.
fn crop(area: f64, aspect: f64, place: [f64; 2]) -> [Window; 2] {
    let area = within(AREA, area);
    let widest = MAX_ASPECT.min(1.0 / area).ln();
    let aspect = within([-widest, widest], aspect).exp();
    let sides = [(area / aspect).sqrt(), (area * aspect).sqrt()].map(|side| side.min(1.0));
    [0, 1].map(|i| Window {
        start: place[i] * (1.0 - sides[i]),
        length: sides[i],
    })
}

/// Shares of an image x, of its grey level g(x) and of the mean of g(x) after
/// x ← b·x, then x ← k·x + (1 − k)·mean g(x), then x ← s·x + (1 − s)·g(x):
/// brightness b, contrast k, saturation s (0 is grey), without clipping in between.
fn recolouring(b: f64, k: f64, s: f64) -> [f64; 3] {
    [b * k * s, b * k * (1.0 - s), b * (1.0 - k)]
}

/// Weight of every old pixel (column) in every new one (row) of a side of `size` pixels, when
/// `window` is resized to the whole side.
///
/// The centre of new pixel j lies at c = size·start + (j + ½)·length − ½, moved into
/// [0, size − 1]; between old pixels the image is linear, so that pixel i weighs
/// max(0, 1 − |c − i|).
///
/// # Shapes
/// - returns `[size, size]`, row-major, every row's sum 1
fn resampling(size: usize, window: Window, mirrored: bool) -> Vec<f32> {
    let centre = |j: usize| {
        let j = if mirrored { size - 1 - j } else { j };
        let c = size as f64 * window.start + (j as f64 + 0.5) * window.length - 0.5;
        c.clamp(0.0, size as f64 - 1.0) as f32
    };
    let weights = |c: f32| (0..size).map(move |i| (1.0 - (c - i as f32).abs()).max(0.0));
    (0..size).map(centre).flat_map(weights).collect()
}

/// Share of every channel in the grey level: [`LUMA`] for three channels, else their mean. One
/// channel is its own grey level, which saturation leaves as it is.
fn luma(channels: usize) -> Vec<f32> {
    match channels {
        3 => LUMA.to_vec(),
        _ => vec![1.0 / channels as f32; channels],
    }
}

/// The images after their transitions: R_y·X·R_xᵀ, then the colours. What none of `augment` needs
/// is left out, by the configuration and not by what was drawn, so that a chain's new bits do not
/// depend on the others of its batch.
fn transform(mut x: Tensor<4>, transitions: &[Transition], augment: &[Augmentation]) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let any = |kinds: &[Augmentation]| augment.iter().any(|kind| kinds.contains(kind));
    if any(&[Augmentation::Crop]) {
        let rows = |t: &Transition| resampling(height, t.rows, false);
        x = per_image(transitions, rows, [height, height], &x).matmul(x);
    }
    if any(&[Augmentation::Crop, Augmentation::Flip]) {
        let columns = |t: &Transition| resampling(width, t.columns, t.mirrored);
        let columns = per_image(transitions, columns, [width, width], &x);
        x = x.matmul(columns.swap_dims(2, 3));
    }
    if any(&[Augmentation::Color, Augmentation::Grey]) {
        x = recolour(x, transitions);
    }
    x
}

/// The images with their colours mixed as in [`recolouring`]. Three numbers an image stand for its
/// colour matrix, and where the first is 0 all channels are equal to the last bit.
fn recolour(x: Tensor<4>, transitions: &[Transition]) -> Tensor<4> {
    let channels = x.dims()[1];
    let luma = TensorData::new(luma(channels), [1, channels, 1, 1]);
    let luma = Tensor::<4>::from_data(luma, &x.device());
    let grey = (x.clone() * luma).sum_dim(1); // [batch, 1, height, width]
    let mean = grey.clone().mean_dim(2).mean_dim(3); // [batch, 1, 1, 1]
    let share = |i: usize| {
        let share = |t: &Transition| vec![t.shares[i] as f32];
        per_image(transitions, share, [1, 1], &x)
    };
    let [of_x, of_grey, of_mean] = [0, 1, 2].map(share);
    x * of_x + grey * of_grey + mean * of_mean
}

/// A matrix for every image, `[batch, 1, rows, columns]`, where `like` is.
fn per_image(
    transitions: &[Transition],
    matrix: impl Fn(&Transition) -> Vec<f32>,
    [rows, columns]: [usize; 2],
    like: &Tensor<4>,
) -> Tensor<4> {
    let values: Vec<f32> = transitions.iter().flat_map(matrix).collect();
    let data = TensorData::new(values, [transitions.len(), 1, rows, columns]);
    Tensor::from_data(data, &like.device())
}
