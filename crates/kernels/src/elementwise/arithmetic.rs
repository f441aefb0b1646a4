//! Add and multiply slices.

/// Adds `x` to `sum`, element by element.
///
/// # Panics
///
/// When the lengths differ.
pub fn add(x: &[f32], sum: &mut [f32]) {
    assert_same_len(x, sum);
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
}

/// Adds the product of `x` and `y` to `sum`, element by element.
///
/// # Panics
///
/// When the lengths differ.
pub fn add_product(x: &[f32], y: &[f32], sum: &mut [f32]) {
    assert_same_len(x, sum);
    assert_same_len(y, sum);
    for ((sum, x), y) in sum.iter_mut().zip(x).zip(y) {
        *sum += x * y;
    }
}

/// Adds to `x` one value for all elements, or one for each.
///
/// # Panics
///
/// When `by` has neither one element nor as many as `x`.
pub fn shift(by: &[f32], x: &mut [f32]) {
    match by {
        [by] => x.iter_mut().for_each(|x| *x += by),
        _ => add(by, x),
    }
}

/// Multiplies `x` by one value for all elements, or by one for each.
///
/// # Panics
///
/// When `by` has neither one element nor as many as `x`.
pub fn multiply(by: &[f32], x: &mut [f32]) {
    match by {
        [by] => x.iter_mut().for_each(|x| *x *= by),
        _ => {
            assert_same_len(by, x);
            x.iter_mut().zip(by).for_each(|(x, by)| *x *= by);
        }
    }
}

/// Panics unless there is one element of `x` for each of `y`.
pub(super) fn assert_same_len(x: &[f32], y: &[f32]) {
    let (expected, got) = (x.len(), y.len());
    assert_eq!(expected, got, "expected {expected} elements, got {got}");
}
