//! Say which energies composed images have, to a reader or as JSON.

use std::path::PathBuf;

use serde::Serialize;

use super::expression::Term;

/// What was drawn.
pub(super) struct Drawn {
    /// What was written.
    pub(super) files: Vec<PathBuf>,
    /// Seconds that drawing and writing took.
    pub(super) seconds: f64,
    /// The energies of all images under each term by itself, without its weight.
    pub(super) energies: Vec<Vec<f32>>,
}

/// The same under the names of the terms.
#[derive(Serialize)]
pub(super) struct Report {
    files: Vec<PathBuf>,
    /// Images.
    num: usize,
    seconds: f64,
    terms: Vec<OfTerm>,
}

/// The energies of all images under one term.
#[derive(Serialize)]
struct OfTerm {
    /// A run with its class.
    term: String,
    weight: f64,
    mean_energy: f64,
    /// One of each image.
    energies: Vec<f32>,
}

impl Report {
    /// What was drawn of these terms.
    pub(super) fn new(terms: &[Term], drawn: Drawn) -> Self {
        let num = drawn.energies.first().map_or(0, Vec::len);
        let of_term = |(term, energies): (&Term, Vec<f32>)| OfTerm {
            term: term.name(),
            weight: term.weight,
            mean_energy: energies.iter().copied().map(f64::from).sum::<f64>() / num as f64,
            energies,
        };
        Self {
            files: drawn.files,
            num,
            seconds: drawn.seconds,
            terms: terms.iter().zip(drawn.energies).map(of_term).collect(),
        }
    }

    /// Tell the mean energy of each term.
    pub(super) fn tell(&self) {
        for OfTerm {
            term, mean_energy, ..
        } in &self.terms
        {
            tell!("mean energy of {term}: {mean_energy:.4}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_has_its_weight_and_the_mean_of_its_energies() {
        let term = |weight: f64, class: Option<&str>| Term {
            weight,
            run: PathBuf::from("a"),
            class: class.map(str::to_owned),
        };
        let drawn = Drawn {
            files: vec!["s.png".into()],
            seconds: 0.5,
            energies: vec![vec![1.0, 2.0], vec![-4.0, 1.0]],
        };
        let report = Report::new(&[term(2.0, None), term(-0.5, Some("3"))], drawn);
        let expected = serde_json::json!({
            "files": ["s.png"],
            "num": 2,
            "seconds": 0.5,
            "terms": [
                { "term": "a", "weight": 2.0, "mean_energy": 1.5, "energies": [1.0, 2.0] },
                { "term": "a[3]", "weight": -0.5, "mean_energy": -1.5, "energies": [-4.0, 1.0] },
            ],
        });
        assert_eq!(serde_json::to_value(&report).unwrap(), expected);
    }
}
