//! stub

pub mod cmd;
pub mod config;
pub mod enrich;
