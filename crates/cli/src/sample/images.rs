//! Write the images of samples: part by part into an array or a folder, or all on one sheet.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder::picture_names;
use super::plan::Plan;
use crate::output::{ImageArray, WriteError, has_extension, is_folder, save_pictures};
use crate::signals::before_end;

/// The images of the samples drawn so far.
pub(super) enum Images {
    /// Bytes of `[n, channels, height, width]`, of which a sheet is drawn in the end.
    Sheet(Vec<u8>),
    /// An array on the way into its file, and all classes of a model that has classes.
    Array {
        array: ImageArray,
        classes: Option<Vec<u32>>,
    },
    /// A picture of each.
    Folder {
        folder: PathBuf,
        /// All pictures, also those still to be written.
        names: Vec<PathBuf>,
        written: usize,
        shape: [usize; 3],
    },
}

impl Images {
    /// No images yet, in the form that the path asks for.
    ///
    /// # Errors
    /// Where an array cannot be written.
    pub(super) fn create(output: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let (classes, shape) = (plan.last_classes(), plan.shape.dims());
        if is_folder(output) {
            return Ok(Self::Folder {
                folder: output.to_owned(),
                names: picture_names(classes, plan.num_classes, &plan.class_names),
                written: 0,
                shape,
            });
        }
        if has_extension(output, "png") {
            return Ok(Self::Sheet(Vec::new()));
        }
        let array = ImageArray::create(output, classes.len(), shape)?;
        remove_on_interrupt(array.unfinished())?;
        let has_classes = plan.num_classes > 0;
        Ok(Self::Array {
            array,
            classes: has_classes.then(|| classes.to_vec()),
        })
    }

    /// Take the next images.
    ///
    /// # Shapes
    /// `images` is `[n, channels, height, width]`.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(super) fn append(&mut self, images: &[u8]) -> Result<(), WriteError> {
        match self {
            Self::Sheet(all) => all.extend(images),
            Self::Array { array, .. } => array.append(images)?,
            Self::Folder {
                folder,
                names,
                written,
                shape,
            } => {
                let len = images.len() / shape.iter().product::<usize>();
                save_pictures(folder, &names[*written..*written + len], images, *shape)?;
                *written += len;
            }
        }
        Ok(())
    }
}

/// Remove a file where the process is asked to end, which it does at once.
fn remove_on_interrupt(file: &Path) -> anyhow::Result<()> {
    let file = file.to_owned();
    before_end(move || {
        let _ = fs::remove_file(&file);
    })
}
