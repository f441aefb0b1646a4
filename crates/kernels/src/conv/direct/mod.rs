//! Convolve images that lie beside each other, a lane each, directly.
//!
//! Wherever the kernel is placed, what it sees of one row is a run of numbers: pixel after pixel,
//! and all channels of a pixel. So an output is a sum over a few runs of the image and of the
//! weights, without unfolding anything and without the taps that see only zeros. The input's
//! gradient is the same sum over the output's gradient: with a stride, pixels fall into phases that
//! see taps of their own ([`Axis`]). Either is one [`Direct`], the lanes are vectors, and the bits
//! of an image's result do not depend on the images beside it.

mod axis;
mod weight_gradient;

use std::ops::Range;

use rayon::prelude::*;

use super::factors::{Factors, Form};
use super::scratch::with_scratch;
use super::tile::{Place, ROWS, Vectors};
use super::{ConvShape, Weights};
use axis::{Axis, Spot};
pub use weight_gradient::{Images, parameter_gradients};

/// A convolution, or its input gradient, as sums over runs.
#[derive(Debug)]
pub(super) struct Direct {
    axes: [Axis; 2],
    /// Channels, rows and columns.
    source: [usize; 3],
    target: [usize; 3],
    /// Whether kernels lead from the target's channels to the source's.
    transposed: bool,
    /// Of the source and of the weights.
    form: Form,
}

impl Direct {
    /// The convolution itself.
    pub(super) fn forward(shape: &ConvShape, factors: Factors) -> Self {
        let [height, width] = shape.out();
        Self {
            axes: [0, 1].map(|axis| Axis::forward(shape, axis)),
            source: [shape.channels_in, shape.height, shape.width],
            target: [shape.channels_out, height, width],
            transposed: false,
            form: Form::of(factors, shape.channels_in),
        }
    }

    /// The gradient of its input.
    pub(super) fn input_gradient(shape: &ConvShape, factors: Factors) -> Self {
        let [height, width] = shape.out();
        Self {
            axes: [0, 1].map(|axis| Axis::input_gradient(shape, axis)),
            source: [shape.channels_out, height, width],
            target: [shape.channels_in, shape.height, shape.width],
            transposed: true,
            form: Form::of(factors, shape.channels_out),
        }
    }

    /// Numbers in which the source's channels lie.
    fn source_numbers(&self) -> usize {
        self.form.numbers(self.source[0])
    }

    /// Numbers that a kernel of a phase sees.
    fn depth(&self, [rows, columns]: [usize; 2]) -> usize {
        self.axes[0].taps_of(rows) * self.axes[1].taps_of(columns) * self.source_numbers()
    }

    /// The weights `[c_out, c_in, kh, kw]` as [`Self::run`] reads them: for each phase, blocks of
    /// [`ROWS`] of the target's channels, and in a block, for every number that the kernel sees in
    /// turn, that of each channel.
    pub(super) fn pack(&self, weights: &Weights) -> Vec<f32> {
        let phases = self.phases().map(|phase| {
            let seen = phase.into_iter().zip(&self.axes);
            let taps: usize = seen.map(|(phase, axis)| axis.taps_of(phase)).product();
            let packed = self.pack_phase(phase, weights);
            self.form.matrix(packed, taps * self.source[0])
        });
        phases.collect::<Vec<_>>().concat()
    }

    fn pack_phase(&self, phase: [usize; 2], weights: &Weights) -> Vec<f32> {
        let [output, input, row_step, column_step] = weights.steps;
        let (from_step, to_step) = match self.transposed {
            false => (input, output),
            true => (output, input),
        };
        let [rows, columns] = [0, 1].map(|axis| self.axes[axis].taps(phase[axis]));
        let to_channels = self.target[0];
        let mut packed = Vec::with_capacity(weights.len());
        for first in (0..to_channels).step_by(ROWS) {
            let block = first..(first + ROWS).min(to_channels);
            for row in rows {
                for column in columns {
                    let tap = row * row_step + column * column_step;
                    for from in 0..self.source[0] {
                        let numbers = &weights.values[tap + from * from_step..];
                        packed.extend(block.clone().map(|to| numbers[to * to_step]));
                    }
                }
            }
        }
        packed
    }

    fn phases(&self) -> impl Iterator<Item = [usize; 2]> {
        let [rows, columns] = [0, 1].map(|axis| self.axes[axis].phases());
        (0..rows).flat_map(move |row| (0..columns).map(move |column| [row, column]))
    }

    /// Where the weights of a phase begin.
    fn start_of(&self, phase: [usize; 2]) -> usize {
        let before = self.phases().take_while(|&other| other != phase);
        before.map(|phase| self.depth(phase)).sum::<usize>() * self.target[0]
    }

    /// Writes the target from the source, and a bias for each of the target's channels.
    ///
    /// # Shapes
    /// - `source`, `target`: `[height, width, channels, lanes]`
    /// - `packed`: as [`Self::pack`] gives it
    pub(super) fn run(
        &self,
        packed: &[f32],
        lanes: usize,
        source: &[f32],
        bias: Option<&[f32]>,
        target: &mut [f32],
    ) {
        with_scratch([self.form.room(source.len())], |[room]| {
            let source = self.form.lay_out(source, lanes, room);
            let [channels, height, width] = self.target;
            let run = Run {
                direct: self,
                packed,
                source,
                bias,
                vectors: Vectors::for_lanes(lanes, self.form),
                steps: [self.source_numbers() * lanes, channels * lanes],
                lanes,
            };
            run.check(target);
            let groups = run.groups();
            let row_len = width * channels * lanes;
            let rows = target.par_chunks_mut(row_len.max(1)).take(height);
            rows.zip(&self.axes[0].spots).for_each(|(target, spot)| {
                for group in &groups {
                    run.group(spot, group, target);
                }
            });
        });
    }
}

/// What does not change while a convolution runs.
struct Run<'a> {
    direct: &'a Direct,
    packed: &'a [f32],
    source: &'a [f32],
    bias: Option<&'a [f32]>,
    vectors: Vectors,
    /// Numbers of a pixel of the source and of the target.
    steps: [usize; 2],
    lanes: usize,
}

/// Outputs of a row that see the same taps.
struct Group {
    phase: usize,
    taps: Range<usize>,
    /// For each vector, where in a row of the source it sees the first tap, and where it lies in a
    /// row of the target.
    places: Vec<[usize; 2]>,
}

impl Run<'_> {
    fn check(&self, target: &[f32]) {
        let len = |[_, height, width]: [usize; 3], pixel: usize| height * width * pixel;
        assert_eq!(self.source.len(), len(self.direct.source, self.steps[0]));
        assert_eq!(target.len(), len(self.direct.target, self.steps[1]));
        let depths = self.direct.phases().map(|phase| self.direct.depth(phase));
        assert_eq!(
            self.packed.len(),
            depths.sum::<usize>() * self.direct.target[0]
        );
        assert!(
            self.bias
                .is_none_or(|bias| bias.len() == self.direct.target[0])
        );
        assert!(self.lanes.is_multiple_of(self.vectors.lanes()));
    }

    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (column, spot) in self.direct.axes[1].spots.iter().enumerate() {
            let alike = |group: &&mut Group| group.phase == spot.phase && group.taps == spot.taps;
            let starts = [spot.source * self.steps[0], column * self.steps[1]];
            let vectors = (0..self.lanes).step_by(self.vectors.lanes());
            let places = vectors.map(|lane| starts.map(|start| start + lane));
            match groups.iter_mut().find(alike) {
                Some(group) => group.places.extend(places),
                None => groups.push(Group {
                    phase: spot.phase,
                    taps: spot.taps.clone(),
                    places: places.collect(),
                }),
            }
        }
        groups
    }

    /// Writes the outputs of one row that see the same taps.
    fn group(&self, spot: &Spot, group: &Group, target: &mut [f32]) {
        let direct = self.direct;
        let phase = [spot.phase, group.phase];
        let depth = direct.depth(phase);
        let weights = &self.packed[direct.start_of(phase)..][..depth * direct.target[0]];
        let [source_numbers, to_channels] = [direct.source_numbers(), direct.target[0]];
        let columns = direct.axes[1].taps_of(group.phase);
        let first_tap = match spot.taps.is_empty() || group.taps.is_empty() {
            true => 0,
            false => (spot.taps.start * columns + group.taps.start) * source_numbers,
        };
        let source_row = direct.source[2] * self.steps[0];
        let source = self.source.get(spot.source * source_row..).unwrap_or(&[]);
        let place = Place {
            weights,
            first_tap,
            depth,
            weight_row: columns * source_numbers,
            source,
            source_row,
            rows: spot.taps.len(),
            run: group.taps.len() * source_numbers,
            lanes: self.lanes,
            bias: self.bias,
        };
        place.run(self.vectors, to_channels, &group.places, target);
    }
}
