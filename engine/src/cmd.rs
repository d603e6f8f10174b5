//! The commands. One file each: its arguments, and `run`.

pub mod generate;
