//! Threads: their IRQL, their IRPs, their APCs, their waits, their end.

use std::{collections::VecDeque, fmt};

use kswrite_core::{IoStatus, NtStatus, Patience, ProcessorMode};

use crate::{Cpu, DeviceId, EventId, FileId, IrpId, PortId, ProcessId, ThreadId, World, state::State};

/// Interrupt request levels that a write can meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Irql {
    /// `PASSIVE_LEVEL`.
    #[default]
    Passive,
    /// `APC_LEVEL`.
    Apc,
    /// `DISPATCH_LEVEL`.
    Dispatch,
}

impl fmt::Display for Irql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passive => "PASSIVE_LEVEL",
            Self::Apc => "APC_LEVEL",
            Self::Dispatch => "DISPATCH_LEVEL",
        })
    }
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    Event(EventId),
    FileEvent(FileId),
    FileLock(FileId),
    CancelLock,
    Packet(PortId),
    /// A device has an IRP.
    Held(DeviceId),
    /// The same, for who does not mind if it never comes.
    Work(DeviceId),
    /// The thread has no IRPs.
    NoIrps,
    /// Something is to be done later, or nobody is left who could ask for it.
    Later,
    /// The thread has ended.
    Thread(ThreadId),
    /// The process has ended.
    Process(ProcessId),
    /// Nothing: only an APC or time ends the wait.
    Nothing,
}

/// A wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) object: WaitFor,
    pub(crate) patience: Patience,
    /// It ends when nothing else can happen; the number says which of such waits began first.
    pub(crate) while_others_can: Option<u64>,
}

/// A user APC that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserApc {
    /// `ApcContext`.
    pub context: u64,
    /// What the status block says.
    pub io: IoStatus,
}

/// A thread.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each set by another call"
)]
pub(crate) struct Thread {
    pub(crate) previous_mode: ProcessorMode,
    pub(crate) irql: Irql,
    /// Nested guarded regions: no APC comes in one.
    pub(crate) guarded: u32,
    /// The IRPs that belong to it.
    pub(crate) irps: Vec<IrpId>,
    /// IRPs whose last stage is to be done in it.
    pub(crate) apcs: VecDeque<IrpId>,
    /// Completion routines of a program that are to run in it.
    pub(crate) user_apcs: VecDeque<UserApc>,
    /// The program that it is of.
    pub(crate) process: Option<ProcessId>,
    pub(crate) alerted: bool,
    pub(crate) user_apc: bool,
    pub(crate) terminating: bool,
    pub(crate) exited: bool,
    /// It runs in its own coroutine now.
    pub(crate) scheduled: bool,
    pub(crate) waiting: Option<Waiting>,
}

impl Thread {
    pub(crate) fn new(previous_mode: ProcessorMode) -> Self {
        Self {
            previous_mode,
            irql: Irql::Passive,
            guarded: 0,
            irps: Vec::new(),
            apcs: VecDeque::new(),
            user_apcs: VecDeque::new(),
            process: None,
            alerted: false,
            user_apc: false,
            terminating: false,
            exited: false,
            scheduled: false,
            waiting: None,
        }
    }

    /// Whether an alertable wait in user mode ends.
    pub(crate) fn has_user_apc(&self) -> bool {
        self.user_apc || !self.user_apcs.is_empty()
    }

    /// Whether a special kernel APC can come now.
    pub(crate) fn takes_apcs(&self) -> bool {
        self.irql == Irql::Passive && self.guarded == 0
    }
}

impl State {
    pub(crate) fn is_over(&self, thread: ThreadId, object: WaitFor) -> bool {
        match object {
            WaitFor::Event(event) => self.events[event].signalled,
            WaitFor::FileEvent(file) => self.files[file].signalled,
            WaitFor::FileLock(file) => !self.files[file].busy,
            WaitFor::CancelLock => self.cancel_lock.is_none(),
            WaitFor::Packet(port) => !self.ports[port].packets.is_empty(),
            WaitFor::Held(device) | WaitFor::Work(device) => !self.devices[device].held.is_empty(),
            WaitFor::NoIrps => self.threads[thread].irps.is_empty(),
            WaitFor::Later => !self.later.is_empty() || self.running == 0,
            WaitFor::Thread(thread) => self.threads[thread].exited,
            WaitFor::Process(process) => self.programs[process].exit_code.is_some(),
            WaitFor::Nothing => false,
        }
    }

    /// What a wait comes to now, if to anything.
    pub(crate) fn wait_result(&mut self, id: ThreadId, wait: Waiting) -> Option<NtStatus> {
        if self.is_over(id, wait.object) {
            if let WaitFor::Event(event) = wait.object {
                self.events[event].signalled &= !self.events[event].resets_itself;
            }
            return Some(NtStatus::SUCCESS);
        }
        let thread = &mut self.threads[id];
        let Patience { mode, alertable, .. } = wait.patience;
        let in_user_mode = mode == ProcessorMode::User;
        if alertable && thread.alerted {
            thread.alerted = false;
            return Some(NtStatus::ALERTED);
        }
        let broken = in_user_mode && (thread.terminating || alertable && thread.has_user_apc());
        broken.then_some(NtStatus::USER_APC)
    }

    /// Whether a thread that waits can go on.
    pub(crate) fn can_go_on(&self, id: ThreadId) -> bool {
        let thread = &self.threads[id];
        let Some(wait) = thread.waiting else {
            return true;
        };
        let Patience {
            mode,
            alertable,
            time_limit,
        } = wait.patience;
        let broken = alertable && thread.alerted
            || mode == ProcessorMode::User && (thread.terminating || alertable && thread.has_user_apc());
        // There is no clock: a time limit may be over at any moment.
        let timed = time_limit.is_some();
        let apc = thread.takes_apcs() && !thread.apcs.is_empty();
        timed || broken || apc || self.is_over(id, wait.object)
    }
}

impl World {
    /// The IRPs that belong to a thread.
    #[must_use]
    pub fn irps_of(&self, thread: ThreadId) -> Vec<IrpId> {
        self.with(|state| state.threads[thread].irps.clone())
    }
}

/// What is done to a thread.
impl Cpu<'_> {
    /// `NtAlertThread`.
    pub fn alert(&self, thread: ThreadId) {
        self.note("NtAlertThread", &[thread.into()]);
        self.with(|state| state.threads[thread].alerted = true);
    }

    /// `QueueUserAPC`: an alertable wait in user mode ends.
    pub fn queue_user_apc(&self, thread: ThreadId) {
        self.note("NtQueueApcThread", &[thread.into()]);
        self.with(|state| state.threads[thread].user_apc = true);
    }

    /// `NtTerminateThread`: a wait in user mode ends; the thread itself calls
    /// [`exit_thread`](Self::exit_thread) when it comes back to user mode.
    pub fn terminate(&self, thread: ThreadId) {
        self.note("NtTerminateThread", &[thread.into()]);
        self.with(|state| state.threads[thread].terminating = true);
    }

    /// The thread ends. Its IRPs are cancelled and waited for; one that cannot be cancelled in time loses its
    /// thread, and will be dropped when it is complete.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn exit_thread(&self) {
        self.cancel_own_irps();
        // Five minutes on a machine.
        let patience = Patience {
            time_limit: Some(3_000_000_000),
            ..Patience::UNTIL_OVER
        };
        let _over_or_not = self.block(WaitFor::NoIrps, patience);
        self.end_thread();
    }

    /// The first step of the end of a thread.
    pub(crate) fn cancel_own_irps(&self) {
        self.enter("PspExitThread", Irql::Passive, &[]);
        let id = self.thread();
        self.with(|state| state.threads[id].terminating = true);
        let irps = self.with(|state| state.threads[id].irps.clone());
        for irp in irps {
            self.cancel_if(irp, |state| state.threads[id].irps.contains(&irp));
        }
    }

    /// The last step of the end of a thread.
    pub(crate) fn end_thread(&self) {
        let id = self.thread();
        self.with(|state| {
            for irp in std::mem::take(&mut state.threads[id].irps) {
                state.disassociate(irp);
            }
            // An APC that did not come is not lost: what it would have done is dropped with its IRP.
            let left = std::mem::take(&mut state.threads[id].apcs);
            for irp in left {
                state.drop_irp(irp);
            }
            state.threads[id].user_apcs.clear();
            state.threads[id].exited = true;
        });
    }

    /// `KeRaiseIrql`. Returns the IRQL before.
    pub fn raise_irql(&self, irql: Irql) -> Irql {
        let id = self.thread();
        self.with(|state| {
            let before = state.threads[id].irql;
            if irql < before {
                state.find(crate::Finding::IrqlOrder { thread: id });
            }
            state.threads[id].irql = irql;
            before
        })
    }

    /// `KeLowerIrql`. APCs that were held off come now.
    pub fn lower_irql(&self, irql: Irql) {
        let id = self.thread();
        self.with(|state| {
            if irql > state.threads[id].irql {
                state.find(crate::Finding::IrqlOrder { thread: id });
            }
            state.threads[id].irql = irql;
        });
        self.take_apcs();
    }

    /// `KeEnterGuardedRegion`: no APC comes until it is left.
    pub fn enter_guarded_region(&self) {
        let id = self.thread();
        self.with(|state| state.threads[id].guarded += 1);
    }

    /// `KeLeaveGuardedRegion`.
    pub fn leave_guarded_region(&self) {
        let id = self.thread();
        self.with(|state| {
            let thread = &mut state.threads[id];
            thread.guarded = thread.guarded.saturating_sub(1);
        });
        self.take_apcs();
    }
}
