//! The write harness, without its Windows part.
//!
//! * [`plan`], [`size`], [`script`]: the options, checked once.
//! * [`report`], [`digest`], [`measure`], [`table`]: what was found, as one structure for text and JSON.
//! * [`exit`]: exit codes.

pub mod digest;
pub mod exit;
pub mod measure;
pub mod plan;
pub mod report;
pub mod script;
pub mod size;
pub mod table;
