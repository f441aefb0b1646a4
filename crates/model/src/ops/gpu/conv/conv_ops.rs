//! Name the operations of a convolution, and compose them of Burn's own.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, backend_extension};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Shape, Slice};
use ebm_kernels::conv::Factors;

use crate::ops::geometry::ConvGeometry;

/// A convolution of images of a size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvOfSize {
    pub(super) geometry: ConvGeometry,
    /// Precision of what matrix units multiply.
    pub(super) factors: Factors,
    /// Rows and columns of a kernel.
    pub(super) kernel: [usize; 2],
    /// Rows and columns of an image.
    pub(super) size: [usize; 2],
}

/// How cells of pixels cover an image.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq)]
pub(crate) struct Cells {
    /// Rows and columns of a cell.
    pub(super) stride: [usize; 2],
    /// Rows and columns of the first cells that are outside of the image.
    pub(super) before: [usize; 2],
    /// Rows and columns of the image.
    pub(super) size: [usize; 2],
}

/// Convolutions, their input gradients, and what these are made of.
#[backend_extension(Cube, Fusion, Autodiff)]
pub(crate) trait ConvOps: Backend {
    /// A convolution, with a bias that is a constant; `turned` are its kernels as
    /// [`turned`](super::functions::turned) gives them.
    #[fusion(dtype = x, shape = shape_of_output(x, weight, geometry))]
    fn gpu_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        _turned: FloatTensor<Self>,
        geometry: ConvGeometry,
        _factors: Factors,
    ) -> FloatTensor<Self> {
        conv2d_of_burn::<Self>(x, weight, bias, geometry)
    }

    /// The gradient of its input.
    #[fusion(dtype = gradient, shape = shape_of_input(gradient, weight, conv))]
    fn input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        turned: FloatTensor<Self>,
        conv: ConvOfSize,
    ) -> FloatTensor<Self> {
        let _ = weight;
        by_phases::<Self>(gradient, turned, conv)
    }

    /// The gradient of its weights.
    #[fusion(dtype = gradient, shape = weight.clone())]
    fn weight_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        weight_gradient_of_burn::<Self>(x, weight, gradient, geometry)
    }

    /// The pixels of cells, `[batch, stride · stride · channels, rows, columns]`, as images,
    /// `[batch, channels, height, width]`.
    #[fusion(dtype = cells, shape = shape_of_images(cells, layout))]
    fn cells_to_pixels(cells: FloatTensor<Self>, layout: Cells) -> FloatTensor<Self> {
        let [batch, channels, rows, columns] = cells.shape().dims();
        let [down, across] = layout.stride;
        let channels = channels / (down * across);
        let apart = Shape::from([batch, down, across, channels, rows, columns]);
        let pixels = Self::float_permute(Self::float_reshape(cells, apart), &[0, 3, 4, 1, 5, 2]);
        let whole = Shape::from([batch, channels, rows * down, columns * across]);
        let slice = |axis: usize| {
            let start = layout.before[axis];
            Slice::from(start..start + layout.size[axis])
        };
        let slices = [Slice::full(), Slice::full(), slice(0), slice(1)];
        Self::float_slice(Self::float_reshape(pixels, whole), &slices)
    }
}

impl Cells {
    /// Panics unless every pixel of an image is in a cell.
    pub(super) fn check(&self, cells: &Shape) {
        let places = self.stride[0] * self.stride[1];
        assert!(cells[1].is_multiple_of(places), "channels of whole cells");
        for axis in [0, 1] {
            let needed = self.before[axis] + self.size[axis];
            let there = cells[2 + axis] * self.stride[axis];
            assert!(
                needed <= there,
                "expected {needed} pixels in cells, got {there}"
            );
        }
    }
}

fn shape_of_output(x: &Shape, weight: &Shape, geometry: &ConvGeometry) -> Shape {
    let [height, width] = geometry.output([x[2], x[3]], [weight[2], weight[3]]);
    Shape::from([x[0], weight[0], height, width])
}

pub(super) fn shape_of_input(gradient: &Shape, weight: &Shape, conv: &ConvOfSize) -> Shape {
    let [height, width] = conv.size;
    Shape::from([gradient[0], weight[1], height, width])
}

fn shape_of_images(cells: &Shape, layout: &Cells) -> Shape {
    let [batch, channels, ..] = cells.dims::<4>();
    let [down, across] = layout.stride;
    let [height, width] = layout.size;
    Shape::from([batch, channels / (down * across), height, width])
}

/// Burn's own convolution.
pub(super) fn conv2d_of_burn<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    geometry: ConvGeometry,
) -> FloatTensor<B> {
    B::conv2d(x, weight, Some(bias), geometry.options())
}

/// Burn's own gradient of a convolution's weights.
pub(super) fn weight_gradient_of_burn<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    gradient: FloatTensor<B>,
    geometry: ConvGeometry,
) -> FloatTensor<B> {
    B::conv2d_weight_backward(x, weight, gradient, geometry.options())
}

/// The input's gradient by a convolution of stride one.
pub(super) fn by_phases<B: ConvOps>(
    gradient: FloatTensor<B>,
    turned: FloatTensor<B>,
    conv: ConvOfSize,
) -> FloatTensor<B> {
    let [_, _, rows, columns] = gradient.shape().dims();
    let (zeros, cells) = conv.cells([rows, columns]);
    let options = ConvOptions::new([1, 1], zeros, [1, 1], 1);
    B::cells_to_pixels(B::conv2d(gradient, turned, None, options), cells)
}

impl ConvOfSize {
    /// Of `x` with these weights.
    pub(super) fn of(x: &Shape, weight: &Shape, geometry: ConvGeometry, factors: Factors) -> Self {
        Self {
            geometry,
            factors,
            kernel: [weight[2], weight[3]],
            size: [x[2], x[3]],
        }
    }

    /// The zeros around an output's gradient from which turned kernels give all cells of the input's
    /// gradient, and how the cells cover the image.
    pub(super) fn cells(self, out: [usize; 2]) -> ([usize; 2], Cells) {
        let ConvGeometry { stride, padding } = self.geometry;
        let axes = [0, 1].map(|axis| {
            let (stride, (before, _)) = (stride[axis], padding[axis]);
            let taps = self.kernel[axis].div_ceil(stride);
            let last_pixel = before + self.size[axis] - 1;
            let [first, last] = [before, last_pixel].map(|pixel| pixel / stride);
            // As many on both sides, which takes no kernel of its own.
            let zeros = (taps - 1).saturating_sub(first);
            let zeros = zeros.max((last + 1).saturating_sub(out[axis]));
            (zeros, before + stride * (zeros + 1) - stride * taps)
        });
        let cells = Cells {
            stride,
            before: axes.map(|(_, before)| before),
            size: self.size,
        };
        (axes.map(|(zeros, _)| zeros), cells)
    }
}
