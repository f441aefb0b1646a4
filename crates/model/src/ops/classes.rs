//! Refuse classes, noise levels and noise that are not one for each image, alike on every device.

/// # Panics
/// If there are not as many classes as images.
pub(crate) fn assert_class_per_image(classes: usize, images: usize) {
    assert!(
        classes == images,
        "expected a class for each of {images} images, got {classes}"
    );
}

/// # Panics
/// If there are not as many noise levels as images.
pub(crate) fn assert_level_per_image(levels: usize, images: usize) {
    assert!(
        levels == images,
        "expected a noise level for each of {images} images, got {levels}"
    );
}

/// # Panics
/// If there is not a σ for each image.
pub(crate) fn assert_noise_per_image(noise: usize, images: usize) {
    assert!(
        noise == images,
        "expected the noise of each of {images} images, got {noise}"
    );
}
