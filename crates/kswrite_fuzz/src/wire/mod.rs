//! The inputs and answers of every control code.
//!
//! What a parser accepts is encoded again, and must be the bytes that it was given: then nothing was overlooked, and
//! nothing made up. What it refuses must be wrong in the way that it says.

pub(crate) mod file_write;
pub(crate) mod filter;
pub(crate) mod host;
pub(crate) mod sink;

use std::fmt::Debug;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::Wrong;

/// Both are the same.
fn same<T: PartialEq + Debug + Copy>(what: &str, found: T, expected: T) -> Result<(), Wrong> {
    if found == expected {
        Ok(())
    } else {
        Err(Wrong(format!("{what}: {found:?}, expected {expected:?}")))
    }
}

/// A structure of plain numbers: bytes of its size are one, whatever they are, and others are not.
fn plain<T: FromBytes + IntoBytes + Immutable>(bytes: &[u8]) -> Result<Option<T>, Wrong> {
    let what = std::any::type_name::<T>();
    let Ok(value) = T::read_from_bytes(bytes) else {
        same(what, bytes.len() == size_of::<T>(), false)?;
        return Ok(None);
    };
    same(what, value.as_bytes(), bytes)?;
    let mut answer = vec![0xA5; bytes.len() + 1];
    same(what, value.write_to_prefix(&mut answer).is_ok(), true)?;
    same(what, answer.split_last(), Some((&0xA5, bytes)))?;
    Ok(Some(value))
}
