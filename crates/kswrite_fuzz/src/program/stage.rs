//! What there is when a program begins.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus, ProcessorMode, Statistics};
use nt_model::{
    Cpu, DeviceId, FastRoutine, FastTable, FileId, Invoke, OnIrp, OwnedMdl, Packet, PortId, Script, ThreadId,
    World,
};

use super::thread::Written;
use crate::tape::Tape;

/// A device, the bottom of its stack.
#[derive(Clone, Copy)]
pub(super) struct Bottom {
    pub(super) device: DeviceId,
    pub(super) method: BufferMethod,
    /// Whether its driver has a fast-I/O routine.
    pub(super) fast: bool,
    /// Whether there are drivers above it, which may tell their caller to wait for what was complete at once.
    pub(super) covered: bool,
}

/// A file object.
#[derive(Clone, Copy)]
pub(super) struct Open {
    pub(super) file: FileId,
    pub(super) bottom: Bottom,
    pub(super) flags: FileFlags,
    pub(super) port: bool,
    /// The only thread that writes to it: the writes to a synchronous one must not meet.
    pub(super) owner: Option<usize>,
}

/// Everything that the threads share.
pub(super) struct Stage {
    pub(super) world: World,
    /// Devices, each with the thread that completes what it holds.
    pub(super) devices: Vec<(Bottom, ThreadId)>,
    pub(super) writers: Vec<ThreadId>,
    pub(super) files: Vec<Open>,
    pub(super) port: PortId,
    pub(super) statistics: Rc<Statistics>,
    /// What devices complete their IRPs with, in turn.
    endings: Vec<(NtStatus, bool)>,
    next_ending: Cell<usize>,
    /// Every write, by the thread that makes it.
    pub(super) written: RefCell<Vec<Rc<Written>>>,
    /// Threads that end before their program does, by their numbers.
    pub(super) ended: RefCell<Vec<usize>>,
    pub(super) packets: RefCell<Vec<Packet>>,
    /// Whether any service was made to fail.
    pub(super) faulty: Cell<bool>,
    /// Pages that callers have locked, until the end.
    pub(super) locked: RefCell<Vec<OwnedMdl>>,
    /// What threads found wrong.
    pub(super) wrong: RefCell<Vec<String>>,
}

const STATUSES: [NtStatus; 5] = [
    NtStatus::SUCCESS,
    NtStatus(0x4000_0000),
    NtStatus::BUFFER_OVERFLOW,
    NtStatus::IO_DEVICE_ERROR,
    NtStatus::CANCELLED,
];

/// The smallest table that has the slot for writes.
const FIRST_SIZE: u32 = 32;

/// Flags of a file object that a byte can set.
const FLAGS: [FileFlags; 6] = [
    FileFlags::ALERTABLE_IO,
    FileFlags::NO_INTERMEDIATE_BUFFERING,
    FileFlags::WRITE_THROUGH,
    FileFlags::SKIP_COMPLETION_PORT,
    FileFlags::SKIP_SET_EVENT,
    FileFlags::SKIP_SET_FAST_IO,
];

fn script(bytes: &mut Tape<'_>) -> Script {
    use BufferMethod::{Buffered, Direct, Neither};
    let status = bytes.of(STATUSES);
    let answer = IoStatus {
        status,
        // No write is shorter.
        information: 0,
    };
    let size = bytes.of([224, 32, 31, 0]);
    let table = FastTable {
        size,
        has_write: !bytes.rarely(4),
    };
    let choices = bytes.byte();
    Script {
        method: bytes.of([Buffered, Direct, Neither]),
        table: (choices & 1 == 1).then_some(table),
        fast: bytes.of([
            FastRoutine::Accept,
            FastRoutine::AcceptAsFileSystem,
            FastRoutine::Decline,
            FastRoutine::Answer(answer),
            FastRoutine::Raise(NtStatus::DEVICE_NOT_READY),
        ]),
        irp: bytes.of([
            OnIrp::Hold,
            OnIrp::Inline(status),
            OnIrp::InlineAsPending(status),
            OnIrp::Later(status),
        ]),
        cancellable: choices & 2 == 0,
        takes: (choices & 4 != 0).then_some(5),
        moves_position: choices & 8 != 0,
    }
}

/// A device, with up to two drivers above it.
fn stack(world: &World, bytes: &mut Tape<'_>) -> Bottom {
    let script = script(bytes);
    let device = world.device(script);
    let above = bytes.index(3);
    for _ in 0..above {
        let invoke = Invoke {
            on_success: true,
            on_error: true,
            on_cancel: true,
        };
        let _top = match bytes.index(3) {
            0 => world.attach_filter(device, true),
            1 => world.attach_filter(device, false),
            _ => world.attach_pass_through(device, invoke),
        };
    }
    Bottom {
        device,
        method: script.method,
        fast: script
            .table
            .is_some_and(|table| table.size >= FIRST_SIZE && table.has_write),
        covered: above > 0,
    }
}

impl Stage {
    pub(super) fn new(bytes: &mut Tape<'_>) -> Self {
        let world = World::new();
        world.set_deferral(!bytes.rarely(4));
        world.set_counting(!bytes.rarely(8));
        let devices =
            (0..=bytes.index(2)).map(|_| (stack(&world, bytes), world.thread(ProcessorMode::Kernel)));
        let devices: Vec<(Bottom, ThreadId)> = devices.collect();
        let modes = [ProcessorMode::User, ProcessorMode::Kernel];
        let writers: Vec<ThreadId> = (0..=bytes.index(3))
            .map(|_| world.thread(bytes.of(modes)))
            .collect();
        let port = world.port();
        let mut files = Vec::new();
        for _ in 0..=bytes.index(3) {
            let Some((bottom, _)) = devices.get(bytes.index(devices.len())).copied() else {
                continue;
            };
            let owner = bytes.rarely(2).then(|| bytes.index(writers.len()));
            files.push(open(&world, bottom, owner, port, bytes));
        }
        let endings = (0..=bytes.index(3)).map(|_| (bytes.of(STATUSES), bytes.rarely(2)));
        let stage = Self {
            endings: endings.collect(),
            next_ending: Cell::new(0),
            statistics: Rc::new(Statistics::new()),
            written: RefCell::default(),
            ended: RefCell::default(),
            packets: RefCell::default(),
            faulty: Cell::new(false),
            locked: RefCell::default(),
            wrong: RefCell::default(),
            devices,
            writers,
            files,
            port,
            world,
        };
        stage.share_handles();
        stage
    }

    /// Every writer has a handle of its own to what it writes to; it closes it last.
    fn share_handles(&self) {
        for open in &self.files {
            let handles = open.owner.map_or(self.writers.len(), |_| 1);
            (0..handles).for_each(|_| self.world.system().duplicate_file(open.file));
        }
    }

    /// What the next IRP that a device holds ends with, and whether at a raised IRQL.
    pub(super) fn ending(&self) -> (NtStatus, bool) {
        let next = self.next_ending.get();
        self.next_ending.set(next + 1);
        let ending = self.endings.get(next % self.endings.len().max(1)).copied();
        ending.unwrap_or((NtStatus::SUCCESS, false))
    }

    /// The first handles go, and everything is over.
    pub(super) fn end(&self) {
        let cpu = self.world.system();
        for open in &self.files {
            cpu.close_file(open.file);
        }
        self.world.settle();
        self.take_packets(&cpu, usize::MAX);
        self.locked.take();
    }

    /// Takes packets out of the port, no more than so many.
    pub(super) fn take_packets(&self, cpu: &Cpu<'_>, most: usize) {
        // Others may run while one is taken, and take one as well.
        let packets: Vec<Packet> = (0..most).map_while(|_| cpu.dequeue(self.port)).collect();
        self.packets.borrow_mut().extend(packets);
    }

    /// Something must hold.
    pub(super) fn expect(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.borrow_mut().push(what());
        }
    }
}

fn open(world: &World, bottom: Bottom, owner: Option<usize>, port: PortId, bytes: &mut Tape<'_>) -> Open {
    let choices = bytes.byte();
    let set = FLAGS
        .iter()
        .enumerate()
        .filter(|(bit, _)| choices >> bit & 1 == 1);
    let flags = set.fold(FileFlags::default(), |flags, (_, flag)| flags | *flag);
    let flags = match owner {
        Some(_) => flags | FileFlags::SYNCHRONOUS_IO,
        None => flags,
    };
    let file = world.file(bottom.device, flags);
    world.set_position(file, bytes.of([0, 5, (1 << 32) + 5]));
    let port = owner.is_none() && bytes.rarely(2) && world.associate(file, port, 1).is_ok();
    Open {
        file,
        bottom,
        flags,
        port,
        owner,
    }
}
