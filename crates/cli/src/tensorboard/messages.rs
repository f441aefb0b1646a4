//! Define the messages of an event file: of TensorFlow's protocol buffers the few fields that are written.

use prost::{Message, Oneof};

use crate::output::Picture;

/// Kind of a session log by which TensorBoard drops the events of its step and of later ones.
const START: i32 = 1;
/// Type of a tensor's elements.
const STRING: i32 = 7;

/// `tensorboard.Event`: something that happened in a step.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(super) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    pub(super) what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

/// `tensorboard.SessionLog`: training begins, or goes on.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
    #[prost(string, tag = "3")]
    pub(super) message: String,
}

/// `tensorboard.Summary`: values of one step.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(super) values: Vec<Value>,
}

/// `tensorboard.Summary.Value`: a point of a series.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    /// Name of the series; its first part is the section in which TensorBoard shows it.
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Content", tags = "2, 4, 8")]
    content: Option<Content>,
    #[prost(message, optional, tag = "9")]
    metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Content {
    #[prost(float, tag = "2")]
    Scalar(f32),
    #[prost(message, tag = "4")]
    Image(Image),
    #[prost(message, tag = "8")]
    Tensor(Tensor),
}

/// `tensorboard.Summary.Image`.
#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// 1: grey, 3: RGB.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

/// `tensorboard.TensorProto`.
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(bytes = "vec", repeated, tag = "8")]
    strings: Vec<Vec<u8>>,
}

/// `tensorboard.SummaryMetadata`: who shows a series.
#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(message, optional, tag = "1")]
    plugin: Option<Plugin>,
}

/// `tensorboard.SummaryMetadata.PluginData`.
#[derive(Clone, PartialEq, Message)]
struct Plugin {
    #[prost(string, tag = "1")]
    name: String,
}

impl SessionLog {
    /// Training begins, or goes on.
    pub(super) fn start(message: String) -> Self {
        Self {
            status: START,
            message,
        }
    }
}

impl Value {
    /// A number, in single precision as TensorBoard has all of them.
    pub(super) fn scalar(tag: String, value: f32) -> Self {
        Self {
            tag,
            content: Some(Content::Scalar(value)),
            metadata: None,
        }
    }

    /// A picture.
    pub(super) fn image(tag: &str, picture: Picture) -> Self {
        let image = Image {
            height: picture.height as i32,
            width: picture.width as i32,
            colorspace: picture.channels as i32,
            encoded: picture.png,
        };
        Self {
            tag: tag.to_owned(),
            content: Some(Content::Image(image)),
            metadata: None,
        }
    }

    /// A text in Markdown.
    pub(super) fn text(tag: &str, text: String) -> Self {
        let tensor = Tensor {
            dtype: STRING,
            strings: vec![text.into_bytes()],
        };
        let plugin = Some(Plugin {
            name: "text".to_owned(),
        });
        Self {
            tag: tag.to_owned(),
            content: Some(Content::Tensor(tensor)),
            metadata: Some(Metadata { plugin }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes, below 128 of them: the key, which is its number and 2, the length, the bytes.
    fn bytes_of(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[(number << 3) | 2, bytes.len() as u8][..], bytes].concat()
    }

    /// An event of the second 1.5, as wall time, and of step 300, whose third field is `what`.
    fn event_with(what: &[u8]) -> Vec<u8> {
        let head = [
            0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, // field 1, 8 bytes: 1.5
            0x10, 0xac, 0x02, // field 2, varint: 0x2c + (2 << 7)
        ];
        [&head[..], what].concat()
    }

    fn encoded(what: What) -> Vec<u8> {
        let event = Event {
            wall_time: 1.5,
            step: 300,
            what: Some(what),
        };
        event.encode_to_vec()
    }

    fn encoded_value(value: Value) -> Vec<u8> {
        let values = vec![value];
        encoded(What::Summary(Summary { values }))
    }

    /// The event of one value with these fields after its tag.
    fn event_with_value(tag: &str, fields: &[u8]) -> Vec<u8> {
        let value = [bytes_of(1, tag.as_bytes()), fields.to_vec()].concat();
        event_with(&bytes_of(5, &bytes_of(1, &value)))
    }

    #[test]
    fn a_version_and_a_start_are_the_fields_of_an_event() {
        let version = encoded(What::FileVersion("brain.Event:2".to_owned()));
        assert_eq!(version, event_with(&bytes_of(3, b"brain.Event:2")));
        let start = encoded(What::SessionLog(SessionLog::start("here".to_owned())));
        let log = [&[0x08, 1][..], &bytes_of(3, b"here")].concat();
        assert_eq!(start, event_with(&bytes_of(7, &log)));
    }

    #[test]
    fn scalars_are_floats_and_zero_and_nan_are_written() {
        for value in [0.5, 0.0, f32::NAN, f32::NEG_INFINITY] {
            let expected = [&[0x15][..], &value.to_le_bytes()].concat();
            let scalar = Value::scalar("loss".to_owned(), value);
            assert_eq!(encoded_value(scalar), event_with_value("loss", &expected));
        }
    }

    #[test]
    fn an_image_has_its_size_its_channels_and_its_bytes() {
        let picture = Picture {
            channels: 3,
            height: 4,
            width: 5,
            png: b"png".to_vec(),
        };
        let size = [0x08, 4, 0x10, 5, 0x18, 3];
        let image = [&size[..], &bytes_of(4, b"png")].concat();
        let expected = event_with_value("samples", &bytes_of(4, &image));
        assert_eq!(encoded_value(Value::image("samples", picture)), expected);
    }

    #[test]
    fn a_text_is_a_tensor_of_one_string_for_the_plugin_of_texts() {
        let tensor = [&[0x08, 7][..], &bytes_of(8, b"words")].concat();
        let plugin = bytes_of(9, &bytes_of(1, &bytes_of(1, b"text")));
        let fields = [bytes_of(8, &tensor), plugin].concat();
        let text = Value::text("notes", "words".to_owned());
        assert_eq!(encoded_value(text), event_with_value("notes", &fields));
    }
}
