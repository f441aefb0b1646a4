//! Know the classes of pictures from the labels in their rows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};

use super::columns::{Holds, Label};
use super::file::Table;
use crate::class_name::is_class_name;
use crate::error::DataError;
use crate::sources::folder::labelled::classes_of;
use crate::sources::folder::tree::{Tree, refuse_many};

/// What stands in the place of a label where the names of the classes are given, and a row has none.
const NO_LABEL: i64 = -1;

/// The classes that labels tell.
pub(super) struct Classes<'a> {
    /// Where they are given, labels are places in this list.
    names: Option<&'a [String]>,
    /// Where they are not: each label, and a number in the order in which they come.
    found: HashMap<String, u32>,
}

impl<'a> Classes<'a> {
    pub fn new(label: Option<&'a Label>) -> Self {
        Self {
            names: label.and_then(|label| label.names.as_deref()),
            found: HashMap::new(),
        }
    }

    /// Gives `take` the path of each row of a file, and the number of its class, where it has one.
    ///
    /// # Errors
    /// Where the file cannot be read or is damaged, or a label is none.
    pub fn read(
        &mut self,
        table: &Table,
        label: &Label,
        take: &mut dyn FnMut(PathBuf, Option<u32>),
    ) -> Result<(), DataError> {
        match label.holds {
            Holds::Int32 => table.each::<Int32Type>(label.leaf, &mut |row, label| {
                let class = self.of_number(&row, label.map(i64::from))?;
                take(row, class);
                Ok(())
            }),
            Holds::Int64 => table.each::<Int64Type>(label.leaf, &mut |row, label| {
                let class = self.of_number(&row, label)?;
                take(row, class);
                Ok(())
            }),
            _ => table.each::<ByteArrayType>(label.leaf, &mut |row, label| {
                let class = self.of_text(&row, label)?;
                take(row, class);
                Ok(())
            }),
        }
    }

    fn of_number(&mut self, row: &Path, label: Option<i64>) -> Result<Option<u32>, DataError> {
        let Some(label) = label else {
            return Ok(None);
        };
        let Some(names) = self.names else {
            return Ok(Some(self.number_of(&label.to_string())));
        };
        match usize::try_from(label) {
            Ok(class) if class < names.len() => Ok(Some(class as u32)),
            _ if label == NO_LABEL => Ok(None),
            _ => Err(DataError::BadRowLabel {
                path: row.into(),
                label: label.to_string(),
                expected: format!("0 to {}", names.len() - 1),
            }),
        }
    }

    fn of_text(&mut self, row: &Path, label: Option<ByteArray>) -> Result<Option<u32>, DataError> {
        let Some(label) = label else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(label.data());
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if label.as_utf8().is_err() || !is_class_name(text) {
            let start: String = text.chars().take(40).collect();
            return Err(DataError::BadRowLabel {
                path: row.into(),
                label: start.escape_debug().to_string(),
                expected: "one line of text".to_owned(),
            });
        }
        Ok(Some(self.number_of(text)))
    }

    /// The number of a label.
    fn number_of(&mut self, label: &str) -> u32 {
        if let Some(&number) = self.found.get(label) {
            return number;
        }
        let number = self.found.len() as u32;
        self.found.insert(label.to_owned(), number);
        number
    }

    /// The rows as pictures, with the classes in their order; without classes, where no row has a label.
    ///
    /// # Errors
    /// Where some rows have a label and some have none, or as [`classes_of`].
    pub fn tree(self, root: &Path, rows: Vec<(PathBuf, Option<u32>)>) -> Result<Tree, DataError> {
        let mut tree = Tree {
            root: root.into(),
            class_names: Vec::new(),
            pictures: Vec::new(),
        };
        if rows.iter().all(|(_, class)| class.is_none()) {
            tree.pictures = rows.into_iter().map(|(row, _)| (row, 0)).collect();
            return Ok(tree);
        }
        // The place of each number in the order of the classes.
        let num_classes = self.names.map_or(self.found.len(), <[String]>::len);
        refuse_many(root, num_classes)?;
        let mut places: Vec<u32> = (0..num_classes as u32).collect();
        if let Some(names) = self.names {
            tree.class_names = names.to_vec();
        } else {
            let classes = classes_of(root, self.found.keys().map(String::as_str))?;
            for (place, name) in (0..).zip(classes) {
                places[self.found[name] as usize] = place;
                tree.class_names.push(name.to_owned());
            }
        }
        let numbered = rows.into_iter().map(|(row, class)| match class {
            Some(class) => Ok((row, places[class as usize])),
            None => Err(DataError::NoRowLabel { path: row }),
        });
        tree.pictures = numbered.collect::<Result<_, _>>()?;
        Ok(tree)
    }
}
