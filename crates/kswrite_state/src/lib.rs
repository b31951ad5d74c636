//! What the filter remembers of writes and devices, without a kernel.
//!
//! * [`words`]: what `kswrite_core` decided, in the words of the wire protocol.
//! * [`record`]: the trace records of one write.
//! * [`ring`]: the ring that they are kept in.
//! * [`policy`]: what the filter may do with the writes of a device.
//!
//! `kswrite_core` knows no wire protocol and has no memory; the driver has no arithmetic that only a kernel could
//! test. What is between the two is here.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod policy;
pub mod record;
pub mod ring;
pub mod words;
