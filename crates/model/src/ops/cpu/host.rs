//! Let every backend of the CPU run the kernels: other backends hand their tensors to flex and back.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex};
use burn_flex::FlexTensor;

/// A backend of the CPU.
pub(super) trait Host: Backend {
    /// The same values as a tensor of flex.
    fn to_flex(tensor: FloatTensor<Self>) -> FlexTensor;

    /// The same values as a tensor of this backend.
    fn from_flex(tensor: FlexTensor) -> FloatTensor<Self>;
}

impl Host for Flex {
    fn to_flex(tensor: FloatTensor<Self>) -> FlexTensor {
        tensor
    }

    fn from_flex(tensor: FlexTensor) -> FloatTensor<Self> {
        tensor
    }
}

#[cfg(feature = "ndarray")]
mod ndarray {
    #![allow(deprecated)] // upstream prefers flex; users compare with ndarray

    use std::sync::Arc;

    use burn::backend::ndarray::NdArrayTensor;
    use burn::backend::ops::FloatTensorOps;
    use burn::backend::{NdArray, TensorMetadata};
    use burn::tensor::TensorData;

    use super::*;
    use crate::ops::cpu::energy_ops::{ConvOperands, EnergyOps};
    use crate::ops::geometry::ConvGeometry;
    use crate::ops::layouts::Layouts;

    impl Host for NdArray {
        fn to_flex(tensor: FloatTensor<Self>) -> FlexTensor {
            // Read here, as upstream copies shared tensors element by element.
            if let NdArrayTensor::F32(values) = &tensor
                && let view = values.view()
                && let Some(in_order) = view.as_slice()
            {
                return FlexTensor::from_data(TensorData::new(in_order.to_vec(), tensor.shape()));
            }
            let data = burn::tensor::try_read_sync(Self::float_into_data(tensor));
            let data = data.expect("the CPU does not wait");
            FlexTensor::from_data(data.expect("a tensor can be read"))
        }

        fn from_flex(tensor: FlexTensor) -> FloatTensor<Self> {
            Self::float_from_data(tensor.into_data(), &Default::default())
        }
    }

    impl EnergyOps for NdArray {
        fn energy_conv2d(
            operands: ConvOperands<Self>,
            layouts: Arc<Layouts>,
            geometry: ConvGeometry,
        ) -> FloatTensor<Self> {
            let operands = ConvOperands::<Flex> {
                x: Self::to_flex(operands.x),
                weight: Self::to_flex(operands.weight),
                bias: Self::to_flex(operands.bias),
            };
            Self::from_flex(Flex::energy_conv2d(operands, layouts, geometry))
        }

        fn energy_swish(x: FloatTensor<Self>) -> FloatTensor<Self> {
            Self::from_flex(Flex::energy_swish(Self::to_flex(x)))
        }

        fn energy_leaky_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
            Self::from_flex(Flex::energy_leaky_relu(Self::to_flex(x)))
        }

        fn energy_halve(x: FloatTensor<Self>) -> FloatTensor<Self> {
            Self::from_flex(Flex::energy_halve(Self::to_flex(x)))
        }

        fn energy_double(x: FloatTensor<Self>) -> FloatTensor<Self> {
            Self::from_flex(Flex::energy_double(Self::to_flex(x)))
        }

        fn energy_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
            Self::from_flex(Flex::energy_mean(Self::to_flex(x)))
        }

        fn energy_join(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
            Self::from_flex(Flex::energy_join(Self::to_flex(x), Self::to_flex(y)))
        }

        fn energy_add(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
            Self::from_flex(Flex::energy_add(Self::to_flex(x), Self::to_flex(y)))
        }

        fn energy_fork(x: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
            (x.clone(), x)
        }

        fn energy_scale(x: FloatTensor<Self>, gains: FloatTensor<Self>) -> FloatTensor<Self> {
            Self::from_flex(Flex::energy_scale(Self::to_flex(x), Self::to_flex(gains)))
        }

        fn energy_shift(x: FloatTensor<Self>, biases: FloatTensor<Self>) -> FloatTensor<Self> {
            Self::from_flex(Flex::energy_shift(Self::to_flex(x), Self::to_flex(biases)))
        }
    }
}
