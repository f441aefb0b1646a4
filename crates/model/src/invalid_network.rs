//! Say why a network cannot be built.

use ebm_core::ImageShape;
use thiserror::Error;

/// A network that cannot be built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidNetwork {
    /// A convolution whose kernel exceeds its padded input.
    #[error(
        "layer {layer}: a kernel of {kernel}×{kernel} does not fit into an input of {height}×{width}; use larger images"
    )]
    InputTooSmall {
        /// Position of the layer, from 1.
        layer: usize,
        /// Side of its kernel.
        kernel: usize,
        /// Height of its padded input.
        height: usize,
        /// Width of its padded input.
        width: usize,
    },
    /// A number of filters, a width, a kernel or a stride of zero.
    #[error("layer {layer}: {what} must be at least 1")]
    Zero {
        /// Position of the layer, from 1; one more than the convolutions for the dense layer.
        layer: usize,
        /// The setting that is zero.
        what: &'static str,
    },
    /// Images whose sides cannot be halved without a rest as often as the network halves them.
    #[error(
        "images of {height}×{width} cannot be halved {halvings} times and doubled back: use images with sides divisible by {}, or fewer stages",
        1 << halvings
    )]
    NotDivisible {
        /// Height of the images.
        height: usize,
        /// Width of the images.
        width: usize,
        /// Times that the network halves them.
        halvings: usize,
    },
    /// Images that cannot be cut without a rest into what the coarsest stage of a network of patches sees as one pixel.
    #[error(
        "images of {height}×{width} cannot be cut into squares of {side}×{side} pixels: use images with such sides, smaller patches, or fewer stages"
    )]
    NoWholeSquares {
        /// Height of the images.
        height: usize,
        /// Width of the images.
        width: usize,
        /// Side of the squares.
        side: usize,
    },
    /// Images of which nothing is left where the network has halved them.
    #[error(
        "images of {height}×{width} cannot be halved {halvings} times; use larger images, or fewer stages"
    )]
    TooSmall {
        /// Height of the images.
        height: usize,
        /// Width of the images.
        width: usize,
        /// Times that the network halves them.
        halvings: usize,
    },
    /// Patches of more elements than experts take.
    #[error(
        "images of {shape} have {} elements, and experts take patches of at most {most}: use smaller images, or cut patches from them",
        shape.pixels()
    )]
    TooLarge {
        /// Shape of the images.
        shape: ImageShape,
        /// Elements of the largest patch.
        most: usize,
    },
    /// Fewer directions in which the data vary than dimensions that experts are to see.
    #[error(
        "the data vary in {found} directions, and experts are to see {asked} dimensions: ask for fewer dimensions"
    )]
    FewDirections {
        /// Dimensions that were asked for.
        asked: usize,
        /// Directions that there are.
        found: usize,
    },
}

impl InvalidNetwork {
    /// Check that images can be cut into squares of so many pixels a side.
    pub(crate) fn check_squares(shape: ImageShape, side: usize) -> Result<(), Self> {
        let ImageShape { height, width, .. } = shape;
        if height.is_multiple_of(side) && width.is_multiple_of(side) {
            return Ok(());
        }
        Err(Self::NoWholeSquares {
            height,
            width,
            side,
        })
    }

    /// Check that images can be halved so often, and doubled back to their size.
    pub(crate) fn check_divisible(shape: ImageShape, halvings: usize) -> Result<(), Self> {
        Self::check_large_enough(shape, halvings)?;
        let ImageShape { height, width, .. } = shape;
        let divisor = 1 << halvings;
        if height.is_multiple_of(divisor) && width.is_multiple_of(divisor) {
            return Ok(());
        }
        Err(Self::NotDivisible {
            height,
            width,
            halvings,
        })
    }

    /// Check that pixels are left of images that are halved so often.
    pub(crate) fn check_large_enough(shape: ImageShape, halvings: usize) -> Result<(), Self> {
        let ImageShape { height, width, .. } = shape;
        let is_left = |side: usize| {
            let rest = side.checked_shr(halvings as u32);
            rest.is_some_and(|rest| rest > 0)
        };
        if is_left(height) && is_left(width) {
            return Ok(());
        }
        Err(Self::TooSmall {
            height,
            width,
            halvings,
        })
    }
}
