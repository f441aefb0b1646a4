//! Turn curves into grey pixels with a round pen.

use super::glyphs::Point;

/// Points per pair of neighbouring control points; at 64 pixels two points lie ~2 pixels apart.
const SUBDIVISIONS: usize = 8;
/// Width in pixels of the ramp from black to white along an edge.
pub(super) const EDGE_WIDTH: f32 = 1.2;

/// A point of a drawn curve and the pen's radius there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dab {
    /// Position.
    pub at: Point,
    /// Radius of the pen.
    pub radius: f32,
}

/// Points along the uniform Catmull–Rom spline through `controls`, a corner at every doubled point.
pub(super) fn catmull_rom(controls: &[Point]) -> Vec<Point> {
    let last = controls.len() - 1;
    let mut curve = Vec::with_capacity(last * SUBDIVISIONS + 1);
    for i in 0..last {
        let (p1, p2) = (controls[i], controls[i + 1]);
        if p1 == p2 {
            continue;
        }
        let (p0, p3) = (controls[i.saturating_sub(1)], controls[(i + 2).min(last)]);
        curve.extend((0..SUBDIVISIONS).map(|k| {
            let t = k as f32 / SUBDIVISIONS as f32;
            [0, 1].map(|axis| spline(p0[axis], p1[axis], p2[axis], p3[axis], t))
        }));
    }
    curve.push(controls[last]);
    curve
}

/// The uniform Catmull–Rom cubic from p1 (t = 0) to p2 (t = 1).
fn spline(p0: f32, p1: f32, p2: f32, p3: f32, t: f32) -> f32 {
    let cubic = -p0 + 3.0 * p1 - 3.0 * p2 + p3;
    let square = 2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3;
    p1 + 0.5 * t * ((p2 - p0) + t * (square + t * cubic))
}

/// A square image being drawn: for each pixel, how far its centre lies outside the ink, in pixels.
pub(super) struct Canvas {
    side: usize,
    outside: Vec<f32>,
}

impl Canvas {
    /// A black canvas of `side` × `side` pixels.
    pub(super) fn new(side: usize) -> Self {
        Self {
            side,
            outside: vec![f32::INFINITY; side * side],
        }
    }

    /// Draws a line from dab to dab; positions and radii in pixels.
    pub(super) fn draw(&mut self, curve: &[Dab]) {
        for pair in curve.windows(2) {
            self.draw_segment(pair[0], pair[1]);
        }
    }

    /// Visits only the pixels that the segment can reach.
    fn draw_segment(&mut self, a: Dab, b: Dab) {
        let reach = a.radius.max(b.radius) + EDGE_WIDTH;
        let range = |axis: usize| {
            let (low, high) = (a.at[axis].min(b.at[axis]), a.at[axis].max(b.at[axis]));
            // A negative float becomes 0: the canvas ends there.
            let end = ((high + reach).ceil() as usize).min(self.side);
            ((low - reach).floor() as usize).min(end)..end
        };
        let (columns, rows) = (range(0), range(1));
        let along = [b.at[0] - a.at[0], b.at[1] - a.at[1]];
        let length_squared = (along[0] * along[0] + along[1] * along[1]).max(1e-12);
        for y in rows {
            for x in columns.clone() {
                let from_a = [x as f32 + 0.5 - a.at[0], y as f32 + 0.5 - a.at[1]];
                let t = (from_a[0] * along[0] + from_a[1] * along[1]) / length_squared;
                let t = t.clamp(0.0, 1.0);
                let (dx, dy) = (from_a[0] - t * along[0], from_a[1] - t * along[1]);
                let radius = a.radius + t * (b.radius - a.radius);
                let outside = (dx * dx + dy * dy).sqrt() - radius;
                let pixel = &mut self.outside[y * self.side + x];
                *pixel = pixel.min(outside);
            }
        }
    }

    /// Writes the ink as grey values: 0 beyond the edge, 255 within.
    pub(super) fn write(&self, pixels: &mut [u8]) {
        for (pixel, outside) in pixels.iter_mut().zip(&self.outside) {
            let coverage = (0.5 - outside / EDGE_WIDTH).clamp(0.0, 1.0);
            *pixel = (coverage * 255.0).round() as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spline_passes_through_its_control_points_and_turns_at_doubled_ones() {
        let controls = [[0.0, 0.0], [1.0, 2.0], [1.0, 2.0], [3.0, 1.0]];
        let curve = catmull_rom(&controls);
        assert_eq!(curve.len(), 2 * SUBDIVISIONS + 1);
        assert_eq!(curve[0], [0.0, 0.0]);
        assert_eq!(curve[SUBDIVISIONS], [1.0, 2.0]);
        assert_eq!(curve[2 * SUBDIVISIONS], [3.0, 1.0]);
        // Between a free end and a corner the curve is the straight line.
        assert!(
            curve[..SUBDIVISIONS]
                .iter()
                .all(|p| (p[1] - 2.0 * p[0]).abs() < 1e-6)
        );
    }

    #[test]
    fn a_horizontal_line_covers_the_rows_within_its_radius() {
        let dab = |x| Dab {
            at: [x, 2.5],
            radius: 1.0,
        };
        let mut canvas = Canvas::new(5);
        canvas.draw(&[dab(-1.0), dab(6.0)]);
        let mut pixels = [0; 25];
        canvas.write(&mut pixels);
        // Row 2 lies at distance 0, rows 1 and 3 on the edge, rows 0 and 4 one pixel beyond it.
        for (row, expected) in pixels.chunks(5).zip([0, 128, 255, 128, 0]) {
            assert_eq!(row, [expected; 5]);
        }
    }
}
