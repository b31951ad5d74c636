//! What the rows share: a program that writes to a file object of a scripted device, and what that leaves behind.

use std::rc::Rc;

use kswrite_core::{
    BufferMethod, Data, FileFlags, FileWrite, IoStatus, NtStatus, ProcessorMode, Snapshot, Statistics,
    managed::{self, Submitted},
};
use nt_model::{
    Address, BlockId, Counters, Cpu, DeviceId, EventId, FastArguments, FileId, Header, Location, PortId,
    Script, ThreadId, UNTOUCHED, World,
};

/// What is written.
pub(crate) const BYTES: &[u8; 28] = b"every byte once and in order";
/// How much that is.
pub(crate) const LENGTH: u32 = 28;

/// Every buffer method.
pub(crate) const METHODS: [BufferMethod; 3] = [
    BufferMethod::Buffered,
    BufferMethod::Direct,
    BufferMethod::Neither,
];

/// An asynchronous file object.
pub(crate) const ASYNCHRONOUS: FileFlags = FileFlags(0);
/// A synchronous file object.
pub(crate) const SYNCHRONOUS: FileFlags = FileFlags::SYNCHRONOUS_IO;
/// Both kinds of file objects.
pub(crate) const KINDS: [FileFlags; 2] = [ASYNCHRONOUS, SYNCHRONOUS];

/// A status of each class that a completion can have.
pub(crate) const STATUSES: [NtStatus; 5] = [
    NtStatus::SUCCESS,
    INFORMATIONAL,
    NtStatus::BUFFER_OVERFLOW,
    NtStatus::IO_DEVICE_ERROR,
    NtStatus::CANCELLED,
];
/// A status of the informational class.
pub(crate) const INFORMATIONAL: NtStatus = NtStatus(0x4000_0000);

/// The write was done whole.
pub(crate) const WHOLE: IoStatus = IoStatus {
    status: NtStatus::SUCCESS,
    information: BYTES.len(),
};

/// A program, a device, a file object of it, and all that a write needs. Both events are signalled before, so that
/// what clears them shows.
pub(crate) struct Rig {
    pub(crate) world: World,
    pub(crate) device: DeviceId,
    pub(crate) file: FileId,
    /// Not part of a write unless it is put there.
    pub(crate) event: EventId,
    pub(crate) block: BlockId,
    /// Memory of the program with [`BYTES`].
    pub(crate) buffer: Address,
    /// A thread of the program.
    pub(crate) thread: ThreadId,
    pub(crate) statistics: Rc<Statistics>,
}

/// A write of [`BYTES`] at the position of the file object, for the program.
pub(crate) type Write = FileWrite<Cpu<'static>>;

/// The same write, in any thread.
pub(crate) fn rebound<'a>(write: &Write) -> FileWrite<Cpu<'a>> {
    FileWrite {
        file: write.file,
        event: write.event,
        port_context: write.port_context,
        status_block: write.status_block,
        data: match write.data {
            Data::Raw(address) => Data::Raw(address),
            Data::System(address) => Data::System(address),
            Data::Locked { mdl, address } => Data::Locked { mdl, address },
        },
        length: write.length,
        key: write.key,
        mode: write.mode,
        offset: write.offset,
        position: write.position,
        time_limit: write.time_limit,
    }
}

impl Rig {
    /// A device with this script, and a file object with these flags.
    pub(crate) fn new(script: Script, flags: FileFlags) -> Self {
        let world = World::new();
        let device = world.device(script);
        Self::on(world, device, flags)
    }

    /// A file object of a device that is there already.
    pub(crate) fn on(world: World, device: DeviceId, flags: FileFlags) -> Self {
        let file = world.file(device, flags);
        let event = world.event();
        let thread = world.thread(ProcessorMode::User);
        world.set_file_event(file, true);
        world.cpu(thread).signal(event);
        Self {
            device,
            file,
            event,
            block: world.status_block(),
            buffer: world.user_buffer(BYTES),
            thread,
            statistics: Rc::new(Statistics::new()),
            world,
        }
    }

    /// The thread of the program, running.
    pub(crate) fn cpu(&self) -> Cpu<'static> {
        self.world.cpu(self.thread)
    }

    /// A write without an event or a port context.
    pub(crate) fn write(&self) -> Write {
        FileWrite::new(
            self.file,
            None,
            None,
            self.block,
            self.buffer,
            LENGTH,
            0,
            ProcessorMode::User,
        )
    }

    /// The same with the event.
    pub(crate) fn write_with_event(&self) -> Write {
        let event = Some(self.event);
        Write {
            event,
            ..self.write()
        }
    }

    /// Submits a write that the I/O manager completes.
    pub(crate) fn submit(&self, write: &Write) -> Submitted {
        managed::write(&self.cpu(), &self.statistics, write)
    }

    /// Submits a write that this side completes.
    pub(crate) fn submit_by(&self, side: Side, write: &Write) -> NtStatus {
        submit_by(side, &self.cpu(), &self.statistics, write)
    }

    /// Gives the file object a port, with this key.
    pub(crate) fn with_port(&self, key: u64) -> PortId {
        let port = self.world.port();
        self.world.associate(self.file, port, key).unwrap();
        port
    }

    /// How often a service was called until now.
    pub(crate) fn calls(&self, service: &str) -> usize {
        let calls = self.world.calls();
        calls.iter().filter(|(_, call)| *call == service).count()
    }

    /// When a service was called first, among all calls.
    #[track_caller]
    pub(crate) fn first(&self, service: &str) -> usize {
        let calls = self.world.calls();
        let found = calls.iter().position(|(_, call)| *call == service);
        found.unwrap_or_else(|| panic!("{service} was not called: {calls:?}"))
    }

    /// The device completes the oldest write that it holds, when somebody waits or [`World::settle`] is called.
    pub(crate) fn complete_later(&self, status: NtStatus) {
        let device = self.device;
        self.world
            .later(move |cpu| assert!(cpu.complete_next(device, status), "nothing was held"));
    }

    /// The only IRP that the device was given: its header and its stack location, as they were then.
    #[track_caller]
    pub(crate) fn irp(&self) -> (Header, Location) {
        let seen = self.world.seen(self.device);
        let irps: Vec<_> = seen.iter().filter_map(|seen| seen.came.irp()).collect();
        assert_eq!(irps.len(), 1, "{seen:?}");
        (irps[0].1, irps[0].2)
    }

    /// The arguments of the only fast-I/O call that the device was given.
    #[track_caller]
    pub(crate) fn fast(&self) -> FastArguments {
        let seen = self.world.seen(self.device);
        let calls: Vec<_> = seen.iter().filter_map(|seen| seen.came.fast()).collect();
        assert_eq!(calls.len(), 1, "{seen:?}");
        calls[0]
    }

    /// What there is to see.
    #[track_caller]
    pub(crate) fn effects(&self) -> Effects {
        let block = self.world.block(self.block);
        assert!(block.writes <= 1, "the status block was written more than once");
        let event = self.world.event_state(self.event);
        let file = self.world.file_state(self.file);
        let seen = self.world.seen(self.device);
        let fast = seen.iter().filter(|seen| seen.came.fast().is_some()).count();
        Effects {
            block: (block.writes > 0).then_some(block.io),
            // The rig signalled it once, in a way that is counted.
            event: Signal::of(event.signalled, event.sets - 1),
            file_event: Signal::of(file.signalled, file.sets),
            final_status: (file.final_status != UNTOUCHED.status).then_some(file.final_status),
            position: file.position,
            fast,
            irps: seen.len() - fast,
            accepted: self.world.accepted(self.device).len(),
            counters: self.world.counters(),
            statistics: self.statistics.snapshot(),
        }
    }

    /// Nothing is found wrong, and nothing is outstanding.
    #[track_caller]
    pub(crate) fn check(&self) {
        check(&self.world);
    }
}

/// Submits a write that this side completes, in any thread.
pub(crate) fn submit_by(side: Side, cpu: &Cpu<'_>, statistics: &Rc<Statistics>, write: &Write) -> NtStatus {
    let write = rebound(write);
    match side {
        Side::Managed => managed::write(cpu, statistics, &write).status,
        Side::Owned => cpu.owned_write(statistics, &write).unwrap().0,
    }
}

/// Nothing is found wrong in a world, and nothing is outstanding.
#[track_caller]
pub(crate) fn check(world: &World) {
    if let Err(report) = world.check() {
        panic!("{report}");
    }
}

/// Who completes the IRP of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The I/O manager, as for KsWriteFile.
    Managed,
    /// The routine itself.
    Owned,
}

/// Both sides.
pub(crate) const SIDES: [Side; 2] = [Side::Managed, Side::Owned];

impl Side {
    /// One write operation of so many bytes, as the process counts it: it sees only what the I/O manager does.
    pub(crate) fn counted(self, bytes: usize) -> Counters {
        match self {
            Self::Managed => counted(bytes),
            Self::Owned => Counters::default(),
        }
    }
}

/// What became of an event that was signalled before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Nothing.
    Untouched,
    /// It was cleared.
    Cleared,
    /// It was signalled, once.
    Set,
}

impl Signal {
    #[track_caller]
    fn of(signalled: bool, sets: u32) -> Self {
        match (signalled, sets) {
            (true, 0) => Self::Untouched,
            (false, 0) => Self::Cleared,
            (true, 1) => Self::Set,
            _ => panic!("signalled {sets} times, and now: {signalled}"),
        }
    }
}

/// What a write leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effects {
    /// What the status block holds. `None`: nobody wrote it.
    pub(crate) block: Option<IoStatus>,
    /// The event of the rig.
    pub(crate) event: Signal,
    /// The event of the file object.
    pub(crate) file_event: Signal,
    /// `FinalStatus`. `None`: nobody wrote it.
    pub(crate) final_status: Option<NtStatus>,
    /// `CurrentByteOffset`.
    pub(crate) position: i64,
    /// Calls of the fast-I/O routine.
    pub(crate) fast: usize,
    /// IRPs that the device was given.
    pub(crate) irps: usize,
    /// Bytes that the device took.
    pub(crate) accepted: usize,
    /// What the process counted.
    pub(crate) counters: Counters,
    /// What the routine counted.
    pub(crate) statistics: Snapshot,
}

/// Nothing at all.
pub(crate) fn nothing() -> Effects {
    Effects {
        block: None,
        event: Signal::Untouched,
        file_event: Signal::Untouched,
        final_status: None,
        position: 0,
        fast: 0,
        irps: 0,
        accepted: 0,
        counters: Counters::default(),
        statistics: Snapshot::default(),
    }
}

/// One write operation of so many bytes, as the process counts it.
pub(crate) fn counted(bytes: usize) -> Counters {
    Counters {
        write_operations: 1,
        write_bytes: bytes as u64,
        ..Counters::default()
    }
}
