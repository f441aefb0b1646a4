//! Make channels of the pixels of a patch, and pixels of them again: half the size, four times the channels.
//!
//! Shi et al., *Real-time single image and video super-resolution using an efficient sub-pixel convolutional
//! neural network* (2016), and its inverse; in the order of PyTorch's `PixelUnshuffle` and `PixelShuffle`.

use burn::tensor::Tensor;

/// Patches of `side` × `side` pixels as the channels of one.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, sides divisible by `side`
/// - returns: `[batch, channels · side², height / side, width / side]`
pub(crate) fn to_patches(x: Tensor<4>, side: usize) -> Tensor<4> {
    if side == 1 {
        return x;
    }
    let [batch, channels, height, width] = x.dims();
    let (rows, columns) = (height / side, width / side);
    let x: Tensor<6> = x.reshape([batch, channels, rows, side, columns, side]);
    let x = x.permute([0, 1, 3, 5, 2, 4]);
    x.reshape([batch, channels * side * side, rows, columns])
}

/// The inverse of [`to_patches`].
///
/// # Shapes
/// - `x`: `[batch, channels · side², height, width]`
/// - returns: `[batch, channels, height · side, width · side]`
pub(crate) fn of_patches(x: Tensor<4>, side: usize) -> Tensor<4> {
    if side == 1 {
        return x;
    }
    let [batch, all, height, width] = x.dims();
    let channels = all / (side * side);
    let x: Tensor<6> = x.reshape([batch, channels, side, side, height, width]);
    let x = x.permute([0, 1, 4, 2, 5, 3]);
    x.reshape([batch, channels, height * side, width * side])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int};

    use super::*;
    use crate::testing::floats;

    #[test]
    fn a_patch_is_one_pixel_of_as_many_channels_and_comes_back() {
        let x = Tensor::<1, Int>::arange(0..16, &Device::flex()).float();
        let x: Tensor<4> = x.reshape([1, 1, 4, 4]);
        let patches = to_patches(x.clone(), 2);
        assert_eq!(patches.dims(), [1, 4, 2, 2]);
        let expected = [0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15];
        assert_eq!(
            floats(patches.clone().into_data()),
            expected.map(|pixel| pixel as f32)
        );
        let back = of_patches(patches, 2);
        assert_eq!(floats(back.into_data()), floats(x.into_data()));
    }

    #[test]
    fn channels_keep_their_order() {
        let x = Tensor::<1, Int>::arange(0..48, &Device::flex()).float();
        let x: Tensor<4> = x.reshape([2, 2, 2, 6]);
        for side in [1, 2] {
            let patches = to_patches(x.clone(), side);
            let first = patches.clone().narrow(1, 0, side * side);
            let whole = x.clone().narrow(1, 0, 1);
            assert_eq!(
                floats(first.into_data()),
                floats(to_patches(whole, side).into_data())
            );
            let back = of_patches(patches, side);
            assert_eq!(floats(back.into_data()), floats(x.to_data()));
        }
    }
}
