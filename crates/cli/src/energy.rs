//! Say how unusual images are: print their energies.

mod scores;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::error::ErrorKind;
use clap::{Args, Command, ValueEnum, ValueHint};
use ebm_apply::Trained;

use crate::args::positive;
use crate::output::{check_different, check_output, save_npy_f32, say};
use crate::pictures::{Named, listed, of_data_set};
use crate::trained::{TrainedArgs, class};
use scores::{Scores, Statistics};

/// Print the energy of images: the lower, the likelier under the model
#[derive(Args, Debug)]
pub(crate) struct EnergyArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Pictures, cropped and resized as in training; folders of them; contact sheets; or arrays of u8
    /// [n, h, w, c]
    #[arg(value_name = "IMAGE|FOLDER|FILE.npy", value_hint = ValueHint::AnyPath)]
    images: Vec<PathBuf>,

    /// Score images of the data set that the run was trained on; mean and spread go to stderr
    #[arg(long, value_enum, value_name = "SPLIT")]
    data: Option<Split>,

    /// The most images to take of --data [default: all]
    #[arg(long, value_name = "N", requires = "data", value_parser = positive)]
    num: Option<usize>,

    /// Folder with the data set's files, where they are not in the run's own data.dir any more
    #[arg(long, value_name = "DIR", requires = "data", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,

    /// The class that is given, by name or number [default: none is, E(x) = −log Σ exp(−E(x, y))]
    #[arg(long)]
    class: Option<String>,

    /// Write the energies as an array of f32 [n] instead of printing them
    #[arg(long, value_name = "FILE.npy", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Write the gradients with respect to pixels in [0, 1], f32 [n, c, h, w]
    #[arg(long, value_name = "FILE.npy", value_hint = ValueHint::FilePath)]
    gradients: Option<PathBuf>,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Split {
    /// Images that the model has never seen
    Test,
    /// Images that the model was trained on
    Train,
}

impl EnergyArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        if self.images.is_empty() && self.data.is_none() {
            nothing_to_score().exit();
        }
        self.check()?;
        let (trained, chosen) = self.trained.open(quiet)?;
        let class = match &self.class {
            Some(name) => Some(class(&trained, "--class", name)?),
            None => None,
        };
        let named = self.named_images(&trained, quiet)?;
        let energy = trained.energy(self.trained.weights());
        let with_gradients = self.gradients.is_some();
        let shape = trained.shape();
        let scores = Scores::of(
            &energy,
            &named.bytes,
            shape,
            class,
            with_gradients,
            &chosen.device,
        );
        self.write(&scores, &named, shape.batch(named.names.len()))?;
        if let Some(split) = &named.split
            && !quiet
        {
            let statistics = Statistics::of(&scores.energies[split.rows.clone()]);
            tell!("{}: {statistics}", split.name);
        }
        match scores
            .energies
            .iter()
            .position(|energy| !energy.is_finite())
        {
            Some(bad) => bail!(
                "the energy of {} is {}",
                named.names[bad],
                scores.energies[bad]
            ),
            None => Ok(ExitCode::SUCCESS),
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        for (flag, path) in [("--output", &self.output), ("--gradients", &self.gradients)] {
            if let Some(path) = path {
                check_output(flag, path, &["npy"])?;
            }
        }
        check_different(&[
            ("--output", self.output.as_deref()),
            ("--gradients", self.gradients.as_deref()),
        ])?;
        Ok(())
    }

    /// The images of the files, then those of the data set.
    fn named_images(&self, trained: &Trained, quiet: bool) -> anyhow::Result<Named> {
        let mut named = Named::default();
        for path in listed(&self.images)? {
            named.add_file(&path, trained.shape())?;
        }
        if let Some(split) = self.data {
            let is_test = split == Split::Test;
            let images = of_data_set(trained, is_test, self.data_dir.as_deref(), quiet)?;
            let name = if is_test { "test" } else { "train" };
            named.add_split(name, &images, self.num);
        }
        Ok(named)
    }

    fn write(&self, scores: &Scores, named: &Named, dims: [usize; 4]) -> anyhow::Result<()> {
        match &self.output {
            Some(path) => {
                save_npy_f32(path, &[scores.energies.len()], &scores.energies)?;
                say(path.display())?;
            }
            None => {
                for (energy, name) in scores.energies.iter().zip(&named.names) {
                    say(format_args!("{energy:.6}\t{name}"))?;
                }
            }
        }
        if let Some(path) = &self.gradients {
            save_npy_f32(path, &dims, &scores.gradients)?;
            say(path.display())?;
        }
        Ok(())
    }
}

/// The error of a command line without images, which `clap` would call a missing `IMAGE`.
fn nothing_to_score() -> clap::Error {
    let message = "give pictures or arrays to score, or --data test for the run's own test images";
    let mut command = EnergyArgs::augment_args(Command::new("energy").bin_name("ebm energy"));
    command.error(ErrorKind::MissingRequiredArgument, message)
}
