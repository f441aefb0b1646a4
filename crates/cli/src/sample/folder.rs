//! Name the pictures of a folder of samples: a sub-folder for each class, so that it can be trained on.

use std::path::{Component, Path, PathBuf};

/// Digits of a picture's number where there are few pictures.
const USUAL_DIGITS: usize = 4;

/// The path of every image below the folder. Images are numbered through, not class by class, so that
/// a number is the index in an array of the same samples.
pub(super) fn picture_names(
    classes: &[u32],
    num_classes: usize,
    class_names: &[String],
) -> Vec<PathBuf> {
    let digits = digits_below(classes.len()).max(USUAL_DIGITS);
    let folders = class_folders(num_classes, class_names);
    let numbered = classes.iter().enumerate();
    let paths = numbered.map(|(index, &class)| {
        let file = format!("{index:0digits$}.png");
        match folders.get(class as usize) {
            Some(folder) => Path::new(folder).join(file),
            None => PathBuf::from(file),
        }
    });
    paths.collect()
}

/// A folder for each class: its name, or its number where names are missing or no names of folders.
fn class_folders(num_classes: usize, class_names: &[String]) -> Vec<String> {
    if class_names.len() == num_classes && class_names.iter().all(|name| is_folder_name(name)) {
        return class_names.to_vec();
    }
    // With leading zeros the order of the names is that of the numbers.
    let digits = digits_below(num_classes);
    (0..num_classes)
        .map(|class| format!("{class:0digits$}"))
        .collect()
}

/// Whether a name is that of one folder, which is not hidden.
fn is_folder_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let is_one = matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none();
    is_one && !name.starts_with('.')
}

/// Decimal digits of the largest number below `end`.
fn digits_below(end: usize) -> usize {
    end.saturating_sub(1).to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(classes: &[u32], num_classes: usize, class_names: &[&str]) -> Vec<String> {
        let class_names: Vec<String> = class_names.iter().map(|&name| name.into()).collect();
        let paths = picture_names(classes, num_classes, &class_names);
        let paths = paths.iter().map(|path| path.display().to_string());
        paths.map(|path| path.replace('\\', "/")).collect()
    }

    #[test]
    fn a_model_without_classes_has_no_sub_folders() {
        assert_eq!(names(&[0, 0], 0, &[]), ["0000.png", "0001.png"]);
        assert_eq!(names(&[0], 0, &["cat", "dog"]), ["0000.png"]);
    }

    #[test]
    fn many_pictures_are_in_the_order_of_their_names() {
        let many = names(&[0; 10_001], 0, &[]);
        assert_eq!([&many[7], &many[10_000]], ["00007.png", "10000.png"]);
        assert!(many.is_sorted());
    }

    #[test]
    fn a_class_is_a_folder_of_its_name() {
        let expected = ["cat/0000.png", "dog/0001.png", "cat/0002.png"];
        assert_eq!(names(&[0, 1, 0], 2, &["cat", "dog"]), expected);
    }

    #[test]
    fn a_class_without_the_name_of_a_folder_is_its_number() {
        assert_eq!(names(&[1], 2, &[]), ["1/0000.png"]);
        assert_eq!(names(&[3, 11], 12, &[]), ["03/0000.png", "11/0001.png"]);
        for bad in ["", "..", "a/b", ".hidden", "/"] {
            assert_eq!(names(&[0], 2, &[bad, "dog"]), ["0/0000.png"], "{bad}");
        }
    }
}
