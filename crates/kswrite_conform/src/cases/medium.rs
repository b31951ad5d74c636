//! What lies below a write: sectors, caches, volumes, disks, other machines.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_wire::sink::SL_WRITE_THROUGH;

use super::steps::{
    Outcome, at_once, block, failure, length, read_at, sink_state, success, with_event, write_at,
    write_counted,
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, Stage, pattern},
    target::{Kinds, Target},
    win32::{Access, Count, Data, Disposition, Open},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-39",
        "a write of one sector is atomic, one of several is not",
        Kinds::FILE,
        atomic_sectors,
    ),
    Case::new(
        "WF-40",
        "FILE_FLAG_WRITE_THROUGH marks each write for the drivers: SL_WRITE_THROUGH",
        Kinds::SINK,
        write_through,
    ),
    Case::new(
        "WF-40",
        "without FILE_FLAG_WRITE_THROUGH no write is marked",
        Kinds::SINK,
        not_write_through,
    ),
    Case::new(
        "WF-41",
        "the boot sector of a mounted volume can be written",
        Kinds::VOLUME,
        boot_sector,
    ),
    Case::new(
        "WF-41",
        "a write into the file system of a mounted volume is ERROR_ACCESS_DENIED",
        Kinds::VOLUME,
        mounted_volume,
    ),
    Case::new(
        "WF-41",
        "a locked volume can be written",
        Kinds::VOLUME,
        locked_volume,
    ),
    Case::new(
        "WF-41",
        "a dismounted volume can be written",
        Kinds::VOLUME,
        dismounted_volume,
    ),
    Case::new(
        "WF-42",
        "a disk can be written outside its volumes",
        Kinds::VOLUME,
        disk,
    ),
    Case::new(
        "WF-43",
        "FILE_FLAG_NO_BUFFERING: whole sectors at their offsets are written",
        Kinds::FILE,
        unbuffered,
    ),
    Case::new(
        "WF-43",
        "FILE_FLAG_NO_BUFFERING: the offset that appends need not be a multiple of anything",
        Kinds::FILE,
        unbuffered_append,
    ),
    Case::new(
        "WF-43",
        "FILE_FLAG_NO_BUFFERING: a length that is no multiple of the sector is ERROR_INVALID_PARAMETER",
        Kinds::FILE,
        unbuffered_length,
    ),
    Case::new(
        "WF-43",
        "FILE_FLAG_NO_BUFFERING: an offset that is no multiple of the sector is ERROR_INVALID_PARAMETER",
        Kinds::FILE,
        unbuffered_offset,
    ),
    Case::new(
        "WF-43",
        "FILE_FLAG_NO_BUFFERING: a buffer that is not aligned is ERROR_INVALID_PARAMETER",
        Kinds::FILE,
        unbuffered_buffer,
    ),
    Case::new(
        "WF-69",
        "a write through a transacted handle belongs to the transaction",
        Kinds::FILE,
        transacted,
    ),
    Case::new(
        "WF-70",
        "SMB 3, its transparent failover and scale-out, CsvFS and ReFS take writes",
        Kinds::FILE,
        technologies,
    ),
];

/// `FILE_WRITE_TO_END_OF_FILE`.
const APPEND: u64 = u64::MAX;

fn not_run(why: &str) -> Ended {
    Err(Stop::NotRun(why.to_owned()))
}

fn atomic_sectors(_stage: &Stage<'_>) -> Ended {
    not_run("whether a write is atomic shows only where the power fails within it")
}

fn transacted(_stage: &Stage<'_>) -> Ended {
    not_run("transactions of NTFS are deprecated, and neither the model nor Wine has them")
}

fn technologies(_stage: &Stage<'_>) -> Ended {
    not_run(
        "it takes a share or a volume of each kind; what the folder of the cases is on is what the others see",
    )
}

/// Whether a sink sees the mark on a write through a handle that was opened so.
fn is_marked(stage: &Stage<'_>, write_through: bool) -> Result<bool, Stop> {
    let ends = stage.open_with(Open {
        access: Access::ReadWrite,
        disposition: Disposition::OpenExisting,
        overlapped: false,
        write_through,
        no_buffering: false,
    })?;
    stage.script(&ends, &at_once(NtStatus::SUCCESS))?;
    let returned = stage.write(&ends, &block(), None);
    stage.expect("the write", success(length(&block())), returned)?;
    Ok(sink_state(stage, &ends)?.last_stack_flags & SL_WRITE_THROUGH != 0)
}

fn write_through(stage: &Stage<'_>) -> Ended {
    let marked = is_marked(stage, true)?;
    stage.expect("SL_WRITE_THROUGH of a handle that writes through", true, marked)
}

fn not_write_through(stage: &Stage<'_>) -> Ended {
    let marked = is_marked(stage, false)?;
    stage.expect("SL_WRITE_THROUGH of a handle that does not", false, marked)
}

/// An offset that is within the file system of every volume.
const INSIDE: u64 = 1 << 20;

/// Whether the path names a whole disk.
fn is_disk(stage: &Stage<'_>) -> bool {
    matches!(stage.target(), Target::Volume(path) if path.to_ascii_lowercase().contains("physicaldrive"))
}

fn open_volume(stage: &Stage<'_>) -> Result<Ends, Stop> {
    if is_disk(stage) {
        return Err(Stop::NotRun("this is a disk; name a volume".to_owned()));
    }
    stage.open(false)
}

/// Writes what is there.
fn write_back(stage: &Stage<'_>, ends: &Ends, offset: u64) -> Result<(u32, Outcome), Stop> {
    let sector = stage.os().sector_bytes(ends.writer);
    let bytes = read_at(stage, ends.writer, offset, sector as usize)?;
    if length(&bytes) != sector {
        return Err(Stop::Trouble(format!("{} bytes were read", bytes.len())));
    }
    Ok((sector, write_at(stage, ends.writer, offset, &bytes)?))
}

fn boot_sector(stage: &Stage<'_>) -> Ended {
    let ends = open_volume(stage)?;
    let (sector, written) = write_back(stage, &ends, 0)?;
    stage.expect("a write of the first sector", Ok(sector), written)
}

fn mounted_volume(stage: &Stage<'_>) -> Ended {
    let ends = open_volume(stage)?;
    let (_, written) = write_back(stage, &ends, INSIDE)?;
    stage.expect("a write at 1 MiB", Err(Win32Error::ACCESS_DENIED), written)
}

fn locked_volume(stage: &Stage<'_>) -> Ended {
    let ends = open_volume(stage)?;
    if let Err(error) = stage.os().lock_volume(ends.writer) {
        return not_run(&format!("the volume is in use and cannot be locked: {error}"));
    }
    let (sector, written) = write_back(stage, &ends, INSIDE)?;
    stage.expect("a write at 1 MiB", Ok(sector), written)
}

fn dismounted_volume(stage: &Stage<'_>) -> Ended {
    let ends = open_volume(stage)?;
    if let Err(error) = stage.os().dismount_volume(ends.writer) {
        return not_run(&format!("the volume cannot be dismounted: {error}"));
    }
    let (sector, written) = write_back(stage, &ends, INSIDE)?;
    stage.expect("a write at 1 MiB", Ok(sector), written)
}

fn disk(stage: &Stage<'_>) -> Ended {
    if !is_disk(stage) {
        return not_run(r"this is a volume; name a disk, as in volume:\\.\PhysicalDrive9");
    }
    let ends = stage.open(false)?;
    let (sector, written) = write_back(stage, &ends, 0)?;
    stage.expect("a write of the first sector", Ok(sector), written)?;
    let (_, written) = write_back(stage, &ends, INSIDE)?;
    stage.report("a write at 1 MiB, where the first volume often is", &written);
    Ok(())
}

/// A new file whose writes are not buffered, and the bytes of its sectors.
fn open_unbuffered(stage: &Stage<'_>) -> Result<(Ends, u32), Stop> {
    let ends = stage.open_with(Open {
        access: Access::ReadWrite,
        disposition: Disposition::CreateAlways,
        overlapped: false,
        write_through: false,
        no_buffering: true,
    })?;
    Ok((ends, stage.os().sector_bytes(ends.writer)))
}

fn unbuffered(stage: &Stage<'_>) -> Ended {
    let (ends, sector) = open_unbuffered(stage)?;
    let (overlapped, _) = with_event(stage, sector.into())?;
    let bytes = pattern(2 * sector as usize);
    let returned = write_counted(stage, ends.writer, &bytes, Some(overlapped));
    stage.expect("a write of two sectors", success(2 * sector), returned)?;
    let size = stage.os().file_size(ends.writer);
    stage.expect("the size", Ok(u64::from(3 * sector)), size)
}

fn unbuffered_append(stage: &Stage<'_>) -> Ended {
    let (ends, sector) = open_unbuffered(stage)?;
    for written in 1..=2 {
        let (overlapped, _) = with_event(stage, APPEND)?;
        let bytes = pattern(sector as usize);
        let returned = write_counted(stage, ends.writer, &bytes, Some(overlapped));
        stage.expect("a write that appends a sector", success(sector), returned)?;
        let size = stage.os().file_size(ends.writer);
        stage.expect("the size", Ok(u64::from(written * sector)), size)?;
    }
    Ok(())
}

fn unbuffered_length(stage: &Stage<'_>) -> Ended {
    let (ends, sector) = open_unbuffered(stage)?;
    let data = Data::Of(stage.os().buffer(&pattern(sector as usize)));
    let returned = stage
        .os()
        .write_file(ends.writer, data, sector - 1, Count::Wanted, None);
    let refused = failure(Win32Error::INVALID_PARAMETER);
    stage.expect("a write of a byte less than a sector", refused, returned)
}

fn unbuffered_offset(stage: &Stage<'_>) -> Ended {
    let (ends, sector) = open_unbuffered(stage)?;
    let (overlapped, _) = with_event(stage, 1)?;
    let bytes = pattern(sector as usize);
    let returned = write_counted(stage, ends.writer, &bytes, Some(overlapped));
    let refused = failure(Win32Error::INVALID_PARAMETER);
    stage.expect("a write of a sector at offset 1", refused, returned)
}

fn unbuffered_buffer(stage: &Stage<'_>) -> Ended {
    let (ends, sector) = open_unbuffered(stage)?;
    // Memory ends at a page, so this one begins a byte before a multiple of the sector.
    let data = Data::Of(stage.os().buffer(&pattern(sector as usize + 1)));
    let returned = stage
        .os()
        .write_file(ends.writer, data, sector, Count::Wanted, None);
    let refused = failure(Win32Error::INVALID_PARAMETER);
    stage.expect("a write of a sector from an odd address", refused, returned)
}
