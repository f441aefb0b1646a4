//! Convolve in tiles where that is quick, else choose among Burn's algorithms by measurement.

use burn::backend::TensorMetadata;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::conv::{ConvStrategy, conv_data_backward};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::ops::permute_nhwc_to_nchw;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, CubeTuneId};
use cubecl::prelude::*;
use cubecl::tune::{LocalTuner, Tunable, TunableSet, local_tuner};
use cubecl::{AutotuneKey, calculate_cube_count_elemwise};
use ebm_kernels::conv::Factors;
use serde::{Deserialize, Serialize};

use super::conv_ops::{
    Cells, ConvOfSize, ConvOps, by_phases, conv2d_of_burn, shape_of_input, weight_gradient_of_burn,
};
use super::tiled::{self, Algorithm, ConvShape};
use crate::ops::geometry::ConvGeometry;

impl ConvOps for CubeBackend {
    fn gpu_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        _turned: FloatTensor<Self>,
        geometry: ConvGeometry,
        factors: Factors,
    ) -> FloatTensor<Self> {
        let tiled = ConvShape::forward(&x.shape(), &weight.shape(), geometry);
        if let Some(algorithm) = Algorithm::of(&tiled, &x, factors) {
            return tiled::convolve(algorithm, &tiled, x, weight, Some(bias));
        }
        conv2d_of_burn::<Self>(x, weight, bias, geometry)
    }

    /// In tiles, or by Burn's algorithm that is quicker on this device, as measured at the first use.
    fn input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        turned: FloatTensor<Self>,
        conv: ConvOfSize,
    ) -> FloatTensor<Self> {
        let tiled = ConvShape::backward(&gradient.shape(), &weight.shape(), conv);
        if let Some(algorithm) = Algorithm::of(&tiled, &gradient, conv.factors) {
            return tiled::convolve(algorithm, &tiled, gradient, turned, None);
        }
        static TUNER: LocalTuner<GradientKey, CubeTuneId> = local_tuner!();
        let client = gradient.client.clone();
        let id = CubeTuneId::new(&client, &gradient.device);
        let algorithms = TUNER.init(&id, || {
            TunableSet::new(GradientKey::of, |_: &GradientKey, operands: &Operands| {
                operands.clone()
            })
            .with(Tunable::new("transposed", transposed))
            .with(Tunable::new("by_phases", |(gradient, _, turned, conv)| {
                Ok::<_, String>(by_phases::<Self>(gradient, turned, conv))
            }))
        });
        TUNER.execute(&id, &client, algorithms, (gradient, weight, turned, conv))
    }

    fn weight_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        let tiled = ConvShape::forward(&x.shape(), &weight.shape(), geometry);
        if tiled::takes_weight_gradient(&tiled, &x) {
            return tiled::weight_gradient(&tiled, x, gradient);
        }
        weight_gradient_of_burn::<Self>(x, weight, gradient, geometry)
    }

    /// The channels of a pixel are beside each other, as convolutions read them.
    fn cells_to_pixels(cells: FloatTensor<Self>, layout: Cells) -> FloatTensor<Self> {
        let [batch, channels, ..] = cells.shape().dims::<4>();
        let [down, across] = layout.stride;
        let [height, width] = layout.size;
        layout.check(&cells.shape());
        let shape = Shape::from([batch, height, width, channels / (down * across)]);
        let elements = shape.num_elements();
        let image = empty_device_contiguous_dtype(
            cells.client.clone(),
            cells.device.clone(),
            shape,
            cells.dtype,
        );
        if elements > 0 {
            let client = image.client.clone();
            let cube_dim = CubeDim::new(&client, elements);
            let cube_count = calculate_cube_count_elemwise(&client, elements, cube_dim);
            let dtype = dtype_to_storage_type(cells.dtype);
            // SAFETY: a unit beyond the image ends at once, and every pixel of an image is in a cell.
            unsafe {
                cells_to_pixels_kernel::launch_unchecked(
                    &client,
                    cube_count,
                    cube_dim,
                    cells.into_tensor_arg(),
                    image.clone().into_tensor_arg(),
                    layout.before[0],
                    layout.before[1],
                    layout.stride,
                    dtype,
                );
            }
        }
        permute_nhwc_to_nchw(image)
    }
}

/// The output's gradient, the weights, the turned weights, and their convolution.
type Operands = (CubeTensor, CubeTensor, CubeTensor, ConvOfSize);

/// Burn's own algorithm.
fn transposed((gradient, weight, _, conv): Operands) -> Result<CubeTensor, String> {
    let shape = shape_of_input(&gradient.shape(), &weight.shape(), &conv);
    let options = conv.geometry.options();
    conv_data_backward(gradient, weight, shape, options, ConvStrategy::default())
        .map_err(|error| format!("{error:?}"))
}

/// What decides which algorithm is quicker.
#[derive(Clone, Debug, Hash, PartialEq, Eq, Serialize, Deserialize, AutotuneKey)]
struct GradientKey {
    stride: [usize; 2],
    kernel: [usize; 2],
    #[autotune(anchor)]
    channels_in: usize,
    #[autotune(anchor)]
    channels_out: usize,
    #[autotune(anchor)]
    height: usize,
    #[autotune(anchor)]
    width: usize,
    #[autotune(anchor)]
    batch: usize,
    dtype: DType,
}

impl GradientKey {
    fn of((gradient, weight, _, conv): &Operands) -> Self {
        let [channels_out, channels_in, ..] = weight.shape().dims::<4>();
        let [height, width] = conv.size;
        Self::new(
            conv.geometry.stride,
            conv.kernel,
            channels_in,
            channels_out,
            height,
            width,
            gradient.shape()[0],
            gradient.dtype,
        )
    }
}

/// `cells` is `[batch, stride · stride · channels, rows, columns]` with any strides, `image`
/// `[batch, height, width, channels]`.
#[cube(launch_unchecked)]
fn cells_to_pixels_kernel<F: Float>(
    cells: &Tensor<F>,
    image: &mut Tensor<F>,
    rows_before: usize,
    columns_before: usize,
    #[comptime] stride: [usize; 2],
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= image.len() {
        terminate!();
    }
    let channels = image.shape(3);
    let channel = ABSOLUTE_POS % channels;
    let column = ABSOLUTE_POS / channels % image.shape(2) + columns_before;
    let row = ABSOLUTE_POS / (channels * image.shape(2)) % image.shape(1) + rows_before;
    let picture = ABSOLUTE_POS / (channels * image.shape(2) * image.shape(1));
    let phase = row % comptime!(stride[0]) * comptime!(stride[1]) + column % comptime!(stride[1]);
    let from = picture * cells.stride(0)
        + (phase * channels + channel) * cells.stride(1)
        + row / comptime!(stride[0]) * cells.stride(2)
        + column / comptime!(stride[1]) * cells.stride(3);
    image[ABSOLUTE_POS] = cells[from];
}
