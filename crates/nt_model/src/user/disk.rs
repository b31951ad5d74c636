//! A file system.
//!
//! Contents are kept by page, so that a file may be large and almost empty. A cached write is done when the
//! dispatch routine returns, but an asynchronous one returns `STATUS_PENDING` all the same, as NTFS does; one
//! without buffering, or through the cache, completes later.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus};

use super::{
    handle::{FileOptions, Handle},
    locks::Locks,
    transfer::TO_END_OF_FILE,
};
use crate::{Arrived, Cpu, DeviceId, FileId, Reply, Routines, World};

/// Bytes of a sector, as of the disks of today.
const SECTOR_BYTES: u32 = 4096;
/// Bytes of a page of contents.
const PAGE: u64 = PAGE_BYTES as u64;
const PAGE_BYTES: usize = 4096;
/// The time at the beginning, in units of 100 ns since 1601.
const EPOCH: u64 = 130_000_000_000_000_000;
/// `IRP_NOCACHE`.
const IRP_NOCACHE: u32 = 1;
/// `SL_WRITE_THROUGH`.
const SL_WRITE_THROUGH: u8 = 4;

/// Whether a file is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// `CREATE_ALWAYS`: it is made, or emptied.
    Always,
    /// `OPEN_EXISTING`: it must be there.
    Never,
}

/// A disk with a file system.
pub struct Disk {
    device: DeviceId,
    files: Rc<Files>,
}

struct Node {
    pages: BTreeMap<u64, Box<[u8]>>,
    size: u64,
    locks: Locks,
    last_write: u64,
}

#[derive(Default)]
struct Contents {
    nodes: Vec<Node>,
    names: BTreeMap<String, usize>,
    opens: HashMap<FileId, usize>,
    now: u64,
}

#[derive(Default)]
struct Files(RefCell<Contents>);

impl Node {
    fn new(now: u64) -> Self {
        Self {
            pages: BTreeMap::new(),
            size: 0,
            locks: Locks::default(),
            last_write: now,
        }
    }

    fn write(&mut self, start: u64, bytes: &[u8]) {
        let mut at = start;
        let mut left = bytes;
        while !left.is_empty() {
            let skip = usize::try_from(at % PAGE).unwrap_or_default();
            let page = self
                .pages
                .entry(at / PAGE)
                .or_insert_with(|| vec![0; PAGE_BYTES].into());
            let room = page.get_mut(skip..).unwrap_or_default();
            let (here, rest) = left.split_at(left.len().min(room.len()));
            room.iter_mut().zip(here).for_each(|(slot, byte)| *slot = *byte);
            at += here.len() as u64;
            left = rest;
        }
        self.size = self.size.max(start + bytes.len() as u64);
    }

    fn read(&self, start: u64, length: u64) -> Vec<u8> {
        let end = start.saturating_add(length).min(self.size);
        let byte = |at: u64| {
            let skip = usize::try_from(at % PAGE).ok()?;
            self.pages.get(&(at / PAGE))?.get(skip).copied()
        };
        (start..end).map(|at| byte(at).unwrap_or_default()).collect()
    }
}

impl Contents {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        EPOCH + self.now
    }

    fn open(&mut self, name: &str, creation: Creation) -> Result<usize, NtStatus> {
        let now = self.tick();
        let found = self.names.get(name).copied();
        match (creation, found) {
            (Creation::Never, None) => Err(NtStatus::OBJECT_NAME_NOT_FOUND),
            (Creation::Never, Some(node)) => Ok(node),
            (Creation::Always, found) => {
                let number = found.unwrap_or(self.nodes.len());
                match self.nodes.get_mut(number) {
                    Some(node) => {
                        node.pages.clear();
                        node.size = 0;
                        node.last_write = now;
                    }
                    None => self.nodes.push(Node::new(now)),
                }
                self.names.insert(name.to_owned(), number);
                Ok(number)
            }
        }
    }

    fn node(&mut self, file: FileId) -> Result<&mut Node, NtStatus> {
        let number = self.opens.get(&file).copied();
        number
            .and_then(|number| self.nodes.get_mut(number))
            .ok_or(NtStatus::INVALID_DEVICE_REQUEST)
    }

    /// Does a write; where its bytes went.
    fn write(&mut self, write: &Arrived, bytes: Result<Vec<u8>, NtStatus>) -> Result<(u64, usize), NtStatus> {
        let now = self.tick();
        let node = self.node(write.file)?;
        let start = match write.offset {
            TO_END_OF_FILE => node.size,
            offset => u64::try_from(offset).map_err(|_| NtStatus::INVALID_PARAMETER)?,
        };
        let length = u64::from(write.length);
        if i64::try_from(start.saturating_add(length)).is_err() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if length == 0 {
            return Ok((start, 0));
        }
        if !node.locks.allow_write((write.process, write.file), start, length) {
            return Err(super::status::FILE_LOCK_CONFLICT);
        }
        let bytes = bytes.map_err(|_| NtStatus::INVALID_USER_BUFFER)?;
        node.write(start, &bytes);
        node.last_write = now;
        Ok((start, bytes.len()))
    }

    fn read(&mut self, read: &Arrived) -> Result<(u64, Vec<u8>), NtStatus> {
        let node = self.node(read.file)?;
        let start = u64::try_from(read.offset).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let length = u64::from(read.length);
        if !node.locks.allow_read((read.process, read.file), start, length) {
            return Err(super::status::FILE_LOCK_CONFLICT);
        }
        if length > 0 && start >= node.size {
            return Err(NtStatus::END_OF_FILE);
        }
        Ok((start, node.read(start, length)))
    }
}

/// What a request that was done comes to.
fn success(information: usize) -> IoStatus {
    IoStatus {
        status: NtStatus::SUCCESS,
        information,
    }
}

impl Files {
    fn is_synchronous(cpu: &Cpu<'_>, file: FileId) -> bool {
        cpu.world().file_state(file).flags.is_synchronous()
    }
}

impl Routines for Files {
    fn write(&self, cpu: &Cpu<'_>, write: &Arrived) -> Reply {
        let bytes = cpu.bytes_of(write);
        match self.0.borrow_mut().write(write, bytes) {
            Err(status) => Reply::Complete(IoStatus::failed(status)),
            Ok((start, count)) => {
                if count > 0 {
                    cpu.move_position(write.file, start, count);
                }
                let io = success(count);
                let to_disk = write.irp_flags & IRP_NOCACHE != 0 || write.stack_flags & SL_WRITE_THROUGH != 0;
                if to_disk && count > 0 {
                    let cancellable = false;
                    Reply::Later { io, cancellable }
                } else if Self::is_synchronous(cpu, write.file) {
                    Reply::Complete(io)
                } else {
                    Reply::CompletePending(io)
                }
            }
        }
    }

    fn read(&self, cpu: &Cpu<'_>, read: &Arrived) -> Reply {
        match self.0.borrow_mut().read(read) {
            Err(status) => Reply::Complete(IoStatus::failed(status)),
            Ok((start, bytes)) => {
                cpu.move_position(read.file, start, bytes.len());
                let io = success(bytes.len());
                cpu.give_bytes(read.irp, bytes);
                if Self::is_synchronous(cpu, read.file) {
                    Reply::Complete(io)
                } else {
                    Reply::CompletePending(io)
                }
            }
        }
    }

    fn clean_up(&self, _cpu: &Cpu<'_>, file: FileId) {
        let mut contents = self.0.borrow_mut();
        if let Ok(node) = contents.node(file) {
            node.locks.forget(file);
        }
        contents.opens.remove(&file);
    }
}

impl Disk {
    /// An empty one.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let files = Rc::new(Files::default());
        let device = world.device_with(BufferMethod::Neither, None, Rc::clone(&files) as Rc<dyn Routines>);
        world.set_sector_bytes(device, SECTOR_BYTES);
        Self { device, files }
    }

    /// Bytes of a sector.
    #[must_use]
    pub const fn sector_bytes(&self) -> u32 {
        SECTOR_BYTES
    }

    /// NtCreateFile.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND`.
    pub fn open(
        &self,
        cpu: &Cpu<'_>,
        name: &str,
        creation: Creation,
        options: FileOptions,
    ) -> Result<Handle, NtStatus> {
        let node = self.files.0.borrow_mut().open(name, creation)?;
        let (handle, file) = cpu.open_device(self.device, options, FileFlags::default())?;
        self.files.0.borrow_mut().opens.insert(file, node);
        Ok(handle)
    }

    fn with_node<R>(
        &self,
        cpu: &Cpu<'_>,
        file: Handle,
        f: impl FnOnce(&mut Node, FileId) -> R,
    ) -> Result<R, NtStatus> {
        let file = cpu.file_of(file)?;
        let mut contents = self.files.0.borrow_mut();
        contents.node(file).map(|node| f(node, file))
    }

    /// The size of a file in bytes.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_INVALID_DEVICE_REQUEST`: it is not of this disk.
    pub fn size(&self, cpu: &Cpu<'_>, file: Handle) -> Result<u64, NtStatus> {
        self.with_node(cpu, file, |node, _| node.size)
    }

    /// When a file was written last, in units of 100 ns. The clock goes on by one with every request.
    ///
    /// # Errors
    ///
    /// As of [`size`](Self::size).
    pub fn last_write(&self, cpu: &Cpu<'_>, file: Handle) -> Result<u64, NtStatus> {
        self.with_node(cpu, file, |node, _| node.last_write)
    }

    /// NtLockFile that does not wait.
    ///
    /// # Errors
    ///
    /// As of [`size`](Self::size); `STATUS_LOCK_NOT_GRANTED`.
    pub fn lock(
        &self,
        cpu: &Cpu<'_>,
        file: Handle,
        start: u64,
        length: u64,
        exclusive: bool,
    ) -> Result<(), NtStatus> {
        let process = cpu.process()?;
        self.with_node(cpu, file, |node, file| {
            node.locks.lock((Some(process), file), start, length, exclusive)
        })?
    }

    /// NtUnlockFile.
    ///
    /// # Errors
    ///
    /// As of [`size`](Self::size); `STATUS_RANGE_NOT_LOCKED`.
    pub fn unlock(&self, cpu: &Cpu<'_>, file: Handle, start: u64, length: u64) -> Result<(), NtStatus> {
        let process = cpu.process()?;
        self.with_node(cpu, file, |node, file| {
            node.locks.unlock((Some(process), file), start, length)
        })?
    }
}
