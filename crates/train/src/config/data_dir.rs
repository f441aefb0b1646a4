//! Name the folder of the data so that a run finds it from anywhere, and see where it has moved.

use std::path::{Path, PathBuf};

use super::settings::Config;

/// The path of a folder from the root, without a separator at its end. As it was given where the working directory has
/// no name in UTF-8: a configuration is a text.
pub fn absolute_dir(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).ok();
    let absolute = absolute.filter(|path| path.to_str().is_some());
    let dir = absolute.unwrap_or_else(|| dir.to_owned());
    dir.components().collect()
}

impl Config {
    /// Where the data were under `old` and where they are now, where both say so and it is not the same place.
    pub fn moved_data(&self, old: &Self) -> Option<[PathBuf; 2]> {
        let place = |config: &Self| config.data.dir.as_deref().map(absolute_dir);
        let (before, now) = (place(old)?, place(self)?);
        (before != now).then_some([before, now])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(dir: Option<&str>) -> Config {
        let mut config = Config::default();
        config.data.dir = dir.map(PathBuf::from);
        config
    }

    #[test]
    fn a_place_is_the_same_however_it_is_written() {
        let full = std::path::absolute("photos").expect("a path");
        for way in ["photos", "photos/", "./photos", "photos/."] {
            assert_eq!(absolute_dir(Path::new(way)), full, "{way}");
            assert_eq!(at(Some(way)).moved_data(&at(Some("photos"))), None);
        }
    }

    #[test]
    fn data_have_moved_where_both_places_are_known_and_differ() {
        let moved = at(Some("/b")).moved_data(&at(Some("/a")));
        assert_eq!(moved, Some(["/a", "/b"].map(PathBuf::from)));
        assert_eq!(at(Some("/b")).moved_data(&at(None)), None);
        assert_eq!(at(None).moved_data(&at(Some("/a"))), None);
    }
}
