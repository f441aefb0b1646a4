//! Tell rows, columns and channels apart in an array of images.

use ebm_core::ImageShape;
use npyz::TypeChar;

use super::array::{Array, again_after};
use super::header::Dtype;
use crate::error::DataError;

/// How the axes of images are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `[n, h, w]`, `[n, h, w, c]` or `[n, c, h, w]`: an axis of 1 or 3, second or last of four, is the channels.
    ByLength,
    /// The same, but the second axis where both may be the channels.
    ChannelsFirst,
    /// `[n, 3·s·s]`: planes of squares in colour.
    Flat,
}

/// The most pixels of an image, as of a picture.
const MOST_PIXELS: usize = 1 << 28;

/// Images in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// How many there are; at least one.
    pub num: usize,
    pub shape: ImageShape,
    /// Whether the channels of a pixel lie beside each other.
    pub is_interleaved: bool,
}

impl Layout {
    /// The layout of an array of images.
    ///
    /// # Errors
    /// Where it is of another type than bytes in C order, of a shape that images do not have, or holds none.
    pub fn of(array: &Array<'_>, form: Form) -> Result<Self, DataError> {
        check_type(array)?;
        let shape = array.header.shape.iter();
        let shape: Result<Vec<usize>, _> = shape.map(|&extent| usize::try_from(extent)).collect();
        // What no file holds was refused before.
        let shape = shape.unwrap_or_default();
        if !shape.is_empty() && shape.contains(&0) {
            return Err(DataError::NoImages {
                path: array.path.clone(),
                remedy: "its shape has a 0 in it; save an array of one or more",
            });
        }
        let layout = match (form, shape.as_slice()) {
            (Form::Flat, &[num, len]) => square_planes(len).map(|shape| Self {
                num,
                shape,
                is_interleaved: false,
            }),
            (Form::Flat, _) => None,
            (_, &[_, _, 1 | 3]) => return Err(one_or_many(array)),
            (_, &[num, height, width]) => Some(Self {
                num,
                shape: ImageShape::new(1, height, width),
                is_interleaved: false,
            }),
            (form, &[num, second, third, last]) => {
                let is_interleaved = match [second, last].map(|axis| matches!(axis, 1 | 3)) {
                    [true, true] if form == Form::ByLength => return Err(ambiguous(array)),
                    [true, _] => Some(false),
                    [false, true] => Some(true),
                    [false, false] => None,
                };
                is_interleaved.map(|is_interleaved| {
                    let shape = match is_interleaved {
                        true => ImageShape::new(last, second, third),
                        false => ImageShape::new(second, third, last),
                    };
                    Self {
                        num,
                        shape,
                        is_interleaved,
                    }
                })
            }
            _ => None,
        };
        let layout = layout.ok_or_else(|| no_images(array, form))?;
        let ImageShape { height, width, .. } = layout.shape;
        if height.saturating_mul(width) > MOST_PIXELS {
            return Err(array.unfit(
                format!("has images of {height} by {width}"),
                format!("images of more than {MOST_PIXELS} pixels are not read"),
            ));
        }
        Ok(layout)
    }
}

/// The shape of square images in colour with `len` bytes.
fn square_planes(len: usize) -> Option<ImageShape> {
    let side = (len / 3).isqrt();
    (3 * side * side == len).then(|| ImageShape::new(3, side, side))
}

/// Refuses another type than bytes in C order, and says how to change it.
fn check_type(array: &Array<'_>) -> Result<(), DataError> {
    let header = &array.header;
    let Dtype::Plain(plain) = &header.dtype else {
        let remedy = "save its field of images alone, as numpy.uint8";
        return Err(array.unfit(format!("is of {}", header.dtype), remedy));
    };
    let (line, white) = match (plain.type_char(), plain.size_field()) {
        (TypeChar::Uint, 1) if !header.is_fortran => return Ok(()),
        (TypeChar::Uint, 1) => {
            let problem = "is in Fortran order, and images are read in C order".to_owned();
            return Err(array.unfit(problem, again_after("x = numpy.ascontiguousarray(x)")));
        }
        (TypeChar::Object, _) => {
            let problem = "holds Python objects, which are never loaded".to_owned();
            let line = "x = numpy.stack(list(x)).astype(numpy.uint8)";
            return Err(array.unfit(problem, again_after(line)));
        }
        (TypeChar::Float, _) => (
            "x = (255 * x.clip(0, 1)).round().astype(numpy.uint8)",
            ", where white is 1",
        ),
        (TypeChar::Uint, 2) => (
            "x = (x / 257).round().astype(numpy.uint8)",
            ", where white is 65535",
        ),
        (TypeChar::Int | TypeChar::Uint, _) => (
            "x = x.clip(0, 255).astype(numpy.uint8)",
            ", where white is 255",
        ),
        (TypeChar::Bool, _) => ("x = 255 * x.astype(numpy.uint8)", ""),
        _ => ("x = x.astype(numpy.uint8)", ""),
    };
    let problem = format!(
        "is of type {}, and images are read from uint8",
        header.dtype
    );
    Err(array.unfit(problem, again_after(line) + white))
}

/// The error that an array has no shape of images.
fn no_images(array: &Array<'_>, form: Form) -> DataError {
    let shape = &array.header.shape;
    let remedy = match (form, shape.as_slice()) {
        (Form::Flat, _) => {
            let problem = format!("is of shape {shape:?}, and `data` is read as [n, 3·s·s]");
            let remedy = "save images of other shapes as `images`";
            return array.unfit(problem, remedy);
        }
        (_, [_, _, _, 4]) => again_after("x = x[..., :3]") + ", without transparency",
        (_, [_, 4, _, _]) => again_after("x = x[:, :3]") + ", without transparency",
        _ => again_after("x = x.reshape(n, h, w, c)"),
    };
    let problem = format!(
        "is of shape {shape:?}, and images are [n, h, w], [n, h, w, c] or [n, c, h, w] with 1 or 3 channels"
    );
    array.unfit(problem, remedy)
}

/// The error that three axes may be one image and its channels, or grey images as narrow as that.
fn one_or_many(array: &Array<'_>) -> DataError {
    let shape = &array.header.shape;
    let problem = format!(
        "is of shape {shape:?}, which may be one image with its channels last, or grey images of width {}",
        shape[2]
    );
    let remedy = again_after("x = x[None]") + " for one image, or `x = x[..., None]` for grey ones";
    array.unfit(problem, remedy)
}

/// The error that two axes may be the channels.
fn ambiguous(array: &Array<'_>) -> DataError {
    let problem = format!(
        "is of shape {:?}, in which the channels may be the second axis or the last",
        array.header.shape
    );
    let remedy = "save it as train_images.npy in a folder, the channels second";
    array.unfit(problem, remedy)
}
