//! Write whole pictures in the format that their name asks for.

use std::path::Path;

use anyhow::Context;
use ebm_data::Photo;
use image::ImageFormat;

use super::write_output;

/// Extensions of the formats that are written.
pub(crate) const PHOTO_EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff"];

/// Write a picture, in its own depth and with its opacity and colour profile, where the format has them.
pub(crate) fn save_photo(path: &Path, photo: &Photo) -> anyhow::Result<()> {
    let named = || format!("cannot write {}", path.display());
    let format = ImageFormat::from_path(path).with_context(named)?;
    write_output(path, &photo.encode(format).with_context(named)?)?;
    Ok(())
}
