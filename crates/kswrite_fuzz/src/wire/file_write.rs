//! `WRITE_FILE_OBJECT`: a header with bytes behind it in, a report out.

use std::num::NonZeroU64;

use kswrite_wire::file_write::{
    Bytes, CheckedReport, Completer, Header, MAX_BYTES, Mode, Report, Write, WriteError, flags, parse,
};
use zerocopy::{FromBytes, IntoBytes};

use super::{plain, same};
use crate::Wrong;

pub(crate) fn run(bytes: &[u8]) -> Result<(), Wrong> {
    match parse(bytes) {
        Ok(write) => same("a write", encode(&write).as_slice(), bytes)?,
        Err(error) => same("a refusal", refused_rightly(bytes, error), true)?,
    }
    let Some(report) = plain::<Report>(bytes)? else {
        return Ok(());
    };
    match report.check() {
        Some(checked) => same("a report", written(&checked), report),
        None => same("a refused report", report_makes_sense(&report), false),
    }
}

/// The input that says this.
fn encode(write: &Write<'_>) -> Vec<u8> {
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    let (mode, buffer, length, inline) = match write.bytes {
        Bytes::Inline(inline) => (Mode::Kernel, 0, inline.len(), inline),
        Bytes::At { address, length } => (Mode::User, address, length as usize, [].as_slice()),
    };
    let header = Header {
        size: u32::try_from(size_of::<Header>()).unwrap_or_default(),
        flags: flag(write.offset.is_some(), flags::AT_OFFSET)
            | flag(write.advance, flags::ADVANCE)
            | flag(write.time_limit.is_some(), flags::TIME_LIMIT),
        file: write.file,
        event: write.event.map_or(0, NonZeroU64::get),
        port_context: write.port_context.map_or(0, NonZeroU64::get),
        buffer,
        offset: write.offset.unwrap_or_default(),
        time_limit: write.time_limit.unwrap_or_default(),
        length: u32::try_from(length).unwrap_or(u32::MAX),
        key: write.key,
        mode: mode as u32,
        completer: write.completer as u32,
    };
    [header.as_bytes(), inline].concat()
}

/// Whether the input has the fault that it is refused for.
fn refused_rightly(bytes: &[u8], error: WriteError) -> bool {
    let Ok((header, inline)) = Header::read_from_prefix(bytes) else {
        return error == WriteError::Size;
    };
    let without = |flag: u32| header.flags & flag == 0;
    let wanted = match Mode::from_u32(header.mode) {
        Some(Mode::Kernel) => u64::from(header.length),
        _ => 0,
    };
    match error {
        WriteError::Size => header.size as usize != size_of::<Header>(),
        WriteError::Flags => {
            header.flags > flags::ALL
                || without(flags::AT_OFFSET) && header.offset != 0
                || without(flags::TIME_LIMIT) && header.time_limit != 0
        }
        WriteError::Mode => Mode::ALL.iter().all(|mode| *mode as u32 != header.mode),
        WriteError::Completer => Completer::ALL
            .iter()
            .all(|completer| *completer as u32 != header.completer),
        WriteError::Address => header.mode == Mode::Kernel as u32 && header.buffer != 0,
        WriteError::Length => header.length > MAX_BYTES || inline.len() as u64 != wanted,
    }
}

/// The report that says this.
fn written(checked: &CheckedReport) -> Report {
    let (block_status, information) = checked.block.unwrap_or_default();
    Report {
        returned: checked.returned,
        final_status: checked.final_status,
        block_written: checked.block.is_some().into(),
        block_status,
        information,
        attempt: checked.attempt as u32,
        attempt_status: checked.attempt_status,
        skip: checked.skip as u32,
        carrier: checked.carrier as u32,
        completion: checked.completion as u32,
        cancel: checked.cancel as u32,
    }
}

/// Every number is one that there is.
fn report_makes_sense(report: &Report) -> bool {
    let block = match report.block_written {
        0 => report.block_status == 0 && report.information == 0,
        written => written == 1,
    };
    let counted = (1..=5).contains(&report.attempt)
        && report.skip <= 13
        && report.carrier <= 5
        && report.completion <= 3
        && report.cancel <= 3;
    block && counted
}
