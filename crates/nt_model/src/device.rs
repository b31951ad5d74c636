//! Drivers, devices, and what they do with a write.

use std::{collections::VecDeque, rc::Rc};

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus, Statistics};

use crate::{
    Cpu, DeviceId, DriverId, FileId, IrpId, Routines, World,
    irp::{SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS},
    seen::Seen,
};

/// A fast-I/O table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastTable {
    /// `SizeOfFastIoDispatch`.
    pub size: u32,
    /// Whether the `FastIoWrite` slot is filled.
    pub has_write: bool,
}

impl FastTable {
    /// A table of full size with a `FastIoWrite` routine.
    pub const FULL: Self = Self {
        size: 224,
        has_write: true,
    };
}

/// The `FastIoWrite` routine of a driver, by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastWriteRoutine(pub(crate) DriverId);

/// What a fast-I/O routine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastRoutine {
    /// Takes the bytes at the address and returns TRUE with `STATUS_SUCCESS`. What the access raises goes out.
    Accept,
    /// As a file system: declines for `FO_WRITE_THROUGH`, and does nothing but succeed for length 0.
    AcceptAsFileSystem,
    /// Returns FALSE.
    Decline,
    /// Returns TRUE with this, and takes nothing.
    Answer(IoStatus),
    /// Raises.
    Raise(NtStatus),
}

/// What a device does with a write IRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnIrp {
    /// Completes it with this status before it returns, and returns that.
    Inline(NtStatus),
    /// Marks it pending, completes it before it returns, and returns `STATUS_PENDING`.
    InlineAsPending(NtStatus),
    /// Completes it with one status before it returns, and returns another one.
    ReturnOther {
        /// What is returned.
        returned: NtStatus,
        /// What the IRP is completed with.
        status: NtStatus,
    },
    /// Marks it pending and keeps it until [`Cpu::complete_irp`], or until it is cancelled.
    Hold,
    /// The same, and completes it with this status [later](World::later) if it was not cancelled.
    Later(NtStatus),
    /// Does something that no driver may do.
    Misbehave(Misbehaviour),
}

/// Things that no driver may do. Each produces a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Returns `STATUS_SUCCESS` and forgets the IRP.
    Drop,
    /// Completes the IRP twice.
    CompleteTwice,
    /// Completes the IRP with `STATUS_PENDING`.
    CompleteWithPending,
    /// Completes the IRP while it has a cancel routine.
    CompleteCancellable,
    /// Completes the IRP, then marks it pending and returns `STATUS_PENDING`.
    MarkAfterCompletion,
    /// Keeps the IRP and returns `STATUS_PENDING` without marking it.
    PendingNotMarked,
    /// Marks the IRP, completes it, and returns `STATUS_SUCCESS`.
    MarkedNotPending,
    /// Says that it wrote more than it was given.
    TooManyBytes,
    /// Keeps the IRP; its cancel routine completes it under the cancel spin lock.
    CancelUnderLock,
    /// Keeps the IRP; when told to complete it does not look whether the cancel routine has it.
    IgnoreCancelRace,
    /// Reads its system buffer or its MDL once more after it completed the IRP.
    ReadAfterCompletion,
}

/// How a device behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// `DO_BUFFERED_IO`, `DO_DIRECT_IO`, or neither.
    pub method: BufferMethod,
    /// The fast-I/O table of its driver.
    pub table: Option<FastTable>,
    /// What the routine in that table does.
    pub fast: FastRoutine,
    /// What becomes of an IRP.
    pub irp: OnIrp,
    /// Whether a held IRP can be cancelled.
    pub cancellable: bool,
    /// How many bytes of a write are taken at most. `None`: all of them, and none of one that fails.
    pub takes: Option<u32>,
    /// Whether `CurrentByteOffset` of a synchronous file object is moved by what was written.
    pub moves_position: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self::inline(BufferMethod::Buffered)
    }
}

impl Script {
    /// Completes every write with success before it returns; no fast I/O.
    #[must_use]
    pub const fn inline(method: BufferMethod) -> Self {
        Self {
            method,
            table: None,
            fast: FastRoutine::Accept,
            irp: OnIrp::Inline(NtStatus::SUCCESS),
            cancellable: true,
            takes: None,
            moves_position: false,
        }
    }

    /// Keeps every write; no fast I/O.
    #[must_use]
    pub const fn hold(method: BufferMethod) -> Self {
        Self::inline(method).on_irp(OnIrp::Hold)
    }

    /// The same with a full fast-I/O table and this routine.
    #[must_use]
    pub const fn with_fast(self, fast: FastRoutine) -> Self {
        let table = Some(FastTable::FULL);
        Self { table, fast, ..self }
    }

    /// The same with this done to an IRP.
    #[must_use]
    pub const fn on_irp(self, irp: OnIrp) -> Self {
        Self { irp, ..self }
    }
}

/// What kind of driver a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It follows its script.
    Scripted,
    /// It has routines.
    Driven,
    /// The routine under test, in a filter.
    Filter,
    /// It sends IRPs down as they are, and looks at them when they come back.
    PassThrough(u8),
}

/// A driver object.
pub(crate) struct Driver {
    pub(crate) table: Option<FastTable>,
}

/// An IRP that a device holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) irp: IrpId,
    pub(crate) cancellable: bool,
    /// Its record in `seen`.
    pub(crate) seen: usize,
}

/// A device object.
pub(crate) struct Device {
    pub(crate) driver: DriverId,
    pub(crate) kind: Kind,
    pub(crate) script: Script,
    pub(crate) stack_size: u8,
    pub(crate) attached: Option<DeviceId>,
    pub(crate) lower: Option<DeviceId>,
    pub(crate) held: VecDeque<Held>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) accepted: Vec<u8>,
    pub(crate) routine_calls: u32,
    pub(crate) statistics: Rc<Statistics>,
    /// Of a filter: whether it may attempt fast I/O.
    pub(crate) attempts_fast: bool,
    pub(crate) routines: Option<Rc<dyn Routines>>,
    pub(crate) sector_bytes: u32,
}

impl Device {
    pub(crate) fn new(driver: DriverId, kind: Kind, script: Script) -> Self {
        Self {
            driver,
            kind,
            script,
            stack_size: 1,
            attached: None,
            lower: None,
            held: VecDeque::new(),
            seen: Vec::new(),
            accepted: Vec::new(),
            routine_calls: 0,
            statistics: Rc::new(Statistics::new()),
            attempts_fast: true,
            routines: None,
            sector_bytes: 0,
        }
    }
}

impl World {
    /// A driver with this fast-I/O table.
    #[must_use]
    pub fn driver(&self, table: Option<FastTable>) -> DriverId {
        self.with(|state| state.drivers.add(Driver { table }))
    }

    /// A device of a driver of its own, which has the table that the script names.
    #[must_use]
    pub fn device(&self, script: Script) -> DeviceId {
        let driver = self.driver(script.table);
        self.device_of(driver, script)
    }

    /// A device of a driver.
    #[must_use]
    pub fn device_of(&self, driver: DriverId, script: Script) -> DeviceId {
        self.with(|state| state.devices.add(Device::new(driver, Kind::Scripted, script)))
    }

    /// A device above the top of the stack of `below` that follows a script of its own.
    #[must_use]
    pub fn attach(&self, below: DeviceId, script: Script) -> DeviceId {
        let driver = self.driver(script.table);
        self.add_above(below, driver, Kind::Scripted, script)
    }

    /// A filter device of [`kswrite_core::filter`] above the top of the stack of `below`. With `fast` its driver
    /// has a `FastIoWrite` that forwards to the device below.
    #[must_use]
    pub fn attach_filter(&self, below: DeviceId, fast: bool) -> DeviceId {
        let driver = self.driver(fast.then_some(FastTable::FULL));
        self.add_above(below, driver, Kind::Filter, Script::default())
    }

    /// A device above the top of the stack of `below` that sends IRPs down with a completion routine.
    #[must_use]
    pub fn attach_pass_through(&self, below: DeviceId, invoke: Invoke) -> DeviceId {
        let driver = self.driver(None);
        self.add_above(
            below,
            driver,
            Kind::PassThrough(invoke.control()),
            Script::default(),
        )
    }

    fn add_above(&self, below: DeviceId, driver: DriverId, kind: Kind, script: Script) -> DeviceId {
        let top = self.top_of(below);
        self.with(|state| {
            let lower = &state.devices[top];
            // A filter has the method of the device below it.
            let method = match kind {
                Kind::Scripted | Kind::Driven => script.method,
                Kind::Filter | Kind::PassThrough(_) => lower.script.method,
            };
            let mut device = Device::new(driver, kind, Script { method, ..script });
            device.stack_size = lower.stack_size + 1;
            device.lower = Some(top);
            let id = state.devices.add(device);
            state.devices[top].attached = Some(id);
            id
        })
    }

    /// The top of a device stack.
    #[must_use]
    pub fn top_of(&self, device: DeviceId) -> DeviceId {
        self.with(|state| {
            let mut top = device;
            while let Some(above) = state.devices[top].attached {
                top = above;
            }
            top
        })
    }

    /// Changes what a device does from now on.
    pub fn set_script(&self, device: DeviceId, script: Script) {
        self.with(|state| {
            state.devices[device].script = script;
            let driver = state.devices[device].driver;
            state.drivers[driver].table = script.table;
        });
    }

    /// Everything that a device was given, the oldest first.
    #[must_use]
    pub fn seen(&self, device: DeviceId) -> Vec<Seen> {
        self.with(|state| state.devices[device].seen.clone())
    }

    /// The bytes that a device took, in order.
    #[must_use]
    pub fn accepted(&self, device: DeviceId) -> Vec<u8> {
        self.with(|state| state.devices[device].accepted.clone())
    }

    /// The IRPs that a device holds, the oldest first.
    #[must_use]
    pub fn held(&self, device: DeviceId) -> Vec<IrpId> {
        self.with(|state| state.devices[device].held.iter().map(|held| held.irp).collect())
    }

    /// How often the completion routine of a pass-through device was called.
    #[must_use]
    pub fn routine_calls(&self, device: DeviceId) -> u32 {
        self.with(|state| state.devices[device].routine_calls)
    }

    /// The counters of a filter device.
    #[must_use]
    pub fn statistics(&self, device: DeviceId) -> Rc<Statistics> {
        self.with(|state| Rc::clone(&state.devices[device].statistics))
    }

    /// A file object of a device, with the flags of an asynchronous or a synchronous one.
    #[must_use]
    pub fn open(&self, device: DeviceId, synchronous: bool) -> FileId {
        let flags = if synchronous {
            FileFlags::SYNCHRONOUS_IO
        } else {
            FileFlags::default()
        };
        self.file(device, flags)
    }
}

/// When a completion routine is to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invoke {
    /// `SL_INVOKE_ON_SUCCESS`.
    pub on_success: bool,
    /// `SL_INVOKE_ON_ERROR`.
    pub on_error: bool,
    /// `SL_INVOKE_ON_CANCEL`.
    pub on_cancel: bool,
}

impl Invoke {
    fn control(self) -> u8 {
        let bit = |wanted: bool, bit| if wanted { bit } else { 0 };
        bit(self.on_success, SL_INVOKE_ON_SUCCESS)
            | bit(self.on_error, SL_INVOKE_ON_ERROR)
            | bit(self.on_cancel, SL_INVOKE_ON_CANCEL)
    }
}

impl Cpu<'_> {
    /// The oldest cancellable IRP of a file that a device holds.
    pub(crate) fn held_of(&self, device: DeviceId, file: FileId) -> Option<IrpId> {
        self.with(|state| {
            let held: Vec<Held> = state.devices[device].held.iter().copied().collect();
            let wanted = held.into_iter().find(|held| {
                let header = state.irps[held.irp].irp.as_ref().map(|irp| irp.header);
                held.cancellable && header.is_some_and(|header| header.file == Some(file))
            });
            wanted.map(|held| held.irp)
        })
    }
}
