//! Rank pictures by how unusual they are, and say which are too unusual.

mod found;
mod listing;
mod usual;

use std::borrow::Cow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueEnum, ValueHint};
use ebm_apply::evaluate::{Score, Scores};

use crate::args::positive;
use crate::charts::{CHART_EXTENSIONS, Histograms, save_chart};
use crate::counted::counted;
use crate::output::{
    check_different, check_not_inputs, check_output, columns_for, save_grid, say, scale_for,
};
use crate::pictures::listed;
use crate::trained::{TrainedArgs, class};
use found::Found;
use listing::Listing;
use usual::Usual;

/// Rank pictures by how unusual they are under a model
///
/// Scores are energies, or what else --by names: the higher, the more unusual. They compare with those of other
/// pictures under the same model, and with nothing else. With --threshold or --false-alarms the exit code is 3 where a
/// picture is unusual.
#[derive(Args, Debug)]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Pictures, cropped and resized as in training; folders of them; contact sheets; or arrays of u8 [n, h, w, c]
    #[arg(value_name = "PICTURE|FOLDER|FILE.npy", required = true, value_hint = ValueHint::AnyPath)]
    inputs: Vec<PathBuf>,

    /// What is unusual
    #[arg(long, value_enum, value_name = "SCORE", default_value_t = By::Energy)]
    by: By,

    /// The most unusual pictures to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = positive)]
    top: usize,

    /// The class that is given, by name or number [default: none is, E(x) = −log Σ exp(−E(x, y))]
    #[arg(long)]
    class: Option<String>,

    /// Pictures above this score are unusual
    #[arg(long, value_name = "SCORE", conflicts_with = "false_alarms", allow_negative_numbers = true, value_parser = number)]
    threshold: Option<f64>,

    /// The share of usual pictures that may be called unusual, such as 0.01: the threshold is the score above which no
    /// more of the run's own test images are
    #[arg(long, value_name = "SHARE", value_parser = share)]
    false_alarms: Option<f64>,

    /// Folder with the data set's files, where they are not in the run's own data.dir any more
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,

    /// The most unusual pictures as the model sees them, in rows
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// How many pictures have which score, beside the run's own test images; beside its training images where it has no
    /// others
    #[arg(long, value_name = "FILE.svg|FILE.png", value_hint = ValueHint::FilePath)]
    histogram: Option<PathBuf>,

    /// Print a JSON object a picture, all of them, the most unusual first: rank, score, picture, unusual
    #[arg(long)]
    json: bool,
}

/// What is unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// A high energy
    Energy,
    /// An energy far from the mean of the run's own training images: a picture may be too likely, too
    FromMean,
    /// A long gradient of the energy: a picture that the model would change at once
    Gradient,
}

impl By {
    /// What a score is.
    fn unit(self) -> &'static str {
        Score::from(self).words()
    }
}

impl From<By> for Score {
    fn from(by: By) -> Self {
        match by {
            By::Energy => Self::Energy,
            By::FromMean => Self::FromMean,
            By::Gradient => Self::GradientNorm,
        }
    }
}

fn number(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("must be a number".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("must be a number between 0 and 1, such as 0.01".to_owned()),
    }
}

/// The exit code where a picture is unusual.
const UNUSUAL: u8 = 3;

impl ScoreArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        let files = listed(&self.inputs)?;
        self.check(&files)?;
        let (trained, _) = self.trained.open(quiet)?;
        let class = match &self.class {
            Some(name) => Some(class(&trained, "--class", name)?),
            None => None,
        };
        let found = Found::read(&files, trained.shape(), quiet)?;
        let model = trained.energy(self.trained.weights());
        let (shape, device) = (trained.shape(), trained.device());
        let score = |bytes: &[u8], name: &str| {
            Scores::under_class(&model, class, bytes, shape, device, name)
        };
        let usual = usual::usual(self, &trained, &score, quiet)?;
        let threshold = usual::threshold(self, &usual)?;
        let scores = found.scored(&score, quiet)?;
        let mean = usual.mean_energy_of_training;
        let listing = Listing::new(&found, scores.values(self.by.into(), mean));
        self.write(&listing, &usual, trained.shape().dims())?;
        let unusual = listing.say(self.top, threshold, self.json)?;
        if let Some(threshold) = threshold.filter(|_| !quiet) {
            let of_all = counted(found.len(), "picture", "pictures");
            tell!("{unusual} of {of_all} above {}", usual::in_words(threshold));
        }
        if found.failed > 0 {
            let failed = counted(found.failed, "picture", "pictures");
            bail!("{failed} could not be read, as said above");
        }
        Ok(if unusual > 0 {
            ExitCode::from(UNUSUAL)
        } else {
            ExitCode::SUCCESS
        })
    }

    /// Refuse an output that cannot be written, or that is a picture of `files`, before they are scored.
    fn check(&self, files: &[PathBuf]) -> anyhow::Result<()> {
        if let Some(path) = &self.output {
            check_output("--output", path, &["png"])?;
            check_not_inputs("--output", path, files)?;
        }
        if let Some(path) = &self.histogram {
            check_output("--histogram", path, &CHART_EXTENSIONS)?;
            check_not_inputs("--histogram", path, files)?;
        }
        check_different(&[
            ("--output", self.output.as_deref()),
            ("--histogram", self.histogram.as_deref()),
        ])?;
        Ok(())
    }

    fn write(&self, listing: &Listing<'_>, usual: &Usual, shape: [usize; 3]) -> anyhow::Result<()> {
        if let Some(path) = &self.output {
            let images = listing.images(self.top);
            let num = images.len() / shape.iter().product::<usize>();
            save_grid(path, &images, shape, columns_for(num), scale_for(shape[2]))?;
        }
        if let Some(path) = &self.histogram {
            let (name, own) = match &usual.compared {
                Some(compared) => (compared.name, compared.scores.as_slice()),
                None => ("no images", Default::default()),
            };
            let scores = listing.scores();
            let caption = format!("scores (red), {name} (grey)");
            let chart = Histograms {
                values: self.by.unit(),
                counted: "share of pictures",
                data: Cow::Borrowed(own),
                others: vec![(caption.as_str(), Cow::Borrowed(scores.as_slice()))],
            };
            save_chart(path, &chart)?;
        }
        for path in [&self.output, &self.histogram].into_iter().flatten() {
            // With --json stdout has a line a picture and nothing else.
            if self.json {
                tell!("{}", path.display());
            } else {
                say(path.display())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_lies_between_none_and_all_and_a_threshold_is_a_number() {
        assert_eq!((share("0.01"), number("-3.5")), (Ok(0.01), Ok(-3.5)));
        for text in ["0", "1", "-0.1", "NaN", "few"] {
            assert!(share(text).is_err(), "{text}");
        }
        for text in ["NaN", "inf", "high"] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
