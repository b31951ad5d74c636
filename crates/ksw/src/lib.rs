//! The write harness, without its Windows part.
//!
//! * [`cli`], [`plan`], [`size`], [`script`]: the command line and its values, checked once.
//! * [`face`]: the interfaces that writes go through.
//! * [`run`], [`buffer`]: the write loop, over an engine that is Windows or a test.
//! * [`trace`], [`etw`], [`policy`]: the filter's records of writes, and what it may do with them.
//! * [`report`], [`ks`], [`status`], [`digest`], [`measure`], [`table`]: what was found, each as one structure for
//!   text and JSON.
//! * [`bench`]: how fast a device is.
//! * [`page`]: the same as an HTML page.
//! * [`conform`]: which rules of WriteFile, and of the stream and channel interfaces, are kept.
//! * [`install`]: installing, removing, inspecting.
//! * [`stress`]: programs of random operations, and books that tell when an invariant does not hold.
//! * [`exit`]: exit codes.

pub mod bench;
pub mod buffer;
pub mod cli;
pub mod conform;
pub mod digest;
pub mod etw;
pub mod exit;
pub mod face;
pub mod install;
pub mod ks;
pub mod measure;
pub mod page;
pub mod plan;
pub mod policy;
pub mod report;
pub mod run;
pub mod script;
pub mod size;
pub mod status;
pub mod stress;
pub mod table;
pub mod trace;
