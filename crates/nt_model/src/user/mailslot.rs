//! Mailslots: messages to one reader, who does not wait for them.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use kswrite_core::{BufferMethod, IoStatus, NtStatus};

use super::{
    handle::{FileAccess, FileOptions, Handle},
    status,
    transfer::FO_MAILSLOT,
};
use crate::{Arrived, Cpu, DeviceId, FileId, Reply, Routines, World};

/// The mailslot file system.
pub struct Mailslots {
    device: DeviceId,
    slots: Rc<Slots>,
}

struct Slot {
    name: String,
    messages: VecDeque<Vec<u8>>,
    has_reader: bool,
}

#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    /// The slot, and whether it is the reading end.
    opens: HashMap<FileId, (usize, bool)>,
}

#[derive(Default)]
struct Slots(RefCell<Table>);

impl Table {
    fn slot(&mut self, file: FileId) -> Option<&mut Slot> {
        let (slot, _) = *self.opens.get(&file)?;
        self.slots.get_mut(slot)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.has_reader && slot.name.eq_ignore_ascii_case(name))
    }

    fn read(&mut self, read: &Arrived) -> Result<Vec<u8>, NtStatus> {
        let slot = self.slot(read.file).ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
        let next = slot.messages.front().ok_or(status::IO_TIMEOUT)?;
        if next.len() > read.length as usize {
            return Err(NtStatus::BUFFER_TOO_SMALL);
        }
        slot.messages.pop_front().ok_or(status::IO_TIMEOUT)
    }
}

impl Routines for Slots {
    fn write(&self, cpu: &Cpu<'_>, write: &Arrived) -> Reply {
        let bytes = cpu.bytes_of(write);
        let mut table = self.0.borrow_mut();
        let written = bytes.and_then(|bytes| {
            let slot = table.slot(write.file).filter(|slot| slot.has_reader);
            let slot = slot.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
            let information = bytes.len();
            slot.messages.push_back(bytes);
            Ok(IoStatus {
                status: NtStatus::SUCCESS,
                information,
            })
        });
        Reply::Complete(written.unwrap_or_else(IoStatus::failed))
    }

    fn read(&self, cpu: &Cpu<'_>, read: &Arrived) -> Reply {
        let message = self.0.borrow_mut().read(read);
        Reply::Complete(match message {
            Err(status) => IoStatus::failed(status),
            Ok(bytes) => {
                let information = bytes.len();
                cpu.give_bytes(read.irp, bytes);
                IoStatus {
                    status: NtStatus::SUCCESS,
                    information,
                }
            }
        })
    }

    fn clean_up(&self, _cpu: &Cpu<'_>, file: FileId) {
        let mut table = self.0.borrow_mut();
        let reads = table.opens.get(&file).is_some_and(|(_, reads)| *reads);
        if let Some(slot) = table.slot(file).filter(|_| reads) {
            slot.has_reader = false;
        }
        table.opens.remove(&file);
    }
}

impl Mailslots {
    /// Without any.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let slots = Rc::new(Slots::default());
        let device = world.device_with(
            BufferMethod::Buffered,
            None,
            Rc::clone(&slots) as Rc<dyn Routines>,
        );
        Self { device, slots }
    }

    /// NtCreateMailslotFile: the reading end, synchronous, which does not wait.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_COLLISION`.
    pub fn create(&self, cpu: &Cpu<'_>, name: &str) -> Result<Handle, NtStatus> {
        if self.slots.0.borrow().find(name).is_some() {
            return Err(NtStatus::OBJECT_NAME_COLLISION);
        }
        let options = FileOptions::new(FileAccess::READ, true);
        let (handle, file) = cpu.open_device(self.device, options, FO_MAILSLOT)?;
        let mut table = self.slots.0.borrow_mut();
        table.slots.push(Slot {
            name: name.to_owned(),
            messages: VecDeque::new(),
            has_reader: true,
        });
        let slot = table.slots.len() - 1;
        table.opens.insert(file, (slot, true));
        Ok(handle)
    }

    /// NtCreateFile of a writing end.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND`.
    pub fn open(&self, cpu: &Cpu<'_>, name: &str, options: FileOptions) -> Result<Handle, NtStatus> {
        let slot = self.slots.0.borrow().find(name);
        let slot = slot.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
        let (handle, file) = cpu.open_device(self.device, options, FO_MAILSLOT)?;
        self.slots.0.borrow_mut().opens.insert(file, (slot, false));
        Ok(handle)
    }
}
