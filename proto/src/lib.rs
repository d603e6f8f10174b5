//! The alert service's protobuf types, generated from `proto/nightjar/v1`.
//!
//! No logic: what a field means is said in the proto files, and only there.

#![forbid(unsafe_code)]

/// Package `nightjar.v1`.
#[allow(missing_docs, clippy::all)] // generated
pub mod v1 {
    tonic::include_proto!("nightjar.v1");
}

/// The compiled proto files, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

// For whoever encodes or decodes a message outside of a call.
pub use prost;
