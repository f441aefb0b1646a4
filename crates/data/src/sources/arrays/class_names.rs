//! Read the names of the classes: a JSON list in a file, or an array of text.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use npyz::{Endianness, TypeChar};

use super::array::{Array, again_after};
use super::header::{Dtype, invalid};
use crate::class_name::{MOST_CLASSES, problem_with};
use crate::error::DataError;

/// Names of classes in order, and where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClassNames {
    pub path: PathBuf,
    pub names: Vec<String>,
}

/// The names in a JSON file; `None` where there is no such file.
///
/// # Errors
/// Where it cannot be read, or is no list of different texts.
pub(super) fn in_file(path: &Path) -> Result<Option<ClassNames>, DataError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(DataError::Read {
                path: path.into(),
                source,
            });
        }
    };
    let unfit = |problem: String| DataError::UnfitArray {
        path: path.into(),
        problem,
        remedy: "write the names of the classes in order, as [\"cat\", \"dog\"]".to_owned(),
    };
    let names: Vec<String> = serde_json::from_slice(&text)
        .map_err(|error| unfit(format!("is no JSON list of texts ({error})")))?;
    match problem_with(&names) {
        Some(problem) => Err(unfit(problem)),
        None => Ok(Some(ClassNames {
            path: path.into(),
            names,
        })),
    }
}

/// The names in an array `[n]` of text.
///
/// # Errors
/// Where it is no such array, two are the same, or it is damaged.
pub(super) fn in_array(mut array: Array<'_>) -> Result<ClassNames, DataError> {
    let unfit = |array: &Array<'_>, problem: String| {
        let line = "class_names = numpy.array(class_names, dtype=str)";
        array.unfit(problem, again_after(line))
    };
    let (len, is_big_endian) = match &array.header.dtype {
        Dtype::Plain(plain) if plain.type_char() == TypeChar::UnicodeStr => {
            (plain.num_bytes(), plain.endianness() == Endianness::Big)
        }
        other => {
            let problem = format!("is of type {other}, and names of classes are text");
            return Err(unfit(&array, problem));
        }
    };
    let (len, num) = match (len, array.header.shape.as_slice()) {
        (Some(len), &[num]) if len > 0 && num <= MOST_CLASSES as u64 => (len, num),
        (_, shape) => {
            let problem = format!(
                "is of shape {shape:?}, and names of classes are [n], at most {MOST_CLASSES}, and not empty"
            );
            return Err(unfit(&array, problem));
        }
    };
    let (mut names, mut bytes) = (Vec::new(), Vec::new());
    for index in 0..num {
        array.read(&mut bytes, len)?;
        let name = text(&bytes, is_big_endian);
        let problem = || invalid(format!("name {index} is no text"));
        names.push(name.ok_or_else(|| array.bad(problem()))?);
    }
    if let Some(problem) = problem_with(&names) {
        return Err(unfit(&array, problem));
    }
    let path = array.path.clone();
    array.finish()?;
    Ok(ClassNames { path, names })
}

/// Code points of 32 bits, with zeros to fill up; `None` where one is no character.
fn text(bytes: &[u8], is_big_endian: bool) -> Option<String> {
    let code = |word: &[u8]| match (word, is_big_endian) {
        (&[a, b, c, d], true) => u32::from_be_bytes([a, b, c, d]),
        (&[a, b, c, d], false) => u32::from_le_bytes([a, b, c, d]),
        _ => u32::MAX,
    };
    let characters = bytes.chunks_exact(4).map(|word| char::from_u32(code(word)));
    let text: Option<String> = characters.collect();
    text.map(|text| text.trim_end_matches('\0').to_owned())
}
