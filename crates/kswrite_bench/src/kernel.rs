//! The kernel services of a write.

use kswrite_core::{BufferMethod, IoStatus, Kernel, NtStatus, ProcessorMode, WriteCall};

use crate::device::{FastArguments, FastRoutine};
use crate::pool::{Mdl, Pool};

/// A processor: all services, on one pool.
#[derive(Clone, Copy)]
pub(crate) struct Cpu(pub(crate) &'static Pool);

/// A system buffer, given back when it is dropped.
pub(crate) struct SystemBuffer {
    pool: &'static Pool,
    pub(crate) index: u32,
}

impl Drop for SystemBuffer {
    fn drop(&mut self) {
        self.pool.free_buffers.put(self.index);
    }
}

/// An MDL, given back when it is dropped.
pub(crate) struct OwnMdl {
    pool: &'static Pool,
    pub(crate) index: u32,
}

impl Drop for OwnMdl {
    fn drop(&mut self) {
        self.pool.free_mdls.put(self.index);
    }
}

/// The end of the user half.
const USER_END: usize = 1 << 47;

impl Cpu {
    #[inline]
    fn mdl(self, address: usize, length: u32, locked: bool) -> Result<OwnMdl, NtStatus> {
        let index = self.0.free_mdls.take().ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        Pool::count(&self.0.takes);
        self.0.mdls[index as usize].set(Mdl {
            address,
            length,
            locked,
        });
        Ok(OwnMdl { pool: self.0, index })
    }
}

impl Kernel for Cpu {
    type File = ();
    type Device = ();
    type Address = usize;
    type LockedPages = usize;
    type SystemBuffer = SystemBuffer;
    type Mdl = OwnMdl;
    type FastWrite = FastRoutine;

    #[inline(never)]
    fn previous_mode(&self) -> ProcessorMode {
        if self.0.file.user_thread.get() {
            ProcessorMode::User
        } else {
            ProcessorMode::Kernel
        }
    }

    #[inline(never)]
    fn fast_table_size(&self, (): ()) -> Option<u32> {
        self.0.device.table_size.get()
    }

    #[inline(never)]
    fn fast_write_slot(&self, (): ()) -> Option<FastRoutine> {
        self.0.device.fast.get()
    }

    #[inline(never)]
    fn fast_write(
        &self,
        routine: FastRoutine,
        call: &WriteCall<Self>,
        address: usize,
    ) -> Result<Option<IoStatus>, NtStatus> {
        let arguments = FastArguments {
            offset: call.offset,
            length: call.length,
            wait: call.may_wait,
            key: call.key,
            address,
        };
        let mut io = IoStatus::failed(NtStatus::PENDING);
        Ok(routine(self.0, &arguments, &mut io).then_some(io))
    }

    #[inline(never)]
    fn buffer_method(&self, (): ()) -> BufferMethod {
        self.0.device.method.get()
    }

    #[inline(never)]
    fn is_user_range(&self, address: usize, length: u32) -> bool {
        address
            .checked_add(length as usize)
            .is_some_and(|end| end <= USER_END)
    }

    #[inline(never)]
    fn capture(&self, address: usize, length: u32) -> Result<SystemBuffer, NtStatus> {
        let pool = self.0;
        let index = pool.free_buffers.take().ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        Pool::count(&pool.takes);
        copy(pool, index, address, length);
        Ok(SystemBuffer { pool, index })
    }

    #[inline(never)]
    fn probe_and_lock(&self, address: usize, length: u32, _mode: ProcessorMode) -> Result<OwnMdl, NtStatus> {
        Pool::count(&self.0.locks);
        self.mdl(address, length, true)
    }

    #[inline(never)]
    fn partial_mdl(&self, pages: usize, length: u32) -> Result<OwnMdl, NtStatus> {
        self.mdl(pages, length, false)
    }

    #[inline(never)]
    fn system_mdl(&self, address: usize, length: u32) -> Result<OwnMdl, NtStatus> {
        self.mdl(address, length, false)
    }

    #[inline(never)]
    fn mapped_address(&self, pages: usize) -> Option<usize> {
        Some(pages)
    }

    #[inline(never)]
    fn map(&self, pages: usize, _length: u32) -> Result<usize, NtStatus> {
        Ok(pages)
    }
}

/// Fills a system buffer.
pub(crate) fn copy(pool: &Pool, buffer: u32, address: usize, length: u32) {
    pool.buffers[buffer as usize]
        .borrow_mut()
        .copy(&pool.memory.borrow(), address, length as usize);
}
