//! Show a run on a page, while it trains or afterwards, and let people play with its energy there.
//!
//! Reading order: `address` (where the page is) → `guard` (who may ask for what) → `server`, `connections` (the thread that answers)
//! → `routes` (what can be asked) → `site` (what all answers are made of) → `events`, `frames` (what is shown of a run),
//! `demand` (whether anybody looks) → `play`, `body` (what is played, and how it travels) → `observer` (a run that
//! trains), `command` (one that does not), `history` (what a run has shown before).
//!
//! Nothing flows back to a run: a page sees copies, and plays with chains of its own, so that a run that is watched ends
//! with the same bytes as one that is not.

mod about;
mod address;
mod body;
mod command;
mod connections;
mod demand;
mod events;
mod frames;
mod guard;
mod handover;
mod history;
mod observer;
mod page;
mod play;
mod problem;
mod routes;
mod server;
mod site;

pub(crate) use address::{FREE_PORT, Listen};
pub(crate) use command::LiveArgs;
pub(crate) use observer::{Live, Watched, checkpoint_requests};
