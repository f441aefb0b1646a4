//! Convolve small images on the CPU.
//!
//! `winograd` takes the 3×3 kernels of stride one and the 4×4 kernels of stride two between many
//! channels, forward and for the input's gradient; `direct` takes everything else. Which of the
//! two it is depends on the geometry alone, never on the batch, and so do the bits of an image's
//! result.

mod direct;
mod factors;
mod scratch;
#[cfg(test)]
mod tests;
mod tile;
mod winograd;

use std::sync::OnceLock;

use crate::lanes::lanes_for;
use direct::Direct;
pub use direct::{Images, parameter_gradients};
pub use factors::Factors;
use winograd::Winograd;

/// Geometry of a convolution with explicit padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images in the batch.
    pub batch: usize,
    /// Channels of an input image.
    pub channels_in: usize,
    /// Rows of an input image.
    pub height: usize,
    /// Columns of an input image.
    pub width: usize,
    /// Channels of an output image.
    pub channels_out: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Steps between output rows and between output columns.
    pub stride: [usize; 2],
    /// Zeros before and after the rows, before and after the columns.
    pub padding: [(usize, usize); 2],
}

impl ConvShape {
    /// Rows and columns of an output image.
    ///
    /// # Panics
    ///
    /// When a stride is zero or the kernel is empty or larger than the padded image.
    pub fn out(&self) -> [usize; 2] {
        let size = [self.height, self.width];
        [0, 1].map(|axis| {
            let (before, after) = self.padding[axis];
            let padded = size[axis] + before + after;
            let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
            assert!(
                (1..=padded).contains(&kernel) && stride > 0,
                "expected a kernel of 1 to {padded} and a stride above 0, got {kernel} and {stride}"
            );
            (padded - kernel) / stride + 1
        })
    }

    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Whether the kernel covers the image, so that every output is a sum over all of it.
    pub fn is_dense(&self) -> bool {
        self.kernel == [self.height, self.width] && self.padding == [(0, 0); 2]
    }

    /// Panics unless these are weights of its channels and kernels.
    fn check(&self, weight: Weights) {
        let [rows, columns] = self.kernel;
        let expected = [self.channels_out, self.channels_in, rows, columns];
        assert_eq!(weight.size, expected, "weights of another convolution");
    }

    /// How images lie for a convolution, and what comes out of it, too.
    pub fn order(&self) -> Order {
        match Winograd::forward(self) {
            Some(_) => Winograd::order(self.batch),
            None => Order::Lanes,
        }
    }

    /// How gradients lie for the gradient of its input.
    pub fn gradient_order(&self) -> Order {
        match Winograd::input_gradient(self) {
            Some(_) => Winograd::order(self.batch),
            None => Order::Lanes,
        }
    }
}

/// How the numbers of images lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `[images, channels, height, width]`.
    Planes,
    /// `[height, width, channels, lanes]`, see [`lanes`](crate::lanes).
    Lanes,
}

impl Order {
    /// Images, of which there are so many, and the lanes without one.
    pub fn images(self, batch: usize) -> usize {
        match self {
            Self::Planes => batch,
            Self::Lanes => lanes_for(batch),
        }
    }

    /// Numbers of such images, `[images, channels, height, width]`.
    pub fn len(self, [batch, channels, height, width]: [usize; 4]) -> usize {
        self.images(batch) * channels * height * width
    }

    /// Rows, columns and numbers of a pixel of what lies one after the other.
    pub fn plane(self, [batch, channels, height, width]: [usize; 4]) -> [usize; 3] {
        match self {
            Self::Planes => [height, width, 1],
            Self::Lanes => [height, width, channels * lanes_for(batch)],
        }
    }
}

/// The weights of a convolution, `[c_out, c_in, kh, kw]` with steps between their numbers.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// From the first weight on.
    pub values: &'a [f32],
    /// Output and input channels, rows and columns of a kernel.
    pub size: [usize; 4],
    /// Between the weights of neighbours along each of these.
    pub steps: [usize; 4],
}

impl Weights<'_> {
    fn len(&self) -> usize {
        self.size.iter().product()
    }

    /// From the first tap between two channels on.
    fn kernel(&self, output: usize, input: usize) -> &[f32] {
        &self.values[output * self.steps[0] + input * self.steps[1]..]
    }
}

/// The layouts in which kernels read weights that stay as they are, each made at its first use, and the
/// numbers that they are multiplied in.
#[derive(Debug, Default)]
pub struct Layouts {
    factors: Factors,
    forward: OnceLock<Vec<f32>>,
    input_gradient: OnceLock<Vec<f32>>,
}

impl Layouts {
    /// Of weights that are multiplied in these numbers.
    pub fn new(factors: Factors) -> Self {
        Self {
            factors,
            ..Self::default()
        }
    }
}

/// Writes the convolution of `x` with `weight`, plus `bias` per output channel, into `out`.
///
/// # Shapes
///
/// `x` `[batch, c_in, h, w]`, `bias` `[c_out]`, `out` `[batch, c_out, oh, ow]`, in the order of
/// [`ConvShape::order`].
///
/// # Panics
///
/// When a slice does not have the length that `shape` gives it.
pub fn forward(
    shape: ConvShape,
    x: &[f32],
    (weight, layouts): (Weights, &Layouts),
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    shape.check(weight);
    let factors = layouts.factors;
    let way = Way::of(factors, Winograd::forward(&shape), || {
        Direct::forward(&shape, factors)
    });
    way.run(shape.batch, (weight, &layouts.forward), x, bias, out);
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
/// When a slice does not have the length that `shape` gives it.
pub fn input_gradient(
    shape: ConvShape,
    (weight, layouts): (Weights, &Layouts),
    grad_out: &[f32],
    grad_x: &mut [f32],
) {
    shape.check(weight);
    let factors = layouts.factors;
    let way = Way::of(factors, Winograd::input_gradient(&shape), || {
        Direct::input_gradient(&shape, factors)
    });
    let weight = (weight, &layouts.input_gradient);
    way.run(shape.batch, weight, grad_out, None, grad_x);
}

/// The quicker way to convolve.
enum Way {
    Winograd(Winograd),
    Direct(Direct),
}

impl Way {
    fn of(factors: Factors, winograd: Option<Winograd>, direct: impl FnOnce() -> Direct) -> Self {
        match winograd {
            Some(winograd) => Self::Winograd(winograd.with_factors(factors)),
            None => Self::Direct(direct()),
        }
    }

    /// Writes the target from the source, with weights whose layout is made where there is none.
    fn run(
        &self,
        batch: usize,
        (weight, layout): (Weights, &OnceLock<Vec<f32>>),
        source: &[f32],
        bias: Option<&[f32]>,
        target: &mut [f32],
    ) {
        match self {
            Self::Winograd(winograd) => {
                let weight = layout.get_or_init(|| winograd.weights(&weight));
                winograd.run(batch, weight, source, bias, target);
            }
            Self::Direct(direct) => {
                let weight = layout.get_or_init(|| direct.pack(&weight));
                direct.run(weight, lanes_for(batch), source, bias, target);
            }
        }
    }
}
