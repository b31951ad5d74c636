//! What was called, by whom, with what.

use std::{collections::VecDeque, fmt};

use kswrite_core::{IoStatus, NtStatus};

use crate::{Address, Finding, ThreadId};

/// An argument or a result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arg {
    None,
    Id(&'static str, u32),
    Number(i64),
    Address(Address),
    Status(NtStatus),
    Text(&'static str),
}

impl From<Address> for Arg {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl From<NtStatus> for Arg {
    fn from(status: NtStatus) -> Self {
        Self::Status(status)
    }
}

impl From<&'static str> for Arg {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Arg {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Arg {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Arg>> From<Option<T>> for Arg {
    fn from(argument: Option<T>) -> Self {
        argument.map_or(Self::Text("NULL"), Into::into)
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Id(prefix, number) => write!(f, "{prefix}{number}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Arguments of one call.
const ARGS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Entry {
    Call {
        thread: ThreadId,
        call: &'static str,
        args: [Arg; ARGS],
    },
    Finding(Finding),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { thread, call, args } => {
                write!(f, "{thread}: {call}(")?;
                let given = args.iter().filter(|arg| **arg != Arg::None);
                for (index, arg) in given.enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{arg}")?;
                }
                f.write_str(")")
            }
            Self::Finding(finding) => write!(f, "FINDING: {finding}"),
        }
    }
}

/// Entries that are kept; the oldest go.
const KEPT: usize = 20_000;

/// The calls of a world, the oldest first.
#[derive(Default)]
pub(crate) struct Trace {
    entries: VecDeque<Entry>,
    forgotten: u64,
}

impl Trace {
    pub(crate) fn call(&mut self, thread: ThreadId, call: &'static str, given: &[Arg]) {
        let mut args = [Arg::None; ARGS];
        for (slot, arg) in args.iter_mut().zip(given) {
            *slot = *arg;
        }
        self.push(Entry::Call { thread, call, args });
    }

    pub(crate) fn finding(&mut self, finding: Finding) {
        self.push(Entry::Finding(finding));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let forgotten = (self.forgotten > 0).then(|| format!("({} calls before)", self.forgotten));
        let lines = self.entries.iter().map(ToString::to_string);
        forgotten.into_iter().chain(lines).collect()
    }

    pub(crate) fn calls(&self) -> Vec<(ThreadId, &'static str)> {
        let calls = self.entries.iter().filter_map(|entry| match entry {
            Entry::Call { thread, call, .. } => Some((*thread, *call)),
            Entry::Finding(_) => None,
        });
        calls.collect()
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        self.entries.push_back(entry);
    }
}

/// A status and its bytes, as two arguments.
pub(crate) fn io_args(io: IoStatus) -> [Arg; 2] {
    [io.status.into(), io.information.into()]
}
