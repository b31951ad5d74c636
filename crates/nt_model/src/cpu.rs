//! A thread that runs.

use kswrite_core::{NtStatus, Patience, ProcessorMode};

use crate::{
    Finding, Irql, Service, ThreadId, World,
    schedule::{Resume, Stop, Yielder},
    state::State,
    thread::{WaitFor, Waiting},
    trace::Arg,
};

/// A thread that runs, and through which everything is called: the kernel of
/// [`kswrite_core`] is implemented by this.
///
/// Each call is a point at which another thread may run (inside [`World::run`]), is written to the trace, is
/// checked for its IRQL, and may be told to fail.
#[derive(Clone)]
pub struct Cpu<'a> {
    world: World,
    thread: ThreadId,
    yielder: Option<&'a Yielder>,
}

impl<'a> Cpu<'a> {
    pub(crate) fn new(world: World, thread: ThreadId, yielder: Option<&'a Yielder>) -> Self {
        Self {
            world,
            thread,
            yielder,
        }
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The thread.
    pub fn thread(&self) -> ThreadId {
        self.thread
    }

    /// Another thread of the same world, run from here to do something at once.
    pub(crate) fn as_thread(&self, thread: ThreadId) -> Cpu<'static> {
        self.world.cpu(thread)
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        self.world.with(f)
    }

    /// A point at which another thread may run.
    pub fn pause(&self) {
        if let Some(yielder) = self.yielder {
            let _run = yielder.suspend(Stop::Ready);
        }
        self.take_apcs();
    }

    /// A line of the trace.
    pub(crate) fn note(&self, call: &'static str, args: &[Arg]) {
        self.with(|state| state.trace.call(self.thread, call, args));
    }

    /// A call of a kernel service that may be made up to `limit`.
    pub(crate) fn enter(&self, call: &'static str, limit: Irql, args: &[Arg]) {
        self.pause();
        self.with(|state| {
            state.trace.call(self.thread, call, args);
            let irql = state.threads[self.thread].irql;
            if irql > limit {
                state.find(Finding::IrqlTooHigh { call, irql, limit });
            }
        });
    }

    /// A service that makes no sense for no bytes.
    pub(crate) fn needs_bytes(&self, call: &'static str, length: u32) {
        if length == 0 {
            self.with(|state| state.find(Finding::NoBytes { call }));
        }
    }

    /// The completion of I/O that this thread begins, or waits for, is a special kernel APC.
    pub(crate) fn needs_apcs(&self, call: &'static str) {
        let thread = self.thread;
        self.with(|state| {
            if !state.threads[thread].takes_apcs() {
                state.find(Finding::ApcsHeldOff { call, thread });
            }
        });
    }

    /// A point at which a service can fail.
    pub(crate) fn fault(&self, service: Service) -> Result<(), NtStatus> {
        self.with(|state| match state.faults.strikes(service) {
            Some(status) => {
                state.trace.call(self.thread, "  fails", &[status.into()]);
                Err(status)
            }
            None => Ok(()),
        })
    }

    pub(crate) fn previous_mode_of_thread(&self) -> ProcessorMode {
        self.with(|state| state.threads[self.thread].previous_mode)
    }

    /// Lets the special kernel APCs of this thread come, if they can. Returns whether one came.
    pub(crate) fn take_apcs(&self) -> bool {
        let mut came = false;
        while let Some(irp) = self.with(|state| {
            let thread = &mut state.threads[self.thread];
            let irp = thread.takes_apcs().then(|| thread.apcs.pop_front()).flatten()?;
            thread.irql = Irql::Apc;
            Some(irp)
        }) {
            came = true;
            self.final_stage(irp);
            self.with(|state| state.threads[self.thread].irql = Irql::Passive);
        }
        came
    }

    /// Waits. Whatever may break the wait is a fault point.
    pub(crate) fn wait(&self, object: WaitFor, patience: Patience) -> NtStatus {
        if let Some(broken) = self.broken_wait(object, patience) {
            return broken;
        }
        self.block(object, patience)
    }

    fn broken_wait(&self, object: WaitFor, patience: Patience) -> Option<NtStatus> {
        let ways = [
            patience.alertable.then_some(NtStatus::ALERTED),
            (patience.mode == ProcessorMode::User).then_some(NtStatus::USER_APC),
            patience.time_limit.and(Some(NtStatus::TIMEOUT)),
        ];
        let first = ways.into_iter().flatten().next()?;
        if self.with(|state| state.is_over(self.thread, object)) {
            return None;
        }
        let asked = self.fault(Service::Wait).err()?;
        Some(if ways.contains(&Some(asked)) { asked } else { first })
    }

    /// Waits; nothing is injected.
    pub(crate) fn block(&self, object: WaitFor, patience: Patience) -> NtStatus {
        self.block_for(Waiting {
            object,
            patience,
            while_others_can: None,
        })
    }

    /// Waits until nothing else can happen that would end the wait: `STATUS_TIMEOUT` then.
    pub(crate) fn block_briefly(&self, object: WaitFor, patience: Patience) -> NtStatus {
        let began = self.with(|state| {
            state.idle_waits += 1;
            state.idle_waits
        });
        self.block_for(Waiting {
            object,
            patience,
            while_others_can: Some(began),
        })
    }

    fn block_for(&self, wait: Waiting) -> NtStatus {
        let patience = wait.patience;
        let mut timed_out = false;
        loop {
            self.take_apcs();
            let result = self.with(|state| {
                let result = state.wait_result(self.thread, wait);
                let result = result.or_else(|| timed_out.then_some(NtStatus::TIMEOUT));
                state.threads[self.thread].waiting = result.is_none().then_some(wait);
                result
            });
            if let Some(result) = result {
                return result;
            }
            timed_out = match self.yielder {
                Some(yielder) => {
                    let resumed = yielder.suspend(Stop::Blocked);
                    self.gave_up(resumed == Resume::GiveUp)
                        || patience.time_limit.is_some() && !self.has_apc()
                }
                None => !self.world.run_one_later() && self.gave_up(true),
            };
        }
    }

    /// The thread never comes back to what it does.
    pub(crate) fn never_return(&self) {
        self.with(|state| state.leave_run(self.thread));
        if let Some(yielder) = self.yielder {
            let _never = yielder.suspend(Stop::Gone);
        }
    }

    /// The thread of the system, in a run.
    pub(crate) fn do_what_comes_later(&self) {
        loop {
            let _something = self.block(WaitFor::Later, Patience::UNTIL_OVER);
            let Some(action) = self.with(|state| state.later.pop_front()) else {
                return;
            };
            action(self);
        }
    }

    fn has_apc(&self) -> bool {
        self.with(|state| !state.threads[self.thread].apcs.is_empty())
    }

    /// Nothing can end the wait but its time limit; without one this is a hang, but for a device without work.
    fn gave_up(&self, gave_up: bool) -> bool {
        let thread = self.thread;
        gave_up
            && self.with(|state| {
                let wait = state.threads[thread].waiting;
                let may_end = wait.is_some_and(|wait| {
                    wait.patience.time_limit.is_some()
                        || wait.while_others_can.is_some()
                        || matches!(wait.object, WaitFor::Work(_))
                });
                let hang = Finding::Hang { thread };
                if !may_end && !state.findings.contains(&hang) {
                    state.find(hang);
                }
                true
            })
    }
}
