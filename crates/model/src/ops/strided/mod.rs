//! Differentiate strided convolutions on a GPU by convolutions of stride one, where that is quicker.
//!
//! Burn's kernels for matrix units decline the input gradient of a strided convolution.
//! With stride s and padding p, y\[o] = Σₜ w\[t]·x\[s·o + t − p]. So pixel i is of phase a = (i + p) mod s,
//! and its gradient Σⱼ g\[q − j]·w\[a + s·j], with q = ⌊(i + p)/s⌋, is a convolution of g with every s-th
//! tap of w, turned: all phases together are one convolution, to as many channels for each of the
//! input's, whose outputs are cells of s×s pixels.

mod cube;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Shape, Slice, Tensor};

use super::{ConvGeometry, Layouts};

/// A strided convolution of images of a size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strided {
    geometry: ConvGeometry,
    /// Rows and columns of a kernel.
    kernel: [usize; 2],
    /// Rows and columns of an image.
    size: [usize; 2],
}

/// How cells of pixels lie in an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cells {
    /// Rows and columns of a cell.
    stride: [usize; 2],
    /// Rows and columns of the first cells that lie before the image.
    before: [usize; 2],
    /// Rows and columns of the image.
    size: [usize; 2],
}

/// Convolutions whose input gradients may have stride one.
#[backend_extension(Cube, Fusion, Autodiff)]
pub(crate) trait StridedOps: Backend {
    /// A convolution, with a bias that is a constant; `turned` are its kernels as [`turned`]
    /// gives them.
    #[fusion(default)]
    fn strided_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        _turned: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        Self::conv2d(x, weight, Some(bias), geometry.options())
    }

    /// The gradient of its input.
    #[fusion(dtype = gradient, shape = shape_of_input(gradient, weight, strided))]
    fn strided_input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        turned: FloatTensor<Self>,
        strided: Strided,
    ) -> FloatTensor<Self> {
        let _ = weight;
        by_phases::<Self>(gradient, turned, strided)
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

fn shape_of_input(gradient: &Shape, weight: &Shape, strided: &Strided) -> Shape {
    let [height, width] = strided.size;
    Shape::from([gradient[0], weight[1], height, width])
}

fn shape_of_images(cells: &Shape, layout: &Cells) -> Shape {
    let [batch, channels, ..] = cells.dims::<4>();
    let [down, across] = layout.stride;
    let [height, width] = layout.size;
    Shape::from([batch, channels / (down * across), height, width])
}

/// The input's gradient by a convolution of stride one.
fn by_phases<B: StridedOps>(
    gradient: FloatTensor<B>,
    turned: FloatTensor<B>,
    strided: Strided,
) -> FloatTensor<B> {
    let [_, _, rows, columns] = gradient.shape().dims();
    let (zeros, cells) = strided.cells([rows, columns]);
    let options = ConvOptions::new([1, 1], zeros, [1, 1], 1);
    B::cells_to_pixels(B::conv2d(gradient, turned, None, options), cells)
}

/// As [`super::conv2d`].
pub(super) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    layouts: &Layouts,
    geometry: ConvGeometry,
) -> Tensor<4> {
    let turned = layouts.turned.get_or_init(|| {
        let constant = weight.clone().without_autodiff();
        turned(constant, geometry.stride)
    });
    // One on the tape is added by Burn, which knows its gradient.
    let (tracked, constant) = match bias {
        Some(bias) if !bias.is_autodiff() => (None, bias),
        bias => (bias, Tensor::zeros([weight.dims()[0]], &x.device().inner())),
    };
    let y = Tensor::from_dispatch(Dispatch::strided_conv2d(
        x.into_dispatch(),
        weight.into_dispatch(),
        constant.into_dispatch(),
        turned.clone().into_dispatch(),
        geometry,
    ));
    match tracked {
        Some(bias) => y + bias.reshape([1, -1, 1, 1]),
        None => y,
    }
}

/// Every s-th tap, in turned order, of each phase.
///
/// # Shapes
/// - `weight`: `[channels_out, channels_in, kh, kw]`
/// - returns: `[stride · stride · channels_in, channels_out, ⌈kh/stride⌉, ⌈kw/stride⌉]`
fn turned(weight: Tensor<4>, [down, across]: [usize; 2]) -> Tensor<4> {
    let [outputs, inputs, height, width] = weight.dims();
    let [rows, columns] = [height.div_ceil(down), width.div_ceil(across)];
    let whole = Tensor::zeros(
        [outputs, inputs, rows * down, columns * across],
        (&weight.device(), weight.dtype()),
    );
    let whole = whole.slice_assign([0..outputs, 0..inputs, 0..height, 0..width], weight);
    let apart: Tensor<6> = whole.reshape([outputs, inputs, rows, down, columns, across]);
    let phases = apart.flip([2, 4]).permute([3, 5, 1, 2, 4, 0]);
    let channels_last = phases.reshape([down * across * inputs, rows, columns, outputs]);
    channels_last.permute([0, 3, 1, 2])
}

impl Strided {
    /// The zeros around an output's gradient from which turned kernels give all cells of the input's,
    /// and how these lie.
    fn cells(self, out: [usize; 2]) -> ([usize; 2], Cells) {
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

impl<B: StridedOps, C: CheckpointStrategy> StridedOps for Autodiff<B, C> {
    fn strided_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        turned: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        let is_trained = weight.is_tracked();
        let prepared = StridedBackward
            .prepare::<C>([x.node(), weight.node()])
            .compute_bound()
            .stateful();
        let [x, weight, bias, turned] =
            [x, weight, bias, turned].map(|tensor| tensor.into_primitive());
        match prepared {
            OpsKind::Tracked(prep) => {
                let [_, _, height, width] = x.shape().dims();
                let [_, _, rows, columns] = weight.shape().dims();
                let kept = Kept {
                    x: is_trained.then(|| x.clone()),
                    weight: weight.clone(),
                    turned: turned.clone(),
                    strided: Strided {
                        geometry,
                        kernel: [rows, columns],
                        size: [height, width],
                    },
                };
                prep.finish(kept, B::strided_conv2d(x, weight, bias, turned, geometry))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::strided_conv2d(x, weight, bias, turned, geometry))
            }
        }
    }
}

/// Computes only the gradients that are asked for.
#[derive(Debug)]
struct StridedBackward;

/// What the gradients of a convolution need.
#[derive(Clone, Debug)]
struct Kept<B: Backend> {
    /// Where the weights' gradient is asked for.
    x: Option<FloatTensor<B>>,
    weight: FloatTensor<B>,
    turned: FloatTensor<B>,
    strided: Strided,
}

impl<B: StridedOps> Backward<B, 2> for StridedBackward {
    type State = Kept<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x, of_weight] = ops.parents;
        let gradient = gradients.consume::<B>(&ops.node);
        let Kept {
            x,
            weight,
            turned,
            strided,
        } = ops.state;
        if let Some(node) = of_x {
            let (gradient, weight) = (gradient.clone(), weight.clone());
            let of_x = B::strided_input_gradient(gradient, weight, turned, strided);
            gradients.register::<B>(node.id, of_x);
        }
        if let Some(node) = of_weight {
            let x = x.expect("kept for the weights' gradient");
            let options = strided.geometry.options();
            let of_weight = B::conv2d_weight_backward(x, weight, gradient, options);
            gradients.register::<B>(node.id, of_weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::super::adapters::{adapters, assert_close, floats, wave};
    use super::super::conv2d;
    use super::*;

    /// y, and the gradients of Σ y·wave with respect to x, the weights and the bias.
    fn results(
        device: &Device,
        size: [usize; 2],
        [rows, columns]: [usize; 2],
        geometry: ConvGeometry,
    ) -> [Vec<f32>; 4] {
        let x = wave([3, 2, size[0], size[1]], 0, device)
            .autodiff()
            .require_grad();
        let weight = wave([5, 2, rows, columns], 0, device)
            .autodiff()
            .require_grad();
        let bias = wave([5], 0, device).autodiff().require_grad();
        let y = conv2d(
            x.clone(),
            weight.clone(),
            Some(bias.clone()),
            None,
            geometry,
        );
        let weighted = y.clone() * wave(y.dims(), 0, device);
        let mut gradients = weighted.sum().backward();
        [
            floats(y.inner().into_data()),
            floats(x.grad_remove(&mut gradients).expect("tracked").into_data()),
            floats(
                weight
                    .grad_remove(&mut gradients)
                    .expect("tracked")
                    .into_data(),
            ),
            floats(
                bias.grad_remove(&mut gradients)
                    .expect("tracked")
                    .into_data(),
            ),
        ]
    }

    /// Sides of an image and of a kernel, strides, padding before and after.
    const GEOMETRIES: [[[usize; 2]; 5]; 5] = [
        [[7, 7], [4, 4], [2, 2], [1, 2], [1, 2]],
        [[8, 9], [5, 5], [2, 2], [4, 4], [4, 4]],
        [[6, 5], [3, 2], [2, 3], [0, 1], [2, 0]],
        [[5, 4], [1, 1], [2, 2], [0, 0], [0, 0]],
        [[9, 6], [2, 4], [3, 1], [3, 0], [1, 1]],
    ];

    #[test]
    fn every_adapter_agrees_with_the_cpu_on_every_geometry() {
        for device in &adapters() {
            for [size, kernel, stride, rows, columns] in GEOMETRIES {
                let padding = [rows, columns].map(|[before, after]| (before, after));
                let geometry = ConvGeometry { stride, padding };
                let expected = results(&Device::flex(), size, kernel, geometry);
                let got = results(device, size, kernel, geometry);
                for (got, expected) in got.iter().zip(&expected) {
                    assert_close(got, expected, &geometry);
                }
                // Whichever way the device prefers.
                let strided = Strided {
                    geometry,
                    kernel,
                    size,
                };
                let of_y = wave(dims_of_y(size, kernel, geometry), 0, device);
                let weight = wave([5, 2, kernel[0], kernel[1]], 0, device);
                let of_x = Tensor::<4>::from_dispatch(by_phases::<Dispatch>(
                    of_y.into_dispatch(),
                    turned(weight, stride).into_dispatch(),
                    strided,
                ));
                let of_x: Vec<f32> = of_x.into_data().iter().collect();
                assert_close(&of_x, &expected[1], &geometry);
            }
        }
    }

    fn dims_of_y(size: [usize; 2], kernel: [usize; 2], geometry: ConvGeometry) -> [usize; 4] {
        let [rows, columns] = geometry.output(size, kernel);
        [3, 5, rows, columns]
    }

    #[test]
    fn the_kernel_moves_pixels_as_the_operations_do() {
        for device in &adapters() {
            let cells = wave([2, 12, 3, 4], 0, device);
            let layout = Cells {
                stride: [2, 3],
                before: [1, 2],
                size: [5, 9],
            };
            let got = Tensor::<4>::from_dispatch(Dispatch::cells_to_pixels(
                cells.clone().into_dispatch(),
                layout,
            ));
            let apart: Tensor<6> = cells.reshape([2, 2, 3, 2, 3, 4]);
            let whole: Tensor<4> = apart.permute([0, 3, 4, 1, 5, 2]).reshape([2, 2, 6, 12]);
            let expected = whole.slice([0..2, 0..2, 1..6, 2..11]);
            assert_eq!(got.into_data(), expected.into_data());
        }
    }
}
