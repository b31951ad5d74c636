//! What the model finds wrong.

use std::fmt;

use crate::{BlockId, DeviceId, EventId, FileId, IrpId, Irql, MdlId, PortId, ThreadId, memory::Address};

macro_rules! findings {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } = $text:literal;)*) => {
        /// Something that must not happen, and did. See the crate's own page for what each means on a machine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Finding {
            $($(#[$doc])* $name {
                $(#[doc = concat!("Which ", stringify!($field), ".")] $field: $type,)*
            },)*
        }

        impl fmt::Display for Finding {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name { $($field),* } => write!(f, $text),)*
                }
            }
        }
    };
}

findings! {
    /// A service was called above the IRQL that it allows.
    IrqlTooHigh { call: &'static str, irql: Irql, limit: Irql } = "{call} was called at {irql}, above {limit}";
    /// The IRQL was raised downwards or lowered upwards.
    IrqlOrder { thread: ThreadId } = "{thread} raised its IRQL downwards, or lowered it upwards";
    /// I/O that the completion APC ends was begun, or waited for, where that APC cannot come.
    ApcsHeldOff { call: &'static str, thread: ThreadId } =
        "{call} in {thread}, whose special kernel APCs are held off";
    /// A wait that nothing will ever end.
    Hang { thread: ThreadId } = "{thread} waits for what nobody will do";
    /// A wait in user mode for an object that is on a stack, which may be paged out then.
    WaitOnPageableMemory { event: EventId } = "a wait in user mode for {event}, which is on a stack";
    /// A driver or the I/O manager called out while it held the cancel spin lock.
    CallUnderCancelLock { call: &'static str } = "{call} under the cancel spin lock";

    /// An IRP was used after it was freed.
    IrpTouchedAfterFree { irp: IrpId, call: &'static str } = "{call} used {irp}, which is freed";
    /// A driver used an IRP that it had completed.
    IrpTouchedAfterCompletion { irp: IrpId, call: &'static str } = "{call} used {irp} after completing it";
    /// An IRP was completed a second time.
    IrpCompletedTwice { irp: IrpId } = "{irp} was completed twice";
    /// An IRP was completed with `STATUS_PENDING`.
    IrpCompletedWithPending { irp: IrpId } = "{irp} was completed with STATUS_PENDING";
    /// An IRP was completed while it had a cancel routine.
    IrpCompletedCancellable { irp: IrpId } = "{irp} was completed with its cancel routine set";
    /// A driver returned a final status for an IRP that nobody completed.
    IrpNotCompleted { irp: IrpId, device: DeviceId } =
        "{device} returned a final status for {irp} and did not complete it";
    /// A dispatch routine returned `STATUS_PENDING` without marking the IRP.
    PendingNotMarked { irp: IrpId, device: DeviceId } =
        "{device} returned STATUS_PENDING for {irp}, which it did not mark pending";
    /// A dispatch routine marked the IRP and returned another status than `STATUS_PENDING`.
    MarkedNotPending { irp: IrpId, device: DeviceId } =
        "{device} marked {irp} pending and returned another status";
    /// An IRP was sent lower than it has stack locations.
    NoStackLocation { irp: IrpId } = "{irp} has no stack location left";
    /// The last stage of an IRP was done twice.
    FinalStageTwice { irp: IrpId } = "the last stage of {irp} was done twice";
    /// An IRP was freed while a device has it.
    IrpFreedInFlight { irp: IrpId } = "{irp} was freed while a device had it";
    /// An IRP of a driver came to the I/O manager, which does not know what to do with it.
    IrpWithoutOwner { irp: IrpId } = "{irp} belongs to a driver, which did not take it back";
    /// More bytes were reported than were to be written.
    TooManyBytes { irp: IrpId } = "{irp} was completed with more bytes than it carries";
    /// An IRP was not freed.
    IrpLeaked { irp: IrpId } = "{irp} was never freed";

    /// A reference was dropped that was somebody else's: the object is gone while its handle is open.
    FileUnderReferenced { file: FileId } = "a reference on {file} was dropped that nobody took";
    /// A reference was not dropped.
    FileLeaked { file: FileId, references: u32 } = "{references} references on {file} were never dropped";
    /// A file object was used that is gone.
    FileTouchedAfterFree { file: FileId, call: &'static str } = "{call} used {file}, which is gone";
    /// A reference was dropped that was somebody else's.
    EventUnderReferenced { event: EventId } = "a reference on {event} was dropped that nobody took";
    /// A reference was not dropped.
    EventLeaked { event: EventId, references: u32 } = "{references} references on {event} were never dropped";
    /// An event was used that is gone.
    EventTouchedAfterFree { event: EventId, call: &'static str } = "{call} used {event}, which is gone";
    /// A reference was taken or dropped on an event that is no object of the object manager.
    EventIsNoObject { event: EventId } = "{event} is no object, and has no reference count";
    /// An event was freed while a thread waits for it.
    EventFreedWhileAwaited { event: EventId } = "{event} was freed while a thread waits for it";
    /// A status block was written, or read, that is gone.
    StatusBlockGone { block: BlockId } = "{block} was used, and is gone";
    /// A status block was read that nobody wrote.
    StatusBlockNotWritten { block: BlockId } = "{block} was read, and nobody has written it";

    /// Kernel code touched a kernel address that is not there.
    BadKernelAddress { address: Address } = "{address} is not there";
    /// An exception reached code without a handler.
    UnhandledException { address: Address } = "an exception without a handler at {address}";
    /// Pool was freed that was not allocated.
    PoolFreedTwice { address: Address } = "the pool at {address} was freed twice";
    /// Pool was not freed.
    PoolLeaked { bytes: u64 } = "{bytes} bytes of pool were never freed";
    /// Quota was not returned.
    QuotaLeaked { bytes: u64 } = "{bytes} bytes of quota were never returned";
    /// Pages are still locked.
    PagesLocked { pages: u64 } = "{pages} pages are still locked";
    /// Pool or an MDL was asked for that describes nothing.
    NoBytes { call: &'static str } = "{call} for no bytes";
    /// An MDL was used that is freed.
    MdlTouchedAfterFree { mdl: MdlId } = "{mdl} was used, and is freed";
    /// An MDL was freed while others are parts of it.
    MdlPartsOutliveIt { mdl: MdlId } = "{mdl} was freed while others describe parts of it";
    /// A user's pages were locked for a user-mode requestor as if the kernel had asked.
    MdlOfWrongMode { mdl: MdlId, irp: IrpId } =
        "{mdl} of {irp} holds a user's pages that were probed in kernel mode";
    /// An MDL was not freed.
    MdlLeaked { mdl: MdlId } = "{mdl} was never freed";

    /// A fast-I/O routine was given a user's address in a thread whose previous mode is kernel.
    FastIoTrustsUser { device: DeviceId } = "the fast-I/O routine of {device} will believe a user's address";
    /// A fast-I/O routine was called with a device of another driver.
    ForeignDevice { device: DeviceId } = "a fast-I/O routine was given {device}, which is another driver's";
    /// A fast-I/O routine found that its offset moves with the file object.
    OffsetAliased { file: FileId } = "a fast-I/O routine was given the position of {file} itself as its offset";
    /// The fast-I/O table of a driver was read that has none.
    NoFastIoTable { device: DeviceId } = "the fast-I/O table of the driver of {device} was read, and is NULL";

    /// A request was dropped that was neither completed nor refused.
    RequestForgotten { call: &'static str } = "{call}: a request was forgotten";
    /// A write was used after it was finished and freed.
    WriteTouchedAfterFinish { call: &'static str } = "{call} used a write that is finished";
    /// A packet was not dequeued.
    PacketsQueued { port: PortId, packets: usize } = "{packets} packets are still in {port}";
    /// An APC was not delivered.
    ApcsPending { thread: ThreadId, apcs: usize } = "{apcs} APCs of {thread} were never delivered";
    /// A thread has not come back from what it entered.
    NotRestored { thread: ThreadId, what: &'static str } = "{thread}: {what} is not restored";
    /// What was to be done later was not done.
    ActionsLeft { actions: usize } = "{actions} later actions were never run";
}
