//! Pack and unpack what travels: a line of JSON, and pixels after it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// The most bytes of a line of JSON.
const MOST_OF_HEAD: usize = 4096;

/// Bytes of a value.
const VALUE: usize = size_of::<f32>();

/// The head of a body, and what follows it.
///
/// # Errors
/// Where there is no such line.
pub(super) fn split<H: DeserializeOwned>(body: &[u8]) -> Result<(H, &[u8]), Problem> {
    let start = &body[..body.len().min(MOST_OF_HEAD)];
    let Some(end) = start.iter().position(|&byte| byte == b'\n') else {
        return Err(Problem::mistake(
            "the body does not begin with a line of JSON",
        ));
    };
    let head = serde_json::from_slice(&body[..end]);
    let head = head.map_err(|error| Problem::mistake(format!("the head of the body: {error}")))?;
    Ok((head, &body[end + 1..]))
}

/// The pixels with which a body goes on, `num` of them, and what follows them.
///
/// # Errors
/// Where there are fewer.
pub(super) fn pixels(rest: &[u8], num: usize) -> Result<(Vec<f32>, &[u8]), Problem> {
    let (expected, got) = (num * VALUE, rest.len());
    let Some((pixels, rest)) = rest.split_at_checked(expected) else {
        let line = format!("expected {expected} bytes of pixels, got {got}");
        return Err(Problem::mistake(line));
    };
    let (values, _) = pixels.as_chunks::<VALUE>();
    let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes));
    Ok((values.collect(), rest))
}

/// The marks with which a body ends, `num` of them: whether a pixel is known.
///
/// # Errors
/// Where there are fewer or more, or one is neither 0 nor 1.
pub(super) fn marks(rest: &[u8], num: usize) -> Result<Vec<bool>, Problem> {
    let got = rest.len();
    if got != num {
        let line = format!("expected {num} marks of known pixels, got {got}");
        return Err(Problem::mistake(line));
    }
    match rest.iter().find(|&&mark| mark > 1) {
        Some(mark) => Err(Problem::mistake(format!(
            "a pixel is marked by 0 or 1, not by {mark}"
        ))),
        None => Ok(rest.iter().map(|&mark| mark == 1).collect()),
    }
}

/// Check that a body has ended.
///
/// # Errors
/// Where it goes on.
pub(super) fn end(rest: &[u8]) -> Result<(), Problem> {
    match rest.len() {
        0 => Ok(()),
        more => Err(Problem::mistake(format!(
            "the body has {more} bytes more than its head tells of"
        ))),
    }
}

/// A head and the values after it.
///
/// # Errors
/// Where the head cannot be written as JSON.
pub(super) fn joined(head: &impl Serialize, values: &[f32]) -> serde_json::Result<Vec<u8>> {
    let mut body = serde_json::to_vec(head)?;
    body.push(b'\n');
    body.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    Ok(body)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_was_joined_is_split_into_the_same() {
        let values = [0.5, -1.0, f32::NAN];
        let body = joined(&json!({"images": 3}), &values).expect("JSON");
        let (head, rest) = split::<Value>(&body).expect("a head");
        assert_eq!(head, json!({"images": 3}));
        let (found, rest) = pixels(rest, 3).expect("pixels");
        assert_eq!(found[..2], values[..2]);
        assert!(found[2].is_nan(), "what is not a number is not hidden");
        assert_eq!(end(rest), Ok(()));
        let (two, rest) = pixels(&body[body.len() - 12..], 2).expect("pixels");
        assert_eq!((two, rest.len()), (values[..2].to_vec(), 4));
        assert!(end(rest).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_a_line() {
        let refused = |body: &[u8]| split::<Value>(body).expect_err("refused").line;
        assert_eq!(refused(b""), "the body does not begin with a line of JSON");
        assert_eq!(
            refused(b"{}"),
            "the body does not begin with a line of JSON"
        );
        assert!(refused(&[b' '; 9000]).starts_with("the body does not begin"));
        assert!(refused(b"{\n").starts_with("the head of the body: "));
        assert!(refused(b"\xff\n").starts_with("the head of the body: "));
        let short = pixels(&[0; 11], 3).expect_err("refused");
        assert_eq!(short.line, "expected 12 bytes of pixels, got 11");
    }

    #[test]
    fn marks_are_zeros_and_ones_and_as_many_as_there_are_pixels() {
        assert_eq!(marks(&[0, 1, 1], 3), Ok(vec![false, true, true]));
        assert!(marks(&[0, 1], 3).is_err() && marks(&[0; 4], 3).is_err());
        let other = marks(&[0, 2, 1], 3).expect_err("refused");
        assert_eq!(other.line, "a pixel is marked by 0 or 1, not by 2");
    }
}
