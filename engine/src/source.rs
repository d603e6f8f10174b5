//! Where records come from.
//!
//! Invariant: a source hands out borrowed bytes with their position and knows nothing of their meaning.

pub mod embedded;
pub mod kafka;
