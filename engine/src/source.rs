//! Where records come from: Kafka, files, and the embedded broker of the demo and the tests.

pub mod embedded;
pub mod file;
pub mod kafka;
