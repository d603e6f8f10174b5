//! Nightjar: identity and AI-usage events from Kafka to explained alerts over gRPC.

pub mod store;
