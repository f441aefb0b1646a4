//! Write a number of bytes as people say it.

const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];

/// Two or three digits and the unit that suits them: 1.5 MiB, 35 GiB.
pub(crate) fn file_size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut size, mut units) = (bytes as f64 / 1024.0, UNITS.into_iter());
    let mut unit = units.next().unwrap_or_default();
    while size >= 999.5
        && let Some(larger) = units.next()
    {
        (size, unit) = (size / 1024.0, larger);
    }
    let decimals = usize::from(size < 9.95);
    format!("{size:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_few_digits_and_the_unit_that_suits_it() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 << 10, "10 KiB"),
            (1_023_500, "1.0 MiB"),
            (35 << 30, "35 GiB"),
            (1 << 40, "1.0 TiB"),
            (5000 << 40, "5000 TiB"),
        ] {
            assert_eq!(file_size(bytes), expected, "{bytes}");
        }
    }
}
