//! Compute the energy of a picture from those of all of its patches.

use core::ops::Range;

use burn::tensor::Tensor;
use ebm_core::{Energy, each_piece, pieces_of};

use super::net::Experts;
use super::steps::Intensity;
use super::windows::{added, folded, in_order, mirrored, windows};
use crate::locality::Locality;

/// Most elements of the patches of a band, or responses to them, that are held at a time: they stay near the processor.
const MOST_ELEMENTS: usize = 1 << 21;

/// The energy of pictures of any size: Σ E(patch)/p over as many patches as there are pixels, one around each, with p
/// pixels in a patch. So every pixel counts once, in p patches of a p-th each; beyond its ends the picture goes on as its
/// mirror image.
#[derive(Debug)]
pub struct OverPatches {
    /// What responses multiply the pixels of a patch by, in the order of [`windows`], `[experts, pixels]`.
    fields: Tensor<2>,
    /// What the means subtract from responses, negative, `[experts, 1]`.
    offsets: Tensor<2>,
    /// γᵢ/p, `[experts, 1]`.
    weights: Tensor<2>,
    /// Height and width of a patch.
    size: [usize; 2],
    /// See [`steepness`](Self::steepness).
    steepness: f64,
}

impl Experts {
    /// The energy of pictures, the weights as they are now as constants; `None` where experts see no linear intensity.
    pub fn over_patches(&self) -> Option<OverPatches> {
        if self.intensity != Intensity::Linear {
            return None;
        }
        let weight = self.weight.val().without_autodiff();
        let scale = self.log_scale.val().without_autodiff().exp();
        let whitening = self.whitening.like(&weight);
        let fields = whitening.matrix.matmul(weight).transpose(); // [experts, pixels]
        let means = whitening.mean.matmul(fields.clone().transpose()); // [1, experts]
        let experts = self.num_experts();
        let [channels, height, width] = self.shape.dims();
        let pixels_of_plane = (height * width) as f64;
        // At the ends of a picture, a pixel is in as many patches, mirror images included, of an odd side; of an even one
        // in a row or column of them more.
        let copies = [height, width].map(|side| (2 * (side / 2) + 1) as f64 / side as f64);
        Some(OverPatches {
            steepness: most_curved(&fields, &scale) * copies[0].max(1.0) * copies[1].max(1.0),
            fields: in_order(fields.reshape([experts, channels, height, width])),
            offsets: means.neg().reshape([experts, 1]),
            weights: (scale / pixels_of_plane).reshape([experts, 1]),
            size: [height, width],
        })
    }
}

impl OverPatches {
    /// How far ∇E sees.
    pub fn locality(&self) -> Locality {
        Locality {
            reach: self.size[0].max(self.size[1]) - 1,
            divisor: 1,
        }
    }

    /// The least L that is known with ‖∇E(x) − ∇E(y)‖ ≤ L‖x − y‖, at least 0; NaN where a weight is.
    pub fn steepness(&self) -> f64 {
        self.steepness
    }

    /// ∇E(x), of the shape of `x`: Σᵢ γᵢ/p · r/(1 + r²/2) · fᵢ of every patch, at its pixels.
    ///
    /// # Panics
    /// If pictures have other channels than patches.
    pub fn slopes(&self, x: Tensor<4>) -> Tensor<4> {
        self.slopes_by_bands(x, MOST_ELEMENTS)
    }

    /// The same, so many elements of patches and responses at a time, or as many as a row has.
    fn slopes_by_bands(&self, x: Tensor<4>, most_elements: usize) -> Tensor<4> {
        let dims = x.dims();
        let whole = self.with_margins(x);
        let [batch, channels, height, width] = whole.dims();
        let [rows, columns] = self.size;
        let [experts, pixels] = self.fields.dims();
        let of_row = batch * (width - columns + 1) * experts.max(pixels);
        let bands = pieces_of(height - rows + 1, most_elements / of_row);
        let seen = |band: &Range<usize>| band.start..band.end + rows - 1;
        let parts = each_piece(&whole.device(), bands.clone(), |band| {
            let seen = seen(&band);
            self.slopes_within(whole.clone().narrow(2, seen.start, seen.len()))
        });
        let mut slopes = Tensor::zeros(whole.dims(), (&whole.device(), whole.dtype()));
        for (band, part) in bands.iter().zip(parts) {
            let place = [0..batch, 0..channels, seen(band), 0..width];
            let sum = slopes.clone().slice(place.clone()) + part;
            slopes = slopes.slice_assign(place, sum);
        }
        let slopes = folded(
            slopes,
            3,
            margins(columns),
            [batch, channels, height, dims[3]],
        );
        folded(slopes, 2, margins(rows), dims)
    }

    /// The slopes of the patches that lie in pictures as a whole.
    fn slopes_within(&self, x: Tensor<4>) -> Tensor<4> {
        let dims = x.dims();
        let r = self.responses(x);
        let twice = r.clone().square() + 2.0; // 2(1 + r²/2)
        let steep = r / twice * (self.weights.clone() * 2.0);
        added(
            self.fields.clone().transpose().matmul(steep),
            self.size,
            dims,
        )
    }

    /// Pictures and the margins of the patches around their outermost pixels.
    fn with_margins(&self, x: Tensor<4>) -> Tensor<4> {
        let [rows, columns] = self.size.map(margins);
        mirrored(mirrored(x, 2, rows), 3, columns)
    }

    /// rᵢ of every patch that lies in pictures as a whole, `[experts, patches]`.
    fn responses(&self, x: Tensor<4>) -> Tensor<2> {
        self.fields.clone().matmul(windows(x, self.size)) + self.offsets.clone()
    }
}

impl Energy<4> for OverPatches {
    /// Holds all patches and responses at a time.
    ///
    /// # Panics
    /// If pictures have other channels than patches.
    fn energies(&self, x: Tensor<4>) -> Tensor<1> {
        let [batch, ..] = x.dims();
        let responses = self.responses(self.with_margins(x));
        let terms = (responses.square() * 0.5).log1p() * self.weights.clone();
        let [experts, patches] = terms.dims();
        let terms: Tensor<3> = terms.reshape([experts, batch, patches / batch]);
        terms.sum_dim(2).sum_dim(0).reshape([batch])
    }
}

/// Pixels of a patch before and after the one that it is around, along a side.
fn margins(side: usize) -> [usize; 2] {
    [(side - 1) / 2, side / 2]
}

/// The largest eigenvalue of Σᵢ γᵢ fᵢfᵢᵀ, which is the most of the Hessian of a patch's energy, as |φ″| ≤ 1; the mean over
/// the patches that a pixel is in has no more.
///
/// # Shapes
/// - `fields`: `[experts, pixels]`, the fᵢ, `scale`: `[experts]`
fn most_curved(fields: &Tensor<2>, scale: &Tensor<1>) -> f64 {
    /// Power iterations, and by how much more than they have found is taken, as they find less than there is.
    const ITERATIONS: usize = 50;
    const MORE: f64 = 1.05;
    let weighted = fields.clone() * scale.clone().unsqueeze_dim::<2>(1);
    let matrix = fields.clone().transpose().matmul(weighted); // [pixels, pixels]
    let pixels = matrix.dims()[0];
    // Not all ones: they are no pattern of patches without their mean.
    let values: Vec<f32> = (0..pixels).map(|i| (i as f32 * 1.7).sin() + 0.1).collect();
    let start = Tensor::<1>::from_floats(values.as_slice(), &matrix.device());
    let mut vector: Tensor<2> = start.reshape([pixels, 1]);
    let mut largest = 0.0;
    for _ in 0..ITERATIONS {
        let next = matrix.clone().matmul(vector);
        let length = next.clone().square().sum().sqrt();
        largest = length.clone().into_scalar::<f64>();
        if largest == 0.0 {
            break; // no expert sees anything
        }
        vector = next / length.reshape([1, 1]);
    }
    largest * MORE
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use ebm_core::ImageShape;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::energy::EnergyModel;
    use crate::experts::ExpertsConfig;
    use crate::testing::{assert_close, floats, stirred, wave};

    #[test]
    fn a_patch_of_an_even_side_has_one_more_pixel_after() {
        assert_eq!([margins(3), margins(4)], [[1, 1], [1, 2]]);
    }

    #[test]
    fn slopes_are_the_same_in_bands_of_any_number_of_rows() {
        let (shape, device) = (ImageShape::new(2, 3, 4), Device::flex());
        let mut rng = SmallRng::seed_from_u64(4);
        let net = ExpertsConfig::default().init(shape, &mut rng, &device);
        let mut net = stirred(net.expect("fits"));
        let noise: Vec<f32> = (0..200 * shape.pixels()).map(|_| rng.random()).collect();
        let noise = Tensor::<1>::from_floats(noise.as_slice(), &device);
        let data = noise.reshape(shape.batch(200));
        net.calibrate(data).expect("data that vary");
        let pictures = net.over_patches().expect("linear");
        let x = wave::<4>([2, 2, 9, 7], 8, &device) * 0.5 + 0.5;
        let slopes = |most| floats(pictures.slopes_by_bands(x.clone(), most).into_data());
        let (_, expected) = pictures.energies_and_gradients(x.clone());
        let expected = floats(expected.into_data());
        // 46 experts: 644 responses to a row.
        for most in [0, 700, 1500, 10_000] {
            assert_close(&slopes(most), &expected, &most);
        }
    }
}
