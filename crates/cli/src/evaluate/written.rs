//! Write a report into a folder: JSON, pictures, and a page that shows both.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Evaluation;
use crate::output::{columns_for, save_grid, scale_for, write_output};

/// Samples that are shown.
const SHOWN: usize = 100;

/// Refuse a folder that is none, before anything is measured.
pub(super) fn check(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() && !folder.is_dir() {
        bail!(
            "--output {}: a file is in the way; name a folder",
            folder.display()
        );
    }
    Ok(())
}

/// Write everything; files of an earlier report are replaced.
pub(super) fn write(folder: &Path, evaluations: &[Evaluation]) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let json = serde_json::to_string_pretty(evaluations)?;
    write_output(&folder.join("report.json"), json.as_bytes())?;
    let pictures = evaluations.iter().enumerate();
    let pictures = pictures.map(|(number, one)| save_pictures(folder, number + 1, one));
    let page = page(evaluations, &pictures.collect::<anyhow::Result<Vec<_>>>()?);
    write_output(&folder.join("index.html"), page.as_bytes())?;
    Ok(())
}

/// Write the pictures of a run: its samples, and their neighbours. Returns them as addresses for the page.
fn save_pictures(folder: &Path, number: usize, one: &Evaluation) -> anyhow::Result<[String; 2]> {
    let shape = one.pictures.shape;
    let image: usize = shape.iter().product();
    let samples = &one.pictures.samples;
    let samples = &samples[..samples.len().min(SHOWN * image)];
    let (rows, in_row) = neighbors(one, image);
    let save = |name: &str, images: &[u8], columns| {
        let path = folder.join(format!("{name}-{number}.png"));
        save_grid(&path, images, shape, columns, scale_for(shape[2]))?;
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let encoded = BASE64_STANDARD.encode(bytes);
        anyhow::Ok(format!("data:image/png;base64,{encoded}"))
    };
    Ok([
        save("samples", samples, columns_for(samples.len() / image))?,
        save("neighbors", &rows, in_row)?,
    ])
}

/// A row per sample: the sample, its nearest training images by pixels, then by features.
fn neighbors(one: &Evaluation, image: usize) -> (Vec<u8>, usize) {
    let of = |set: &[u8], index: usize| set[index * image..(index + 1) * image].to_vec();
    let (mut rows, mut columns) = (Vec::new(), 1);
    for (index, nearest) in one.quality.neighbors.iter().enumerate() {
        rows.extend(of(&one.pictures.samples, index));
        let both = nearest.by_pixels.iter().chain(&nearest.by_features);
        rows.extend(both.clone().flat_map(|&at| of(&one.pictures.train, at)));
        columns = 1 + both.count();
    }
    (rows, columns)
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
pre{overflow-x:auto;padding:1rem;background:#8881}img{max-width:100%;image-rendering:pixelated}\
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}";

/// The page, with its pictures inside: those of samples and of their neighbours, per run.
fn page(evaluations: &[Evaluation], pictures: &[[String; 2]]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>ebm evaluate</title><style>{STYLE}</style>\
         <h1>How good are the samples?</h1><pre>{}</pre>",
        escaped(&super::table::render(evaluations))
    );
    for (one, [samples, neighbors]) in evaluations.iter().zip(pictures) {
        let run = escaped(&one.checkpoint.display().to_string());
        let _ = write!(
            page,
            "<h2>{run}</h2><p>Iteration {}, checksum {}, {} weights. {} steps from {}, seed {}: {:.0} s on {}; ebm {}.</p>",
            one.iteration,
            one.fingerprint,
            one.weights,
            one.steps,
            one.from,
            one.seed,
            one.seconds,
            escaped(&one.device),
            one.version
        );
        for warning in &one.quality.warnings {
            let _ = write!(page, "<p>⚠ {}</p>", escaped(warning));
        }
        let _ = write!(
            page,
            "<h3>Samples, the first, none left out</h3><img src=\"{}\" alt=\"samples\">\
             <h3>Does it copy? A sample, then the training images nearest to it by pixels, then by features</h3>\
             <img src=\"{}\" alt=\"samples and their nearest training images\">",
            samples, neighbors
        );
    }
    page.push_str("</html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
