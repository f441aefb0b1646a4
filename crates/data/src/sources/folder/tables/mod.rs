//! Read pictures from parquet files, as the Hugging Face Hub has them.
//!
//! Reading order: `sets` (which files are one data set) → `columns` (what is read of a file, by its schema and by
//! `features`) → `labels` (classes) → `read` (pictures). `file` opens a file over `footer` and `pages`, which let
//! `thrift` look at what it claims before room is made for it; `damage` has the errors.

mod columns;
mod damage;
mod features;
mod file;
mod footer;
mod labels;
mod pages;
mod read;
mod sets;
#[cfg(test)]
mod tests;
mod thrift;

use std::path::{Path, PathBuf};

use super::find::Found;
use super::rules::Reason;
use super::shards::{self, ByName};
use super::source::Source;
use super::tree::{Splits, Tree};
use crate::dataset::PassedOver;
use crate::error::DataError;

use columns::Columns;
use file::Table;
use labels::Classes;

pub(super) use read::Tables;

/// Whether the name of a file is that of a parquet file.
pub(super) fn is_table(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

/// How many rows there are in these files.
///
/// # Errors
/// Where one cannot be read.
pub(super) fn count(files: &[PathBuf]) -> Result<usize, DataError> {
    let tables = files.iter().map(|file| Table::open(file));
    tables
        .map(|table| table.map(|table| table.num_rows()))
        .sum()
}

/// The pictures in parquet files below `dir`, or in the only one, which `dir` is. Their names tell splits, as those of
/// archives do. Columns that are not read are added to what was passed over.
///
/// # Errors
/// Where the files are of several data sets or of no clear splits, a file to train on cannot be read, or there is no
/// picture to train on.
pub(super) fn find(
    dir: &Path,
    files: &[PathBuf],
    mut passed_over: Vec<PassedOver>,
) -> Result<Found, DataError> {
    sets::refuse_several(dir, files)?;
    let ByName {
        train,
        held_out,
        left_out,
    } = shards::splits(dir, files)?;
    if !left_out.is_empty() {
        passed_over.push(PassedOver {
            what: Reason::Validation.what(),
            remedy: Reason::Validation.remedy(),
            paths: left_out,
        });
    }
    let first = &train[0];
    let columns = Columns::of(&Table::open(first)?)?;
    let (odd_labels, others) = columns.unread();
    for (names, what, remedy) in [
        (
            odd_labels,
            "columns of labels of a type that is not read",
            Some("cast them to int64 or to text, and they are classes"),
        ),
        (
            others,
            "columns that are neither pictures nor their labels",
            None,
        ),
    ] {
        if !names.is_empty() {
            passed_over.push(PassedOver {
                what: what.to_owned(),
                remedy,
                paths: names.iter().map(|name| first.join(name)).collect(),
            });
        }
    }
    let train_tree = tree(dir, &train, first, &columns)?;
    let test = match held_out.as_slice() {
        [] => Ok(None),
        held_out => tree(dir, held_out, first, &columns)
            .and_then(|test| test.with_classes_of(&train_tree))
            .map(Some),
    };
    Ok(Found {
        splits: Splits {
            train: train_tree,
            test,
        },
        passed_over,
        source: Source::Tables(Tables { columns }),
    })
}

/// The pictures of a split, whose files have the columns of the file `first`.
fn tree(dir: &Path, files: &[PathBuf], first: &Path, columns: &Columns) -> Result<Tree, DataError> {
    let label = columns.label.as_ref();
    let mut classes = Classes::new(label);
    let mut rows = Vec::new();
    for file in files {
        let table = Table::open(file)?;
        if Columns::of(&table)? != *columns {
            return Err(DataError::TablesDiffer {
                path: file.clone(),
                other: first.into(),
            });
        }
        table.check(columns.picture)?;
        match label {
            Some(label) => {
                classes.read(&table, label, &mut |row, class| rows.push((row, class)))?;
            }
            None => rows.extend((0..table.num_rows()).map(|row| (table.path_of(row), None))),
        }
    }
    let root = match files {
        [only] => only.as_path(),
        _ => dir,
    };
    if rows.is_empty() {
        return Err(DataError::NoImages {
            path: root.into(),
            remedy: "a parquet file needs a row for each picture",
        });
    }
    classes.tree(root, rows)
}
