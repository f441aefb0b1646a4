//! Read a file of the Python version: a pickled dict of an array of images and a list of labels.
//!
//! Arrays are pickled as a call of numpy's `_reconstruct` and a state: version, shape, dtype, whether
//! the elements stand column by column, and their bytes (`ndarray.__reduce__` and `__setstate__` of
//! numpy's reference).

use std::borrow::Cow;

use super::IMAGE;
use super::pickle::{Pickle, Value};

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch<'a> {
    /// `[n, 3, 32, 32]`, n > 0.
    pub planes: Cow<'a, [u8]>,
    /// n numbers of any size.
    pub labels: Vec<i64>,
}

/// Reads a file's images and its labels of this key. Where it cannot, says what is wrong with the
/// file, as the end of a sentence that begins with its path.
pub(super) fn read<'a>(bytes: &'a [u8], label_key: &str) -> Result<Batch<'a>, String> {
    let pickle = Pickle::read(bytes)?;
    let Value::Dict(entries) = pickle.top() else {
        return Err("is a pickle, but not of a dict".into());
    };
    let planes = pickle
        .entry(entries, "data")
        .and_then(|data| rows(&pickle, data))
        .ok_or("is a pickled dict without a uint8 array `data` of n × 3072")?;
    let labels = pickle
        .entry(entries, label_key)
        .and_then(|labels| pickle.ints(labels))
        .ok_or_else(|| format!("is a pickled dict without a list of numbers `{label_key}`"))?;
    let num_images = planes.len() / IMAGE;
    if num_images == 0 {
        return Err("holds no image".into());
    }
    if labels.len() != num_images {
        let num_labels = labels.len();
        return Err(format!("has {num_images} images but {num_labels} labels"));
    }
    Ok(Batch { planes, labels })
}

/// The elements of an array of uint8 `[n, 3072]`, row by row.
fn rows<'a>(pickle: &Pickle<'a>, array: &Value<'a>) -> Option<Cow<'a, [u8]>> {
    let (_, state) = pickle.call(array, "_reconstruct")?;
    let Value::Items(state) = pickle.at(state?) else {
        return None;
    };
    let &[_version, shape, dtype, by_columns, elements] = state.as_slice() else {
        return None;
    };
    let (dtype, _) = pickle.call(pickle.at(dtype), "dtype")?;
    let is_uint8 = dtype.first().is_some_and(|&name| pickle.is(name, "u1"));
    let elements = pickle.bytes(pickle.at(elements))?;
    let num_rows = elements.len() / IMAGE;
    let shape = pickle.ints(pickle.at(shape))?;
    let is_whole = elements.len() == num_rows * IMAGE && shape == [num_rows as i64, IMAGE as i64];
    match pickle.at(by_columns) {
        Value::Int(0) if is_uint8 && is_whole => Some(elements),
        Value::Int(1) if is_uint8 && is_whole => Some(transposed(&elements, num_rows).into()),
        _ => None,
    }
}

/// The elements row by row of an array of `num_rows` rows whose elements stand column by column.
fn transposed(elements: &[u8], num_rows: usize) -> Vec<u8> {
    let of_row = |row: usize| elements[row..].iter().step_by(num_rows);
    (0..num_rows).flat_map(of_row).copied().collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Opcodes of a list's elements.
    fn ints(labels: &[i32]) -> Vec<u8> {
        let one = |&label: &i32| match u8::try_from(label) {
            Ok(byte) => vec![b'K', byte],
            Err(_) => [&b"J"[..], &label.to_le_bytes()].concat(),
        };
        labels.iter().flat_map(one).collect()
    }

    /// Opcodes of a number of rows.
    fn rows_of(data: &[u8]) -> Vec<u8> {
        let num = u16::try_from(data.len() / IMAGE).expect("few images");
        [&b"M"[..], &num.to_le_bytes()].concat()
    }

    fn length(bytes: &[u8]) -> [u8; 4] {
        u32::try_from(bytes.len()).expect("few bytes").to_le_bytes()
    }

    /// A file as those on its author's page, which Python 2 wrote.
    pub(in crate::sources::cifar) fn python_2(key: &str, labels: &[i32], data: &[u8]) -> Vec<u8> {
        [
            &b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U"[..],
            &[key.len() as u8],
            key.as_bytes(),
            b"q\x04]q\x05(",
            &ints(labels),
            b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08",
            b"K\x00\x85U\x01b\x87Rq\x09(K\x01",
            &rows_of(data),
            b"M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNN",
            b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T",
            &length(data),
            data,
            b"tbU\x09filenamesq\x0c]q\x0d(U\x08leaf.pngq\x0eU\x08boat.pngq\x0feu.",
        ]
        .concat()
    }

    /// A file of `labels` that Python 3 and numpy 2 wrote in protocol 2: names and data are bytes.
    pub(in crate::sources::cifar) fn numpy_2(labels: &[i32], data: &[u8]) -> Vec<u8> {
        let text: String = data.iter().map(|&byte| char::from(byte)).collect();
        [
            &b"\x80\x02}q\x00(c_codecs\nencode\nq\x01X\x04\x00\x00\x00dataq\x02"[..],
            b"X\x06\x00\x00\x00latin1q\x03\x86q\x04Rq\x05",
            b"cnumpy._core.multiarray\n_reconstruct\nq\x06cnumpy\nndarray\nq\x07K\x00\x85q\x08",
            b"h\x01X\x01\x00\x00\x00bq\th\x03\x86q\nRq\x0b\x87q\x0cRq\r(K\x01",
            &rows_of(data),
            b"M\x00\x0c\x86q\x0ecnumpy\ndtype\nq\x0fX\x02\x00\x00\x00u1q\x10\x89\x88\x87q\x11R",
            b"q\x12(K\x03X\x01\x00\x00\x00|q\x13NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x14b",
            b"\x89h\x01X",
            &length(text.as_bytes()),
            text.as_bytes(),
            b"q\x15h\x03\x86q\x16Rq\x17tq\x18bh\x01X\x06\x00\x00\x00labelsq\x19h\x03\x86q\x1a",
            b"Rq\x1b]q\x1c(",
            &ints(labels),
            b"eu.",
        ]
        .concat()
    }

    /// A file of `labels` that Python 3 and numpy 2 wrote in protocol 4.
    fn protocol_4(labels: &[i32], data: &[u8]) -> Vec<u8> {
        [
            &b"\x80\x04\x95\xaf\x00\x00\x00\x00\x00\x00\x00}\x94(C\x04data\x94\x8c\x16"[..],
            b"numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07",
            b"ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01",
            &rows_of(data),
            b"M\x00\x0c\x86\x94h\x05\x8c\x05dtype\x94\x93\x94\x8c\x02u1\x94\x89\x88\x87\x94R\x94(K\x03",
            b"\x8c\x01|\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89B",
            &length(data),
            data,
            b"\x94t\x94bC\x06labels\x94]\x94(",
            &ints(labels),
            b"eu.",
        ]
        .concat()
    }

    /// Two images of all bytes.
    fn two_images() -> Vec<u8> {
        (0..2 * IMAGE).map(|i| (i * 7 / 3 % 256) as u8).collect()
    }

    /// The same bytes with one run of them replaced by another.
    fn with(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
        let mut windows = bytes.windows(old.len());
        let at = windows.position(|window| window == old);
        let at = at.expect("what is to be replaced");
        [&bytes[..at], new, &bytes[at + old.len()..]].concat()
    }

    #[test]
    fn reads_what_python_2_and_what_numpy_2_write() {
        let data = two_images();
        let labels = [3, 900];
        for bytes in [
            python_2("labels", &labels, &data),
            numpy_2(&labels, &data),
            protocol_4(&labels, &data),
        ] {
            let batch = read(&bytes, "labels").unwrap();
            assert_eq!(batch.labels, [3, 900]);
            assert_eq!(batch.planes, data);
        }
    }

    #[test]
    fn reads_an_array_whose_elements_stand_column_by_column() {
        let data = two_images();
        let by_columns: Vec<u8> = (0..IMAGE)
            .flat_map(|column| [data[column], data[IMAGE + column]])
            .collect();
        let bytes = python_2("labels", &[1, 2], &by_columns);
        let bytes = with(&bytes, b"tb\x89T", b"tb\x88T");
        assert_eq!(read(&bytes, "labels").unwrap().planes, data);
    }

    #[test]
    fn refuses_a_pickle_of_something_else() {
        let whole = python_2("labels", &[1, 2], &two_images());
        let no_images = "is a pickled dict without a uint8 array `data` of n × 3072";
        let no_labels = "is a pickled dict without a list of numbers `labels`";
        for (bytes, problem) in [
            (b"\x80\x02].".to_vec(), "is a pickle, but not of a dict"),
            (b"\x80\x02}.".to_vec(), no_images),
            (b"\x80\x02}U\x04dataK\x01s.".to_vec(), no_images),
            (with(&whole, b"\x02u1", b"\x02f4"), no_images),
            (with(&whole, b"\x02u1", b"\x02i1"), no_images),
            (with(&whole, b"M\x02\x00", b"M\x03\x00"), no_images),
            (
                with(&whole, b"M\x00\x0c\x86", b"M\x00\x0cK\x01\x87"),
                no_images,
            ),
            (with(&whole, b"M\x00\x0c\x86", b"M\x00\x0b\x86"), no_images),
            (with(&whole, b"tb\x89T", b"tbNT"), no_images),
            (with(&whole, b"(K\x01K\x02e", b"(K\x01Ne"), no_labels),
            (with(&whole, b"\x06labels", b"\x06labelz"), no_labels),
            (python_2("labels", &[], &[]), "holds no image"),
            (
                python_2("labels", &[1], &two_images()),
                "has 2 images but 1 labels",
            ),
            (
                python_2("labels", &[1, 2, 3], &two_images()),
                "has 2 images but 3 labels",
            ),
        ] {
            assert_eq!(read(&bytes, "labels").unwrap_err(), problem);
        }
    }

    #[test]
    fn refuses_a_file_that_is_cut_anywhere() {
        let whole = python_2("labels", &[1, 2], &two_images());
        for len in 2..whole.len() {
            assert_eq!(read(&whole[..len], "labels").unwrap_err(), "is cut short");
        }
    }

    #[test]
    fn does_not_panic_whatever_byte_is_changed() {
        let mut bytes = python_2("labels", &[1], &two_images()[..IMAGE]);
        let whole = bytes.clone();
        let is_outside = |&at: &usize| !(300..whole.len() - 60).contains(&at);
        for at in (0..whole.len()).filter(is_outside) {
            for byte in 0..=255 {
                bytes[at] = byte;
                _ = read(&bytes, "labels");
            }
            bytes[at] = whole[at];
        }
        assert_eq!(bytes, whole);
    }
}
