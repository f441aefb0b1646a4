//! Gather the images that a model is to tell from its data.

use std::path::{Path, PathBuf, is_separator};
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use ebm_apply::evaluate::{Anomaly, some_of};
use ebm_core::ImageShape;
use ebm_data::{DataConfig, DatasetKind, Images, kinds_in};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as NoSuchName;

use super::data::PreparedData;
use crate::dataset;

/// The name of [`Against::LeftOut`].
const LEFT_OUT: &str = "left-out";

/// What a user asks to tell from the data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Against {
    /// Made by the program.
    Made(Anomaly),
    /// The classes of the run's own data set that were left out of its training.
    LeftOut,
    /// A data set, and where its files are.
    Data(DatasetKind, Option<PathBuf>),
}

impl FromStr for Against {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(anomaly) = Anomaly::ALL.into_iter().find(|made| made.name() == text) {
            return Ok(Self::Made(anomaly));
        }
        if text == LEFT_OUT {
            return Ok(Self::LeftOut);
        }
        let kind = |name: &str| {
            let name: Result<_, NoSuchName> =
                DatasetKind::deserialize(IntoDeserializer::<NoSuchName>::into_deserializer(name));
            name.ok().filter(|kind| !kind.is_told_by_dir())
        };
        let of_user = |kind| Ok(Self::Data(kind, Some(text.into())));
        let folder = || match kinds_in(Path::new(text)).as_slice() {
            [kind] if kind.is_told_by_dir() => of_user(*kind),
            [DatasetKind::Folder, DatasetKind::Arrays] => Err(format!(
                "{text} holds pictures and arrays: name one of its files or folders, or move the others elsewhere"
            )),
            _ => of_user(DatasetKind::Folder),
        };
        if let Some((name, dir)) = text.split_once('=').filter(|_| !Path::new(text).exists()) {
            let kind = kind(name).ok_or_else(|| format!("there is no data set `{name}`"))?;
            return Ok(Self::Data(kind, Some(dir.into())));
        }
        match kind(text) {
            Some(kind) if kind.is_drawn() => Ok(Self::Data(kind, None)),
            Some(kind) => Err(format!("say where its files are: {kind}=DIR")),
            // A path that is nowhere is told so when it is read.
            None if text.contains(is_separator) || Path::new(text).exists() => folder(),
            None => {
                let made = Anomaly::ALL.map(Anomaly::name).join(", ");
                Err(format!(
                    "not one of {made}, {LEFT_OUT}, digits, shapes, no data set as NAME=DIR, and no folder or archive"
                ))
            }
        }
    }
}

/// The sets that are asked for, each with a name, at most `num` images of each, in the shape of the data of a run with
/// this seed.
pub(crate) fn sets(
    asked: &[Against],
    data: &PreparedData,
    seed: u64,
    num: usize,
    quiet: bool,
) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let (held, shape) = (data.to_judge().held(), data.to_judge().shape());
    let all = Anomaly::ALL.map(Against::Made);
    let asked = if asked.is_empty() { &all[..] } else { asked };
    // What is drawn is other than the run's own.
    let other_seed = seed.wrapping_add(1);
    let sets = asked.iter().map(|against| match against {
        Against::Made(anomaly) => Ok((anomaly.name().to_owned(), anomaly.of(held, shape))),
        Against::LeftOut => {
            let pixels = left_out(data, seed, num, quiet).context("--against left-out")?;
            Ok((
                format!("left out: {}", data.config.leave_out.join(", ")),
                pixels,
            ))
        }
        Against::Data(kind, dir) => {
            let name = match (kind, dir) {
                (kind, Some(dir)) if kind.is_told_by_dir() => dir.display().to_string(),
                _ => kind.to_string(),
            };
            let pixels = load(*kind, dir.clone(), shape, (other_seed, num), quiet);
            let pixels = pixels.map_err(|error| of_flag(error, *kind));
            Ok((
                name,
                pixels.with_context(|| format!("--against {}", typed(*kind, dir.as_deref())))?,
            ))
        }
    });
    sets.collect()
}

/// What is typed for a data set whose files are there.
fn typed(kind: DatasetKind, dir: Option<&Path>) -> String {
    match dir {
        Some(dir) if kind.is_told_by_dir() => dir.display().to_string(),
        Some(dir) => format!("{kind}={}", dir.display()),
        None => kind.to_string(),
    }
}

/// An error that names the flag where it would name the key of a run's own data.
fn of_flag(error: anyhow::Error, kind: DatasetKind) -> anyhow::Error {
    let flag = match kind.is_told_by_dir() {
        true => "--against".to_owned(),
        false => format!("--against {kind}=DIR"),
    };
    anyhow!(format!("{error:#}").replace("`data.dir`", &flag))
}

/// An error whose remedies would be of the run's own data.
fn without_remedy(error: anyhow::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}

/// Test images of the classes that were left out of a run's data, or training images where there are no others.
fn left_out(own: &PreparedData, seed: u64, num: usize, quiet: bool) -> anyhow::Result<Vec<u8>> {
    let names = &own.config.leave_out;
    if names.is_empty() {
        bail!("the run has left no class out; `ebm train --leave-out CLASS` does");
    }
    let whole = DataConfig {
        leave_out: Vec::new(),
        ..own.config.clone()
    };
    let data = dataset::load_to_measure(&whole, seed, quiet).map_err(without_remedy)?;
    let of_names = |images: &Images| some_of(&images.of_names(names), num);
    let tests = data
        .test
        .as_ref()
        .map(of_names)
        .filter(|pixels| !pixels.is_empty());
    Ok(tests.unwrap_or_else(|| of_names(&data.train)))
}

/// Images of a data set [in a shape](dataset::in_shape), as bytes.
fn load(
    kind: DatasetKind,
    dir: Option<PathBuf>,
    shape: ImageShape,
    (seed, num): (u64, usize),
    quiet: bool,
) -> anyhow::Result<Vec<u8>> {
    let (images, _) = dataset::in_shape(kind, dir, shape, (seed, Some(num)), quiet)?;
    Ok(images.pixels.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_what_is_made_of_data_sets_and_folders_are_told_apart() {
        let read = |text: &str| text.parse::<Against>();
        assert_eq!(read("noise"), Ok(Against::Made(Anomaly::Noise)));
        assert_eq!(read("left-out"), Ok(Against::LeftOut));
        assert_eq!(read("digits"), Ok(Against::Data(DatasetKind::Digits, None)));
        let fashion = Against::Data(DatasetKind::FashionMnist, Some("x/y".into()));
        assert_eq!(read("fashion-mnist=x/y"), Ok(fashion));
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().display().to_string();
        let folder = Against::Data(DatasetKind::Folder, Some(path.clone().into()));
        assert_eq!(read(&path), Ok(folder));
        for name in ["preview.png", "images.npy"] {
            std::fs::write(dir.path().join(name), "").expect("a file");
        }
        assert!(read(&path).unwrap_err().contains("pictures and arrays"));
        assert!(read("mnist").unwrap_err().contains("mnist=DIR"));
        assert!(read("svhn=x").unwrap_err().contains("no data set `svhn`"));
        assert!(read("nowhere").unwrap_err().contains("not one of noise"));
    }

    #[test]
    fn what_is_wrong_with_files_is_told_by_the_flag_and_what_was_typed() {
        let dir = tempfile::tempdir().expect("a folder");
        for (kind, name, flag) in [
            (DatasetKind::Mnist, "mnist=", "set --against mnist=DIR to"),
            (DatasetKind::Folder, "", "set --against to a folder"),
        ] {
            let at = Some(dir.path().to_owned());
            assert_eq!(
                typed(kind, at.as_deref()),
                format!("{name}{}", dir.path().display())
            );
            let shape = ImageShape::new(1, 16, 16);
            let error = load(kind, at, shape, (1, 5), true).expect_err("no files");
            let message = of_flag(error, kind).to_string();
            assert!(message.contains(flag), "{message}");
            assert!(!message.contains("data.dir"), "{message}");
        }
    }

    #[test]
    fn grey_data_become_grey_in_colour() {
        let shape = ImageShape::new(3, 16, 16);
        let pixels = load(DatasetKind::Digits, None, shape, (1, 5), true).expect("drawn");
        assert_eq!(pixels.len(), 5 * shape.pixels());
        for image in pixels.chunks_exact(shape.pixels()) {
            assert_eq!(image[..256], image[256..512]);
            assert_eq!(image[..256], image[512..]);
        }
    }
}
