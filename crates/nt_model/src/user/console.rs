//! Consoles: text goes to the cursor, which moves on.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    rc::Rc,
};

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus};

use super::handle::{FileOptions, Handle};
use crate::{Arrived, Cpu, DeviceId, FileId, Reply, Routines, World};

/// Columns of the screen.
const COLUMNS: i16 = 80;
/// Rows of the screen.
const ROWS: i16 = 25;

/// A console with a screen.
pub struct Console {
    device: DeviceId,
    screen: Rc<Screen>,
}

#[derive(Default)]
struct Screen {
    cursor: Cell<(i16, i16)>,
    opens: RefCell<HashSet<FileId>>,
}

impl Screen {
    fn put(&self, byte: u8) {
        let (column, row) = self.cursor.get();
        let (column, row) = match byte {
            b'\r' => (0, row),
            b'\n' => (column, row + 1),
            _ if column + 1 == COLUMNS => (0, row + 1),
            _ => (column + 1, row),
        };
        // The screen scrolls.
        self.cursor.set((column, row.min(ROWS - 1)));
    }
}

impl Routines for Screen {
    fn write(&self, cpu: &Cpu<'_>, write: &Arrived) -> Reply {
        Reply::Complete(match cpu.bytes_of(write) {
            Err(status) => IoStatus::failed(status),
            Ok(bytes) => {
                for byte in &bytes {
                    self.put(*byte);
                }
                IoStatus {
                    status: NtStatus::SUCCESS,
                    information: bytes.len(),
                }
            }
        })
    }

    fn clean_up(&self, _cpu: &Cpu<'_>, file: FileId) {
        self.opens.borrow_mut().remove(&file);
    }
}

impl Console {
    /// With an empty screen.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let screen = Rc::new(Screen::default());
        let device = world.device_with(
            BufferMethod::Buffered,
            None,
            Rc::clone(&screen) as Rc<dyn Routines>,
        );
        Self { device, screen }
    }

    /// NtCreateFile of `CONOUT$`. A console is synchronous however it is opened.
    ///
    /// # Errors
    ///
    /// The thread has no process.
    pub fn open(&self, cpu: &Cpu<'_>, options: FileOptions) -> Result<Handle, NtStatus> {
        let synchronous = true;
        let options = FileOptions {
            synchronous,
            ..options
        };
        let (handle, file) = cpu.open_device(self.device, options, FileFlags::default())?;
        self.screen.opens.borrow_mut().insert(file);
        Ok(handle)
    }

    /// The column and row of the cursor.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_INVALID_HANDLE`: it is not of this console.
    pub fn cursor(&self, cpu: &Cpu<'_>, console: Handle) -> Result<(i16, i16), NtStatus> {
        let file = cpu.file_of(console)?;
        if self.screen.opens.borrow().contains(&file) {
            Ok(self.screen.cursor.get())
        } else {
            Err(NtStatus::INVALID_HANDLE)
        }
    }
}
