//! Say how many of the samples are drawn that the chains of a run start at.

use std::time::Instant;

use super::work::BETWEEN_LINES;
use crate::duration::duration;

/// When something was said of them, where there is no bar.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstChains {
    /// When drawing began, and when the last line was said.
    times: Option<[Instant; 2]>,
}

impl FirstChains {
    /// The line that is due after `drawn` of `all` samples, if any: one at the beginning, then one every 30 s.
    pub(super) fn line(&mut self, drawn: usize, all: usize, now: Instant) -> Option<String> {
        let [begun, last] = match self.times {
            Some(times) if drawn > 0 => times,
            _ => {
                self.times = Some([now; 2]);
                return Some(format!("drawing the {all} samples that chains start at"));
            }
        };
        if drawn == all || now - last < BETWEEN_LINES {
            return None;
        }
        self.times = Some([begun, now]);
        let left = (now - begun).as_secs_f64() * (all - drawn) as f64 / drawn as f64;
        let left = duration(left);
        Some(format!("{drawn} of {all} samples drawn, about {left} left"))
    }
}

/// The text below a bar after `drawn` of `all` samples; none once all are drawn.
pub(super) fn below_bar(drawn: usize, all: usize) -> String {
    match drawn == all {
        true => String::new(),
        false => format!("\ndrawing samples that chains start at: {drawn} of {all}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_comes_at_the_beginning_and_then_every_thirty_seconds() {
        let begun = Instant::now();
        let mut chains = FirstChains::default();
        let mut line =
            |seconds, drawn| chains.line(drawn, 400, begun + Duration::from_secs(seconds));
        let first = "drawing the 400 samples that chains start at";
        assert_eq!(line(0, 0).as_deref(), Some(first));
        assert_eq!(line(20, 64), None);
        let second = "100 of 400 samples drawn, about 2 min 00 s left";
        assert_eq!(line(40, 100).as_deref(), Some(second));
        assert_eq!(line(60, 200), None);
        assert_eq!(line(90, 400), None, "all are drawn");
        // A run that has gone back draws them again.
        assert_eq!(line(95, 0).as_deref(), Some(first));
        assert_eq!(line(110, 100), None);
    }

    #[test]
    fn a_bar_says_nothing_of_it_once_all_are_drawn() {
        let text = below_bar(64, 400);
        assert_eq!(text, "\ndrawing samples that chains start at: 64 of 400");
        assert_eq!(below_bar(400, 400), "");
    }
}
