//! Vary the strokes of a digit as a hand does.
//!
//! Sine, cosine and exponential are `libm`'s: the system's differ from platform to platform.

use std::f32::consts::TAU;

use ebm_core::PhiloxRng;
use rand::RngExt;

use super::glyphs::Point;
use super::pen::{Dab, catmull_rom};

/// A deviation within ±`bound`, most often near 0: the triangular distribution, standard deviation
/// `bound` / √6. Unlike a normal it leaves no illegible outlier.
pub(super) fn wobble(rng: &mut PhiloxRng, bound: f32) -> f32 {
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
    /// Slant, rotation and proportions: rotation · shear · diag(width, 1).
    linear_map: [Point; 2],
    /// Elastic displacement, the sum of these.
    waves: [Wave; 3],
    /// Mean radius of the pen, as a fraction of the digit's extent.
    pen_radius: f32,
    /// Relative change of the radius along a stroke.
    swell: f32,
    /// Where along its cycle the swelling starts, in radians.
    swell_phase: f32,
}

impl Hand {
    /// Draws slant, rotation, proportions, elastic variation and pen.
    pub(super) fn new(rng: &mut PhiloxRng) -> Self {
        let (sin, cos) = libm::sincosf(wobble(rng, 12f32.to_radians()));
        // y points down: a negative shear leans to the right, as most hands do.
        let shear = -0.12 + wobble(rng, 0.3);
        let width = libm::expf(wobble(rng, 0.25));
        Self {
            linear_map: [
                [cos * width, cos * shear - sin],
                [sin * width, sin * shear + cos],
            ],
            waves: [(); 3].map(|()| Wave::new(rng)),
            pen_radius: 0.068 + wobble(rng, 0.022),
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
        let dab = |(i, at)| {
            let wave = libm::sinf(self.swell_phase + step * i as f32);
            Dab {
                at: self.deform(at),
                radius: self.pen_radius * (1.0 + self.swell * wave),
            }
        };
        curve.into_iter().enumerate().map(dab).collect()
    }

    /// Elastic displacement, then the linear map.
    fn deform(&self, mut at: Point) -> Point {
        let [x, y] = at;
        for wave in &self.waves {
            let angle = wave.frequency[0] * x + wave.frequency[1] * y + wave.phase;
            let height = libm::sinf(angle);
            at[0] += wave.amplitude[0] * height;
            at[1] += wave.amplitude[1] * height;
        }
        self.linear_map.map(|row| row[0] * at[0] + row[1] * at[1])
    }
}
