//! Describe a row of outputs as sums of products, and check what its tiles reach.

use std::ops::Range;

use crate::conv::blocks::ROWS;

/// Outputs of one row that see the same taps: sums of products of weights and source elements.
///
/// Under its kernel an output sees, in each of some rows of the source, a run of consecutive pixels,
/// and so of consecutive vectors.
pub(in crate::conv) struct Outputs<'a> {
    /// Packed matrix of channels and elements under the kernel, see `blocks.rs`.
    pub(in crate::conv) weights: &'a [f32],
    /// Index, among the elements under the kernel, of the first that is not padding.
    pub(in crate::conv) first_element: usize,
    /// Elements under the kernel.
    pub(in crate::conv) depth: usize,
    /// Elements under one row of the kernel.
    pub(in crate::conv) kernel_row_len: usize,
    /// Source, from the first row that the outputs see on.
    pub(in crate::conv) source: &'a [f32],
    /// Source elements from one row to the next.
    pub(in crate::conv) source_row_len: usize,
    /// Rows of the source that the outputs see.
    pub(in crate::conv) rows: usize,
    /// Elements that an output sees of each of these rows, `lanes` apart.
    pub(in crate::conv) run_len: usize,
    /// Lanes of an element.
    pub(in crate::conv) lanes: usize,
    /// Bias of each channel.
    pub(in crate::conv) bias: Option<&'a [f32]>,
}

/// Where a vector of outputs begins.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv) struct Offsets {
    /// Index of the first element that it sees in a row of the source.
    pub(in crate::conv) source: usize,
    /// Index of its first channel in the target.
    pub(in crate::conv) target: usize,
}

impl<'a> Outputs<'a> {
    /// The product of a packed matrix `a` of `depth` columns and `b`, whose rows are `step` elements
    /// apart.
    pub(super) fn of_product(a: &'a [f32], depth: usize, (b, step): (&'a [f32], usize)) -> Self {
        Self {
            weights: a,
            first_element: 0,
            depth,
            kernel_row_len: depth,
            source: b,
            source_row_len: 0,
            rows: 1,
            run_len: depth,
            lanes: step,
            bias: None,
        }
    }

    /// Panics unless the tiles of these channels, at vectors of `width` elements, stay within all
    /// slices.
    ///
    /// Tiles step through `channels` by whole blocks, or take all of them at once if they are fewer
    /// than a block: any other number of channels would lead past the last one.
    #[inline]
    pub(super) fn check(
        &self,
        channels: &Range<usize>,
        vectors: &[Offsets],
        width: usize,
        target_len: usize,
    ) {
        assert!(
            channels.start.is_multiple_of(ROWS)
                && (channels.len().is_multiple_of(ROWS) || channels.len() < ROWS),
            "expected whole blocks of {ROWS} channels or one smaller block, got {channels:?}"
        );
        assert!(self.bias.is_none_or(|bias| channels.end <= bias.len()));
        assert!(reach([(channels.end, self.depth)]) <= self.weights.len());

        let last_row = self.rows.saturating_sub(1);
        let (kernel_end, source_end) = if self.rows == 0 {
            (0, 0)
        } else if self.run_len == 0 {
            (reach([(last_row, self.kernel_row_len)]), 0)
        } else {
            let last = self.run_len - 1;
            (
                reach([(last_row, self.kernel_row_len), (1, self.run_len)]),
                reach([
                    (last_row, self.source_row_len),
                    (last, self.lanes),
                    (1, width),
                ]),
            )
        };
        assert!(reach([(1, self.first_element), (1, kernel_end)]) <= self.depth);

        let last_source = vectors.iter().map(|at| at.source).max().unwrap_or(0);
        assert!(reach([(1, last_source), (1, source_end)]) <= self.source.len());

        let last_target = vectors.iter().map(|at| at.target).max().unwrap_or(0);
        let last_channel = channels.end.saturating_sub(1);
        assert!(reach([(1, last_target), (last_channel, self.lanes), (1, width)]) <= target_len);
    }
}

/// Σ count·step.
///
/// # Panics
///
/// When the sum overflows, as a wrapped sum could pass a check of bounds.
pub(super) fn reach<const N: usize>(steps: [(usize, usize); N]) -> usize {
    let sum = steps.into_iter().try_fold(0usize, |sum, (count, step)| {
        sum.checked_add(count.checked_mul(step)?)
    });
    sum.expect("the extent of a tile fits in memory")
}
