//! Take out of a text what no terminal and no picture can show.

/// A text without the characters that would move a terminal's cursor, and that XML cannot hold.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced_and_all_others_stay() {
        assert_eq!(printable("é − 日\t\u{1b}[2J"), "é − 日\u{fffd}\u{fffd}[2J");
    }
}
