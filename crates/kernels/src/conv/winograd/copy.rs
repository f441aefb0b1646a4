//! Copy the points of a phase from images to a band of tiles, and back.

use super::band::Band;
use super::lattice::{Lattice, Steps};

impl Lattice {
    /// Copies the points of a band that `input`, a phase of a channel, has in the source, with zeros
    /// outside of the image.
    pub(super) fn gather<const L: usize>(
        &self,
        band: &Band,
        input: usize,
        source: &[f32],
        steps: Steps,
        pixels: &mut [f32],
    ) {
        let (channel, start) = self.phase(input);
        let points = band.points();
        let rows = self.inside(points.clone(), start[0], 0);
        let columns = self.inside(0..band.width(), start[1], 1);
        let step = self.stride * steps.pixel;
        for (point, row) in points.zip(pixels.as_chunks_mut::<L>().0.chunks_exact_mut(band.width()))
        {
            if !rows.contains(&point) || columns.is_empty() {
                row.fill([0.0; L]);
                continue;
            }
            row[..columns.start].fill([0.0; L]);
            row[columns.end..].fill([0.0; L]);
            let first = channel * steps.channel
                + self.pixel(point, start[0]) * steps.row
                + self.pixel(columns.start, start[1]) * steps.pixel;
            let seen = source[first..].chunks(step);
            for (to, from) in row[columns.clone()].iter_mut().zip(seen) {
                to.copy_from_slice(&from[..L]);
            }
        }
    }

    /// Copies a band of `output`, a phase of a channel, to the target, and adds the bias.
    pub(super) fn scatter<const L: usize>(
        &self,
        band: &Band,
        output: usize,
        bias: Option<&[f32]>,
        pixels: &[f32],
        target: &mut [f32],
        steps: Steps,
    ) {
        let (channel, start) = self.phase(output);
        let bias = bias.map_or(0.0, |bias| bias[channel]);
        let points = band.outputs();
        let rows = self.inside(points.clone(), start[0], 0);
        let columns = self.inside(0..band.output_width(), start[1], 1);
        if columns.is_empty() {
            return;
        }
        let step = self.stride * steps.pixel;
        let lines = pixels.as_chunks::<L>().0.chunks_exact(band.output_width());
        for (point, line) in points.zip(lines) {
            if !rows.contains(&point) {
                continue;
            }
            let first = channel * steps.channel
                + self.pixel(point, start[0]) * steps.row
                + self.pixel(columns.start, start[1]) * steps.pixel;
            let given = target[first..].chunks_mut(step);
            for (to, from) in given.zip(&line[columns.clone()]) {
                for (to, from) in to[..L].iter_mut().zip(from) {
                    *to = from + bias;
                }
            }
        }
    }
}
