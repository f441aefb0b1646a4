//! Look at a data set.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueHint};
use ebm_data::Images;

use crate::args::{ConfigArgs, positive};
use crate::dataset;
use crate::output::{check_output, columns_for, save_grid, say, scale_for, shows_classes};

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

/// Draw images of a data set, a row for each class
#[derive(Args, Debug)]
struct PreviewArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Seed of a data set that is drawn by code
    #[arg(long)]
    seed: Option<u64>,

    /// Images to draw
    #[arg(long, default_value_t = 100, value_parser = positive)]
    num: usize,

    /// The picture to write
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
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
        let seed = self.seed.map(|seed| format!("seed={seed}"));
        let config = self.config.resolve(seed.into_iter().collect())?;
        let data = dataset::load(&config.data, config.seed, quiet)?;
        let images = &data.train;
        let num = self.num.min(images.len());
        let (indices, columns, order) = examples(images, num);
        let pixels = images.gather(&indices);
        let scale = scale_for(images.shape.width);
        save_grid(&self.output, &pixels, images.shape.dims(), columns, scale)?;
        say(format_args!(
            "{}: {}; {order} in {}",
            config.data.dataset,
            dataset::summary(&data),
            self.output.display()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Which images are shown, in how many columns, and in what order: a row for each class where there are few
/// of them, else images from the whole set.
fn examples(images: &Images, num: usize) -> (Vec<usize>, usize, String) {
    let classes = images.class_names.len();
    if !shows_classes(classes) {
        let order = format!("{num} of them are");
        return (images.spread(num), columns_for(num), order);
    }
    let columns = num.div_ceil(classes);
    let labels: Vec<u32> = (0..classes as u32)
        .flat_map(|class| vec![class; columns])
        .collect();
    let names = images.class_names.join(", ");
    let order = format!("a row of each class ({names}) is");
    (images.of_classes(&labels), columns, order)
}
