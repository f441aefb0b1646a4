//! Check what is read against arrays written by hand and by NumPy.

mod damage;
mod kept;
mod layouts;
mod refusals;

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use ebm_core::ImageShape;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::images::Images;
use crate::kind::DatasetKind;

/// Names and contents, of files or of arrays.
type Named<'a> = Vec<(&'a str, Vec<u8>)>;

/// The content of a `.npy` file, as NumPy writes it.
fn npy(descr: &str, fortran_order: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': {descr}, 'fortran_order': {fortran_order}, 'shape': {shape}, }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    file.extend(elements);
    file
}

/// The content of a `.npy` file of bytes in C order.
fn u8s(shape: &str, elements: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let elements: Vec<u8> = elements.into_iter().collect();
    npy("'|u1'", "False", shape, &elements)
}

/// The content of a `.npz` file of these arrays.
fn zipped(arrays: &Named<'_>, method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in arrays {
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn npz(arrays: &Named<'_>) -> Vec<u8> {
    zipped(arrays, CompressionMethod::Deflated)
}

/// These arrays as the files of a folder.
fn files(arrays: &Named<'_>) -> Vec<(String, Vec<u8>)> {
    let files = arrays.iter();
    files
        .map(|(name, content)| (format!("{name}.npy"), content.clone()))
        .collect()
}

fn config(path: &Path) -> DataConfig {
    DataConfig {
        dataset: DatasetKind::Arrays,
        dir: Some(path.into()),
        ..DataConfig::default()
    }
}

/// Loads `path` in a folder of these files, with what `config` has besides; errors as text, the folder's path replaced
/// by `DIR`.
fn load_from<Name: AsRef<Path>>(
    path: &str,
    files: &[(Name, Vec<u8>)],
    config: DataConfig,
) -> Result<Dataset, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    // Without the slash that joining an empty path leaves.
    let path = dir.path().join(path).components().collect();
    let config = DataConfig {
        dataset: DatasetKind::Arrays,
        dir: Some(path),
        ..config
    };
    let without_dir = |text: String| text.replace(&dir.path().display().to_string(), "DIR");
    let mut data = crate::load(&config, 0).map_err(|error| without_dir(error.to_string()))?;
    data.test_problem = data.test_problem.map(without_dir);
    for path in data.passed_over.iter_mut().flat_map(|over| &mut over.paths) {
        *path = without_dir(path.display().to_string()).into();
    }
    Ok(data)
}

/// Loads a `.npz` file of these arrays.
fn load_npz(arrays: &Named<'_>) -> Result<Dataset, String> {
    load_from("a.npz", &[("a.npz", npz(arrays))], DataConfig::default())
}

/// Loads a folder of these arrays.
fn load_folder(arrays: &Named<'_>) -> Result<Dataset, String> {
    load_from("", &files(arrays), DataConfig::default())
}

/// Images of these labels and classes.
fn images(
    [channels, height, width]: [usize; 3],
    pixels: impl IntoIterator<Item = u8>,
    labels: &[u32],
    class_names: &[&str],
) -> Images {
    Images {
        pixels: pixels.into_iter().collect(),
        shape: ImageShape::new(channels, height, width),
        labels: labels.to_vec(),
        class_names: class_names.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// What was passed over, each with its paths.
fn passed_over(data: &Dataset) -> Vec<String> {
    let all = data.passed_over.iter();
    all.map(|over| {
        let paths = over.paths.iter().map(|path| path.display().to_string());
        format!("{}: {}", over.what, paths.collect::<Vec<_>>().join(" "))
    })
    .collect()
}
