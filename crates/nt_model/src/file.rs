//! File objects.

use kswrite_core::{FileFlags, NtStatus, Patience};

use crate::{Cpu, DeviceId, FileId, Finding, Irql, PortId, device::Kind, state::State, thread::WaitFor};

/// A file object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) device: DeviceId,
    pub(crate) flags: FileFlags,
    pub(crate) signalled: bool,
    pub(crate) sets: u32,
    pub(crate) position: i64,
    pub(crate) final_status: NtStatus,
    pub(crate) port: Option<(PortId, u64)>,
    pub(crate) busy: bool,
    pub(crate) waiters: u32,
    pub(crate) lock_uses: u32,
    pub(crate) pointers: u32,
    pub(crate) handles: u32,
    pub(crate) gone: bool,
}

impl File {
    pub(crate) const fn new(device: DeviceId, flags: FileFlags) -> Self {
        Self {
            device,
            flags,
            signalled: false,
            sets: 0,
            position: 0,
            final_status: UNTOUCHED_STATUS,
            port: None,
            busy: false,
            waiters: 0,
            lock_uses: 0,
            pointers: 1,
            handles: 1,
            gone: false,
        }
    }
}

/// What `FinalStatus` holds before anybody sets it.
const UNTOUCHED_STATUS: NtStatus = crate::UNTOUCHED.status;

/// A file object, as a test sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState {
    /// `Flags`.
    pub flags: FileFlags,
    /// Whether its `Event` is signalled.
    pub signalled: bool,
    /// How often its `Event` was signalled.
    pub sets: u32,
    /// `CurrentByteOffset`.
    pub position: i64,
    /// `FinalStatus`; the status of [`UNTOUCHED`](crate::UNTOUCHED) at first.
    pub final_status: NtStatus,
    /// `Busy`.
    pub busy: bool,
    /// `Waiters`.
    pub waiters: u32,
    /// How often its lock was taken.
    pub lock_uses: u32,
    /// The references on it, with those of its handles.
    pub pointers: u32,
    /// Its open handles.
    pub handles: u32,
    /// Whether it was deleted.
    pub deleted: bool,
}

impl From<File> for FileState {
    fn from(file: File) -> Self {
        Self {
            flags: file.flags,
            signalled: file.signalled,
            sets: file.sets,
            position: file.position,
            final_status: file.final_status,
            busy: file.busy,
            waiters: file.waiters,
            lock_uses: file.lock_uses,
            pointers: file.pointers,
            handles: file.handles,
            deleted: file.gone,
        }
    }
}

impl State {
    /// The file object; using one that is gone is a finding.
    pub(crate) fn live_file(&mut self, id: FileId, call: &'static str) -> &mut File {
        if self.files[id].gone {
            self.find(Finding::FileTouchedAfterFree { file: id, call });
        }
        &mut self.files[id]
    }

    pub(crate) fn change_file_event(&mut self, id: FileId, signalled: bool, call: &'static str) {
        let file = self.live_file(id, call);
        file.signalled = signalled;
        file.sets += u32::from(signalled);
    }

    pub(crate) fn dereference_file_object(&mut self, id: FileId) {
        let file = self.live_file(id, "ObDereferenceObject");
        if file.pointers <= file.handles {
            self.find(Finding::FileUnderReferenced { file: id });
            return;
        }
        file.pointers -= 1;
        file.gone = file.pointers == 0;
    }
}

impl Cpu<'_> {
    /// `NtDuplicateObject`: one more handle of a file object.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn duplicate_file(&self, file: FileId) {
        self.enter("NtDuplicateObject", Irql::Passive, &[file.into()]);
        self.with(|state| {
            let open = state.live_file(file, "NtDuplicateObject");
            open.handles += 1;
            open.pointers += 1;
        });
    }

    /// `NtClose` of a handle of a file object. The last one sends `IRP_MJ_CLEANUP`: devices that hold
    /// cancellable writes of the file cancel them. The file object is deleted when the last reference goes.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn close_file(&self, file: FileId) {
        self.enter("NtClose", Irql::Passive, &[file.into()]);
        let last = self.with(|state| {
            let open = state.live_file(file, "NtClose");
            open.handles = open.handles.saturating_sub(1);
            open.handles == 0
        });
        if last {
            self.clean_up(file);
        }
        self.with(|state| state.dereference_file_object(file));
    }

    /// `IRP_MJ_CLEANUP`, as far as it concerns writes.
    fn clean_up(&self, file: FileId) {
        self.enter("IRP_MJ_CLEANUP", Irql::Passive, &[file.into()]);
        let device = self.with(|state| state.live_file(file, "IRP_MJ_CLEANUP").device);
        if let Some(routines) = self.routines_of(device) {
            routines.clean_up(self, file);
        }
        let scripted: Vec<DeviceId> = self.with(|state| {
            let devices = state.devices.iter();
            let scripted = devices.filter(|(_, device)| device.kind == Kind::Scripted);
            scripted.map(|(id, _)| id).collect()
        });
        for device in scripted {
            while let Some(irp) = self.held_of(device, file) {
                if !self.complete_irp(irp, kswrite_core::IoStatus::failed(NtStatus::CANCELLED)) {
                    // Somebody else has taken it, and completes it.
                    break;
                }
            }
        }
    }

    /// The lock of a synchronous file object, as NtWriteFile takes it.
    pub(crate) fn lock_file(&self, file: FileId) {
        self.enter("IopLockFileObject", Irql::Passive, &[file.into()]);
        self.with(|state| {
            state.files[file].lock_uses += 1;
            state.files[file].waiters += 1;
        });
        let _taken = self.block(WaitFor::FileLock(file), Patience::UNTIL_OVER);
        self.with(|state| {
            state.files[file].waiters -= 1;
            state.files[file].busy = true;
        });
    }

    pub(crate) fn unlock_file(&self, file: FileId) {
        self.enter("IopUnlockFileObject", Irql::Passive, &[file.into()]);
        self.with(|state| state.files[file].busy = false);
    }
}
