//! Compute how long the elements of a `.npy` file have to be, whatever shape it declares.

use std::io;

/// Bytes of all elements of an array of this shape, `element` bytes each.
///
/// # Errors
/// Where there are none, or more than any file holds.
pub(super) fn num_bytes(shape: &[u64], element: usize) -> io::Result<u64> {
    if shape.contains(&0) {
        return Err(invalid(format!("its shape {shape:?} holds no elements")));
    }
    let product = shape
        .iter()
        .try_fold(element as u64, |bytes, &extent| bytes.checked_mul(extent));
    product.ok_or_else(|| {
        invalid(format!(
            "its shape {shape:?} is of more elements than any file holds"
        ))
    })
}

/// The shape in the header of a file; `None` where it is not found, which is for the reader to report. The reader
/// itself multiplies a shape before anybody can look at it, and may panic.
pub(super) fn declared_shape(file: &[u8]) -> Option<Vec<u64>> {
    const KEY: &str = "'shape':";
    let is_first_version = *file.get(6)? == 1;
    let (start, length) = if is_first_version {
        let length = file.get(8..10)?.try_into().ok()?;
        (10, usize::from(u16::from_le_bytes(length)))
    } else {
        let length = file.get(8..12)?.try_into().ok()?;
        (12, u32::from_le_bytes(length) as usize)
    };
    let header = file.get(start..)?.get(..length)?;
    let header = str::from_utf8(header).ok()?;
    let shape = header.get(header.rfind(KEY)? + KEY.len()..)?;
    let (_, shape) = shape.split_once(['(', '['])?;
    let (extents, _) = shape.split_once([')', ']'])?;
    let extents = extents.split(',').map(str::trim);
    let extents = extents.filter(|extent| !extent.is_empty());
    extents.map(|extent| extent.parse().ok()).collect()
}

pub(super) fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_a_size_or_is_refused() {
        assert_eq!(num_bytes(&[2, 3], 4).unwrap(), 24);
        assert_eq!(num_bytes(&[], 4).unwrap(), 4);
        let refused = |shape: &[u64]| num_bytes(shape, 4).unwrap_err().to_string();
        for none in [&[0][..], &[0, u64::MAX, u64::MAX], &[16, 0, 16]] {
            assert!(refused(none).ends_with("holds no elements"), "{none:?}");
        }
        for many in [&[1 << 62][..], &[1 << 32, 1 << 32], &[u64::MAX, u64::MAX]] {
            let message = refused(many);
            assert!(message.ends_with("than any file holds"), "{message}");
        }
    }

    #[test]
    fn a_shape_is_found_in_the_headers_of_all_versions() {
        let text = "{'descr': [('shape', '<f4')], 'fortran_order': False, 'shape': (2, 3,), }\n";
        let length = text.len() as u16;
        let first = [&b"\x93NUMPY\x01\x00"[..], &length.to_le_bytes()].concat();
        let second = [&b"\x93NUMPY\x02\x00"[..], &u32::from(length).to_le_bytes()].concat();
        for start in [first, second] {
            let file = [start.as_slice(), text.as_bytes(), b"elements"].concat();
            assert_eq!(declared_shape(&file), Some(vec![2, 3]));
            for cut in 0..start.len() + text.len() {
                assert_eq!(declared_shape(&file[..cut]), None, "{cut}");
            }
        }
    }
}
