//! The scripted target, as a device of the model: the driver's own memory and decisions, moved by model requests.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use ksink_state::{Intake, IrpFlags, Path, ReadError, Verdict};
use kswrite_core::{BufferMethod, IoStatus, NtStatus};
use kswrite_wire::{
    names::SinkKind,
    sink::{CheckedScript, Completion, FastMode, State},
};
use nt_model::{Arrived, Cpu, DeviceId, FastArguments, FastTable, FileId, IrpId, Reply, Routines, World};

/// The open of a sink, on a device of its own: scripts and memory belong to opens.
pub(super) struct Sink {
    device: DeviceId,
    memory: Rc<Memory>,
}

/// A write that completes later.
#[derive(Clone, Copy)]
struct Deferred {
    io: IoStatus,
    /// Until it is released.
    held: bool,
}

struct Memory {
    intake: RefCell<Intake>,
    deferred: RefCell<BTreeMap<IrpId, Deferred>>,
    cancelled: Cell<u64>,
}

/// A table without the routine.
const EMPTY_TABLE: FastTable = FastTable {
    has_write: false,
    ..FastTable::FULL
};

impl Memory {
    fn accept(&self, cpu: &Cpu<'_>, write: &Arrived) -> Result<Verdict, NtStatus> {
        let mut intake = self.intake.borrow_mut();
        let flags = IrpFlags {
            irp: write.irp_flags,
            stack: write.stack_flags.into(),
        };
        intake.note_irp(write.key, flags);
        let bytes = cpu.bytes_of(write)?;
        let mut admission = intake.begin(Path::Irp, write.offset, write.length)?;
        intake.absorb(&mut admission, &bytes);
        Ok(intake.commit(admission))
    }

    /// The kept write completes as its script wanted, unless a cancel has it.
    fn complete(&self, cpu: &Cpu<'_>, irp: IrpId) -> bool {
        if !cpu.claim(irp) {
            return false;
        }
        let Some(deferred) = self.deferred.borrow_mut().remove(&irp) else {
            return false;
        };
        cpu.complete_claimed(irp, deferred.io);
        true
    }

    /// The next write that is held.
    fn next_held(&self, after: Option<IrpId>) -> Option<IrpId> {
        let deferred = self.deferred.borrow();
        let mut held = deferred.iter().filter(|(_, deferred)| deferred.held);
        held.find(|(irp, _)| after.is_none_or(|after| **irp > after))
            .map(|(irp, _)| *irp)
    }
}

/// The device, which completes writes after a delay.
struct Driver(Rc<Memory>);

impl Routines for Driver {
    fn fast_write(&self, cpu: &Cpu<'_>, write: &FastArguments) -> Result<Option<IoStatus>, NtStatus> {
        let mut intake = self.0.intake.borrow_mut();
        intake.note_fast(write.key, write.wait);
        let script = *intake.script();
        Ok(match script.fast {
            FastMode::Decline | FastMode::Absent => None,
            FastMode::OtherStatus => Some(IoStatus::failed(NtStatus(script.fast_status))),
            // What cannot be taken is declined, and the IRP says why.
            FastMode::Accept => cpu
                .bytes_at(write)
                .and_then(|bytes| {
                    let mut admission = intake.begin(Path::Fast, write.offset, write.length)?;
                    intake.absorb(&mut admission, &bytes);
                    Ok(intake.commit(admission).io)
                })
                .ok(),
        })
    }

    fn write(&self, cpu: &Cpu<'_>, write: &Arrived) -> Reply {
        let verdict = match self.0.accept(cpu, write) {
            Ok(verdict) => verdict,
            Err(status) => return Reply::Complete(IoStatus::failed(status)),
        };
        let deferred = Deferred {
            io: verdict.io,
            held: verdict.completion == Completion::Held,
        };
        match verdict.completion {
            Completion::Inline => return Reply::Complete(verdict.io),
            Completion::Pended => {
                let (memory, irp) = (Rc::clone(&self.0), write.irp);
                // There is no clock: any delay may be over at any moment.
                cpu.world().later(move |cpu| _ = memory.complete(cpu, irp));
            }
            Completion::Held => {}
        }
        self.0.deferred.borrow_mut().insert(write.irp, deferred);
        Reply::Keep
    }

    fn read(&self, cpu: &Cpu<'_>, read: &Arrived) -> Reply {
        let intake = self.0.intake.borrow();
        let window = intake.window().get(read.offset, read.length as usize);
        Reply::Complete(match window {
            _ if read.length == 0 => IoStatus::failed(NtStatus::SUCCESS),
            Err(error) => IoStatus::failed(ReadError::status(error)),
            Ok((first, second)) => {
                let bytes = [first, second].concat();
                let information = bytes.len();
                cpu.give_bytes(read.irp, bytes);
                IoStatus {
                    status: NtStatus::SUCCESS,
                    information,
                }
            }
        })
    }

    fn cancelled(&self, _cpu: &Cpu<'_>, irp: IrpId) -> usize {
        let deferred = self.0.deferred.borrow_mut().remove(&irp);
        self.0.cancelled.set(self.0.cancelled.get() + 1);
        // It was accepted all the same: the byte count says how much of it.
        deferred.map_or(0, |deferred| deferred.io.information)
    }

    fn clean_up(&self, cpu: &Cpu<'_>, _file: FileId) {
        let all: Vec<IrpId> = self.0.deferred.borrow().keys().copied().collect();
        for irp in all.into_iter().filter(|irp| cpu.claim(*irp)) {
            let information = self.cancelled(cpu, irp);
            let status = NtStatus::CANCELLED;
            cpu.complete_claimed(irp, IoStatus { status, information });
        }
    }
}

impl Sink {
    /// A new one, with the filter above it or without. Returns also the device that is opened.
    pub(super) fn new(world: &World, kind: SinkKind, filtered: bool) -> (Self, DeviceId) {
        let method = match kind {
            SinkKind::Buffered => BufferMethod::Buffered,
            SinkKind::Direct => BufferMethod::Direct,
            SinkKind::Neither => BufferMethod::Neither,
        };
        let memory = Rc::new(Memory {
            intake: RefCell::new(Intake::new()),
            deferred: RefCell::default(),
            cancelled: Cell::default(),
        });
        let driver = Rc::new(Driver(Rc::clone(&memory)));
        let device = world.device_with(method, Some(FastTable::FULL), driver);
        if filtered {
            let _filter: DeviceId = world.attach_filter(device, true);
        }
        (Self { device, memory }, device)
    }

    /// `SET_SCRIPT`.
    pub(super) fn set_script(&self, world: &World, script: CheckedScript) {
        let table = if script.fast == FastMode::Absent {
            EMPTY_TABLE
        } else {
            FastTable::FULL
        };
        world.set_table(self.device, Some(table));
        self.memory.intake.borrow_mut().set_script(script);
    }

    /// `RELEASE`.
    pub(super) fn release(&self, cpu: &Cpu<'_>) -> u32 {
        let mut released = 0;
        let mut last = None;
        while let Some(irp) = self.memory.next_held(last) {
            released += u32::from(self.memory.complete(cpu, irp));
            last = Some(irp);
        }
        released
    }

    /// `GET_STATE`.
    pub(super) fn state(&self) -> State {
        let outstanding = self.memory.deferred.borrow().len();
        State {
            cancelled: self.memory.cancelled.get(),
            outstanding: u32::try_from(outstanding).unwrap_or(u32::MAX),
            ..self.memory.intake.borrow().state()
        }
    }
}
