//! Say which pixels of a picture are missing, and show doubt about them.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueHint};
use ebm_apply::restore::Mask;
use ebm_core::ImageShape;
use ebm_core::file_system::folder_of;
use ebm_data::{Photo, Planes};

use super::scratches::ScratchArgs;
use crate::pictures::Job;
use crate::typed::Mistyped;

/// How far each channel of a pixel may be from a colour that was painted over damage, of 255: JPEG files blur it.
const TOLERANCE: f32 = 48.0;

/// What is missing: everything that one of these names.
#[derive(Args, Debug)]
pub(super) struct DamageArgs {
    /// A picture of the same size, bright where a pixel is missing, for all pictures; or a folder of such, each of the
    /// name of its picture
    #[arg(long, value_name = "MASK.png|DIR", value_hint = ValueHint::AnyPath)]
    mask: Option<PathBuf>,

    /// A colour that was painted over what is missing, as #ff0000
    #[arg(long, value_name = "#RRGGBB", value_parser = colour)]
    mask_color: Option<[u8; 3]>,

    /// A box that is missing: its left and top edge, width and height, in pixels; may be given again
    #[arg(long = "box", value_name = "X,Y,W,H", allow_hyphen_values = true, value_parser = rectangle)]
    boxes: Vec<[usize; 4]>,

    #[command(flatten)]
    scratches: ScratchArgs,

    /// Count pixels up to so many around as missing, too
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    grow: usize,
}

fn colour(text: &str) -> Result<[u8; 3], String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let channel = |place: usize| {
        let digits = digits.get(2 * place..2 * place + 2)?;
        u8::from_str_radix(digits, 16).ok()
    };
    match (digits.len(), channel(0), channel(1), channel(2)) {
        (6, Some(red), Some(green), Some(blue)) => Ok([red, green, blue]),
        _ => Err("must be six hexadecimal digits, as #ff0000".to_owned()),
    }
}

/// Read a box: its left and top edge, width and height.
pub(crate) fn rectangle(text: &str) -> Result<[usize; 4], String> {
    let numbers: Result<Vec<i64>, _> = text.split(',').map(|it| it.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[x, y, width, height]) if width > 0 && height > 0 => match x.min(y) {
            0.. => Ok([x, y, width, height].map(|number| number as usize)),
            _ => Err("it lies beyond the picture, whose left and top edges are at 0".to_owned()),
        },
        _ => Err("must be four numbers, X,Y,WIDTH,HEIGHT, the last two above 0".to_owned()),
    }
}

/// Which pixels of a picture of this size, `[height, width]`, are bright in a mask of it, over black where it is
/// transparent.
///
/// # Errors
/// Where the file cannot be read, or is of another size.
pub(crate) fn read_mask(path: &Path, [height, width]: [usize; 2]) -> anyhow::Result<Vec<bool>> {
    let photo = Photo::read(path)?;
    let mut mask = photo.planes.grey();
    let opacity = photo.opacity().unwrap_or_default();
    for (value, opacity) in mask.pixels.iter_mut().zip(opacity) {
        *value *= opacity;
    }
    let found = [mask.shape.height, mask.shape.width];
    if found != [height, width] {
        bail!(
            "--mask {}: it is {} by {}, and the picture is {width} by {height}",
            path.display(),
            found[1],
            found[0]
        );
    }
    Ok(mask.pixels.iter().map(|value| *value >= 0.5).collect())
}

/// Mark the pixels of boxes as missing in a picture of this size, `[height, width]`.
///
/// # Errors
/// Where a box lies beyond it.
pub(crate) fn fill_boxes(
    missing: &mut [bool],
    [height, width]: [usize; 2],
    boxes: &[[usize; 4]],
) -> anyhow::Result<()> {
    for &[x, y, wide, high] in boxes {
        if x.saturating_add(wide) > width || y.saturating_add(high) > height {
            bail!(
                "--box {x},{y},{wide},{high}: it lies beyond the picture, which is {width} by {height}"
            );
        }
        for row in missing.chunks_mut(width).skip(y).take(high) {
            row[x..x + wide].fill(true);
        }
    }
    Ok(())
}

/// Refuse to write over a mask that is read.
pub(crate) fn check_not_mask(flag: &str, path: &Path, mask: Option<&Path>) -> anyhow::Result<()> {
    let [from, to] = [mask, Some(path)].map(|file| file.and_then(|file| file.canonicalize().ok()));
    if from.is_some() && from == to {
        bail!(
            "{flag} {}: this is what --mask reads, which is never written over; name another file",
            path.display()
        );
    }
    Ok(())
}

/// Whether a file, which may not be there yet, lies directly in a folder.
fn is_in(file: &Path, folder: &Path) -> bool {
    let [own, folder] = [folder_of(file), folder].map(|it| it.canonicalize().ok());
    own.is_some() && own == folder
}

impl DamageArgs {
    fn is_given(&self) -> bool {
        self.mask.is_some()
            || self.mask_color.is_some()
            || !self.boxes.is_empty()
            || self.scratches.find_scratches
    }

    /// Refuse to look for what is missing where nothing says it.
    pub(super) fn check(&self) -> Result<(), Mistyped> {
        if self.is_given() {
            return Ok(());
        }
        let problem = "say what is missing: --mask MASK.png, --mask-color '#ff0000', --box X,Y,W,H or \
                       --find-scratches";
        Err(Mistyped(problem.to_owned()))
    }

    /// Refuse to write over the mask of a picture, which is read, or among those of others.
    pub(super) fn check_not_mask(&self, flag: &str, job: &Job) -> anyhow::Result<()> {
        if let Some(masks) = self.mask.as_deref().filter(|mask| mask.is_dir())
            && is_in(&job.output, masks)
        {
            bail!(
                "{flag} {}: it lies in the folder that --mask reads, in which nothing is written; name another place",
                job.output.display()
            );
        }
        // That there is none is said where it is read.
        let mask = self.mask_of(&job.input).ok().flatten();
        check_not_mask(flag, &job.output, mask.as_deref())
    }

    /// The file of the mask of a picture: the one for all, or of a folder that of the picture's name, as it is or as PNG.
    fn mask_of(&self, input: &Path) -> anyhow::Result<Option<PathBuf>> {
        let Some(mask) = self.mask.as_deref() else {
            return Ok(None);
        };
        if !mask.is_dir() {
            return Ok(Some(mask.to_owned()));
        }
        let named = mask.join(input.file_name().unwrap_or_default());
        let as_png = named.with_extension("png");
        let Some(found) = [&named, &as_png].into_iter().find(|path| path.exists()) else {
            bail!(
                "--mask {}: there is no mask {} in it",
                mask.display(),
                as_png.display()
            );
        };
        Ok(Some(found.clone()))
    }

    /// Why nothing is missing of a picture: all that was looked for in vain. A box is never empty.
    pub(super) fn why_nothing(&self) -> String {
        let reasons = [
            (self.mask.is_some(), "the mask is empty"),
            (self.mask_color.is_some(), "no pixel has the painted colour"),
            (self.scratches.find_scratches, "no scratch was found"),
        ];
        let given = reasons.into_iter().filter(|(is_given, _)| *is_given);
        let given: Vec<_> = given.map(|(_, reason)| reason).collect();
        given.join(", ")
    }

    /// Refuse a picture in which scratches were looked for and none was found, where nothing else is missing.
    pub(super) fn refuse_without_scratch(&self, mask: &Mask) -> anyhow::Result<()> {
        self.scratches.refuse_none(&mask.missing)
    }

    /// What is missing of the picture in a file.
    pub(super) fn mask(&self, photo: &Photo, input: &Path) -> anyhow::Result<Mask> {
        let ImageShape { height, width, .. } = photo.planes.shape;
        let size = [height, width];
        let mut missing = match self.mask_of(input)? {
            Some(path) => read_mask(&path, size)?,
            None => vec![false; height * width],
        };
        if let Some(colour) = self.mask_color {
            let planes: Vec<&[f32]> = photo.planes.each().collect();
            let is_painted = |place: usize| {
                colour.iter().enumerate().all(|(channel, &value)| {
                    let found = 255.0 * planes[channel % planes.len()][place];
                    (found - f32::from(value)).abs() <= TOLERANCE
                })
            };
            for (place, missing) in missing.iter_mut().enumerate() {
                *missing |= is_painted(place);
            }
        }
        fill_boxes(&mut missing, size, &self.boxes)?;
        self.scratches.add_to(&mut missing, photo, input);
        Ok(Mask {
            missing: grown(missing, size, self.grow),
            size,
        })
    }
}

/// The same with every pixel that is at most `by` pixels away along both axes from one that is missing.
fn grown(missing: Vec<bool>, [height, width]: [usize; 2], by: usize) -> Vec<bool> {
    let near = |place: usize, length: usize| {
        place.saturating_sub(by)..place.saturating_add(by).min(length - 1) + 1
    };
    let in_rows: Vec<bool> = (0..height * width)
        .map(|place| {
            near(place % width, width).any(|column| missing[place / width * width + column])
        })
        .collect();
    (0..height * width)
        .map(|place| near(place / width, height).any(|row| in_rows[row * width + place % width]))
        .collect()
}

/// A picture of a mask, white where a pixel is missing.
pub(super) fn mask_picture(mask: &Mask) -> Planes {
    let [height, width] = mask.size;
    let values = mask.missing.iter().copied().map(f32::from);
    Planes {
        pixels: values.collect(),
        shape: ImageShape::new(1, height, width),
    }
}

/// A picture of values from 0, in black, to their largest, through red and yellow to white.
pub(super) fn heat_map(values: &[f32], [height, width]: [usize; 2]) -> Planes {
    let largest = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let channel = |number: usize| {
        let shade = move |value: &f32| (3.0 * value / largest - number as f32).clamp(0.0, 1.0);
        values.iter().map(shade)
    };
    Planes {
        pixels: (0..3).flat_map(channel).collect(),
        shape: ImageShape::new(3, height, width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_boxes_are_read() {
        assert_eq!(colour("#ff0010"), Ok([255, 0, 16]));
        assert_eq!(colour("00ff00"), Ok([0, 255, 0]));
        for text in ["#ff00", "red", "#ff00zz", "#ä1234", ""] {
            assert!(colour(text).is_err(), "{text}");
        }
        assert_eq!(rectangle("1, 2,3,4"), Ok([1, 2, 3, 4]));
        for text in ["1,2,3", "1,2,0,4", "a,b,c,d", "1,2,3,-4"] {
            let message = rectangle(text).expect_err(text);
            assert!(message.contains("four numbers"), "{message}");
        }
        for text in ["-1,0,4,4", "0,-3,4,4"] {
            let message = rectangle(text).expect_err(text);
            assert!(message.contains("lies beyond the picture"), "{message}");
        }
    }

    #[test]
    fn everything_that_is_named_is_missing() {
        let mut planes = Planes {
            pixels: vec![0.5; 3 * 12],
            shape: ImageShape::new(3, 3, 4),
        };
        for (channel, value) in [(0, 1.0), (1, 0.1), (2, 0.0)] {
            planes.pixels[12 * channel + 3] = value; // nearly red, at the top right
        }
        let photo = Photo::of_planes(planes);
        let args = |boxes: &[[usize; 4]], grow| DamageArgs {
            mask: None,
            mask_color: Some([255, 0, 0]),
            boxes: boxes.to_vec(),
            scratches: ScratchArgs::default(),
            grow,
        };
        let places = |args: &DamageArgs| -> Vec<usize> {
            let mask = args.mask(&photo, Path::new("a.png")).expect("a mask");
            let mask = mask.missing;
            (0..12).filter(|&place| mask[place]).collect()
        };
        assert_eq!(places(&args(&[], 0)), [3]);
        assert_eq!(places(&args(&[], 1)), [2, 3, 6, 7]);
        assert_eq!(places(&args(&[[0, 1, 2, 2]], 0)), [3, 4, 5, 8, 9]);
        let beyond = args(&[[3, 0, 2, 1]], 0).mask(&photo, Path::new("a.png"));
        let beyond = beyond.expect_err("beyond");
        assert!(beyond.to_string().contains("lies beyond the picture"));
    }

    #[test]
    fn nothing_is_missing_for_all_that_was_looked_for() {
        let mut args = DamageArgs {
            mask: Some("mask.png".into()),
            mask_color: None,
            boxes: Vec::new(),
            scratches: ScratchArgs::default(),
            grow: 0,
        };
        assert_eq!(args.why_nothing(), "the mask is empty");
        args.mask_color = Some([255, 0, 0]);
        args.scratches.find_scratches = true;
        let all = "the mask is empty, no pixel has the painted colour, no scratch was found";
        assert_eq!(args.why_nothing(), all);
    }

    #[test]
    fn a_folder_of_masks_has_that_of_a_picture_by_its_name() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["a.jpg", "a.png", "b.png"] {
            std::fs::write(dir.path().join(name), "").expect("a file");
        }
        let args = DamageArgs {
            mask: Some(dir.path().to_owned()),
            mask_color: None,
            boxes: Vec::new(),
            scratches: ScratchArgs::default(),
            grow: 0,
        };
        for (input, name) in [
            ("in/a.jpg", "a.jpg"),
            ("a.png", "a.png"),
            ("b.jpg", "b.png"),
        ] {
            let found = args.mask_of(Path::new(input)).expect("there is one");
            assert_eq!(found, Some(dir.path().join(name)));
        }
        let none = args.mask_of(Path::new("c.jpg")).expect_err("none");
        assert!(none.to_string().contains("there is no mask"), "{none}");
    }

    #[test]
    fn what_is_transparent_in_a_mask_is_not_missing() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("mask.png");
        let pixels = [[255, 255], [255, 200], [255, 100], [255, 0], [0, 255]];
        let mask = image::GrayAlphaImage::from_raw(5, 1, pixels.concat()).expect("five pixels");
        mask.save(&path).expect("a file");
        let missing = read_mask(&path, [1, 5]).expect("a mask");
        assert_eq!(missing, [true, true, false, false, false]);
    }

    #[test]
    fn doubt_goes_from_black_to_white() {
        let heat = heat_map(&[0.0, 0.1, 0.2, 0.3], [1, 4]);
        let expected = [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let errors = heat.pixels.iter().zip(expected).map(|(a, b)| (a - b).abs());
        assert!(errors.fold(0.0, f32::max) < 1e-5, "{heat:?}");
    }
}
