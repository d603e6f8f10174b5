//! Nightjar's detection, pure: Arrow batches in, alerts out.
//!
//! No clock, no files, no randomness and no hash-map order: the same events give the same alerts.

#![forbid(unsafe_code)]

pub mod alert;
pub mod assemble;
pub mod catalog;
pub mod company;
pub mod core;
pub mod detector;
pub mod directory;
pub mod event;
pub mod evidence;
pub mod exception;
pub mod incident;
pub mod model;
pub mod origin;
pub mod panes;
pub mod policy;
mod recent;
pub mod settings;
pub mod shard;
pub mod sketch;
pub mod time;
pub mod verdict;
pub mod world;
