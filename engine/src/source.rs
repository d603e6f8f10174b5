//! Where records come from: Kafka, the doors, files, and the embedded broker of the demo and the tests.

pub mod embedded;
pub mod file;
pub mod kafka;
mod sources;

pub use sources::{Brought, SourceOptions, Sources};
