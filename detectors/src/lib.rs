//! Nightjar's detection, pure: Arrow batches in, alerts out.
//!
//! No clock, no files, no randomness and no hash-map order: the same events give the same alerts.

#![forbid(unsafe_code)]

pub mod alert;
pub mod catalog;
pub mod directory;
pub mod event;
pub mod model;
pub mod settings;
