//! Tell the class of a user's pictures: read digits, for example.

mod data_set;
mod prepare;

use core::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{anyhow, bail};
use clap::{Args, ValueHint};
use ebm_apply::{Classified, Classifier, ClassifyError, Trained};
use serde::Serialize;

use crate::args::image_count;
use crate::choices::dataset_parser;
use crate::counted::counted;
use crate::output::{check_not_inputs, check_output, columns_for, save_grid, say, scale_for};
use crate::pictures::{Named, listed};
use crate::progress::with_progress;
use crate::trained::{TrainedArgs, require_classes};
use crate::typed::Mistyped;
use prepare::Prepare;

/// Tell the class of pictures, with a run that knows classes
///
/// Prints the class of least energy E(x, y), its probability p(y | x) and the file, a line for each picture.
/// Photographs of handwriting are prepared as MNIST's digits were: dark or light, one character a picture, with some
/// paper around it. With --dataset it says instead how often the images of a data set are recognised.
#[derive(Args, Debug)]
pub(crate) struct ClassifyArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Pictures; folders of them; contact sheets; or arrays of u8 [n, h, w, c]
    #[arg(value_name = "PICTURE|FOLDER|FILE.npy", required_unless_present = "dataset", value_hint = ValueHint::AnyPath)]
    pictures: Vec<PathBuf>,

    /// Instead of pictures, recognise the test images of the run's own data set, or of another one with the same classes
    /// (training images where there are no others), and say how often that is right, as `ebm evaluate` does
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with_all = ["pictures", "prepare", "sheet"],
        value_parser = dataset_parser(),
        hide_possible_values = true
    )]
    dataset: Option<Option<String>>,

    /// Folder with the data set's files, where they are not in the run's own data.dir
    #[arg(long, value_name = "DIR", requires = "dataset", value_hint = ValueHint::AnyPath)]
    data_dir: Option<PathBuf>,

    /// The most images of the data set [default: all, or 10000 of those that are drawn]
    #[arg(long, value_name = "N", requires = "dataset", value_parser = image_count)]
    num: Option<usize>,

    /// What is done to a picture before the model sees it
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Prepare::Auto)]
    prepare: Prepare,

    /// Write the pictures as the model saw them
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    sheet: Option<PathBuf>,

    /// Print a JSON object a picture: picture, class, probability, margin (nats by which the next class is less likely)
    /// and the probabilities of all classes; with --dataset a report as that of `ebm evaluate`
    #[arg(long)]
    json: bool,
}

/// Files that are read before their classes are told.
const CHUNK: usize = 32;

/// What became of the files.
#[derive(Default)]
struct Seen {
    /// What the model saw, `[n, c, h, w]`, where it is asked for.
    bytes: Vec<u8>,
    /// Files that could not be read, which has been said.
    failed: usize,
}

/// What is said of a picture.
#[derive(Serialize)]
struct Report<'a> {
    picture: &'a str,
    class: Class<'a>,
    probability: f64,
    margin: f64,
    probabilities: &'a [f64],
}

/// A class, by its name where it has one.
#[derive(Serialize)]
#[serde(untagged)]
enum Class<'a> {
    Named(&'a str),
    Numbered(u32),
}

impl fmt::Display for Class<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Numbered(number) => write!(f, "{number}"),
        }
    }
}

impl ClassifyArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        self.refuse_idle_options()?;
        if let Some(name) = &self.dataset {
            self.recognise(name.as_deref(), quiet)?;
            return Ok(ExitCode::SUCCESS);
        }
        let files = listed(&self.pictures)?;
        if let Some(sheet) = &self.sheet {
            check_output("--sheet", sheet, &["png"])?;
            check_not_inputs("--sheet", sheet, &files)?;
        }
        let (trained, _) = self.trained.open(quiet)?;
        require_classes(&trained, &trained.checkpoint().display().to_string())?;
        let done = AtomicU64::new(0);
        let work = || self.classify(&trained, &files, &done);
        let so_far = || done.load(Ordering::Relaxed);
        let seen = with_progress("classifying", files.len() as u64, so_far, quiet, work)?;
        self.write_sheet(&seen, &trained, quiet)?;
        if seen.failed > 0 {
            let all = counted(files.len(), "picture", "pictures");
            let failed = seen.failed;
            bail!("{failed} of {all} could not be classified, as said above");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Refuse options of a data set where pictures are named: clap waives `requires` of what conflicts with these.
    fn refuse_idle_options(&self) -> Result<(), Mistyped> {
        let of_data = [
            ("--data-dir", self.data_dir.is_some()),
            ("--num", self.num.is_some()),
        ];
        let given = of_data.iter().find(|(_, is_given)| *is_given);
        match given.filter(|_| self.dataset.is_none()) {
            Some((flag, _)) => Err(Mistyped(format!("{flag} does nothing without --dataset"))),
            None => Ok(()),
        }
    }

    /// Tell the class of each file. One that cannot be read among others is told of and left out.
    fn classify(
        &self,
        trained: &Trained,
        files: &[PathBuf],
        done: &AtomicU64,
    ) -> anyhow::Result<Seen> {
        let classifier = Classifier::of(trained, self.trained.weights())?;
        let mut seen = Seen::default();
        for chunk in files.chunks(CHUNK) {
            let mut named = Named::default();
            for path in chunk {
                match self.prepare.add(path, trained, &mut named) {
                    Err(error) if files.len() > 1 => {
                        tell!("{error:#}");
                        seen.failed += 1;
                    }
                    other => other?,
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
            self.say_classes(trained, &classifier, &named)?;
            if self.sheet.is_some() {
                seen.bytes.extend(named.bytes);
            }
        }
        Ok(seen)
    }

    fn say_classes(
        &self,
        trained: &Trained,
        classifier: &Classifier<'_>,
        named: &Named,
    ) -> anyhow::Result<()> {
        let found = classifier.classify(&named.bytes);
        let found = found.map_err(|error| match error {
            ClassifyError::NotFinite { index } => {
                anyhow!("an energy of {} is not finite", named.names[index])
            }
            other => other.into(),
        })?;
        for (picture, found) in named.names.iter().zip(&found) {
            self.say_class(trained, picture, found)?;
        }
        Ok(())
    }

    fn say_class(
        &self,
        trained: &Trained,
        picture: &str,
        found: &Classified,
    ) -> anyhow::Result<()> {
        let index = found.class as usize;
        let class = match trained.class_names().get(index) {
            Some(name) => Class::Named(name),
            None => Class::Numbered(found.class),
        };
        let probability = found.probabilities[index];
        if !self.json {
            say(format_args!("{class}\t{probability:.3}\t{picture}"))?;
            return Ok(());
        }
        let report = Report {
            picture,
            class,
            probability,
            margin: found.margin,
            probabilities: &found.probabilities,
        };
        say(serde_json::to_string(&report)?)?;
        Ok(())
    }

    /// Write what the model saw, where it is asked for and there is any.
    fn write_sheet(&self, seen: &Seen, trained: &Trained, quiet: bool) -> anyhow::Result<()> {
        let Some(path) = self.sheet.as_ref().filter(|_| !seen.bytes.is_empty()) else {
            return Ok(());
        };
        let shape = trained.shape();
        let columns = columns_for(seen.bytes.len() / shape.pixels());
        let scale = scale_for(shape.width);
        save_grid(path, &seen.bytes, shape.dims(), columns, scale)?;
        if !quiet {
            // Each line on stdout is about a picture.
            tell!("{}: the pictures as the model saw them", path.display());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_its_name_or_its_number_in_lines_and_in_json() {
        for (class, text, json) in [
            (Class::Named("seven"), "seven", "\"seven\""),
            (Class::Numbered(7), "7", "7"),
        ] {
            assert_eq!(class.to_string(), text);
            assert_eq!(serde_json::to_string(&class).unwrap(), json);
        }
    }
}
