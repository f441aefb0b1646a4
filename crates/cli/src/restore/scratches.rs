//! Look for scratches where a user asks for it.

use std::path::Path;

use anyhow::bail;
use clap::{Args, ValueEnum};
use ebm_apply::restore::{ScratchOptions, ScratchTone, find_scratches};
use ebm_data::Photo;

/// Whether and how scratches are looked for.
#[derive(Args, Debug, Default)]
pub(super) struct ScratchArgs {
    /// Look for scratches: long thin lines. Thin lines that belong to the picture are found, too: see --mask-output
    #[arg(long)]
    pub(super) find_scratches: bool,

    /// How far scratches stand out from what is around them, in standard deviations; less finds more [default: 7]
    #[arg(long, value_name = "N", requires = "find_scratches", value_parser = contrast, allow_negative_numbers = true)]
    scratch_contrast: Option<f32>,

    /// Whether scratches are brighter or darker than what is around them [default: bright]
    #[arg(long, value_enum, value_name = "TONE", requires = "find_scratches")]
    scratch_tone: Option<Tone>,
}

/// Whether scratches are brighter or darker than what is around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tone {
    /// Brighter, as cracks of a print
    Bright,
    /// Darker, as hairs
    Dark,
    /// Either; finds more of the picture's own lines
    Both,
}

impl From<Tone> for ScratchTone {
    fn from(tone: Tone) -> Self {
        match tone {
            Tone::Bright => Self::Bright,
            Tone::Dark => Self::Dark,
            Tone::Both => Self::Both,
        }
    }
}

fn contrast(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("must be a number above 0".to_owned()),
    }
}

impl ScratchArgs {
    fn options(&self) -> ScratchOptions {
        let default = ScratchOptions::default();
        ScratchOptions {
            contrast: self.scratch_contrast.unwrap_or(default.contrast),
            tone: self.scratch_tone.map_or(default.tone, ScratchTone::from),
        }
    }

    /// Where it is asked for, add the scratches of the picture in a file to what is `missing`. That none is found is
    /// said where something else is missing.
    pub(super) fn add_to(&self, missing: &mut [bool], photo: &Photo, input: &Path) {
        if !self.find_scratches {
            return;
        }
        let options = self.options();
        let found = find_scratches(&photo.planes, &options).missing;
        if !found.contains(&true) && missing.contains(&true) {
            tell!("{}: {}", input.display(), none_found(&options));
        }
        for (missing, is_scratch) in missing.iter_mut().zip(found) {
            *missing |= is_scratch;
        }
    }

    /// Refuse a picture of which nothing is `missing` as no scratch was found.
    pub(super) fn refuse_none(&self, missing: &[bool]) -> anyhow::Result<()> {
        if self.find_scratches && !missing.contains(&true) {
            bail!(none_found(&self.options()));
        }
        Ok(())
    }
}

/// That there are no scratches, and what to do.
fn none_found(options: &ScratchOptions) -> String {
    let tones = match options.tone {
        ScratchTone::Both => "",
        ScratchTone::Bright => " look for dark ones, too (--scratch-tone both),",
        ScratchTone::Dark => " look for bright ones, too (--scratch-tone both),",
    };
    format!(
        "--find-scratches: no scratch was found; lower --scratch-contrast (now {}),{tones} or paint a mask (--mask \
         MASK.png)",
        options.contrast
    )
}

#[cfg(test)]
mod tests {
    use ebm_core::ImageShape;
    use ebm_data::Planes;

    use super::*;

    /// A plain picture, with a line across it.
    fn photo(line: f32) -> Photo {
        let value = |place: usize| if place / 48 == 20 { line } else { 0.5 };
        Photo::of_planes(Planes {
            pixels: (0..40 * 48).map(value).collect(),
            shape: ImageShape::new(1, 40, 48),
        })
    }

    fn args(scratch_tone: Option<Tone>) -> ScratchArgs {
        ScratchArgs {
            find_scratches: true,
            scratch_contrast: None,
            scratch_tone,
        }
    }

    #[test]
    fn a_contrast_is_above_zero() {
        assert_eq!(contrast("4.5"), Ok(4.5));
        for text in ["0", "-1", "inf", "NaN", "much"] {
            assert!(contrast(text).is_err(), "{text}");
        }
    }

    #[test]
    fn scratches_of_the_tone_that_is_asked_for_are_added() {
        let added = |args: ScratchArgs, line| {
            let mut missing = vec![false; 40 * 48];
            missing[0] = true;
            args.add_to(&mut missing, &photo(line), Path::new("a.png"));
            assert!(missing[0]);
            missing[20 * 48 + 24]
        };
        assert!(added(args(None), 0.9) && !added(args(None), 0.1));
        assert!(added(args(Some(Tone::Dark)), 0.1) && !added(args(Some(Tone::Dark)), 0.9));
        assert!(added(args(Some(Tone::Both)), 0.1) && added(args(Some(Tone::Both)), 0.9));
        assert!(!added(ScratchArgs::default(), 0.9), "not asked for");
    }

    #[test]
    fn where_nothing_is_found_the_other_tone_is_offered() {
        let refused = |tone| {
            let (args, mut missing) = (args(tone), [false; 40 * 48]);
            args.add_to(&mut missing, &photo(0.5), Path::new("a.png"));
            let refused = args.refuse_none(&missing);
            refused.expect_err("nothing is there").to_string()
        };
        assert!(refused(None).contains("look for dark ones, too (--scratch-tone both), or paint"));
        assert!(refused(Some(Tone::Dark)).contains("look for bright ones, too"));
        assert!(refused(Some(Tone::Both)).contains("(now 7), or paint a mask"));
        assert!(args(None).refuse_none(&[false, true]).is_ok());
        assert!(ScratchArgs::default().refuse_none(&[false]).is_ok());
    }
}
