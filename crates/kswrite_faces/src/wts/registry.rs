//! Which channels are open: what the functions that open and close decide, and what a handle stands for.
//!
//! A handle is a number that is never used again, so whatever a caller passes is looked up and not believed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kswrite_client::Win32Error;

use super::Flavour;

/// The arguments of WTSVirtualChannelOpen and WTSVirtualChannelOpenEx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// `hServer` is `WTS_CURRENT_SERVER_HANDLE`; WTSVirtualChannelOpenEx knows no other.
    pub current_server: bool,
    /// `SessionId` is `WTS_CURRENT_SESSION`.
    pub current_session: bool,
    /// `pVirtualName`, without its zero; `None` for NULL, or if it has no end.
    pub name: Option<&'a [u8]>,
    /// `flags`; 0 of WTSVirtualChannelOpen.
    pub flags: u32,
}

/// The open channels of a program.
#[derive(Debug)]
pub struct Registry<T>(Mutex<Table<T>>);

#[derive(Debug)]
struct Table<T> {
    /// The handle that was given last; all are multiples of four, as real ones are.
    last: usize,
    open: BTreeMap<usize, Named<T>>,
}

#[derive(Debug)]
struct Named<T> {
    name: Vec<u8>,
    /// `None` as long as it is being opened.
    channel: Option<T>,
}

impl<T: Clone> Registry<T> {
    /// Nothing is open.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Table {
            last: 0,
            open: BTreeMap::new(),
        }))
    }

    /// The table is whole between any two statements that change it.
    fn table(&self) -> MutexGuard<'_, Table<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a channel, by `make` if the arguments are good. No lock is held meanwhile, but the name is taken.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_HANDLE`: another server. `ERROR_INVALID_PARAMETER`: a name that a channel of this flavour cannot
    /// have, or flags that there are not. `ERROR_ACCESS_DENIED`: another session. `ERROR_ALREADY_EXISTS`: a channel of
    /// this name is open. Otherwise those of `make`.
    pub fn open(
        &self,
        asked: &Asked<'_>,
        make: impl FnOnce(Flavour) -> Result<T, Win32Error>,
    ) -> Result<usize, Win32Error> {
        if !asked.current_server {
            return Err(Win32Error::INVALID_HANDLE);
        }
        let name = asked.name.ok_or(Win32Error::INVALID_PARAMETER)?;
        let flavour = Flavour::of_flags(asked.flags)?;
        flavour.check_name(name)?;
        if !asked.current_session {
            return Err(Win32Error::ACCESS_DENIED);
        }
        let handle = self.reserve(name)?;
        match make(flavour) {
            Ok(channel) => {
                if let Some(named) = self.table().open.get_mut(&handle) {
                    named.channel = Some(channel);
                }
                Ok(handle)
            }
            Err(error) => {
                self.table().open.remove(&handle);
                Err(error)
            }
        }
    }

    fn reserve(&self, name: &[u8]) -> Result<usize, Win32Error> {
        let mut table = self.table();
        if table.open.values().any(|named| named.name == name) {
            return Err(Win32Error::ALREADY_EXISTS);
        }
        table.last += 4;
        let (handle, name) = (table.last, name.to_vec());
        table.open.insert(handle, Named { name, channel: None });
        Ok(handle)
    }

    /// The channel of a handle.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_HANDLE`: none is open there.
    pub fn find(&self, handle: usize) -> Result<T, Win32Error> {
        let channel = self
            .table()
            .open
            .get(&handle)
            .and_then(|named| named.channel.clone());
        channel.ok_or(Win32Error::INVALID_HANDLE)
    }

    /// Takes the channel out: its handle means nothing any more, and its name is free.
    ///
    /// # Errors
    ///
    /// As of [`find`](Self::find).
    pub fn take(&self, handle: usize) -> Result<T, Win32Error> {
        let mut table = self.table();
        // Nobody knows the handle of one that is being opened.
        let channel = table.open.get_mut(&handle).and_then(|named| named.channel.take());
        let channel = channel.ok_or(Win32Error::INVALID_HANDLE)?;
        table.open.remove(&handle);
        Ok(channel)
    }
}

impl<T: Clone> Default for Registry<T> {
    fn default() -> Self {
        Self::new()
    }
}
