//! What one file object was given, and what its script makes of it.

use kswrite_core::{IoStatus, NtStatus};
use kswrite_wire::sink::{CheckedScript, Completion, State, placement};

use crate::{
    digest::{Crc32c, Stream},
    window::Window,
};

/// `FILE_WRITE_TO_END_OF_FILE`, as an offset.
const APPEND: i64 = -1;

/// Which way a write came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// `FastIoWrite`. The script's completion, status and shortening do not apply.
    Fast,
    /// An IRP.
    Irp,
}

/// How an IRP is marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IrpFlags {
    /// `Irp->Flags`.
    pub irp: u32,
    /// `Flags` of the stack location.
    pub stack: u32,
}

/// A write that was let in: the bytes to absorb are still to come.
#[must_use = "a write that was begun is committed"]
pub struct Admission {
    path: Path,
    /// Where the write goes.
    offset: u64,
    /// Bytes to take.
    length: u32,
    /// Bytes taken so far.
    taken: u32,
    crc32c: Crc32c,
    status: NtStatus,
}

impl Admission {
    /// Bytes that are still to be absorbed.
    pub const fn remaining(&self) -> usize {
        (self.length - self.taken) as usize
    }
}

/// How a write completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    /// With what.
    pub io: IoStatus,
    /// When.
    pub completion: Completion,
    /// The delay of [`Completion::Pended`], in microseconds.
    pub delay_us: u32,
}

/// The memory of one file object.
pub struct Intake {
    script: CheckedScript,
    /// IRPs since the script was set or the intake reset.
    scripted: u64,
    writes: u64,
    bytes: u64,
    fast_writes: u64,
    failed: u64,
    placement: u64,
    last_key: u32,
    last_wait: bool,
    last_flags: IrpFlags,
    stream: Stream,
    window: Window,
}

impl Default for Intake {
    fn default() -> Self {
        Self::new()
    }
}

impl Intake {
    /// Nothing yet, with the script that accepts everything.
    pub fn new() -> Self {
        Self {
            script: CheckedScript {
                every: 1,
                ..CheckedScript::default()
            },
            scripted: 0,
            writes: 0,
            bytes: 0,
            fast_writes: 0,
            failed: 0,
            placement: 0,
            last_key: 0,
            last_wait: false,
            last_flags: IrpFlags::default(),
            stream: Stream::new(),
            window: Window::default(),
        }
    }

    /// The script in force.
    pub const fn script(&self) -> &CheckedScript {
        &self.script
    }

    /// Replaces the script; its count of writes starts anew.
    pub const fn set_script(&mut self, script: CheckedScript) {
        self.script = script;
        self.scripted = 0;
    }

    /// Forgets counts, digests and window. The script stays, and its count of writes starts anew.
    pub fn reset(&mut self) {
        let mut window = core::mem::take(&mut self.window);
        window.clear();
        *self = Self {
            script: self.script,
            window,
            ..Self::new()
        };
    }

    /// What can be read back.
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// A `FastIoWrite` call came with this key; whether it might wait.
    pub const fn note_fast(&mut self, key: u32, wait: bool) {
        self.last_key = key;
        self.last_wait = wait;
    }

    /// An IRP came with this key and these flags.
    pub const fn note_irp(&mut self, key: u32, flags: IrpFlags) {
        self.last_key = key;
        self.last_wait = false;
        self.last_flags = flags;
    }

    /// Lets a write in, or refuses it; a refused one leaves no trace.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER`: a negative offset other than the one that appends, or an end beyond the
    /// largest offset. `STATUS_INSUFFICIENT_RESOURCES`: no memory for the window.
    pub fn begin(&mut self, path: Path, offset: i64, length: u32) -> Result<Admission, NtStatus> {
        let offset = self.resolve(offset, length)?;
        let (status, short_by) = match path {
            Path::Irp if self.is_turn() => (NtStatus(self.script.status), self.script.short_by),
            Path::Irp | Path::Fast => (NtStatus::SUCCESS, 0),
        };
        let length = if status.is_error() {
            0
        } else {
            length.saturating_sub(short_by)
        };
        if length > 0 {
            self.window.reserve()?;
        }
        if path == Path::Irp {
            self.scripted = self.scripted.wrapping_add(1);
        }
        Ok(Admission {
            path,
            offset,
            length,
            taken: 0,
            crc32c: Crc32c::new(),
            status,
        })
    }

    /// Takes the next bytes of a write; what goes beyond its length is left.
    pub fn absorb(&mut self, admission: &mut Admission, bytes: &[u8]) {
        let bytes = bytes.get(..bytes.len().min(admission.remaining())).unwrap_or(&[]);
        self.stream.update(bytes);
        admission.crc32c.update(bytes);
        self.window
            .put(admission.offset + u64::from(admission.taken), bytes);
        // No more than `remaining`, which is an u32.
        admission.taken += u32::try_from(bytes.len()).unwrap_or(0);
    }

    /// Counts a write whose bytes were absorbed.
    pub fn commit(&mut self, admission: Admission) -> Verdict {
        let Admission {
            path,
            offset,
            taken,
            crc32c,
            status,
            ..
        } = admission;
        if status.is_error() {
            self.failed += 1;
        } else {
            self.writes += 1;
            self.bytes += u64::from(taken);
            self.fast_writes += u64::from(path == Path::Fast);
            self.placement = self
                .placement
                .wrapping_add(placement(offset, taken, crc32c.value()));
        }
        let (completion, delay_us) = match path {
            Path::Fast => (Completion::Inline, 0),
            Path::Irp => (self.script.completion, self.script.delay_us),
        };
        Verdict {
            io: IoStatus {
                status,
                information: taken as usize,
            },
            completion,
            delay_us,
        }
    }

    /// What a program is told; the driver adds what it counts itself.
    pub fn state(&self) -> State {
        State {
            writes: self.writes,
            bytes: self.bytes,
            fast_writes: self.fast_writes,
            failed: self.failed,
            placement: self.placement,
            high_water: self.window.high_water(),
            window_base: self.window.base(),
            last_key: self.last_key,
            last_wait: self.last_wait.into(),
            last_irp_flags: self.last_flags.irp,
            last_stack_flags: self.last_flags.stack,
            crc32c: self.stream.crc32c(),
            sha256: self.stream.sha256(),
            ..State::default()
        }
    }

    /// Whether the script changes the next IRP.
    fn is_turn(&self) -> bool {
        let every = u64::from(self.script.every.max(1));
        (self.scripted % every) == every - 1
    }

    /// Where a write goes.
    fn resolve(&self, offset: i64, length: u32) -> Result<u64, NtStatus> {
        let start = match u64::try_from(offset) {
            Ok(start) => start,
            Err(_) if offset == APPEND => self.window.high_water(),
            Err(_) => return Err(NtStatus::INVALID_PARAMETER),
        };
        match start.checked_add(u64::from(length)) {
            Some(end) if i64::try_from(end).is_ok() => Ok(start),
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crc::{CRC_32_ISCSI, Crc};
    use kswrite_wire::sink::Script;
    use sha2::{Digest as _, Sha256};
    use std::{vec, vec::Vec};

    fn scripted(script: Script) -> Intake {
        let mut intake = Intake::new();
        intake.set_script(script.check().unwrap());
        intake
    }

    /// Writes in pieces of 7 bytes.
    fn write(intake: &mut Intake, path: Path, offset: i64, bytes: &[u8]) -> Result<Verdict, NtStatus> {
        let mut admission = intake.begin(path, offset, u32::try_from(bytes.len()).unwrap())?;
        for piece in bytes.chunks(7) {
            intake.absorb(&mut admission, piece);
        }
        assert_eq!(admission.remaining(), 0);
        Ok(intake.commit(admission))
    }

    fn accept(intake: &mut Intake, path: Path, offset: i64, bytes: &[u8]) {
        assert_eq!(
            information(write(intake, path, offset, bytes)),
            (NtStatus::SUCCESS, bytes.len())
        );
    }

    fn information(verdict: Result<Verdict, NtStatus>) -> (NtStatus, usize) {
        let io = verdict.unwrap().io;
        (io.status, io.information)
    }

    #[test]
    fn digests_are_those_of_the_bytes_in_order() {
        let mut intake = Intake::new();
        let parts: [(i64, &[u8]); 3] = [
            (100, b"the second part"),
            (0, b"the first part, later"),
            (50, b""),
        ];
        let mut all = Vec::new();
        let mut places = 0_u64;
        for (offset, bytes) in parts {
            accept(&mut intake, Path::Irp, offset, bytes);
            all.extend_from_slice(bytes);
            let crc = Crc::<u32>::new(&CRC_32_ISCSI).checksum(bytes);
            places = places.wrapping_add(placement(
                offset.cast_unsigned(),
                u32::try_from(bytes.len()).unwrap(),
                crc,
            ));
        }
        let state = intake.state();
        assert_eq!(
            (state.writes, state.bytes, state.failed),
            (3, all.len() as u64, 0)
        );
        assert_eq!(state.crc32c, Crc::<u32>::new(&CRC_32_ISCSI).checksum(&all));
        assert_eq!(state.sha256, <[u8; 32]>::from(Sha256::digest(&all)));
        assert_eq!(state.placement, places);
        assert_eq!(state.high_water, 115);
    }

    /// RFC 3720, appendix B.4: 32 bytes of zeroes.
    #[test]
    fn the_crc_is_crc_32c() {
        let mut intake = Intake::new();
        accept(&mut intake, Path::Irp, 0, &[0; 32]);
        assert_eq!(intake.state().crc32c, 0x8A91_36AA);
    }

    #[test]
    fn every_kth_irp_is_changed_and_fast_writes_are_not_counted() {
        let mut intake = scripted(Script {
            short_by: 4,
            every: 3,
            ..Script::default()
        });
        let mut taken = Vec::new();
        for i in 0..6 {
            assert_eq!(write_fast(&mut intake, i), 10);
            taken.push(short(&mut intake, i));
        }
        assert_eq!(taken, [10, 10, 6, 10, 10, 6]);
        assert_eq!(intake.state().fast_writes, 6);
    }

    fn write_fast(intake: &mut Intake, at: i64) -> usize {
        write(intake, Path::Fast, at, &[1; 10]).unwrap().io.information
    }

    fn short(intake: &mut Intake, at: i64) -> usize {
        let mut admission = intake.begin(Path::Irp, at, 10).unwrap();
        // All ten are offered; what is beyond the shortened length is left.
        intake.absorb(&mut admission, &[2; 10]);
        intake.commit(admission).io.information
    }

    #[test]
    fn short_beyond_the_length_takes_nothing_and_counts() {
        let mut intake = scripted(Script {
            short_by: 100,
            ..Script::default()
        });
        assert_eq!(short(&mut intake, 0), 0);
        let state = intake.state();
        assert_eq!((state.writes, state.bytes, state.high_water), (1, 0, 0));
    }

    #[test]
    fn an_error_takes_nothing_and_a_warning_takes_all() {
        let mut intake = scripted(Script {
            status: NtStatus::IO_DEVICE_ERROR.0,
            ..Script::default()
        });
        let mut admission = intake.begin(Path::Irp, 0, 4).unwrap();
        intake.absorb(&mut admission, b"data");
        let io = intake.commit(admission).io;
        assert_eq!((io.status, io.information), (NtStatus::IO_DEVICE_ERROR, 0));
        let state = intake.state();
        assert_eq!(
            (state.writes, state.failed, state.bytes, state.placement),
            (0, 1, 0, 0)
        );

        let warning = Script {
            status: NtStatus::BUFFER_OVERFLOW.0,
            ..Script::default()
        };
        intake.set_script(warning.check().unwrap());
        let io = information(write(&mut intake, Path::Irp, 0, b"data"));
        assert_eq!(io, (NtStatus::BUFFER_OVERFLOW, 4));
        assert_eq!((intake.state().writes, intake.state().failed), (1, 1));
    }

    #[test]
    fn the_completion_is_the_scripts_for_irps_alone() {
        let script = Script {
            completion: Completion::Pended as u32,
            delay_us: 9,
            ..Script::default()
        };
        let mut intake = scripted(script);
        let verdict = write(&mut intake, Path::Irp, 0, b"x").unwrap();
        assert_eq!((verdict.completion, verdict.delay_us), (Completion::Pended, 9));
        let verdict = write(&mut intake, Path::Fast, 0, b"x").unwrap();
        assert_eq!((verdict.completion, verdict.delay_us), (Completion::Inline, 0));
    }

    #[test]
    fn offsets_that_make_no_sense_leave_no_trace() {
        let mut intake = scripted(Script {
            short_by: 1,
            every: 2,
            ..Script::default()
        });
        for (offset, length) in [(-2, 1), (i64::MIN, 0), (i64::MAX, 1), (i64::MAX - 3, 4)] {
            let refused = intake.begin(Path::Irp, offset, length).err();
            assert_eq!(refused, Some(NtStatus::INVALID_PARAMETER), "{offset} {length}");
        }
        // The script has not counted them.
        assert_eq!(
            (short(&mut intake, i64::MAX - 10), short(&mut intake, 0)),
            (10, 9)
        );
        assert_eq!(intake.state().writes, 2);
    }

    #[test]
    fn the_flags_are_those_of_the_last_irp() {
        let mut intake = Intake::new();
        intake.note_irp(7, IrpFlags { irp: 0x220, stack: 4 });
        intake.note_fast(9, true);
        let state = intake.state();
        assert_eq!((state.last_key, state.last_wait), (9, 1));
        assert_eq!((state.last_irp_flags, state.last_stack_flags), (0x220, 4));
        intake.note_irp(0, IrpFlags::default());
        let state = intake.state();
        assert_eq!(
            (state.last_wait, state.last_irp_flags, state.last_stack_flags),
            (0, 0, 0)
        );
    }

    #[test]
    fn append_goes_to_the_high_water() {
        let mut intake = Intake::new();
        accept(&mut intake, Path::Irp, 5, b"abc");
        accept(&mut intake, Path::Fast, APPEND, b"def");
        let (first, _) = intake.window().get(5, 10).unwrap();
        assert_eq!(first, b"abcdef");
    }

    #[test]
    fn reset_forgets_all_but_the_script() {
        let mut intake = scripted(Script {
            short_by: 1,
            every: 2,
            ..Script::default()
        });
        assert_eq!(short(&mut intake, 0), 10);
        intake.reset();
        assert_eq!(intake.state(), Intake::new().state());
        assert_eq!(intake.script().short_by, 1);
        // The count of the script started anew.
        assert_eq!((short(&mut intake, 0), short(&mut intake, 0)), (10, 9));
        // Nothing of before shines through.
        intake.reset();
        accept(&mut intake, Path::Fast, 20, b"x");
        assert_eq!(intake.window().get(0, 20).unwrap().0, vec![0; 20]);
    }
}
