//! MDLs: descriptions of pages.

use std::rc::Rc;

use kswrite_core::{NtStatus, ProcessorMode};

use crate::{
    Address, Cpu, Finding, Irql, MdlId, Service, World,
    memory::{Frame, Memory, PAGE_BYTES, Region, Unreadable},
    state::State,
};

/// What an MDL describes.
pub(crate) enum Pages {
    /// Nothing yet.
    Unlocked,
    /// Pages of the process, locked.
    Locked(Vec<Rc<Frame>>),
    /// Memory of the kernel that is never paged out.
    NonPaged,
    /// A part of another MDL.
    Part(MdlId),
}

/// An MDL.
pub(crate) struct Mdl {
    pub(crate) address: Address,
    pub(crate) length: u32,
    pub(crate) pages: Pages,
    pub(crate) mode: ProcessorMode,
    mapped: Option<Address>,
    parts: u32,
}

impl State {
    /// `MmGetMdlByteCount`; 0 for an MDL that is gone.
    pub(crate) fn mdl_length(&self, id: MdlId) -> usize {
        self.memory.mdls[id].as_ref().map_or(0, |mdl| mdl.length as usize)
    }
}

impl Memory {
    /// Reads what an MDL describes, from its byte `skip` on.
    pub(crate) fn read_mdl(&self, id: MdlId, skip: u64, length: usize) -> Option<Vec<u8>> {
        let mdl = self.mdls[id].as_ref()?;
        if skip + length as u64 > u64::from(mdl.length) {
            return None;
        }
        let address = mdl.address.plus(skip);
        match &mdl.pages {
            Pages::Unlocked => None,
            Pages::NonPaged => self.read_kernel(address, length).ok(),
            Pages::Part(whole) => {
                let start = self.mdls[*whole].as_ref()?.address;
                self.read_mdl(*whole, address.0.wrapping_sub(start.0), length)
            }
            Pages::Locked(frames) => {
                let first = mdl.address.0 / PAGE_BYTES;
                let mut bytes = Vec::with_capacity(length);
                for (page, offset, length) in crate::memory::pieces(address, length) {
                    let frame = frames.get(usize::try_from(page - first).ok()?)?;
                    frame.read(offset, length, &mut bytes);
                }
                Some(bytes)
            }
        }
    }
}

/// An MDL that somebody owns: freed, and unlocked before if its pages were locked with it, when dropped.
#[must_use]
pub struct OwnedMdl {
    world: World,
    id: MdlId,
    given_away: bool,
}

impl OwnedMdl {
    /// The MDL.
    #[must_use]
    pub fn id(&self) -> MdlId {
        self.id
    }

    /// An IRP frees it from here on.
    pub(crate) fn give_away(mut self) -> MdlId {
        self.given_away = true;
        self.id
    }
}

impl Drop for OwnedMdl {
    fn drop(&mut self) {
        if !self.given_away {
            self.world.on_drop(|state| {
                state.unlock_mdl(self.id);
                state.free_mdl(self.id);
            });
        }
    }
}

impl State {
    /// The fewest locks that a page of an MDL has. `None`: its pages need none.
    pub(crate) fn page_locks(&self, id: MdlId) -> Option<u32> {
        match &self.memory.mdls[id].as_ref()?.pages {
            Pages::Locked(frames) => frames.iter().map(|frame| frame.locks()).min(),
            Pages::Part(whole) => self.page_locks(*whole),
            Pages::Unlocked | Pages::NonPaged => None,
        }
    }

    /// `MmUnlockPages`, for pages that this MDL locked.
    pub(crate) fn unlock_mdl(&mut self, id: MdlId) {
        let Some(mdl) = &mut self.memory.mdls[id] else {
            self.find(Finding::MdlTouchedAfterFree { mdl: id });
            return;
        };
        if let Pages::Locked(frames) = &mut mdl.pages {
            let frames = std::mem::take(frames);
            mdl.pages = Pages::Unlocked;
            let mapped = mdl.mapped.take();
            self.memory.unlock(&frames);
            if let Some(address) = mapped {
                self.memory.remove_region(address);
            }
        }
    }

    /// `IoFreeMdl`.
    pub(crate) fn free_mdl(&mut self, id: MdlId) {
        let Some(mdl) = self.memory.mdls[id].take() else {
            self.find(Finding::MdlTouchedAfterFree { mdl: id });
            return;
        };
        if let Some(address) = mdl.mapped {
            self.memory.remove_region(address);
        }
        if mdl.parts > 0 {
            self.find(Finding::MdlPartsOutliveIt { mdl: id });
        }
        if let Pages::Part(whole) = mdl.pages
            && let Some(whole) = &mut self.memory.mdls[whole]
        {
            whole.parts = whole.parts.saturating_sub(1);
        }
    }
}

impl Cpu<'_> {
    /// `IoAllocateMdl` and `MmProbeAndLockPages` for reading.
    ///
    /// IRQL: `<= APC_LEVEL`.
    ///
    /// # Errors
    ///
    /// The exception, or `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn lock_pages(
        &self,
        address: Address,
        length: u32,
        mode: ProcessorMode,
    ) -> Result<OwnedMdl, NtStatus> {
        let mdl = self.allocate_mdl(address, length, mode)?;
        self.enter("MmProbeAndLockPages", Irql::Apc, &[mdl.id.into()]);
        self.needs_bytes("MmProbeAndLockPages", length);
        self.fault(Service::ProbeAndLock)?;
        let locked = self.with(|state| {
            let pages = if address.is_kernel() && mode == ProcessorMode::Kernel {
                let readable = state.memory.read(address, length as usize);
                readable.map(|_| Pages::NonPaged)
            } else {
                state.memory.lock(address, length, mode).map(Pages::Locked)
            };
            match pages {
                Ok(pages) => {
                    if let Some(mdl) = &mut state.memory.mdls[mdl.id] {
                        mdl.pages = pages;
                    }
                    Ok(())
                }
                Err(unreadable) => Err(state.raise(unreadable)),
            }
        });
        locked.map(|()| mdl)
    }

    pub(crate) fn part_of(&self, whole: MdlId, length: u32) -> Result<OwnedMdl, NtStatus> {
        let source = self.with(|state| {
            let source = state.memory.mdls[whole]
                .as_ref()
                .map(|mdl| (mdl.address, mdl.mode));
            if source.is_none() {
                state.find(Finding::MdlTouchedAfterFree { mdl: whole });
            }
            source
        });
        let (address, mode) = source.ok_or(NtStatus::INVALID_PARAMETER)?;
        let part = self.allocate_mdl(address, length, mode)?;
        self.enter(
            "IoBuildPartialMdl",
            Irql::Dispatch,
            &[whole.into(), part.id.into()],
        );
        self.with(|state| {
            if let Some(mdl) = &mut state.memory.mdls[part.id] {
                mdl.pages = Pages::Part(whole);
            }
            if let Some(mdl) = &mut state.memory.mdls[whole] {
                mdl.parts += 1;
            }
        });
        Ok(part)
    }

    pub(crate) fn nonpaged_mdl(&self, address: Address, length: u32) -> Result<OwnedMdl, NtStatus> {
        let mdl = self.allocate_mdl(address, length, ProcessorMode::Kernel)?;
        self.enter("MmBuildMdlForNonPagedPool", Irql::Dispatch, &[mdl.id.into()]);
        self.with(|state| {
            if let Some(mdl) = &mut state.memory.mdls[mdl.id] {
                mdl.pages = Pages::NonPaged;
            }
        });
        Ok(mdl)
    }

    pub(crate) fn mapped(&self, id: MdlId) -> Option<Address> {
        self.with(|state| {
            let mdl = state.memory.mdls[id].as_ref()?;
            match mdl.pages {
                Pages::NonPaged => Some(mdl.address),
                _ => mdl.mapped,
            }
        })
    }

    /// `MmGetSystemAddressForMdlSafe`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn system_address(&self, id: MdlId) -> Result<Address, NtStatus> {
        self.enter("MmGetSystemAddressForMdlSafe", Irql::Dispatch, &[id.into()]);
        if let Some(address) = self.mapped(id) {
            return Ok(address);
        }
        self.fault(Service::Map)?;
        self.with(|state| {
            let Some(length) = state.memory.mdls[id].as_ref().map(|mdl| mdl.length) else {
                state.find(Finding::MdlTouchedAfterFree { mdl: id });
                return Err(NtStatus::INSUFFICIENT_RESOURCES);
            };
            let address = state.memory.add_region(Region::Mapping(id, length));
            if let Some(mdl) = &mut state.memory.mdls[id] {
                mdl.mapped = Some(address);
            }
            Ok(address)
        })
    }

    fn allocate_mdl(&self, address: Address, length: u32, mode: ProcessorMode) -> Result<OwnedMdl, NtStatus> {
        let args = [address.into(), length.into()];
        self.enter("IoAllocateMdl", Irql::Dispatch, &args);
        self.fault(Service::AllocateMdl)?;
        let id = self.with(|state| {
            state.memory.mdls.add(Some(Mdl {
                address,
                length,
                pages: Pages::Unlocked,
                mode,
                mapped: None,
                parts: 0,
            }))
        });
        let world = self.world().clone();
        Ok(OwnedMdl {
            world,
            id,
            given_away: false,
        })
    }
}

impl State {
    /// What a handler is given for an access that failed; one that no handler can catch is a finding.
    pub(crate) fn raise(&mut self, unreadable: Unreadable) -> NtStatus {
        match unreadable {
            Unreadable::Raises(status) => status,
            Unreadable::Fatal(address) => {
                self.find(Finding::BadKernelAddress { address });
                NtStatus::ACCESS_VIOLATION
            }
        }
    }
}
