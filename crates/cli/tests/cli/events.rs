//! Read event files as their format is published, by nothing that wrote them: unit tests of the writer use this, too.

use std::fs;
use std::path::{Path, PathBuf};

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Seconds since 1970.
    pub wall_time: f64,
    pub step: u64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Version(String),
    /// Training begins: earlier events of this step and beyond it are void. By whom it was written.
    Start(String),
    /// Series and what they have at this step.
    Values(Vec<(String, Content)>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Scalar(f32),
    Picture {
        height: u64,
        width: u64,
        channels: u64,
        png: Vec<u8>,
    },
    /// By the plugin that shows it.
    Text(String, String),
}

/// The event files of a folder, in the order in which TensorBoard reads them.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of events");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

/// The events of a file. Half an event at its end, which a crash leaves, is passed over.
#[track_caller]
pub fn events(file: &Path) -> Vec<Event> {
    let bytes = fs::read(file).expect("a file of events");
    let mut rest = bytes.as_slice();
    let mut events = Vec::new();
    while let Some(data) = next_record(&mut rest) {
        events.push(event(data));
    }
    events
}

/// What TensorBoard shows of a folder: points of every series, in order, without those that a later start has made void.
pub fn shown(folder: &Path) -> Vec<(String, u64, Content)> {
    let mut points: Vec<(String, u64, Content)> = Vec::new();
    for event in files(folder).iter().flat_map(|file| events(file)) {
        match event.what {
            What::Version(_) => {}
            What::Start(_) => points.retain(|(_, step, _)| *step < event.step),
            What::Values(values) => {
                let of_step = values.into_iter();
                points.extend(of_step.map(|(tag, content)| (tag, event.step, content)));
            }
        }
    }
    points
}

/// The data of the next record, with both checksums right.
fn next_record<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<8>()?;
    let (length_crc, after) = after.split_first_chunk::<4>()?;
    assert_eq!(u32::from_le_bytes(*length_crc), masked(crc32c(length)));
    let length = usize::try_from(u64::from_le_bytes(*length)).expect("a length");
    let (data, after) = after.split_at_checked(length)?;
    let (data_crc, after) = after.split_first_chunk::<4>()?;
    assert_eq!(u32::from_le_bytes(*data_crc), masked(crc32c(data)));
    *rest = after;
    Some(data)
}

/// CRC-32C, bit by bit.
fn crc32c(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc >>= 1;
            if carry == 1 {
                crc ^= 0x82f6_3b78;
            }
        }
    }
    !crc
}

fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A field of a protocol buffer.
#[derive(Clone, Copy, Debug)]
enum Field<'a> {
    Varint(u64),
    Eight([u8; 8]),
    Bytes(&'a [u8]),
    Four([u8; 4]),
}

impl<'a> Field<'a> {
    fn varint(self) -> u64 {
        match self {
            Self::Varint(value) => value,
            other => panic!("expected a varint, got {other:?}"),
        }
    }

    fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("expected bytes, got {other:?}"),
        }
    }

    fn text(self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("UTF-8")
    }
}

/// The fields of a message, by number, in the order of the bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Varint(varint(&mut bytes)),
            1 => Field::Eight(chunk(&mut bytes)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                let (field, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(field)
            }
            5 => Field::Four(chunk(&mut bytes)),
            wire_type => panic!("no field has wire type {wire_type}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = chunk(bytes);
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a varint of more than ten bytes");
}

fn chunk<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (chunk, rest) = bytes.split_first_chunk().expect("more bytes");
    *bytes = rest;
    *chunk
}

fn event(data: &[u8]) -> Event {
    let (mut wall_time, mut step, mut what) = (0.0, 0, None);
    for (number, field) in fields(data) {
        match (number, field) {
            (1, Field::Eight(bytes)) => wall_time = f64::from_le_bytes(bytes),
            (2, field) => step = field.varint(),
            (3, field) => what = Some(What::Version(field.text())),
            (5, field) => what = Some(What::Values(summary(field.bytes()))),
            (7, field) => what = Some(What::Start(session_log(field.bytes()))),
            unknown => panic!("no event has {unknown:?}"),
        }
    }
    Event {
        wall_time,
        step,
        what: what.expect("something happened"),
    }
}

/// Who has begun to train.
fn session_log(data: &[u8]) -> String {
    let (mut status, mut message) = (0, String::new());
    for (number, field) in fields(data) {
        match number {
            1 => status = field.varint(),
            3 => message = field.text(),
            unknown => panic!("no session log has field {unknown}"),
        }
    }
    assert_eq!(status, 1, "the status of a start");
    message
}

fn summary(data: &[u8]) -> Vec<(String, Content)> {
    let values = fields(data).into_iter().map(|(number, field)| {
        assert_eq!(number, 1, "a summary has values alone");
        value(field.bytes())
    });
    values.collect()
}

fn value(data: &[u8]) -> (String, Content) {
    let (mut tag, mut content, mut plugin) = (String::new(), None, None);
    for (number, field) in fields(data) {
        match (number, field) {
            (1, field) => tag = field.text(),
            (2, Field::Four(bytes)) => content = Some(Content::Scalar(f32::from_le_bytes(bytes))),
            (4, field) => content = Some(picture(field.bytes())),
            (8, field) => content = Some(Content::Text(String::new(), string(field.bytes()))),
            (9, field) => plugin = Some(plugin_of(field.bytes())),
            unknown => panic!("no value has {unknown:?}"),
        }
    }
    if let (Some(Content::Text(shown_by, _)), Some(plugin)) = (&mut content, plugin) {
        *shown_by = plugin;
    }
    (tag, content.expect("a value has a content"))
}

fn picture(data: &[u8]) -> Content {
    let (mut sizes, mut png) = ([0; 3], Vec::new());
    for (number, field) in fields(data) {
        match number {
            1..=3 => sizes[number as usize - 1] = field.varint(),
            4 => png = field.bytes().to_vec(),
            unknown => panic!("no image has field {unknown}"),
        }
    }
    let [height, width, channels] = sizes;
    Content::Picture {
        height,
        width,
        channels,
        png,
    }
}

/// The one string of a tensor.
fn string(data: &[u8]) -> String {
    let (mut dtype, mut strings) = (0, Vec::new());
    for (number, field) in fields(data) {
        match number {
            1 => dtype = field.varint(),
            8 => strings.push(field.text()),
            unknown => panic!("no tensor of strings has field {unknown}"),
        }
    }
    assert_eq!((dtype, strings.len()), (7, 1), "one string");
    strings.remove(0)
}

/// The name of the plugin that metadata of a summary tell.
fn plugin_of(data: &[u8]) -> String {
    let [(1, plugin)] = fields(data)[..] else {
        panic!("metadata name a plugin alone");
    };
    let [(1, name)] = fields(plugin.bytes())[..] else {
        panic!("a plugin has a name alone");
    };
    name.text()
}
