//! Join the channels of two batches, and take some channels out of one.
//!
//! A batch is a sequence of runs in which the channels follow each other, see [`Order::run`]: an image
//! in planes, a pixel in lanes.
//!
//! [`Order::run`]: crate::conv::Order::run

use std::ops::Range;

/// Writes each run of `x` and after it the one of `y`.
///
/// # Shapes
/// - `x` `[runs, lens[0]]`, `y` `[runs, lens[1]]`, `out` `[runs, lens[0] + lens[1]]`
///
/// # Panics
///
/// When `out` is not as long as `x` and `y` together.
pub fn join(x: &[f32], y: &[f32], lens: [usize; 2], out: &mut [f32]) {
    assert_eq!(out.len(), x.len() + y.len(), "elements of both");
    let [x_len, y_len] = lens;
    let runs = out.chunks_exact_mut((x_len + y_len).max(1));
    for (i, run) in runs.enumerate() {
        let (first, second) = run.split_at_mut(x_len);
        first.copy_from_slice(&x[i * x_len..][..x_len]);
        second.copy_from_slice(&y[i * y_len..][..y_len]);
    }
}

/// Writes the elements `some` of each run.
///
/// # Shapes
/// - `x` `[runs, len]`, `out` `[runs, some.len()]`
///
/// # Panics
///
/// When a run does not have these elements.
pub fn take(x: &[f32], len: usize, some: Range<usize>, out: &mut [f32]) {
    let runs = x.chunks_exact(len.max(1));
    for (run, out) in runs.zip(out.chunks_exact_mut(some.len().max(1))) {
        out.copy_from_slice(&run[some.clone()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_joined_can_be_taken_out() {
        let (x, y) = ([1.0, 2.0, 3.0, 4.0], [10.0, 20.0]);
        let mut both = [0.0; 6];
        join(&x, &y, [2, 1], &mut both);
        assert_eq!(both, [1.0, 2.0, 10.0, 3.0, 4.0, 20.0]);
        let (mut first, mut second) = ([0.0; 4], [0.0; 2]);
        take(&both, 3, 0..2, &mut first);
        take(&both, 3, 2..3, &mut second);
        assert_eq!((first, second), (x, y));
    }

    #[test]
    #[should_panic = "elements of both"]
    fn refuses_a_result_of_another_length() {
        join(&[1.0], &[2.0], [1, 1], &mut [0.0; 3]);
    }
}
