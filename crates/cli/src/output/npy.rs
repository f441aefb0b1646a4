//! Save arrays where NumPy can load them, and load arrays of bytes.

use std::io;
use std::path::{Path, PathBuf};

use npyz::WriterBuilder;

use super::npy_size::{declared_shape, invalid, num_bytes};
use super::{WriteError, write_encoded};

/// An array that could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the array {}: {cause}; give a .npy file of type {expected} in C order", path.display())]
pub(crate) struct NpyReadError {
    /// The file that was being read.
    pub path: PathBuf,
    /// The type of its elements.
    pub expected: &'static str,
    /// What is wrong with it.
    pub cause: io::Error,
}

/// Saves `data`, in row-major order, as a `.npy` file of type `uint8`.
///
/// # Errors
/// [`WriteError`] if the file cannot be written; an earlier one of that name is then left as it was.
///
/// # Panics
/// If `data` has another length than the product of `shape`.
pub fn save_npy_u8(path: &Path, shape: &[usize], data: &[u8]) -> Result<(), WriteError> {
    save(path, shape, data)
}

/// Saves `data`, in row-major order, as a `.npy` file of type `float32`.
///
/// # Errors
/// As [`save_npy_u8`].
///
/// # Panics
/// As [`save_npy_u8`].
pub fn save_npy_f32(path: &Path, shape: &[usize], data: &[f32]) -> Result<(), WriteError> {
    save(path, shape, data)
}

/// Saves `data`, in row-major order, as a `.npy` file of type `uint32`.
///
/// # Errors
/// As [`save_npy_u8`].
///
/// # Panics
/// As [`save_npy_u8`].
pub(crate) fn save_npy_u32(path: &Path, shape: &[usize], data: &[u32]) -> Result<(), WriteError> {
    save(path, shape, data)
}

/// Loads the shape and the bytes, in row-major order, of a `.npy` file of type `uint8`.
///
/// # Errors
/// [`NpyReadError`] if the file cannot be read or holds something else.
pub(crate) fn load_npy_u8(path: &Path) -> Result<(Vec<usize>, Vec<u8>), NpyReadError> {
    load(path, "uint8")
}

/// Loads the shape and the values, in row-major order, of a `.npy` file of type `float32`.
///
/// # Errors
/// [`NpyReadError`] if the file cannot be read or holds something else.
pub(crate) fn load_npy_f32(path: &Path) -> Result<(Vec<usize>, Vec<f32>), NpyReadError> {
    load(path, "float32")
}

fn load<T: npyz::Deserialize>(
    path: &Path,
    expected: &'static str,
) -> Result<(Vec<usize>, Vec<T>), NpyReadError> {
    let loaded = std::fs::read(path).and_then(|bytes| decode(&bytes));
    loaded.map_err(|cause| NpyReadError {
        path: path.to_owned(),
        expected,
        cause,
    })
}

/// Shape and elements of the content of a file, which has to have some and to end with the last of them.
fn decode<T: npyz::Deserialize>(file: &[u8]) -> io::Result<(Vec<usize>, Vec<T>)> {
    if let Some(shape) = declared_shape(file) {
        num_bytes(&shape, size_of::<T>())?;
    }
    let mut elements = file;
    let header = npyz::NpyHeader::from_reader(&mut elements)?;
    if header.order() == npyz::Order::Fortran {
        return Err(invalid("it is in Fortran order".to_owned()));
    }
    let expected = num_bytes(header.shape(), size_of::<T>())?;
    let shape: Vec<usize> = header.shape().iter().map(|&it| it as usize).collect();
    let reader = npyz::NpyFile::with_header(header, elements).data::<T>();
    let reader = reader.map_err(|error| invalid(error.to_string()))?;
    let problem = match elements.len() as u64 {
        found if found < expected => "it is cut short",
        found if found > expected => "it goes on after its last element",
        _ => return Ok((shape, reader.collect::<io::Result<_>>()?)),
    };
    let found = elements.len();
    Err(invalid(format!(
        "its shape {shape:?} is of {expected} bytes, and {found} follow its header, so {problem}"
    )))
}

fn save<T: npyz::AutoSerialize + Copy>(
    path: &Path,
    shape: &[usize],
    data: &[T],
) -> Result<(), WriteError> {
    let expected: usize = shape.iter().product();
    assert_eq!(
        data.len(),
        expected,
        "expected {expected} elements for {shape:?}, got {}",
        data.len()
    );
    write_encoded(path, npy_bytes(shape, data))
}

/// The content of a `.npy` file.
pub(super) fn npy_bytes<T: npyz::AutoSerialize + Copy>(
    shape: &[usize],
    data: &[T],
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = begin(shape, &mut bytes)?;
    writer.extend(data.iter().copied())?;
    writer.finish()?;
    Ok(bytes)
}

/// The part of a `.npy` file that stands before its elements.
pub(super) fn npy_header<T: npyz::AutoSerialize>(shape: &[usize]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    begin::<T>(shape, &mut bytes)?;
    Ok(bytes)
}

fn begin<'a, T: npyz::AutoSerialize>(
    shape: &[usize],
    bytes: &'a mut Vec<u8>,
) -> io::Result<npyz::NpyWriter<T, &'a mut Vec<u8>>> {
    let shape: Vec<u64> = shape.iter().map(|&extent| extent as u64).collect();
    npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(bytes)
        .begin_nd()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_reader_finds_the_shape_and_the_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("samples.npy");
        let data: Vec<u8> = (0..24).collect();
        save_npy_u8(&path, &[2, 3, 4, 1], &data).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!(file.shape(), [2, 3, 4, 1]);
        assert_eq!(file.order(), npyz::Order::C);
        assert_eq!(file.dtype().descr(), "'|u1'");
        assert_eq!(file.into_vec::<u8>().unwrap(), data);
    }

    #[test]
    fn what_is_saved_can_be_loaded_and_floats_are_not_taken_for_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("array.npy");
        save_npy_u8(&path, &[3, 1], &[7, 8, 9]).unwrap();
        assert_eq!(load_npy_u8(&path).unwrap(), (vec![3, 1], vec![7, 8, 9]));
        save_npy_f32(&path, &[2], &[1.5, -2.0]).unwrap();
        assert!(load_npy_u8(&path).is_err());
        let bytes = std::fs::read(&path).unwrap();
        let file = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!(file.into_vec::<f32>().unwrap(), [1.5, -2.0]);
    }

    /// A file of this header, with so many zeros after it.
    fn file(descr: &str, fortran_order: &str, shape: &str, zeros: usize) -> Vec<u8> {
        let header = format!(
            "{{'descr': '{descr}', 'fortran_order': {fortran_order}, 'shape': {shape}, }}\n"
        );
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.resize(file.len() + zeros, 0);
        file
    }

    #[test]
    fn an_array_is_refused_unless_its_bytes_are_those_of_its_shape() {
        let good = file("|u1", "False", "(2, 3)", 6);
        assert_eq!(decode(&good).unwrap(), (vec![2, 3], vec![0_u8; 6]));
        for (descr, fortran_order, shape, zeros, problem) in [
            ("|u1", "False", "(2, 3)", 5, "it is cut short"),
            ("|u1", "False", "(2, 3)", 0, "it is cut short"),
            (
                "|u1",
                "False",
                "(2, 3)",
                7,
                "it goes on after its last element",
            ),
            ("|u1", "False", "(0, 16, 16, 1)", 0, "holds no elements"),
            ("|u1", "False", "(0, 16, 16, 1)", 256, "holds no elements"),
            // 2⁶⁴ elements, which would be none.
            (
                "|u1",
                "False",
                "(72057594037927936, 16, 16, 1)",
                0,
                "more elements than any file holds",
            ),
            (
                "|u1",
                "False",
                "(4294967296, 4294967296)",
                0,
                "more elements than any file holds",
            ),
            ("|u1", "False", "(-1, 3)", 3, "negative"),
            ("|u1", "True", "(2, 3)", 6, "Fortran order"),
            ("<f4", "False", "(2, 3)", 24, "f4"),
            ("<i8", "False", "(2, 3)", 48, "i8"),
        ] {
            let bad = file(descr, fortran_order, shape, zeros);
            let message = decode::<u8>(&bad).unwrap_err().to_string();
            assert!(message.contains(problem), "{shape}: {message}");
        }
        for cut in 0..good.len() {
            assert!(decode::<u8>(&good[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_loaded_is_named_with_what_it_should_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.npy");
        std::fs::write(&path, file("<f4", "False", "(2, 3)", 25)).unwrap();
        let message = load_npy_f32(&path).unwrap_err().to_string();
        assert!(message.contains("in.npy: its shape [2, 3] is of 24 bytes, and 25 follow"));
        assert!(message.ends_with("give a .npy file of type float32 in C order"));
    }

    #[test]
    fn classes_are_an_array_of_u32() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels.npy");
        save_npy_u32(&path, &[3], &[2, 0, 70_000]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!(file.into_vec::<u32>().unwrap(), [2, 0, 70_000]);
    }

    #[test]
    fn an_array_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nowhere/samples.npy");
        let message = save_npy_u8(&path, &[1], &[0]).unwrap_err().to_string();
        assert!(
            message.contains("nowhere/samples.npy: No such file"),
            "{message}"
        );
    }

    #[test]
    #[should_panic = "expected 6 elements for [2, 3], got 5"]
    fn refuses_data_of_another_length_than_the_shape() {
        let _ = save_npy_u8(Path::new("never-written.npy"), &[2, 3], &[0; 5]);
    }
}
