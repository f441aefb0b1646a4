//! Write a number with its noun.

/// A number with its noun, in the singular for 1: "1 class", "10 classes".
pub(crate) fn counted(number: usize, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{number} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_in_the_singular() {
        let threads = [0, 1, 2].map(|number| counted(number, "thread", "threads"));
        assert_eq!(threads, ["0 threads", "1 thread", "2 threads"]);
    }
}
