//! Locks between two commands of one checkout.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use fs_err as fs;

use crate::interrupt;

/// How often a lock is tried that another process has.
const LOOK: Duration = Duration::from_millis(200);

/// Takes the lock of a file, which ends with the file; says so if it waits for `other` to end.
///
/// # Errors
///
/// The file cannot be made or locked, or the wait is interrupted.
pub(crate) fn wait(path: &Path, other: &str) -> Result<File> {
    let file = fs::File::create(path)?.into_file();
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if said => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for {other} of this checkout to end");
                said = true;
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        std::thread::sleep(LOOK);
        interrupt::check()?;
    }
}
