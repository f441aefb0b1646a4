//! View the weights of a convolution, and keep the layouts that the kernels read them in.

use std::sync::OnceLock;

use super::factors::Factors;
use super::shape::ConvShape;

/// The most points of a Winograd tile along one axis.
const MAX_POINTS: usize = 6;

/// A strided view of the weights of a convolution, `[c_out, c_in, kh, kw]`.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Elements from the first weight on.
    pub values: &'a [f32],
    /// Output channels, input channels, rows and columns of a kernel.
    pub size: [usize; 4],
    /// Elements between neighbours along each of these axes.
    pub steps: [usize; 4],
}

impl Weights<'_> {
    pub(super) fn len(&self) -> usize {
        self.size.iter().product()
    }

    /// Elements from the first tap between two channels on.
    pub(super) fn kernel(&self, output: usize, input: usize) -> &[f32] {
        &self.values[output * self.steps[0] + input * self.steps[1]..]
    }

    /// Panics unless the convolution has these channels and kernels.
    pub(super) fn check(&self, shape: &ConvShape) {
        let [rows, columns] = shape.kernel;
        let expected = [shape.channels_out, shape.channels_in, rows, columns];
        assert_eq!(self.size, expected, "weights of another convolution");
    }
}

/// The layouts in which the kernels read weights that do not change. Each is made when it is first
/// needed.
#[derive(Debug, Default)]
pub struct Layouts {
    pub(super) factors: Factors,
    pub(super) forward: Layout,
    pub(super) input_gradient: Layout,
}

/// The layouts for one direction. Which algorithm is the faster one depends on the size of the images, and each reads
/// weights in a layout of its own: the same weights may serve images of several sizes.
#[derive(Debug, Default)]
pub(super) struct Layout {
    direct: OnceLock<Vec<f32>>,
    /// By the points of a tile along one axis.
    winograd: [OnceLock<Vec<f32>>; MAX_POINTS + 1],
}

impl Layout {
    /// That of direct products, made by `pack` where it is missing.
    pub(super) fn direct(&self, pack: impl FnOnce() -> Vec<f32>) -> &[f32] {
        self.direct.get_or_init(pack)
    }

    /// That of Winograd tiles with so many points along an axis, made by `pack` where it is missing.
    pub(super) fn winograd(&self, points: usize, pack: impl FnOnce() -> Vec<f32>) -> &[f32] {
        self.winograd[points].get_or_init(pack)
    }
}

impl Layouts {
    /// No layout yet, of weights to be multiplied in the precision of `factors`.
    pub fn new(factors: Factors) -> Self {
        Self {
            factors,
            ..Self::default()
        }
    }
}
