//! Describe the files of a checkpoint, so that a damaged one is refused by name.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::error::Damage;
use super::format::FORMAT_VERSION;

/// The content of `manifest.json`, the file that is written last.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) step: u64,
    pub(super) created_by: String,
    pub(super) files: Vec<FileEntry>,
}

/// What one file must look like when it is read.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) crc32: u32,
}

/// Why the bytes of a manifest are not one that this program understands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ManifestError {
    Newer { found: u32 },
    Older { found: u32 },
    Bad(String),
}

impl Manifest {
    /// Describes the files of the checkpoint of `step`.
    pub(super) fn new(step: u64, files: Vec<FileEntry>) -> Self {
        let created_by = concat!("ebm ", env!("CARGO_PKG_VERSION")).to_owned();
        Self {
            format: FORMAT_VERSION,
            step,
            created_by,
            files,
        }
    }

    /// Reads a manifest; the format first, because a later one may have other fields.
    pub(super) fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let bad = |error: serde_json::Error| ManifestError::Bad(error.to_string());
        let Format { format: found } = serde_json::from_slice(json).map_err(bad)?;
        if found > FORMAT_VERSION {
            return Err(ManifestError::Newer { found });
        }
        if found < FORMAT_VERSION {
            return Err(ManifestError::Older { found });
        }
        let manifest: Self = serde_json::from_slice(json).map_err(bad)?;
        match manifest
            .files
            .iter()
            .find(|file| !is_plain_name(&file.name))
        {
            Some(file) => Err(ManifestError::Bad(format!(
                "`{}` is not a file name",
                file.name
            ))),
            None => Ok(manifest),
        }
    }
}

impl FileEntry {
    pub(super) fn new(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
        }
    }

    /// Compares a file as it was read with what was once written.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), Damage> {
        self.check_size(bytes.len() as u64)?;
        if crc32fast::hash(bytes) != self.crc32 {
            return Err(Damage::Corrupt(self.name.clone()));
        }
        Ok(())
    }

    /// Compares the size of a file with that of what was once written.
    pub(super) fn check_size(&self, found: u64) -> Result<(), Damage> {
        if found == self.bytes {
            return Ok(());
        }
        Err(Damage::WrongSize {
            name: self.name.clone(),
            expected: self.bytes,
            found,
        })
    }
}

/// A value as indented JSON, which [`Checkpoint::json`](super::Checkpoint::json) reads.
///
/// # Panics
/// If `value` has no JSON form: a map whose keys are not strings, say.
pub fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec_pretty(value)
        .unwrap_or_else(|error| panic!("expected a value with a JSON form: {error}"))
}

/// True for a name that stays in the directory it is joined to.
pub(super) fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_files_by_size_and_checksum() {
        let manifest = Manifest::new(7, vec![FileEntry::new("model", b"123456789")]);
        let entry = FileEntry {
            name: "model".to_owned(),
            bytes: 9,
            crc32: 0xCBF4_3926,
        }; // check value of CRC-32
        assert_eq!(manifest.files, [entry]);
        assert_eq!(Manifest::from_json(&to_json(&manifest)), Ok(manifest));
    }

    #[test]
    fn recognises_a_newer_format_whatever_its_other_fields() {
        let json = br#"{"format": 3, "parts": {}}"#;
        assert_eq!(
            Manifest::from_json(json),
            Err(ManifestError::Newer { found: 3 })
        );
    }

    #[test]
    fn refuses_names_that_lead_out_of_the_directory() {
        for name in ["", ".", "..", "../config.toml", "/etc/passwd", "a/b", "a/"] {
            assert!(!is_plain_name(name), "{name:?}");
            let manifest = Manifest::new(1, vec![FileEntry::new(name, b"")]);
            assert!(matches!(
                Manifest::from_json(&to_json(&manifest)),
                Err(ManifestError::Bad(_))
            ));
        }
        assert!(is_plain_name("model.safetensors"));
    }
}
