//! Read the labels of images.

use std::path::{Path, PathBuf};

use npyz::{Endianness, TypeChar};

use super::array::{Array, again_after};
use super::header::Dtype;
use crate::error::DataError;

/// What makes numbers of texts or of Python's objects, and keeps what they were as the names of the classes.
const NUMBERED: &str = "class_names, y = numpy.unique(list(y), return_inverse=True)";

/// Bytes that are read at once.
const AT_ONCE: usize = 1 << 16;

/// Labels as they stand in a file, one for each image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Labels {
    pub path: PathBuf,
    pub values: Vec<u32>,
}

/// How a whole number is written.
#[derive(Clone, Copy)]
struct Integer {
    /// Bytes, 1 to 8.
    len: usize,
    is_signed: bool,
    is_big_endian: bool,
}

impl Labels {
    /// Reads `[n]` or `[n, 1]` whole numbers, one for each of the images in the file `images`.
    ///
    /// # Errors
    /// Where the array has another type or shape, a number is negative or more than any class, or it is damaged.
    pub fn read(mut array: Array<'_>, images: &Path, num_images: usize) -> Result<Self, DataError> {
        let integer = Integer::of(&array)?;
        let shape = array.header.shape.as_slice();
        let num = match shape {
            &[num] | &[num, 1] => num,
            [_, _] => {
                let problem = format!(
                    "is of shape {shape:?}, with several labels for an image, and one is read"
                );
                let remedy =
                    again_after("y = y[:, 0]") + ", or `y.argmax(axis=1)` of one-hot labels";
                return Err(array.unfit(problem, remedy));
            }
            _ => {
                let problem = format!("is of shape {shape:?}, and labels are [n] or [n, 1]");
                return Err(array.unfit(problem, again_after("y = y.reshape(n)")));
            }
        };
        if num != num_images as u64 {
            return Err(DataError::CountMismatch {
                images: images.into(),
                labels: array.path,
                num_images,
                num_labels: usize::try_from(num).unwrap_or(usize::MAX),
            });
        }
        let (mut values, mut bytes) = (Vec::new(), Vec::new());
        let mut left = num;
        while left > 0 {
            let now = left.min((AT_ONCE / integer.len) as u64);
            array.read(&mut bytes, now as usize * integer.len)?;
            for written in bytes.chunks_exact(integer.len) {
                let value = integer.value(written);
                let label = u32::try_from(value).map_err(|_| {
                    let index = values.len();
                    let problem = format!("has {value} as label {index}, which is no class");
                    array.unfit(problem, numbered_anew())
                })?;
                values.push(label);
            }
            left -= now;
        }
        let path = array.path.clone();
        array.finish()?;
        Ok(Self { path, values })
    }

    /// The error that they are not what is read: what they are, and what to do about that.
    pub fn unfit(&self, problem: String, remedy: impl Into<String>) -> DataError {
        DataError::UnfitArray {
            path: self.path.clone(),
            problem,
            remedy: remedy.into(),
        }
    }
}

impl Integer {
    /// The type of the elements of an array of labels.
    fn of(array: &Array<'_>) -> Result<Self, DataError> {
        let dtype = &array.header.dtype;
        if let Dtype::Plain(plain) = dtype
            && let TypeChar::Int | TypeChar::Uint = plain.type_char()
        {
            return Ok(Self {
                len: plain.size_field() as usize,
                is_signed: plain.type_char() == TypeChar::Int,
                is_big_endian: plain.endianness() == Endianness::Big,
            });
        }
        let is_of = |kind| matches!(dtype, Dtype::Plain(plain) if plain.type_char() == kind);
        let is_object = is_of(TypeChar::Object);
        let is_text = is_of(TypeChar::UnicodeStr) || is_of(TypeChar::ByteStr);
        Err(if is_object {
            let problem = "holds Python objects, which are never loaded".to_owned();
            array.unfit(problem, again_after(NUMBERED))
        } else {
            let problem = format!("is of type {dtype}, and labels are whole numbers");
            array.unfit(
                problem,
                again_after(if is_text {
                    NUMBERED
                } else {
                    "y = y.astype(int)"
                }),
            )
        })
    }

    fn value(self, written: &[u8]) -> i128 {
        let mut bytes = [0; 8];
        bytes[..self.len].copy_from_slice(written);
        if self.is_big_endian {
            bytes[..self.len].reverse();
        }
        let value = u64::from_le_bytes(bytes);
        if self.is_signed {
            let unused = 64 - 8 * self.len;
            i128::from((value << unused) as i64 >> unused)
        } else {
            i128::from(value)
        }
    }
}

/// The remedy for labels that are no numbers of classes.
pub(super) fn numbered_anew() -> String {
    "number the classes from 0 with `y = numpy.unique(y, return_inverse=True)[1]`".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_in_every_width_sign_and_order() {
        for len in [1, 2, 4, 8] {
            for (is_signed, is_big_endian) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let integer = Integer {
                    len,
                    is_signed,
                    is_big_endian,
                };
                let value = |mut bytes: Vec<u8>| {
                    if is_big_endian {
                        bytes.reverse();
                    }
                    integer.value(&bytes)
                };
                let mut five = vec![0; len];
                five[0] = 5;
                assert_eq!(value(five), 5);
                let all = vec![0xff; len];
                let largest: i128 = (1 << (8 * len)) - 1;
                assert_eq!(value(all), if is_signed { -1 } else { largest });
                let mut top = vec![0; len];
                top[len - 1] = 0x80;
                let half: i128 = 1 << (8 * len - 1);
                assert_eq!(value(top), if is_signed { -half } else { half });
            }
        }
    }
}
