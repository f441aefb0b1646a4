//! Run a direct convolution, rows of the target in parallel.

use std::ops::Range;

use rayon::prelude::*;

use super::axis::Window;
use super::convolution::Direct;
use crate::conv::scratch::with_scratch;
use crate::conv::tile::{Offsets, Outputs, Vectors};

impl Direct {
    /// Writes the target from the source, plus a bias for each of the target's channels.
    ///
    /// # Shapes
    /// - `source`, `target`: `[height, width, channels, lanes]`
    /// - `packed`: as [`Self::pack`] gives it
    pub(in crate::conv) fn run(
        &self,
        packed: &[f32],
        lanes: usize,
        source: &[f32],
        bias: Option<&[f32]>,
        target: &mut [f32],
    ) {
        with_scratch([self.packing.scratch_len(source.len())], |[scratch]| {
            let source = self.packing.pack_or_borrow(source, lanes, scratch);
            let [channels, height, width] = self.target;
            let run = Run {
                direct: self,
                packed,
                source,
                bias,
                vectors: Vectors::for_lanes(lanes, self.packing),
                pixel_lens: [self.source_elements() * lanes, channels * lanes],
                lanes,
            };
            run.check(target);
            let groups = run.groups();
            let row_len = width * channels * lanes;
            let rows = target.par_chunks_mut(row_len.max(1)).take(height);
            rows.zip(&self.axes[0].windows)
                .for_each(|(target, window)| {
                    for group in &groups {
                        run.write_group(window, group, target);
                    }
                });
        });
    }
}

/// Everything that all rows of a convolution share.
struct Run<'a> {
    direct: &'a Direct,
    packed: &'a [f32],
    source: &'a [f32],
    bias: Option<&'a [f32]>,
    vectors: Vectors,
    /// Elements of a pixel of the source and of the target.
    pixel_lens: [usize; 2],
    lanes: usize,
}

/// Outputs of a row that see the same taps.
struct Group {
    phase: usize,
    taps: Range<usize>,
    /// Offsets of each vector in a row of the source and in a row of the target.
    offsets: Vec<Offsets>,
}

impl Run<'_> {
    fn check(&self, target: &[f32]) {
        let direct = self.direct;
        let len = |[_, height, width]: [usize; 3], pixel: usize| height * width * pixel;
        let [source_pixel, target_pixel] = self.pixel_lens;
        assert_eq!(self.source.len(), len(direct.source, source_pixel));
        assert_eq!(target.len(), len(direct.target, target_pixel));
        let depth: usize = direct.phases().map(|phase| direct.depth(phase)).sum();
        assert_eq!(self.packed.len(), depth * direct.target[0]);
        assert!(self.bias.is_none_or(|bias| bias.len() == direct.target[0]));
        assert!(self.lanes.is_multiple_of(self.vectors.width()));
    }

    /// The groups of outputs along a row.
    fn groups(&self) -> Vec<Group> {
        let [source_pixel, target_pixel] = self.pixel_lens;
        let mut groups: Vec<Group> = Vec::new();
        for (column, window) in self.direct.axes[1].windows.iter().enumerate() {
            let alike =
                |group: &&mut Group| group.phase == window.phase && group.taps == window.taps;
            let vectors = (0..self.lanes).step_by(self.vectors.width());
            let offsets = vectors.map(|lane| Offsets {
                source: window.source * source_pixel + lane,
                target: column * target_pixel + lane,
            });
            match groups.iter_mut().find(alike) {
                Some(group) => group.offsets.extend(offsets),
                None => groups.push(Group {
                    phase: window.phase,
                    taps: window.taps.clone(),
                    offsets: offsets.collect(),
                }),
            }
        }
        groups
    }

    /// Writes a group of outputs of the row whose window is `window`.
    fn write_group(&self, window: &Window, group: &Group, target: &mut [f32]) {
        let direct = self.direct;
        let phase = [window.phase, group.phase];
        let depth = direct.depth(phase);
        let weights = &self.packed[direct.start_of(phase)..][..depth * direct.target[0]];
        let [source_elements, to_channels] = [direct.source_elements(), direct.target[0]];
        let columns = direct.axes[1].num_taps(group.phase);
        let first_element = if window.taps.is_empty() || group.taps.is_empty() {
            0
        } else {
            (window.taps.start * columns + group.taps.start) * source_elements
        };
        let source_row_len = direct.source[2] * self.pixel_lens[0];
        let source = self.source.get(window.source * source_row_len..);
        let outputs = Outputs {
            weights,
            first_element,
            depth,
            kernel_row_len: columns * source_elements,
            source: source.unwrap_or(&[]),
            source_row_len,
            rows: window.taps.len(),
            run_len: group.taps.len() * source_elements,
            lanes: self.lanes,
            bias: self.bias,
        };
        outputs.write(self.vectors, to_channels, &group.offsets, target);
    }
}
