//! Score how unusual images are: energies and their gradients, as many at a time as suit the device; and rank them.

mod ranking;
mod threshold;

use core::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::pixels::pixel_of_byte;
use ebm_core::{DeviceKind, Energy, ImageShape, chain_pieces, each_piece, index_tensor, pieces_of};
use ebm_model::{Frozen, Network};

pub use ranking::{Ranked, Ranking};
pub use threshold::{FalseAlarms, FewUsual, Threshold};

/// Images whose energies a GPU computes at a time.
const BATCH: usize = 64;

/// Images that are on the device at a time where there are many.
const CHUNK: usize = 1024;

/// [`images`] of as many bytes as there are, so many at a time that a large data set fits the device.
///
/// # Panics
/// If `bytes` is not a whole number of images.
pub fn chunks<'a>(
    bytes: &'a [u8],
    shape: ImageShape,
    device: &'a Device,
) -> impl Iterator<Item = Tensor<4>> + 'a {
    let chunks = bytes.chunks(CHUNK * shape.pixels());
    chunks.map(move |chunk| images(chunk, shape, device))
}

/// The energy of `num` images that are all given one class, E(x, y), or without one E(x).
pub fn under_class<'a>(
    model: &'a Frozen<Network>,
    class: Option<u32>,
    num: usize,
    device: &Device,
) -> Box<dyn Energy<4> + 'a> {
    match class {
        Some(class) => Box::new(model.given(index_tensor(&vec![class; num], device))),
        None => Box::new(model.clone()),
    }
}

/// Images of bytes as pixels, each in the middle of the interval that its byte stands for.
///
/// # Shapes
/// - `bytes`: `[num, channels, height, width]`, row-major; returns the same
///
/// # Panics
/// If `bytes` is not a whole number of images.
pub fn images(bytes: &[u8], shape: ImageShape, device: &Device) -> Tensor<4> {
    let (len, image) = (bytes.len(), shape.pixels());
    assert!(
        len.is_multiple_of(image),
        "expected a whole number of {shape} images, got {len} bytes"
    );
    let pixels: Vec<f32> = bytes.iter().map(|&byte| pixel_of_byte(byte)).collect();
    Tensor::from_data(TensorData::new(pixels, shape.batch(len / image)), device)
}

/// The energy of every image: the lower, the likelier.
///
/// # Shapes
/// - `images`: `[num, channels, height, width]`, not tracked by autodiff
pub fn energies(energy: &dyn Energy<4>, images: Tensor<4>) -> Vec<f32> {
    let parts = each(energy, &images, |energy, x| floats(energy.energies(x)));
    parts.concat()
}

/// The energy of every image, and its gradient with respect to the pixels, row-major.
///
/// # Shapes
/// - `images`: `[num, channels, height, width]`, not tracked by autodiff; gradients the same
pub fn energies_and_gradients(energy: &dyn Energy<4>, images: Tensor<4>) -> (Vec<f32>, Vec<f32>) {
    let parts = each(energy, &images, |energy, x| {
        let (energies, gradients) = energy.energies_and_gradients(x);
        (floats(energies), floats(gradients))
    });
    let (energies, gradients): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    (energies.concat(), gradients.concat())
}

/// What `work` makes of pieces of the images, under the energy of their rows.
fn each<T: Send>(
    energy: &dyn Energy<4>,
    images: &Tensor<4>,
    work: impl Fn(&dyn Energy<4>, Tensor<4>) -> T + Sync,
) -> Vec<T> {
    let (num, device) = (images.dims()[0], images.device());
    let pieces = if DeviceKind::is_cpu(&device) {
        chain_pieces(&device, num)
    } else {
        pieces_of(num, BATCH)
    };
    each_piece(&device, pieces, |rows: Range<usize>| {
        let x = images.clone().narrow(0, rows.start, rows.len());
        match energy.of_rows(rows) {
            Some(energy) => work(energy.as_ref(), x),
            None => work(energy, x),
        }
    })
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_come_in_order_however_the_images_are_cut() {
        let shape = ImageShape::new(1, 1, 2);
        let bytes: Vec<u8> = (0..200).collect();
        let x = images(&bytes, shape, &Device::flex());
        let sum =
            |x: Tensor<4>| -> Tensor<1> { x.square().flatten::<2>(1, 3).sum_dim(1).squeeze_dim(1) };
        let (scores, gradients) = energies_and_gradients(&sum, x.clone());
        assert_eq!(scores, energies(&sum, x));
        assert_eq!((scores.len(), gradients.len()), (100, 200));
        assert!(scores.is_sorted());
        for (gradient, &byte) in gradients.iter().zip(&bytes) {
            assert!((gradient - 2.0 * pixel_of_byte(byte)).abs() < 1e-6);
        }
    }

    #[test]
    #[should_panic = "expected a whole number of 1×2×2 images, got 5 bytes"]
    fn refuses_a_part_of_an_image() {
        images(&[0; 5], ImageShape::new(1, 2, 2), &Device::flex());
    }
}
