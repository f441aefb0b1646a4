//! Save how images change as a looping animation: each frame a contact sheet, as GIF or as APNG.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use super::sheet::Sheet;
use super::{WriteError, write_encoded};

/// The last frame stays this many times as long as the others, so that a viewer sees the result.
const LAST_FRAME_HOLD: u32 = 10;
/// NeuQuant's sampling factor, 1 (best) to 30 (fastest). A sheet of 10×10 smooth 32×32 images has a
/// mean error of 5.5, 5.9, 6.4 at 1, 3, 10, and took 0.34 s, 0.20 s, 0.08 s on one core.
const QUANTISER_SPEED: i32 = 3;

/// Saves frames as an animation that loops for ever: a GIF if `path` ends in `.gif`, an APNG if it
/// ends in `.png` or `.apng`.
///
/// Each frame is laid out as [`save_grid`](super::save_grid) does and shown for `frame_ms`
/// milliseconds, the last one for ten times as long. An APNG is exact. So is a GIF of grey images, or
/// where a frame has no more than 256 colours; another frame is reduced to a palette of its own.
///
/// A GIF counts hundredths of a second and holds a frame for at most 655 s, an APNG for at most 65 s;
/// browsers take less than 20 ms for 100 ms.
///
/// # Shapes
/// Each of `frames` is `[n, channels, height, width]`, `shape` is `[channels, height, width]`.
///
/// # Errors
/// [`WriteError`] if the file cannot be written, has another extension, or is a GIF of more than
/// 65 535 pixels across or down; an earlier one of that name is then left as it was.
///
/// # Panics
/// If there is no frame or the frames differ in length, and as [`save_grid`](super::save_grid).
pub(crate) fn save_animation(
    path: &Path,
    frames: &[Vec<u8>],
    shape: [usize; 3],
    columns: usize,
    scale: u32,
    frame_ms: u32,
) -> Result<(), WriteError> {
    assert!(!frames.is_empty(), "expected at least 1 frame, got 0");
    let expected = frames[0].len();
    for (index, frame) in frames.iter().enumerate() {
        let got = frame.len();
        assert!(
            got == expected,
            "expected {expected} bytes in frame {index}, as in frame 0, got {got}"
        );
    }
    let animation = Animation {
        frames,
        shape,
        columns,
        scale,
        frame_ms,
    };
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let encoded = match extension.as_deref() {
        Some("gif") => animation.to_gif().map_err(io::Error::other),
        Some("png" | "apng") => animation.to_apng(),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "expected a name that ends in .gif, .png or .apng",
        )),
    };
    write_encoded(path, encoded)
}

/// The arguments of [`save_animation`], with at least one frame and all of one length.
struct Animation<'a> {
    frames: &'a [Vec<u8>],
    shape: [usize; 3],
    columns: usize,
    scale: u32,
    frame_ms: u32,
}

impl Animation<'_> {
    /// A frame before magnification.
    fn sheet(&self, index: usize) -> Sheet {
        Sheet::of(&self.frames[index], self.shape, self.columns)
    }

    fn delay_ms(&self, index: usize) -> u32 {
        let is_last = index + 1 == self.frames.len();
        let hold = if is_last { LAST_FRAME_HOLD } else { 1 };
        self.frame_ms.saturating_mul(hold)
    }

    fn to_gif(&self) -> Result<Vec<u8>, gif::EncodingError> {
        let first = self.sheet(0).magnified(self.scale);
        let (width, height) = (gif_side(first.width)?, gif_side(first.height)?);
        let greys: Vec<u8> = (0..=255).flat_map(|grey| [grey; 3]).collect();
        let shared_palette: &[u8] = if first.channels == 1 { &greys } else { &[] };
        let mut gif = gif::Encoder::new(Vec::new(), width, height, shared_palette)?;
        gif.set_repeat(gif::Repeat::Infinite)?;
        for index in 0..self.frames.len() {
            let (indices, palette) = indexed(self.sheet(index))?;
            let hundredths = self.delay_ms(index).saturating_add(5) / 10;
            gif.write_frame(&gif::Frame {
                delay: u16::try_from(hundredths).unwrap_or(u16::MAX),
                width,
                height,
                palette,
                buffer: Cow::Owned(indices.magnified(self.scale).pixels),
                ..gif::Frame::default()
            })?;
        }
        gif.into_inner()
    }

    fn to_apng(&self) -> io::Result<Vec<u8>> {
        let first = self.sheet(0).magnified(self.scale);
        let mut apng = Vec::new();
        let mut encoder = first.encoder(&mut apng)?;
        let num_frames = u32::try_from(self.frames.len()).map_err(io::Error::other)?;
        encoder.set_animated(num_frames, 0)?; // 0 plays: for ever
        let mut writer = encoder.write_header()?;
        for index in 0..self.frames.len() {
            let thousandths = u16::try_from(self.delay_ms(index)).unwrap_or(u16::MAX);
            writer.set_frame_delay(thousandths, 1000)?;
            writer.write_image_data(&self.sheet(index).magnified(self.scale).pixels)?;
        }
        writer.finish()?;
        Ok(apng)
    }
}

/// Replaces colours by their places in a palette; a grey is its own place in the file's.
fn indexed(sheet: Sheet) -> Result<(Sheet, Option<Vec<u8>>), gif::EncodingError> {
    if sheet.channels == 1 {
        return Ok((sheet, None));
    }
    let (width, height) = (gif_side(sheet.width)?, gif_side(sheet.height)?);
    let frame = gif::Frame::from_rgb_speed(width, height, &sheet.pixels, QUANTISER_SPEED);
    let indices = Sheet {
        channels: 1,
        pixels: frame.buffer.into_owned(),
        ..sheet
    };
    Ok((indices, frame.palette))
}

fn gif_side(pixels: usize) -> io::Result<u16> {
    u16::try_from(pixels).map_err(|_| {
        io::Error::other(format!(
            "a GIF is at most 65535 pixels across and down, not {pixels}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;

    use super::*;

    /// The colour of the lines between the images.
    const G: u8 = 128;

    fn saved(name: &str, frames: &[Vec<u8>], shape: [usize; 3], scale: u32, ms: u32) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        save_animation(&path, frames, shape, 2, scale, ms).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::read(path).unwrap()
    }

    fn refused(name: &str, frames: &[Vec<u8>], shape: [usize; 3]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        let error = save_animation(&path, frames, shape, 1, 1, 100).unwrap_err();
        assert!(!path.exists());
        error.to_string()
    }

    /// Pixels as RGB, and milliseconds.
    fn gif_frames(bytes: &[u8]) -> Vec<(Vec<u8>, u128)> {
        let decoder = GifDecoder::new(io::Cursor::new(bytes)).unwrap();
        let frames = decoder.into_frames().collect_frames().unwrap();
        let rgb = |frame: &image::Frame| {
            let pixels = frame.buffer().pixels();
            pixels
                .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
                .collect()
        };
        let delay = |frame: &image::Frame| Duration::from(frame.delay()).as_millis();
        frames.iter().map(|f| (rgb(f), delay(f))).collect()
    }

    type ApngFrame = (Vec<u8>, u16, u16);

    /// Pixels as they are stored, and the delay as a fraction of a second.
    fn apng_frames(bytes: &[u8]) -> (png::ColorType, Vec<ApngFrame>) {
        let mut reader = png::Decoder::new(io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let control = *reader.info().animation_control().unwrap();
        assert_eq!(control.num_plays, 0);
        let frames = (0..control.num_frames).map(|_| {
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            let frame = reader.info().frame_control().unwrap();
            (pixels, frame.delay_num, frame.delay_den)
        });
        let frames = frames.collect();
        (reader.info().color_type, frames)
    }

    fn as_rgb(greys: &[u8]) -> Vec<u8> {
        greys.iter().flat_map(|&grey| [grey; 3]).collect()
    }

    /// Three frames of one 16×16 image, which has all levels of grey.
    fn all_greys() -> Vec<Vec<u8>> {
        let up: Vec<u8> = (0..=255).collect();
        let down: Vec<u8> = (0..=255).rev().collect();
        vec![up.clone(), down, up]
    }

    /// Two frames of one 32×32 image, which has 1024 colours, 8 apart.
    fn many_colours() -> Vec<Vec<u8>> {
        let ramp = |pixel: usize| (pixel % 32 * 8) as u8;
        let red = (0..1024).map(ramp);
        let green = (0..1024).map(|pixel| ramp(pixel / 32));
        let blue = (0..1024).map(|pixel| 255 - ramp(pixel));
        let up: Vec<u8> = red.chain(green).chain(blue).collect();
        let down = up.iter().rev().copied().collect();
        vec![up, down]
    }

    #[test]
    fn each_frame_of_a_gif_is_a_magnified_sheet() {
        let bytes = saved("a.gif", &[vec![10, 20], vec![30, 40]], [1, 1, 1], 2, 50);
        let row = |left: u8, right: u8| [left, left, G, G, G, G, right, right].repeat(2);
        let expected = [(as_rgb(&row(10, 20)), 50), (as_rgb(&row(30, 40)), 500)];
        assert_eq!(gif_frames(&bytes), expected);
    }

    #[test]
    fn each_frame_of_an_apng_is_a_magnified_sheet() {
        let bytes = saved("a.png", &[vec![10, 20], vec![30, 40]], [1, 1, 1], 2, 50);
        let row = |left: u8, right: u8| [left, left, G, G, G, G, right, right].repeat(2);
        let expected = vec![(row(10, 20), 50, 1000), (row(30, 40), 500, 1000)];
        assert_eq!(apng_frames(&bytes), (png::ColorType::Grayscale, expected));
    }

    #[test]
    fn a_gif_keeps_all_levels_of_grey() {
        let frames = all_greys();
        let bytes = saved("a.gif", &frames, [1, 16, 16], 1, 120);
        let delays = [120, 120, 1200];
        let expected = frames.iter().zip(delays);
        let expected: Vec<_> = expected.map(|(frame, ms)| (as_rgb(frame), ms)).collect();
        assert_eq!(gif_frames(&bytes), expected);
    }

    #[test]
    fn an_apng_keeps_all_levels_of_grey() {
        let frames = all_greys();
        let bytes = saved("a.png", &frames, [1, 16, 16], 1, 125);
        let delays = [125, 125, 1250];
        let expected = frames.into_iter().zip(delays);
        let expected: Vec<_> = expected.map(|(frame, ms)| (frame, ms, 1000)).collect();
        assert_eq!(apng_frames(&bytes), (png::ColorType::Grayscale, expected));
    }

    #[test]
    fn an_apng_keeps_all_colours() {
        let frames = many_colours();
        let (color, found) = apng_frames(&saved("a.png", &frames, [3, 32, 32], 1, 40));
        assert_eq!(color, png::ColorType::Rgb);
        assert_eq!(found.len(), 2);
        for ((pixels, ..), frame) in found.iter().zip(&frames) {
            assert_eq!(*pixels, crate::output::nchw_to_nhwc(frame, [3, 32, 32]));
        }
    }

    #[test]
    fn a_gif_keeps_few_colours() {
        let [red, blue] = [[255, 0, 0], [0, 0, 255]];
        let frames = [[red, blue].concat(), [blue, red].concat()];
        let bytes = saved("a.gif", &frames, [3, 1, 1], 1, 40);
        let expected = [
            ([red, [G; 3], [G; 3], blue].concat(), 40),
            ([blue, [G; 3], [G; 3], red].concat(), 400),
        ];
        assert_eq!(gif_frames(&bytes), expected);
    }

    #[test]
    fn a_gif_keeps_many_colours_to_about_two_steps_of_the_ramp() {
        let frames = many_colours();
        let found = gif_frames(&saved("a.gif", &frames, [3, 32, 32], 1, 40));
        assert_eq!(found.len(), 2);
        for ((pixels, _), frame) in found.iter().zip(&frames) {
            let exact = crate::output::nchw_to_nhwc(frame, [3, 32, 32]);
            let errors = pixels.iter().zip(&exact).map(|(a, b)| a.abs_diff(*b));
            let mean = errors.map(f64::from).sum::<f64>() / exact.len() as f64;
            assert!(mean < 16.0, "{mean}");
        }
    }

    #[test]
    fn a_gif_loops_for_ever() {
        // Asked of the gif crate: image's decoder calls a GIF that plays once endless too.
        let bytes = saved("a.gif", &[vec![1], vec![2]], [1, 1, 1], 1, 40);
        let mut decoder = gif::Decoder::new(&bytes[..]).unwrap();
        while decoder.read_next_frame().unwrap().is_some() {}
        assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
    }

    #[test]
    fn a_single_frame_is_held() {
        let gif = saved("a.gif", &[vec![7]], [1, 1, 1], 1, 40);
        assert_eq!(gif_frames(&gif), [(vec![7; 3], 400)]);
        let (_, apng) = apng_frames(&saved("a.png", &[vec![7]], [1, 1, 1], 1, 40));
        assert_eq!(apng, [(vec![7], 400, 1000)]);
    }

    #[test]
    fn a_gif_rounds_its_delays_to_hundredths() {
        for (asked, stored) in [(33, [30, 330]), (36, [40, 360])] {
            let bytes = saved("a.gif", &[vec![1], vec![2]], [1, 1, 1], 1, asked);
            let delays: Vec<_> = gif_frames(&bytes).iter().map(|&(_, ms)| ms).collect();
            assert_eq!(delays, stored);
        }
    }

    #[test]
    fn a_delay_that_the_format_cannot_hold_is_its_longest() {
        let gif = saved("a.gif", &[vec![1]], [1, 1, 1], 1, u32::MAX);
        assert_eq!(gif_frames(&gif)[0].1, 655_350);
        let (_, apng) = apng_frames(&saved("a.png", &[vec![1]], [1, 1, 1], 1, 10_000));
        assert_eq!(apng[0].1, 65_535);
    }

    #[test]
    fn the_extension_decides_the_format() {
        let start = |name| saved(name, &[vec![1]], [1, 1, 1], 1, 40)[..4].to_vec();
        assert_eq!(start("a.gif"), b"GIF8");
        assert_eq!(start("a.png.GIF"), b"GIF8");
        assert_eq!(start("a.gif.png"), b"\x89PNG");
        assert_eq!(start("a.apng"), b"\x89PNG");
    }

    #[test]
    fn another_extension_is_refused() {
        for name in ["a.mp4", "gif"] {
            let message = refused(name, &[vec![1]], [1, 1, 1]);
            let expected = format!("{name}: expected a name that ends in .gif, .png or .apng");
            assert!(message.contains(&expected), "{message}");
        }
    }

    #[test]
    fn a_sheet_that_cannot_be_written_is_named() {
        for name in ["nowhere/a.gif", "nowhere/a.png"] {
            let message = refused(name, &[vec![1]], [1, 1, 1]);
            let expected = format!("{name}: No such file");
            assert!(message.contains(&expected), "{message}");
        }
    }

    #[test]
    fn a_sheet_too_wide_for_a_gif_is_refused() {
        let message = refused("a.gif", &[vec![0; 65_536]], [1, 1, 65_536]);
        let expected = "a.gif: a GIF is at most 65535 pixels across and down, not 65536";
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    #[should_panic = "expected 2 bytes in frame 1, as in frame 0, got 1"]
    fn refuses_frames_that_differ_in_length() {
        let frames = [vec![1, 2], vec![3]];
        let _ = save_animation(Path::new("never-written.gif"), &frames, [1, 1, 1], 1, 1, 40);
    }

    #[test]
    #[should_panic = "expected at least 1 frame, got 0"]
    fn refuses_an_animation_without_frames() {
        let _ = save_animation(Path::new("never-written.gif"), &[], [1, 1, 1], 1, 1, 40);
    }
}
