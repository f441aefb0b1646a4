//! Move the channels of images between first and last place.

/// Moves the channels last, as NumPy, PIL and Matplotlib expect them.
///
/// # Shapes
/// `images` is `[n, channels, height, width]`, `shape` is `[channels, height, width]`, the result
/// `[n, height, width, channels]`.
///
/// # Panics
/// If `images` is not a whole number of images.
pub(crate) fn nchw_to_nhwc<T: Copy>(images: &[T], [channels, height, width]: [usize; 3]) -> Vec<T> {
    let plane = height * width;
    let image_len = channels * plane;
    assert!(
        image_len > 0 && images.len().is_multiple_of(image_len),
        "expected a whole number of {channels}×{height}×{width} images, got {} elements",
        images.len(),
    );
    let mut moved = Vec::with_capacity(images.len());
    for image in images.chunks_exact(image_len) {
        for pixel in 0..plane {
            moved.extend(image[pixel..].iter().step_by(plane));
        }
    }
    moved
}

/// Moves the channels first, as tensors of images have them: the inverse of [`nchw_to_nhwc`].
///
/// # Shapes
/// `images` is `[n, height, width, channels]`, `shape` is `[channels, height, width]`, the result
/// `[n, channels, height, width]`.
///
/// # Panics
/// If `images` is not a whole number of images.
pub(crate) fn nhwc_to_nchw<T: Copy>(images: &[T], [channels, height, width]: [usize; 3]) -> Vec<T> {
    // With the roles of channels and pixels exchanged it is the same transposition.
    nchw_to_nhwc(images, [height * width, 1, channels])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_move_last() {
        // Two images of two channels and 1×3 pixels.
        let images = [1, 2, 3, 10, 20, 30, 4, 5, 6, 40, 50, 60];
        let expected = [1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60];
        assert_eq!(nchw_to_nhwc(&images, [2, 1, 3]), expected);
        assert_eq!(nhwc_to_nchw(&expected, [2, 1, 3]), images);
    }
}
