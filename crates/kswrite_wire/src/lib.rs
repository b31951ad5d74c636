//! What the drivers and user mode agree on.
//!
//! * [`names`]: device names, hardware IDs, interface GUIDs.
//! * [`ioctl`]: control codes and how they are made.
//! * [`filter`]: the control device of the filter, `\\.\KsWrite`; [`file_write`]: its write to a file object;
//!   [`trace`]: its records of writes; [`policy`]: what it may do with those of a device.
//! * [`sink`]: the scripted target, `ksink.sys`.
//! * [`wine_host`]: the control device of the Wine host.
//!
//! Every structure is `repr(C)`, has no padding, and carries its size as an assertion, so that a 64-bit
//! driver and any program agree on it byte for byte. All fields are plain integers: any byte pattern is
//! a valid value, and what a value *means* is checked after it was captured ([`sink::Script::check`]).
#![no_std]

#[cfg(test)]
extern crate std;

#[macro_use]
mod numbered;

pub mod file_write;
pub mod filter;
pub mod ioctl;
pub mod names;
pub mod policy;
pub mod sink;
pub mod trace;
pub mod wine_host;

pub use ioctl::ControlCode;
