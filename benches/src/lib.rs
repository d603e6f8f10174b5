//! Measurements of Nightjar: the workloads, the loop to compare with, and the ways through the engine.
//!
//! Invariant: whatever is compared reads the same bytes from memory, on one thread.

pub mod bare;
pub mod kernel;
pub mod ours;
pub mod owned;
pub mod workload;

pub use workload::Workload;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
