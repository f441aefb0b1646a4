//! Call files and folders by short names that tell them apart.

use std::path::{Component, Path, PathBuf};

/// A name for each path: its last part, and as many of those before it as tell it from the others; of paths that
/// are the same, all but the first get a number.
pub(crate) fn distinct_names(paths: &[PathBuf]) -> Vec<String> {
    let parts: Vec<_> = paths.iter().map(|path| parts_of(path)).collect();
    let mut names: Vec<String> = Vec::new();
    for (one, path) in parts.iter().zip(paths) {
        let others = || parts.iter().filter(|other| *other != one);
        let is_own = |len: &usize| others().all(|other| last(other, *len) != last(one, *len));
        let len = (1..one.len()).find(is_own).unwrap_or(one.len());
        let name = match last(one, len) {
            [] => path.display().to_string(),
            parts => parts.join("/"),
        };
        names.push(name);
    }
    let numbered = names.iter().enumerate().map(|(index, name)| {
        match names[..index].iter().filter(|other| *other == name).count() {
            0 => name.clone(),
            before => format!("{name} ({})", before + 1),
        }
    });
    numbered.collect()
}

/// The names along a path.
fn parts_of(path: &Path) -> Vec<String> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    names.collect()
}

/// The last so many parts, or all where there are fewer.
fn last(parts: &[String], len: usize) -> &[String] {
    &parts[parts.len() - len.min(parts.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<const N: usize>(paths: [&str; N]) -> Vec<String> {
        distinct_names(&paths.map(PathBuf::from))
    }

    #[test]
    fn a_name_is_as_short_as_tells_it_from_the_others() {
        assert_eq!(names(["/home/runs/digits"]), ["digits"]);
        assert_eq!(names(["a/digits", "b/shapes/"]), ["digits", "shapes"]);
        assert_eq!(names(["a/run", "b/run", "c"]), ["a/run", "b/run", "c"]);
        assert_eq!(names(["run", "b/run"]), ["run", "b/run"]);
        assert_eq!(names(["x/a/run", "y/a/run"]), ["x/a/run", "y/a/run"]);
    }

    #[test]
    fn the_same_path_again_has_a_number() {
        let expected = ["digits", "digits (2)", "digits (3)"];
        assert_eq!(names(["a/digits"; 3]), expected);
        assert_eq!(names(["/"]), ["/"]);
    }
}
