//! NtReadFile and NtWriteFile, with handles.

use kswrite_core::{FileFlags, NtStatus};

use super::handle::{FileAccess, Handle};
use crate::{
    Address, BlockId, Cpu, FileId, Irql, PortContext,
    irp::{IRP_MJ_READ, IRP_MJ_WRITE},
    transfer::Transfer,
};

/// `FO_NAMED_PIPE`.
pub(crate) const FO_NAMED_PIPE: FileFlags = FileFlags(0x80);
/// `FO_MAILSLOT`.
pub(crate) const FO_MAILSLOT: FileFlags = FileFlags(0x200);
/// `FILE_WRITE_TO_END_OF_FILE`.
pub(crate) const TO_END_OF_FILE: i64 = -1;
/// `FILE_USE_FILE_POINTER_POSITION`.
const AT_POSITION: i64 = -2;

/// The arguments of NtReadFile and NtWriteFile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtTransfer {
    /// `FileHandle`.
    pub file: Handle,
    /// `Event`.
    pub event: Option<Handle>,
    /// `ApcContext` of an `ApcRoutine`. `None`: there is no routine.
    pub apc: Option<u64>,
    /// `ApcContext` without a routine: of the completion packet.
    pub port_context: Option<PortContext>,
    /// `IoStatusBlock`.
    pub status_block: BlockId,
    /// `Buffer`.
    pub buffer: Address,
    /// `Length`.
    pub length: u32,
    /// `ByteOffset`.
    pub offset: Option<i64>,
}

impl Cpu<'_> {
    /// NtWriteFile.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Status
    ///
    /// Before anything is touched: that of a bad handle; `STATUS_ACCESS_DENIED`; `STATUS_INVALID_PARAMETER` for an
    /// offset that makes no sense, sectors that are not whole, or an APC together with a port.
    pub fn nt_write(&self, arguments: &NtTransfer) -> NtStatus {
        let NtTransfer { file, length, .. } = *arguments;
        self.enter("NtWriteFile", Irql::Passive, &[file.into(), length.into()]);
        let checked = self.check_access(arguments, |access, flags| {
            // On a pipe the right to append is another one.
            access.write || access.append && flags.0 & FO_NAMED_PIPE.0 == 0
        });
        self.go(IRP_MJ_WRITE, arguments, checked)
    }

    /// NtReadFile.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Status
    ///
    /// As of NtWriteFile.
    pub fn nt_read(&self, arguments: &NtTransfer) -> NtStatus {
        let NtTransfer { file, length, .. } = *arguments;
        self.enter("NtReadFile", Irql::Passive, &[file.into(), length.into()]);
        let checked = self.check_access(arguments, |access, _| access.read);
        self.go(IRP_MJ_READ, arguments, checked)
    }

    fn check_access(
        &self,
        arguments: &NtTransfer,
        allowed: impl FnOnce(FileAccess, FileFlags) -> bool,
    ) -> Result<(FileId, FileAccess), NtStatus> {
        let (file, access) = self.file_and_access(arguments.file)?;
        let flags = self.with(|state| state.files[file].flags);
        if allowed(access, flags) {
            Ok((file, access))
        } else {
            Err(NtStatus::ACCESS_DENIED)
        }
    }

    fn go(
        &self,
        major: u8,
        arguments: &NtTransfer,
        file: Result<(FileId, FileAccess), NtStatus>,
    ) -> NtStatus {
        match file.and_then(|(file, access)| self.check_transfer(major, arguments, file, access)) {
            Ok(transfer) => self.transfer(&transfer),
            Err(status) => status,
        }
    }

    fn check_transfer(
        &self,
        major: u8,
        arguments: &NtTransfer,
        file: FileId,
        access: FileAccess,
    ) -> Result<Transfer, NtStatus> {
        let appends = major == IRP_MJ_WRITE && !access.write;
        let offset = if appends {
            Some(TO_END_OF_FILE)
        } else {
            self.check_offset(major, arguments.offset, file)?
        };
        self.check_sectors(arguments, file, offset)?;
        let has_port = self.with(|state| state.files[file].port.is_some());
        if arguments.apc.is_some() && has_port {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let event = arguments.event.map(|event| self.event_of(event)).transpose()?;
        Ok(Transfer {
            major,
            file,
            event,
            port_context: arguments.port_context,
            user_apc: arguments.apc,
            status_block: arguments.status_block,
            buffer: arguments.buffer,
            length: arguments.length,
            offset,
            key: 0,
        })
    }

    /// The offset of the IRP; `None`: the position, once the file object is locked.
    fn check_offset(&self, major: u8, offset: Option<i64>, file: FileId) -> Result<Option<i64>, NtStatus> {
        let flags = self.with(|state| state.files[file].flags);
        let synchronous = flags.is_synchronous();
        let without_offsets = flags.0 & (FO_NAMED_PIPE.0 | FO_MAILSLOT.0) != 0;
        match offset {
            None | Some(AT_POSITION) if synchronous => Ok(None),
            None if without_offsets => Ok(Some(0)),
            Some(offset) if offset >= 0 => Ok(Some(offset)),
            Some(TO_END_OF_FILE) if major == IRP_MJ_WRITE => Ok(Some(TO_END_OF_FILE)),
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    /// Without buffering, memory and file must be taken in whole sectors.
    fn check_sectors(
        &self,
        arguments: &NtTransfer,
        file: FileId,
        offset: Option<i64>,
    ) -> Result<(), NtStatus> {
        let (flags, sector) = self.with(|state| {
            let file = &state.files[file];
            (file.flags, u64::from(state.devices[file.device].sector_bytes))
        });
        if !flags.is_uncached() || sector == 0 {
            return Ok(());
        }
        let offset = offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
        let whole = |number: u64| number.is_multiple_of(sector);
        if whole(arguments.length.into()) && whole(arguments.buffer.0) && whole(offset) {
            Ok(())
        } else {
            Err(NtStatus::INVALID_PARAMETER)
        }
    }

    /// NtSetInformationFile with `FileIoCompletionNotificationInformation`: `FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`
    /// (1) and `FILE_SKIP_SET_EVENT_ON_HANDLE` (2). What is set stays set.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_INVALID_PARAMETER`: an unknown mode, or 1 for a synchronous file.
    pub fn nt_set_notification_modes(&self, file: Handle, modes: u8) -> Result<(), NtStatus> {
        const SKIP_PORT: u8 = 1;
        const SKIP_EVENT: u8 = 2;
        self.enter("NtSetInformationFile", Irql::Passive, &[file.into()]);
        let file = self.file_of(file)?;
        self.with(|state| {
            let flags = &mut state.files[file].flags;
            let skips_port = modes & SKIP_PORT != 0;
            if modes & !(SKIP_PORT | SKIP_EVENT) != 0 || skips_port && flags.is_synchronous() {
                return Err(NtStatus::INVALID_PARAMETER);
            }
            if skips_port {
                *flags = *flags | FileFlags::SKIP_COMPLETION_PORT;
            }
            if modes & SKIP_EVENT != 0 {
                *flags = *flags | FileFlags::SKIP_SET_EVENT;
            }
            Ok(())
        })
    }

    /// NtQueryInformationFile with `FilePositionInformation`.
    ///
    /// # Errors
    ///
    /// As of a bad handle.
    pub fn nt_position(&self, file: Handle) -> Result<i64, NtStatus> {
        let file = self.file_of(file)?;
        Ok(self.with(|state| state.files[file].position))
    }

    /// NtSetInformationFile with `FilePositionInformation`.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_INVALID_PARAMETER`: it is negative.
    pub fn nt_set_position(&self, file: Handle, position: i64) -> Result<(), NtStatus> {
        let file = self.file_of(file)?;
        if position < 0 {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        self.world().set_position(file, position);
        Ok(())
    }
}
