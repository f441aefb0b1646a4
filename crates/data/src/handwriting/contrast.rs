//! Tell ink from paper: how far each pixel stands out from its background, and from where on that is ink.

use super::morphology::{closed, filled};
use super::plane::Plane;

/// Longer side at which the paper below the ink is estimated.
const COARSE: usize = 48;
/// Share of the deepest contrast from which on a place says whether ink is dark or light.
const DEEP: f32 = 0.75;
/// Paper is taken for at least this light, so that the noise of black areas does not stand out.
const DARKEST_PAPER: f32 = 0.25;

/// Ink stands out from its paper by at least this share of the paper's grey.
const LEAST_CONTRAST: f64 = 0.08;
/// Ink and paper differ by at least so many standard deviations within them: 2.7 are found where normal noise is cut
/// in two and 3.5 where an even ramp is, and at least 5 in MNIST.
const LEAST_SEPARATION: f64 = 4.2;
/// Bins of the histogram of contrasts.
const BINS: usize = 256;

/// Whether what is written is lighter than its ground. Places that are filled where dark is filled are ink or
/// holes in lighter ink, and the other way round; ink reaches further than its holes.
pub(super) fn is_light_on_dark(grey: &Plane) -> bool {
    let coarse = grey.shrunk(COARSE);
    let depths = [&coarse, &coarse.inverted()].map(|grey| {
        let deeper = filled(grey).pixels.into_iter().zip(&grey.pixels);
        let depths = deeper.map(|(paper, grey)| paper - grey).collect();
        Plane::new(depths, grey.height, grey.width)
    });
    let all = depths.iter().flat_map(|depths| &depths.pixels);
    let deepest = all.copied().fold(0.0, f32::max);
    let [dark, light] = depths.map(|depths| {
        let region = depths.region_above(DEEP * deepest);
        region.map_or(0, |region| region.area())
    });
    light > dark
}

/// How much darker than its paper each pixel is, as a share of the paper's grey.
pub(super) fn contrast(grey: &Plane) -> Plane {
    let paper = closed(&grey.shrunk(COARSE)).resized(grey.height, grey.width);
    let pairs = paper.pixels.iter().zip(&grey.pixels);
    let contrast =
        |(paper, grey): (&f32, &f32)| ((paper - grey) / paper.max(DARKEST_PAPER)).max(0.0);
    Plane::new(pairs.map(contrast).collect(), grey.height, grey.width)
}

/// Contrasts of two classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    /// Ink has at least this.
    pub(super) threshold: f32,
    /// Mean of the paper.
    pub(super) paper: f32,
}

/// Contrasts cut in two where the variance within both classes is least: Otsu, *A threshold selection method from
/// gray-level histograms* (1979), §II. `None` where the classes hardly differ.
pub(super) fn split(contrast: &Plane) -> Option<Split> {
    let greatest = f64::from(contrast.pixels.iter().copied().fold(0.0, f32::max));
    if greatest < LEAST_CONTRAST {
        return None;
    }
    let bins = histogram(&contrast.pixels, greatest);
    let all = bins
        .iter()
        .fold(Moments::default(), |sum, bin| sum.plus(bin));
    let mut paper = Moments::default();
    let mut best: Option<(f64, usize, Moments)> = None;
    for (last, bin) in bins.iter().enumerate() {
        paper = paper.plus(bin);
        let ink = all.minus(&paper);
        if paper.count == 0.0 || ink.count == 0.0 {
            continue;
        }
        let within = (paper.squares_around_mean() + ink.squares_around_mean()) / all.count;
        if best.is_none_or(|(least, ..)| within < least) {
            best = Some((within, last, paper));
        }
    }
    let (within, last, paper) = best?;
    let difference = all.minus(&paper).mean() - paper.mean();
    let is_clear = difference >= LEAST_SEPARATION * within.max(0.0).sqrt();
    (is_clear && difference >= LEAST_CONTRAST).then_some(Split {
        threshold: (greatest * (last + 1) as f64 / BINS as f64) as f32,
        paper: paper.mean() as f32,
    })
}

/// Number, sum and sum of squares of some contrasts.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn plus(&self, other: &Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
        }
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            count: self.count - other.count,
            sum: self.sum - other.sum,
            squares: self.squares - other.squares,
        }
    }

    fn mean(&self) -> f64 {
        self.sum / self.count
    }

    fn squares_around_mean(&self) -> f64 {
        self.squares - self.sum * self.sum / self.count
    }
}

/// The contrasts of each of equal parts of 0 to `greatest`.
fn histogram(contrasts: &[f32], greatest: f64) -> Vec<Moments> {
    let mut bins = vec![Moments::default(); BINS];
    for &contrast in contrasts {
        let contrast = f64::from(contrast);
        let bin = (contrast / greatest * BINS as f64) as usize;
        let bin = &mut bins[bin.min(BINS - 1)];
        *bin = bin.plus(&Moments {
            count: 1.0,
            sum: contrast,
            squares: contrast * contrast,
        });
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pixels: &[f32]) -> Plane {
        Plane::new(pixels.to_vec(), 1, pixels.len())
    }

    /// A ring of ink on paper.
    fn ring(paper: f32, ink: f32) -> Plane {
        let at = |place: usize| {
            let [y, x] = [place / 40, place % 40].map(|at| at as f32 - 19.5);
            let is_ink = (6.0..9.0).contains(&y.hypot(x));
            if is_ink { ink } else { paper }
        };
        Plane::new((0..1600).map(at).collect(), 40, 40)
    }

    #[test]
    fn ink_may_be_dark_or_light() {
        assert!(!is_light_on_dark(&ring(0.9, 0.2)));
        assert!(is_light_on_dark(&ring(0.2, 0.9)));
        assert!(!is_light_on_dark(&ring(0.5, 0.5)));
    }

    #[test]
    fn contrast_is_a_share_of_the_paper_and_none_where_there_is_no_ink() {
        for (paper, ink, expected) in [(0.8, 0.2, 0.75), (0.4, 0.1, 0.75), (0.1, 0.0, 0.4)] {
            let contrast = contrast(&ring(paper, ink));
            let (on_ink, beside) = (contrast.row(20)[27], contrast.row(20)[20]);
            assert!((on_ink - expected).abs() < 1e-5, "{on_ink}");
            assert_eq!(beside, 0.0);
        }
    }

    #[test]
    fn two_classes_are_cut_between_them() {
        let found = split(&line(&[0.0, 0.02, 0.7, 0.01, 0.8, 0.02])).unwrap();
        assert!((0.02..0.7).contains(&found.threshold), "{found:?}");
        assert!((found.paper - 0.0125).abs() < 1e-6);
    }

    #[test]
    fn what_hardly_differs_is_one_class() {
        assert_eq!(split(&line(&[0.0; 9])), None);
        assert_eq!(split(&line(&[0.0, 0.0, 0.07])), None);
        let ramp: Vec<f32> = (0..100).map(|i| i as f32 / 100.0).collect();
        assert_eq!(split(&line(&ramp)), None);
    }
}
