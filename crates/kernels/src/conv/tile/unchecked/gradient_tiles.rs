//! Define the tiles that sum products for a weight gradient, for any kind of vectors.

/// Defines a function that sums products of a [`TapGradient`] with one kind of vectors. Its tiles take
/// `R` output and `S` input channels.
macro_rules! gradient_tiles {
    ($name:ident, $(#[$target_feature:meta])? $vector:ty, $zero:ident, $load:ident,
     $multiply_add:ident, $reduce:ident) => {
        /// # Safety
        /// [`TapGradient::check`] passed for this tile, and the CPU has the instructions.
        $(#[$target_feature])?
        pub(in crate::conv::tile) unsafe fn $name(
            tap: &TapGradient,
            tile: [usize; 2],
            totals: &mut [f32; MAX_SUMS],
        ) {
            /// # Safety
            /// As for the function around it, for a tile of `[R, S]` channels.
            #[inline]
            $(#[$target_feature])?
            unsafe fn sum<const R: usize, const S: usize>(tap: &TapGradient, totals: &mut [f32; MAX_SUMS]) {
                const WIDTH: usize = size_of::<$vector>() / size_of::<f32>();
                // SAFETY: every index below is at most one that the check has covered.
                unsafe {
                    let mut sums = [[$zero(); S]; R];
                    let [rows, columns] = tap.size;
                    for row in 0..rows {
                        let mut gradient = tap.gradient.as_ptr().add(row * tap.gradient_steps[0]);
                        let mut source = tap.source.as_ptr().add(row * tap.source_steps[0]);
                        for _ in 0..columns {
                            for lane in (0..tap.lanes).step_by(WIDTH) {
                                let mut right = [$zero(); S];
                                for s in 0..S {
                                    right[s] = $load(source.add(s * tap.lanes + lane));
                                }
                                for r in 0..R {
                                    let left = $load(gradient.add(r * tap.lanes + lane));
                                    for s in 0..S {
                                        sums[r][s] = $multiply_add(left, right[s], sums[r][s]);
                                    }
                                }
                            }
                            // Past the last column this may leave the slices, where `add` is undefined.
                            gradient = gradient.wrapping_add(tap.gradient_steps[1]);
                            source = source.wrapping_add(tap.source_steps[1]);
                        }
                    }
                    for r in 0..R {
                        for s in 0..S {
                            totals[r * S + s] = $reduce(sums[r][s]);
                        }
                    }
                }
            }
            // SAFETY: each arm has the channels of the tile that was checked.
            unsafe {
                match tile {
                    [6, 2] => sum::<6, 2>(tap, totals),
                    [5, 2] => sum::<5, 2>(tap, totals),
                    [4, 2] => sum::<4, 2>(tap, totals),
                    [3, 2] => sum::<3, 2>(tap, totals),
                    [2, 2] => sum::<2, 2>(tap, totals),
                    [1, 2] => sum::<1, 2>(tap, totals),
                    [8, 1] => sum::<8, 1>(tap, totals),
                    [7, 1] => sum::<7, 1>(tap, totals),
                    [6, 1] => sum::<6, 1>(tap, totals),
                    [5, 1] => sum::<5, 1>(tap, totals),
                    [4, 1] => sum::<4, 1>(tap, totals),
                    [3, 1] => sum::<3, 1>(tap, totals),
                    [2, 1] => sum::<2, 1>(tap, totals),
                    [1, 1] => sum::<1, 1>(tap, totals),
                    _ => panic!("no tile has {tile:?} channels"),
                }
            }
        }
    };
}

pub(super) use gradient_tiles;
