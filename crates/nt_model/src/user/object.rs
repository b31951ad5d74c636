//! Events, completion ports, and waits.

use kswrite_core::{NtStatus, Patience, ProcessorMode};

use super::handle::{Handle, Object};
use crate::{
    Cpu, Irql, Packet, UserApc,
    event::{Event, Home},
    port::Port,
    thread::{WaitFor, Waiting},
};

/// When a wait ends at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeOut {
    /// At once.
    AtOnce,
    /// When nothing else can happen that would end it.
    WhenIdle,
    /// Never; if nothing else can happen, that is a finding.
    Never,
}

impl Cpu<'_> {
    /// NtCreateEvent.
    ///
    /// # Errors
    ///
    /// The thread has no process.
    pub fn nt_create_event(&self, manual_reset: bool, signalled: bool) -> Result<Handle, NtStatus> {
        self.enter("NtCreateEvent", Irql::Passive, &[]);
        let event = Event {
            resets_itself: !manual_reset,
            signalled,
            ..Event::new(Home::Object)
        };
        let event = self.with(|state| state.events.add(event));
        self.handle_of(Object::Event(event))
    }

    /// NtSetEvent, or NtClearEvent.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`, or `STATUS_OBJECT_TYPE_MISMATCH`.
    pub fn nt_set_event(&self, event: Handle, signalled: bool) -> Result<(), NtStatus> {
        self.enter("NtSetEvent", Irql::Passive, &[event.into()]);
        let event = self.event_of(event)?;
        self.with(|state| state.change_event(event, signalled, "NtSetEvent"));
        Ok(())
    }

    /// NtWaitForSingleObject. Whether the object is signalled.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`; `STATUS_OBJECT_TYPE_MISMATCH`: it cannot be waited for.
    pub fn nt_wait_for(&self, handle: Handle, time_out: TimeOut) -> Result<bool, NtStatus> {
        self.enter("NtWaitForSingleObject", Irql::Passive, &[handle.into()]);
        let object = match self.object(handle)? {
            Object::Event(event) => WaitFor::Event(event),
            Object::File(file, _) => WaitFor::FileEvent(file),
            Object::Thread(thread) => WaitFor::Thread(thread),
            Object::Process(process) => WaitFor::Process(process),
            Object::Port(_) => return Err(NtStatus::OBJECT_TYPE_MISMATCH),
        };
        Ok(self.wait_until(object, Patience::UNTIL_OVER, time_out) == NtStatus::SUCCESS)
    }

    fn wait_until(&self, object: WaitFor, patience: Patience, time_out: TimeOut) -> NtStatus {
        match time_out {
            TimeOut::Never => self.block(object, patience),
            TimeOut::WhenIdle => self.block_briefly(object, patience),
            TimeOut::AtOnce => {
                self.take_apcs();
                let wait = Waiting {
                    object,
                    patience,
                    while_others_can: None,
                };
                let now = self.with(|state| state.wait_result(self.thread(), wait));
                now.unwrap_or(NtStatus::TIMEOUT)
            }
        }
    }

    /// NtDelayExecution, alertable: the APCs of the program that came.
    pub fn nt_delay(&self, time_out: TimeOut) -> Vec<UserApc> {
        self.enter("NtDelayExecution", Irql::Passive, &[]);
        let patience = Patience {
            mode: ProcessorMode::User,
            alertable: true,
            time_limit: None,
        };
        let _woken = self.wait_until(WaitFor::Nothing, patience, time_out);
        self.with(|state| state.threads[self.thread()].user_apcs.drain(..).collect())
    }

    /// NtCreateIoCompletion.
    ///
    /// # Errors
    ///
    /// The thread has no process.
    pub fn nt_create_port(&self) -> Result<Handle, NtStatus> {
        self.enter("NtCreateIoCompletion", Irql::Passive, &[]);
        let port = self.with(|state| {
            state.ports.add(Port {
                handles: 1,
                ..Port::default()
            })
        });
        self.handle_of(Object::Port(port))
    }

    /// NtSetInformationFile with `FileCompletionInformation`.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_INVALID_PARAMETER`: the file is synchronous, or has a port.
    pub fn nt_associate(&self, file: Handle, port: Handle, key: u64) -> Result<(), NtStatus> {
        self.enter("NtSetInformationFile", Irql::Passive, &[file.into(), port.into()]);
        let (file, port) = (self.file_of(file)?, self.port_of(port)?);
        self.world().associate(file, port, key)
    }

    /// NtRemoveIoCompletion. `None`: no packet came.
    ///
    /// # Errors
    ///
    /// As of a bad handle.
    pub fn nt_remove_completion(&self, port: Handle, time_out: TimeOut) -> Result<Option<Packet>, NtStatus> {
        self.enter("NtRemoveIoCompletion", Irql::Passive, &[port.into()]);
        let port = self.port_of(port)?;
        while self.wait_until(WaitFor::Packet(port), Patience::UNTIL_OVER, time_out) == NtStatus::SUCCESS {
            // Another thread may have been faster.
            if let Some(packet) = self.dequeue(port) {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }
}
