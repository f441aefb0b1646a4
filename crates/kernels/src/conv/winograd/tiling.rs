//! Decide whether and how to cut a convolution into tiles.

use super::lattice::Lattice;
use super::transform::outputs_of;
use crate::conv::factors::{Factors, Packing};
use crate::conv::images::Order;
use crate::conv::shape::ConvShape;

/// Sizes of tiles, in points along one axis, for which there are transforms: for kernels of two taps
/// and of three.
const POINTS: [&[usize]; 2] = [&[3, 5, 6], &[6]];
/// From so many images on they are lanes of vectors, even if some lanes stay empty. Fewer are
/// computed one by one.
const MIN_IMAGES: usize = 4;
/// Channels from which the multiplications saved outweigh the transforms.
pub(in crate::conv) const MIN_CHANNELS: usize = 16;
/// The most transformed weights that are worth their memory, 40 MB.
const MAX_WEIGHTS: usize = 10 << 20;
/// Tiles of an image for which reading the transformed weights pays.
const MIN_TILES: usize = 4;

/// A convolution, or its input gradient, whose kernel has two or three taps on every phase.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv) struct Winograd {
    pub(super) direction: Direction,
    pub(super) source: Lattice,
    pub(super) target: Lattice,
    /// Taps of a kernel on a phase, along one axis.
    pub(super) taps: usize,
    /// Points of a tile along one axis.
    pub(in crate::conv) points: usize,
    /// Rows and columns of tiles.
    pub(super) tiles: [usize; 2],
    /// Packing of the factors of products.
    pub(super) packing: Packing,
}

/// What a [`Winograd`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    InputGradient,
}

/// Taps on every phase, if there are transforms for them.
fn taps(shape: &ConvShape) -> Option<usize> {
    match (shape.kernel, shape.stride) {
        ([3, 3], [1, 1]) => Some(3),
        ([4, 4], [2, 2]) => Some(2),
        _ => None,
    }
}

impl Winograd {
    /// The convolution itself, where tiles are faster.
    pub(in crate::conv) fn forward(shape: &ConvShape) -> Option<Self> {
        let pixels = Lattice {
            channels: shape.channels_in,
            size: [shape.height, shape.width],
            stride: shape.stride[0],
            offset: shape.padding.map(|(before, _)| -(before as isize)),
        };
        let outputs = Lattice {
            channels: shape.channels_out,
            size: shape.out(),
            stride: 1,
            offset: [0, 0],
        };
        let taps = taps(shape)?;
        Self::new(Direction::Forward, pixels, outputs, taps, shape.out())
    }

    /// The gradient of its input, where tiles are faster.
    pub(in crate::conv) fn input_gradient(shape: &ConvShape) -> Option<Self> {
        let taps = taps(shape)?;
        let (size, stride) = ([shape.height, shape.width], shape.stride[0]);
        let before = shape.padding.map(|(before, _)| before);
        let first = before.map(|before| before / stride);
        let points = [0, 1].map(|axis| (before[axis] + size[axis] - 1) / stride - first[axis] + 1);
        let gradients = Lattice {
            channels: shape.channels_out,
            size: shape.out(),
            stride: 1,
            offset: first.map(|first| first as isize - (taps as isize - 1)),
        };
        let pixels = Lattice {
            channels: shape.channels_in,
            size,
            stride,
            offset: [0, 1].map(|axis| (stride * first[axis]) as isize - before[axis] as isize),
        };
        Self::new(Direction::InputGradient, gradients, pixels, taps, points)
    }

    /// The tiling with the fewest products, of those that pay.
    fn new(
        direction: Direction,
        source: Lattice,
        target: Lattice,
        taps: usize,
        outputs: [usize; 2],
    ) -> Option<Self> {
        let with = |&points: &usize| Self {
            direction,
            source,
            target,
            taps,
            points,
            tiles: outputs.map(|outputs| outputs.div_ceil(outputs_of(points, taps))),
            packing: Packing::F32,
        };
        let tilings = POINTS[taps - 2].iter().map(with);
        tilings.filter(Self::pays).min_by_key(Self::products)
    }

    /// The same with the factors of its products rounded.
    pub(in crate::conv) fn with_factors(self, factors: Factors) -> Self {
        let packing = Packing::for_factors(factors, self.inputs());
        Self { packing, ..self }
    }

    /// Layout of batches of so many images.
    pub(in crate::conv) fn order(images: usize) -> Order {
        match images {
            MIN_IMAGES.. => Order::Lanes,
            _ => Order::Planes,
        }
    }

    fn pays(&self) -> bool {
        self.source.channels.min(self.target.channels) >= MIN_CHANNELS
            && self.weights_len() <= MAX_WEIGHTS
            && self.tiles.iter().product::<usize>() >= MIN_TILES
    }

    /// Products of a tile, for a pair of an input and an output channel.
    pub(super) fn products_of_tile(&self) -> usize {
        self.points * self.points
    }

    /// Products of an image, for a pair of an input and an output channel.
    fn products(&self) -> usize {
        self.products_of_tile() * self.tiles.iter().product::<usize>()
    }

    /// Transformed weights, before they are packed.
    pub(super) fn weights_len(&self) -> usize {
        self.products_of_tile() * self.inputs() * self.outputs()
    }

    /// Channels of the products' source: each phase of a channel is one.
    pub(super) fn inputs(&self) -> usize {
        self.source.channels * self.source.phases()
    }

    /// Channels of the products' target: each phase of a channel is one.
    pub(super) fn outputs(&self) -> usize {
        self.target.channels * self.target.phases()
    }
}
