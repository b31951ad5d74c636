//! The ETW provider: the records of the trace as TraceLogging events, which tell tools their own names and fields.
//!
//! `WriteStart` says what was decided, `WriteStop` how the write ended; one operation number, and the opcodes of an
//! activity's start and stop, make the two a pair.
#![expect(unsafe_code, reason = "registers a callback with the system")]

use kswrite_wire::{
    file_write::{Attempt, Cancel, Carrier, Completion, Mode, Skip},
    trace::{Record, parts},
};
use tracelogging::{Guid, Level, define_provider, write_event};

use crate::trace;

define_provider!(PROVIDER, "KsWrite.Filter");

/// `EVENT_CONTROL_CODE_DISABLE_PROVIDER`.
const DISABLE: u32 = 0;
/// `EVENT_CONTROL_CODE_ENABLE_PROVIDER`.
const ENABLE: u32 = 1;

/// The provider, registered as long as this lives. If the system has no memory for it, nobody can enable it, and the
/// driver works all the same.
pub struct Registration(());

impl Registration {
    /// `EtwRegister`. Once in the life of the driver.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-etwregister>
    pub fn register() -> Self {
        // SAFETY: the provider is a static, and dropping this, which the driver's context does before the driver is
        // unloaded, unregisters it.
        let _status = unsafe { PROVIDER.register_with_callback(enabled, 0) };
        Self(())
    }
}

impl Drop for Registration {
    /// `EtwUnregister`; no callback runs afterwards.
    fn drop(&mut self) {
        let _status = PROVIDER.unregister();
    }
}

/// A session enables or disables the provider.
///
/// IRQL: `PASSIVE_LEVEL`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nc-wdm-etwenablecallback>
fn enabled(_: &Guid, code: u32, _: Level, _: u64, _: u64, _: usize, _: usize) {
    match code {
        DISABLE => trace::want_events(false),
        ENABLE => trace::want_events(true),
        _ => {}
    }
}

/// Writes the events of a record.
///
/// IRQL: `<= DISPATCH_LEVEL`.
#[cold]
pub fn write(record: &Record) {
    if record.parts & parts::START != 0 {
        start(record);
    }
    if record.parts & parts::END != 0 {
        stop(record);
    }
}

fn start(record: &Record) {
    write_event!(
        PROVIDER,
        "WriteStart",
        level(Informational),
        opcode(Start),
        keyword(0x1),
        u64("Operation", &record.operation),
        u32("Device", &record.device),
        u32("ProcessId", &record.process),
        i64("Offset", &record.offset),
        u32("Length", &record.length),
        str8("Mode", Mode::from_u32(record.mode).map_or("", Mode::word)),
        u64("Came100ns", &record.start),
        str8(
            "FastIo",
            Attempt::from_u32(record.attempt).map_or("", Attempt::word)
        ),
        str8("Skipped", Skip::from_u32(record.skip).map_or("", Skip::word)),
        win_ntstatus("FastIoStatus", &record.attempt_status),
        str8(
            "Carrier",
            Carrier::from_u32(record.carrier).map_or("", Carrier::word)
        ),
    );
}

fn stop(record: &Record) {
    write_event!(
        PROVIDER,
        "WriteStop",
        level(Informational),
        opcode(Stop),
        keyword(0x1),
        u64("Operation", &record.operation),
        u32("Device", &record.device),
        win_ntstatus("Status", &record.status),
        u64("Bytes", &record.information),
        str8(
            "Completion",
            Completion::from_u32(record.completion).map_or("", Completion::word)
        ),
        str8("Cancel", Cancel::from_u32(record.cancel).map_or("", Cancel::word)),
        u64("Over100ns", &record.end),
    );
}
