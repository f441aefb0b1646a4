//! Check what is read from parquet files, and what is refused.

mod columns;
mod damage;
mod labels;
mod reading;
mod splits;

use std::sync::Arc;

use parquet::basic::Encoding;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type,
};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::sources::folder::testing::{self, config, greys, passed_over, png};

/// The columns of most data sets on the Hub.
const SCHEMA: &str = "message schema {
    optional group image { optional binary bytes; optional binary path (UTF8); }
    optional int64 label;
}";

/// What `datasets` says of them.
const FEATURES: &str = r#"{"info": {"features": {
    "image": {"_type": "Image"},
    "label": {"names": ["ship", "cat", "frog", "dog"], "_type": "ClassLabel"}
}}}"#;

/// The cells of a leaf.
#[derive(Clone)]
enum Cells {
    Bytes(Vec<Option<Vec<u8>>>),
    Small(Vec<Option<i32>>),
    Large(Vec<Option<i64>>),
    Real(Vec<Option<f64>>),
    Flags(Vec<Option<bool>>),
}

/// Bytes of pictures of these greys, in a group.
fn pictures(greys: &[u8]) -> Cells {
    Cells::Bytes(greys.iter().map(|&grey| Some(png(grey))).collect())
}

/// So many empty cells in a group.
fn no_paths(num: usize) -> Cells {
    Cells::Bytes(vec![None; num])
}

fn texts(texts: &[&str]) -> Cells {
    Cells::Bytes(
        texts
            .iter()
            .map(|text| Some(text.as_bytes().to_vec()))
            .collect(),
    )
}

fn labels(labels: &[i64]) -> Cells {
    Cells::Large(labels.iter().copied().map(Some).collect())
}

/// A row group of the columns of most data sets.
fn group(greys: &[u8], classes: &[i64]) -> Vec<Cells> {
    vec![pictures(greys), no_paths(greys.len()), labels(classes)]
}

/// A parquet file of row groups, each of the cells of its leaves.
fn table(schema: &str, properties: WriterPropertiesBuilder, groups: &[Vec<Cells>]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties.build())).unwrap();
    for leaves in groups {
        let mut group = writer.next_row_group().unwrap();
        for cells in leaves {
            let mut column = group.next_column().unwrap().unwrap();
            match cells.clone() {
                Cells::Bytes(cells) => {
                    let cells = cells.into_iter().map(|cell| cell.map(ByteArray::from));
                    write::<ByteArrayType>(&mut column, cells.collect());
                }
                Cells::Small(cells) => write::<Int32Type>(&mut column, cells),
                Cells::Large(cells) => write::<Int64Type>(&mut column, cells),
                Cells::Real(cells) => write::<DoubleType>(&mut column, cells),
                Cells::Flags(cells) => write::<BoolType>(&mut column, cells),
            }
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

/// Writes the cells of a leaf, all of which have a value if it is never empty.
fn write<T: DataType>(column: &mut SerializedColumnWriter<'_>, cells: Vec<Option<T::T>>) {
    let column = column.typed::<T>();
    let full = column.get_descriptor().max_def_level();
    let levels = cells.iter();
    let levels = levels.map(|cell| if cell.is_some() { full } else { full - 1 });
    let levels: Vec<i16> = levels.collect();
    let levels = (full > 0).then_some(levels.as_slice());
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    column.write_batch(&values, levels, None).unwrap();
}

/// As pyarrow writes a file, with what `datasets` says of its columns.
fn properties(features: Option<&str>) -> WriterPropertiesBuilder {
    let notes = features.map(|features| {
        vec![
            KeyValue::new("pandas".to_owned(), "{}".to_owned()),
            KeyValue::new("huggingface".to_owned(), features.to_owned()),
        ]
    });
    WriterProperties::builder()
        .set_encoding(Encoding::PLAIN)
        .set_key_value_metadata(notes)
}

/// A parquet file of a row group of the columns of most data sets.
fn hub_table(greys: &[u8], classes: &[i64]) -> Vec<u8> {
    table(SCHEMA, properties(Some(FEATURES)), &[group(greys, classes)])
}

/// Loads `path` in a folder of these files, with settings; errors as text, what caused them after a colon.
fn load_with(
    path: &str,
    files: &[(&str, &[u8])],
    set: impl Fn(&mut DataConfig),
) -> Result<Dataset, String> {
    testing::load_with(path, files, set, |error| {
        let cause = std::error::Error::source(error);
        let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
        format!("{error}{cause}")
    })
}

/// Loads `path` in a folder of these files.
fn load(path: &str, files: &[(&str, &[u8])]) -> Result<Dataset, String> {
    load_with(path, files, |_| {})
}

/// Loads a parquet file of these bytes.
fn load_bytes(bytes: &[u8]) -> Result<Dataset, String> {
    load("train.parquet", &[("train.parquet", bytes)])
}
