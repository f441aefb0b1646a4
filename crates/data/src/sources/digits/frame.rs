//! Scale a digit to its frame and centre it there.

use ebm_core::PhiloxRng;

use super::glyphs::Point;
use super::hand::wobble;
use super::pen::{Dab, EDGE_WIDTH};

/// Larger of a digit's width and height, as a fraction of the frame: 20 of 28 pixels as in MNIST
/// (LeCun et al. 1998, §III.A).
const FILL: f32 = 20.0 / 28.0;

/// Scales the digit to the frame and centres its mass, as MNIST does, both up to a little chance.
/// Positions become pixels.
pub(super) fn fit_to_frame(curves: &mut [Vec<Dab>], side: f32, rng: &mut PhiloxRng) {
    let Spread {
        low,
        high,
        centre_of_mass,
    } = Spread::of(curves);
    // Radii are fractions of the extent of the curves, so the ink is 1 + pen times as large.
    let extent = (high[0] - low[0]).max(high[1] - low[1]);
    let pen = 2.0 * curves[0][0].radius;
    let scale = side * FILL * (1.0 + wobble(rng, 0.06)) / (extent * (1.0 + pen));
    let centre = [0, 1].map(|axis| {
        let middle = 0.5 * (low[axis] + high[axis]);
        // Half-way from the middle of the box to the centre of mass: a 7 stays clear of the edge.
        0.5 * (middle + centre_of_mass[axis]) + wobble(rng, 0.03) * extent
    });
    for dab in curves.iter_mut().flatten() {
        dab.at = [0, 1].map(|axis| (dab.at[axis] - centre[axis]) * scale + 0.5 * side);
        // A much thinner pen than its edge is soft would fade at 8 pixels.
        dab.radius = (dab.radius * extent * scale).max(0.4 * EDGE_WIDTH);
    }
}

/// Where the curves of a digit lie.
struct Spread {
    /// Upper left corner of the bounding box.
    low: Point,
    /// Lower right corner of the bounding box.
    high: Point,
    /// Mean position along the curves.
    centre_of_mass: Point,
}

impl Spread {
    /// Of all curves together, each weighted with its length.
    fn of(curves: &[Vec<Dab>]) -> Self {
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        let (mut mass, mut moment) = (0f32, [0f32; 2]);
        for pair in curves.iter().flat_map(|curve| curve.windows(2)) {
            let (a, b) = (pair[0].at, pair[1].at);
            let length = libm::hypotf(a[0] - b[0], a[1] - b[1]);
            mass += length;
            for axis in 0..2 {
                low[axis] = low[axis].min(a[axis]).min(b[axis]);
                high[axis] = high[axis].max(a[axis]).max(b[axis]);
                moment[axis] += length * 0.5 * (a[axis] + b[axis]);
            }
        }
        Self {
            low,
            high,
            centre_of_mass: moment.map(|sum| sum / mass),
        }
    }
}
