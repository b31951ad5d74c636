//! What a thread does.

use kswrite_core::{ByteOffset, NtStatus, ProcessorMode};
use nt_model::{Fault, Service};

use crate::tape::Tape;

/// By what routine a write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// KsWriteFile.
    Managed,
    /// With an IRP of the driver's own.
    Owned,
    /// The same, from pages that the caller has locked.
    Locked,
    /// NtWriteFile of a program.
    Nt,
}

/// Where the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buffer {
    /// In memory of the program.
    User,
    /// The same, which it cannot change.
    ReadOnly,
    /// In memory of the kernel.
    Kernel,
    /// At an address of the kernel, for a user.
    Forbidden,
    /// Nowhere.
    Unmapped,
    /// At the end of the address space, and beyond.
    Wrapping,
    /// In memory of the program that is gone after some touches of it.
    Vanishing,
}

/// A write to be made.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent choices, a bit of the input each"
)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) how: How,
    /// Which of the files that the thread may write to.
    pub(super) file: usize,
    pub(super) event: bool,
    pub(super) context: bool,
    pub(super) buffer: Buffer,
    pub(super) length: u32,
    pub(super) mode: ProcessorMode,
    pub(super) offset: ByteOffset,
    pub(super) advance: bool,
    pub(super) limited: bool,
    /// Whether the program changes the bytes as soon as the routine returned.
    pub(super) scribbles: bool,
    /// Whether the thread waits for the event of a write that is pending.
    pub(super) waits: bool,
    /// At which touch from now memory that vanishes does.
    pub(super) touch: u64,
}

/// One thing that a thread does.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Write(Plan),
    /// Writes with one drain.
    Batch(Vec<Plan>),
    /// Cancels one of the last writes by its token.
    Cancel(usize),
    /// Cancels what this thread has pending on a file.
    CancelIo(usize),
    Alert(usize),
    UserApc(usize),
    Terminate(usize),
    /// A service fails.
    Fault(Fault),
    Quota(u64),
    WorkingSet(u64),
    Dequeue,
    Pause,
    Exit,
}

/// The status of a fault that is not the usual one of its service: nothing has it of itself.
const FAULT: NtStatus = NtStatus(0xC0F0_0001_u32.cast_signed());
/// The most bytes of a write: they lie in two pages.
pub(super) const LONGEST: u32 = 5000;
/// What a thread does at most.
const MOST: usize = 8;

impl Op {
    /// The plan of a thread.
    pub(super) fn several(bytes: &mut Tape<'_>) -> Vec<Self> {
        let count = bytes.index(MOST + 1);
        (0..count)
            .map_while(|_| (!bytes.is_over()).then(|| Self::one(bytes)))
            .collect()
    }

    fn one(bytes: &mut Tape<'_>) -> Self {
        match bytes.byte() % 24 {
            0..=11 => Self::Write(Plan::new(bytes)),
            12 => Self::Batch((0..=bytes.index(3)).map(|_| Plan::new(bytes)).collect()),
            13 | 14 => Self::Cancel(bytes.index(4)),
            15 => Self::CancelIo(bytes.index(4)),
            16 => Self::Alert(bytes.index(4)),
            17 => Self::UserApc(bytes.index(4)),
            18 => Self::Terminate(bytes.index(4)),
            19 => Self::Fault(fault(bytes)),
            20 => Self::Quota(u64::from(bytes.byte()) * 16),
            21 => Self::WorkingSet(bytes.index(4) as u64),
            22 if bytes.rarely(4) => Self::Exit,
            22 => Self::Dequeue,
            _ => Self::Pause,
        }
    }
}

/// The point that is met after so many fails, or the call of a service.
fn fault(bytes: &mut Tape<'_>) -> Fault {
    let after = u64::from(bytes.byte() % 32);
    let service = Service::ALL.get(bytes.index(2 * Service::ALL.len()));
    let fault = service.map_or(Fault::at_point(after), |service| Fault::on(*service, after % 4));
    if bytes.rarely(2) {
        fault.with_status(FAULT)
    } else {
        fault
    }
}

impl Plan {
    fn new(bytes: &mut Tape<'_>) -> Self {
        use Buffer::{Forbidden, Kernel, ReadOnly, Unmapped, User, Vanishing, Wrapping};
        let how = bytes.of([How::Managed, How::Owned, How::Locked, How::Nt]);
        let choices = bytes.byte();
        let bit = |number: u8| choices >> number & 1 == 1;
        Self {
            how,
            file: bytes.index(4),
            event: bit(0),
            context: bit(1),
            advance: bit(2),
            limited: bit(3),
            scribbles: bit(4),
            waits: bit(5),
            mode: if bit(6) {
                ProcessorMode::Kernel
            } else {
                ProcessorMode::User
            },
            buffer: bytes.of([
                User, User, User, ReadOnly, Kernel, Forbidden, Unmapped, Wrapping, Vanishing,
            ]),
            length: bytes.of([28, 0, 1, 4096, LONGEST]),
            offset: if bit(7) {
                ByteOffset::At(bytes.of([-3, -2, -1, 0, 5, 1 << 40]))
            } else {
                ByteOffset::Current
            },
            touch: (bytes.byte() % 8).into(),
        }
    }
}
