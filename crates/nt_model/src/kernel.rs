//! The kernel services of a write.

use kswrite_core::{BufferMethod, IoStatus, Kernel, NtStatus, ProcessorMode, WriteCall};

use crate::{Address, Cpu, DeviceId, FastWriteRoutine, FileId, MdlId, OwnedMdl, PoolBuffer, memory};

impl Kernel for Cpu<'_> {
    type File = FileId;
    type Device = DeviceId;
    type Address = Address;
    type LockedPages = MdlId;
    type SystemBuffer = PoolBuffer;
    type Mdl = OwnedMdl;
    type FastWrite = FastWriteRoutine;

    fn previous_mode(&self) -> ProcessorMode {
        self.previous_mode_of_thread()
    }

    fn fast_table_size(&self, device: DeviceId) -> Option<u32> {
        self.with(|state| {
            state.drivers[state.devices[device].driver]
                .table
                .map(|table| table.size)
        })
    }

    fn fast_write_slot(&self, device: DeviceId) -> Option<FastWriteRoutine> {
        self.with(|state| {
            let driver = state.devices[device].driver;
            let table = state.drivers[driver].table;
            if table.is_none() {
                state.find(crate::Finding::NoFastIoTable { device });
            }
            table
                .is_some_and(|table| table.has_write)
                .then_some(FastWriteRoutine(driver))
        })
    }

    fn fast_write(
        &self,
        routine: FastWriteRoutine,
        call: &WriteCall<Self>,
        address: Address,
    ) -> Result<Option<IoStatus>, NtStatus> {
        self.call_fast(routine, call, address, false)
    }

    #[cfg(feature = "defects")]
    fn fast_write_aliasing(
        &self,
        routine: FastWriteRoutine,
        call: &WriteCall<Self>,
        address: Address,
    ) -> Result<Option<IoStatus>, NtStatus> {
        self.call_fast(routine, call, address, true)
    }

    fn buffer_method(&self, device: DeviceId) -> BufferMethod {
        self.with(|state| state.devices[device].script.method)
    }

    fn is_user_range(&self, address: Address, length: u32) -> bool {
        memory::is_user_range(address, length)
    }

    fn capture(&self, address: Address, length: u32) -> Result<PoolBuffer, NtStatus> {
        self.copy_to_pool(address, length, true)
    }

    #[cfg(feature = "defects")]
    fn capture_unguarded(&self, address: Address, length: u32) -> Result<PoolBuffer, NtStatus> {
        self.copy_to_pool(address, length, false)
    }

    fn probe_and_lock(
        &self,
        address: Address,
        length: u32,
        mode: ProcessorMode,
    ) -> Result<OwnedMdl, NtStatus> {
        self.lock_pages(address, length, mode)
    }

    fn partial_mdl(&self, pages: MdlId, length: u32) -> Result<OwnedMdl, NtStatus> {
        self.part_of(pages, length)
    }

    fn system_mdl(&self, address: Address, length: u32) -> Result<OwnedMdl, NtStatus> {
        self.nonpaged_mdl(address, length)
    }

    fn mapped_address(&self, pages: MdlId) -> Option<Address> {
        self.mapped(pages)
    }

    fn map(&self, pages: MdlId, _length: u32) -> Result<Address, NtStatus> {
        self.system_address(pages)
    }
}
