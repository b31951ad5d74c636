//! What kernel32 makes of the system calls: counts, last errors, waits.

use kswrite_client::Win32Error;
use kswrite_core::{IoStatus, NtStatus};
use nt_model::{
    BlockId, PortContext,
    user::{Handle, NtTransfer, TimeOut},
};

use super::{error::win32_error, machine::OvCell, os::ModelThread};
use crate::win32::{Count, Data, EXIT_ACCESS_VIOLATION, LAST_ERROR_BEFORE, NtWrite, Ov, Patience, Returned};

/// The context of the packets and APCs of an `OVERLAPPED`: its address, which is never NULL.
pub(super) fn context_of(overlapped: Ov) -> u64 {
    u64::from(overlapped.0) + 1
}

/// The `OVERLAPPED` of a context.
pub(super) fn overlapped_of(context: u64) -> Option<Ov> {
    u32::try_from(context.checked_sub(1)?).ok().map(Ov)
}

/// A handle as a case knows it.
pub(super) fn nt(handle: crate::win32::Handle) -> Handle {
    Handle(handle.0)
}

/// How long a wait may take.
pub(super) fn time_out(patience: Patience) -> TimeOut {
    match patience {
        Patience::Now => TimeOut::AtOnce,
        Patience::Briefly => TimeOut::WhenIdle,
        Patience::UntilOver => TimeOut::Never,
    }
}

/// TRUE.
pub(super) fn success(count: Option<u32>) -> Returned {
    Returned {
        returned: true,
        error: LAST_ERROR_BEFORE,
        count,
    }
}

/// FALSE, with the error of the status.
pub(super) fn failure(status: NtStatus, count: Option<u32>) -> Returned {
    Returned {
        returned: false,
        error: win32_error(status),
        count,
    }
}

/// A BOOL without a count.
pub(super) fn bool_of(result: Result<(), NtStatus>) -> Returned {
    match result {
        Ok(()) => success(None),
        Err(status) => failure(status, None),
    }
}

/// ReadFile or WriteFile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

/// The arguments of ReadFile and WriteFile.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) direction: Direction,
    pub(super) file: Handle,
    pub(super) data: Data,
    pub(super) length: u32,
    pub(super) count: Count,
}

/// A byte count, as the variable for it holds it.
fn bytes(io: IoStatus) -> u32 {
    u32::try_from(io.information).unwrap_or(u32::MAX)
}

impl ModelThread<'_> {
    fn io(&self, block: BlockId) -> IoStatus {
        self.machine.world.block(block).io
    }

    /// `Internal` says that the operation is in progress.
    fn begin(&self, memory: OvCell) -> NtTransfer {
        let information = self.io(memory.block).information;
        let status = NtStatus::PENDING;
        self.machine
            .world
            .fill_block(memory.block, IoStatus { status, information });
        NtTransfer {
            file: Handle(0),
            event: memory.content.event.map(nt),
            apc: None,
            port_context: None,
            status_block: memory.block,
            buffer: nt_model::Address(0),
            length: 0,
            offset: Some(memory.content.offset.cast_signed()),
        }
    }

    fn call(&self, call: &Call, transfer: NtTransfer) -> NtStatus {
        let transfer = NtTransfer {
            file: call.file,
            buffer: self.machine.address(call.data),
            length: call.length,
            ..transfer
        };
        match call.direction {
            Direction::Read => self.cpu.nt_read(&transfer),
            Direction::Write => self.cpu.nt_write(&transfer),
        }
    }

    /// ReadFile and WriteFile.
    pub(super) fn transfer(&self, call: &Call, overlapped: Option<Ov>) -> Returned {
        match overlapped {
            Some(overlapped) => self.transfer_overlapped(call, overlapped),
            None => self.transfer_at_position(call),
        }
    }

    fn transfer_overlapped(&self, call: &Call, overlapped: Ov) -> Returned {
        let memory = self.machine.overlapped(overlapped);
        let wanted = (!memory.content.no_packet).then(|| PortContext(context_of(overlapped)));
        let transfer = NtTransfer {
            port_context: wanted,
            ..self.begin(memory)
        };
        let status = self.call(call, transfer);
        let asked = |count: u32| (call.count == Count::Wanted).then_some(count);
        if !status.is_success() || status == NtStatus::PENDING {
            return failure(status, asked(0));
        }
        success(asked(bytes(self.io(memory.block))))
    }

    fn transfer_at_position(&self, call: &Call) -> Returned {
        let block = self.machine.world.status_block();
        let transfer = NtTransfer {
            file: call.file,
            event: None,
            apc: None,
            port_context: None,
            status_block: block,
            buffer: nt_model::Address(0),
            length: 0,
            offset: None,
        };
        let mut status = self.call(call, transfer);
        if status == NtStatus::PENDING {
            let _over = self.cpu.nt_wait_for(call.file, TimeOut::Never);
            status = self.io(block).status;
        }
        let at_end = call.direction == Direction::Read && status == NtStatus::END_OF_FILE;
        let information = match status {
            _ if at_end => Some(0),
            _ if !status.is_error() => Some(bytes(self.io(block))),
            _ => None,
        };
        if information.is_some() && call.count == Count::Null {
            // The count is stored, wherever that may be.
            self.cpu.unhandled_exception(EXIT_ACCESS_VIOLATION);
        }
        let count = (call.count == Count::Wanted).then(|| information.unwrap_or(0));
        if at_end || status.is_success() {
            success(count)
        } else {
            failure(status, count)
        }
    }

    /// WriteFileEx.
    pub(super) fn transfer_ex(&self, call: &Call, overlapped: Ov) -> Returned {
        let memory = self.machine.overlapped(overlapped);
        let transfer = NtTransfer {
            event: None,
            apc: Some(context_of(overlapped)),
            ..self.begin(memory)
        };
        let status = self.call(call, transfer);
        if status.is_error() {
            failure(status, None)
        } else {
            success(None)
        }
    }

    /// NtWriteFile.
    pub(super) fn native_write(&self, write: &NtWrite) -> NtStatus {
        let context = context_of(write.status_block);
        let port_context = (write.context && !write.apc).then_some(PortContext(context));
        self.cpu.nt_write(&NtTransfer {
            file: nt(write.file),
            event: write.event.map(nt),
            apc: write.apc.then_some(context),
            port_context,
            status_block: self.machine.overlapped(write.status_block).block,
            buffer: self.machine.address(write.data),
            length: write.length,
            offset: write.offset,
        })
    }

    /// GetOverlappedResult.
    pub(super) fn overlapped_result(&self, file: Handle, overlapped: Ov, wait: bool) -> Returned {
        const UNCHANGED: Option<u32> = Some(crate::win32::UNTOUCHED);
        let memory = self.machine.overlapped(overlapped);
        self.cpu.pause();
        if self.io(memory.block).status == NtStatus::PENDING {
            if !wait {
                return Returned {
                    returned: false,
                    error: Win32Error(996),
                    count: UNCHANGED,
                };
            }
            let object = memory.content.event.map_or(file, nt);
            if let Err(status) = self.cpu.nt_wait_for(object, TimeOut::Never) {
                return failure(status, UNCHANGED);
            }
        }
        let io = self.io(memory.block);
        let count = Some(bytes(io));
        // `STATUS_PENDING` is a success too: whoever shares the event is told that the write is over.
        if io.status.is_success() {
            success(count)
        } else {
            failure(io.status, count)
        }
    }
}
