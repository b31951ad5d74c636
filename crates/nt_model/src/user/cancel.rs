//! What a program cancels.

use kswrite_core::NtStatus;

use super::{
    handle::{Handle, Object},
    status,
};
use crate::{BlockId, Cpu, IrpId, Irql, irp::Header, state::State};

impl Cpu<'_> {
    /// NtCancelIoFile: the requests that this thread has begun on the file object.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// As of a bad handle. That there is none is no error.
    pub fn nt_cancel_io(&self, file: Handle) -> Result<(), NtStatus> {
        self.enter("NtCancelIoFile", Irql::Passive, &[file.into()]);
        let file = self.file_of(file)?;
        let thread = self.thread();
        self.cancel_wanted(move |_, header| header.file == Some(file) && header.thread == Some(thread));
        Ok(())
    }

    /// NtCancelIoFileEx: the requests of this process on the file object, or those with this status block.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_NOT_FOUND`: there is none.
    pub fn nt_cancel_io_ex(&self, file: Handle, block: Option<BlockId>) -> Result<(), NtStatus> {
        self.enter("NtCancelIoFileEx", Irql::Passive, &[file.into(), block.into()]);
        let (file, process) = (self.file_of(file)?, self.process()?);
        let found = self.cancel_wanted(move |state, header| {
            let thread = header.thread.map(|thread| &state.threads[thread]);
            header.file == Some(file)
                && thread.is_some_and(|thread| thread.process == Some(process))
                && (block.is_none() || header.user_iosb == block)
        });
        if found { Ok(()) } else { Err(status::NOT_FOUND) }
    }

    /// NtCancelSynchronousIoFile: the requests that a thread waits for in a synchronous call.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_NOT_FOUND`: there is none.
    pub fn nt_cancel_synchronous_io(&self, thread: Handle) -> Result<(), NtStatus> {
        self.enter("NtCancelSynchronousIoFile", Irql::Passive, &[thread.into()]);
        let Object::Thread(thread) = self.object(thread)? else {
            return Err(NtStatus::OBJECT_TYPE_MISMATCH);
        };
        let found = self.cancel_wanted(move |state, header| {
            let synchronous = header
                .file
                .is_some_and(|file| state.files[file].flags.is_synchronous());
            header.thread == Some(thread) && synchronous
        });
        if found { Ok(()) } else { Err(status::NOT_FOUND) }
    }

    /// Cancels the listed IRPs that are wanted. Returns whether there was one.
    pub(crate) fn cancel_wanted(&self, wanted: impl Fn(&State, &Header) -> bool) -> bool {
        let is_wanted = |state: &State, id: IrpId| {
            let header = state.irps[id].irp.as_ref().map(|irp| irp.header);
            header.is_some_and(|header| wanted(state, &header))
        };
        let irps: Vec<IrpId> = self.with(|state| {
            let listed = state
                .threads
                .iter()
                .flat_map(|(_, thread)| thread.irps.iter().copied());
            listed.filter(|irp| is_wanted(state, *irp)).collect()
        });
        for irp in &irps {
            self.cancel_if(*irp, |state| is_wanted(state, *irp));
        }
        !irps.is_empty()
    }
}
