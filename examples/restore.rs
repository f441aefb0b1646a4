//! Take noise off a picture and put in a part that is missing, with a run or the model that comes with the program.
//!
//! `cargo run --release -p ebm-apply --example restore`, or the same with ` -- RUN`, a run of `ebm train --preset photos`

use burn::tensor::Device;
use ebm_apply::denoise::{DenoiseOptions, Denoiser};
use ebm_apply::restore::{Mask, RestoreOptions};
use ebm_apply::{Trained, Weights};
use ebm_core::ImageShape;
use ebm_data::Planes;

/// Side of the picture, in pixels.
const SIDE: usize = 32;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let run = std::env::args().nth(1);
    let [noisy, denoised, restored] = errors(&denoiser(run.as_deref())?)?;
    println!("distance from the true picture: {noisy:.3} with noise, {denoised:.3} without");
    println!("distance of the missing pixels that were put in: {restored:.3}");
    Ok(())
}

/// The model of a run that has learned to denoise, or without one the model that comes with the program.
pub fn denoiser(run: Option<&str>) -> Result<Denoiser, Box<dyn std::error::Error>> {
    let device = Device::flex();
    Ok(match run {
        Some(run) => Denoiser::of(&Trained::open(run, &device)?, Weights::Average)?,
        None => Denoiser::shipped(&device),
    })
}

/// A soft ramp. Of a file, `ebm_data::Photo::read(path)?.planes` is the picture.
fn ramp() -> Planes {
    let pixel = |place: usize| 0.2 + 0.6 * (place % SIDE) as f32 / SIDE as f32;
    Planes {
        pixels: (0..SIDE * SIDE).map(pixel).collect(),
        shape: ImageShape::new(1, SIDE, SIDE),
    }
}

/// Root mean square errors: of a picture with noise, of the same denoised, and of the pixels that were missing.
pub fn errors(denoiser: &Denoiser) -> Result<[f32; 3], Box<dyn std::error::Error>> {
    let clean = ramp();
    let mut noisy = clean.clone();
    for (place, value) in noisy.pixels.iter_mut().enumerate() {
        *value += [0.1, -0.08, 0.03, -0.05, 0.0][place * place % 13 % 5]; // anything without a pattern
    }
    // The noise is measured; `DenoiseOptions::from(25.0 / 255.0)` says how strong it is.
    let denoised = denoiser.denoise(&noisy, DenoiseOptions::default(), &mut |_, _| {})?;

    // A square of 6 by 6 pixels is missing.
    let is_inside =
        |place: usize| (13..19).contains(&(place / SIDE)) && (13..19).contains(&(place % SIDE));
    let mask = Mask {
        missing: (0..SIDE * SIDE).map(is_inside).collect(),
        size: [SIDE, SIDE],
    };
    let mut damaged = clean.clone();
    for (value, missing) in damaged.pixels.iter_mut().zip(&mask.missing) {
        *value = if *missing { 1.0 } else { *value };
    }
    let restored = denoiser.restore(&damaged, &mask, &RestoreOptions::default(), &mut |_, _| {})?;

    let everywhere = vec![true; SIDE * SIDE];
    Ok([
        error(&noisy, &clean, &everywhere),
        error(&denoised.planes, &clean, &everywhere),
        error(&restored.mean(), &clean, &mask.missing),
    ])
}

/// Root mean square difference of two pictures, of the pixels that count.
fn error(one: &Planes, other: &Planes, counts: &[bool]) -> f32 {
    let pairs = one.pixels.iter().zip(&other.pixels).zip(counts);
    let squares = pairs.filter(|(_, counts)| **counts);
    let squares: Vec<f32> = squares.map(|((a, b), _)| (a - b).powi(2)).collect();
    (squares.iter().sum::<f32>() / squares.len() as f32).sqrt()
}
