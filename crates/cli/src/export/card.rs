//! Write a model card: what a model is, how good it was measured to be, and how to use it.

use ebm_apply::{Trained, Weights};
use ebm_data::DatasetKind;
use ebm_langevin::Ladder;
use ebm_train::parameters::{self, ParameterSpec};
use ebm_train::{Config, NetworkName};

use super::classifier;
use super::folder::PICTURE;
use super::history::Metric;
use super::recipe::unusual_keys;
use super::results::Finding;

/// Classes that are named.
const SHOWN_CLASSES: usize = 20;

/// What is on a card.
pub(super) struct Card<'a> {
    pub(super) trained: &'a Trained,
    /// Which of its weights.
    pub(super) weights: Weights,
    /// The iteration of the picture of samples, where there is one.
    pub(super) picture: Option<u64>,
    pub(super) metrics: Vec<Metric>,
    pub(super) findings: Vec<Finding>,
}

impl Card<'_> {
    pub(super) fn to_markdown(&self) -> String {
        let sections = [
            front_matter(self.data(), self.is_classifier()),
            self.heading(),
            self.picture().unwrap_or_default(),
            self.facts(),
            self.usage(),
            self.recipe(),
            self.measured(),
            self.limitations().to_owned(),
        ];
        let sections = sections.iter().filter(|section| !section.is_empty());
        let sections: Vec<&str> = sections.map(String::as_str).collect();
        sections.join("\n\n") + "\n"
    }

    fn config(&self) -> &Config {
        self.trained.config()
    }

    fn data(&self) -> DatasetKind {
        self.config().data.dataset
    }

    fn is_classifier(&self) -> bool {
        classifier::is_classifier(self.trained)
    }

    fn limitations(&self) -> &'static str {
        match self.is_classifier() {
            true => classifier::LIMITATIONS,
            false => LIMITATIONS,
        }
    }

    fn heading(&self) -> String {
        if self.is_classifier() {
            return classifier::heading(self.trained, in_words(self.data()));
        }
        let (config, shape) = (self.config(), self.trained.shape());
        let energy = match self.trained.num_classes() {
            _ if self.trained.has_latents() => {
                "E(x) = min E(x, z) over latent vectors z, of an image x"
            }
            0 => "E(x) of an image x",
            _ => "E(x, y) of an image x given its class y",
        };
        let what = match config.model.network {
            NetworkName::Latent => "images are generated from latent vectors that",
            NetworkName::LatentFree => "images and their latent vectors",
            _ => "images",
        };
        let steps = config.output.sample_steps;
        let steps = match config.objective.ladder().as_ref().map(Ladder::num_levels) {
            Some(levels) => format!("{steps} steps at each of {levels} noise levels"),
            None => format!("{steps} steps of `{}`", config.langevin.method),
        };
        format!(
            "# Energy-based model of {}\n\n\
             An energy {energy} of {shape} (channels × height × width): the lower it is, the likelier the image. New \
             {what} come down from noise by {steps}. Trained with `ebm`, and exported by version {} of it.",
            in_words(self.data()),
            env!("CARGO_PKG_VERSION"),
        )
    }

    fn picture(&self) -> Option<String> {
        let iteration = self.picture?;
        Some(format!(
            "![Samples beside data]({PICTURE})\n\n\
             *Left: images drawn from noise after {iteration} iterations. Right: images of the data.*"
        ))
    }

    fn facts(&self) -> String {
        let (trained, config) = (self.trained, self.config());
        let data = &trained.state().data;
        let images = data.identity.map_or_else(String::new, |identity| {
            format!(", {} training images", identity.num)
        });
        let specs = parameters::specs(&trained.state().model);
        let parameters: usize = specs.iter().map(ParameterSpec::len).sum();
        let weights = match self.weights {
            Weights::Average if config.ema_decay > 0.0 => {
                "their moving average over the iterations"
            }
            Weights::Average | Weights::Last => "those of the last iteration",
        };
        let mut rows = vec![
            row("data", format!("{}{images}", in_words(self.data()))),
            row(
                "network",
                format!(
                    "`{}`, {parameters} parameters",
                    network(config.model.network)
                ),
            ),
            row("objective", format!("`{}`", config.objective.kind)),
            row("iterations", trained.state().iteration.to_string()),
            row("weights", weights.to_owned()),
        ];
        if trained.num_classes() > 0 {
            rows.insert(1, row("classes", some(trained.class_names())));
        }
        table(["", ""], rows)
    }

    /// Command lines that use the model as it is.
    fn uses(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.is_classifier() {
            lines.push("ebm classify DIR picture.png");
        } else {
            lines.push("ebm sample DIR --output drawn.png");
            if self.trained.num_classes() > 0 {
                lines.push("ebm sample DIR --class all --output classes.png");
            }
            if self.trained.is_denoiser() {
                lines.push("ebm denoise picture.png --model DIR --output clean.png");
            }
            if self.trained.has_latents() {
                lines.push("ebm infer DIR picture.png");
            }
            if self.config().model.network == NetworkName::Experts {
                lines.push("ebm filters DIR --output filters.png");
            }
            lines.push("ebm energy DIR picture.png");
        }
        lines.into_iter().map(str::to_owned).collect()
    }

    /// What they do, and those that train, where there are any.
    fn does(&self, trains: bool) -> String {
        let trained = "and goes on with the training, on the same data";
        match (self.is_classifier(), trains) {
            (true, false) => classifier::DOES.to_owned(),
            (true, true) => format!("{}, {trained}", classifier::DOES),
            (false, false) => "draws new images and prints the energy of a picture".to_owned(),
            (false, true) => {
                format!("draws new images, prints the energy of a picture, {trained}")
            }
        }
    }

    /// Command lines, in which `DIR` is where the files are.
    fn usage(&self) -> String {
        let (trained, config) = (self.trained, self.config());
        let mut lines = self.uses();
        let iterations = trained.state().iteration + config.iterations as u64;
        let import = |to: &str, of_data: &str| {
            format!("ebm import DIR --output {to}{of_data} --set iterations={iterations}")
        };
        let data_dir = match config.data.dataset {
            dataset if dataset.is_told_by_dir() => None, // whose images nobody else has
            dataset if dataset.is_drawn() => Some(""),
            _ => Some(" --data-dir DATA"),
        };
        let does = self.does(data_dir.is_some());
        if let Some(data_dir) = data_dir {
            lines.push(import("imported", ""));
            lines.push(format!("ebm train --run-dir imported{data_dir}"));
        }
        let tuned = [
            import("tuned", " --dataset folder --data-dir PICTURES"),
            "ebm train --run-dir tuned".to_owned(),
        ];
        let classes = match trained.num_classes() {
            0 => "",
            _ => ", with a folder in it for each of the classes above, of its name",
        };
        let posterior = classifier::posterior(trained);
        format!(
            "## Use\n\nWith `ebm` installed, and these files in a folder `DIR`:\n\n```sh\n{}\n```\n\n\
             {does}. On pictures of your own, in a folder `PICTURES`{classes},\n\n```sh\n{}\n```\n\n\
             goes on instead. Other programs find the tensors of `model.safetensors` in PyTorch's layouts, and the \
             network under `architecture` in `config.json`.{}",
            lines.join("\n"),
            tuned.join("\n"),
            posterior.map_or_else(String::new, |said| format!("\n\n{said}")),
        )
    }

    fn recipe(&self) -> String {
        format!(
            "## Recipe\n\nThe keys that differ from the defaults; `config.json` has all of them, and \
             `ebm config --describe` says what they mean.\n\n```toml\n{}\n```",
            unusual_keys(self.trained.run_config()).trim_end()
        )
    }

    /// What is known of how good it is; nothing where nobody has measured anything.
    fn measured(&self) -> String {
        let mut parts = Vec::new();
        if !self.metrics.is_empty() {
            let rows = self.metrics.iter().map(|metric| {
                [
                    format!("`{}`", metric.name),
                    metric.meaning.to_owned(),
                    shown(metric.value),
                    metric.iteration.to_string(),
                ]
            });
            let header = ["last metrics", "meaning", "value", "iteration"];
            parts.push(table(header, rows));
        }
        if !self.findings.is_empty() {
            let rows = self.findings.iter().map(|finding| {
                let Finding { what, value, how } = finding.clone();
                [what, value, how]
            });
            parts.push(table(["`ebm evaluate`", "value", "measured on"], rows));
        }
        if parts.is_empty() {
            return String::new();
        }
        format!("## Measured\n\n{}", parts.join("\n\n"))
    }
}

const LIMITATIONS: &str = "## Limitations\n\n\
    Energies compare images that are like the training data: they are no probabilities, and images of other kinds may \
    have low ones, too. Samples come from a limited number of steps: some are unlike the data, some kinds of images may \
    be missing, and nothing has been filtered.";

/// What the Hub reads of a card, as YAML.
fn front_matter(data: DatasetKind, is_classifier: bool) -> String {
    let (pipeline, tags) = match is_classifier {
        true => ("image-classification", "- image-classification"),
        false => (
            "unconditional-image-generation",
            "- langevin-dynamics\n- image-generation",
        ),
    };
    let datasets = match on_hub(data) {
        Some(name) => format!("datasets:\n- {name}"),
        None => format!("datasets: [] # {}", in_words(data)),
    };
    format!(
        "---\nlibrary_name: ebm\npipeline_tag: {pipeline}\ntags:\n- energy-based-model\n\
         {tags}\n{datasets}\n# The license is yours to choose, for example:\n\
         # license: mit\n---"
    )
}

/// The data set on the Hub, where it is there.
fn on_hub(data: DatasetKind) -> Option<&'static str> {
    match data {
        DatasetKind::Mnist => Some("ylecun/mnist"),
        DatasetKind::FashionMnist => Some("zalando-datasets/fashion_mnist"),
        DatasetKind::Cifar10 => Some("uoft-cs/cifar10"),
        DatasetKind::Cifar100 => Some("uoft-cs/cifar100"),
        _ => None,
    }
}

fn in_words(data: DatasetKind) -> &'static str {
    match data {
        DatasetKind::Digits => "digits that ebm draws",
        DatasetKind::Shapes => "shapes that ebm draws",
        DatasetKind::Mnist => "MNIST",
        DatasetKind::FashionMnist => "Fashion-MNIST",
        DatasetKind::Qmnist => "QMNIST",
        DatasetKind::EmnistBalanced => "EMNIST Balanced",
        DatasetKind::EmnistByclass => "EMNIST ByClass",
        DatasetKind::EmnistBymerge => "EMNIST ByMerge",
        DatasetKind::EmnistDigits => "EMNIST Digits",
        DatasetKind::EmnistLetters => "EMNIST Letters",
        DatasetKind::EmnistMnist => "EMNIST MNIST",
        DatasetKind::Cifar10 => "CIFAR-10",
        DatasetKind::Cifar100 => "CIFAR-100",
        DatasetKind::Folder => "a folder of pictures",
        DatasetKind::Arrays => "NumPy arrays of images",
    }
}

/// The name of an architecture in a configuration.
fn network(name: NetworkName) -> String {
    let name = serde_json::to_value(name).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

fn some(names: &[String]) -> String {
    let shown = names[..names.len().min(SHOWN_CLASSES)].join(", ");
    match names.len().saturating_sub(SHOWN_CLASSES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A number in few digits, whatever its size.
fn shown(value: f64) -> String {
    if value == 0.0 || (1e-3..1e5).contains(&value.abs()) {
        format!("{value:.4}")
    } else {
        format!("{value:.2e}")
    }
}

fn row(name: &str, value: String) -> [String; 2] {
    [name.to_owned(), value]
}

/// A table of Markdown.
fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| {
        let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        format!("| {} |", cells.join(" | "))
    };
    let mut lines = vec![
        line(header.map(str::to_owned)),
        format!("|{}", " --- |".repeat(N)),
    ];
    lines.extend(rows.into_iter().map(line));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_row_and_no_cell_breaks_it() {
        let rows = [["a|b".to_owned(), "1\n2".to_owned()]];
        let expected = "| x | y |\n| --- | --- |\n| a\\|b | 1 2 |";
        assert_eq!(table(["x", "y"], rows), expected);
    }

    #[test]
    fn numbers_are_short_whatever_their_size() {
        let numbers = [0.0, 0.25, -12.34567, 1e-6, -2.5e7].map(shown);
        assert_eq!(
            numbers,
            ["0.0000", "0.2500", "-12.3457", "1.00e-6", "-2.50e7"]
        );
    }

    #[test]
    fn many_classes_are_counted_and_not_all_named() {
        let names = |count: usize| (0..count).map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(some(&names(3)), "0, 1, 2");
        assert!(some(&names(100)).ends_with("18, 19 and 80 more"));
    }

    #[test]
    fn data_that_are_on_the_hub_are_named_as_there_and_others_in_a_comment() {
        let mnist = front_matter(DatasetKind::Mnist, false);
        assert!(mnist.contains("\ndatasets:\n- ylecun/mnist\n"), "{mnist}");
        let folder = front_matter(DatasetKind::Folder, true);
        assert!(folder.contains("\ndatasets: [] # a folder"), "{folder}");
        for text in [mnist, folder] {
            assert!(
                text.starts_with("---\n") && text.ends_with("\n---"),
                "{text}"
            );
        }
    }
}
