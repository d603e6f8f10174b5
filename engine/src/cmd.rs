//! The commands, one module each: arguments in, exit status out.

pub mod alerts;
pub mod watch;
