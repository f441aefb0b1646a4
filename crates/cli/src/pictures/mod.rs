//! Read the pictures that a user names: files, folders, contact sheets, arrays, a part of a data set.

mod files;
mod listed;
mod named;

pub(crate) use listed::{directly_in, listed};
pub(crate) use named::{Named, of_data_set};
