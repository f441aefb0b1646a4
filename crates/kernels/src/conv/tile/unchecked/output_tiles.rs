//! Define the tiles that write outputs, for any kind of vectors.

/// Covers the outputs of some channels with tiles that use as many registers as there are.
macro_rules! for_each_tile {
    ($registers:literal, $tile:ident, $outputs:ident, $channels:ident, $offsets:ident, $target:ident) => {{
        let mut rest = $offsets;
        while !rest.is_empty() {
            let rows = $channels.len().min(ROWS);
            let most = match rows {
                1 => 8,
                2 => 4,
                3 => 3,
                _ => 2,
            };
            let (these, after) = rest.split_at(rest.len().min(most));
            rest = after;
            let mut channel = $channels.start;
            while channel < $channels.end {
                let together = $channels.end - channel >= 2 * ROWS;
                channel += match (rows, these.len()) {
                    (6, 2) if together && $registers >= 32 => {
                        $tile::<2, 6, 2>($outputs, channel, these, $target)
                    }
                    (6, 2) => $tile::<1, 6, 2>($outputs, channel, these, $target),
                    (6, _) if together => $tile::<2, 6, 1>($outputs, channel, these, $target),
                    (6, _) => $tile::<1, 6, 1>($outputs, channel, these, $target),
                    (5, 2) => $tile::<1, 5, 2>($outputs, channel, these, $target),
                    (5, _) => $tile::<1, 5, 1>($outputs, channel, these, $target),
                    (4, 2) => $tile::<1, 4, 2>($outputs, channel, these, $target),
                    (4, _) => $tile::<1, 4, 1>($outputs, channel, these, $target),
                    (3, 3) => $tile::<1, 3, 3>($outputs, channel, these, $target),
                    (3, 2) => $tile::<1, 3, 2>($outputs, channel, these, $target),
                    (3, _) => $tile::<1, 3, 1>($outputs, channel, these, $target),
                    (2, 4) => $tile::<1, 2, 4>($outputs, channel, these, $target),
                    (2, 3) => $tile::<1, 2, 3>($outputs, channel, these, $target),
                    (2, 2) => $tile::<1, 2, 2>($outputs, channel, these, $target),
                    (2, _) => $tile::<1, 2, 1>($outputs, channel, these, $target),
                    (_, 8) => $tile::<1, 1, 8>($outputs, channel, these, $target),
                    (_, 7) => $tile::<1, 1, 7>($outputs, channel, these, $target),
                    (_, 6) => $tile::<1, 1, 6>($outputs, channel, these, $target),
                    (_, 5) => $tile::<1, 1, 5>($outputs, channel, these, $target),
                    (_, 4) => $tile::<1, 1, 4>($outputs, channel, these, $target),
                    (_, 3) => $tile::<1, 1, 3>($outputs, channel, these, $target),
                    (_, 2) => $tile::<1, 1, 2>($outputs, channel, these, $target),
                    _ => $tile::<1, 1, 1>($outputs, channel, these, $target),
                };
            }
        }
    }};
}

/// Defines a function that writes outputs with one kind of vectors, on a CPU with so many vector
/// registers. Its tiles take `BLOCKS` blocks of `R` channels at `V` vectors, and return their number
/// of channels.
macro_rules! output_tiles {
    ($name:ident, $registers:literal, $(#[$target_feature:meta])? $vector:ty, $zero:ident, $load:ident, $store:ident,
     $broadcast:ident, $multiply_add:ident) => {
        /// # Safety
        /// [`Outputs::check`] passed for these arguments, and the CPU has the instructions.
        $(#[$target_feature])?
        pub(in crate::conv::tile) unsafe fn $name(
            outputs: &Outputs,
            channels: Range<usize>,
            offsets: &[Offsets],
            target: &mut [f32],
        ) {
            /// # Safety
            /// As for the function around it, for channels and offsets among its own.
            #[inline]
            $(#[$target_feature])?
            unsafe fn tile<const BLOCKS: usize, const R: usize, const V: usize>(
                outputs: &Outputs,
                channel: usize,
                offsets: &[Offsets],
                target: &mut [f32],
            ) -> usize {
                // SAFETY: every index below is at most one that the check has covered.
                unsafe {
                    let mut sums: [[[$vector; V]; R]; BLOCKS] = [[[$zero(); V]; R]; BLOCKS];
                    if let Some(bias) = outputs.bias {
                        for block in 0..BLOCKS {
                            for row in 0..R {
                                let bias = $broadcast(*bias.as_ptr().add(channel + block * R + row));
                                sums[block][row] = [bias; V];
                            }
                        }
                    }
                    let block_len = outputs.depth * R;
                    let weights = outputs.weights.as_ptr().add(channel * outputs.depth + outputs.first_element * R);
                    let mut starts = [outputs.source.as_ptr(); V];
                    for v in 0..V {
                        starts[v] = starts[v].add(offsets[v].source);
                    }
                    for row in 0..outputs.rows {
                        let mut left = weights.add(row * outputs.kernel_row_len * R);
                        let mut index = row * outputs.source_row_len;
                        for _ in 0..outputs.run_len {
                            let mut seen = [$zero(); V];
                            for v in 0..V {
                                seen[v] = $load(starts[v].add(index));
                            }
                            for block in 0..BLOCKS {
                                for row in 0..R {
                                    let left = $broadcast(*left.add(block * block_len + row));
                                    for v in 0..V {
                                        sums[block][row][v] =
                                            $multiply_add(left, seen[v], sums[block][row][v]);
                                    }
                                }
                            }
                            left = left.add(R);
                            index += outputs.lanes;
                        }
                    }
                    for v in 0..V {
                        let to = target.as_mut_ptr().add(offsets[v].target);
                        for block in 0..BLOCKS {
                            for row in 0..R {
                                let to = to.add((channel + block * R + row) * outputs.lanes);
                                $store(to, sums[block][row][v]);
                            }
                        }
                    }
                }
                BLOCKS * R
            }
            // SAFETY: the check refuses channels that these tiles would step beyond.
            unsafe { for_each_tile!($registers, tile, outputs, channels, offsets, target) }
        }
    };
}

pub(super) use {for_each_tile, output_tiles};
