//! Lay out the pictures of a report.

use ebm_apply::evaluate::{Completed, Damaged, QualityReport};
use ebm_data::Images;

/// Samples and completed images that are shown.
const SHOWN: usize = 100;
const SHOWN_COMPLETED: usize = 10;

/// A picture of a report: a contact sheet of images.
#[derive(Debug)]
pub(super) struct Picture {
    /// Of its file.
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) title: &'static str,
    /// Shape of every image.
    pub(super) shape: [usize; 3],
    /// Bytes `[n, channels, height, width]`.
    pub(super) images: Vec<u8>,
    /// Images in a row; as many as make a square where there is none.
    pub(super) columns: Option<usize>,
    /// What stands below it, line by line.
    pub(super) lines: Vec<String>,
}

impl Picture {
    fn new(name: &'static str, title: &'static str, shape: [usize; 3], images: Vec<u8>) -> Self {
        Self {
            name,
            title,
            shape,
            images,
            columns: None,
            lines: Vec::new(),
        }
    }

    fn with_columns(self, columns: usize) -> Self {
        Self {
            columns: Some(columns),
            ..self
        }
    }
}

/// The first of all samples.
pub(super) fn samples(samples: &[u8], shape: [usize; 3]) -> Picture {
    let first = samples[..samples.len().min(SHOWN * shape.iter().product::<usize>())].to_vec();
    Picture::new("samples", "Samples, the first, none left out", shape, first)
}

/// A row per sample: the sample, its nearest training images by pixels, then by features.
pub(super) fn neighbors(
    report: &QualityReport,
    samples: &[u8],
    training: &[u8],
    shape: [usize; 3],
) -> Picture {
    let image: usize = shape.iter().product();
    let of = |set: &[u8], index: usize| set[index * image..(index + 1) * image].to_vec();
    let (mut rows, mut columns) = (Vec::new(), 1);
    for (index, nearest) in report.neighbors.iter().enumerate() {
        rows.extend(of(samples, index));
        let both = nearest.by_pixels.iter().chain(&nearest.by_features);
        rows.extend(both.clone().flat_map(|&at| of(training, at)));
        columns = 1 + both.count();
    }
    let title = "Does it copy? A sample, then the training images nearest to it by pixels, then by features";
    Picture::new("neighbors", title, shape, rows).with_columns(columns)
}

/// A row per damage, and below what the model reads in it.
pub(super) fn damaged(found: &Damaged, images: &Images) -> Picture {
    let damages = &found.report.damages;
    let lines = damages.iter().map(|of_damage| {
        let read = of_damage.examples.iter();
        let read = read.map(|&class| images.class_names[class as usize].as_str());
        format!(
            "{}: {}",
            of_damage.damage,
            read.collect::<Vec<_>>().join(", ")
        )
    });
    let title = "Damaged images, a row for each damage; below, what the model reads in each row";
    let (shape, examples) = (images.shape, found.examples.clone());
    let columns = examples.len() / shape.pixels() / damages.len();
    Picture {
        lines: lines.collect(),
        ..Picture::new("damaged", title, shape.dims(), examples).with_columns(columns)
    }
}

/// A row each: what is known, completed by the model, by the nearest training image, and whole.
pub(super) fn completed(found: &Completed, whole: &Images) -> Picture {
    let num = whole.len().min(SHOWN_COMPLETED);
    let some = num * whole.shape.pixels();
    let sets = [
        &found.known[..],
        &found.completed,
        &found.nearest,
        &whole.pixels,
    ];
    let rows = sets.map(|set| &set[..some]).concat();
    let title = "What was known; completed by the model; by the nearest training image; and the whole images";
    Picture::new("completed", title, whole.shape.dims(), rows).with_columns(num)
}
