//! Turn named arrays into the bytes of a safetensors file and back, bit by bit the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};

use super::error::CheckpointError;

/// Elements in row-major order and their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: ArrayData,
}

/// The elements of an [`Array`].
#[derive(Clone, Debug, PartialEq)]
pub enum ArrayData {
    /// Weights, averages, optimizer moments.
    F32(Vec<f32>),
    /// Pixels.
    U8(Vec<u8>),
    /// Labels, ages, counters.
    U32(Vec<u32>),
}

impl Array {
    /// An array of `shape`; a scalar has the shape `[]`.
    ///
    /// # Panics
    /// If `data` has another length than the product of `shape`.
    pub fn new(shape: impl Into<Vec<usize>>, data: impl Into<ArrayData>) -> Self {
        let (shape, data) = (shape.into(), data.into());
        let expected: usize = shape.iter().product();
        assert_eq!(
            data.len(),
            expected,
            "expected {expected} elements for the shape {shape:?}, got {}",
            data.len()
        );
        Self { shape, data }
    }

    /// The extent of each axis, the slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, in row-major order.
    pub fn data(&self) -> &ArrayData {
        &self.data
    }

    /// Shape and elements.
    pub fn into_parts(self) -> (Vec<usize>, ArrayData) {
        (self.shape, self.data)
    }
}

impl ArrayData {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::U32(values) => values.len(),
        }
    }

    pub(super) fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::U8(_) => Dtype::U8,
            Self::U32(_) => Dtype::U32,
        }
    }
}

impl From<Vec<f32>> for ArrayData {
    fn from(values: Vec<f32>) -> Self {
        Self::F32(values)
    }
}

impl From<Vec<u8>> for ArrayData {
    fn from(values: Vec<u8>) -> Self {
        Self::U8(values)
    }
}

impl From<Vec<u32>> for ArrayData {
    fn from(values: Vec<u32>) -> Self {
        Self::U32(values)
    }
}

impl View for &Array {
    fn dtype(&self) -> Dtype {
        self.data.dtype()
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.data {
            ArrayData::F32(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            ArrayData::U8(values) => values.into(),
            ArrayData::U32(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        }
    }

    fn data_len(&self) -> usize {
        self.data.len() * self.data.dtype().bitsize() / 8
    }
}

/// The bytes of a safetensors file with these arrays; equal arrays give equal bytes.
///
/// # Panics
/// If an array is called `__metadata__`, or the names and shapes alone take more than 100 MB: the
/// format has no room for either.
pub fn encode(arrays: &BTreeMap<String, Array>) -> Vec<u8> {
    encode_with_note(arrays, None)
}

/// As [`encode`], with a note in the file's metadata, by its key.
///
/// # Panics
/// As [`encode`].
pub fn encode_with_note(arrays: &BTreeMap<String, Array>, note: Option<(&str, String)>) -> Vec<u8> {
    assert!(
        !arrays.contains_key("__metadata__"),
        "expected another array name, got `__metadata__`"
    );
    // One key at most: the order of several would differ from file to file.
    let metadata = note.map(|(key, text)| HashMap::from([(key.to_owned(), text)]));
    safetensors::serialize(arrays, metadata).expect("arrays of consistent shape, with short names")
}

/// The note of this key in the metadata of a safetensors file, if it has one.
pub fn note(bytes: &[u8], key: &str) -> Option<String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
    metadata.metadata().as_ref()?.get(key).cloned()
}

/// The arrays in the bytes of a safetensors file; `file` is where they come from, for the message.
///
/// # Errors
/// [`CheckpointError::InvalidFile`] if the bytes are something else, or an element type is not one of
/// [`ArrayData`].
pub fn decode(bytes: &[u8], file: &Path) -> Result<BTreeMap<String, Array>, CheckpointError> {
    let refusal = |reason| CheckpointError::InvalidFile {
        path: file.to_owned(),
        reason,
    };
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|error| refusal(format!("it does not hold arrays ({error})")))?;
    let arrays = tensors.iter().map(|(name, view)| {
        let data = data_of(&view)
            .ok_or_else(|| refusal(format!("`{name}` has elements of type {}", view.dtype())))?;
        Ok((
            name.to_owned(),
            Array {
                shape: view.shape().to_vec(),
                data,
            },
        ))
    });
    arrays.collect()
}

fn data_of(view: &TensorView<'_>) -> Option<ArrayData> {
    let (words, _) = view.data().as_chunks::<4>();
    match view.dtype() {
        Dtype::F32 => Some(ArrayData::F32(
            words.iter().map(|&word| f32::from_le_bytes(word)).collect(),
        )),
        Dtype::U8 => Some(ArrayData::U8(view.data().to_vec())),
        Dtype::U32 => Some(ArrayData::U32(
            words.iter().map(|&word| u32::from_le_bytes(word)).collect(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::super::take_f32;
    use super::*;

    fn array() -> impl Strategy<Value = Array> {
        vec(0..5_usize, 0..4).prop_flat_map(|shape| {
            let len: usize = shape.iter().product();
            let data = prop_oneof![
                vec(any::<f32>(), len).prop_map(ArrayData::from),
                vec(any::<u8>(), len).prop_map(ArrayData::from),
                vec(any::<u32>(), len).prop_map(ArrayData::from),
            ];
            data.prop_map(move |data| Array::new(shape.clone(), data))
        })
    }

    proptest! {
        #[test]
        fn decodes_what_it_encoded(arrays in btree_map("[a-z.é\"\\\\]{0,8}", array(), 0..6)) {
            let bytes = encode(&arrays);
            let decoded = decode(&bytes, Path::new("x")).unwrap();
            prop_assert_eq!(&decoded, &arrays);
            prop_assert_eq!(encode(&decoded), bytes);
        }

        #[test]
        fn refuses_any_other_bytes_without_a_panic(bytes in vec(any::<u8>(), 0..64)) {
            prop_assert!(decode(&bytes, Path::new("x")).is_err());
        }
    }

    #[test]
    fn a_note_comes_back_beside_the_arrays() {
        let arrays = BTreeMap::from([("x".to_owned(), Array::new([1], vec![7_u8]))]);
        let bytes = encode_with_note(&arrays, Some(("ebm", "{}".to_owned())));
        assert_eq!(note(&bytes, "ebm").as_deref(), Some("{}"));
        assert_eq!(decode(&bytes, Path::new("x")).unwrap(), arrays);
        assert_eq!(note(&encode(&arrays), "ebm"), None);
        assert_eq!(note(b"PNG", "ebm"), None);
    }

    #[test]
    fn keeps_every_bit_of_a_float() {
        let bits = [
            0x7FC0_1234,
            0xFFFF_FFFF,
            0x8000_0000,
            0x0000_0001,
            0x7F80_0000,
        ];
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let arrays = BTreeMap::from([("x".to_owned(), Array::new([5], values))]);
        let mut arrays = decode(&encode(&arrays), Path::new("x")).unwrap();
        let decoded = take_f32(&mut arrays, "x", &[5]).unwrap();
        assert_eq!(
            decoded.into_iter().map(f32::to_bits).collect::<Vec<_>>(),
            bits
        );
    }

    #[test]
    fn refuses_a_file_that_holds_no_arrays_and_names_it() {
        let message = decode(b"PNG", Path::new("run/model"))
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("run/model is not valid: it does not hold arrays"),
            "{message}"
        );
    }

    #[test]
    #[should_panic = "expected 6 elements for the shape [2, 3], got 5"]
    fn refuses_data_of_another_length_than_the_shape() {
        Array::new([2, 3], vec![0_u8; 5]);
    }
}
