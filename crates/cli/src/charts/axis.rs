//! Place values along an axis, linear or logarithmic, with ticks at round values.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Relative error that a logarithm may have.
const ROUNDING: f64 = 1e-9;

/// How values are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    /// Takes values above 0 alone.
    Log,
}

/// An axis between two values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
    ticks: Vec<Tick>,
}

#[derive(Clone, Debug, PartialEq)]
struct Tick {
    value: f64,
    label: String,
}

/// The least and the greatest of values that are finite.
pub(super) fn ends_of(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut finite = values.filter(|value| value.is_finite());
    let first = finite.next()?;
    let wider = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    Some(finite.fold((first, first), wider))
}

impl Axis {
    /// From one value to another and a share of what lies between them more, with about `most` ticks.
    pub(super) fn around(scale: Scale, (low, high): (f64, f64), margin: f64, most: usize) -> Self {
        match scale {
            Scale::Log => {
                let margin = if high > low {
                    (high / low).powf(margin)
                } else {
                    2.0
                };
                Self::between(scale, (low / margin, high * margin), most)
            }
            Scale::Linear => {
                let margin = if high > low {
                    margin * (high - low)
                } else if high == 0.0 {
                    0.5
                } else {
                    0.5 * high.abs()
                };
                Self::between(scale, (low - margin, high + margin), most)
            }
        }
    }

    /// From one value to another, with about `most` ticks.
    pub(super) fn between(scale: Scale, (low, high): (f64, f64), most: usize) -> Self {
        let ticks = match scale {
            Scale::Linear => linear_ticks(low, high, most),
            Scale::Log => log_ticks(low, high, most),
        };
        Self {
            low,
            high,
            scale,
            ticks,
        }
    }

    /// Without ticks.
    pub(super) fn bare(low: f64, high: f64) -> Self {
        Self {
            low,
            high,
            scale: Scale::Linear,
            ticks: Vec::new(),
        }
    }

    /// What is written at the ticks.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.ticks.iter().map(|tick| tick.label.as_str())
    }

    /// The values at its ends.
    pub(super) fn ends(&self) -> [f64; 2] {
        [self.low, self.high]
    }

    /// Whether a value is on the axis.
    pub(super) fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The place of a value, 0 at the lower and 1 at the higher end.
    fn share(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }
}

/// Multiples of 1, 2 or 5 times a power of ten; none where the ends are too far apart or too near to each
/// other for that.
fn linear_ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let least = (high - low) / (most as f64 + 0.5);
    let decade = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * decade);
    let step = steps
        .into_iter()
        .find(|step| *step * (1.0 + ROUNDING) >= least);
    let Some(step) = step.filter(|step| step.is_normal()) else {
        return Vec::new();
    };
    let first = (low / step - ROUNDING).ceil();
    let last = (high / step + ROUNDING).floor();
    let num = last - first + 1.0;
    if !(1.0..=1.0 + 2.0 * most as f64).contains(&num) {
        return Vec::new();
    }
    let values = (0..num as usize).map(|index| (first + index as f64) * step);
    let exponent = exponent_of(low.abs().max(high.abs()));
    let ticks = values.map(|value| Tick {
        value,
        label: label(value, exponent, exponent_of(step)),
    });
    ticks.collect()
}

/// Powers of ten, or of the fewer that there are also twice and five times as much.
fn log_ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let decades = exponent_of(low)..=exponent_of(high);
    let num = decades.clone().count();
    let every = num.div_ceil(most.max(1));
    let at = |times: u8, decade: i32| {
        let value = f64::from(times) * 10f64.powi(decade);
        let label = label(value, decade, decade);
        Tick { value, label }
    };
    let shown = low * (1.0 - ROUNDING)..=high * (1.0 + ROUNDING);
    let is_shown = |tick: &Tick| shown.contains(&tick.value);
    let powers = decades.clone().filter(|decade| decade % every as i32 == 0);
    let powers: Vec<_> = powers
        .map(|decade| at(1, decade))
        .filter(is_shown)
        .collect();
    if powers.len() >= 3 {
        return powers;
    }
    let finer = decades.flat_map(|decade| [1, 2, 5].map(|times| at(times, decade)));
    let finer: Vec<_> = finer.filter(is_shown).collect();
    if finer.len() >= 2 {
        return finer;
    }
    linear_ticks(low, high, most)
}

/// The power of ten of the first digit.
fn exponent_of(value: f64) -> i32 {
    (value.abs().log10() + ROUNDING).floor() as i32
}

/// A value to the digit of `10^last`, on an axis whose largest value has the exponent `largest`.
fn label(value: f64, largest: i32, last: i32) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let decimals = |digits: i32| digits.clamp(0, 15) as usize;
    if (-3..6).contains(&largest) {
        let decimals = decimals(-last);
        return format!("{value:.decimals$}");
    }
    let decimals = decimals(exponent_of(value) - last);
    format!("{value:.decimals$e}")
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let share = self.share(*value).clamp(-1.0, 2.0);
        start + (f64::from(end - start) * share).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, hint: H) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new(); // no lines between those of the ticks
        }
        self.ticks.iter().map(|tick| tick.value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(value: &f64) -> String {
        value.to_string()
    }

    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|tick| tick.value == *value);
        tick.map_or_else(|| Self::format(value), |tick| tick.label.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, low: f64, high: f64) -> Vec<String> {
        let axis = Axis::between(scale, (low, high), 5);
        axis.labels().map(str::to_owned).collect()
    }

    #[test]
    fn ticks_are_at_round_values() {
        let linear = |low, high| labels(Scale::Linear, low, high);
        assert_eq!(linear(0.0, 10.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(linear(-0.3, 0.72), ["-0.2", "0", "0.2", "0.4", "0.6"]);
        assert_eq!(linear(97.0, 104.0), ["98", "100", "102", "104"]);
        assert_eq!(linear(0.0, 4.1e6), ["0", "1e6", "2e6", "3e6", "4e6"]);
        assert_eq!(
            linear(1e-5, 2.6e-5),
            ["1.0e-5", "1.5e-5", "2.0e-5", "2.5e-5"]
        );
    }

    #[test]
    fn a_logarithmic_axis_has_powers_of_ten() {
        let log = |low, high| labels(Scale::Log, low, high);
        assert_eq!(log(0.5, 2000.0), ["1", "10", "100", "1000"]);
        assert_eq!(log(0.015, 0.3), ["0.02", "0.05", "0.1", "0.2"]);
        assert_eq!(log(2e-9, 3e-5), ["1e-8", "1e-7", "1e-6", "1e-5"]);
        assert_eq!(log(1e-20, 1.0).len(), 5);
        let near = log(3.0, 3.4);
        assert!(near.contains(&"3.2".to_owned()), "{near:?}");
    }

    #[test]
    fn ends_that_nothing_lies_between_make_an_axis_and_no_panic() {
        for (low, high) in [
            (f64::MIN, f64::MAX),
            (1e17, 1e17 + 16.0),
            (0.0, 5e-324),
            (-5e-324, 5e-324),
            (1.0, 1.0 + f64::EPSILON),
            (3.0, 3.0),
        ] {
            let axis = Axis::between(Scale::Linear, (low, high), 5);
            assert!(axis.labels().count() <= 11);
            let place = axis.map(&low, (0, 100));
            assert!((-100..=200).contains(&place), "{place}");
        }
        for (low, high) in [(5e-324, f64::MAX), (2.0, 2.0)] {
            let axis = Axis::between(Scale::Log, (low, high), 5);
            assert!(axis.labels().count() <= 11);
        }
        let constant = Axis::around(Scale::Linear, (3e-5, 3e-5), 0.02, 5);
        assert!(constant.contains(3e-5) && constant.labels().count() > 1);
        assert!(Axis::around(Scale::Log, (3.0, 3.0), 0.02, 5).contains(4.0));
    }

    #[test]
    fn a_value_is_placed_by_its_size_or_by_its_logarithm() {
        let linear = Axis::between(Scale::Linear, (0.0, 100.0), 5);
        assert_eq!(linear.map(&25.0, (0, 200)), 50);
        assert_eq!(linear.map(&25.0, (200, 0)), 150);
        let log = Axis::between(Scale::Log, (0.01, 100.0), 5);
        assert_eq!(log.map(&1.0, (0, 200)), 100);
        assert_eq!(log.format_ext(&10.0), "10");
    }

    #[test]
    fn ends_are_those_of_finite_values() {
        let values = [f64::NAN, 2.0, f64::INFINITY, -1.0];
        assert_eq!(ends_of(values.into_iter()), Some((-1.0, 2.0)));
        assert_eq!(ends_of([f64::NAN].into_iter()), None);
    }
}
