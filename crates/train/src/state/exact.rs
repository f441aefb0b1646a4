//! Write numbers to JSON so that they are read back bit for bit.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number whose digits stand in a string: those of a JSON number serde_json may round to a neighbour
/// of what was written. It reads either.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exact(pub(super) f64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Digits(String),
            Number(f64),
        }
        match Written::deserialize(deserializer)? {
            Written::Digits(digits) => digits.parse().map(Self).map_err(serde::de::Error::custom),
            Written::Number(number) => Ok(Self(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_bit_for_bit() {
        let awkward = (1..2_000).map(|i| f64::from(i).sqrt().exp().recip());
        for number in awkward.chain([0.1, 1.0, -0.0, f64::MIN_POSITIVE, f64::INFINITY]) {
            let json = serde_json::to_string(&Exact(number)).expect("a string");
            let back: Exact = serde_json::from_str(&json).expect("digits");
            assert_eq!(back.0.to_bits(), number.to_bits(), "{json}");
        }
    }

    #[test]
    fn what_is_no_number_stays_none_and_plain_numbers_are_read_too() {
        let back: Exact = serde_json::from_str("\"NaN\"").expect("no number");
        assert!(back.0.is_nan());
        assert_eq!(
            serde_json::from_str::<Exact>("0.25").expect("a number"),
            Exact(0.25)
        );
        assert!(serde_json::from_str::<Exact>("\"a\"").is_err());
    }
}
