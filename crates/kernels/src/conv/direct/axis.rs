//! Find the taps and pixels that each output of a convolution, or of its input gradient, sees.

use std::ops::Range;

use crate::conv::shape::ConvShape;

/// One axis. Outputs fall into phases with taps of their own, sorted by the pixel that they see. A
/// convolution has one phase, its input gradient as many as its stride.
#[derive(Debug)]
pub(super) struct Axis {
    /// The kernel's taps in each phase.
    phases: Vec<Vec<usize>>,
    /// Window of each output.
    pub(super) windows: Vec<Window>,
}

/// The part of the source that an output sees, along one axis.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) phase: usize,
    /// The taps of the phase that see a pixel rather than padding, as indices among its taps.
    pub(super) taps: Range<usize>,
    /// Pixel that the first of these taps sees; the following taps see the following pixels.
    pub(super) source: usize,
}

impl Window {
    /// Window of an output of a phase of `taps` taps, the first of which is at pixel `first` of `size`
    /// pixels, maybe before them.
    fn new(phase: usize, taps: usize, first: isize, size: usize) -> Self {
        let start = (-first).clamp(0, taps as isize) as usize;
        let end = (size as isize - first).clamp(start as isize, taps as isize) as usize;
        if start < end {
            Self {
                phase,
                taps: start..end,
                source: (first + start as isize) as usize,
            }
        } else {
            Self {
                phase,
                taps: 0..0,
                source: 0,
            }
        }
    }
}

impl Axis {
    /// Outputs of the convolution, which see input pixels.
    pub(super) fn forward(shape: &ConvShape, axis: usize) -> Self {
        let (kernel, stride) = (shape.kernel[axis], shape.stride[axis]);
        let (before, _) = shape.padding[axis];
        let size = [shape.height, shape.width][axis];
        let window = |output: usize| {
            let first = (output * stride) as isize - before as isize;
            Window::new(0, kernel, first, size)
        };
        Self {
            phases: vec![(0..kernel).collect()],
            windows: (0..shape.out()[axis]).map(window).collect(),
        }
    }

    /// Pixels of the input gradient, which see outputs.
    pub(super) fn input_gradient(shape: &ConvShape, axis: usize) -> Self {
        let (kernel, stride) = (shape.kernel[axis], shape.stride[axis]);
        let (before, _) = shape.padding[axis];
        // Output o sees pixel y under tap y + before − stride · o.
        let taps_of = |phase: usize| (phase..kernel).step_by(stride).rev().collect();
        let phases: Vec<Vec<usize>> = (0..stride).map(taps_of).collect();
        let window = |pixel: usize| {
            let (phase, last) = ((pixel + before) % stride, (pixel + before) / stride);
            let taps = phases[phase].len();
            let first = last as isize + 1 - taps as isize;
            Window::new(phase, taps, first, shape.out()[axis])
        };
        let windows = (0..[shape.height, shape.width][axis]).map(window).collect();
        Self { phases, windows }
    }

    /// Number of phases.
    pub(super) fn phases(&self) -> usize {
        self.phases.len()
    }

    /// Taps of a phase, as indices among the kernel's taps.
    pub(super) fn taps(&self, phase: usize) -> &[usize] {
        &self.phases[phase]
    }

    /// Number of taps of a phase.
    pub(super) fn num_taps(&self, phase: usize) -> usize {
        self.phases[phase].len()
    }
}
