//! Everything that exists, as a test makes it and looks at it.

use std::{cell::RefCell, rc::Rc};

use kswrite_core::{FileFlags, NtStatus, ProcessorMode};

use crate::{
    Address, Block, BlockId, Change, Counters, Cpu, EventId, EventState, Fault, FileId, FileState, Finding,
    PortId, Protection, Service, ThreadId,
    event::{Event, Home},
    file::File,
    memory::Region,
    port::Port,
    state::State,
    thread::Thread,
};

/// Everything that exists: a cheap handle.
#[derive(Clone)]
pub struct World(Rc<RefCell<State>>);

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// The thread of the system.
pub(crate) const SYSTEM: ThreadId = ThreadId::FIRST;

impl World {
    /// A world with nothing in it but a thread of the system.
    #[must_use]
    pub fn new() -> Self {
        let mut state = State {
            defers: true,
            ..State::default()
        };
        let _system: ThreadId = state.threads.add(Thread::new(ProcessorMode::Kernel));
        Self(Rc::new(RefCell::new(state)))
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }

    /// For destructors: they may run while the state is in use, and what they would have given back is found
    /// to be leaked then.
    pub(crate) fn on_drop(&self, f: impl FnOnce(&mut State)) {
        if let Ok(mut state) = self.0.try_borrow_mut() {
            f(&mut state);
        }
    }

    /// A thread with this previous mode.
    #[must_use]
    pub fn thread(&self, previous_mode: ProcessorMode) -> ThreadId {
        self.with(|state| state.threads.add(Thread::new(previous_mode)))
    }

    /// The thread, running, outside of [`run`](Self::run).
    #[must_use]
    pub fn cpu(&self, thread: ThreadId) -> Cpu<'static> {
        Cpu::new(self.clone(), thread, None)
    }

    /// The thread of the system: devices that complete later, and whatever else the world does by itself.
    #[must_use]
    pub fn system(&self) -> Cpu<'static> {
        self.cpu(SYSTEM)
    }

    /// Changes the previous mode of a thread.
    pub fn set_previous_mode(&self, thread: ThreadId, mode: ProcessorMode) {
        self.with(|state| state.threads[thread].previous_mode = mode);
    }

    /// A file object, with one handle. It is a file of `device`; writes go to the top of the stack.
    #[must_use]
    pub fn file(&self, device: crate::DeviceId, flags: FileFlags) -> FileId {
        self.with(|state| state.files.add(File::new(device, flags)))
    }

    /// Sets `CurrentByteOffset`.
    pub fn set_position(&self, file: FileId, position: i64) {
        self.with(|state| state.files[file].position = position);
    }

    /// Sets the state of `FILE_OBJECT.Event`.
    pub fn set_file_event(&self, file: FileId, signalled: bool) {
        self.with(|state| state.files[file].signalled = signalled);
    }

    /// A file object, looked at.
    #[must_use]
    pub fn file_state(&self, file: FileId) -> FileState {
        self.with(|state| state.files[file].into())
    }

    /// An event of the object manager, with one handle, not signalled.
    #[must_use]
    pub fn event(&self) -> EventId {
        self.with(|state| state.events.add(Event::new(Home::Object)))
    }

    /// An event, looked at.
    #[must_use]
    pub fn event_state(&self, event: EventId) -> EventState {
        let event = self.with(|state| state.events[event]);
        EventState {
            signalled: event.signalled,
            sets: event.sets,
            pointers: event.pointers,
            handles: event.handles,
        }
    }

    /// A completion port.
    #[must_use]
    pub fn port(&self) -> PortId {
        self.with(|state| state.ports.add(Port::default()))
    }

    /// Associates a file object with a port.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER`: it is synchronous, or has a port.
    pub fn associate(&self, file: FileId, port: PortId, key: u64) -> Result<(), NtStatus> {
        self.with(|state| {
            let file = &mut state.files[file];
            if file.flags.is_synchronous() || file.port.is_some() {
                return Err(NtStatus::INVALID_PARAMETER);
            }
            file.port = Some((port, key));
            Ok(())
        })
    }

    /// Packets in a port.
    #[must_use]
    pub fn packets(&self, port: PortId) -> usize {
        self.with(|state| state.ports[port].packets.len())
    }

    /// An I/O status block.
    #[must_use]
    pub fn status_block(&self) -> BlockId {
        self.with(|state| state.blocks.add(Block::NEW))
    }

    /// A status block, looked at.
    #[must_use]
    pub fn block(&self, block: BlockId) -> Block {
        self.with(|state| state.blocks[block])
    }

    /// What the program stores in a status block, before it gives it to a call.
    pub fn fill_block(&self, block: BlockId, io: kswrite_core::IoStatus) {
        self.with(|state| state.blocks[block].io = io);
    }

    /// The bytes at an address of the program, whatever the protection of its pages; zeroes where there are none.
    #[must_use]
    pub fn peek(&self, address: Address, length: usize) -> Vec<u8> {
        self.with(|state| state.memory.peek(address, length))
    }

    /// Memory of the program with these bytes, at an address of its own.
    #[must_use]
    pub fn user_buffer(&self, bytes: &[u8]) -> Address {
        let address = self.with(|state| state.memory.reserve_user(bytes.len()));
        self.map(address, bytes, Protection::ReadWrite);
        address
    }

    /// Non-paged memory of the kernel with these bytes.
    #[must_use]
    pub fn kernel_buffer(&self, bytes: &[u8]) -> Address {
        self.with(|state| state.memory.add_region(Region::Bytes(bytes.to_vec())))
    }

    /// Maps memory of the program and fills it.
    pub fn map(&self, address: Address, bytes: &[u8], protection: Protection) {
        self.with(|state| {
            state.memory.map(address, bytes.len(), protection);
            state.memory.change(&Change::Write(address, bytes.to_vec()));
        });
    }

    /// Changes memory now.
    pub fn change(&self, change: &Change) {
        self.with(|state| state.memory.change(change));
    }

    /// Changes memory just before touch number `n` from now; 0 is the next. Every access to a page of the
    /// program by kernel code is a touch, unless an MDL holds the page.
    pub fn at_touch(&self, n: u64, change: Change) {
        self.with(|state| state.memory.at_touch(n, change));
    }

    /// Touches until now.
    #[must_use]
    pub fn touches(&self) -> u64 {
        self.with(|state| state.memory.touches())
    }

    /// How many MDLs hold the page of an address of the program.
    #[must_use]
    pub fn locks_of(&self, address: Address) -> u32 {
        self.with(|state| state.memory.locks_of(address))
    }

    /// Bytes of pool quota that the process has. No limit at first.
    pub fn set_quota(&self, bytes: u64) {
        self.with(|state| state.process.quota = bytes);
    }

    /// Pages that may be locked. No limit at first.
    pub fn set_working_set(&self, pages: u64) {
        self.with(|state| state.memory.working_set_pages = Some(pages));
    }

    /// Whether a filter may attempt fast I/O. It may at first.
    pub fn set_fast_attempts(&self, filter: crate::DeviceId, allowed: bool) {
        self.with(|state| state.devices[filter].attempts_fast = allowed);
    }

    /// Whether I/O is counted: `IoCountOperations`. It is at first.
    pub fn set_counting(&self, counts: bool) {
        self.with(|state| state.process.counts = counts);
    }

    /// Whether the caller of a device performs the last stage of what was complete at once, as it does at
    /// first. If not, an APC does.
    pub fn set_deferral(&self, defers: bool) {
        self.with(|state| state.defers = defers);
    }

    /// What the process and the system have counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.with(|state| state.process.counters)
    }

    /// Completion APCs that were ever queued.
    #[must_use]
    pub fn apcs_queued(&self) -> u64 {
        self.with(|state| state.apcs_queued)
    }

    /// Makes a kernel service fail.
    pub fn inject(&self, fault: Fault) {
        self.with(|state| state.faults.arm(fault));
    }

    /// The points at which a service could have failed, in the order in which they were met.
    #[must_use]
    pub fn fault_points(&self) -> Vec<Service> {
        self.with(|state| state.faults.met().to_vec())
    }

    /// Something that happens by itself, in the thread of the system: outside of [`run`](Self::run) when a
    /// thread waits or [`settle`](Self::settle) is called, in the order given; inside, at
    /// any time.
    pub fn later(&self, action: impl FnOnce(&Cpu<'_>) + 'static) {
        self.with(|state| state.later.push_back(Box::new(action)));
    }

    /// Lets everything happen that was to happen later.
    pub fn settle(&self) {
        while self.run_one_later() {}
    }

    pub(crate) fn run_one_later(&self) -> bool {
        let next = self.with(|state| state.later.pop_front());
        let found = next.is_some();
        if let Some(action) = next {
            action(&self.system());
        }
        found
    }

    /// What was found wrong until now.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.with(|state| state.findings.clone())
    }

    /// The calls until now, one line each, the oldest first.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.with(|state| state.trace.lines())
    }

    /// The names of the calls until now with the threads that made them, the oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<(ThreadId, &'static str)> {
        self.with(|state| state.trace.calls())
    }
}
