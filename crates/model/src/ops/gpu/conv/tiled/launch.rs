//! Choose a kernel, and launch it on tensors of CubeCL.

use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::ops::{permute_nchw_to_nhwc, permute_nhwc_to_nchw};
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;
use ebm_kernels::conv::Factors;

use super::conv_shape::ConvShape;
use super::fma::fma_kernel;
use super::matrix_units::matrix_kernel;
use super::tiling::{FRAGMENT, PLANE, SIDE, Tiling, UNITS, VECTOR};
use super::weight_gradient::{GradientTiling, weight_gradient_kernel};
use crate::ops::gpu::MAX_CUBES;

/// How a convolution is computed.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops::gpu::conv) enum Algorithm {
    /// One by one.
    Fma(Tiling),
    /// With matrix units; factors are sums of `parts` values of a type.
    MatrixUnits {
        tiling: Tiling,
        parts: usize,
        of: FloatKind,
    },
}

impl Algorithm {
    /// The quickest for a convolution of these images on their device, if there is one.
    pub(in crate::ops::gpu::conv) fn of(
        conv: &ConvShape,
        x: &CubeTensor,
        factors: Factors,
    ) -> Option<Self> {
        let properties = x.client.properties();
        let (hardware, batch) = (&properties.hardware, x.shape()[0]);
        let shared_bytes = hardware.max_shared_memory_size;
        let [of_result, of_images] = [
            conv.dims_of_result(batch).iter().product::<usize>(),
            x.shape().num_elements(),
        ];
        let is_suited = conv.channels[1] >= SIDE
            && conv.columns() > 0
            && conv.columns() * conv.channels[1] < 1 << 31
            && of_result.max(of_images) < 1 << 31
            && UNITS as u32 <= hardware.max_units_per_cube;
        let fits = |tiling: &Tiling| {
            let cubes = tiling.cubes(conv, batch);
            tiling.shared_bytes() <= shared_bytes
                && cubes.iter().all(|cubes| *cubes <= MAX_CUBES)
                && of_result * tiling.slices(conv, batch)[0] < 1 << 31
        };
        if !is_suited {
            return None;
        }
        let (parts, of) = match x.dtype {
            DType::F32 if factors == Factors::F32 => (2, FloatKind::BF16),
            DType::F32 => (1, FloatKind::BF16),
            DType::F16 => (1, FloatKind::F16),
            _ => return None,
        };
        let on_matrix_units = has_matrix_units(&x.client, of).then(|| Self::MatrixUnits {
            tiling: Tiling::matrix_units(conv, batch, shared_bytes, parts),
            parts,
            of,
        });
        let one_by_one = Self::Fma(Tiling::fma(conv, batch, shared_bytes));
        let both = on_matrix_units.into_iter().chain([one_by_one]);
        both.into_iter().find(|algorithm| match algorithm {
            Self::Fma(tiling) | Self::MatrixUnits { tiling, .. } => fits(tiling),
        })
    }
}

/// Whether a device has matrix units for factors of this type, and planes as the kernel has them.
pub(in crate::ops::gpu::conv) fn has_matrix_units(client: &Client, factors: FloatKind) -> bool {
    let properties = client.properties();
    let hardware = &properties.hardware;
    let factors = ElemType::Float(factors);
    let is_fragment = |size: u32| size as usize == FRAGMENT;
    hardware.plane_size_min as usize == PLANE
        && hardware.plane_size_max as usize == PLANE
        && properties.features.matmul.cmma.iter().any(|unit| {
            [unit.a_type, unit.b_type] == [factors; 2]
                && unit.cd_type == ElemType::Float(FloatKind::F32)
                && [unit.m, unit.n, unit.k].into_iter().all(is_fragment)
        })
}

/// # Shapes
/// - `x`: `[batch, channels_in, height, width]`, `bias`: `[channels_out]`
/// - `weights`: `[channels_out, channels_in, rows, columns]`
/// - returns: `[batch, channels_out, height', width']`, or the pixels of cells
pub(in crate::ops::gpu::conv) fn convolve(
    algorithm: Algorithm,
    conv: &ConvShape,
    x: CubeTensor,
    weights: CubeTensor,
    bias: Option<CubeTensor>,
) -> CubeTensor {
    let [x, weights] = [x, weights].map(|tensor| into_contiguous(permute_nchw_to_nhwc(tensor)));
    check_arguments(conv, &x, &weights, bias.as_ref());
    let batch = x.shape()[0];
    let client = x.client.clone();
    let dims = conv.dims_of_result(batch);
    let (Algorithm::Fma(tiling) | Algorithm::MatrixUnits { tiling, .. }) = algorithm;
    // A slice of a sum is f32.
    let [slices, steps_per_slice] = if x.dtype == DType::F32 {
        tiling.slices(conv, batch)
    } else {
        [1, tiling.steps(conv)]
    };
    let shape = Shape::from([slices * dims[0], dims[1], dims[2], dims[3]]);
    let y = empty_device_contiguous_dtype(client.clone(), x.device.clone(), shape, x.dtype);
    let pixels = batch * conv.pixels();
    if pixels == 0 {
        return permute_nhwc_to_nchw(y);
    }
    let elements = dims.iter().product::<usize>();
    let has_bias = bias.is_some();
    // Not read where there is none.
    let bias = bias.map_or_else(|| weights.clone(), into_contiguous);
    let dtype = dtype_to_storage_type(x.dtype);
    let cube_dim = CubeDim::new_1d(UNITS as u32);
    let [along, across] = tiling.cubes(conv, batch);
    let cubes = CubeCount::Static(along as u32, across as u32, slices as u32);
    let vector = conv.vector_size();
    let tensors = [x, weights, bias, y.clone()].map(CubeTensor::into_tensor_arg);
    let [x, weights, bias, result] = tensors;
    // SAFETY: images, weights and bias are contiguous and as large as the convolution says; units read
    // no pixel outside of an image and no row beyond either matrix, and write only outputs.
    unsafe {
        match algorithm {
            Algorithm::Fma(_) => fma_kernel::launch_unchecked(
                &client,
                cubes,
                cube_dim,
                vector,
                x,
                weights,
                bias,
                result,
                pixels as u32,
                steps_per_slice as u32,
                elements as u32,
                *conv,
                tiling,
                has_bias,
                dtype,
            ),
            Algorithm::MatrixUnits { parts, of, .. } => matrix_kernel::launch_unchecked(
                &client,
                cubes,
                cube_dim,
                vector,
                x,
                weights,
                bias,
                result,
                pixels as u32,
                steps_per_slice as u32,
                elements as u32,
                *conv,
                tiling,
                parts,
                has_bias,
                dtype,
                ElemType::Float(of),
            ),
        }
    }
    if slices == 1 {
        return permute_nhwc_to_nchw(y);
    }
    let sums = sum_of_parts::<CubeBackend>(y, slices, Shape::from(dims));
    permute_nhwc_to_nchw(sums)
}

/// Whether there is a kernel for the gradient of a convolution's weights on these images.
pub(in crate::ops::gpu::conv) fn takes_weight_gradient(conv: &ConvShape, x: &CubeTensor) -> bool {
    let hardware = &x.client.properties().hardware;
    let gradient = x.shape()[0] * conv.pixels() * conv.channels[1];
    let [along, across] = GradientTiling::of(conv).cubes(conv);
    x.dtype == DType::F32
        && conv.channels[1].is_multiple_of(VECTOR)
        && conv.columns() * conv.channels[1] > 0
        && x.shape().num_elements().max(gradient) < 1 << 31
        && along.max(across) <= MAX_CUBES
        && UNITS as u32 <= hardware.max_units_per_cube
}

/// The gradient of the weights.
///
/// # Shapes
/// - `x`: `[batch, channels_in, height, width]`, `gradient`: `[batch, channels_out, height', width']`
/// - returns: `[channels_out, channels_in, rows, columns]`
///
/// # Panics
/// Unless [`takes_weight_gradient`] says that there is a kernel.
pub(in crate::ops::gpu::conv) fn weight_gradient(
    conv: &ConvShape,
    x: CubeTensor,
    gradient: CubeTensor,
) -> CubeTensor {
    assert!(
        takes_weight_gradient(conv, &x),
        "a kernel for this gradient"
    );
    let [x, gradient] = [x, gradient].map(|tensor| into_contiguous(permute_nchw_to_nhwc(tensor)));
    let ([inputs, outputs], [rows, columns]) = (conv.channels, conv.kernel);
    let [batch, image @ ..] = x.shape().dims::<4>();
    assert_eq!(image, [conv.size[0], conv.size[1], inputs], "images");
    let of_outputs = [batch, conv.out[0], conv.out[1], outputs];
    assert_eq!(gradient.shape().dims::<4>(), of_outputs, "a gradient");
    assert_eq!(gradient.dtype, DType::F32, "a gradient of f32");

    let client = x.client.clone();
    let tiling = GradientTiling::of(conv);
    let pixels = batch * conv.pixels();
    let [parts, of_part] = tiling.parts(conv, pixels);
    let shape = Shape::from([parts, outputs, rows * columns * inputs]);
    let sums = empty_device_contiguous_dtype(client.clone(), x.device.clone(), shape, x.dtype);
    let [along, across] = tiling.cubes(conv);
    let vector = conv.vector_size();
    // SAFETY: images and gradient are contiguous and as large as the convolution says; units read no
    // pixel outside of an image or beyond a part, and write one sum each of a part.
    unsafe {
        weight_gradient_kernel::launch_unchecked(
            &client,
            CubeCount::Static(along as u32, across as u32, parts as u32),
            CubeDim::new_1d(UNITS as u32),
            vector,
            x.into_tensor_arg(),
            gradient.into_tensor_arg(),
            sums.clone().into_tensor_arg(),
            pixels as u32,
            of_part as u32,
            *conv,
            tiling,
        );
    }
    let shape = Shape::from([outputs, rows, columns, inputs]);
    permute_nhwc_to_nchw(sum_of_parts::<CubeBackend>(sums, parts, shape))
}

/// The sum of tensors of a shape that follow each other.
fn sum_of_parts<B: Backend>(all: FloatTensor<B>, parts: usize, shape: Shape) -> FloatTensor<B> {
    let rows = Shape::from([parts, shape.num_elements()]);
    B::float_reshape(B::float_sum_dim(B::float_reshape(all, rows), 0), shape)
}

/// Panics unless the kernel reads these tensors within their bounds.
fn check_arguments(
    conv: &ConvShape,
    x: &CubeTensor,
    weights: &CubeTensor,
    bias: Option<&CubeTensor>,
) {
    let ([inputs, outputs], [rows, columns]) = (conv.channels, conv.kernel);
    let [_, image @ ..] = x.shape().dims::<4>();
    assert_eq!(image, [conv.size[0], conv.size[1], inputs], "images");
    let dims = weights.shape().dims::<4>();
    assert_eq!(dims, [outputs, rows, columns, inputs], "weights");
    assert_eq!(weights.dtype, x.dtype, "weights in the images' precision");
    if let Some(bias) = bias {
        assert_eq!(bias.shape().dims::<1>(), [outputs], "a bias per channel");
        assert_eq!(bias.dtype, x.dtype, "a bias in the images' precision");
    }
}
