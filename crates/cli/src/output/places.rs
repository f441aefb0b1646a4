//! Refuse to write two things in one place.

use std::path::{Path, absolute};

use crate::typed::Mistyped;

/// Refuse two of these flags where they name the same place, in which the later one would be written over the other.
pub(crate) fn check_different(named: &[(&str, Option<&Path>)]) -> Result<(), Mistyped> {
    let mut seen = Vec::new();
    for (flag, path) in named {
        let Some(path) = path else {
            continue;
        };
        let Ok(place) = absolute(path) else {
            // What names no place is refused where it is to be written.
            continue;
        };
        if let Some((other, _)) = seen.iter().find(|(_, earlier)| *earlier == place) {
            let path = path.display();
            return Err(Mistyped(format!(
                "{flag} {path}: this is what {other} names; name another place"
            )));
        }
        seen.push((*flag, place));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(named: [(&str, Option<&str>); 3]) -> Option<String> {
        let named = named.map(|(flag, path)| (flag, path.map(Path::new)));
        let refused = check_different(&named).err();
        refused.map(|mistyped| mistyped.to_string())
    }

    #[test]
    fn two_flags_that_name_one_place_are_told_whichever_way_it_is_spelled() {
        let (a, b, c) = ("--a", "--b", "--c");
        assert_eq!(check([(a, Some("x")), (b, Some("d/x")), (c, None)]), None);
        assert_eq!(check([(a, None), (b, Some("")), (c, Some(""))]), None);
        let twice = check([(a, Some("x")), (b, Some("y")), (c, Some("./x"))]);
        let expected = "--c ./x: this is what --a names; name another place";
        assert_eq!(twice.as_deref(), Some(expected));
        let folder = check([(a, None), (b, Some("d/")), (c, Some("d"))]);
        assert!(folder.is_some_and(|it| it.contains("what --b names")));
    }
}
