//! Installing, removing and inspecting: what can be decided and shown without Windows.
//!
//! * [`system`], [`package`], [`judge`]: the machine, the folder to install from, and why one does not take the other.
//! * [`steps`]: what an installation or removal did, step by step.
//! * [`stack`]: packages, services and device stacks as they are.
//! * [`diag`]: all of it in one file for a report.

pub mod diag;
pub mod judge;
pub mod package;
pub mod stack;
pub mod steps;
pub mod system;
