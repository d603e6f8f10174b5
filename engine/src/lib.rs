//! stub

pub mod cmd;
pub mod generate;
