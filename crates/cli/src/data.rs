//! Look at a data set.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::args::ConfigArgs;
use crate::dataset;
use crate::output::{check_output, columns_for, save_grid, say, scale_for};

/// Look at data sets
#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    Preview(PreviewArgs),
}

/// Draw the first images of a data set
#[derive(Args, Debug)]
struct PreviewArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Seed of a data set that is drawn by code
    #[arg(long)]
    seed: Option<u64>,

    /// Images to draw
    #[arg(long, default_value_t = 100)]
    num: usize,

    /// The picture to write
    #[arg(long, value_name = "FILE.png")]
    output: PathBuf,
}

impl DataArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        let DataCommand::Preview(args) = &self.command;
        args.run(quiet)
    }
}

impl PreviewArgs {
    fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        check_output("--output", &self.output, &["png"])?;
        if self.num == 0 {
            bail!("--num must be at least 1");
        }
        let seed = self.seed.map(|seed| format!("seed={seed}"));
        let config = self.config.resolve(seed.into_iter().collect())?;
        let data = dataset::load(&config.data, config.seed, quiet)?;
        let images = &data.train;
        let num = self.num.min(images.len());
        let pixels = &images.pixels[..num * images.shape.pixels()];
        let (columns, scale) = (columns_for(num), scale_for(images.shape.width));
        save_grid(&self.output, pixels, images.shape.dims(), columns, scale)?;
        let test = data.test.as_ref().map_or(0, |test| test.len());
        say(format_args!(
            "{}: {} training and {test} test images of {}, {} classes; the first {num} are in {}",
            config.data.dataset,
            images.len(),
            images.shape,
            images.class_names.len().max(1),
            self.output.display()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
