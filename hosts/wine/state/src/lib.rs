//! The parts of the Wine host that need no kernel: they are tested on any system.
//!
//! * [`slab`]: handles that are never used twice.
//! * [`fault`]: faults armed by a test.
//! * [`bind`]: which clients the loader accepts.
//! * [`sizes`]: which values of a `Size` field KMDF accepts.
//! * [`buffers`]: which of an IRP's buffer fields Windows would show a driver.
#![no_std]

extern crate alloc;

pub mod bind;
pub mod buffers;
pub mod fault;
pub mod sizes;
pub mod slab;
