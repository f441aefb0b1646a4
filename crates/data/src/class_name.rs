//! Say what the names of classes may be, so that they can be written and read again.

use std::collections::BTreeSet;

/// The most classes of a data set whose names are read or written.
pub(crate) const MOST_CLASSES: usize = 1 << 16;

/// Whether a text can be the name of a class: one line of letters, figures and signs.
pub(crate) fn is_class_name(text: &str) -> bool {
    // Separators of lines and of paragraphs are no control characters.
    let is_unfit = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    !text.is_empty() && !text.contains(is_unfit)
}

/// Why a list cannot be the names of the classes of a data set, as the end of a sentence that begins with the list.
pub(crate) fn problem_with(names: &[String]) -> Option<String> {
    if names.len() > MOST_CLASSES {
        let num = names.len();
        return Some(format!(
            "has {num} names, and {MOST_CLASSES} classes are the most"
        ));
    }
    if let Some(name) = names.iter().find(|name| !is_class_name(name)) {
        let start: String = name.chars().take(40).collect();
        return Some(match start.as_str() {
            "" => "has an empty name".to_owned(),
            start => format!(
                "has the name `{}`, which is not one line",
                start.escape_debug()
            ),
        });
    }
    let mut seen = BTreeSet::new();
    let again = names.iter().find(|name| !seen.insert(*name));
    again.map(|name| format!("has the name `{name}` twice"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_name_is_one_line_that_can_be_seen() {
        for name in ["cat", "große Katze", "狗", "7", " a ", "a\u{a0}b", "`"] {
            assert!(is_class_name(name), "{name:?}");
        }
        for name in [
            "",
            "a\nb",
            "a\r",
            "\t",
            "a\0",
            "\u{85}",
            "a\u{2028}b",
            "\u{7f}",
        ] {
            assert!(!is_class_name(name), "{name:?}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_list() {
        let problem = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            problem_with(&names)
        };
        assert_eq!(problem(&[]), None);
        assert_eq!(problem(&["a", "b", "A"]), None);
        for (names, expected) in [
            (["a", ""], "has an empty name"),
            (["a\nb", "a"], "has the name `a\\nb`, which is not one line"),
            (["a", "a"], "has the name `a` twice"),
        ] {
            assert_eq!(problem(&names).as_deref(), Some(expected));
        }
        let many: Vec<String> = (0..=MOST_CLASSES).map(|i| i.to_string()).collect();
        assert_eq!(problem_with(&many[1..]), None);
        let expected = "has 65537 names, and 65536 classes are the most";
        assert_eq!(problem_with(&many).as_deref(), Some(expected));
    }
}
