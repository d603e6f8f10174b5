//! Nightjar: identity and AI-usage events from Kafka to explained alerts over gRPC.

pub mod clock;
pub mod cmd;
pub mod grpc;
pub mod store;
pub mod table;
