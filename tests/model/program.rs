//! One write in a world of its own, in any of the ways there are to do it, and what it must leave behind.

use std::{cell::RefCell, rc::Rc};

use kswrite_core::{
    Data, FileFlags, FileWrite, IoStatus, NtStatus, ProcessorMode, Statistics, managed, owned,
};
use nt_model::{
    Address, BlockId, Cpu, DeviceId, EventId, FastRoutine, FileId, NtWrite, OnIrp, OwnedMdl, OwnedWrite,
    PortContext, PortId, Script, ThreadId, UNTOUCHED, World, WriteRecord,
};

/// A cancelled write that wrote nothing.
pub(crate) const CANCELLED: IoStatus = IoStatus::failed(NtStatus::CANCELLED);

/// By what routine a write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// KsWriteFile.
    Managed,
    /// With an IRP of the driver's own.
    Owned,
    /// The same, from pages that the caller has locked.
    OwnedLocked,
    /// NtWriteFile of a program.
    Nt,
}

impl How {
    /// Whether an IRP of the driver's own does it.
    pub(crate) fn is_owned(self) -> bool {
        matches!(self, Self::Owned | Self::OwnedLocked)
    }
}

/// KsWriteFile, in both ways.
pub(crate) const BOTH: [How; 2] = [How::Managed, How::Owned];

/// Where the end of a write is told, besides the status block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The event of the file object.
    File,
    /// An event.
    Event,
    /// An event, and a completion port.
    Port,
}

/// A write, and what it goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) how: How,
    /// Whether the routine under test is also a filter above the device.
    pub(crate) filter: bool,
    pub(crate) flags: FileFlags,
    pub(crate) told: Told,
    pub(crate) script: Script,
    pub(crate) mode: ProcessorMode,
    pub(crate) time_limit: Option<u64>,
    /// Bytes.
    pub(crate) length: u32,
}

impl Shape {
    pub(crate) const fn new(how: How, flags: FileFlags, script: Script) -> Self {
        Self {
            how,
            filter: false,
            flags,
            told: Told::File,
            script,
            mode: ProcessorMode::User,
            time_limit: None,
            length: 28,
        }
    }

    pub(crate) const fn told(self, told: Told) -> Self {
        Self { told, ..self }
    }

    pub(crate) const fn filtered(self) -> Self {
        Self { filter: true, ..self }
    }

    /// What is written: no two neighbours are the same.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        (0..self.length).map(|at| (at % 251) as u8).collect()
    }

    /// All of it.
    pub(crate) const fn whole(&self) -> IoStatus {
        IoStatus {
            status: NtStatus::SUCCESS,
            information: self.length as usize,
        }
    }

    /// How the write ends when nothing interferes but that an attempt may have failed: that of the routine, or that of
    /// the filter.
    pub(crate) fn end_without(&self, [own, filters]: [bool; 2]) -> End {
        let io = |status: NtStatus| {
            let most = if status.is_error() { 0 } else { self.length };
            let information = self.script.takes.unwrap_or(most).min(self.length) as usize;
            IoStatus { status, information }
        };
        let by_fast = self.script.table.is_some() && self.script.fast == FastRoutine::Accept;
        // The pages that a kernel requestor has locked have no address yet.
        let nowhere = self.how == How::OwnedLocked && self.mode == ProcessorMode::Kernel;
        let attempts = self.how != How::Nt && self.told != Told::Port && !nowhere;
        match self.script.irp {
            _ if by_fast && attempts && !own => End::Fast(io(NtStatus::SUCCESS)),
            // The filter attempts what was sent to it by an IRP.
            _ if by_fast && self.filter && !filters => End::Inline(io(NtStatus::SUCCESS)),
            OnIrp::Inline(status) => End::Inline(io(status)),
            OnIrp::InlineAsPending(status) | OnIrp::Later(status) => End::Pended(io(status)),
            OnIrp::Hold => End::Pended(io(NtStatus::SUCCESS)),
            OnIrp::ReturnOther { .. } | OnIrp::Misbehave(_) => unreachable!("not of these programs"),
        }
    }
}

/// How a write comes to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// By fast I/O.
    Fast(IoStatus),
    /// At once.
    Inline(IoStatus),
    /// Later.
    Pended(IoStatus),
    /// Later, after all bytes were taken, when its thread is gone: nobody is told.
    Dropped,
}

/// What there is to see of a write that is over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) returned: NtStatus,
    pub(crate) block: Option<IoStatus>,
    pub(crate) event: bool,
    pub(crate) file_event: bool,
    pub(crate) final_status: Option<NtStatus>,
    pub(crate) packet: Option<IoStatus>,
    pub(crate) position: i64,
    pub(crate) taken: usize,
}

/// The completion table (C1 to C10, KS-25 to KS-28).
pub(crate) fn contract(shape: &Shape, end: End) -> Outcome {
    let (io, pended, gone) = match end {
        End::Fast(io) | End::Inline(io) => (io, false, false),
        End::Pended(io) => (io, true, false),
        End::Dropped => (shape.whole(), true, true),
    };
    let fast = matches!(end, End::Fast(_));
    let synchronous = shape.flags.is_synchronous();
    let error = io.status.is_error();
    // C2, C6, C9 say nothing at all; C4 signals, and says nothing else.
    let ends = (!error || pended) && !gone;
    let reports = ends && !(error && synchronous);
    let to_event = shape.told != Told::File;
    let skipped = if to_event {
        fast && shape.flags.skips_event_on_fast_io()
    } else {
        !synchronous && shape.flags.skips_file_event()
    };
    let unwanted = !pended && io.status.is_success() && shape.flags.skips_completion_port();
    Outcome {
        returned: if pended && !synchronous {
            NtStatus::PENDING
        } else {
            io.status
        },
        block: reports.then_some(io),
        event: ends && to_event && !skipped,
        file_event: ends && !to_event && !skipped,
        final_status: (ends && !to_event && !fast).then_some(io.status),
        packet: (reports && shape.told == Told::Port && !unwanted).then_some(io),
        position: if shape.script.moves_position && synchronous {
            i64::try_from(io.information).unwrap()
        } else {
            0
        },
        taken: io.information,
    }
}

/// A write that is ready to be submitted.
pub(crate) struct Setup {
    pub(crate) shape: Shape,
    pub(crate) world: World,
    pub(crate) device: DeviceId,
    pub(crate) file: FileId,
    pub(crate) block: BlockId,
    pub(crate) event: EventId,
    pub(crate) port: PortId,
    pub(crate) submitter: ThreadId,
    pub(crate) statistics: Rc<Statistics>,
    pub(crate) buffer: Address,
    locked: RefCell<Option<OwnedMdl>>,
    request: RefCell<Option<OwnedWrite>>,
    record: RefCell<Option<WriteRecord>>,
}

const CONTEXT: PortContext = PortContext(7);

impl Setup {
    pub(crate) fn new(shape: Shape) -> Self {
        let world = World::new();
        let device = world.device(shape.script);
        if shape.filter {
            let _top = world.attach_filter(device, true);
        }
        let file = world.file(device, shape.flags);
        let port = world.port();
        if shape.told == Told::Port {
            world.associate(file, port, 1).unwrap();
        }
        let submitter = world.thread(ProcessorMode::User);
        let buffer = world.user_buffer(&shape.bytes());
        let locked = (shape.how == How::OwnedLocked).then(|| {
            let cpu = world.cpu(submitter);
            cpu.lock_pages(buffer, shape.length, ProcessorMode::User).unwrap()
        });
        Self {
            device,
            file,
            port,
            submitter,
            buffer,
            block: world.status_block(),
            event: world.event(),
            statistics: Rc::new(Statistics::new()),
            locked: RefCell::new(locked),
            request: RefCell::new(None),
            record: RefCell::new(None),
            shape,
            world,
        }
    }

    fn event(&self) -> Option<EventId> {
        (self.shape.told != Told::File).then_some(self.event)
    }

    fn context(&self) -> Option<PortContext> {
        (self.shape.told == Told::Port).then_some(CONTEXT)
    }

    fn write<'a>(&self, buffer: Address) -> FileWrite<Cpu<'a>> {
        let Shape { length, mode, .. } = self.shape;
        let (event, context) = (self.event(), self.context());
        let write = FileWrite::new(self.file, event, context, self.block, buffer, length, 0, mode);
        let locked = self.locked.borrow().as_ref().map(OwnedMdl::id);
        FileWrite {
            time_limit: self.shape.time_limit,
            data: locked.map_or(write.data, |mdl| Data::Locked { mdl, address: buffer }),
            ..write
        }
    }

    /// Sets aside what a write with an IRP of the driver's own needs, if it is one.
    pub(crate) fn prepare(&self, cpu: &Cpu<'_>) -> Result<(), NtStatus> {
        if self.shape.how.is_owned() && self.record.borrow().is_none() {
            let request = OwnedWrite::new(cpu, &self.write(self.buffer), &self.statistics)?;
            self.record.replace(Some(request.record()));
            self.request.replace(Some(request));
        }
        Ok(())
    }

    /// Submits the write, and prepares it if that was not done.
    pub(crate) fn submit(&self, cpu: &Cpu<'_>) -> NtStatus {
        self.submit_from(cpu, self.buffer)
    }

    /// The same with its bytes at another address.
    pub(crate) fn submit_from(&self, cpu: &Cpu<'_>, buffer: Address) -> NtStatus {
        if let Err(status) = self.prepare(cpu) {
            return status;
        }
        match self.shape.how {
            How::Managed => managed::write(cpu, &self.statistics, &self.write(buffer)).status,
            How::Owned | How::OwnedLocked => {
                let request = self.request.take().unwrap();
                owned::write(cpu, &self.statistics, &self.write(buffer), request)
            }
            How::Nt => cpu.nt_write_file(&NtWrite {
                event: self.event(),
                port_context: self.context(),
                ..NtWrite::new(self.file, self.block, buffer, self.shape.length)
            }),
        }
    }

    /// Cancels the write by its token, or all writes to the file object; there may be nothing to cancel.
    pub(crate) fn cancel(&self, cpu: &Cpu<'_>) {
        let record = self.record.borrow().clone();
        match record {
            Some(record) => drop(record.cancel(cpu)),
            None => drop(cpu.cancel_io(self.file, None)),
        }
    }

    /// What became of a write that is over, and returned this.
    pub(crate) fn outcome(&self, returned: NtStatus) -> Outcome {
        self.locked.take();
        let cpu = self.world.system();
        let block = self.world.block(self.block);
        let event = self.world.event_state(self.event);
        let file = self.world.file_state(self.file);
        let packet = cpu.dequeue(self.port);
        assert!(packet.is_none_or(|packet| (packet.key, packet.context) == (1, CONTEXT)));
        assert!(cpu.dequeue(self.port).is_none(), "a second packet");
        assert!(
            block.writes <= 1 && event.sets <= 1 && file.sets <= 1,
            "told twice"
        );
        assert_eq!(self.statistics.snapshot().in_flight, 0);
        let taken = self.world.accepted(self.device);
        assert_eq!(Some(taken.as_slice()), self.shape.bytes().get(..taken.len()));
        Outcome {
            returned,
            block: (block.writes > 0).then_some(block.io),
            event: event.signalled,
            file_event: file.signalled,
            final_status: (file.final_status != UNTOUCHED.status).then_some(file.final_status),
            packet: packet.map(|packet| packet.io),
            position: file.position,
            taken: taken.len(),
        }
    }

    /// IRPs that the device was given.
    pub(crate) fn irps(&self) -> usize {
        let seen = self.world.seen(self.device);
        seen.iter().filter(|seen| seen.came.irp().is_some()).count()
    }
}
