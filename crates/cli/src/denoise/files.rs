//! Read what is denoised, and write it in its own format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, slice};

use anyhow::{Context, bail};
use ebm_core::ImageShape;
use ebm_data::{Photo, Planes};

use crate::output::{
    PHOTO_EXTENSIONS, check_not_input, check_output_or_folder, has_extension, is_folder,
    load_npy_f32, nchw_to_nhwc, nhwc_to_nchw, save_npy_f32, save_photo,
};
use crate::pictures::directly_in;
use crate::typed::Mistyped;

/// A file to read and a file to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) input: PathBuf,
    pub(super) output: PathBuf,
}

/// What a file holds: one picture, or the pictures of an array.
pub(super) enum Pictures {
    Photo(Box<Photo>),
    Array {
        shape: Vec<usize>,
        each: Vec<Planes>,
    },
}

impl Pictures {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Photo(_) => 1,
            Self::Array { each, .. } => each.len(),
        }
    }

    pub(super) fn each_mut(&mut self) -> slice::IterMut<'_, Planes> {
        match self {
            Self::Photo(photo) => slice::from_mut(&mut photo.planes).iter_mut(),
            Self::Array { each, .. } => each.iter_mut(),
        }
    }
}

/// What to read and where to write it: refused before the work begins where a file would be lost or cannot be
/// written.
pub(super) fn jobs(inputs: &[PathBuf], output: &Path) -> anyhow::Result<Vec<Job>> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            files.extend(directly_in(input)?);
        } else if input.exists() {
            files.push(input.clone());
        } else {
            bail!("there is no file {}", input.display());
        }
    }
    let is_one = matches!(&inputs, [input] if !input.is_dir());
    if is_one && !is_folder(output) {
        let array = has_extension(&files[0], "npy");
        let extensions: &[&str] = if array { &["npy"] } else { &PHOTO_EXTENSIONS };
        check_output_or_folder("--output", output, extensions)?;
        let input = files.remove(0);
        check_not_input("--output", output, &input)?;
        let output = output.to_owned();
        return Ok(vec![Job { input, output }]);
    }
    if !is_one && !is_folder(output) && output.extension().is_some() {
        let problem = format!(
            "--output {}: of several pictures, name a folder: {}/",
            output.display(),
            output.display()
        );
        return Err(Mistyped(problem).into());
    }
    let folder = output.join(""); // with a separator at its end
    check_output_or_folder("--output", &folder, &[])?;
    let mut taken = BTreeMap::new();
    let mut jobs = Vec::new();
    for input in files {
        let name = written_name(&input);
        if let Some(other) = taken.insert(name.clone(), input.clone()) {
            bail!(
                "{} and {} would both become {}; denoise them into two folders",
                other.display(),
                input.display(),
                folder.join(name).display()
            );
        }
        let output = folder.join(name);
        check_not_input("--output", &output, &input)?;
        jobs.push(Job { input, output });
    }
    Ok(jobs)
}

/// The name of the file that is written for a picture: its own, as PNG where its format is not written.
fn written_name(input: &Path) -> PathBuf {
    let name = PathBuf::from(input.file_name().unwrap_or_default());
    let keeps = |extension: &&str| has_extension(input, extension);
    if PHOTO_EXTENSIONS.iter().chain(&["npy"]).any(keeps) {
        name
    } else {
        name.with_extension("png")
    }
}

impl Job {
    pub(super) fn read(&self) -> anyhow::Result<Pictures> {
        if !has_extension(&self.input, "npy") {
            return Ok(Pictures::Photo(Box::new(Photo::read(&self.input)?)));
        }
        let (shape, values) = load_npy_f32(&self.input)?;
        let image = match shape.as_slice() {
            [h, w] => ImageShape::new(1, *h, *w),
            [_, h, w, c] => ImageShape::new(*c, *h, *w),
            _ => bail!(
                "{} has shape {shape:?}, expected [h, w] or [n, h, w, c]",
                self.input.display()
            ),
        };
        let values = nhwc_to_nchw(&values, image.dims());
        let each = values.chunks(image.pixels()).map(|pixels| Planes {
            pixels: pixels.to_vec(),
            shape: image,
        });
        Ok(Pictures::Array {
            each: each.collect(),
            shape,
        })
    }

    pub(super) fn write(&self, pictures: Pictures) -> anyhow::Result<()> {
        if let Some(folder) = self.output.parent().filter(|folder| !folder.exists()) {
            let named = || format!("cannot make the folder {}", folder.display());
            fs::create_dir_all(folder).with_context(named)?;
        }
        match pictures {
            Pictures::Photo(photo) => save_photo(&self.output, &photo),
            Pictures::Array { shape, each } => {
                let dims = each[0].shape.dims();
                let values: Vec<f32> = each.into_iter().flat_map(|it| it.pixels).collect();
                Ok(save_npy_f32(
                    &self.output,
                    &shape,
                    &nchw_to_nhwc(&values, dims),
                )?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs_in(dir: &Path, inputs: &[&str], output: &str) -> Result<Vec<(String, String)>, String> {
        let inputs: Vec<PathBuf> = inputs.iter().map(|name| dir.join(name)).collect();
        let relative = |path: &Path| {
            let path = path.strip_prefix(dir).expect("inside");
            path.display().to_string()
        };
        match jobs(&inputs, &dir.join(output)) {
            Ok(jobs) => Ok(jobs
                .iter()
                .map(|job| (relative(&job.input), relative(&job.output)))
                .collect()),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[test]
    fn every_picture_has_a_place_of_its_own_and_none_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["a", "b", "full", "none"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        for file in [
            "a/x.png",
            "a/y.gif",
            "a/notes.txt",
            "b/x.png",
            "a/._x.png",
            "full/z",
            "n.npy",
        ] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let jobs = |inputs: &[&str], output: &str| jobs_in(dir.path(), inputs, output);
        let pairs = |pairs: &[[&str; 2]]| -> Vec<(String, String)> {
            let pairs = pairs
                .iter()
                .map(|[from, to]| (from.to_string(), to.to_string()));
            pairs.collect()
        };
        assert_eq!(
            jobs(&["a/x.png"], "x.jpg"),
            Ok(pairs(&[["a/x.png", "x.jpg"]]))
        );
        assert_eq!(
            jobs(&["a/x.png"], "out/"),
            Ok(pairs(&[["a/x.png", "out/x.png"]]))
        );
        let expected = pairs(&[["a/x.png", "out/x.png"], ["a/y.gif", "out/y.png"]]);
        assert_eq!(jobs(&["a"], "out"), Ok(expected));
        for (inputs, output, problem) in [
            (&["a/x.png"][..], "a/x.png", "is the picture itself"),
            (&["a", "b"], "out/", "would both become"),
            (&["a"], "out.png", "of several pictures, name a folder"),
            (&["a"], "full", "has files already"),
            (&["none"], "out", "holds no pictures"),
            (&["a/x.png", "z.png"], "out/", "there is no file"),
            (&["n.npy"], "n.png", "name a .npy file"),
            (&["a/x.png"], "x.npy", "name a .png or"),
            (&["a/x.png"], "nowhere/x.png", "there is no folder"),
        ] {
            let message = jobs(inputs, output).expect_err(problem);
            assert!(message.contains(problem), "{message}");
        }
    }
}
