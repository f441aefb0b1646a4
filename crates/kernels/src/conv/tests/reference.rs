//! Convolve by six plain loops, and compare with their result.

use crate::conv::shape::ConvShape;

/// Calls `visit(index in x, in weight, in out)` for every product of the convolution.
pub(super) fn for_each_product(shape: ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let ([oh, ow], [kh, kw]) = (shape.out(), shape.kernel);
    let channels = shape.channels_in;
    for row in 0..shape.batch * shape.channels_out * oh {
        for col in 0..ow {
            let out = row * ow + col;
            let (image, channel_out) =
                (row / oh / shape.channels_out, row / oh % shape.channels_out);
            for channel in 0..channels {
                for ky in 0..kh {
                    for kx in 0..kw {
                        let y = (row % oh * shape.stride[0] + ky).wrapping_sub(shape.padding[0].0);
                        let x = (col * shape.stride[1] + kx).wrapping_sub(shape.padding[1].0);
                        if y < shape.height && x < shape.width {
                            let plane = (image * channels + channel) * shape.height;
                            let kernel = (channel_out * channels + channel) * kh;
                            visit((plane + y) * shape.width + x, (kernel + ky) * kw + kx, out);
                        }
                    }
                }
            }
        }
    }
}

/// Asserts agreement to 1e-5 of the largest value, as all sums of a tensor have errors of one size.
pub(super) fn assert_close(got: &[f32], expected: &[f64], shape: ConvShape) {
    assert_eq!(got.len(), expected.len());
    let largest = expected
        .iter()
        .fold(0.0, |max: f64, value| max.max(value.abs()));
    for (&got, &expected) in got.iter().zip(expected) {
        let error = (f64::from(got) - expected).abs();
        assert!(
            error <= 1e-5 * largest,
            "{shape:?}: got {got}, expected {expected}"
        );
    }
}
