//! A write to any file object, on the control device of the filter.
//!
//! The input is a [`Header`], and behind it the bytes if they are not at an address of the caller. The output is
//! a [`Report`]. The control request goes on until the write is over, and succeeds whatever became of the
//! write: that is in the report. Only a request that could not be understood, or named a handle that
//! cannot be used, fails itself.

use core::num::NonZeroU64;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ioctl::{Access, ControlCode};

/// In: [`Header`], then the bytes of a [`Mode::Kernel`] write. Out: [`Report`].
pub const WRITE_FILE_OBJECT: ControlCode = ControlCode::new(0x03, Access::Write);

/// The most bytes of one write.
pub const MAX_BYTES: u32 = 64 << 20;

numbered! {
    /// `RequestorMode`: whose address the buffer is.
    Mode {
        /// The kernel's: the bytes follow the header, and the driver passes the address at which it has them.
        Kernel = 0, "kernel";
        /// A program's: the bytes are at an address of the caller's process, which the driver probes.
        User = 1, "user";
    }
}

numbered! {
    /// Who completes the IRP of the write.
    Completer {
        /// The driver, with an IRP of its own. The write is cancelled with the control request.
        Driver = 0, "driver";
        /// The I/O manager, with an IRP of the calling thread, as KsWriteFile does.
        IoManager = 1, "io-manager";
    }
}

/// Bits of [`Header::flags`].
pub mod flags {
    /// The write starts at [`Header::offset`](super::Header::offset), not at the position of the file object.
    pub const AT_OFFSET: u32 = 1;
    /// The position of a synchronous file object is moved behind the last byte written.
    pub const ADVANCE: u32 = 2;
    /// A synchronous write is cancelled after [`Header::time_limit`](super::Header::time_limit).
    pub const TIME_LIMIT: u32 = 4;
    /// All that are defined.
    pub const ALL: u32 = AT_OFFSET | ADVANCE | TIME_LIMIT;
}

/// The arguments of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Header {
    /// [`Header::SIZE`].
    pub size: u32,
    /// See [`flags`].
    pub flags: u32,
    /// A handle of the caller, to a file that it may write to.
    pub file: u64,
    /// A handle of the caller, to an event that it may set. 0: none.
    pub event: u64,
    /// The context of the completion packet. 0: no packet.
    pub port_context: u64,
    /// The address of the bytes of a [`Mode::User`] write; else 0.
    pub buffer: u64,
    /// Where the write starts, with [`flags::AT_OFFSET`]; else 0.
    pub offset: i64,
    /// In units of 100 nanoseconds, with [`flags::TIME_LIMIT`]; else 0.
    pub time_limit: u64,
    /// Bytes to write, at most [`MAX_BYTES`].
    pub length: u32,
    /// The byte-lock key. 0: none.
    pub key: u32,
    /// A [`Mode`].
    pub mode: u32,
    /// A [`Completer`].
    pub completer: u32,
}

impl Header {
    /// Bytes of a header.
    pub const SIZE: u32 = 72;
}

/// Where the bytes of a write are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes<'a> {
    /// Behind the header.
    Inline(&'a [u8]),
    /// At an address that the caller alleges to be its own.
    At {
        /// The address.
        address: u64,
        /// How many.
        length: u32,
    },
}

/// A [`Header`] whose values make sense, with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write<'a> {
    /// The handle of the file.
    pub file: u64,
    /// The handle of the event.
    pub event: Option<NonZeroU64>,
    /// The context of the completion packet.
    pub port_context: Option<NonZeroU64>,
    /// The bytes; inline ones are the kernel's, others a program's.
    pub bytes: Bytes<'a>,
    /// Where the write starts, if not at the position of the file object.
    pub offset: Option<i64>,
    /// Whether the position is moved.
    pub advance: bool,
    /// When a synchronous write is cancelled, in units of 100 nanoseconds.
    pub time_limit: Option<u64>,
    /// The byte-lock key.
    pub key: u32,
    /// Who completes the IRP.
    pub completer: Completer,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The input is shorter than the header, or `size` is not that of the header.
    Size,
    /// A flag that is not defined, or a value without its flag.
    Flags,
    /// `mode` is not a [`Mode`].
    Mode,
    /// `completer` is not a [`Completer`].
    Completer,
    /// An address in a [`Mode::Kernel`] write: what is there would be the kernel's word.
    Address,
    /// `length` is over [`MAX_BYTES`], or not that of the bytes behind the header; a [`Mode::User`] write
    /// has none there.
    Length,
}

/// Reads the input of [`WRITE_FILE_OBJECT`].
///
/// # Errors
///
/// The first thing that makes no sense.
pub fn parse(input: &[u8]) -> Result<Write<'_>, WriteError> {
    let (header, inline) = Header::read_from_prefix(input).map_err(|_| WriteError::Size)?;
    if header.size != Header::SIZE {
        return Err(WriteError::Size);
    }
    let has = |flag| header.flags & flag != 0;
    let idle_offset = !has(flags::AT_OFFSET) && header.offset != 0;
    let idle_limit = !has(flags::TIME_LIMIT) && header.time_limit != 0;
    if header.flags & !flags::ALL != 0 || idle_offset || idle_limit {
        return Err(WriteError::Flags);
    }
    let mode = Mode::from_u32(header.mode).ok_or(WriteError::Mode)?;
    let completer = Completer::from_u32(header.completer).ok_or(WriteError::Completer)?;
    Ok(Write {
        file: header.file,
        event: NonZeroU64::new(header.event),
        port_context: NonZeroU64::new(header.port_context),
        bytes: bytes(&header, mode, inline)?,
        offset: has(flags::AT_OFFSET).then_some(header.offset),
        advance: has(flags::ADVANCE),
        time_limit: has(flags::TIME_LIMIT).then_some(header.time_limit),
        key: header.key,
        completer,
    })
}

fn bytes<'a>(header: &Header, mode: Mode, inline: &'a [u8]) -> Result<Bytes<'a>, WriteError> {
    if header.length > MAX_BYTES {
        return Err(WriteError::Length);
    }
    let inline_wanted = match mode {
        Mode::Kernel if header.buffer != 0 => return Err(WriteError::Address),
        Mode::Kernel => header.length as usize,
        Mode::User => 0,
    };
    if inline.len() != inline_wanted {
        return Err(WriteError::Length);
    }
    Ok(match mode {
        Mode::Kernel => Bytes::Inline(inline),
        Mode::User => Bytes::At {
            address: header.buffer,
            length: header.length,
        },
    })
}

numbered! {
    /// What came of fast I/O.
    Attempt {
        /// It did the write.
        Done = 1, "done";
        /// No routine was called; [`Report::skip`] says why.
        Skipped = 2, "skipped";
        /// The routine returned FALSE.
        Declined = 3, "declined";
        /// The routine returned TRUE with another status than success, which is [`Report::attempt_status`].
        NotSuccess = 4, "not-success";
        /// The routine raised an exception, whose code is [`Report::attempt_status`].
        Faulted = 5, "faulted";
    }
}

numbered! {
    /// Why no fast-I/O routine was called.
    Skip {
        /// One was called.
        None = 0, "-";
        /// The requestor mode is user and the previous mode is kernel.
        Mode = 1, "mode";
        /// The IRQL forbids it.
        Irql = 2, "irql";
        /// The request goes past the cache.
        Uncached = 3, "uncached";
        /// The address means nothing in this address space.
        Context = 4, "context";
        /// The pages have no address.
        NoAddress = 5, "no-address";
        /// There is no file object.
        NoFile = 6, "no-file";
        /// A completion packet is due.
        Packet = 7, "packet";
        /// An argument makes no sense; nothing was attempted.
        BadParameter = 8, "bad-parameter";
        /// The driver has no table.
        NoTable = 9, "no-table";
        /// The table ends before the slot.
        ShortTable = 10, "short-table";
        /// The slot is NULL.
        EmptySlot = 11, "empty-slot";
        /// The write was cancelled before it began.
        Cancelled = 12, "cancelled";
        /// The policy of the device forbids it.
        Policy = 13, "policy";
    }
}

numbered! {
    /// How an IRP carried the bytes.
    Carrier {
        /// There was no IRP.
        None = 0, "-";
        /// Not at all: there were none.
        Nothing = 1, "nothing";
        /// In a system buffer that was there before.
        BorrowedSystemBuffer = 2, "borrowed-system-buffer";
        /// In a system buffer with a copy.
        SystemBuffer = 3, "system-buffer";
        /// As an MDL.
        Mdl = 4, "mdl";
        /// At the raw address.
        UserBuffer = 5, "user-buffer";
    }
}

numbered! {
    /// How the write came to its end.
    Completion {
        /// It failed before anything was sent.
        None = 0, "-";
        /// By the fast-I/O routine.
        Fast = 1, "fast";
        /// By an IRP that was complete when the device returned.
        Inline = 2, "inline";
        /// By an IRP that the device completed later.
        Pended = 3, "pended";
    }
}

numbered! {
    /// What a cancel did to the write.
    Cancel {
        /// Nobody asked.
        NotAsked = 0, "-";
        /// Asked before the IRP was sent, and it was not sent.
        BeforeSend = 1, "before-send";
        /// Asked, and the device cancelled the write.
        Cancelled = 2, "cancelled";
        /// Asked, but the write ended in another way.
        TooLate = 3, "too-late";
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Report {
    /// What the routine returned: the NTSTATUS of the write, or `STATUS_PENDING` if it ended later.
    pub returned: i32,
    /// The final NTSTATUS.
    pub final_status: i32,
    /// 1 if the status block was written, 0 if it was left alone.
    pub block_written: u32,
    /// `Status` of the status block, 0 if it was left alone.
    pub block_status: i32,
    /// `Information` of the status block, 0 if it was left alone.
    pub information: u64,
    /// An [`Attempt`].
    pub attempt: u32,
    /// NTSTATUS that goes with it; else 0.
    pub attempt_status: i32,
    /// A [`Skip`].
    pub skip: u32,
    /// A [`Carrier`].
    pub carrier: u32,
    /// A [`Completion`].
    pub completion: u32,
    /// A [`Cancel`].
    pub cancel: u32,
}

/// A [`Report`] whose values make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedReport {
    /// What the routine returned.
    pub returned: i32,
    /// The final NTSTATUS.
    pub final_status: i32,
    /// NTSTATUS and bytes in the status block; `None` if it was left alone.
    pub block: Option<(i32, u64)>,
    /// What came of fast I/O.
    pub attempt: Attempt,
    /// NTSTATUS that goes with it.
    pub attempt_status: i32,
    /// Why no fast-I/O routine was called.
    pub skip: Skip,
    /// How an IRP carried the bytes.
    pub carrier: Carrier,
    /// How the write came to its end.
    pub completion: Completion,
    /// What a cancel did to the write.
    pub cancel: Cancel,
}

impl Report {
    /// Bytes of a report.
    pub const SIZE: u32 = 48;

    /// Checks every field; `None`: one makes no sense.
    pub fn check(&self) -> Option<CheckedReport> {
        let block = match self.block_written {
            0 if self.block_status == 0 && self.information == 0 => None,
            1 => Some((self.block_status, self.information)),
            _ => return None,
        };
        Some(CheckedReport {
            returned: self.returned,
            final_status: self.final_status,
            block,
            attempt: Attempt::from_u32(self.attempt)?,
            attempt_status: self.attempt_status,
            skip: Skip::from_u32(self.skip)?,
            carrier: Carrier::from_u32(self.carrier)?,
            completion: Completion::from_u32(self.completion)?,
            cancel: Cancel::from_u32(self.cancel)?,
        })
    }
}

const _: () = assert!(size_of::<Header>() == Header::SIZE as usize);
const _: () = assert!(size_of::<Report>() == Report::SIZE as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const KERNEL: Header = Header {
        size: Header::SIZE,
        flags: 0,
        file: 4,
        event: 0,
        port_context: 0,
        buffer: 0,
        offset: 0,
        time_limit: 0,
        length: 3,
        key: 0,
        mode: Mode::Kernel as u32,
        completer: Completer::Driver as u32,
    };

    const USER: Header = Header {
        buffer: 0x1000,
        mode: Mode::User as u32,
        ..KERNEL
    };

    fn input(header: Header, inline: &[u8]) -> Vec<u8> {
        let mut input = header.as_bytes().to_vec();
        input.extend_from_slice(inline);
        input
    }

    fn refused(header: Header, inline: &[u8]) -> Option<WriteError> {
        parse(&input(header, inline)).err()
    }

    #[test]
    fn kernel_bytes_are_inline_and_user_bytes_at_an_address() {
        let bytes = input(KERNEL, b"abc");
        let write = parse(&bytes).unwrap();
        assert_eq!(write.bytes, Bytes::Inline(b"abc"));
        assert_eq!((write.file, write.event, write.offset), (4, None, None));
        let bytes = input(USER, b"");
        let write = parse(&bytes).unwrap();
        assert_eq!(
            write.bytes,
            Bytes::At {
                address: 0x1000,
                length: 3
            }
        );
    }

    #[test]
    fn every_argument_arrives() {
        let header = Header {
            flags: flags::ALL,
            event: 8,
            port_context: 9,
            offset: -1,
            time_limit: 10,
            key: 11,
            completer: Completer::IoManager as u32,
            ..USER
        };
        let bytes = input(header, b"");
        let write = parse(&bytes).unwrap();
        assert_eq!(write.event.map(NonZeroU64::get), Some(8));
        assert_eq!(write.port_context.map(NonZeroU64::get), Some(9));
        assert_eq!(
            (write.offset, write.advance, write.time_limit, write.key),
            (Some(-1), true, Some(10), 11)
        );
        assert_eq!(write.completer, Completer::IoManager);
    }

    #[test]
    fn nonsense_is_refused_by_field() {
        let whole = input(KERNEL, b"abc");
        for length in 0..size_of::<Header>() {
            assert_eq!(parse(&whole[..length]), Err(WriteError::Size), "{length}");
        }
        let cases = [
            (Header { size: 0, ..KERNEL }, WriteError::Size),
            (Header { flags: 8, ..KERNEL }, WriteError::Flags),
            (Header { offset: 1, ..KERNEL }, WriteError::Flags),
            (
                Header {
                    time_limit: 1,
                    ..KERNEL
                },
                WriteError::Flags,
            ),
            (Header { mode: 2, ..KERNEL }, WriteError::Mode),
            (
                Header {
                    completer: 2,
                    ..KERNEL
                },
                WriteError::Completer,
            ),
            (Header { buffer: 1, ..KERNEL }, WriteError::Address),
            (Header { length: 2, ..KERNEL }, WriteError::Length),
            (Header { length: 4, ..KERNEL }, WriteError::Length),
            (USER, WriteError::Length),
        ];
        for (header, error) in cases {
            assert_eq!(refused(header, b"abc"), Some(error), "{header:?}");
        }
        let long = Header {
            length: MAX_BYTES + 1,
            ..USER
        };
        assert_eq!(refused(long, b""), Some(WriteError::Length));
    }

    #[test]
    fn a_report_is_checked_by_field() {
        let report = Report {
            attempt: Attempt::Done as u32,
            completion: Completion::Fast as u32,
            block_written: 1,
            information: 7,
            ..Report::default()
        };
        assert_eq!(report.check().and_then(|report| report.block), Some((0, 7)));
        let wrong = [
            Report::default(),
            Report {
                block_written: 0,
                ..report
            },
            Report {
                block_written: 2,
                ..report
            },
            Report { skip: 14, ..report },
            Report { carrier: 6, ..report },
            Report {
                completion: 4,
                ..report
            },
            Report { cancel: 4, ..report },
        ];
        for report in wrong {
            assert_eq!(report.check(), None, "{report:?}");
        }
    }

    #[test]
    fn numbers_and_names_go_both_ways() {
        for skip in Skip::ALL {
            assert_eq!(Skip::from_u32(*skip as u32), Some(*skip));
        }
        assert_eq!(Attempt::from_u32(0), None);
        assert_eq!(Cancel::from_u32(4), None);
    }
}
