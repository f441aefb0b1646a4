//! Lay out a small network of strided convolutions for one kernel: what a unit computes, and where its
//! weights are.

use crate::activation::Activation;
use crate::ops::ConvGeometry;

/// Units that compute one image together; every device has as many.
pub(super) const UNITS: usize = 256;
/// The most numbers that a unit computes of all planes, each of which it keeps a slope of.
const MAX_SLOPES: usize = 64;
/// The largest stride.
const MAX_STRIDE: usize = 16;
/// The most multiply-adds of an energy: matrix units win where there are more.
const MAX_MULTIPLY_ADDS: usize = 4_000_000;

/// Numbers of one image between two layers, `[channels, height, width]`, and how units share them.
///
/// A convolution reads them in cells of as many pixels as its stride. A unit computes some channels of
/// some pixels that have the same place in their cells, so that the same weights lead to them all.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Plane {
    pub(super) channels: usize,
    /// Rows and columns.
    pub(super) size: [usize; 2],
    /// Rows and columns of a cell.
    pub(super) cell: [usize; 2],
    /// Channels that a unit computes, and in how many cells.
    pub(super) tile: [usize; 2],
}

impl Plane {
    /// `None` where it is too large for the units.
    fn new(channels: usize, size: [usize; 2], cell: [usize; 2]) -> Option<Self> {
        let whole = |tile| Self {
            channels,
            size,
            cell,
            tile,
        };
        let dividing = [4, 2, 1]
            .into_iter()
            .filter(|&some| channels.is_multiple_of(some));
        let planes = dividing.filter_map(|some| {
            (1..=MAX_SLOPES / some)
                .map(|cells| whole([some, cells]))
                .find(|plane| plane.items() <= UNITS)
        });
        planes.min_by_key(Self::numbers_of_unit)
    }

    pub(super) fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    pub(super) fn numbers(&self) -> usize {
        self.channels * self.pixels()
    }

    /// Units that have the same pixels, and other channels.
    pub(super) fn groups(&self) -> usize {
        self.channels / self.tile[0]
    }

    /// Pixels of a cell.
    pub(super) fn places(&self) -> usize {
        self.cell[0] * self.cell[1]
    }

    /// Rows and columns of cells.
    pub(super) fn cells(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis].div_ceil(self.cell[axis]))
    }

    /// Units that have the same channels and place in cells, and other cells.
    pub(super) fn blocks(&self) -> usize {
        let [rows, columns] = self.cells();
        (rows * columns).div_ceil(self.tile[1])
    }

    fn items(&self) -> usize {
        self.groups() * self.places() * self.blocks()
    }

    pub(super) fn numbers_of_unit(&self) -> usize {
        self.tile[0] * self.tile[1]
    }
}

/// A convolution from one plane to another. Offsets are of numbers in the packed weights.
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
    /// Added to its input, `[classes, channels_in]`.
    pub(super) input_bias: usize,
    /// What its output is multiplied by, `[classes, channels_out]`.
    pub(super) gain: usize,
}

/// A network that ends in two dense layers.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(super) convs: Vec<Conv>,
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
    /// Numbers of packed weights.
    pub(super) len: usize,
}

/// The table from which a [`Plan`] is made.
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

impl Plan {
    /// `None` where the network is not one for this kernel.
    pub(crate) fn new(layers: &Layers) -> Option<Self> {
        let [channels, height, width] = layers.image;
        let mut offset = 0;
        let mut take = |numbers: usize| {
            offset += numbers;
            offset - numbers
        };
        let strides = layers.convs.iter().map(|conv| conv.geometry.stride);
        if strides.clone().flatten().any(|stride| stride > MAX_STRIDE) {
            return None;
        }
        let mut read_by = strides.chain([[1, 1]]);
        let mut from = Plane::new(channels, [height, width], read_by.next()?)?;
        let mut convs = Vec::new();
        let mut multiply_adds = 0;
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
                weight: take(weights),
                turned: take(weights),
                bias: take(to.channels),
                condition: conv.is_conditioned.then(|| Condition {
                    input_bias: take(layers.num_classes * from.channels),
                    gain: take(layers.num_classes * to.channels),
                }),
            });
            from = to;
        }
        if convs.is_empty() {
            return None;
        }
        let (inputs, hidden) = (from.numbers(), layers.hidden);
        multiply_adds += inputs * hidden;
        let plan = Self {
            convs,
            hidden,
            weight: take(inputs * hidden),
            turned: take(inputs * hidden),
            bias: take(hidden),
            out: take(hidden + 1),
            activation: layers.activation,
            centered_input: layers.centered_input,
            len: offset,
        };
        let slopes: usize = { plan.convs.iter() }
            .map(|conv| conv.to.numbers_of_unit())
            .sum();
        let fits = hidden <= UNITS && slopes <= MAX_SLOPES && multiply_adds <= MAX_MULTIPLY_ADDS;
        fits.then_some(plan)
    }

    pub(super) fn image(&self) -> Plane {
        self.convs[0].from
    }

    pub(super) fn is_conditioned(&self) -> bool {
        self.convs.iter().any(|conv| conv.condition.is_some())
    }

    /// Numbers of the largest plane.
    pub(super) fn largest(&self) -> usize {
        let planes = self.convs.iter().map(|conv| conv.to.numbers());
        planes.fold(self.image().numbers(), usize::max)
    }

    /// Memory that the units of an image share: a plane and a zero, a sum of each unit, and what
    /// belongs to the hidden numbers.
    pub(super) fn shared_bytes(&self) -> usize {
        size_of::<f32>() * (self.largest() + 1 + UNITS + self.hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_a_plane_has_one_unit() {
        for (channels, size, cell) in [
            (16, [16, 16], [2, 2]),
            (1, [28, 28], [2, 2]),
            (3, [7, 5], [2, 3]),
            (64, [2, 2], [1, 1]),
            (6, [9, 1], [4, 4]),
        ] {
            let plane = Plane::new(channels, size, cell).expect("small");
            assert!(plane.items() <= UNITS, "{plane:?}");
            assert_eq!(plane.groups() * plane.tile[0], channels);
            let [rows, columns] = plane.cells();
            assert!(plane.blocks() * plane.tile[1] >= rows * columns);
            assert!(rows * cell[0] >= size[0] && columns * cell[1] >= size[1]);
        }
        assert_eq!(Plane::new(64, [28, 28], [2, 2]), None);
    }
}
