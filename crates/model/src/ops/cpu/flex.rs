//! Run the operations of an energy on tensors of flex.

use std::sync::Arc;

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use ebm_kernels::elementwise;

use super::energy_ops::{ConvOperands, EnergyOps};
use super::{channels, convolve, elements, space};
use crate::ops::geometry::ConvGeometry;
use crate::ops::layouts::Layouts;

impl EnergyOps for Flex {
    fn energy_conv2d(
        operands: ConvOperands<Self>,
        layouts: Arc<Layouts>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        let ConvOperands { x, weight, bias } = operands;
        convolve::forward(x, &weight, bias, &layouts, geometry)
    }

    fn energy_swish(x: FloatTensor<Self>) -> FloatTensor<Self> {
        elements::map(x, elementwise::swish)
    }

    fn energy_leaky_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        elements::map(x, elementwise::leaky_relu)
    }

    fn energy_halve(x: FloatTensor<Self>) -> FloatTensor<Self> {
        space::halve(x)
    }

    fn energy_double(x: FloatTensor<Self>) -> FloatTensor<Self> {
        space::double(x)
    }

    fn energy_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
        space::mean(x)
    }

    fn energy_join(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
        channels::join(x, y)
    }

    fn energy_add(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
        let (sum, term) = if x.is_unique() { (x, y) } else { (y, x) };
        elements::map_with(term, sum, elementwise::add)
    }

    fn energy_fork(x: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        (x.clone(), x)
    }

    fn energy_scale(x: FloatTensor<Self>, gains: FloatTensor<Self>) -> FloatTensor<Self> {
        channels::map(x, &gains, elementwise::multiply)
    }

    fn energy_shift(x: FloatTensor<Self>, biases: FloatTensor<Self>) -> FloatTensor<Self> {
        channels::map(x, &biases, elementwise::shift)
    }
}
