//! Hold measurements of several files against each other.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::figures::{Figures, Line, Work};
use crate::names::distinct_names;
use crate::output::Table;

/// Measurements, with the files that they are from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    /// Names of the files; none for measurements that were just made.
    files: Vec<String>,
    pub(super) measured: Vec<Measured>,
}

/// A measurement among others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    /// Index of its file.
    file: usize,
    pub(super) figures: Figures,
    /// By what it is told from the other variants of its file.
    variant: String,
}

impl Comparison {
    /// Measurements that were just made.
    pub(super) fn of(figures: Vec<Figures>) -> Self {
        Self::named(Vec::new(), vec![figures])
    }

    /// The measurements of some files, with a warning for each line that is none.
    ///
    /// # Errors
    /// Where a file cannot be read, or has no measurement.
    pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let files = paths.iter().map(|path| read_file(path));
        let files = files.collect::<anyhow::Result<_>>()?;
        Ok(Self::named(distinct_names(paths), files))
    }

    fn named(names: Vec<String>, files: Vec<Vec<Figures>>) -> Self {
        let files = files.into_iter().enumerate();
        let measured = files.flat_map(|(file, all)| {
            let variants: Vec<_> = all.iter().map(|one| variant_among(one, &all)).collect();
            let pairs = all.into_iter().zip(variants);
            pairs.map(move |(figures, variant)| Measured {
                file,
                figures,
                variant,
            })
        });
        Self {
            measured: measured.collect(),
            files: names,
        }
    }

    /// What was measured, each with its measurements: the first file's first.
    pub(super) fn works(&self) -> Vec<(&Work, Vec<&Measured>)> {
        let mut works: Vec<(&Work, Vec<&Measured>)> = Vec::new();
        for one in &self.measured {
            match works
                .iter_mut()
                .find(|(work, _)| *work == &one.figures.work)
            {
                Some((_, all)) => all.push(one),
                None => works.push((&one.figures.work, vec![one])),
            }
        }
        works
    }

    /// A measurement's variant, and its file where there are several.
    pub(super) fn name_of(&self, one: &Measured) -> String {
        match self.files.get(one.file) {
            Some(file) if self.files.len() > 1 => format!("{file}: {}", one.variant),
            _ => one.variant.clone(),
        }
    }

    /// A table for people.
    pub(super) fn table(&self) -> String {
        let mut table = Table::with_header([
            "workload",
            "task",
            "file",
            "variant",
            "batch",
            "steps",
            "image-steps/s",
            "(spread)",
            "ratio",
            "to",
        ]);
        for (work, all) in self.works() {
            for one in &all {
                table.row(self.row(work, one, base_of(one, &all)));
            }
        }
        table.render(4)
    }

    fn row(&self, work: &Work, one: &Measured, base: Option<&Measured>) -> [String; 10] {
        let unknown = || "–".to_owned();
        let count = |count: Option<u64>| count.map_or_else(unknown, |count| count.to_string());
        let spread = one.figures.spread();
        let spread = spread.map(|(lowest, highest)| format!("{lowest:.0}–{highest:.0}"));
        let ratio = base.map(|base| format!("{:.2}", one.figures.median / base.figures.median));
        [
            work.workload.clone(),
            work.task.clone(),
            self.files.get(one.file).cloned().unwrap_or_default(),
            one.variant.clone(),
            count(work.batch),
            count(work.steps),
            format!("{:.0}", one.figures.median),
            spread.unwrap_or_else(unknown),
            ratio.unwrap_or_else(unknown),
            base.map_or_else(unknown, |base| base.variant.clone()),
        ]
    }
}

/// What a measurement is held against, among those of the same work: the first file's measurement of the same
/// variant, on the same device where there is one, or its first one; its own measurements, the first one.
fn base_of<'a>(one: &Measured, all: &[&'a Measured]) -> Option<&'a Measured> {
    let mut first_file = all.iter().copied().filter(|other| other.file == 0);
    let is_same = |other: &&Measured| other.figures.variant == one.figures.variant;
    let is_there = |other: &&Measured| is_same(other) && other.figures.device == one.figures.device;
    let there = first_file.clone().find(is_there);
    let same = there.or_else(|| first_file.clone().find(is_same));
    let same = same.filter(|_| one.file > 0);
    same.or_else(|| first_file.next())
}

/// The name of a variant, with its device where the file has it on another one, too.
fn variant_among(one: &Figures, all: &[Figures]) -> String {
    let name = one.name();
    let is_elsewhere = |other: &Figures| other.device != one.device && other.name() == name;
    if all.iter().any(is_elsewhere) {
        format!("{name} on {}", one.device)
    } else {
        name
    }
}

/// The measurements of a file.
fn read_file(path: &Path) -> anyhow::Result<Vec<Figures>> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let path = path.display();
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match Line::of(line) {
            Line::Figures(figures) => found.push(*figures),
            Line::Failed(what) => tracing::warn!("{path}: line {number} was not measured: {what}"),
            Line::Damaged => {
                tracing::warn!("{path}: line {number} is no measurement, and left out");
            }
        }
    }
    if found.is_empty() {
        bail!(
            "{path} has no measurement; `ebm bench --json` prints them, and so do the scripts in scripts/peers"
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(variant: &str, task: &str, median: f64) -> Figures {
        Figures {
            peer: "ebm 0.1.0".to_owned(),
            device: "cpu".to_owned(),
            variant: variant.to_owned(),
            work: Work {
                workload: "uva".to_owned(),
                task: task.to_owned(),
                batch: Some(64),
                steps: Some(5),
            },
            median,
            best: Some(1.5 * median),
            worst: None,
        }
    }

    fn comparison() -> Comparison {
        let ours = vec![
            figures("cpu f32", "chain", 100.0),
            figures("cpu bf16", "chain", 150.0),
        ];
        let theirs = vec![
            figures("cpu bf16", "chain", 60.0),
            figures("eager", "chain", 50.0),
            figures("eager", "train", 40.0),
        ];
        let names = ["a.json", "b.json"].map(str::to_owned).to_vec();
        Comparison::named(names, vec![ours, theirs])
    }

    #[test]
    fn ratios_are_to_the_same_variant_of_the_first_file_or_to_its_first() {
        let table = comparison().table();
        let rows: Vec<Vec<&str>> = table
            .lines()
            .skip(1)
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|it| !it.is_empty())
                    .collect()
            })
            .collect();
        let ends: Vec<_> = rows.iter().map(|row| &row[2..]).collect();
        let base = "ebm 0.1.0 cpu f32";
        let row = |file, variant, speed, spread, ratio, to| {
            [file, variant, "64", "5", speed, spread, ratio, to]
        };
        let expected = [
            row("a.json", base, "100", "100–150", "1.00", base),
            row(
                "a.json",
                "ebm 0.1.0 cpu bf16",
                "150",
                "150–225",
                "1.50",
                base,
            ),
            row(
                "b.json",
                "ebm 0.1.0 cpu bf16",
                "60",
                "60–90",
                "0.40",
                "ebm 0.1.0 cpu bf16",
            ),
            row("b.json", "ebm 0.1.0 eager", "50", "50–75", "0.50", base),
            row("b.json", "ebm 0.1.0 eager", "40", "40–60", "–", "–"),
        ];
        assert_eq!(ends, expected, "{table}");
    }

    #[test]
    fn a_variant_names_its_device_where_the_file_has_two() {
        let one = figures("eager", "chain", 1.0);
        let mut other = one.clone();
        other.device = "H200".to_owned();
        let all = Comparison::of(vec![one.clone(), other, figures("bf16", "chain", 2.0)]);
        let names: Vec<_> = all.measured.iter().map(|it| all.name_of(it)).collect();
        let expected = [
            "ebm 0.1.0 eager on cpu",
            "ebm 0.1.0 eager on H200",
            "ebm 0.1.0 bf16",
        ];
        assert_eq!(names, expected);
        let all = comparison();
        assert_eq!(all.name_of(&all.measured[3]), "b.json: ebm 0.1.0 eager");
    }

    #[test]
    fn lines_that_are_no_measurement_are_passed_over_and_a_file_of_them_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.json");
        let good = "{\"workload\":\"uva\",\"image_steps_per_s_median\":5}";
        fs::write(&path, format!("noise\n\n{good}\n{{\"error\":\"x\"}}\n")).expect("written");
        assert_eq!(read_file(&path).expect("read").len(), 1);
        fs::write(&path, "noise\n").expect("written");
        let message = read_file(&path).expect_err("nothing there").to_string();
        assert!(message.contains("a.json has no measurement"), "{message}");
    }
}
