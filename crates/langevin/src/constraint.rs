//! Bind an energy to what is known of an image: to an observation of it, or to some of its pixels.

use core::ops::Range;

use burn::tensor::{Tensor, TensorData};
use ebm_core::Energy;
use ebm_core::rows::{one_per_row, row_sums};

/// An energy that is bound, for all rows of a batch or for some.
pub(crate) enum Free<'a, const D: usize> {
    Whole(&'a dyn Energy<D>),
    Rows(Box<dyn Energy<D> + 'a>),
}

impl<const D: usize> Free<'_, D> {
    pub(crate) fn energy(&self) -> &(dyn Energy<D> + '_) {
        match self {
            Self::Whole(energy) => *energy,
            Self::Rows(energy) => energy.as_ref(),
        }
    }

    pub(crate) fn of_rows(&self, rows: Range<usize>) -> Free<'_, D> {
        let energy = self.energy();
        match energy.of_rows(rows) {
            Some(of_rows) => Free::Rows(of_rows),
            None => Free::Whole(energy),
        }
    }
}

/// E(x) + ‖x − y‖²/2σ², an energy tied to an observation y of each image.
///
/// Where exp(−E) is the law of images, and y an image with Gaussian noise of standard deviation σ, this is the
/// energy of images given y: what the chains of diffusion recovery likelihood sample (Gao et al., *Learning
/// energy-based models by diffusion recovery likelihood*, 2021), and whose descent takes noise off.
pub struct Tied<'a, const D: usize> {
    energy: Free<'a, D>,
    /// y, `[batch, ..]`.
    observed: Tensor<D>,
    /// 1/σ², `[batch, 1, ..]`.
    precision: Tensor<D>,
}

impl<'a, const D: usize> Tied<'a, D> {
    /// `energy`, tied to `observed` with one σ, `std`, for all images; infinite for no tie.
    ///
    /// # Shapes
    /// - `observed`: `[batch, ..]`, not tracked by autodiff
    ///
    /// # Panics
    /// If `std` is not above 0.
    pub fn new(energy: &'a dyn Energy<D>, observed: Tensor<D>, std: f64) -> Self {
        let stds = vec![std; observed.dims()[0]];
        Self::with_stds(energy, observed, &stds)
    }

    /// The same with a σ for each image.
    ///
    /// # Shapes
    /// - `observed`: `[batch, ..]`, not tracked by autodiff
    ///
    /// # Panics
    /// If there are not as many `stds` as images, or one is not above 0.
    pub fn with_stds(energy: &'a dyn Energy<D>, observed: Tensor<D>, stds: &[f64]) -> Self {
        let batch = observed.dims()[0];
        assert_eq!(
            batch,
            stds.len(),
            "{batch} images need as many standard deviations"
        );
        let precision = stds.iter().map(|&std| {
            assert!(std > 0.0, "a standard deviation must be > 0, got {std}");
            (1.0 / (std * std)) as f32
        });
        let precision: Vec<f32> = precision.collect();
        let precision = TensorData::new(precision, one_per_row(&observed));
        Self {
            energy: Free::Whole(energy),
            precision: Tensor::from_data(precision, &observed.device()),
            observed,
        }
    }

    /// (x − y)/σ², `[batch, ..]`.
    fn pull(&self, x: Tensor<D>) -> Tensor<D> {
        let (x_dims, y_dims) = (x.dims(), self.observed.dims());
        assert_eq!(x_dims, y_dims, "images have the shape of what is observed");
        (x - self.observed.clone()) * self.precision.clone()
    }

    /// ‖x − y‖²/2σ², `[batch]`.
    fn tie(&self, x: Tensor<D>) -> Tensor<1> {
        let pull = self.pull(x.clone());
        row_sums((x - self.observed.clone()) * pull) / 2.0
    }
}

impl<const D: usize> Energy<D> for Tied<'_, D> {
    fn energies(&self, x: Tensor<D>) -> Tensor<1> {
        self.energy.energy().energies(x.clone()) + self.tie(x)
    }

    fn energies_and_gradients(&self, x: Tensor<D>) -> (Tensor<1>, Tensor<D>) {
        let (energies, gradients) = self.energy.energy().energies_and_gradients(x.clone());
        (energies + self.tie(x.clone()), gradients + self.pull(x))
    }

    fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<D> + '_>> {
        let some = |of_all: &Tensor<D>| of_all.clone().narrow(0, rows.start, rows.len());
        Some(Box::new(Tied {
            observed: some(&self.observed),
            precision: some(&self.precision),
            energy: self.energy.of_rows(rows),
        }))
    }
}

/// The energy of images some pixels of which are known: E of the image with those pixels put in, a function of
/// the others alone.
///
/// ∇E is 0 where a pixel is known, so steps without noise leave it. Noise and momenta do move it, which changes no
/// energy and no other pixel; [`filled`](Self::filled) puts it back. So every sampler gives the free pixels their
/// law given the known ones.
pub struct Known<'a, const D: usize> {
    energy: Free<'a, D>,
    /// The known pixels, 0 elsewhere, `[batch, ..]`.
    pixels: Tensor<D>,
    /// 1 where a pixel is free, 0 where it is known, `[batch, ..]`.
    free: Tensor<D>,
}

impl<'a, const D: usize> Known<'a, D> {
    /// `energy` of images whose pixels are those of `pixels` where `known` is 1, and free where it is 0.
    ///
    /// # Shapes
    /// - `pixels`, `known`: `[batch, ..]`, not tracked by autodiff
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn new(energy: &'a dyn Energy<D>, pixels: Tensor<D>, known: Tensor<D>) -> Self {
        assert_eq!(pixels.dims(), known.dims(), "a mask has an element a pixel");
        Self {
            energy: Free::Whole(energy),
            pixels: pixels * known.clone(),
            free: -known + 1.0,
        }
    }

    /// `x` with the known pixels put in.
    ///
    /// # Shapes
    /// - `x`: `[batch, ..]`, as is what returns
    pub fn filled(&self, x: Tensor<D>) -> Tensor<D> {
        x * self.free.clone() + self.pixels.clone()
    }
}

impl<const D: usize> Energy<D> for Known<'_, D> {
    fn energies(&self, x: Tensor<D>) -> Tensor<1> {
        self.energy.energy().energies(self.filled(x))
    }

    fn energies_and_gradients(&self, x: Tensor<D>) -> (Tensor<1>, Tensor<D>) {
        let energy = self.energy.energy();
        let (energies, gradients) = energy.energies_and_gradients(self.filled(x));
        (energies, gradients * self.free.clone())
    }

    fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<D> + '_>> {
        let some = |of_all: &Tensor<D>| of_all.clone().narrow(0, rows.start, rows.len());
        Some(Box::new(Known {
            pixels: some(&self.pixels),
            free: some(&self.free),
            energy: self.energy.of_rows(rows),
        }))
    }
}
