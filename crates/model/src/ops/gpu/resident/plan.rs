//! Lay out a small network of strided convolutions for one kernel: the planes between its layers, and
//! where its weights are.

use super::plane::{MAX_SLOPES, Plane, UNITS};
use crate::ops::activation::Activation;
use crate::ops::geometry::ConvGeometry;

/// The largest stride.
const MAX_STRIDE: usize = 16;
/// The most multiply-adds of an energy: matrix units win where there are more.
const MAX_MULTIPLY_ADDS: usize = 4_000_000;

/// A convolution from one plane to another. Offsets count elements of the packed weights.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Conv {
    pub(super) from: Plane,
    pub(super) to: Plane,
    /// Rows and columns.
    pub(super) kernel: [usize; 2],
    /// Zeros above and to the left.
    pub(super) before: [usize; 2],
    /// `[rows, columns, channels_in, channels_out]`.
    pub(super) weight: usize,
    /// `[rows, columns, channels_out, channels_in]`.
    pub(super) turned: usize,
    /// `[channels_out]`.
    pub(super) bias: usize,
    pub(super) condition: Option<Condition>,
}

/// What a class does to a convolution.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Condition {
    /// Offset of the biases of its input, `[classes, channels_in]`.
    pub(super) input_bias: usize,
    /// Offset of the factors of its output, `[classes, channels_out]`.
    pub(super) gain: usize,
}

/// A network that ends in two dense layers.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) struct KernelPlan {
    pub(super) convs: Vec<Conv>,
    pub(super) num_classes: usize,
    pub(super) hidden: usize,
    /// `[inputs, hidden]`.
    pub(super) weight: usize,
    /// `[hidden, inputs]`.
    pub(super) turned: usize,
    /// `[hidden]`.
    pub(super) bias: usize,
    /// `[hidden]`, then the last bias.
    pub(super) out: usize,
    pub(super) activation: Activation,
    pub(super) centered_input: bool,
    /// Elements of the packed weights.
    pub(super) len: usize,
}

/// The table from which a [`KernelPlan`] is made.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    pub(crate) convs: Vec<LayerShape>,
    /// Channels, height, width.
    pub(crate) image: [usize; 3],
    pub(crate) hidden: usize,
    pub(crate) num_classes: usize,
    pub(crate) activation: Activation,
    pub(crate) centered_input: bool,
}

/// A convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerShape {
    pub(crate) channels_out: usize,
    /// Rows and columns.
    pub(crate) kernel: [usize; 2],
    pub(crate) geometry: ConvGeometry,
    pub(crate) is_conditioned: bool,
}

impl KernelPlan {
    /// `None` where the network is not one for this kernel.
    pub(crate) fn new(layers: &Layers) -> Option<Self> {
        let is_conditioned = layers.convs.iter().any(|conv| conv.is_conditioned);
        if layers.convs.is_empty() || (is_conditioned && layers.num_classes == 0) {
            return None;
        }
        let mut offsets = Offsets::default();
        let (convs, mut multiply_adds) = place_convs(layers, &mut offsets)?;
        let (inputs, hidden) = (convs.last()?.to.elements(), layers.hidden);
        multiply_adds += inputs * hidden;
        let plan = Self {
            convs,
            num_classes: layers.num_classes,
            hidden,
            weight: offsets.take(inputs * hidden),
            turned: offsets.take(inputs * hidden),
            bias: offsets.take(hidden),
            out: offsets.take(hidden + 1),
            activation: layers.activation,
            centered_input: layers.centered_input,
            len: offsets.taken,
        };
        let planes = plan.convs.iter().map(|conv| conv.to);
        let slopes: usize = planes.map(|plane| plane.elements_of_unit()).sum();
        let fits = hidden <= UNITS && slopes <= MAX_SLOPES && multiply_adds <= MAX_MULTIPLY_ADDS;
        fits.then_some(plan)
    }

    pub(super) fn image(&self) -> Plane {
        self.convs[0].from
    }

    pub(super) fn is_conditioned(&self) -> bool {
        self.convs.iter().any(|conv| conv.condition.is_some())
    }

    /// Elements of the largest plane.
    pub(super) fn largest(&self) -> usize {
        let planes = self.convs.iter().map(|conv| conv.to.elements());
        planes.fold(self.image().elements(), usize::max)
    }

    /// Memory that the units of an image share: a plane and a zero, a sum of each unit, and an element
    /// of each hidden unit of the network.
    pub(super) fn shared_bytes(&self) -> usize {
        size_of::<f32>() * (self.largest() + 1 + UNITS + self.hidden)
    }
}

/// Offsets into the packed weights, in the order in which they are taken.
#[derive(Default)]
struct Offsets {
    taken: usize,
}

impl Offsets {
    /// The offset of the next elements.
    fn take(&mut self, elements: usize) -> usize {
        let offset = self.taken;
        self.taken += elements;
        offset
    }
}

/// The convolutions with their planes and offsets, and their multiply-adds; `None` where a stride or a
/// plane is too large.
fn place_convs(layers: &Layers, offsets: &mut Offsets) -> Option<(Vec<Conv>, usize)> {
    let [channels, height, width] = layers.image;
    let strides = layers.convs.iter().map(|conv| conv.geometry.stride);
    if strides.clone().flatten().any(|stride| stride > MAX_STRIDE) {
        return None;
    }
    let mut read_by = strides.chain([[1, 1]]);
    let mut from = Plane::new(channels, [height, width], read_by.next()?)?;
    let (mut convs, mut multiply_adds) = (Vec::new(), 0);
    for conv in &layers.convs {
        let out = conv.geometry.output(from.size, conv.kernel);
        let to = Plane::new(conv.channels_out, out, read_by.next()?)?;
        let taps = conv.kernel[0] * conv.kernel[1];
        let weights = taps * from.channels * to.channels;
        multiply_adds += weights * to.pixels();
        convs.push(Conv {
            from,
            to,
            kernel: conv.kernel,
            before: conv.geometry.padding.map(|(before, _)| before),
            weight: offsets.take(weights),
            turned: offsets.take(weights),
            bias: offsets.take(to.channels),
            condition: conv.is_conditioned.then(|| Condition {
                input_bias: offsets.take(layers.num_classes * from.channels),
                gain: offsets.take(layers.num_classes * to.channels),
            }),
        });
        from = to;
    }
    Some((convs, multiply_adds))
}
