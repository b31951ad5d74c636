//! Events, and the status blocks that they announce.

use kswrite_core::{IoStatus, NtStatus};

use crate::{BlockId, Cpu, EventId, Finding, Irql, state::State, thread::WaitFor};

/// Where an event lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// It is an object of the object manager.
    Object,
    /// Non-paged memory of a driver.
    Pool,
    /// The stack of a thread.
    #[cfg(feature = "defects")]
    Stack,
}

/// An event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) home: Home,
    /// A wait that it ends resets it: a synchronization event.
    pub(crate) resets_itself: bool,
    pub(crate) signalled: bool,
    pub(crate) pointers: u32,
    pub(crate) handles: u32,
    pub(crate) gone: bool,
    pub(crate) sets: u32,
}

impl Event {
    pub(crate) const fn new(home: Home) -> Self {
        Self {
            home,
            resets_itself: false,
            signalled: false,
            pointers: 1,
            handles: 1,
            gone: false,
            sets: 0,
        }
    }
}

/// An event, as a test sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventState {
    /// Whether a wait for it would end.
    pub signalled: bool,
    /// How often it was signalled.
    pub sets: u32,
    /// The references on it, with those of its handles.
    pub pointers: u32,
    /// Its open handles.
    pub handles: u32,
}

/// What a status block holds before anybody writes it.
pub const UNTOUCHED: IoStatus = IoStatus {
    status: NtStatus(0x5555_5555),
    information: 0x5555_5555,
};

/// An `IO_STATUS_BLOCK`, as a test sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it holds; [`UNTOUCHED`] at first.
    pub io: IoStatus,
    /// How often it was written.
    pub writes: u32,
    pub(crate) gone: bool,
}

impl Block {
    pub(crate) const NEW: Self = Self {
        io: UNTOUCHED,
        writes: 0,
        gone: false,
    };
}

impl State {
    pub(crate) fn store_block(&mut self, id: BlockId, io: IoStatus) {
        let block = &mut self.blocks[id];
        if block.gone {
            self.find(Finding::StatusBlockGone { block: id });
            return;
        }
        block.io = io;
        block.writes += 1;
    }

    pub(crate) fn load_block(&mut self, id: BlockId) -> IoStatus {
        let block = self.blocks[id];
        if block.gone {
            self.find(Finding::StatusBlockGone { block: id });
        } else if block.writes == 0 {
            self.find(Finding::StatusBlockNotWritten { block: id });
        }
        block.io
    }

    /// `Some` if the event is there.
    fn live_event(&mut self, id: EventId, call: &'static str) -> Option<&mut Event> {
        if self.events[id].gone {
            self.find(Finding::EventTouchedAfterFree { event: id, call });
            return None;
        }
        Some(&mut self.events[id])
    }

    pub(crate) fn change_event(&mut self, id: EventId, signalled: bool, call: &'static str) {
        if let Some(event) = self.live_event(id, call) {
            event.signalled = signalled;
            event.sets += u32::from(signalled);
        }
    }

    pub(crate) fn reference_event_object(&mut self, id: EventId) {
        let Some(event) = self.live_event(id, "ObReferenceObject") else {
            return;
        };
        if event.home == Home::Object {
            event.pointers += 1;
        } else {
            self.find(Finding::EventIsNoObject { event: id });
        }
    }

    pub(crate) fn dereference_event_object(&mut self, id: EventId) {
        let Some(event) = self.live_event(id, "ObDereferenceObject") else {
            return;
        };
        if event.home != Home::Object {
            self.find(Finding::EventIsNoObject { event: id });
        } else if event.pointers <= event.handles {
            self.find(Finding::EventUnderReferenced { event: id });
        } else {
            event.pointers -= 1;
            event.gone = event.pointers == 0;
        }
    }

    /// The memory of an event that is no object is given back.
    pub(crate) fn free_event(&mut self, id: EventId) {
        let awaited = self.threads.iter().any(|(_, thread)| {
            thread
                .waiting
                .is_some_and(|wait| wait.object == WaitFor::Event(id))
        });
        if awaited {
            self.find(Finding::EventFreedWhileAwaited { event: id });
        }
        if let Some(event) = self.live_event(id, "ExFreePool") {
            event.gone = true;
        }
    }
}

impl Cpu<'_> {
    /// `KeSetEvent`, by the program.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn signal(&self, event: EventId) {
        self.enter("KeSetEvent", Irql::Dispatch, &[event.into()]);
        self.with(|state| state.change_event(event, true, "KeSetEvent"));
    }

    /// `NtClose` of the handle of an event.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn close_event(&self, event: EventId) {
        self.enter("NtClose", Irql::Passive, &[event.into()]);
        self.with(|state| {
            if let Some(open) = state.live_event(event, "NtClose") {
                open.handles = open.handles.saturating_sub(1);
                state.dereference_event_object(event);
            }
        });
    }

    /// The program reuses the memory of a status block: whoever uses it from here on is wrong.
    pub fn discard_block(&self, block: BlockId) {
        self.with(|state| state.blocks[block].gone = true);
    }
}
