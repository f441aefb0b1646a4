//! Train the classifiers whose features sets of images are compared by, and list those of the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use clap::{Args, Subcommand, ValueHint};
use ebm_apply::evaluate::{FeatureNetwork, FeatureRecipe, train_features};
use ebm_train::Held;

use crate::args::{DataFlags, positive};
use crate::dataset;
use crate::memory::MemoryArgs;
use crate::output::{Table, check_output, say, write_output};
use crate::progress::with_progress;

/// Features of images, by which `ebm evaluate` compares sets of them
#[derive(Args, Debug)]
pub(crate) struct FeaturesArgs {
    #[command(subcommand)]
    command: FeaturesCommand,
}

#[derive(Debug, Subcommand)]
enum FeaturesCommand {
    List(ListArgs),
    Train(Box<TrainFeaturesArgs>),
}

/// List the features that are part of the program, and those in files
#[derive(Args, Debug)]
struct ListArgs {
    /// Files of features
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
}

/// Train a classifier of labelled images, whose last hidden layer describes them
///
/// The same recipe, data and seed give the same file on the same kind of processor.
#[derive(Args, Debug)]
struct TrainFeaturesArgs {
    /// Recipe to start from
    #[arg(value_name = "RECIPE", default_value = "digits", value_parser = ["digits", "mnist", "cifar10"])]
    recipe: String,

    /// TOML file with a whole recipe instead, as those in assets/features
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    #[command(flatten)]
    data: DataFlags,

    /// Updates of the weights [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = positive)]
    iterations: Option<usize>,

    /// Seed of every random number
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// The file to write
    #[arg(
        long,
        value_name = "FILE.safetensors",
        value_hint = ValueHint::FilePath,
        default_value = "features.safetensors"
    )]
    output: PathBuf,

    #[command(flatten)]
    memory: MemoryArgs,
}

impl FeaturesArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        match &self.command {
            FeaturesCommand::List(args) => args.run(),
            FeaturesCommand::Train(args) => args.run(quiet),
        }
    }
}

impl ListArgs {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let names = FeatureNetwork::embedded_names().into_iter();
        let own = names.map(FeatureNetwork::embedded);
        let files = self.files.iter().map(|path| FeatureNetwork::open(path));
        let columns = [
            "features",
            "images",
            "learned from",
            "features of an image",
            "accuracy",
        ];
        let mut table = Table::with_header(columns);
        for network in own.chain(files) {
            let network = network?;
            let note = network.note();
            let [channels, height, width] = note.image_shape;
            let set = if note.accuracy_of_training {
                "training"
            } else {
                "test"
            };
            table.row([
                network.id(),
                format!("{channels}×{height}×{width}"),
                note.data.clone(),
                note.network.hidden.to_string(),
                format!(
                    "{:.2} % of {} {set} images",
                    100.0 * note.accuracy,
                    note.accuracy_of
                ),
            ]);
        }
        say(table.render(3))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl TrainFeaturesArgs {
    fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        check_output("--output", &self.output, &["safetensors"])?;
        let recipe = self.recipe()?;
        self.memory
            .check_with_data("the training", &recipe.data, |shape, images| {
                vec![Held::of_data(&recipe.data, shape, images)]
            })?;
        let data = dataset::load_to_measure(&recipe.data, self.seed, quiet)?;
        if !quiet {
            tell!("data: {}", dataset::summary(&data));
        }
        let done = AtomicU64::new(0);
        let train = || {
            train_features(&self.name(), &recipe, &data, self.seed, |learned| {
                done.store(learned.iteration as u64, Ordering::Relaxed);
                tracing::debug!(
                    "iteration {}: loss {:.4}, {:.1} % of the batch right",
                    learned.iteration,
                    learned.loss,
                    100.0 * learned.accuracy
                );
            })
        };
        let total = recipe.iterations as u64;
        let reached = || done.load(Ordering::Relaxed);
        let bytes = with_progress("training features", total, reached, quiet, train)?;
        write_output(&self.output, &bytes)?;
        let network = FeatureNetwork::open(&self.output)?;
        if !quiet {
            let note = network.note();
            let share = 100.0 * note.accuracy;
            let of = note.accuracy_of;
            tell!("{}: {share:.2} % of {of} images recognised", network.id());
        }
        say(self.output.display())?;
        Ok(ExitCode::SUCCESS)
    }

    fn recipe(&self) -> anyhow::Result<FeatureRecipe> {
        let mut recipe = match &self.config {
            None => FeatureRecipe::named(&self.recipe)?,
            Some(path) => {
                let text = fs::read_to_string(path);
                let text = text.with_context(|| format!("cannot read {}", path.display()))?;
                FeatureRecipe::parse(&text, &path.display().to_string())?
            }
        };
        self.data.apply_to(&mut recipe.data)?;
        recipe.iterations = self.iterations.unwrap_or(recipe.iterations);
        Ok(recipe)
    }

    /// What the features are called: by their recipe.
    fn name(&self) -> String {
        let stem = self.config.as_deref().and_then(Path::file_stem);
        stem.map_or_else(
            || self.recipe.clone(),
            |stem| stem.to_string_lossy().into_owned(),
        )
    }
}
