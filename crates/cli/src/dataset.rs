//! Load the images of a configuration, with a bar while pictures are decoded.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::bail;
use ebm_apply::Trained;
use ebm_apply::evaluate::USUAL_NUMBER;
use ebm_core::ImageShape;
use ebm_data::{
    DataConfig, DataError, Dataset, DatasetKind, Decoded, Images, PassedOver, kinds_in, load_with,
};
use indicatif::ProgressBar;

use crate::counted::counted;
use crate::progress::{bar, shows_bars};
use crate::typed::Mistyped;

/// The data set in a folder by the names of its files, where `expected` is one that such a folder may stand in for:
/// drawn, any pictures or arrays, or one whose images were packed. What is nothing known in place of drawn images is read
/// as pictures, which says what is wrong with it. `expected` itself where it is not clear.
///
/// - `there`: the data sets that the names may be those of, from [`kinds_in`]
pub(crate) fn kind_among(there: &[DatasetKind], expected: DatasetKind) -> DatasetKind {
    match there {
        [DatasetKind::Arrays] => DatasetKind::Arrays,
        [] if expected.is_drawn() => DatasetKind::Folder,
        [only] if expected.is_drawn() || expected.is_told_by_dir() => *only,
        _ => expected,
    }
}

/// Load a data set and tell what was left out.
fn load(config: &DataConfig, seed: u64, quiet: bool) -> Result<Dataset, DataError> {
    read(config, quiet, |report| load_with(config, seed, report))
}

/// Pack a data set into a new folder and tell what was left out.
///
/// # Errors
/// Where it cannot be read or written.
pub(crate) fn pack(
    config: &DataConfig,
    seed: u64,
    folder: &Path,
    quiet: bool,
) -> Result<Dataset, DataError> {
    read(config, quiet, |report| {
        ebm_data::pack(config, seed, folder, report)
    })
}

/// What `read` gives, and how many pictures were left out, and which. The bar appears once the first picture is decoded.
fn read(
    config: &DataConfig,
    quiet: bool,
    read: impl FnOnce(&(dyn Fn(Decoded) + Sync)) -> Result<Dataset, DataError>,
) -> Result<Dataset, DataError> {
    let shown = OnceLock::<ProgressBar>::new();
    let is_shown = shows_bars(quiet);
    let report = |decoded: Decoded| {
        if is_shown {
            let bar = shown.get_or_init(|| bar(decoded.total as u64, "decoding pictures"));
            bar.set_position(decoded.done as u64);
        }
    };
    let dataset = read(&report);
    if let Some(bar) = shown.get() {
        bar.finish_and_clear();
    }
    let dataset = dataset?;
    report_skipped(&dataset);
    report_passed_over(&dataset.passed_over, quiet);
    if config.dataset.is_told_by_dir() {
        report_classes(config, &dataset.train.class_names, quiet);
    }
    if is_grey_in_colour(&dataset.train) {
        tracing::warn!(
            "the pictures are grey and are learned in 3 channels; --channels 1 learns them in one, faster and better"
        );
    }
    Ok(dataset)
}

/// [`load`] for a command that does without test images: what is wrong with them is a warning.
pub(crate) fn load_to_train(
    config: &DataConfig,
    seed: u64,
    quiet: bool,
) -> Result<Dataset, DataError> {
    let dataset = load(config, seed, quiet)?;
    if let Some(problem) = &dataset.test_problem {
        tracing::warn!("there are no test images, and training needs none: {problem}");
    }
    Ok(dataset)
}

/// [`load`] for a command that measures: test images that are there must be usable.
///
/// # Errors
/// Where they are not, and as [`load`].
pub(crate) fn load_to_measure(
    config: &DataConfig,
    seed: u64,
    quiet: bool,
) -> anyhow::Result<Dataset> {
    let dataset = load(config, seed, quiet)?;
    match &dataset.test_problem {
        Some(problem) => bail!("the test images cannot be used: {problem}"),
        None => Ok(dataset),
    }
}

/// The data that a run was trained on, as `config` says, read from `dir` where it is given.
///
/// # Errors
/// Where they cannot be read, are drawn and read from no folder, or have another shape than the model's images.
pub(crate) fn of_run(
    trained: &Trained,
    config: &DataConfig,
    dir: Option<&Path>,
    quiet: bool,
) -> anyhow::Result<Dataset> {
    let mut config = config.clone();
    if let Some(dir) = dir {
        if config.dataset.is_drawn() {
            let drawn = config.dataset;
            let problem = format!(
                "--data-dir: the run's data, {drawn}, are drawn by this program, and read from no folder"
            );
            return Err(Mistyped(problem).into());
        }
        config.dataset = kind_among(&kinds_in(dir), config.dataset);
        config.dir = Some(dir.to_owned());
    }
    let data = load_to_measure(&config, trained.config().seed, quiet)?;
    refuse_other_shape(config.dataset, data.train.shape, trained.shape())?;
    Ok(data)
}

/// Refuse images of a data set that a model does not take.
fn refuse_other_shape(
    name: DatasetKind,
    here: ImageShape,
    there: ImageShape,
) -> anyhow::Result<()> {
    if here != there {
        bail!("the images of {name} are {here}, and the model takes {there}");
    }
    Ok(())
}

/// Test images of a data set that a run was not trained on, or training images where there are no others, in the shape
/// of the run's, and which of the two they are: `num` at most, spread over them; without a number all, or of drawn ones
/// 10 000.
///
/// # Errors
/// Where they cannot be read, or do not become images of this shape.
pub(crate) fn in_shape(
    kind: DatasetKind,
    dir: Option<PathBuf>,
    shape: ImageShape,
    (seed, num): (u64, Option<usize>),
    quiet: bool,
) -> anyhow::Result<(Images, &'static str)> {
    if shape.height != shape.width {
        bail!("other data sets become square images, and the model takes {shape}");
    }
    let config = DataConfig {
        dataset: kind,
        dir,
        image_size: shape.height,
        test_images: num.unwrap_or(USUAL_NUMBER),
        skip_bad: true,
        ..DataConfig::default()
    };
    // What is grey by itself is grey in every channel.
    let is_grey = config.native_shape().channels == 1;
    let config = DataConfig {
        channels: if is_grey { 0 } else { shape.channels },
        ..config
    };
    let data = load_to_measure(&config, seed, quiet)?;
    let (images, name) = data.tests_or_training();
    let images = images.some(num.unwrap_or(images.len()));
    if images.shape == shape {
        return Ok((images, name));
    }
    let planes = images.pixels.chunks_exact(shape.height * shape.width);
    let pixels: Vec<u8> = planes
        .flat_map(|plane| plane.repeat(shape.channels))
        .collect();
    let images = Images {
        pixels: pixels.into(),
        shape,
        ..images
    };
    Ok((images, name))
}

/// How many images of which shape a data set has, and how many classes.
pub(crate) fn summary(data: &Dataset) -> String {
    let train = &data.train;
    let test = data.test.as_ref().map_or(0, |test| test.len());
    let classes = match train.class_names.len() {
        0 => "no classes".to_owned(),
        classes => counted(classes, "class", "classes"),
    };
    format!(
        "{} training and {test} test images of {}, {classes}",
        train.len(),
        train.shape
    )
}

/// Whether images of three channels have the same in each.
fn is_grey_in_colour(images: &Images) -> bool {
    let plane = images.shape.height * images.shape.width;
    let is_grey = |image: &[u8]| {
        let (first, others) = image.split_at(plane);
        others.chunks_exact(plane).all(|other| other == first)
    };
    images.shape.channels == 3 && images.pixels.chunks_exact(3 * plane).all(is_grey)
}

fn report_skipped(dataset: &Dataset) {
    if !dataset.skipped.is_empty() {
        tracing::warn!(
            "pictures left out because they cannot be decoded: {}",
            dataset.skipped.len()
        );
    }
    for path in &dataset.skipped {
        tracing::debug!("left out {}", path.display());
    }
}

/// Say what lies in a folder or an archive and is not read; what may have been meant as data is a warning.
fn report_passed_over(all: &[PassedOver], quiet: bool) {
    for over in all {
        if let Some(remedy) = over.remedy {
            tracing::warn!("not read: {} {}; {remedy}", over.paths.len(), over.what);
        }
        for path in &over.paths {
            tracing::debug!("passed over {}", path.display());
        }
    }
    let others = all.iter().filter(|over| over.remedy.is_none());
    let others = others.map(|over| format!("{} {}", over.paths.len(), over.what));
    let others: Vec<String> = others.collect();
    if !others.is_empty() && !quiet {
        tell!("passed over: {}", others.join(", "));
    }
}

/// Say which classes there are.
fn report_classes(config: &DataConfig, names: &[String], quiet: bool) {
    const SHOWN: usize = 20;
    if let [only] = names {
        let folder = config.dir.as_ref().map(|dir| dir.join(only));
        let advice = match folder.filter(|folder| folder.is_dir()) {
            Some(folder) => format!(
                "; if the folders in it are the classes, take --data-dir {}",
                folder.display()
            ),
            None => String::new(),
        };
        tracing::warn!("all pictures are of one class, {only}{advice}");
    } else if !names.is_empty() && !quiet {
        let shown = names[..names.len().min(SHOWN)].join(", ");
        let more = names.len().saturating_sub(SHOWN);
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        tell!("classes: {shown}{more}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_another_shape_than_the_model_takes_are_refused() {
        let (grey, colour) = (ImageShape::new(1, 16, 16), ImageShape::new(3, 16, 16));
        let refused = |here| refuse_other_shape(DatasetKind::Folder, here, grey);
        assert!(refused(grey).is_ok());
        let message = refused(colour).expect_err("another shape").to_string();
        let expected = "the images of folder are 3×16×16, and the model takes 1×16×16";
        assert_eq!(message, expected);
    }
}
