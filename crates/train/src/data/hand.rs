//! Vary the strokes of a digit as a hand does, and place the digit in its frame.

use std::f32::consts::TAU;

use ebm_langevin::PhiloxRng;
use rand::RngExt;

use super::glyphs::Point;
use super::pen::{Dab, EDGE_WIDTH, catmull_rom};

/// Larger of a digit's width and height, as a fraction of the frame: 20 of 28 pixels as in MNIST
/// (LeCun et al. 1998, §III.A).
const FILL: f32 = 20.0 / 28.0;

/// A number in ±`bound`, most often near 0: the triangular distribution, standard deviation
/// `bound` / √6. Unlike a normal it leaves no illegible outlier.
fn wobble(rng: &mut PhiloxRng, bound: f32) -> f32 {
    bound * (rng.random::<f32>() - rng.random::<f32>())
}

/// A plane wave: one term of the elastic displacement.
struct Wave {
    frequency: Point,
    phase: f32,
    amplitude: Point,
}

impl Wave {
    /// A wave about as long as a digit is high.
    fn new(rng: &mut PhiloxRng) -> Self {
        Self {
            frequency: [wobble(rng, 5.0), wobble(rng, 5.0)],
            phase: TAU * rng.random::<f32>(),
            amplitude: [wobble(rng, 0.05), wobble(rng, 0.05)],
        }
    }
}

/// How one image is written: what all of its strokes share.
pub(super) struct Hand {
    linear: [Point; 2],
    waves: [Wave; 3],
    radius: f32,
    /// Change of the radius along a stroke, relative.
    swell: f32,
    swell_phase: f32,
}

impl Hand {
    /// Draws slant, rotation, proportions, elastic variation and pen.
    pub(super) fn new(rng: &mut PhiloxRng) -> Self {
        let (sin, cos) = wobble(rng, 12f32.to_radians()).sin_cos();
        // y points down: a negative shear leans to the right, as most hands do.
        let shear = -0.12 + wobble(rng, 0.3);
        let width = wobble(rng, 0.25).exp();
        Self {
            // rotation · shear · diag(width, 1)
            linear: [
                [cos * width, cos * shear - sin],
                [sin * width, sin * shear + cos],
            ],
            waves: [(); 3].map(|()| Wave::new(rng)),
            radius: 0.068 + wobble(rng, 0.022),
            swell: wobble(rng, 0.25),
            swell_phase: TAU * rng.random::<f32>(),
        }
    }

    /// The curve through the control points of `stroke`, each moved a little.
    pub(super) fn write(&self, stroke: &[Point], rng: &mut PhiloxRng) -> Vec<Dab> {
        let mut controls: Vec<Point> = Vec::with_capacity(stroke.len());
        for (i, &[x, y]) in stroke.iter().enumerate() {
            let is_corner = i > 0 && stroke[i - 1] == [x, y];
            let moved = match controls.last() {
                Some(&corner) if is_corner => corner,
                _ => [x + wobble(rng, 0.05), y + wobble(rng, 0.05)],
            };
            controls.push(moved);
        }
        let curve = catmull_rom(&controls);
        let step = 2.0 * TAU / 3.0 / curve.len() as f32;
        let dab = |(i, at)| Dab {
            at: self.deform(at),
            radius: self.radius * (1.0 + self.swell * (self.swell_phase + step * i as f32).sin()),
        };
        curve.into_iter().enumerate().map(dab).collect()
    }

    /// Elastic displacement, then the linear map.
    fn deform(&self, mut at: Point) -> Point {
        let [x, y] = at;
        for wave in &self.waves {
            let height = (wave.frequency[0] * x + wave.frequency[1] * y + wave.phase).sin();
            at[0] += wave.amplitude[0] * height;
            at[1] += wave.amplitude[1] * height;
        }
        self.linear.map(|row| row[0] * at[0] + row[1] * at[1])
    }
}

/// Scales the digit to the frame and centres its mass, as MNIST does, both up to a little chance.
/// Positions become pixels.
pub(super) fn place(curves: &mut [Vec<Dab>], side: f32, rng: &mut PhiloxRng) {
    let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    let (mut mass, mut moment) = (0.0, [0.0; 2]);
    for pair in curves.iter().flat_map(|curve| curve.windows(2)) {
        let (a, b) = (pair[0].at, pair[1].at);
        let length = (a[0] - b[0]).hypot(a[1] - b[1]);
        mass += length;
        for axis in 0..2 {
            low[axis] = low[axis].min(a[axis]).min(b[axis]);
            high[axis] = high[axis].max(a[axis]).max(b[axis]);
            moment[axis] += length * 0.5 * (a[axis] + b[axis]);
        }
    }
    // Radii are fractions of the extent of the curves, so the ink is 1 + pen times as large.
    let extent = (high[0] - low[0]).max(high[1] - low[1]);
    let pen = 2.0 * curves[0][0].radius;
    let scale = side * FILL * (1.0 + wobble(rng, 0.06)) / (extent * (1.0 + pen));
    let centre = [0, 1].map(|axis| {
        let middle = 0.5 * (low[axis] + high[axis]);
        // Half-way between the centre of mass and that of the frame: a 7 stays clear of the edge.
        0.5 * (middle + moment[axis] / mass) + wobble(rng, 0.03) * extent
    });
    for dab in curves.iter_mut().flatten() {
        dab.at = [0, 1].map(|axis| (dab.at[axis] - centre[axis]) * scale + 0.5 * side);
        // A much thinner pen than its edge is soft would fade at 8 pixels.
        dab.radius = (dab.radius * extent * scale).max(0.4 * EDGE_WIDTH);
    }
}
