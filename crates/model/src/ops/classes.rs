//! Refuse classes that are not one for each image, alike on every device.

/// # Panics
/// If there are not as many classes as images.
pub(crate) fn assert_class_per_image(classes: usize, images: usize) {
    assert!(
        classes == images,
        "expected a class for each of {images} images, got {classes}"
    );
}
