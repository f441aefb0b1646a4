//! Hold the description of an exported model to the metadata of its weights.

use serde_json::{Map, Value};

use super::Description;
use crate::exchange::note::Note;

/// The first key of a description that is not as the metadata have it, with both values; `None` where all agree.
/// `metadata` is the text that `note` was read from.
pub(super) fn disagreement(
    description: &Description,
    note: &Note,
    metadata: &str,
) -> Option<String> {
    let differences = note.differences_from_description(
        description.image_shape,
        &description.class_names,
        description.weights,
    );
    let first = differences.into_iter().next();
    let first = first.map(|one| format!("{} is {}, not {}", one.key, one.in_file, one.configured));
    first.or_else(|| other_architecture(description, metadata))
}

/// The first key of what other programs read.
fn other_architecture(description: &Description, metadata: &str) -> Option<String> {
    let here = description.written_architecture.as_ref()?;
    let there: Value = serde_json::from_str(metadata).ok()?;
    let none = Map::new();
    let [in_weights, written] = [&there, here].map(|value| value.as_object().unwrap_or(&none));
    let mut keys = in_weights.keys().chain(written.keys());
    let key = keys.find(|key| in_weights.get(*key) != written.get(*key))?;
    let [in_weights, written] = [in_weights, written].map(|object| {
        let value = object.get(key);
        value.map_or_else(|| "absent".to_owned(), Value::to_string)
    });
    Some(format!("architecture.{key} is {in_weights}, not {written}"))
}
