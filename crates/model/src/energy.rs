//! Say what every energy-based model does.

use burn::module::Module;
use burn::tensor::{Int, Tensor};

/// Channels, height and width of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// The shape of images of `channels` × `height` × `width`.
    pub fn new(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
        }
    }

    /// Numbers in an image.
    pub fn pixels(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Channels, height, width.
    pub fn dims(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }
}

impl core::fmt::Display for ImageShape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}×{}×{}", self.channels, self.height, self.width)
    }
}

/// An energy function of images, p(x) ∝ exp(−E(x)).
pub trait EnergyModel: Module {
    /// E(x) of every image, each a function of its own image alone.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, pixels in [0, 1]
    /// - returns: `[batch]`
    fn energy(&self, x: Tensor<4>) -> Tensor<1>;

    /// E(x, y) of every image under its class. A model without classes ignores them.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, `y`: `[batch]`
    /// - returns: `[batch]`
    fn energy_given(&self, x: Tensor<4>, y: Tensor<1, Int>) -> Tensor<1> {
        let _ = y;
        self.energy(x)
    }
}
