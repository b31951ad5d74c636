//! Everything that changes.

use std::collections::VecDeque;

use crate::{
    BlockId, Cpu, DeviceId, DriverId, EventId, FileId, Finding, IrpId, PortId, ProcessId, ThreadId,
    device::{Device, Driver},
    event::{Block, Event},
    fault::Faults,
    file::File,
    id::Table,
    irp::IrpSlot,
    memory::Memory,
    port::Port,
    process::Process,
    thread::Thread,
    trace::Trace,
    user::Program,
};

/// Something that the world does when nothing else can go on.
pub(crate) type Later = Box<dyn FnOnce(&Cpu<'_>)>;

/// The content of a world.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) threads: Table<ThreadId, Thread>,
    pub(crate) files: Table<FileId, File>,
    pub(crate) events: Table<EventId, Event>,
    pub(crate) ports: Table<PortId, Port>,
    pub(crate) drivers: Table<DriverId, Driver>,
    pub(crate) devices: Table<DeviceId, Device>,
    pub(crate) irps: Table<IrpId, IrpSlot>,
    pub(crate) blocks: Table<BlockId, Block>,
    pub(crate) memory: Memory,
    pub(crate) process: Process,
    pub(crate) faults: Faults,
    pub(crate) trace: Trace,
    pub(crate) findings: Vec<Finding>,
    pub(crate) later: VecDeque<Later>,
    /// Threads of a run that are not done.
    pub(crate) running: usize,
    /// Threads that were made in a run, and are not in it yet.
    pub(crate) added: Vec<(ThreadId, Later)>,
    /// Programs.
    pub(crate) programs: Table<ProcessId, Program>,
    /// Handles that were ever made.
    pub(crate) handles: u64,
    /// Waits that last until nothing else can happen, ever begun.
    pub(crate) idle_waits: u64,
    /// Who holds the cancel spin lock.
    pub(crate) cancel_lock: Option<ThreadId>,
    /// Whether the caller of a device does the last stage of what was complete at once.
    pub(crate) defers: bool,
    /// Completion APCs that were ever queued.
    pub(crate) apcs_queued: u64,
}

impl State {
    pub(crate) fn find(&mut self, finding: Finding) {
        self.trace.finding(finding);
        self.findings.push(finding);
    }

    /// A thread of a run is done.
    pub(crate) fn leave_run(&mut self, thread: ThreadId) {
        self.threads[thread].scheduled = false;
        self.running = self.running.saturating_sub(1);
    }
}
