//! Write what a run tells as events.

use std::path::Path;

use ebm_train::checkpoint::step_at;
use ebm_train::{Config, Observer, ObserverError, Rollback, Samples, StepReport};

use super::file::EventFile;
use super::folder::EventFolder;
use super::messages::Value;
use super::tags::tag_of;
use crate::output::{WriteError, picture_of};
use crate::progress::went_back;

/// Writes metrics as scalars, samples as pictures, and the configuration, checkpoints and rollbacks as texts.
#[derive(Debug)]
pub(crate) struct TensorBoard {
    folder: EventFolder,
    file: EventFile,
    /// The configuration, in Markdown.
    configuration: String,
    rollbacks: Vec<Rollback>,
    /// Seconds that earlier processes have trained.
    elapsed_before: f64,
    /// Iterations done.
    iteration: u64,
}

impl TensorBoard {
    /// Begin a file for a run that goes on after `step` iterations, and has gone back before, where it has.
    ///
    /// # Errors
    /// Where the folder or a file in it cannot be written.
    pub(crate) fn begin(
        folder: EventFolder,
        config: &Config,
        step: u64,
        rollbacks: &[Rollback],
        elapsed_before: f64,
    ) -> Result<Self, WriteError> {
        let mut events = Self {
            file: folder.begin(step)?,
            folder,
            configuration: format!("```toml\n{}\n```", config.to_toml().trim_end()),
            rollbacks: rollbacks.to_vec(),
            elapsed_before,
            iteration: step,
        };
        events.introduce()?;
        Ok(events)
    }

    /// Write what every file begins with, so that it stays when the run goes back: the configuration, and the times
    /// that the run has gone back so far.
    fn introduce(&mut self) -> Result<(), WriteError> {
        let mut texts = vec![Value::text("configuration", self.configuration.clone())];
        if !self.rollbacks.is_empty() {
            let lines = self.rollbacks.iter().map(went_back);
            let list: Vec<String> = lines.map(|line| format!("- {line}")).collect();
            texts.push(Value::text("rollbacks", list.join("\n")));
        }
        self.file.append(self.iteration, texts)
    }
}

impl Observer for TensorBoard {
    fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
        self.iteration = report.iteration;
        let Some(metrics) = report.metrics else {
            return Ok(());
        };
        let metrics = metrics.after(self.elapsed_before);
        let values = metrics.values();
        let scalars = values.map(|(name, value)| Value::scalar(tag_of(name), value as f32));
        Ok(self.file.append(metrics.iteration, scalars.collect())?)
    }

    fn on_samples(&mut self, drawn: &Samples) -> Result<(), ObserverError> {
        let picture = Value::image("samples", picture_of(drawn)?);
        Ok(self.file.append(drawn.iteration, vec![picture])?)
    }

    fn on_checkpoint(&mut self, path: &Path) -> Result<(), ObserverError> {
        // Of a run that goes back it is an earlier one.
        let step = step_at(path).unwrap_or(self.iteration);
        let text = Value::text("checkpoints", format!("`{}`", path.display()));
        Ok(self.file.append(step, vec![text])?)
    }

    fn on_rollback(&mut self, rollback: &Rollback) -> Result<(), ObserverError> {
        self.rollbacks.push(rollback.clone());
        self.iteration = rollback.to;
        self.file = self.folder.begin(self.iteration)?;
        Ok(self.introduce()?)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;
    use std::path::PathBuf;

    use ebm_core::ImageShape;
    use ebm_train::{Metrics, Speed};

    use super::*;
    use crate::tensorboard::events::{Content, Event, What, events, files, shown};

    /// A run directory, and the events of a run there that goes on after `step` iterations.
    fn run_after(step: u64, dir: &Path) -> TensorBoard {
        let folder = EventFolder::checked(&dir.join("tensorboard"), dir).expect("its own");
        TensorBoard::begin(folder, &Config::default(), step, &[], 1000.0).expect("written")
    }

    fn log(events: &mut TensorBoard, iteration: u64, loss: f64) {
        let metrics = Metrics {
            iteration,
            terms: vec![("e_pos", -0.5), ("loss", loss)],
            frechet_by: None,
            speed: Speed {
                elapsed_s: 2.0,
                evaluation_s: Some(0.25),
                ..Speed::default()
            },
        };
        let report = StepReport {
            iteration,
            total: 9,
            metrics: Some(&metrics),
        };
        events.on_step(&report).expect("written");
    }

    /// The points that TensorBoard shows of a series.
    fn points(dir: &Path, tag: &str) -> Vec<(u64, Content)> {
        let mut points = shown(&dir.join("tensorboard"));
        points.retain(|point| point.0 == tag);
        points
            .into_iter()
            .map(|(_, step, content)| (step, content))
            .collect()
    }

    fn scalar(value: f32) -> Content {
        Content::Scalar(value)
    }

    fn text(text: &str) -> Content {
        Content::Text("text".to_owned(), text.to_owned())
    }

    #[test]
    fn a_line_of_metrics_is_one_event_of_scalars_with_the_time_of_the_whole_run() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut run = run_after(0, dir.path());
        log(&mut run, 3, 0.1);
        let files = files(&dir.path().join("tensorboard"));
        let mut found: Vec<Event> = files.iter().flat_map(|file| events(file)).collect();
        let last = found.pop().expect("events");
        let since_2020 = 1_577_836_800.0;
        assert!(found.iter().all(|event| event.wall_time > since_2020));
        let expected = [
            ("energy/e_pos", -0.5),
            ("loss", 0.1),
            ("speed/image_steps_per_s", 0.0),
            ("speed/s_per_iteration", 0.0),
            ("speed/elapsed_s", 1002.0),
            ("speed/eta_s", 0.0),
            ("speed/evaluation_s", 0.25),
        ];
        let expected = expected.map(|(tag, value)| (tag.to_owned(), scalar(value)));
        let values = What::Values(expected.to_vec());
        assert_eq!((last.step, last.what), (3, values));
        let head = [
            What::Version("brain.Event:2".to_owned()),
            What::Start("run ./..".to_owned()),
        ];
        let found: Vec<_> = found
            .into_iter()
            .map(|event| (event.step, event.what))
            .collect();
        assert_eq!(
            found[..2],
            [0_u64, 1].map(|step| (step, head[step as usize].clone()))
        );
        let configuration = Config::default().to_toml();
        let configuration = format!("```toml\n{}\n```", configuration.trim_end());
        let expected = [(0, text(&configuration))];
        assert_eq!(points(dir.path(), "configuration"), expected);
    }

    #[test]
    fn an_iteration_without_metrics_is_no_event_and_no_value_is_masked() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut run = run_after(0, dir.path());
        for (iteration, loss) in [(1, f64::INFINITY), (2, f64::NAN)] {
            log(&mut run, iteration, loss);
        }
        let report = StepReport {
            iteration: 3,
            total: 9,
            metrics: None,
        };
        run.on_step(&report).expect("written");
        let found = points(dir.path(), "loss");
        assert_eq!(found[0], (1, scalar(f32::INFINITY)));
        assert!(matches!(found[1], (2, Content::Scalar(value)) if value.is_nan()));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn samples_are_the_picture_of_the_run_directory() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut run = run_after(0, dir.path());
        let drawn = Samples {
            iteration: 5,
            samples: vec![1; 24],
            data: vec![9; 24],
            shape: ImageShape::new(3, 2, 2),
            num_classes: 0,
            path: PathBuf::new(),
        };
        run.on_samples(&drawn).expect("written");
        // Two of 2 pixels, a line of 2, a gap of 8, the same again; each pixel as 28.
        let expected = Content::Picture {
            height: 2 * 28,
            width: 20 * 28,
            channels: 3,
            png: picture_of(&drawn).expect("drawn").png,
        };
        assert_eq!(points(dir.path(), "samples"), [(5, expected)]);
    }

    #[test]
    fn a_run_that_goes_on_makes_void_what_lies_beyond_and_keeps_the_rest() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut killed = run_after(0, dir.path());
        for iteration in 1..=4 {
            log(&mut killed, iteration, 1.0);
            if iteration == 2 {
                let path = Path::new("run/checkpoints/step_000002");
                killed.on_checkpoint(path).expect("written");
            }
        }
        drop(killed);
        let mut run = run_after(2, dir.path());
        log(&mut run, 4, 2.0);
        let expected = [(1, scalar(1.0)), (2, scalar(1.0)), (4, scalar(2.0))];
        assert_eq!(points(dir.path(), "loss"), expected);
        // Readers that know no start find no more in the files themselves.
        let files = files(&dir.path().join("tensorboard"));
        let of_file = |file: &PathBuf| -> Vec<u64> {
            let events = events(file);
            events.iter().map(|event| event.step).collect()
        };
        let steps: Vec<Vec<u64>> = files.iter().map(of_file).collect();
        assert_eq!(steps, [vec![0, 1, 0, 1, 2, 2], vec![0, 3, 2, 4]]);
    }

    #[test]
    fn a_run_that_goes_back_says_why_as_long_as_it_lasts() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut run = run_after(0, dir.path());
        let went_back = |attempt, from, to| Rollback {
            attempt,
            from,
            to,
            why: "a reason".to_owned(),
        };
        let mut say = |attempt: u32, iterations: RangeInclusive<u64>, to: u64| {
            let from = *iterations.end();
            for iteration in iterations {
                log(&mut run, iteration, f64::from(attempt));
            }
            let path = format!("run/checkpoints/step_{to:06}");
            run.on_checkpoint(Path::new(&path)).expect("written");
            run.on_rollback(&went_back(attempt, from, to))
                .expect("written");
        };
        say(1, 1..=4, 3);
        say(2, 4..=5, 1);
        log(&mut run, 2, 3.0);
        let expected = [(1, scalar(1.0)), (2, scalar(3.0))];
        assert_eq!(points(dir.path(), "loss"), expected);
        let line = |attempt, from, to| {
            format!(
                "- iteration {from}: a reason; going on from iteration {to} with other random numbers, attempt {attempt}"
            )
        };
        let both = [line(1, 4, 3), line(2, 5, 1)].join("\n");
        assert_eq!(points(dir.path(), "rollbacks"), [(1, text(&both))]);
        let configurations = points(dir.path(), "configuration");
        let steps: Vec<u64> = configurations.iter().map(|point| point.0).collect();
        assert_eq!(steps, [0, 1]);
    }

    #[test]
    fn a_checkpoint_stands_at_its_own_iteration() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut run = run_after(0, dir.path());
        log(&mut run, 7, 0.5);
        let path = Path::new("a run/checkpoints/step_000004");
        run.on_checkpoint(path).expect("written");
        let expected = [(4, text("`a run/checkpoints/step_000004`"))];
        assert_eq!(points(dir.path(), "checkpoints"), expected);
    }
}
