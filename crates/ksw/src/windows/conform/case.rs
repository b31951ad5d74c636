//! What the threads of one case share: its memory, and what it has not given back.
#![expect(unsafe_code, reason = "closes handles, and cancels what is pending on them")]

use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use kswrite_client::Win32Error;
use kswrite_conform::Venue;
use kswrite_conform::win32::{Handle, Ov, UNTOUCHED};
use windows_sys::Win32::Foundation::{CloseHandle, STATUS_PENDING};
use windows_sys::Win32::Networking::WinSock::{SOCKET, closesocket};
use windows_sys::Win32::System::IO::CancelIoEx;

use super::faces::Table;
use super::memory::Memory;
use super::{checked, last_error, raw, waiting};

/// How long a case has for what it has left pending.
const SETTLING: Duration = Duration::from_secs(5);
/// How long to wait before looking again.
const GLANCE: Duration = Duration::from_millis(2);

/// Something that is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    /// What CloseHandle closes.
    Kernel(Handle),
    /// What closesocket closes.
    Socket(Handle),
}

impl Opened {
    const fn handle(self) -> Handle {
        match self {
            Self::Kernel(handle) | Self::Socket(handle) => handle,
        }
    }
}

/// An operation that a call has left pending.
struct Operation {
    call: &'static str,
    block: Ov,
    issuer: ThreadId,
}

/// What the threads of one case share.
pub(super) struct Case {
    pub(super) venue: Venue,
    /// Whether the filter is above the target.
    pub(super) filtered: bool,
    pub(super) memory: Memory,
    /// Its interfaces and channels.
    pub(super) faces: Table,
    /// A folder of the case's own; it exists.
    pub(super) folder: PathBuf,
    /// Makes the names of its pipes its own.
    number: u32,
    opened: Mutex<Vec<Opened>>,
    operations: Mutex<Vec<Operation>>,
    /// Threads of the case that are over.
    ended: Mutex<Vec<ThreadId>>,
    running: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Case {
    pub(super) fn new(venue: Venue, filtered: bool, number: u32, folder: PathBuf) -> Self {
        Self {
            venue,
            filtered,
            memory: Memory::default(),
            faces: Table::default(),
            folder,
            number,
            opened: Mutex::default(),
            operations: Mutex::default(),
            ended: Mutex::default(),
            running: AtomicUsize::new(0),
        }
    }

    /// A name of pipes or mailslots with something in it that no other case and process has.
    pub(super) fn own_name(&self, path: &str) -> String {
        if path.starts_with(r"\\.\pipe\") || path.starts_with(r"\\.\mailslot\") {
            format!("{path}-{}-{}", std::process::id(), self.number)
        } else {
            path.to_owned()
        }
    }

    /// Remembers a handle, so that it is closed whatever becomes of the case.
    pub(super) fn opened(&self, handle: Handle) -> Handle {
        lock(&self.opened).push(Opened::Kernel(handle));
        handle
    }

    /// As [`opened`](Self::opened), of a socket.
    pub(super) fn opened_socket(&self, handle: Handle) -> Handle {
        lock(&self.opened).push(Opened::Socket(handle));
        handle
    }

    /// CloseHandle, or closesocket.
    pub(super) fn close(&self, handle: Handle) -> Result<(), Win32Error> {
        let known = {
            let mut opened = lock(&self.opened);
            let index = opened.iter().position(|opened| opened.handle() == handle);
            index.map(|index| opened.swap_remove(index))
        };
        close(known.unwrap_or(Opened::Kernel(handle)))
    }

    /// Notes that a call went pending.
    pub(super) fn pending(&self, call: &'static str, block: Ov) {
        lock(&self.operations).push(Operation {
            call,
            block,
            issuer: thread::current().id(),
        });
    }

    /// A thread of the case begins.
    pub(super) fn thread_begins(&self) {
        self.running.fetch_add(1, Ordering::AcqRel);
    }

    /// This thread of the case ends.
    pub(super) fn thread_ends(&self) {
        lock(&self.ended).push(thread::current().id());
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    /// Waits, in the thread that the case ran in, until everything has ended that the case has begun.
    ///
    /// # Errors
    ///
    /// What has not ended, or was not closed. It is closed now.
    pub(super) fn settle(&self) -> Result<(), String> {
        let deadline = Instant::now() + SETTLING;
        while self.unsettled().is_some() && Instant::now() < deadline {
            // Alertable, because completion routines are among what is waited for.
            waiting::pause_alertably(GLANCE);
        }
        let mut findings: Vec<String> = self.unsettled().into_iter().collect();
        findings.extend(self.faces.settle());
        let left = lock(&self.opened).len();
        if left > 0 {
            findings.push(format!("{left} handles were left open"));
            self.end();
        }
        if findings.is_empty() {
            Ok(())
        } else {
            Err(findings.join("; "))
        }
    }

    /// Cancels everything on all handles, and closes them.
    pub(super) fn end(&self) {
        self.faces.unblock();
        let opened: Vec<Opened> = lock(&self.opened).drain(..).collect();
        for opened in opened {
            // SAFETY: the handle is open.
            unsafe { CancelIoEx(raw(opened.handle()), ptr::null()) };
            let _closed = close(opened);
        }
    }

    fn unsettled(&self) -> Option<String> {
        let running = self.running.load(Ordering::Acquire);
        if running > 0 {
            return Some(format!("{running} threads of the case are still running"));
        }
        let in_wine = self.venue == Venue::Wine;
        let ended = lock(&self.ended);
        let pending: Vec<&str> = lock(&self.operations)
            .iter()
            // Wine never completes the status blocks of a thread that is over.
            .filter(|operation| !(in_wine && ended.contains(&operation.issuer)))
            .filter(|operation| self.is_pending(operation.block))
            .map(|operation| operation.call)
            .collect();
        (!pending.is_empty()).then(|| {
            format!(
                "{} operations are still pending: {}",
                pending.len(),
                pending.join(", ")
            )
        })
    }

    /// Whether something is still to come to this status block, which NtWriteFile does not touch before.
    fn is_pending(&self, block: Ov) -> bool {
        let state = self.memory.overlapped_state(block);
        state.internal == u64::from(STATUS_PENDING.cast_unsigned()) || state.internal == u64::from(UNTOUCHED)
    }

    /// Whether it is certain that the system uses nothing of the case's memory any more: every operation has a
    /// status block of its own, and all are final.
    pub(super) fn is_idle(&self) -> bool {
        let operations = lock(&self.operations);
        let mut blocks: Vec<Ov> = operations.iter().map(|operation| operation.block).collect();
        let count = blocks.len();
        blocks.sort_by_key(|block| block.0);
        blocks.dedup();
        blocks.len() == count
            && self.running.load(Ordering::Acquire) == 0
            && blocks.iter().all(|block| !self.is_pending(*block))
    }
}

fn close(opened: Opened) -> Result<(), Win32Error> {
    match opened {
        // SAFETY: a handle that the case has, or a number that is none.
        Opened::Kernel(handle) => checked(unsafe { CloseHandle(raw(handle)) }),
        Opened::Socket(handle) => {
            let socket = SOCKET::try_from(handle.0).unwrap_or(SOCKET::MAX);
            // SAFETY: a socket that the case has.
            match unsafe { closesocket(socket) } {
                0 => Ok(()),
                _ => Err(last_error()),
            }
        }
    }
}
