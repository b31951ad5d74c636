//! Byte-range locks.

use kswrite_core::NtStatus;

use super::status;
use crate::{FileId, ProcessId};

/// Who has a lock: a process, through a file object.
pub(crate) type Owner = (Option<ProcessId>, FileId);

struct Lock {
    owner: Owner,
    start: u64,
    length: u64,
    exclusive: bool,
}

impl Lock {
    fn overlaps(&self, start: u64, length: u64) -> bool {
        length > 0
            && self.length > 0
            && start < self.start.saturating_add(self.length)
            && self.start < start.saturating_add(length)
    }
}

/// The locks of a file.
#[derive(Default)]
pub(crate) struct Locks(Vec<Lock>);

impl Locks {
    /// # Errors
    ///
    /// `STATUS_LOCK_NOT_GRANTED`: another lock is in the way. A shared lock bears others like it.
    pub(crate) fn lock(
        &mut self,
        owner: Owner,
        start: u64,
        length: u64,
        exclusive: bool,
    ) -> Result<(), NtStatus> {
        let in_the_way = |lock: &Lock| lock.overlaps(start, length) && (exclusive || lock.exclusive);
        if self.0.iter().any(in_the_way) {
            return Err(status::LOCK_NOT_GRANTED);
        }
        self.0.push(Lock {
            owner,
            start,
            length,
            exclusive,
        });
        Ok(())
    }

    /// # Errors
    ///
    /// `STATUS_RANGE_NOT_LOCKED`: the owner has no lock of exactly this range.
    pub(crate) fn unlock(&mut self, owner: Owner, start: u64, length: u64) -> Result<(), NtStatus> {
        let same = |lock: &Lock| (lock.owner, lock.start, lock.length) == (owner, start, length);
        let at = self.0.iter().position(same).ok_or(status::RANGE_NOT_LOCKED)?;
        self.0.remove(at);
        Ok(())
    }

    /// Whether a write is allowed: no lock but the writer's own exclusive one may be there.
    pub(crate) fn allow_write(&self, owner: Owner, start: u64, length: u64) -> bool {
        let mine = |lock: &Lock| lock.exclusive && lock.owner == owner;
        !self
            .0
            .iter()
            .any(|lock| lock.overlaps(start, length) && !mine(lock))
    }

    /// Whether a read is allowed: somebody else's exclusive lock forbids it.
    pub(crate) fn allow_read(&self, owner: Owner, start: u64, length: u64) -> bool {
        let forbids = |lock: &Lock| lock.exclusive && lock.owner != owner;
        !self
            .0
            .iter()
            .any(|lock| lock.overlaps(start, length) && forbids(lock))
    }

    /// A file object has no handles any more.
    pub(crate) fn forget(&mut self, file: FileId) {
        self.0.retain(|lock| lock.owner.1 != file);
    }
}
