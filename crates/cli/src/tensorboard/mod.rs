//! Write event files, which TensorBoard and what else reads its format show while a run goes on.
//!
//! Reading order: `observer` (what is written) → `tags` (under which names) → `folder` (where, and what becomes void
//! when a run goes on or goes back) → `file` → `messages`, `record` (the format).

#[cfg(test)]
#[path = "../../tests/cli/events.rs"]
mod events;
mod file;
mod folder;
mod messages;
mod observer;
mod record;
mod tags;

pub(crate) use folder::EventFolder;
pub(crate) use observer::TensorBoard;
