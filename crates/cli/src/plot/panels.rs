//! Make panels of the metrics of runs: one for each metric, with a curve for each run that has it.

use anyhow::bail;

use super::read::{Over, RunLog};
use super::smooth::smoothed;
use crate::charts::{Curve, CurvePanel, Curves, Entry, GREY, Legend, Mark, Rule, Scale, color};
use crate::counted::counted;
use crate::typed::Mistyped;

/// Metrics that are drawn where none are named, as far as runs have them.
pub(super) const USUAL: [&str; 7] = [
    "gap",
    "loss",
    "unexplained",
    "accuracy",
    "sample_distance",
    FRECHET,
    "image_steps_per_s",
];

/// The metric whose values depend on what they are measured by.
const FRECHET: &str = "frechet";

/// How metrics are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawing {
    pub(super) over: Over,
    /// Weight of the moving average; 0 for none.
    pub(super) smooth: f64,
    pub(super) scale: Scale,
}

/// Runs with the names by which they are told apart.
pub(super) type NamedRuns = [(String, RunLog)];

/// The metrics to draw: those that were asked for, or the usual ones, as far as runs have them.
///
/// # Errors
/// Where no run has what was asked for, or none of the usual ones.
pub(super) fn choose(asked: &[String], runs: &NamedRuns) -> Result<Vec<String>, Mistyped> {
    let mut known: Vec<&str> = Vec::new();
    for name in runs.iter().flat_map(|(_, log)| &log.names) {
        if !known.contains(&name.as_str()) {
            known.push(name);
        }
    }
    let are = || known.join(", ");
    if let Some(unknown) = asked.iter().find(|name| !known.contains(&name.as_str())) {
        let problem = format!("--metrics {unknown}: no run has that; they have {}", are());
        return Err(Mistyped(problem));
    }
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    let usual: Vec<_> = USUAL
        .into_iter()
        .filter(|name| known.contains(name))
        .collect();
    if usual.is_empty() {
        let problem = format!(
            "the runs have none of the usual metrics; choose with --metrics among {}",
            are()
        );
        return Err(Mistyped(problem));
    }
    Ok(usual.into_iter().map(str::to_owned).collect())
}

/// A warning where a panel of `frechet` would set values beside each other that were measured by different means.
pub(super) fn warning(metrics: &[String], runs: &NamedRuns) -> Option<String> {
    let mut all: Vec<&str> = Vec::new();
    for by in runs.iter().flat_map(|(_, log)| &log.frechet_by) {
        if !all.contains(&by.as_str()) {
            all.push(by);
        }
    }
    if all.len() < 2 || !metrics.iter().any(|metric| metric == FRECHET) {
        return None;
    }
    let runs = runs.iter().filter(|(_, log)| !log.frechet_by.is_empty());
    let runs = runs.map(|(name, log)| format!("{name} by {}", log.frechet_by.join(", then ")));
    Some(format!(
        "values of {FRECHET} that are by different features or numbers of images cannot be compared: {}",
        runs.collect::<Vec<_>>().join("; ")
    ))
}

/// A panel for each metric, and a legend of the runs. A panel without a value that can be shown is left out, with a
/// warning.
///
/// # Errors
/// Where no panel is left.
pub(super) fn panels(
    metrics: &[String],
    runs: &NamedRuns,
    drawing: Drawing,
) -> anyhow::Result<Curves> {
    let mut panels = Vec::new();
    for metric in metrics {
        let panel = panel(metric, runs, drawing);
        if panel.curves.iter().any(has_values) {
            panels.push(panel);
        } else {
            tracing::warn!("{metric} has no value that can be drawn, and is left out");
        }
    }
    if panels.is_empty() {
        match drawing.scale {
            Scale::Log => bail!("no metric has a value above 0, which is what --log can draw"),
            Scale::Linear => {
                bail!("no metric has a finite value, so that there is nothing to draw")
            }
        }
    }
    Ok(Curves {
        legend: legend(runs, drawing),
        panels,
    })
}

fn has_values(curve: &Curve) -> bool {
    curve.points.iter().any(|(_, value)| value.is_finite())
}

fn panel(metric: &str, runs: &NamedRuns, drawing: Drawing) -> CurvePanel {
    let (mut curves, mut rules, mut unshown) = (Vec::new(), Vec::new(), 0);
    for (index, (_, log)) in runs.iter().enumerate() {
        let Some(points) = log.points(metric) else {
            continue;
        };
        let color = color(index);
        let shown = match drawing.scale {
            Scale::Log => above_zero(points.to_vec()),
            Scale::Linear => points.to_vec(),
        };
        let mut add = |points: Vec<(f64, f64)>, is_faint| {
            curves.push(Curve {
                color,
                is_faint,
                points,
            });
        };
        if drawing.smooth > 0.0 {
            let (places, values): (Vec<_>, Vec<_>) = shown.iter().copied().unzip();
            let values = smoothed(values.into_iter(), drawing.smooth);
            let smooth = places.into_iter().zip(values).collect();
            add(shown, true);
            add(smooth, false);
        } else {
            add(shown, false);
        }
        unshown += points.iter().filter(|(_, value)| *value <= 0.0).count();
        rules.extend(log.rollbacks.iter().map(|x| Rule { x: *x, color }));
    }
    if drawing.scale == Scale::Log && unshown > 0 {
        let values = counted(unshown, "value", "values");
        tracing::warn!("--log leaves out {values} of {metric}, not above 0");
    }
    CurvePanel {
        x_title: match drawing.over {
            Over::Iterations => "iteration".to_owned(),
            Over::Minutes => "minutes of training".to_owned(),
        },
        y_title: metric.to_owned(),
        scale: drawing.scale,
        curves,
        rules,
    }
}

/// The same points, with gaps where there is no logarithm.
fn above_zero(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let shown = |(place, value): (f64, f64)| (place, if value > 0.0 { value } else { f64::NAN });
    points.into_iter().map(shown).collect()
}

fn legend(runs: &NamedRuns, drawing: Drawing) -> Legend {
    let names = runs.iter().enumerate();
    let mut entries: Vec<_> = names
        .map(|(index, (name, _))| Entry {
            name: name.clone(),
            color: color(index),
            mark: Mark::Line,
        })
        .collect();
    let mut add = |name: &str, mark| {
        entries.push(Entry {
            name: name.to_owned(),
            color: GREY,
            mark,
        });
    };
    if drawing.smooth > 0.0 {
        add("not smoothed", Mark::Faint);
    }
    if runs.iter().any(|(_, log)| !log.rollbacks.is_empty()) {
        add("the run went back", Mark::Dashes);
    }
    Legend(entries)
}

#[cfg(test)]
mod tests {
    use super::super::read::Series;
    use super::*;
    use crate::charts::svg;

    const PLAIN: Drawing = Drawing {
        over: Over::Iterations,
        smooth: 0.0,
        scale: Scale::Linear,
    };

    fn run(name: &str, metrics: &[(&str, &[f64])], rollbacks: &[f64]) -> (String, RunLog) {
        let series = metrics.iter().map(|(name, values)| Series {
            name: (*name).to_owned(),
            points: (1_i32..)
                .map(f64::from)
                .zip(values.iter().copied())
                .collect(),
        });
        let log = RunLog {
            names: metrics.iter().map(|(name, _)| (*name).to_owned()).collect(),
            series: series.collect(),
            frechet_by: Vec::new(),
            rollbacks: rollbacks.to_vec(),
        };
        (name.to_owned(), log)
    }

    fn runs() -> [(String, RunLog); 2] {
        [
            run(
                "digits",
                &[("loss", &[1.0, -2.0, 3.0]), ("kl", &[0.5])],
                &[2.0],
            ),
            run(
                "shapes",
                &[("loss", &[4.0, 2.0]), ("gap", &[1.0, 2.0])],
                &[],
            ),
        ]
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_picture_has_the_names_of_runs_and_metrics_and_where_a_run_went_back() {
        let chart = panels(&owned(&["loss", "gap"]), &runs(), PLAIN).expect("panels");
        let curves: Vec<_> = chart
            .panels
            .iter()
            .map(|panel| panel.curves.len())
            .collect();
        assert_eq!(
            curves,
            [2, 1],
            "a panel shows the runs that have its metric"
        );
        assert_eq!(chart.panels[0].rules.len(), 1);
        assert_eq!(chart.panels[1].rules.len(), 0);
        let svg = svg(&chart).expect("drawn");
        for text in [
            "digits",
            "shapes",
            "loss",
            "gap",
            "iteration",
            "the run went back",
        ] {
            assert!(svg.contains(&format!("\n{text}\n")), "{text}: {svg}");
        }
    }

    #[test]
    fn distances_by_different_means_are_warned_of_where_they_are_drawn() {
        let by = |name: &str, by: &[&str]| {
            let (name, log) = run(name, &[("frechet", &[9.0]), ("loss", &[1.0])], &[]);
            let frechet_by = owned(by);
            (name, RunLog { frechet_by, ..log })
        };
        let (asked, same) = (owned(&["frechet"]), [by("one", &["a"]), by("two", &["a"])]);
        assert_eq!(warning(&asked, &same), None);
        let runs = [by("one", &["a"]), by("old", &[]), by("two", &["a", "b"])];
        assert_eq!(warning(&owned(&["loss"]), &runs), None);
        let found = warning(&asked, &runs).expect("a warning");
        assert!(found.ends_with(": one by a; two by a, then b"), "{found}");
    }

    #[test]
    fn a_smoothed_curve_has_what_it_was_made_of_behind_it() {
        let drawing = Drawing {
            smooth: 0.5,
            ..PLAIN
        };
        let chart = panels(&owned(&["loss"]), &runs()[1..], drawing).expect("panels");
        let curves = &chart.panels[0].curves;
        assert_eq!(curves[0].points, [(1.0, 4.0), (2.0, 2.0)]);
        assert!(curves[0].is_faint && !curves[1].is_faint);
        assert_eq!(curves[1].points, [(1.0, 4.0), (2.0, 2.0 / 0.75)]);
        assert!(svg(&chart).expect("drawn").contains("not smoothed"));
    }

    #[test]
    fn a_logarithm_leaves_out_what_is_not_above_zero() {
        let drawing = Drawing {
            scale: Scale::Log,
            ..PLAIN
        };
        let runs = runs();
        let chart = panels(&owned(&["loss"]), &runs, drawing).expect("panels");
        let values = chart.panels[0].curves[0].points.iter();
        let shown: Vec<_> = values.map(|point| point.1 > 0.0).collect();
        assert_eq!(shown, [true, false, true]);
        let negative = [run("bad", &[("gap", &[-1.0, 0.0])], &[])];
        let refused = panels(&owned(&["gap"]), &negative, drawing).map(drop);
        let message = refused.expect_err("no logarithm").to_string();
        assert!(message.contains("--log"), "{message}");
    }

    #[test]
    fn metrics_are_those_asked_for_or_the_usual_ones_that_runs_have() {
        let chosen = |asked: &[&str]| choose(&owned(asked), &runs());
        assert_eq!(chosen(&[]).expect("usual"), ["gap", "loss"]);
        assert_eq!(chosen(&["kl", "loss"]).expect("known"), ["kl", "loss"]);
        let message = chosen(&["los"]).expect_err("unknown").to_string();
        let expected = "--metrics los: no run has that; they have loss, kl, gap";
        assert_eq!(message, expected);
        let odd = [run("odd", &[("kl", &[0.5])], &[])];
        let message = choose(&[], &odd).expect_err("nothing usual").to_string();
        assert!(
            message.ends_with("choose with --metrics among kl"),
            "{message}"
        );
    }
}
