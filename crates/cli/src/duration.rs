//! Write a duration as people say it, the same way everywhere.

/// Days and hours, hours and minutes, minutes and seconds, or seconds; a negative or undefined
/// duration is 0 s.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (h, ..) if h >= 72 => format!("{} d {} h", h / 24, h % 24),
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// How long ago something was, in whole units of the largest that suits it.
pub(crate) fn ago(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        for (seconds, expected) in [
            (0, "0 s ago"),
            (59, "59 s ago"),
            (200, "3 min ago"),
            (3_599, "59 min ago"),
            (47 * 3_600, "47 h ago"),
            (49 * 3_600, "2 d ago"),
        ] {
            assert_eq!(ago(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (seconds, expected) in [
            (f64::NAN, "0 s"),
            (-3.0, "0 s"),
            (0.4, "0 s"),
            (59.4, "59 s"),
            (60.0, "1 min 00 s"),
            (3_599.0, "59 min 59 s"),
            (3_720.0, "1 h 02 min"),
            (71.5 * 3600.0, "71 h 30 min"),
            (75.0 * 3600.0, "3 d 3 h"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }
}
