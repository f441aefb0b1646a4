//! Write a report into a folder: JSON, pictures, and a page that shows both.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ebm_apply::evaluate::{Recognition, Score};

use super::charts;
use super::evaluation::Evaluation;
use crate::charts::svg;
use crate::output::{columns_for, save_grid, scale_for, write_output};

/// The report as JSON, by which a folder of an earlier one is known.
pub(crate) const REPORT: &str = "report.json";

/// Make the folder, or refuse one that cannot be written or has files of other kinds, before anything is
/// measured.
pub(super) fn check(folder: &Path) -> anyhow::Result<()> {
    let asked = || format!("--output {}", folder.display());
    if folder.exists() && !folder.is_dir() {
        bail!("{}: a file is in the way; name a folder", asked());
    }
    fs::create_dir_all(folder).with_context(asked)?;
    let mut entries = fs::read_dir(folder).with_context(asked)?;
    if entries.next().is_some() && !folder.join(REPORT).is_file() {
        bail!(
            "{}: this folder has files already, and no earlier report; name another folder",
            asked()
        );
    }
    Ok(())
}

/// Write everything in place of an earlier report.
pub(super) fn write(folder: &Path, evaluations: &[Evaluation]) -> anyhow::Result<()> {
    remove_pictures(folder)?;
    let json = serde_json::to_string_pretty(evaluations)?;
    write_output(&folder.join(REPORT), json.as_bytes())?;
    let mut sections = Vec::new();
    for (number, one) in (1..).zip(evaluations) {
        sections.push(Section {
            pictures: save_pictures(folder, number, one)?,
            charts: save_charts(folder, number, one)?,
        });
    }
    let page = page(evaluations, &sections);
    write_output(&folder.join("index.html"), page.as_bytes())?;
    Ok(())
}

/// What the pictures and charts of a report are called.
const PICTURES: [&str; 9] = [
    "samples",
    "neighbors",
    "damaged",
    "completed",
    "classes",
    "energies",
    "from-mean",
    "gradient-norms",
    "samplers",
];

/// Remove the pictures of an earlier report, which may have measured other things of more runs.
fn remove_pictures(folder: &Path) -> anyhow::Result<()> {
    let named = || folder.display().to_string();
    for entry in fs::read_dir(folder).with_context(named)? {
        let path = entry.with_context(named)?.path();
        let name = path.file_name().and_then(OsStr::to_str);
        if name.is_some_and(is_picture) {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// Whether a report has a picture or a chart of this name: NAME-NUMBER.png or .svg.
fn is_picture(name: &str) -> bool {
    let stem = name
        .strip_suffix(".png")
        .or_else(|| name.strip_suffix(".svg"));
    let parts = stem.and_then(|stem| stem.rsplit_once('-'));
    parts.is_some_and(|(name, number)| {
        PICTURES.contains(&name) && number.parse::<usize>().is_ok_and(|number| number > 0)
    })
}

/// What the page shows of a run.
struct Section {
    /// Pictures, as addresses.
    pictures: Vec<String>,
    /// Charts, each with a title, as SVG.
    charts: Vec<(&'static str, String)>,
}

/// Write the pictures of a run. Returns them as addresses for the page.
fn save_pictures(folder: &Path, number: usize, one: &Evaluation) -> anyhow::Result<Vec<String>> {
    let saved = one.pictures.iter().map(|picture| {
        let path = folder.join(format!("{}-{number}.png", picture.name));
        let (images, shape) = (&picture.images, picture.shape);
        let num = images.len() / shape.iter().product::<usize>();
        let columns = picture.columns.unwrap_or_else(|| columns_for(num));
        save_grid(&path, images, shape, columns, scale_for(shape[2]))?;
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let encoded = BASE64_STANDARD.encode(bytes);
        anyhow::Ok(format!("data:image/png;base64,{encoded}"))
    });
    saved.collect()
}

/// The charts of scores, with their titles.
const OF_SCORES: [(Score, &str, &str); 3] = [
    (
        Score::Energy,
        "energies",
        "Energies of the data (grey) and of others (red)",
    ),
    (
        Score::FromMean,
        "from-mean",
        "How far their energies are from the mean of training images",
    ),
    (
        Score::GradientNorm,
        "gradient-norms",
        "How hard the energy pulls at them",
    ),
];

/// Write the charts of a run.
fn save_charts(
    folder: &Path,
    number: usize,
    one: &Evaluation,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    if let Some(quality) = &one.quality {
        let (samples, data) = (&quality.class_shares, &quality.data_class_shares);
        let chart = charts::classes(&quality.class_names, samples, data);
        found.push((
            "classes",
            "Classes of the samples (red) and of the data (grey)",
            svg(&chart)?,
        ));
    }
    if let Some(compared) = &one.out_of_distribution {
        for (score, name, title) in OF_SCORES {
            found.push((name, title, svg(&charts::scores(compared, score))?));
        }
    }
    if let Some(samplers) = &one.samplers {
        let traces = samplers.methods.iter();
        let traces = traces.map(|one| (one.method.as_str(), &one.trace[..]));
        let chart = charts::traces(&traces.collect::<Vec<_>>(), samplers.gradients);
        found.push((
            "samplers",
            "Mean energy of long chains over their gradients",
            svg(&chart)?,
        ));
    }
    let saved = found.into_iter().map(|(name, title, svg)| {
        write_output(&folder.join(format!("{name}-{number}.svg")), svg.as_bytes())?;
        Ok((title, svg))
    });
    saved.collect()
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
pre{overflow-x:auto;padding:1rem;background:#8881}table{border-collapse:collapse;display:block;overflow-x:auto}\
th,td{padding:.1rem .6rem;text-align:right}td.right{background:#8884}img{max-width:100%;image-rendering:pixelated}\
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}";

/// The page, with its pictures inside.
fn page(evaluations: &[Evaluation], sections: &[Section]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>ebm evaluate</title><style>{STYLE}</style>\
         <h1>How good is it?</h1><pre>{}</pre>",
        escaped(&super::table::render(evaluations))
    );
    for (one, section) in evaluations.iter().zip(sections) {
        let run = escaped(&one.checkpoint.display().to_string());
        let _ = write!(
            page,
            "<h2>{run}</h2><p>Iteration {}, checksum {}, {} weights, seed {}; {}; {}; ebm {}.{}</p>",
            one.iteration,
            one.fingerprint,
            one.weights,
            one.seed,
            escaped(&one.device),
            escaped(&one.processor),
            one.version,
            one.samples
                .as_ref()
                .map_or_else(String::new, |sampling| format!(
                    " Samples of {} steps from {}: {:.0} s.",
                    sampling.steps, sampling.from, sampling.seconds
                ))
        );
        for warning in one.warnings() {
            let _ = write!(page, "<p>⚠ {}</p>", escaped(warning));
        }
        if let Some(recognised) = &one.recognition {
            page.push_str(&confusion(&recognised.found));
        }
        for (picture, address) in one.pictures.iter().zip(&section.pictures) {
            let title = picture.title;
            let _ = write!(
                page,
                "<h3>{title}</h3><img src=\"{address}\" alt=\"{title}\">"
            );
            if !picture.lines.is_empty() {
                let _ = write!(page, "<pre>{}</pre>", escaped(&picture.lines.join("\n")));
            }
        }
        for (title, svg) in &section.charts {
            let _ = write!(page, "<h3>{title}</h3>{svg}");
        }
    }
    page.push_str("</html>\n");
    page
}

/// A table of what is taken for what.
fn confusion(found: &Recognition) -> String {
    let mut table = format!(
        "<h3>Of {} {}: a row for each class, a column for what it is taken for</h3><table><tr><th></th>",
        found.images, found.data
    );
    for name in &found.class_names {
        let _ = write!(table, "<th>{}</th>", escaped(name));
    }
    for (class, (name, row)) in found.class_names.iter().zip(&found.confusion).enumerate() {
        let _ = write!(table, "</tr><tr><th>{}</th>", escaped(name));
        for (taken_for, images) in row.iter().enumerate() {
            let is_right = if class == taken_for {
                " class=\"right\""
            } else {
                ""
            };
            let _ = write!(table, "<td{is_right}>{images}</td>");
        }
    }
    table.push_str("</tr></table>");
    table
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_an_earlier_report_go_whatever_their_number_and_nothing_else_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let all = [
            "damaged-2.png",
            "samples-11.png",
            "gradient-norms-3.svg",
            "samples-x.png",
            "samples-0.png",
            "holiday-1.png",
            "samples-1.jpg",
            REPORT,
        ];
        for name in all {
            fs::write(folder.path().join(name), "").expect("written");
        }
        remove_pictures(folder.path()).expect("removed");
        let left = all.map(|name| folder.path().join(name).is_file());
        assert_eq!(left, [false, false, false, true, true, true, true, true]);
    }

    #[test]
    fn confusion_is_a_table_with_names_of_classes_as_they_are() {
        let found = Recognition {
            data: "test images",
            accuracy: 0.75,
            calibration_error: 0.0,
            class_names: vec!["a<b".to_owned(), "c".to_owned()],
            confusion: vec![vec![5, 1], vec![2, 4]],
            images: 12,
        };
        let table = confusion(&found);
        assert!(table.contains("Of 12 test images: "), "{table}");
        let rows = "<tr><th></th><th>a&lt;b</th><th>c</th></tr>\
                    <tr><th>a&lt;b</th><td class=\"right\">5</td><td>1</td></tr>\
                    <tr><th>c</th><td>2</td><td class=\"right\">4</td></tr></table>";
        assert!(table.ends_with(rows), "{table}");
    }
}
