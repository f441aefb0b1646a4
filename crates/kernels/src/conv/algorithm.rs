//! Choose the faster algorithm for a convolution or for its input gradient, and run it.

use super::direct::Direct;
use super::factors::Factors;
use super::images::Order;
use super::shape::ConvShape;
use super::weights::{Layout, Layouts, Weights};
use super::winograd::Winograd;
use crate::lanes::lanes_for;

impl ConvShape {
    /// Layout of the input and the output of [`forward`].
    pub fn order(&self) -> Order {
        order(Winograd::forward(self), self.batch)
    }

    /// Layout of both gradients of [`input_gradient`].
    pub fn gradient_order(&self) -> Order {
        order(Winograd::input_gradient(self), self.batch)
    }
}

fn order(winograd: Option<Winograd>, batch: usize) -> Order {
    match winograd {
        Some(_) => Winograd::order(batch),
        None => Order::Lanes,
    }
}

/// Writes the convolution of `x` with `weight`, plus `bias` per output channel, into `out`.
///
/// # Shapes
///
/// `x` `[batch, c_in, h, w]`, `bias` `[c_out]`, `out` `[batch, c_out, oh, ow]`; images are in the
/// order of [`ConvShape::order`].
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it, or `weight` is that of another
/// convolution.
pub fn forward(
    shape: ConvShape,
    x: &[f32],
    (weight, layouts): (Weights, &Layouts),
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    weight.check(&shape);
    let factors = layouts.factors;
    let algorithm = Algorithm::choose(factors, Winograd::forward(&shape), || {
        Direct::forward(&shape, factors)
    });
    algorithm.run(shape.batch, (weight, &layouts.forward), x, bias, out);
}

/// Writes the gradient with respect to the input into `grad_x`.
///
/// # Shapes
///
/// `grad_out` `[batch, c_out, oh, ow]`, `grad_x` `[batch, c_in, h, w]`, in the order of
/// [`ConvShape::gradient_order`].
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it, or `weight` is that of another
/// convolution.
pub fn input_gradient(
    shape: ConvShape,
    (weight, layouts): (Weights, &Layouts),
    grad_out: &[f32],
    grad_x: &mut [f32],
) {
    weight.check(&shape);
    let factors = layouts.factors;
    let algorithm = Algorithm::choose(factors, Winograd::input_gradient(&shape), || {
        Direct::input_gradient(&shape, factors)
    });
    let weight = (weight, &layouts.input_gradient);
    algorithm.run(shape.batch, weight, grad_out, None, grad_x);
}

enum Algorithm {
    Winograd(Winograd),
    Direct(Direct),
}

impl Algorithm {
    /// Winograd's where it is the faster one, which it is wherever `winograd` is given.
    fn choose(
        factors: Factors,
        winograd: Option<Winograd>,
        direct: impl FnOnce() -> Direct,
    ) -> Self {
        match winograd {
            Some(winograd) => Self::Winograd(winograd.with_factors(factors)),
            None => Self::Direct(direct()),
        }
    }

    /// Writes the target from the source. The layout of the weights is made if it is missing.
    fn run(
        &self,
        batch: usize,
        (weight, layout): (Weights, &Layout),
        source: &[f32],
        bias: Option<&[f32]>,
        target: &mut [f32],
    ) {
        match self {
            Self::Winograd(winograd) => {
                let points = winograd.points;
                let weight = layout.winograd(points, || winograd.weights(&weight));
                winograd.run(batch, weight, source, bias, target);
            }
            Self::Direct(direct) => {
                let weight = layout.direct(|| direct.pack(&weight));
                direct.run(weight, lanes_for(batch), source, bias, target);
            }
        }
    }
}
