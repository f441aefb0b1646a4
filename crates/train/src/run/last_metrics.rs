//! Read the last metrics of a run from the end of their file.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Serialize;

use super::metrics::shown;
use super::metrics_line::{LoggedMetrics, MetricsLine};

/// Bytes at the end of the file that are read: some hundreds of lines.
const TAIL: u64 = 256 << 10;

/// The last values of what tells how well a run does, each from the last line of `metrics.jsonl` that has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LastMetrics {
    /// Iteration of the last line.
    pub iteration: Option<u64>,
    /// Fréchet distance of an evaluation.
    pub frechet: Option<f64>,
    /// Distance of the samples of a sample grid.
    pub sample_distance: Option<f64>,
    /// Mean energy of data.
    pub e_pos: Option<f64>,
    /// Mean energy of samples.
    pub e_neg: Option<f64>,
    /// What was minimised.
    pub loss: Option<f64>,
}

impl LastMetrics {
    /// The values at the end of a file; none where there is no file, or no whole line.
    ///
    /// # Errors
    /// Where the file is there and cannot be read.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let tail = match tail_of(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            tail => tail?,
        };
        // Neither a line that is being written nor one that says that the run went back has values.
        let lines = tail.split(|byte| *byte == b'\n').rev();
        let values = lines.filter_map(|line| match MetricsLine::of(line) {
            MetricsLine::Metrics(metrics) => Some(Self::of(&metrics)),
            MetricsLine::Rollback(_) | MetricsLine::Damaged => None,
        });
        Ok(values.fold(Self::default(), Self::or))
    }

    /// The values of a line.
    fn of(metrics: &LoggedMetrics) -> Self {
        Self {
            iteration: Some(metrics.iteration),
            frechet: metrics.term("frechet"),
            sample_distance: metrics.term("sample_distance"),
            e_pos: metrics.term("e_pos"),
            e_neg: metrics.term("e_neg"),
            loss: metrics.term("loss"),
        }
    }

    /// For people: the distance of samples from data where the run measures one, else the energies of data
    /// and samples, else the loss; nothing where there is none.
    pub fn summary(&self) -> String {
        let most_telling = [
            vec![("frechet", self.frechet)],
            vec![("sample_distance", self.sample_distance)],
            vec![("e_pos", self.e_pos), ("e_neg", self.e_neg)],
            vec![("loss", self.loss)],
        ];
        let known = |(name, value): (&str, Option<f64>)| Some(shown(name, value?));
        let mut summaries = most_telling.into_iter().map(|terms| {
            let shown: Vec<_> = terms.into_iter().filter_map(known).collect();
            shown.join("  ")
        });
        let first = summaries.find(|summary| !summary.is_empty());
        first.unwrap_or_default()
    }

    /// Its values, and those of earlier lines where it has none.
    fn or(self, earlier: Self) -> Self {
        Self {
            iteration: self.iteration.or(earlier.iteration),
            frechet: self.frechet.or(earlier.frechet),
            sample_distance: self.sample_distance.or(earlier.sample_distance),
            e_pos: self.e_pos.or(earlier.e_pos),
            e_neg: self.e_neg.or(earlier.e_neg),
            loss: self.loss.or(earlier.loss),
        }
    }
}

/// The end of a file, from the beginning of a line.
fn tail_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    if start > 0 {
        let cut = bytes.iter().position(|byte| *byte == b'\n');
        bytes.drain(..cut.unwrap_or(bytes.len()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> LastMetrics {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("metrics.jsonl");
        std::fs::write(&path, text).expect("written");
        LastMetrics::read(&path).expect("read")
    }

    #[test]
    fn a_value_is_that_of_the_last_line_that_has_it() {
        let found = read(concat!(
            "{\"iteration\":1,\"e_pos\":0.5,\"sample_distance\":0.25}\n",
            "{\"iteration\":2,\"e_pos\":0.75,\"e_neg\":1.5,\"frechet\":null}\n",
            "{\"rollback\":{\"attempt\":1,\"from\":3,\"to\":2,\"why\":\"x\"}}\n",
            "{\"iteration\":3,\"e_po",
        ));
        let expected = LastMetrics {
            iteration: Some(2),
            sample_distance: Some(0.25),
            e_pos: Some(0.75),
            e_neg: Some(1.5),
            ..LastMetrics::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_without_lines_and_one_that_is_not_there_tell_nothing() {
        assert_eq!(read(""), LastMetrics::default());
        assert_eq!(read("{\"iteration\":3,\"lo"), LastMetrics::default());
        let nowhere = LastMetrics::read(Path::new("/nowhere/metrics.jsonl"));
        assert_eq!(nowhere.expect("no file"), LastMetrics::default());
    }

    #[test]
    fn of_a_long_file_the_end_alone_is_read() {
        let line = |iteration: u64| format!("{{\"iteration\":{iteration},\"loss\":0.5}}\n");
        let mut text = "{\"iteration\":1,\"frechet\":20.0}\n".to_owned();
        let mut iteration = 1;
        while (text.len() as u64) < TAIL + 1000 {
            iteration += 1;
            text += &line(iteration);
        }
        let found = read(&text);
        assert_eq!((found.iteration, found.loss), (Some(iteration), Some(0.5)));
        assert_eq!(found.frechet, None, "the first line was read");
        // A line that does not end within it is not taken for one.
        let endless = format!("{}{{\"iteration\":1}}", " ".repeat(TAIL as usize));
        assert_eq!(read(&endless), LastMetrics::default());
    }

    #[test]
    fn people_read_the_distance_before_energies_and_energies_before_the_loss() {
        let mut metrics = LastMetrics::default();
        assert_eq!(metrics.summary(), "");
        metrics.loss = Some(0.5);
        assert_eq!(metrics.summary(), "loss 0.500");
        (metrics.e_pos, metrics.e_neg) = (Some(-1.0), Some(0.001));
        assert_eq!(metrics.summary(), "E data -1.000  E samples 1.0e-3");
        metrics.sample_distance = Some(0.02);
        assert_eq!(metrics.summary(), "sample-distance 0.020");
        metrics.frechet = Some(5.25);
        assert_eq!(metrics.summary(), "frechet 5.250");
    }
}
