//! Volumes and disks, opened as such: who may write where.

use std::{cell::RefCell, collections::HashSet, rc::Rc};

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus};

use super::handle::{FileOptions, Handle};
use crate::{Arrived, Cpu, DeviceId, FileId, Reply, Routines, World};

/// Bytes of the contents.
const SIZE: usize = 4 << 20;
/// Bytes of a sector.
const SECTOR_BYTES: u32 = 512;
/// Bytes at the beginning of a volume that are its boot sectors.
const BOOT_BYTES: u64 = 8 << 10;
/// Where the volume of a disk begins.
const FIRST_VOLUME: u64 = 1 << 20;

/// What is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A volume with a mounted file system, which takes it up but for the boot sectors.
    Volume,
    /// A disk with such a volume on it, from 1 MiB on.
    Disk,
}

/// A volume or a disk.
pub struct Volume {
    device: DeviceId,
    medium: Rc<Medium>,
}

struct Contents {
    bytes: Vec<u8>,
    /// The opens that are there.
    opens: HashSet<FileId>,
    /// The open that has locked it.
    locked_by: Option<FileId>,
    mounted: bool,
}

struct Medium {
    extent: Extent,
    contents: RefCell<Contents>,
}

impl Medium {
    /// Whether a write is allowed, which may be one of the file system's own bytes.
    fn allows(&self, contents: &Contents, write: &Arrived, start: u64) -> bool {
        let end = start.saturating_add(write.length.into());
        let outside = match self.extent {
            Extent::Volume => end <= BOOT_BYTES,
            Extent::Disk => end <= FIRST_VOLUME,
        };
        outside || !contents.mounted || contents.locked_by == Some(write.file)
    }

    fn range(request: &Arrived) -> Result<(u64, std::ops::Range<usize>), NtStatus> {
        let start = u64::try_from(request.offset).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let first = usize::try_from(start).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let whole = start.is_multiple_of(SECTOR_BYTES.into()) && request.length.is_multiple_of(SECTOR_BYTES);
        let range = first..first.saturating_add(request.length as usize);
        if whole && range.end <= SIZE {
            Ok((start, range))
        } else {
            Err(NtStatus::INVALID_PARAMETER)
        }
    }

    fn write(&self, write: &Arrived, bytes: &[u8]) -> Result<usize, NtStatus> {
        let (start, range) = Self::range(write)?;
        let mut contents = self.contents.borrow_mut();
        if !self.allows(&contents, write, start) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let there = contents.bytes.get_mut(range).ok_or(NtStatus::END_OF_FILE)?;
        there.copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

fn done(information: Result<usize, NtStatus>) -> Reply {
    Reply::Complete(match information {
        Err(status) => IoStatus::failed(status),
        Ok(information) => IoStatus {
            status: NtStatus::SUCCESS,
            information,
        },
    })
}

impl Routines for Medium {
    fn write(&self, cpu: &Cpu<'_>, write: &Arrived) -> Reply {
        let bytes = cpu.bytes_of(write);
        done(bytes.and_then(|bytes| self.write(write, &bytes)))
    }

    fn read(&self, cpu: &Cpu<'_>, read: &Arrived) -> Reply {
        let bytes = Self::range(read).map(|(_, range)| {
            let contents = self.contents.borrow();
            contents.bytes.get(range).unwrap_or_default().to_vec()
        });
        done(bytes.map(|bytes| {
            let count = bytes.len();
            cpu.give_bytes(read.irp, bytes);
            count
        }))
    }

    fn clean_up(&self, _cpu: &Cpu<'_>, file: FileId) {
        let mut contents = self.contents.borrow_mut();
        contents.opens.remove(&file);
        contents.locked_by = contents.locked_by.filter(|open| *open != file);
        // It is mounted again by who opens a file of it next; here, at once.
        contents.mounted = true;
    }
}

impl Volume {
    /// A mounted one.
    #[must_use]
    pub fn new(world: &World, extent: Extent) -> Self {
        let medium = Rc::new(Medium {
            extent,
            contents: RefCell::new(Contents {
                bytes: vec![0; SIZE],
                opens: HashSet::new(),
                locked_by: None,
                mounted: true,
            }),
        });
        let device = world.device_with(BufferMethod::Direct, None, Rc::clone(&medium) as Rc<dyn Routines>);
        Self { device, medium }
    }

    /// Bytes of a sector.
    #[must_use]
    pub const fn sector_bytes(&self) -> u32 {
        SECTOR_BYTES
    }

    /// NtCreateFile of the whole.
    ///
    /// # Errors
    ///
    /// The thread has no process.
    pub fn open(&self, cpu: &Cpu<'_>, options: FileOptions) -> Result<Handle, NtStatus> {
        let (handle, file) = cpu.open_device(self.device, options, FileFlags::default())?;
        self.medium.contents.borrow_mut().opens.insert(file);
        Ok(handle)
    }

    fn with<R>(
        &self,
        cpu: &Cpu<'_>,
        volume: Handle,
        f: impl FnOnce(&mut Contents, FileId) -> R,
    ) -> Result<R, NtStatus> {
        let file = cpu.file_of(volume)?;
        let mut contents = self.medium.contents.borrow_mut();
        if contents.opens.contains(&file) {
            Ok(f(&mut contents, file))
        } else {
            Err(NtStatus::INVALID_DEVICE_REQUEST)
        }
    }

    /// `FSCTL_LOCK_VOLUME`, until the handle is closed.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_ACCESS_DENIED`: others have it open.
    pub fn lock(&self, cpu: &Cpu<'_>, volume: Handle) -> Result<(), NtStatus> {
        self.with(cpu, volume, |contents, file| {
            if contents.opens.len() > 1 {
                return Err(NtStatus::ACCESS_DENIED);
            }
            contents.locked_by = Some(file);
            Ok(())
        })?
    }

    /// `FSCTL_DISMOUNT_VOLUME`.
    ///
    /// # Errors
    ///
    /// As of a bad handle.
    pub fn dismount(&self, cpu: &Cpu<'_>, volume: Handle) -> Result<(), NtStatus> {
        self.with(cpu, volume, |contents, _| contents.mounted = false)
    }
}
