//! The scripted target.
//!
//! A script belongs to one file object: two programs with a handle each do not disturb each other.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ioctl::{Access, ControlCode};

/// In: [`Script`]. Replaces the script of this file object; writes already accepted keep theirs.
pub const SET_SCRIPT: ControlCode = ControlCode::new(0x40, Access::Write);
/// Out: [`State`].
pub const GET_STATE: ControlCode = ControlCode::new(0x41, Access::Read);
/// Completes the writes that this file object holds. Out: [`Released`].
pub const RELEASE: ControlCode = ControlCode::new(0x42, Access::Write);
/// Forgets counts, digests and window of this file object. Fails with `STATUS_DEVICE_BUSY` while writes
/// are outstanding.
pub const RESET: ControlCode = ControlCode::new(0x43, Access::Write);

/// Bytes of the window that ReadFile sees.
pub const WINDOW_BYTES: u32 = 1 << 20;
/// The longest delay that a script may ask for, in microseconds: 60 s.
pub const MAX_DELAY_US: u32 = 60_000_000;

/// What `FastIoWrite` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum FastMode {
    /// Takes the data, returns TRUE with `STATUS_SUCCESS`.
    #[default]
    Accept = 0,
    /// Returns FALSE and touches nothing.
    Decline = 1,
    /// The slot in the driver's table is NULL while any file object has this script: the table is the
    /// driver's, so this one is felt by all sinks.
    Absent = 2,
    /// Returns TRUE with `fast_status` and touches nothing.
    OtherStatus = 3,
}

impl FastMode {
    /// The mode with this number.
    pub const fn from_u32(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Accept),
            1 => Some(Self::Decline),
            2 => Some(Self::Absent),
            3 => Some(Self::OtherStatus),
            _ => None,
        }
    }
}

/// How a write that came as an IRP completes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Completion {
    /// Before the dispatch routine returns.
    #[default]
    Inline = 0,
    /// `delay_us` later, from another thread; pending until then, cancellable.
    Pended = 1,
    /// When [`RELEASE`] or a cancel comes.
    Held = 2,
}

impl Completion {
    /// The completion with this number.
    pub const fn from_u32(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Inline),
            1 => Some(Self::Pended),
            2 => Some(Self::Held),
            _ => None,
        }
    }
}

/// What a file object does with the writes to come. All zero is: accept all, at once, in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Script {
    /// A [`FastMode`].
    pub fast: u32,
    /// NTSTATUS of [`FastMode::OtherStatus`]; must not be `STATUS_SUCCESS` or `STATUS_PENDING`.
    pub fast_status: i32,
    /// A [`Completion`].
    pub completion: u32,
    /// Microseconds until a pended write completes, at most [`MAX_DELAY_US`].
    pub delay_us: u32,
    /// NTSTATUS of the writes that the script changes; `STATUS_PENDING` is refused. With an error status
    /// the data is not taken.
    pub status: i32,
    /// Bytes by which the writes that the script changes fall short; the data beyond is not taken.
    pub short_by: u32,
    /// `status` and `short_by` change every K-th write only; 0 and 1 mean every write.
    pub every: u32,
    /// Must be zero.
    pub reserved: u32,
}

/// Why a script is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptError {
    /// `fast` is not a [`FastMode`].
    Fast,
    /// `fast_status` is `STATUS_SUCCESS` or `STATUS_PENDING` with [`FastMode::OtherStatus`].
    FastStatus,
    /// `completion` is not a [`Completion`].
    Completion,
    /// `delay_us` is over [`MAX_DELAY_US`], or given without [`Completion::Pended`].
    Delay,
    /// `status` is `STATUS_PENDING`.
    Status,
    /// `reserved` is not zero.
    Reserved,
}

/// `STATUS_PENDING`, which no script may ask for: an IRP must not complete with it.
const STATUS_PENDING: i32 = 0x103;

/// A [`Script`] whose values make sense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckedScript {
    /// What `FastIoWrite` does.
    pub fast: FastMode,
    /// NTSTATUS of [`FastMode::OtherStatus`].
    pub fast_status: i32,
    /// How an IRP completes.
    pub completion: Completion,
    /// Microseconds until a pended write completes.
    pub delay_us: u32,
    /// NTSTATUS of the writes that the script changes.
    pub status: i32,
    /// Bytes by which they fall short.
    pub short_by: u32,
    /// Every how many writes; never 0.
    pub every: u32,
}

impl Script {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The first field that makes no sense.
    pub const fn check(&self) -> Result<CheckedScript, ScriptError> {
        let Some(fast) = FastMode::from_u32(self.fast) else {
            return Err(ScriptError::Fast);
        };
        let Some(completion) = Completion::from_u32(self.completion) else {
            return Err(ScriptError::Completion);
        };
        if matches!(fast, FastMode::OtherStatus) && matches!(self.fast_status, 0 | STATUS_PENDING) {
            return Err(ScriptError::FastStatus);
        }
        if self.delay_us > MAX_DELAY_US || (self.delay_us != 0 && !matches!(completion, Completion::Pended)) {
            return Err(ScriptError::Delay);
        }
        if self.status == STATUS_PENDING {
            return Err(ScriptError::Status);
        }
        if self.reserved != 0 {
            return Err(ScriptError::Reserved);
        }
        Ok(CheckedScript {
            fast,
            fast_status: self.fast_status,
            completion,
            delay_us: self.delay_us,
            status: self.status,
            short_by: self.short_by,
            every: if self.every == 0 { 1 } else { self.every },
        })
    }
}

/// What a file object was given so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct State {
    /// Writes accepted, zero-length ones included.
    pub writes: u64,
    /// Bytes accepted.
    pub bytes: u64,
    /// Of `writes`, those that came by `FastIoWrite`.
    pub fast_writes: u64,
    /// Writes that a script failed.
    pub failed: u64,
    /// Writes cancelled while pended or held.
    pub cancelled: u64,
    /// Sum, modulo 2^64, of [`placement`] over all accepted writes: the same in any order, so it shows that
    /// every write came once and with its own offset.
    pub placement: u64,
    /// One past the highest byte offset written.
    pub high_water: u64,
    /// Offset of the first byte that the window still has.
    pub window_base: u64,
    /// CRC-32C of all accepted bytes in order of acceptance.
    pub crc32c: u32,
    /// Writes accepted as IRPs and not complete yet.
    pub outstanding: u32,
    /// The key of the write that came last, accepted or not.
    pub last_key: u32,
    /// 1 if that write was a `FastIoWrite` call that might wait.
    pub last_wait: u32,
    /// `Irp->Flags` of the write IRP that came last.
    pub last_irp_flags: u32,
    /// `Flags` of its stack location, such as [`SL_WRITE_THROUGH`].
    pub last_stack_flags: u32,
    /// SHA-256 of all accepted bytes in order of acceptance.
    pub sha256: [u8; 32],
}

/// In [`State::last_stack_flags`]: the write goes through all caches.
pub const SL_WRITE_THROUGH: u32 = 0x4;

/// Answer to [`RELEASE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Released {
    /// Writes that were held and are complete now.
    pub count: u32,
}

/// Mixes one write into a number: its byte offset, its length and the CRC-32C of its bytes.
///
/// Summed over all writes this is a digest that does not depend on their order, and in which a write that
/// is lost, doubled or misplaced shows. It finds accidents, not forgers.
pub const fn placement(offset: u64, length: u32, crc32c: u32) -> u64 {
    // The finaliser of SplitMix64, twice: every input bit reaches every output bit.
    let data = (length as u64) << 32 | crc32c as u64;
    split_mix(split_mix(offset).wrapping_add(data))
}

const fn split_mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

const _: () = assert!(size_of::<Script>() == 32);
const _: () = assert!(size_of::<State>() == 8 * 8 + 6 * 4 + 32);
const _: () = assert!(size_of::<Released>() == 4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zero_script_accepts_everything() {
        let checked = Script::default().check().unwrap();
        assert_eq!(checked.fast, FastMode::Accept);
        assert_eq!(checked.completion, Completion::Inline);
        assert_eq!(checked.every, 1);
    }

    #[test]
    fn nonsense_is_refused_by_field() {
        let base = Script::default();
        let cases = [
            (Script { fast: 9, ..base }, ScriptError::Fast),
            (
                Script {
                    fast: FastMode::OtherStatus as u32,
                    ..base
                },
                ScriptError::FastStatus,
            ),
            (
                Script {
                    completion: 3,
                    ..base
                },
                ScriptError::Completion,
            ),
            (Script { delay_us: 1, ..base }, ScriptError::Delay),
            (
                Script {
                    status: STATUS_PENDING,
                    ..base
                },
                ScriptError::Status,
            ),
            (Script { reserved: 1, ..base }, ScriptError::Reserved),
            (
                Script {
                    completion: Completion::Pended as u32,
                    delay_us: MAX_DELAY_US + 1,
                    ..base
                },
                ScriptError::Delay,
            ),
        ];
        for (script, error) in cases {
            assert_eq!(script.check(), Err(error), "{script:?}");
        }
    }

    #[test]
    fn placement_tells_offset_length_and_data_apart() {
        let one = placement(0, 512, 1);
        assert_ne!(one, placement(512, 512, 1));
        assert_ne!(one, placement(0, 511, 1));
        assert_ne!(one, placement(0, 512, 2));
    }
}
