//! Take arrays of known name and shape out of a decoded file, or say how the file differs.

use std::collections::BTreeMap;

use safetensors::tensor::Dtype;

use super::arrays::{Array, ArrayData};
use super::error::CheckpointError;

/// Takes the `f32` array called `name` out of `arrays`.
///
/// # Errors
/// [`CheckpointError::MissingArray`] if there is none, [`CheckpointError::OtherArray`] if its element
/// type or its shape is not the expected one; it then stays where it is.
pub fn take_f32(
    arrays: &mut BTreeMap<String, Array>,
    name: &str,
    expected_shape: &[usize],
) -> Result<Vec<f32>, CheckpointError> {
    match take(arrays, name, expected_shape, Dtype::F32)? {
        ArrayData::F32(values) => Ok(values),
        _ => unreachable!("`take` compares the element type"),
    }
}

/// Takes the `u8` array called `name` out of `arrays`.
///
/// # Errors
/// [`CheckpointError::MissingArray`] if there is none, [`CheckpointError::OtherArray`] if its element
/// type or its shape is not the expected one; it then stays where it is.
pub fn take_u8(
    arrays: &mut BTreeMap<String, Array>,
    name: &str,
    expected_shape: &[usize],
) -> Result<Vec<u8>, CheckpointError> {
    match take(arrays, name, expected_shape, Dtype::U8)? {
        ArrayData::U8(values) => Ok(values),
        _ => unreachable!("`take` compares the element type"),
    }
}

/// Takes the `u32` array called `name` out of `arrays`.
///
/// # Errors
/// [`CheckpointError::MissingArray`] if there is none, [`CheckpointError::OtherArray`] if its element
/// type or its shape is not the expected one; it then stays where it is.
pub fn take_u32(
    arrays: &mut BTreeMap<String, Array>,
    name: &str,
    expected_shape: &[usize],
) -> Result<Vec<u32>, CheckpointError> {
    match take(arrays, name, expected_shape, Dtype::U32)? {
        ArrayData::U32(values) => Ok(values),
        _ => unreachable!("`take` compares the element type"),
    }
}

/// Takes an array of the given shape and element type; the message names the types only if they differ.
fn take(
    arrays: &mut BTreeMap<String, Array>,
    name: &str,
    expected_shape: &[usize],
    expected_dtype: Dtype,
) -> Result<ArrayData, CheckpointError> {
    let missing = || CheckpointError::MissingArray {
        name: name.to_owned(),
    };
    let array = arrays.get(name).ok_or_else(missing)?;
    let (shape, dtype) = (array.shape(), array.data().dtype());
    let (found, expected) = if dtype != expected_dtype {
        (
            format!("{dtype} {shape:?}"),
            format!("{expected_dtype} {expected_shape:?}"),
        )
    } else if shape != expected_shape {
        (format!("{shape:?}"), format!("{expected_shape:?}"))
    } else {
        return arrays
            .remove(name)
            .map(|array| array.into_parts().1)
            .ok_or_else(missing);
    };
    Err(CheckpointError::OtherArray {
        name: name.to_owned(),
        found,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, array: Array) -> BTreeMap<String, Array> {
        BTreeMap::from([(name.to_owned(), array)])
    }

    #[test]
    fn takes_an_array_once() {
        let mut arrays = one("step", Array::new([], vec![120_u32]));
        assert_eq!(take_u32(&mut arrays, "step", &[]).unwrap(), [120]);
        let message = take_u32(&mut arrays, "step", &[]).unwrap_err().to_string();
        assert!(message.contains("it has no array `step`"), "{message}");
    }

    #[test]
    fn refuses_another_shape_and_names_both() {
        let mut arrays = one("conv1.weight", Array::new([2, 1, 5, 5], vec![0.0_f32; 50]));
        let message = take_f32(&mut arrays, "conv1.weight", &[2, 3, 3, 3])
            .unwrap_err()
            .to_string();
        let expected = "checkpoint is for another network: `conv1.weight` is [2, 1, 5, 5] there and \
                        [2, 3, 3, 3] here; use the configuration it was trained with";
        assert_eq!(message, expected);
        assert!(take_f32(&mut arrays, "conv1.weight", &[2, 1, 5, 5]).is_ok());
    }

    #[test]
    fn refuses_another_element_type_and_names_both() {
        let mut arrays = one("labels", Array::new([2], vec![0.0_f32; 2]));
        let message = take_u8(&mut arrays, "labels", &[2])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("`labels` is F32 [2] there and U8 [2] here"),
            "{message}"
        );
    }
}
