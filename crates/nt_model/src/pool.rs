//! Non-paged pool.

use kswrite_core::NtStatus;

use crate::{
    Address, Cpu, Finding, Irql, Service, World,
    memory::{Region, Unreadable},
    state::State,
};

/// A system buffer that somebody owns, with its bytes; freed when dropped.
#[must_use]
pub struct PoolBuffer {
    world: World,
    address: Address,
    given_away: bool,
}

impl PoolBuffer {
    pub(crate) fn address(&self) -> Address {
        self.address
    }

    /// An IRP frees it from here on.
    pub(crate) fn give_away(mut self) {
        self.given_away = true;
    }
}

impl Drop for PoolBuffer {
    fn drop(&mut self) {
        if !self.given_away {
            self.world.on_drop(|state| state.free_pool(self.address));
        }
    }
}

impl State {
    /// `ExFreePool` of a system buffer.
    pub(crate) fn free_pool(&mut self, address: Address) {
        match self.memory.remove_region(address) {
            Some(Region::Pool(bytes)) => {
                let process = &mut self.process;
                process.charged = process.charged.saturating_sub(bytes.len() as u64);
            }
            _ => self.find(Finding::PoolFreedTwice { address }),
        }
    }
}

impl Cpu<'_> {
    /// `ExAllocatePoolQuotaZero`, and the copy of the caller's bytes into it.
    pub(crate) fn copy_to_pool(
        &self,
        from: Address,
        length: u32,
        guarded: bool,
    ) -> Result<PoolBuffer, NtStatus> {
        let limit = if from.is_kernel() {
            Irql::Dispatch
        } else {
            Irql::Apc
        };
        self.enter("ExAllocatePoolQuotaZero", limit, &[length.into()]);
        self.needs_bytes("ExAllocatePoolQuotaZero", length);
        self.fault(Service::Pool)?;
        self.fault(Service::Quota)?;
        self.with(|state| state.process.charge(length.into()))?;
        // Between the allocation and the copy the program may do anything.
        self.enter("memcpy", limit, &[from.into(), length.into()]);
        let copied = match self.fault(Service::Copy) {
            Ok(()) => self.with(|state| state.memory.read(from, length as usize)),
            Err(status) => Err(Unreadable::Raises(status)),
        };
        self.with(|state| match copied {
            Ok(bytes) => {
                let address = state.memory.add_region(Region::Pool(bytes));
                let world = self.world().clone();
                Ok(PoolBuffer {
                    world,
                    address,
                    given_away: false,
                })
            }
            Err(unreadable) => {
                state.process.charged -= u64::from(length);
                if !guarded {
                    state.find(Finding::UnhandledException { address: from });
                }
                Err(state.raise(unreadable))
            }
        })
    }
}
