//! Choose the columns of a file that are read: the pictures, and their labels.

use std::collections::HashSet;
use std::path::Path;

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::damage::{damaged, unread};
use super::features::{self, Features};
use super::file::Table;
use crate::class_name::is_class_name;
use crate::error::DataError;

/// Names of a column of pictures among others, the one that is taken first.
const PICTURES: &[&str] = &[
    "image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp",
];
/// The same, where the file says that several are pictures.
const IMAGES: &[&str] = &["image", "img"];
/// Names of a column of labels.
const LABELS: &[&str] = &["label", "labels", "fine_label", "class", "y", "target"];

/// The most columns that an error lists.
const SHOWN: usize = 20;

/// The columns of a file. Those that are read are known by their leaves, the columns of values that groups consist of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// The leaf of the bytes of pictures.
    pub picture: usize,
    /// The leaf of the paths of pictures beside their bytes.
    pub path: Option<usize>,
    pub label: Option<Label>,
    all: Vec<Column>,
}

/// A column of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub leaf: usize,
    pub holds: Holds,
    /// Names of the classes, whose places in this list are the labels.
    pub names: Option<Vec<String>>,
}

/// A column, or a group of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    /// The leaf that may be read.
    leaf: usize,
    holds: Holds,
    /// Whether it should hold labels, and is of a type in which they are not read.
    is_odd_label: bool,
    /// Its name and type.
    shown: String,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Bytes, alone or in a group beside paths.
    Bytes {
        path: Option<usize>,
    },
    Int32,
    Int64,
    Text,
    Other,
}

impl Columns {
    /// Chooses among the columns of a file.
    ///
    /// # Errors
    /// Where none holds pictures, or several may be the one to read, or what the file says of them is not clear.
    pub fn of(table: &Table) -> Result<Self, DataError> {
        let path = table.path();
        let features = match table.note(features::KEY) {
            None => Features::default(),
            Some(text) => Features::read(text).map_err(|error| {
                damaged(
                    path,
                    format!("what it says of its columns is no JSON of `datasets`: {error}"),
                )
            })?,
        };
        let mut all = columns(table.schema());
        for column in &mut all {
            let is_named = LABELS
                .iter()
                .any(|name| column.name.eq_ignore_ascii_case(name));
            let is_label = is_named || features.is_class_label(&column.name);
            column.is_odd_label = is_label && column.holds == Holds::Other;
        }
        let picture = picture_in(path, &all, &features)?;
        Ok(Self {
            picture: picture.leaf,
            path: match picture.holds {
                Holds::Bytes { path } => path,
                _ => None,
            },
            label: label_in(path, &all, &features)?,
            all,
        })
    }

    /// The names of the columns that are not read: those that should hold labels, and are of a type that is not read,
    /// and others.
    pub fn unread(&self) -> (Vec<&str>, Vec<&str>) {
        let label = self.label.as_ref().map(|label| label.leaf);
        let is_unread =
            |column: &&Column| column.leaf != self.picture && Some(column.leaf) != label;
        let unread = self.all.iter().filter(is_unread);
        let (labels, others): (Vec<&Column>, Vec<&Column>) =
            unread.partition(|column| column.is_odd_label && self.label.is_none());
        let [labels, others] = [labels, others].map(|columns| {
            let names = columns.into_iter().map(|column| column.name.as_str());
            names.collect::<Vec<&str>>()
        });
        (labels, others)
    }
}

/// The column of pictures.
fn picture_in<'a>(
    path: &Path,
    all: &'a [Column],
    features: &Features,
) -> Result<&'a Column, DataError> {
    let held = all.iter();
    let held = held.filter(|column| matches!(column.holds, Holds::Bytes { .. }));
    let held: Vec<&Column> = held.collect();
    let images = held.iter().copied();
    let images: Vec<&Column> = images
        .filter(|column| features.is_image(&column.name))
        .collect();
    let (columns, names) = if images.is_empty() {
        (held, PICTURES)
    } else {
        (images, IMAGES)
    };
    match columns.as_slice() {
        [] => Err(DataError::NoPictureColumn {
            path: path.into(),
            columns: shown(all),
        }),
        [only] => Ok(*only),
        several => named(several, names).ok_or_else(|| DataError::AmbiguousColumns {
            path: path.into(),
            what: "pictures",
            columns: shown(several.iter().copied()),
            name: "image",
        }),
    }
}

/// The column of labels, where there is one.
fn label_in(path: &Path, all: &[Column], features: &Features) -> Result<Option<Label>, DataError> {
    let held = all.iter();
    let held =
        held.filter(|column| matches!(column.holds, Holds::Int32 | Holds::Int64 | Holds::Text));
    let held: Vec<&Column> = held.collect();
    let declared = held.iter().copied();
    let declared = declared
        .filter(|column| column.holds != Holds::Text && features.is_class_label(&column.name));
    let declared: Vec<&Column> = declared.collect();
    let column = match declared.as_slice() {
        [] => named(&held, LABELS),
        [only] => Some(*only),
        several => Some(
            named(several, LABELS).ok_or_else(|| DataError::AmbiguousColumns {
                path: path.into(),
                what: "labels",
                columns: shown(several.iter().copied()),
                name: "label",
            })?,
        ),
    };
    let Some(column) = column else {
        return Ok(None);
    };
    let names = features
        .class_names(&column.name)
        .filter(|_| column.holds != Holds::Text);
    let mut seen = HashSet::new();
    if let Some(twice) = names.into_iter().flatten().find(|name| !seen.insert(*name)) {
        let problem = format!("has two classes with the name {twice}");
        return Err(unread(path, problem, "give one of them another name"));
    }
    if let Some(odd) = names
        .into_iter()
        .flatten()
        .find(|name| !is_class_name(name))
    {
        let start: String = odd.chars().take(40).collect();
        let problem = format!("has a class with the name `{}`", start.escape_debug());
        return Err(unread(path, problem, "give it a name of one line"));
    }
    Ok(Some(Label {
        leaf: column.leaf,
        holds: column.holds,
        names: names.map(<[String]>::to_vec),
    }))
}

/// The first column with one of these names, in any case.
fn named<'a>(columns: &[&'a Column], names: &[&str]) -> Option<&'a Column> {
    let of_name = |name: &&str| {
        let mut columns = columns.iter().copied();
        columns.find(|column| column.name.eq_ignore_ascii_case(name))
    };
    names.iter().find_map(of_name)
}

/// Some columns for an error.
fn shown<'a>(columns: impl IntoIterator<Item = &'a Column>) -> Vec<String> {
    let mut columns = columns.into_iter();
    let some = columns.by_ref().take(SHOWN);
    let mut some: Vec<String> = some.map(|column| column.shown.clone()).collect();
    if columns.next().is_some() {
        some.push("…".to_owned());
    }
    some
}

/// The columns of a file, each with its leaves.
fn columns(schema: &SchemaDescriptor) -> Vec<Column> {
    let leaves: Vec<usize> = (0..schema.num_columns()).collect();
    let root = |leaf: usize| schema.get_column_root_idx(leaf);
    let roots = leaves.chunk_by(|&one, &other| root(one) == root(other));
    roots.map(|leaves| column(schema, leaves)).collect()
}

/// The column of these leaves.
fn column(schema: &SchemaDescriptor, leaves: &[usize]) -> Column {
    let first = leaves[0];
    let root = schema.get_column_root(first);
    let name = root.name();
    if !root.is_group() {
        let descriptor = &schema.columns()[first];
        let holds = holds(descriptor);
        let kind = match holds {
            Holds::Bytes { .. } => "bytes".to_owned(),
            Holds::Text => "text".to_owned(),
            _ => descriptor.physical_type().to_string(),
        };
        return Column {
            name: name.to_owned(),
            leaf: first,
            holds,
            is_odd_label: false,
            shown: format!("{} {kind}", name.escape_debug()),
        };
    }
    let inner = |inner: &str| {
        let is_it = |leaf: &usize| schema.columns()[*leaf].path().parts() == [name, inner];
        leaves.iter().copied().find(is_it)
    };
    let bytes = inner("bytes")
        .filter(|&leaf| holds(&schema.columns()[leaf]) == Holds::Bytes { path: None });
    let path = inner("path").filter(|&leaf| {
        let descriptor = &schema.columns()[leaf];
        descriptor.max_rep_level() == 0 && descriptor.physical_type() == Type::BYTE_ARRAY
    });
    let fields = root.get_fields().iter().map(|field| field.name());
    let fields: Vec<&str> = fields.take(SHOWN).collect();
    Column {
        name: name.to_owned(),
        leaf: bytes.unwrap_or(first),
        holds: bytes.map_or(Holds::Other, |_| Holds::Bytes { path }),
        is_odd_label: false,
        shown: format!("{} {{{}}}", name, fields.join(", "))
            .escape_debug()
            .to_string(),
    }
}

/// What a leaf holds.
fn holds(leaf: &ColumnDescriptor) -> Holds {
    match leaf.physical_type() {
        _ if leaf.max_rep_level() > 0 => Holds::Other,
        Type::INT32 => Holds::Int32,
        Type::INT64 => Holds::Int64,
        Type::BYTE_ARRAY if is_text(leaf) => Holds::Text,
        Type::BYTE_ARRAY => Holds::Bytes { path: None },
        _ => Holds::Other,
    }
}

fn is_text(leaf: &ColumnDescriptor) -> bool {
    let is_logical = matches!(
        leaf.logical_type_ref(),
        Some(LogicalType::String | LogicalType::Enum | LogicalType::Json)
    );
    let converted = leaf.converted_type();
    is_logical
        || matches!(
            converted,
            ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON
        )
}
