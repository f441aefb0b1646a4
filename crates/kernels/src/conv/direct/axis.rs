//! Say for every output of a convolution, or of its input gradient, which taps it sees, and where.

use std::ops::Range;

use super::super::ConvShape;

/// One axis. Outputs fall into phases, each with taps of its own in the order of what they see: the
/// convolution itself has one phase, its input gradient as many as its stride.
#[derive(Debug)]
pub(super) struct Axis {
    /// The kernel's taps in each phase.
    phases: Vec<Vec<usize>>,
    /// Of each output.
    pub(super) spots: Vec<Spot>,
}

/// What an output sees.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) phase: usize,
    /// Those of the phase's taps that see something else than padding.
    pub(super) taps: Range<usize>,
    /// What the first of them sees; each next one sees the next.
    pub(super) source: usize,
}

impl Spot {
    /// Of a phase of `taps` taps whose first is at `first` of `size` pixels.
    fn new(phase: usize, taps: usize, first: isize, size: usize) -> Self {
        let start = (-first).clamp(0, taps as isize) as usize;
        let end = (size as isize - first).clamp(start as isize, taps as isize) as usize;
        match start < end {
            true => Self {
                phase,
                taps: start..end,
                source: (first + start as isize) as usize,
            },
            false => Self {
                phase,
                taps: 0..0,
                source: 0,
            },
        }
    }
}

impl Axis {
    pub(super) fn forward(shape: &ConvShape, axis: usize) -> Self {
        let (kernel, stride) = (shape.kernel[axis], shape.stride[axis]);
        let (before, _) = shape.padding[axis];
        let size = [shape.height, shape.width][axis];
        let spot = |output: usize| {
            let first = (output * stride) as isize - before as isize;
            Spot::new(0, kernel, first, size)
        };
        Self {
            phases: vec![(0..kernel).collect()],
            spots: (0..shape.out()[axis]).map(spot).collect(),
        }
    }

    pub(super) fn input_gradient(shape: &ConvShape, axis: usize) -> Self {
        let (kernel, stride) = (shape.kernel[axis], shape.stride[axis]);
        let (before, _) = shape.padding[axis];
        // Output o sees pixel y under tap y + before − stride · o.
        let taps_of = |phase: usize| (phase..kernel).step_by(stride).rev().collect();
        let phases: Vec<Vec<usize>> = (0..stride).map(taps_of).collect();
        let spot = |pixel: usize| {
            let (phase, last) = ((pixel + before) % stride, (pixel + before) / stride);
            let taps = phases[phase].len();
            let first = last as isize + 1 - taps as isize;
            Spot::new(phase, taps, first, shape.out()[axis])
        };
        let spots = (0..[shape.height, shape.width][axis]).map(spot).collect();
        Self { phases, spots }
    }

    /// The number of phases.
    pub(super) fn phases(&self) -> usize {
        self.phases.len()
    }

    /// The kernel's taps of a phase.
    pub(super) fn taps(&self, phase: usize) -> &[usize] {
        &self.phases[phase]
    }

    /// Their number.
    pub(super) fn taps_of(&self, phase: usize) -> usize {
        self.phases[phase].len()
    }
}
