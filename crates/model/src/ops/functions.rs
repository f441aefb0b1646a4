//! Offer the operations of layers on tensors of any device.

use std::sync::Arc;

use burn::backend::Dispatch;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{DType, Tensor, activation, module};
use ebm_core::DeviceKind;
use ebm_kernels::elementwise::LEAKY_SLOPE;

use super::cpu::{ConvOperands, EnergyOps};
use super::geometry::ConvGeometry;
#[cfg(feature = "wgpu")]
use super::gpu;
use super::layouts::Layouts;

/// A convolution, with a bias or none. `layouts` keeps the layouts of constant weights for the next
/// convolution with them.
///
/// # Shapes
/// - `x`: `[batch, channels_in, height, width]`, `bias`: `[channels_out]`
/// - `weight`: `[channels_out, channels_in, kernel_height, kernel_width]`
pub(crate) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    layouts: Option<Arc<Layouts>>,
    geometry: ConvGeometry,
) -> Tensor<4> {
    #[cfg(feature = "wgpu")]
    if DeviceKind::is_gpu(&x.device()) {
        return gpu::conv::conv2d(x, weight, bias, &layouts.unwrap_or_default(), geometry);
    }
    if !has_kernels(&x) {
        return module::conv2d(x, weight, bias, geometry.options());
    }
    let device = x.device().inner();
    let bias = bias.unwrap_or_else(|| Tensor::zeros([weight.dims()[0]], &device));
    let operands = ConvOperands::<Dispatch> {
        x: x.into_dispatch(),
        weight: weight.into_dispatch(),
        bias: bias.into_dispatch(),
    };
    let y = Dispatch::energy_conv2d(operands, layouts.unwrap_or_default(), geometry);
    Tensor::from_dispatch(y)
}

/// x·σ(x).
pub(super) fn swish<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if has_kernels(&x) {
        Tensor::from_dispatch(Dispatch::energy_swish(x.into_dispatch()))
    } else {
        activation::silu(x)
    }
}

/// x where positive, 0.2·x elsewhere.
pub(super) fn leaky_relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if has_kernels(&x) {
        Tensor::from_dispatch(Dispatch::energy_leaky_relu(x.into_dispatch()))
    } else {
        activation::leaky_relu(x, f64::from(LEAKY_SLOPE))
    }
}

/// The average of every 2×2 pixels; an odd last row or column is left out.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, returns `[batch, channels, height/2, width/2]`
pub(crate) fn halve(x: Tensor<4>) -> Tensor<4> {
    if has_kernels(&x) {
        Tensor::from_dispatch(Dispatch::energy_halve(x.into_dispatch()))
    } else {
        module::avg_pool2d(x, AvgPoolOptions::new([2, 2]))
    }
}

/// Every pixel as a block of 2×2 (nearest neighbours).
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, returns `[batch, channels, 2 · height, 2 · width]`
pub(crate) fn double(x: Tensor<4>) -> Tensor<4> {
    if has_kernels(&x) {
        return Tensor::from_dispatch(Dispatch::energy_double(x.into_dispatch()));
    }
    let [batch, channels, height, width] = x.dims();
    // A product, as views that repeat elements are not read alike by all kernels.
    let block = Tensor::<6>::ones([1, 1, 1, 2, 1, 2], (&x.device().inner(), x.dtype()));
    let apart: Tensor<6> = x.reshape([batch, channels, height, 1, width, 1]);
    (apart * block).reshape([batch, channels, 2 * height, 2 * width])
}

/// The average of all pixels.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, returns `[batch, channels, 1, 1]`
pub(crate) fn space_mean(x: Tensor<4>) -> Tensor<4> {
    if has_kernels(&x) {
        return Tensor::from_dispatch(Dispatch::energy_mean(x.into_dispatch()));
    }
    let [batch, channels, ..] = x.dims();
    let pixels: Tensor<3> = x.flatten(2, 3);
    pixels.mean_dim(2).reshape([batch, channels, 1, 1])
}

/// The channels of x, and after them those of y.
///
/// # Shapes
/// - `x`, `y`: `[batch, channels, height, width]`, each with channels of its own
/// - returns `[batch, all channels, height, width]`
pub(crate) fn join(x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
    if has_kernels(&x) {
        let (x, y) = (x.into_dispatch(), y.into_dispatch());
        Tensor::from_dispatch(Dispatch::energy_join(x, y))
    } else {
        Tensor::cat(vec![x, y], 1)
    }
}

/// x + y.
///
/// # Shapes
/// - `x`, `y`: `[batch, channels, height, width]`, returns the same
pub(crate) fn add(x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
    if has_kernels(&x) {
        let (x, y) = (x.into_dispatch(), y.into_dispatch());
        Tensor::from_dispatch(Dispatch::energy_add(x, y))
    } else {
        x + y
    }
}

/// x twice, for two branches of a network; on a CPU the gradients of both are added by the kernels.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, returns the same twice
pub(crate) fn fork(x: Tensor<4>) -> [Tensor<4>; 2] {
    if has_kernels(&x) {
        let (first, second) = Dispatch::energy_fork(x.into_dispatch());
        [first, second].map(Tensor::from_dispatch)
    } else {
        [x.clone(), x]
    }
}

/// Every channel of every image times a factor of its own, or of all images.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, `gains`: `[batch or 1, channels, 1, 1]`
pub(crate) fn scale(x: Tensor<4>, gains: Tensor<4>) -> Tensor<4> {
    if has_kernels(&x) {
        let (x, gains) = (x.into_dispatch(), gains.into_dispatch());
        Tensor::from_dispatch(Dispatch::energy_scale(x, gains))
    } else {
        x * gains
    }
}

/// Every channel of every image plus a bias of its own, or of all images.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, `biases`: `[batch or 1, channels, 1, 1]`
pub(crate) fn shift(x: Tensor<4>, biases: Tensor<4>) -> Tensor<4> {
    if has_kernels(&x) {
        let (x, biases) = (x.into_dispatch(), biases.into_dispatch());
        Tensor::from_dispatch(Dispatch::energy_shift(x, biases))
    } else {
        x + biases
    }
}

/// Rows times a matrix, plus a bias. `layouts` as for [`conv2d`].
///
/// # Shapes
/// - `x`: `[batch, inputs]`, `weight`: `[inputs, outputs]`, `bias`: `[outputs]`
/// - returns `[batch, outputs]`
pub(crate) fn dense(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    layouts: Option<Arc<Layouts>>,
) -> Tensor<2> {
    let [batch, inputs] = x.dims();
    dense_of_images(x.reshape([batch, inputs, 1, 1]), weight, bias, layouts)
}

/// Whole images times a matrix, plus a bias; on the CPU a convolution whose kernel covers the image, so
/// that the bits of a row do not depend on the other rows. `layouts` as for [`conv2d`].
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, `weight`: `[channels · height · width, outputs]`,
///   `bias`: `[outputs]`
/// - returns `[batch, outputs]`
pub(crate) fn dense_of_images(
    x: Tensor<4>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    layouts: Option<Arc<Layouts>>,
) -> Tensor<2> {
    #[cfg(feature = "wgpu")]
    // A product with a single column is quick as it is.
    if DeviceKind::is_gpu(&x.device()) && weight.dims()[1] > 1 {
        return gpu::conv::dense(x, weight, bias, layouts);
    }
    if !has_kernels(&x) {
        return x.flatten(1, 3).matmul(weight) + bias.unsqueeze();
    }
    let ([batch, channels, height, width], [_, outputs]) = (x.dims(), weight.dims());
    let kernels = weight.reshape([channels, height, width, outputs]);
    let kernels = kernels.permute([3, 0, 1, 2]);
    let geometry = ConvGeometry {
        stride: [1, 1],
        padding: [(0, 0); 2],
    };
    let y = conv2d(x, kernels, Some(bias), layouts, geometry);
    y.reshape([batch, outputs])
}

/// Whether the kernels of [`EnergyOps`] take a tensor.
fn has_kernels<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && DeviceKind::is_cpu(&x.device())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::testing::{floats, wave};

    /// The gradient of Σ `energy`(branches of x) with respect to x.
    fn gradient_of(energy: impl FnOnce([Tensor<4>; 2]) -> Tensor<4>) -> Vec<f32> {
        let x = wave([2, 3, 2, 2], 0, &Device::flex());
        let x = x.autodiff().require_grad();
        let mut gradients = energy(fork(x.clone())).sum().backward();
        let gradient = x.grad_remove(&mut gradients).expect("x matters");
        floats(gradient.into_data())
    }

    #[test]
    fn a_fork_adds_the_gradients_of_both_branches() {
        let gradient = gradient_of(|[a, b]| a * 2.0 + b * 3.0);
        assert_eq!(gradient, [5.0; 24]);
    }

    #[test]
    fn a_fork_keeps_the_gradient_of_the_only_branch_in_use() {
        assert_eq!(gradient_of(|[a, _]| a * 2.0), [2.0; 24]);
        assert_eq!(gradient_of(|[_, b]| b * 3.0), [3.0; 24]);
    }

    #[test]
    fn a_forks_gradient_is_added_to_that_of_another_use() {
        let gradient = gradient_of(|[a, b]| {
            let [c, _] = fork(a);
            c * 2.0 + b * 3.0
        });
        assert_eq!(gradient, [5.0; 24]);
    }
}
