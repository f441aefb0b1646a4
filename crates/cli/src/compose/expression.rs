//! Read which energies are combined: `2*runs/position[x 3 y 4] + runs/size[5] - 0.5*runs/shape`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::typed::Mistyped;

/// Energies with their weights, as they were typed: at least one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expression {
    pub(super) terms: Vec<Term>,
}

/// WEIGHT*RUN[CLASS]; a weight of 1 and a class may be left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) weight: f64,
    /// A run or a checkpoint, without spaces, `*` and brackets.
    pub(super) run: PathBuf,
    /// Name or number.
    pub(super) class: Option<String>,
}

impl FromStr for Expression {
    type Err = Mistyped;

    /// A sign stands between two terms, with a space on both sides; one may also stand before the first term.
    fn from_str(text: &str) -> Result<Self, Mistyped> {
        let read = terms(text).map(|terms| Self { terms });
        read.map_err(|problem| Mistyped(format!("`{}`: {problem}", text.trim())))
    }
}

fn terms(text: &str) -> Result<Vec<Term>, String> {
    let mut words = words(text)?.into_iter().peekable();
    let first = words.next_if(|word| sign_of(word).is_some());
    let mut sign = first.and_then(sign_of).unwrap_or(1.0);
    let mut terms = Vec::new();
    loop {
        let Some(word) = words.next() else {
            return Err("a term is missing at the end".to_owned());
        };
        if sign_of(word).is_some() {
            return Err(format!("a term is missing before `{word}`"));
        }
        terms.push(term(word, sign)?);
        let Some(between) = words.next() else {
            return Ok(terms);
        };
        sign = sign_of(between).ok_or_else(|| {
            format!("a + or - with a space on both sides is missing before `{between}`")
        })?;
    }
}

/// Plus, and two ways to write minus.
const SIGNS: [char; 3] = ['+', '-', '−'];

/// What a word means that is a sign and no more.
fn sign_of(word: &str) -> Option<f64> {
    match word {
        "+" => Some(1.0),
        "-" | "−" => Some(-1.0),
        _ => None,
    }
}

/// The words of a text; spaces in brackets are part of a word.
fn words(text: &str) -> Result<Vec<&str>, String> {
    let (mut words, mut start, mut opened) = (Vec::new(), None, false);
    for (place, c) in text.char_indices() {
        match c {
            '[' if opened => return Err("a bracket is opened twice".to_owned()),
            '[' => opened = true,
            ']' if !opened => return Err("a bracket is closed that was not opened".to_owned()),
            ']' => opened = false,
            _ => {}
        }
        let is_between = c.is_whitespace() && !opened;
        match (is_between, start) {
            (true, Some(start_of_word)) => {
                words.push(&text[start_of_word..place]);
                start = None;
            }
            (false, None) => start = Some(place),
            _ => {}
        }
    }
    if opened {
        return Err("a bracket is not closed".to_owned());
    }
    words.extend(start.map(|start| &text[start..]));
    Ok(words)
}

/// A term, times a sign.
fn term(word: &str, sign: f64) -> Result<Term, String> {
    let negative = word.strip_prefix(&SIGNS[1..]);
    let sign = if negative.is_some() { -sign } else { sign };
    let (before, class) = class_of(negative.unwrap_or(word))?;
    let (weight, run) = match before.split_once('*') {
        Some((weight, run)) => (weight_of(weight)?, run),
        None => (1.0, before),
    };
    if run.is_empty() {
        return Err(format!("no run is named in `{word}`"));
    }
    if run.starts_with(SIGNS) {
        return Err(format!(
            "`{word}` has a sign too many; a run of that name is ./{run}"
        ));
    }
    if run.contains('*') {
        return Err(format!("`{word}` has more than one weight"));
    }
    Ok(Term {
        weight: sign * weight,
        run: PathBuf::from(run),
        class,
    })
}

/// What stands before the brackets of a word, and in them.
fn class_of(word: &str) -> Result<(&str, Option<String>), String> {
    let Some((before, class)) = word.split_once('[') else {
        return Ok((word, None));
    };
    match class.strip_suffix(']') {
        Some("") => Err(format!("no class is named in `{word}`")),
        Some(class) if !class.contains(']') => Ok((before, Some(class.to_owned()))),
        _ => Err(format!(
            "nothing may follow the class in `{word}`; put a space on both sides of + and -"
        )),
    }
}

fn weight_of(text: &str) -> Result<f64, String> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let weight = text.parse::<f64>().ok();
    let weight = weight.filter(|weight| weight.is_finite() && text.starts_with(is_digit));
    weight.ok_or_else(|| format!("`{text}` is no weight: write 0.5*RUN[CLASS]"))
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, term) in self.terms.iter().enumerate() {
            match (place, term.weight.is_sign_negative()) {
                (0, false) => {}
                (0, true) => f.write_str("-")?,
                (_, false) => f.write_str(" + ")?,
                (_, true) => f.write_str(" - ")?,
            }
            let weight = term.weight.abs();
            if weight != 1.0 {
                write!(f, "{weight}*")?;
            }
            f.write_str(&term.name())?;
        }
        Ok(())
    }
}

impl Term {
    /// The term without its weight.
    pub(super) fn name(&self) -> String {
        let run = self.run.display();
        match &self.class {
            Some(class) => format!("{run}[{class}]"),
            None => run.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::{NoiseKey, Stream};

    use super::*;

    fn term(weight: f64, run: &str, class: Option<&str>) -> Term {
        Term {
            weight,
            run: PathBuf::from(run),
            class: class.map(str::to_owned),
        }
    }

    #[track_caller]
    fn assert_read(text: &str, expected: &[Term]) {
        let read = text.parse::<Expression>();
        assert_eq!(read.expect("an expression").terms, expected, "{text}");
    }

    #[track_caller]
    fn assert_refused(text: &str, fragment: &str) {
        let error = text.parse::<Expression>().expect_err("refused").to_string();
        assert!(error.contains(fragment), "no {fragment:?} in: {error}");
        assert!(error.contains(text.trim()), "{error}");
    }

    #[test]
    fn a_term_has_a_weight_a_run_and_a_class() {
        assert_read("runs/a", &[term(1.0, "runs/a", None)]);
        assert_read("2*runs/a", &[term(2.0, "runs/a", None)]);
        assert_read("runs/a[3]", &[term(1.0, "runs/a", Some("3"))]);
        assert_read(".5*a[size 0.5]", &[term(0.5, "a", Some("size 0.5"))]);
        assert_read(" 1e-3*a ", &[term(1e-3, "a", None)]);
    }

    #[test]
    fn a_sign_between_spaces_separates_terms_and_one_inside_a_name_belongs_to_it() {
        let expected = [
            term(2.0, "runs/position", Some("x 3 y 4")),
            term(1.0, "runs/my-size+", Some("5")),
            term(-0.5, "runs/shape", None),
        ];
        for minus in ["-", "−"] {
            let text =
                format!("2*runs/position[x 3 y 4] + runs/my-size+[5] {minus} 0.5*runs/shape");
            assert_read(&text, &expected);
        }
        assert_read("a[b - c]", &[term(1.0, "a", Some("b - c"))]);
    }

    #[test]
    fn a_minus_right_before_a_term_negates_it() {
        let negated = [term(-1.0, "a", None), term(0.5, "b", None)];
        assert_read("-a + 0.5*b", &negated);
        assert_read("- a - -0.5*b", &negated);
        assert_read("−1*a + 0.5*b", &negated);
        assert_read("+ a", &[term(1.0, "a", None)]);
    }

    #[test]
    fn what_is_wrong_is_named_in_its_place() {
        assert_refused("", "a term is missing at the end");
        assert_refused("a +", "a term is missing at the end");
        assert_refused("a + - b", "a term is missing before `-`");
        assert_refused("a b", "missing before `b`");
        assert_refused("a +b", "a + or - with a space on both sides");
        assert_refused("x*a", "`x` is no weight");
        assert_refused("inf*a", "`inf` is no weight");
        assert_refused("--1*a", "`-1` is no weight");
        assert_refused("2*3*a", "more than one weight");
        assert_refused("2*-a", "`2*-a` has a sign too many");
        assert_refused("+a", "a run of that name is ./+a");
        assert_refused("- - a", "a term is missing before `-`");
        assert_refused("2*[3]", "no run is named in `2*[3]`");
        assert_refused("-", "a term is missing at the end");
        assert_refused("a[]", "no class is named in `a[]`");
        assert_refused("a[1]b", "nothing may follow the class");
        assert_refused("a[1][2]", "nothing may follow the class");
        assert_refused("a[1]+a[2]", "put a space on both sides of + and -");
        assert_refused("a[1", "a bracket is not closed");
        assert_refused("a[[1]]", "a bracket is opened twice");
        assert_refused("a]", "a bracket is closed that was not opened");
    }

    /// Different numbers for every text and every place in it.
    fn number(text: u32, place: u32, below: usize) -> usize {
        let key = NoiseKey::new(7, Stream::Sample, 0);
        key.words(text, place / 4)[place as usize % 4] as usize % below
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        const WEIGHTS: [f64; 6] = [1.0, -1.0, 0.5, -2.25, 1e-300, 123_456.789];
        const RUNS: [&str; 5] = ["a", "runs/my-run", "../x+y", "runs/step_000002", "é/b"];
        const CLASSES: [Option<&str>; 4] = [None, Some("3"), Some("x 3 y 4"), Some("a - b*c")];
        for text in 0..2_000 {
            let terms = (0..1 + number(text, 0, 4) as u32).map(|place| {
                let at = |which, below| number(text, 4 * place + which, below);
                term(WEIGHTS[at(1, 6)], RUNS[at(2, 5)], CLASSES[at(3, 4)])
            });
            let written = Expression {
                terms: terms.collect(),
            };
            let read = written.to_string().parse::<Expression>();
            assert_eq!(read.expect("an expression"), written);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_and_what_is_read_can_be_written() {
        const PIECES: [&str; 12] = [" ", "+", "-", "−", "*", "[", "]", "a", "/", "1", ".", "é"];
        let mut read = 0;
        for text in 0..20_000 {
            let len = number(text, 0, 12) as u32;
            let pieces = (1..=len).map(|place| PIECES[number(text, place, PIECES.len())]);
            if let Ok(expression) = pieces.collect::<String>().parse::<Expression>() {
                read += 1;
                let again = expression.to_string().parse::<Expression>();
                assert_eq!(again.expect("an expression"), expression);
            }
        }
        assert!(read > 500, "{read}");
    }
}
