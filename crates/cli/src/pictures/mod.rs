//! Read the pictures that a user names: files, folders, contact sheets, arrays, a part of a data set.

mod converted;
mod files;
mod jobs;
mod listed;
mod named;

pub(crate) use converted::log_converted;
pub(crate) use files::shape_of;
pub(crate) use jobs::{Job, Made, do_all, is_one, jobs, tell_done};
pub(crate) use listed::listed;
pub(crate) use named::{Named, of_data_set};
