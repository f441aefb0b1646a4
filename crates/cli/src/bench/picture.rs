//! Draw measured speeds side by side.

use super::compare::{Comparison, Measured};
use super::figures::Work;
use crate::charts::{Bar, BarPanel, Bars, Entry, Legend, Mark, color};

impl Comparison {
    /// A panel for each workload and task, a colour for each variant of each file, whiskers from the slowest run to
    /// the fastest.
    pub(super) fn chart(&self) -> Bars {
        let mut names: Vec<String> = Vec::new();
        for name in self.measured.iter().map(|one| self.name_of(one)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let mut panels: Vec<BarPanel> = Vec::new();
        for (work, all) in self.works() {
            let caption = format!("{} {}", work.workload, work.task);
            let known = panels.iter_mut().find(|panel| panel.caption == caption);
            let bars = |group| self.bars(group, &all, &names);
            match known {
                Some(panel) => {
                    panel.bars.extend(bars(panel.groups.len()));
                    panel.groups.push(work.size());
                }
                None => panels.push(BarPanel {
                    bars: bars(0),
                    ..empty(caption, work)
                }),
            }
        }
        let entries = names.into_iter().enumerate().map(|(index, name)| Entry {
            name,
            color: color(index),
            mark: Mark::Area,
        });
        Bars {
            panels,
            legend: Legend(entries.collect()),
        }
    }

    /// The bars of a group, in the order of their names.
    fn bars(&self, group: usize, all: &[&Measured], names: &[String]) -> Vec<Bar> {
        let place = |one: &Measured| names.iter().position(|name| *name == self.name_of(one));
        let mut placed: Vec<_> = all
            .iter()
            .filter_map(|one| Some((place(one)?, one)))
            .collect();
        placed.sort_by_key(|(place, _)| *place);
        let bars = placed.into_iter().map(|(place, one)| Bar {
            group,
            color: color(place),
            value: one.figures.median,
            spread: one.figures.spread(),
        });
        bars.collect()
    }
}

/// A panel with one group, which has no bars yet.
fn empty(caption: String, work: &Work) -> BarPanel {
    BarPanel {
        caption,
        x_title: String::new(),
        y_title: work.unit().to_owned(),
        y_max: None,
        groups: vec![work.size()],
        bars: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Line;
    use crate::charts::svg;

    #[test]
    fn a_panel_for_each_workload_and_task_has_a_bar_for_each_measurement() {
        let line = |workload: &str, task: &str, variant: &str, batch: u64| {
            let line = format!(
                r#"{{"workload": "{workload}", "task": "{task}", "variant": "{variant}", "batch": {batch},
                "steps": 5, "image_steps_per_s_median": 100, "image_steps_per_s_best": 120}}"#
            );
            match Line::of(line.as_bytes()) {
                Line::Figures(figures) => *figures,
                other => panic!("{other:?}"),
            }
        };
        let comparison = Comparison::of(vec![
            line("uva", "chain", "cpu f32", 64),
            line("uva", "chain", "cpu bf16", 64),
            line("mnist", "train", "cpu bf16", 64),
            line("uva", "chain", "cpu f32", 128),
        ]);
        let chart = comparison.chart();
        let captions: Vec<_> = chart.panels.iter().map(|panel| &panel.caption).collect();
        assert_eq!(captions, ["uva chain", "mnist train"]);
        let bars = &chart.panels[0].bars;
        let groups: Vec<_> = bars.iter().map(|bar| bar.group).collect();
        assert_eq!(groups, [0, 0, 1]);
        assert_eq!([bars[0].color, bars[1].color], [color(0), color(1)]);
        assert_eq!(bars[2].color, color(0));
        assert_eq!(chart.panels[1].bars[0].color, color(1));
        let svg = svg(&chart).expect("drawn");
        for text in [
            "cpu f32",
            "cpu bf16",
            "batch 64, 5 steps",
            "batch 128, 5 steps",
            "image-steps/s",
        ] {
            assert!(svg.contains(&format!("\n{text}\n")), "{text}: {svg}");
        }
    }
}
