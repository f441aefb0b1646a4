//! Name what is kept of an evaluation by all that decides it, and keep how long a measure took.

use std::fs;
use std::path::Path;

use ebm_apply::{SampleOptions, Trained};
use ebm_core::DeviceKind;

use super::EvaluateArgs;
use super::evaluation::Evaluation;
use crate::output::write_output;

impl EvaluateArgs {
    /// What tells kept samples apart.
    pub(super) fn samples_name(
        &self,
        fingerprint: &str,
        trained: &Trained,
        processor: &str,
        options: &SampleOptions,
    ) -> String {
        format!(
            "{fingerprint}-{}-{}-{}steps-seed{}-{}",
            self.weights_name(trained),
            self.start().name(),
            options.steps,
            options.seed,
            computed_by(trained, processor)
        )
    }
}

/// What tells kept seconds of recognition apart: not which images they are, as all of one shape take as long.
pub(super) fn recognition_name(
    evaluation: &Evaluation,
    trained: &Trained,
    images: usize,
) -> String {
    let Evaluation {
        fingerprint,
        weights,
        processor,
        ..
    } = evaluation;
    let by = computed_by(trained, processor);
    format!("{fingerprint}-{weights}-recognition-of-{images}-{by}.seconds")
}

/// The program and the processor that compute: readable as far as that is short.
fn computed_by(trained: &Trained, processor: &str) -> String {
    let device = if DeviceKind::is_cpu(trained.device()) {
        "cpu"
    } else {
        "gpu"
    };
    let version = env!("CARGO_PKG_VERSION");
    format!("{device}-{version}-{}", digits_of(processor, &build()))
}

/// Eight digits that differ from processor to processor, and from build to build.
fn digits_of(processor: &str, build: &str) -> String {
    let both = format!("{processor}\n{build}");
    format!("{:08x}", crc32fast::hash(both.as_bytes()))
}

/// What tells builds of one version apart: the size of the program's file, and when it was written.
fn build() -> String {
    let file = std::env::current_exe().and_then(fs::metadata);
    match file.and_then(|file| Ok((file.len(), file.modified()?))) {
        Ok((len, written)) => format!("{len} {written:?}"),
        // What a program has kept whose file is gone is not found again.
        Err(_) => format!("process {}", std::process::id()),
    }
}

/// The seconds in a file, else those that were measured now, which it keeps: the same command gives the same report.
pub(super) fn kept_seconds(file: &Path, measured: f64) -> f64 {
    let kept = fs::read_to_string(file).ok();
    if let Some(seconds) = kept.and_then(|text| text.trim().parse().ok()) {
        return seconds;
    }
    if let Err(problem) = keep(file, measured) {
        tracing::warn!("the next report will have other seconds: {problem:#}");
    }
    measured
}

fn keep(file: &Path, seconds: f64) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    write_output(file, format!("{seconds}\n").as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_processor_or_another_build_has_computed_has_another_name() {
        let own = digits_of("cpu on this", "1 then");
        assert_eq!(own, digits_of("cpu on this", "1 then"));
        assert_eq!(own.len(), 8);
        assert_ne!(own, digits_of("cpu on that", "1 then"));
        assert_ne!(own, digits_of("cpu on this", "1 now"));
        assert_eq!(build(), build());
    }

    #[test]
    fn seconds_are_those_that_were_measured_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("evaluation/some.seconds");
        let measured = 0.1 + 0.2;
        assert_eq!(kept_seconds(&file, measured), measured);
        assert_eq!(kept_seconds(&file, 7.0), measured);
        fs::write(&file, "no number").expect("written");
        assert_eq!(kept_seconds(&file, 7.0), 7.0);
        assert_eq!(kept_seconds(&file, 8.0), 7.0);
    }
}
