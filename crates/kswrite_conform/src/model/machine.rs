//! What the threads of a case share: the world, its file systems, and the memory that a case names by number.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use kswrite_core::{FileFlags, IoStatus, NtStatus};
use kswrite_wire::names::SinkKind;
use nt_model::{
    Address, BlockId, Change, Cpu, FileId, PAGE_BYTES, World,
    user::{
        Console, Creation, Disk, Extent, FileAccess, FileOptions, Handle, Mailslots, Pipes, SerialPort,
        Volume,
    },
};

use super::{faces::Table, sink::Sink};
use crate::win32::{Access, Buffer, Data, Disposition, Open, Ov, Overlapped, Protection, UNTOUCHED};

/// What a status block holds before a call.
const NOTHING_YET: IoStatus = IoStatus {
    status: NtStatus(UNTOUCHED.cast_signed()),
    information: UNTOUCHED as usize,
};

/// An `OVERLAPPED`.
#[derive(Clone, Copy)]
pub(super) struct OvCell {
    /// `Internal` and `InternalHigh`.
    pub(super) block: BlockId,
    /// The rest.
    pub(super) content: Overlapped,
}

#[derive(Clone, Copy)]
struct Memory {
    address: Address,
    length: usize,
}

/// What a machine has because of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Special {
    /// Nothing.
    #[default]
    Nothing,
    /// The filter above each sink.
    Filter,
    /// A serial port of this name.
    Serial(String),
    /// A volume or a disk of this name.
    Volume(String),
}

/// What the threads of a case share.
pub(super) struct Machine {
    pub(super) world: World,
    pub(super) disk: Disk,
    pub(super) pipes: Pipes,
    pub(super) mailslots: Mailslots,
    pub(super) console: Console,
    pub(super) serial: SerialPort,
    /// Made when it is opened first.
    volume: OnceCell<Volume>,
    special: Special,
    pub(super) faces: Table,
    sinks: RefCell<HashMap<FileId, Rc<Sink>>>,
    buffers: RefCell<Vec<Memory>>,
    overlapped: RefCell<Vec<OvCell>>,
    /// Stands for an `OVERLAPPED` that was never made.
    nowhere: Cell<Option<BlockId>>,
}

impl Machine {
    pub(super) fn new(world: &World, special: Special) -> Self {
        Self {
            world: world.clone(),
            disk: Disk::new(world),
            pipes: Pipes::new(world),
            mailslots: Mailslots::new(world),
            console: Console::new(world),
            serial: SerialPort::new(world),
            volume: OnceCell::new(),
            special,
            faces: Table::default(),
            sinks: RefCell::default(),
            buffers: RefCell::default(),
            overlapped: RefCell::default(),
            nowhere: Cell::default(),
        }
    }

    /// Memory at the end of a page or pages.
    pub(super) fn buffer(&self, bytes: &[u8]) -> Buffer {
        let length = bytes.len();
        let page = usize::try_from(PAGE_BYTES).unwrap_or(usize::MAX);
        let whole = length.max(1).next_multiple_of(page);
        let start = self.world.user_buffer(&vec![0; whole]);
        let address = start.plus((whole - length) as u64);
        self.world.change(&Change::Write(address, bytes.to_vec()));
        let mut buffers = self.buffers.borrow_mut();
        buffers.push(Memory { address, length });
        Buffer(u32::try_from(buffers.len() - 1).unwrap_or(u32::MAX))
    }

    fn memory(&self, buffer: Buffer) -> Memory {
        let null = Memory {
            address: Address(0),
            length: 0,
        };
        self.buffers
            .borrow()
            .get(buffer.0 as usize)
            .copied()
            .unwrap_or(null)
    }

    pub(super) fn address(&self, data: Data) -> Address {
        match data {
            Data::Null => Address(0),
            Data::Of(buffer) => self.memory(buffer).address,
        }
    }

    pub(super) fn set_bytes(&self, buffer: Buffer, offset: usize, bytes: &[u8]) {
        let address = self.memory(buffer).address.plus(offset as u64);
        self.world.change(&Change::Write(address, bytes.to_vec()));
    }

    pub(super) fn bytes(&self, buffer: Buffer) -> Vec<u8> {
        let Memory { address, length } = self.memory(buffer);
        self.world.peek(address, length)
    }

    pub(super) fn protect(&self, buffer: Buffer, protection: Protection) {
        let protection = match protection {
            Protection::ReadWrite => nt_model::Protection::ReadWrite,
            Protection::ReadOnly => nt_model::Protection::ReadOnly,
            Protection::NoAccess => nt_model::Protection::NoAccess,
        };
        let Memory { address, length } = self.memory(buffer);
        let end = address.0 + length.max(1) as u64;
        let first = address.0 / PAGE_BYTES;
        for page in first..end.div_ceil(PAGE_BYTES) {
            let address = Address(page * PAGE_BYTES);
            self.world.change(&Change::Protect(address, protection));
        }
    }

    pub(super) fn new_overlapped(&self, content: Overlapped) -> Ov {
        let block = self.world.status_block();
        self.world.fill_block(block, NOTHING_YET);
        let mut cells = self.overlapped.borrow_mut();
        cells.push(OvCell { block, content });
        Ov(u32::try_from(cells.len() - 1).unwrap_or(u32::MAX))
    }

    pub(super) fn overlapped(&self, overlapped: Ov) -> OvCell {
        let cell = self.overlapped.borrow().get(overlapped.0 as usize).copied();
        cell.unwrap_or_else(|| {
            let block = self.nowhere.get().unwrap_or_else(|| self.world.status_block());
            self.nowhere.set(Some(block));
            let content = Overlapped::default();
            OvCell { block, content }
        })
    }

    /// CreateFile.
    pub(super) fn open(&self, cpu: &Cpu<'_>, path: &str, open: Open) -> Result<Handle, NtStatus> {
        let options = FileOptions {
            access: match open.access {
                Access::Read => FileAccess::READ,
                Access::Write => FileAccess::WRITE,
                Access::ReadWrite => FileAccess::READ_WRITE,
                Access::AppendData => FileAccess::APPEND,
            },
            synchronous: !open.overlapped,
            write_through: open.write_through,
            no_buffering: open.no_buffering,
        };
        if let Some(kind) = SinkKind::ALL.into_iter().find(|kind| kind.path() == path) {
            return self.open_sink(cpu, kind, options);
        }
        if path.starts_with(r"\\.\pipe\") {
            return self.pipes.open(cpu, path, options);
        }
        if path.starts_with(r"\\.\mailslot\") {
            return self.mailslots.open(cpu, path, options);
        }
        if path == "CONOUT$" {
            return self.console.open(cpu, options);
        }
        match &self.special {
            Special::Serial(name) if name == path => return self.serial.open(cpu, options),
            Special::Volume(name) if name == path => return self.volume().open(cpu, options),
            _ => {}
        }
        let creation = match open.disposition {
            Disposition::CreateAlways => Creation::Always,
            Disposition::OpenExisting => Creation::Never,
        };
        self.disk.open(cpu, path, creation, options)
    }

    /// The volume, or the disk, if the name is one of a disk.
    pub(super) fn volume(&self) -> &Volume {
        self.volume.get_or_init(|| {
            let is_disk = matches!(&self.special, Special::Volume(name) if name.to_ascii_lowercase().contains("physicaldrive"));
            let extent = if is_disk { Extent::Disk } else { Extent::Volume };
            Volume::new(&self.world, extent)
        })
    }

    fn open_sink(&self, cpu: &Cpu<'_>, kind: SinkKind, options: FileOptions) -> Result<Handle, NtStatus> {
        let filtered = self.special == Special::Filter;
        let (sink, device) = Sink::new(&self.world, kind, filtered);
        let (handle, file) = cpu.open_device(device, options, FileFlags::default())?;
        self.sinks.borrow_mut().insert(file, Rc::new(sink));
        Ok(handle)
    }

    /// The sink of a handle.
    pub(super) fn sink(&self, cpu: &Cpu<'_>, handle: Handle) -> Result<Rc<Sink>, String> {
        let file = cpu.file_of(handle).map_err(|status| status.to_string())?;
        let sink = self.sinks.borrow().get(&file).map(Rc::clone);
        sink.ok_or_else(|| "this handle is of no sink".to_owned())
    }
}
