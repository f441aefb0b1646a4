//! Describe a convolution, or its input gradient, as sums over runs, and pack its weights.

use super::axis::Axis;
use crate::conv::blocks::ROWS;
use crate::conv::factors::{Factors, Packing};
use crate::conv::shape::ConvShape;
use crate::conv::weights::Weights;

/// A convolution, or its input gradient, as sums over runs.
#[derive(Debug)]
pub(in crate::conv) struct Direct {
    /// Rows and columns.
    pub(super) axes: [Axis; 2],
    /// Channels, rows and columns of the source.
    pub(super) source: [usize; 3],
    /// Channels, rows and columns of the target.
    pub(super) target: [usize; 3],
    /// Whether the weights lead from the target's channels to the source's.
    transposed: bool,
    /// Packing of the source and of the weights.
    pub(super) packing: Packing,
}

impl Direct {
    /// The convolution itself.
    pub(in crate::conv) fn forward(shape: &ConvShape, factors: Factors) -> Self {
        let [height, width] = shape.out();
        Self {
            axes: [0, 1].map(|axis| Axis::forward(shape, axis)),
            source: [shape.channels_in, shape.height, shape.width],
            target: [shape.channels_out, height, width],
            transposed: false,
            packing: Packing::for_factors(factors, shape.channels_in),
        }
    }

    /// The gradient of its input.
    pub(in crate::conv) fn input_gradient(shape: &ConvShape, factors: Factors) -> Self {
        let [height, width] = shape.out();
        Self {
            axes: [0, 1].map(|axis| Axis::input_gradient(shape, axis)),
            source: [shape.channels_out, height, width],
            target: [shape.channels_in, shape.height, shape.width],
            transposed: true,
            packing: Packing::for_factors(factors, shape.channels_out),
        }
    }

    /// Packed elements of a pixel of the source, per lane.
    pub(super) fn source_elements(&self) -> usize {
        self.packing.packed_len(self.source[0])
    }

    /// Packed elements under the kernel of a phase.
    pub(super) fn depth(&self, [rows, columns]: [usize; 2]) -> usize {
        self.axes[0].num_taps(rows) * self.axes[1].num_taps(columns) * self.source_elements()
    }

    /// The phases of both axes, in the order of their packed weights.
    pub(super) fn phases(&self) -> impl Iterator<Item = [usize; 2]> {
        let [rows, columns] = [0, 1].map(|axis| self.axes[axis].phases());
        (0..rows).flat_map(move |row| (0..columns).map(move |column| [row, column]))
    }

    /// Where the packed weights of a phase begin.
    pub(super) fn start_of(&self, phase: [usize; 2]) -> usize {
        let before = self.phases().take_while(|&other| other != phase);
        before.map(|phase| self.depth(phase)).sum::<usize>() * self.target[0]
    }

    /// The weights `[c_out, c_in, kh, kw]` in the layout that [`Self::run`] reads: for each phase a
    /// packed matrix of the target's channels and the elements under the kernel, see `blocks.rs`.
    pub(in crate::conv) fn pack(&self, weights: &Weights) -> Vec<f32> {
        let phases = self.phases().map(|phase| {
            let phases = phase.into_iter().zip(&self.axes);
            let taps: usize = phases.map(|(phase, axis)| axis.num_taps(phase)).product();
            let packed = self.pack_phase(phase, weights);
            self.packing.pack_matrix(packed, taps * self.source[0])
        });
        phases.collect::<Vec<_>>().concat()
    }

    fn pack_phase(&self, phase: [usize; 2], weights: &Weights) -> Vec<f32> {
        let [output, input, row_step, column_step] = weights.steps;
        let (from_step, to_step) = if self.transposed {
            (output, input)
        } else {
            (input, output)
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
                        let values = &weights.values[tap + from * from_step..];
                        packed.extend(block.clone().map(|to| values[to * to_step]));
                    }
                }
            }
        }
        packed
    }
}
