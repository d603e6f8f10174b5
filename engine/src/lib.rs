//! Nightjar: identity and AI-usage events from Kafka or files to explained alerts.
//!
//! All I/O is here; what is unusual is decided in `nightjar-detectors`, which does none.

#![deny(unsafe_code)]

pub mod backtest;
pub mod cli;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod coverage;
pub mod days;
pub mod decode;
pub mod detail;
pub mod door;
pub mod enrich;
pub mod evaluate;
pub mod generate;
pub mod grpc;
pub mod http;
pub mod intake;
pub mod interrupt;
pub mod inventory;
pub mod live;
pub mod logins;
pub mod metrics;
pub mod pipeline;
pub mod query;
pub mod replay;
pub mod setup;
pub mod source;
pub mod spool;
pub mod store;
pub mod table;
