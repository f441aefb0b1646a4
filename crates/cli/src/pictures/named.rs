//! Collect images: those of files, and a part of the run's own data set.

use core::ops::Range;
use std::path::Path;

use anyhow::Context;
use ebm_apply::Trained;
use ebm_core::ImageShape;
use ebm_data::Images;

use super::files::read_images;
use crate::dataset;

/// Images of one shape, each with a name.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// `[n, c, h, w]`.
    pub(crate) bytes: Vec<u8>,
    /// `n` names.
    pub(crate) names: Vec<String>,
    /// Which of them are of the data set.
    pub(crate) split: Option<SplitRows>,
}

/// The images of a part of a data set.
#[derive(Debug)]
pub(crate) struct SplitRows {
    /// The name of the part.
    pub(crate) name: &'static str,
    /// Where its images are.
    pub(crate) rows: Range<usize>,
}

impl Named {
    /// Add the images of a file.
    pub(crate) fn add_file(&mut self, path: &Path, shape: ImageShape) -> anyhow::Result<()> {
        let (bytes, places) = read_images(path, shape)?;
        let name = path.display();
        self.names
            .extend(places.iter().map(|place| match places.len() {
                1 => name.to_string(),
                _ => format!("{name}[{place}]"),
            }));
        self.bytes.extend(bytes);
        Ok(())
    }

    /// Add the first `num` images of a part of a data set, or all.
    pub(crate) fn add_split(&mut self, name: &'static str, images: &Images, num: Option<usize>) {
        let count = num.unwrap_or(images.len()).min(images.len());
        let first = self.names.len();
        self.names
            .extend((0..count).map(|i| format!("{name}[{i}]")));
        let bytes = &images.pixels[..count * images.shape.pixels()];
        self.bytes.extend_from_slice(bytes);
        let rows = first..first + count;
        self.split = Some(SplitRows { name, rows });
    }
}

/// The test or training images of the data set that a run was trained on, read from `dir` where it is
/// given.
pub(crate) fn of_data_set(
    trained: &Trained,
    is_test: bool,
    dir: Option<&Path>,
    quiet: bool,
) -> anyhow::Result<Images> {
    let data = dataset::of_run(trained, &trained.config().data, dir, quiet)?;
    if !is_test {
        return Ok(data.train);
    }
    let name = trained.config().data.dataset;
    let missing = || {
        let problem =
            "has no test images here (a folder of pictures has some in sub-folders train and test)";
        format!("--data test: the data set {name} {problem}; try --data train")
    };
    data.test.with_context(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_a_data_set_follow_those_of_files_under_names_of_their_own() {
        let shape = ImageShape::new(1, 1, 2);
        let images = Images {
            pixels: (0..8).collect(),
            shape,
            labels: vec![0; 4],
            class_names: vec![],
        };
        let mut named = Named {
            bytes: vec![7, 7],
            names: vec!["a.png".into()],
            split: None,
        };
        named.add_split("test", &images, Some(2));
        assert_eq!(named.names, ["a.png", "test[0]", "test[1]"]);
        assert_eq!(named.bytes, [7, 7, 0, 1, 2, 3]);
        assert_eq!(named.split.map(|split| split.rows), Some(1..3));
        let mut all = Named::default();
        all.add_split("train", &images, Some(99));
        assert_eq!(all.names.len(), 4);
    }
}
