//! Safe wrappers of the kernel calls that the drivers make.
//!
//! This crate is the fence round `unsafe`: it turns handles and pointers into types that cannot be used
//! wrongly, and decides nothing. A call that is missing is wrapped here, never made from a driver's logic.
//!
//! * An object of the framework is seen as `&Device`, `&FileObject`, ...: its address is the handle, and the
//!   borrow ends with the callback in which it was given, so no handle outlives its object.
//! * [`Request`] is owned. Completing consumes it; a dropped one is completed with an error.
//! * Callbacks are traits. A trampoline turns pointers into references, calls one method, and returns.
//! * A driver's own data hangs on framework objects as a typed [`Context`].
//!
//! Nothing in here needs more than KMDF 1.15, and a comment says where a kernel export is newer than Windows 10.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/>
#![no_std]

extern crate alloc;

pub mod context;
pub mod control_irp;
pub mod device;
pub mod driver;
pub mod fast_io;
pub mod file;
pub mod held;
pub mod irp;
pub mod irql;
mod layout;
pub mod object;
pub mod pool;
pub mod queue;
pub mod request;
pub mod seh;
pub mod shared_bytes;
pub mod spin;
pub mod status;
pub mod string;
pub mod sync;
pub mod time;
pub mod timer;
pub mod trace;
mod values;
pub mod write_irp;

pub use context::{Context, ContextTypeInfo};
pub use device::{Device, DeviceInit, OwnedDevice};
pub use driver::{Driver, DriverEvents};
pub use file::{FileEvents, FileObject};
pub use kswrite_core::{IoStatus, NtStatus};
pub use object::{Object, ObjectAttributes, Reference};
pub use queue::{Queue, QueueConfig, QueueEvents};
pub use request::Request;
pub use shared_bytes::{SharedBytes, SharedBytesMut};
pub use string::UnicodeString;
pub use wdk_sys;
