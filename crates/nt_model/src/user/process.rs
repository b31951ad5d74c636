//! Processes and threads of programs: how they begin, and what goes with them.

use std::collections::BTreeMap;

use kswrite_core::{NtStatus, Patience, ProcessorMode};

use super::handle::{Handle, Object};
use crate::{Cpu, Irql, ProcessId, ThreadId, World, state::State, thread::Thread, thread::WaitFor};

/// A process of a program.
#[derive(Default)]
pub(crate) struct Program {
    pub(crate) handles: BTreeMap<u64, Object>,
    /// Threads that have not ended.
    threads: u32,
    /// The exit code that it will have.
    exits_with: u32,
    /// Its exit code; `None` while it lives.
    pub(crate) exit_code: Option<u32>,
}

impl State {
    fn add_thread(&mut self, process: ProcessId) -> ThreadId {
        let thread = Thread {
            process: Some(process),
            ..Thread::new(ProcessorMode::User)
        };
        self.programs[process].threads += 1;
        self.threads.add(thread)
    }

    /// A thread joins the run.
    fn start(&mut self, thread: ThreadId, body: Box<dyn FnOnce(&Cpu<'_>)>) {
        self.threads[thread].scheduled = true;
        self.running += 1;
        self.added.push((thread, body));
    }
}

impl World {
    /// A process without handles.
    #[must_use]
    pub fn process(&self) -> ProcessId {
        self.with(|state| state.programs.add(Program::default()))
    }

    /// A thread of a process. At the end of its body in [`run`](Self::run) its requests are cancelled; with the last
    /// thread the process ends, and its handles are closed.
    #[must_use]
    pub fn thread_of(&self, process: ProcessId) -> ThreadId {
        self.with(|state| state.add_thread(process))
    }
}

impl Cpu<'_> {
    /// NtCreateThread, in a [run](World::run).
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// This thread has no process.
    pub fn nt_create_thread(&self, body: Box<dyn FnOnce(&Cpu<'_>)>) -> Result<Handle, NtStatus> {
        self.enter("NtCreateThread", Irql::Passive, &[]);
        let process = self.process()?;
        let thread = self.with(|state| {
            let thread = state.add_thread(process);
            state.start(thread, body);
            thread
        });
        self.handle_of(Object::Thread(thread))
    }

    /// NtCreateProcess with a thread, in a [run](World::run). The new process inherits the handles, with their
    /// values; what the body returns is its exit code.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`.
    pub fn nt_create_process(
        &self,
        inherited: &[Handle],
        body: Box<dyn FnOnce(&Cpu<'_>) -> u32>,
    ) -> Result<Handle, NtStatus> {
        self.enter("NtCreateProcess", Irql::Passive, &[inherited.len().into()]);
        let objects: Result<Vec<(u64, Object)>, NtStatus> = inherited
            .iter()
            .map(|handle| Ok((handle.0, self.object(*handle)?)))
            .collect();
        let objects = objects?;
        let process = self.with(|state| {
            for (_, object) in &objects {
                state.reference_by_handle(*object);
            }
            let process = state.programs.add(Program::default());
            state.programs[process].handles.extend(objects);
            let thread = state.add_thread(process);
            let whole = Box::new(move |cpu: &Cpu<'_>| {
                let code = body(cpu);
                cpu.with(|state| state.programs[process].exits_with = code);
            });
            state.start(thread, whole);
            process
        });
        self.handle_of(Object::Process(process))
    }

    /// The exit code of a process that has ended.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, or `STATUS_PENDING`: it lives.
    pub fn nt_exit_code(&self, process: Handle) -> Result<u32, NtStatus> {
        let Object::Process(process) = self.object(process)? else {
            return Err(NtStatus::OBJECT_TYPE_MISMATCH);
        };
        self.with(|state| state.programs[process].exit_code)
            .ok_or(NtStatus::PENDING)
    }

    /// An exception of the program that it does not handle: its process ends with this code, and its threads do
    /// not come back to user mode. Returns only outside of a [run](World::run).
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn unhandled_exception(&self, code: u32) {
        self.note("unhandled exception", &[i64::from(code).into()]);
        if let Ok(process) = self.process() {
            self.with(|state| state.programs[process].exits_with = code);
            self.leave_process();
        }
        self.never_return();
    }

    /// The thread ends; with the last one the process does.
    pub(crate) fn leave_process(&self) {
        let Ok(process) = self.process() else { return };
        self.cancel_own_irps();
        let _over_or_not = self.block_briefly(WaitFor::NoIrps, Patience::UNTIL_OVER);
        let last = self.with(|state| {
            let program = &mut state.programs[process];
            program.threads = program.threads.saturating_sub(1);
            program.threads == 0
        });
        if last {
            while let Some((_, object)) = self.with(|state| state.programs[process].handles.pop_first()) {
                self.close_object(object);
            }
            self.with(|state| {
                let program = &mut state.programs[process];
                program.exit_code = Some(program.exits_with);
            });
        }
        self.end_thread();
    }
}
