//! Describe the weight gradient of one tap as sums of products, and check what a tile reaches.

use super::outputs::reach;

/// The most pairs of channels of a tile.
pub(in crate::conv) const MAX_SUMS: usize = 12;

/// Gradients of outputs, and the source elements that these outputs see under one tap.
pub(in crate::conv) struct TapGradient<'a> {
    /// Gradients, from the first output's first channel on.
    pub(in crate::conv) gradient: &'a [f32],
    /// Gradient elements from one row of outputs to the next, and from one column to the next.
    pub(in crate::conv) gradient_steps: [usize; 2],
    /// Source, from the first channel that the first output sees on.
    pub(in crate::conv) source: &'a [f32],
    /// Source elements from one row of outputs to the next, and from one column to the next.
    pub(in crate::conv) source_steps: [usize; 2],
    /// Rows and columns of outputs.
    pub(in crate::conv) size: [usize; 2],
    /// Lanes of each channel.
    pub(in crate::conv) lanes: usize,
}

impl TapGradient<'_> {
    /// Panics unless a tile of so many output and input channels, in vectors of `width` elements,
    /// stays within both slices.
    #[inline]
    pub(super) fn check(&self, [outputs, inputs]: [usize; 2], width: usize) {
        let [rows, columns] = self.size;
        assert!(rows > 0 && columns > 0);
        assert!(self.lanes.is_multiple_of(width));
        let end = |[row, column]: [usize; 2], channels: usize| {
            reach([
                (rows - 1, row),
                (columns - 1, column),
                (channels, self.lanes),
            ])
        };
        assert!(end(self.gradient_steps, outputs) <= self.gradient.len());
        assert!(end(self.source_steps, inputs) <= self.source.len());
    }
}
