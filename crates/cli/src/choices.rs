//! Offer the known names in completions, and leave it to what reads a name to refuse an unknown one.

use std::ffi::OsStr;
use std::str::FromStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command};
use ebm_train::preset::PRESETS;

use crate::device::DeviceChoice;

/// The data sets, as `data.dataset` names them.
const DATASETS: [&str; 15] = [
    "digits",
    "shapes",
    "mnist",
    "fashion-mnist",
    "qmnist",
    "emnist-balanced",
    "emnist-byclass",
    "emnist-bymerge",
    "emnist-digits",
    "emnist-letters",
    "emnist-mnist",
    "cifar10",
    "cifar100",
    "folder",
    "arrays",
];

/// Read the name of a preset.
pub(crate) fn preset_parser() -> impl TypedValueParser<Value = String> {
    let names = PRESETS.iter().map(|preset| preset.name);
    Choices {
        names: names.collect(),
        parser: StringValueParser::new(),
    }
}

/// Read the name of a data set.
pub(crate) fn dataset_parser() -> impl TypedValueParser<Value = String> {
    Choices {
        names: DATASETS.to_vec(),
        parser: StringValueParser::new(),
    }
}

/// Read the name of a device.
pub(crate) fn device_parser() -> impl TypedValueParser<Value = DeviceChoice> {
    Choices {
        names: DeviceChoice::NAMES.to_vec(),
        parser: DeviceChoice::from_str,
    }
}

/// A parser that also has names to offer. It takes whatever its inner parser takes, whose errors say
/// more than that a value is none of the names.
#[derive(Clone, Debug)]
struct Choices<P> {
    /// What is offered.
    names: Vec<&'static str>,
    /// What reads a value.
    parser: P,
}

impl<P: TypedValueParser> TypedValueParser for Choices<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        self.parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = self.names.iter().map(|&name| PossibleValue::new(name));
        Some(Box::new(values))
    }
}

#[cfg(test)]
mod tests {
    use ebm_train::Config;

    use super::*;

    fn offered(parser: impl TypedValueParser) -> Vec<String> {
        let values = parser.possible_values().into_iter().flatten();
        values.map(|value| value.get_name().to_owned()).collect()
    }

    #[test]
    fn the_data_sets_that_are_offered_are_those_that_a_configuration_knows() {
        let nobody = ["data.dataset=nobody".to_owned()];
        let error = Config::resolve("digits", None, &nobody).expect_err("no such data set");
        let text = error.to_string();
        let (_, list) = text.split_once("expected ").expect("a list");
        let list = list.split(" in `").next().unwrap_or_default();
        let known: Vec<_> = list.split('`').skip(1).step_by(2).collect();
        assert_eq!(known, DATASETS);
        assert_eq!(offered(dataset_parser()), DATASETS);
    }

    #[test]
    fn every_preset_and_device_is_offered() {
        assert_eq!(offered(preset_parser())[0], "digits");
        assert_eq!(offered(preset_parser()).len(), PRESETS.len());
        for name in offered(device_parser()) {
            assert!(name.parse::<DeviceChoice>().is_ok(), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_not_offered_is_read_as_well() {
        let command = Command::new("ebm");
        let device = device_parser().parse_ref(&command, None, OsStr::new("wgpu:3"));
        assert_eq!(device.expect("a device"), DeviceChoice::Wgpu(3));
        let preset = preset_parser().parse_ref(&command, None, OsStr::new("nope"));
        assert_eq!(preset.expect("any text"), "nope");
    }
}
