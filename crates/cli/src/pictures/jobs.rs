//! Say which file is made of each picture that a user names, and do that for all of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::listed::directly_in;
use crate::counted::counted;
use crate::exit::stopped_reading;
use crate::output::{
    PHOTO_EXTENSIONS, check_not_input, check_output_or_folder, has_extension, is_folder,
};
use crate::remedies::remedy;
use crate::typed::Mistyped;

/// A file to read, and a file or folder to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) input: PathBuf,
    /// Ends in a separator where it is a folder.
    pub(crate) output: PathBuf,
}

/// What is made of each picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// A picture of the same name, and of an array an array.
    PictureOrArray,
    /// A picture of the same name.
    Picture,
    /// A PNG of the same name.
    Png,
    /// A folder of the same name.
    Folder,
}

impl Made {
    fn takes_arrays(self) -> bool {
        self == Self::PictureOrArray
    }

    /// The extensions that a file may have which is made of this one.
    fn extensions(self, input: &Path) -> &'static [&'static str] {
        match self {
            Self::PictureOrArray if has_extension(input, "npy") => &["npy"],
            Self::Png => &["png"],
            _ => &PHOTO_EXTENSIONS,
        }
    }

    /// The name of what is made of a picture: its own, as PNG where its format is not written.
    fn name(self, input: &Path) -> PathBuf {
        let name = PathBuf::from(input.file_name().unwrap_or_default());
        let mut kept = self.extensions(input).iter();
        match self {
            Self::Folder => name.with_extension("").join(""),
            _ if kept.any(|extension| has_extension(input, extension)) => name,
            _ => name.with_extension("png"),
        }
    }
}

/// Whether one picture is named, and not several or a folder.
pub(crate) fn is_one(inputs: &[PathBuf]) -> bool {
    matches!(inputs, [input] if !input.is_dir())
}

/// What to read and where `flag` has it written: refused before the work begins where a file would be lost or cannot
/// be written.
pub(crate) fn jobs(
    inputs: &[PathBuf],
    (flag, output): (&str, &Path),
    made: Made,
) -> anyhow::Result<Vec<Job>> {
    let mut files = files(inputs, made)?;
    let is_one = is_one(inputs);
    if is_one && (!is_folder(output) || made == Made::Folder) {
        let input = files.remove(0);
        check_output_or_folder(flag, output, made.extensions(&input))?;
        check_not_input(flag, output, &input)?;
        let output = output.to_owned();
        return Ok(vec![Job { input, output }]);
    }
    if !is_one && !is_folder(output) && output.extension().is_some() {
        let problem = format!(
            "{flag} {}: of several pictures, name a folder: {}/",
            output.display(),
            output.display()
        );
        return Err(Mistyped(problem).into());
    }
    let folder = output.join(""); // with a separator at its end
    check_output_or_folder(flag, &folder, &[])?;
    let mut taken = BTreeMap::new();
    let mut jobs = Vec::new();
    for input in files {
        let output = folder.join(made.name(&input));
        if let Some(other) = taken.insert(output.clone(), input.clone()) {
            bail!(
                "{} and {} would both become {}; write them into two folders",
                other.display(),
                input.display(),
                output.display()
            );
        }
        check_not_input(flag, &output, &input)?;
        jobs.push(Job { input, output });
    }
    Ok(jobs)
}

/// The files that are named, and those directly in the folders that are.
fn files(inputs: &[PathBuf], made: Made) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            files.extend(directly_in(input, made.takes_arrays())?);
        } else if input.exists() {
            files.push(input.clone());
        } else {
            bail!("there is no file {}", input.display());
        }
    }
    Ok(files)
}

impl Job {
    /// Make the folder into which it writes, where there is none yet.
    pub(crate) fn make_folder(&self) -> anyhow::Result<()> {
        let folder = match is_folder(&self.output) {
            true => Some(self.output.as_path()),
            false => self.output.parent(),
        };
        if let Some(folder) = folder.filter(|folder| !folder.exists()) {
            let named = || format!("cannot make the folder {}", folder.display());
            fs::create_dir_all(folder).with_context(named)?;
        }
        Ok(())
    }
}

/// Do the work of all `jobs`, each with its place. Of several, one that fails is told of, and the others are done all
/// the same. Returns how many have failed.
///
/// # Errors
/// Where the only job fails, or nobody reads the results any more.
pub(crate) fn do_all(
    jobs: &[Job],
    mut work: impl FnMut(usize, &Job) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let mut failed = 0;
    for (place, job) in jobs.iter().enumerate() {
        match work(place, job) {
            Err(error) if jobs.len() > 1 && !stopped_reading(&error) => {
                let remedy = remedy(&error).map_or_else(String::new, |it| format!("; {it}"));
                tell!("{error:#}{remedy}");
                failed += 1;
            }
            other => other?,
        }
    }
    Ok(failed)
}

/// Say in the end how many of several pictures are `done`, as "denoised", and how many were only copied.
///
/// # Errors
/// Where some have failed.
pub(crate) fn tell_done(
    jobs: &[Job],
    (failed, copied): (usize, usize),
    done: &str,
    quiet: bool,
) -> anyhow::Result<()> {
    if failed > 0 {
        let all = counted(jobs.len(), "picture", "pictures");
        bail!("{failed} of {all} could not be {done}, as said above");
    }
    if jobs.len() > 1 && !quiet {
        tell!("{}", all_done(jobs.len(), copied, done));
    }
    Ok(())
}

/// What is said of `all` pictures, of which the `copied` ones had nothing missing.
fn all_done(all: usize, copied: usize, done: &str) -> String {
    let others = counted(all - copied, "picture", "pictures");
    match copied {
        0 => format!("{others} {done}"),
        _ => format!("{others} {done}, {copied} had nothing missing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs_in(
        dir: &Path,
        inputs: &[&str],
        output: &str,
        made: Made,
    ) -> Result<Vec<(String, String)>, String> {
        let inputs: Vec<PathBuf> = inputs.iter().map(|name| dir.join(name)).collect();
        let relative = |path: &Path| {
            let path = path.strip_prefix(dir).expect("inside");
            path.as_os_str().to_string_lossy().into_owned()
        };
        match jobs(&inputs, ("--output", &dir.join(output)), made) {
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
        let jobs = |inputs: &[&str], output: &str| {
            jobs_in(dir.path(), inputs, output, Made::PictureOrArray)
        };
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
            (&["none"], "out", "holds no pictures; its sub-folders"),
            (&["a/x.png", "z.png"], "out/", "there is no file"),
            (&["n.npy"], "n.png", "name a .npy file"),
            (&["a/x.png"], "x.npy", "name a .png or"),
            (&["a/x.png"], "nowhere/x.png", "there is no folder"),
        ] {
            let message = jobs(inputs, output).expect_err(problem);
            assert!(message.contains(problem), "{message}");
        }
    }

    #[test]
    fn a_picture_becomes_a_picture_a_png_or_a_folder_and_arrays_are_left_out() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("a")).expect("a folder");
        for file in ["a/x.jpg", "a/y.gif", "a/n.npy", "x.png"] {
            fs::write(dir.path().join(file), "").expect("a file");
        }
        let made = |inputs: &[&str], output: &str, made| -> Result<Vec<String>, String> {
            let jobs = jobs_in(dir.path(), inputs, output, made)?;
            Ok(jobs.into_iter().map(|(_, to)| to).collect())
        };
        let expected = |names: [&str; 2]| Ok(names.map(str::to_owned).to_vec());
        assert_eq!(
            made(&["a"], "out", Made::Picture),
            expected(["out/x.jpg", "out/y.png"])
        );
        assert_eq!(
            made(&["a"], "out", Made::Png),
            expected(["out/x.png", "out/y.png"])
        );
        assert_eq!(
            made(&["a"], "out", Made::Folder),
            expected(["out/x", "out/y"])
        );
        let [inputs, output] = ["a", "out"].map(|name| dir.path().join(name));
        let folders = jobs(&[inputs], ("--output", &output), Made::Folder).expect("fits");
        assert!(folders.iter().all(|job| is_folder(&job.output)));
        // Of one picture it is the folder that is named.
        let one = made(&["x.png"], "out/", Made::Folder);
        assert_eq!(one, Ok(vec!["out".to_owned()]));
        for made_of in [Made::Png, Made::Folder] {
            let both = made(&["a", "x.png"], "out", made_of);
            let message = both.expect_err("two of one name");
            assert!(message.contains("would both become"), "{message}");
        }
        let array = made(&["a"], "mask.jpg", Made::Png);
        assert!(array.expect_err("of several").contains("name a folder"));
    }

    #[test]
    fn one_job_that_fails_does_not_lose_the_others() {
        let job = |name: &str| Job {
            input: name.into(),
            output: name.into(),
        };
        let mut seen = Vec::new();
        let failed = do_all(&[job("a"), job("b"), job("c")], |place, job| {
            seen.push((place, job.input.clone()));
            match place {
                1 => Err(anyhow::anyhow!("bad")),
                _ => Ok(()),
            }
        });
        assert_eq!((failed.expect("the others are done"), seen.len()), (1, 3));
        let alone = do_all(&[job("a")], |_, _| Err(anyhow::anyhow!("bad")));
        assert_eq!(alone.expect_err("it fails").to_string(), "bad");
    }

    #[test]
    fn pictures_that_were_only_copied_are_not_counted_as_done() {
        let said = [0, 1, 2].map(|copied| all_done(2, copied, "restored"));
        let expected = [
            "2 pictures restored",
            "1 picture restored, 1 had nothing missing",
            "0 pictures restored, 2 had nothing missing",
        ];
        assert_eq!(said, expected);
    }
}
