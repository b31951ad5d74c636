//! What a case stands on: the calls, the target, and the notes.

use std::cell::{Cell, RefCell};

use kswrite_client::Win32Error;
use kswrite_wire::sink::{Completion, FastMode, Script};

use crate::{
    case::{Ended, Stop},
    faces::{Face, Faces},
    result::Observation,
    show::Show,
    target::{Kinds, Target},
    win32::{
        Access, Count, Data, Disposition, Handle, NamedPipe, Open, Ov, Overlapped, Patience, Returned,
        Waited, Win32,
    },
};

/// Bytes of a pipe's buffer.
pub const PIPE_BYTES: u32 = 4096;

/// What a case stands on.
pub struct Stage<'a> {
    os: &'a dyn Win32,
    target: &'a Target,
    notes: RefCell<Vec<Observation>>,
    opened: RefCell<Vec<Kept>>,
    names: Cell<u32>,
}

/// What goes when the case is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// To be closed.
    Handle(Handle),
    /// To be released.
    Interface(Face),
    /// To be closed by WTSVirtualChannelClose.
    Channel(Face),
}

/// An open target.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The handle to write to.
    pub writer: Handle,
    /// The other end, of a pipe, a socket or a mailslot: synchronous, but for sockets.
    pub peer: Option<Handle>,
}

/// Bytes in which each position can be told from its neighbours.
pub fn pattern(length: usize) -> Vec<u8> {
    let once: Vec<u8> = (0..=250).collect();
    let mut bytes = once.repeat(length.div_ceil(once.len()));
    bytes.truncate(length);
    bytes
}

/// Error of a call that sets the stage.
pub fn trouble(what: &str) -> impl FnOnce(Win32Error) -> Stop {
    let what = what.to_owned();
    move |error| Stop::Trouble(format!("{what}: {error}"))
}

impl<'a> Stage<'a> {
    /// An empty stage.
    pub fn new(os: &'a dyn Win32, target: &'a Target) -> Self {
        Self {
            os,
            target,
            notes: RefCell::default(),
            opened: RefCell::default(),
            names: Cell::default(),
        }
    }

    /// The calls.
    pub fn os(&self) -> &'a dyn Win32 {
        self.os
    }

    /// What is written to.
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// Whether the target is of these kinds.
    pub fn is(&self, kinds: Kinds) -> bool {
        kinds.have(self.target)
    }

    fn note(&self, what: &str, expected: Option<String>, seen: String, holds: bool) -> Ended {
        self.notes.borrow_mut().push(Observation {
            what: what.to_owned(),
            expected,
            seen,
            holds,
        });
        if holds { Ok(()) } else { Err(Stop::Broken) }
    }

    /// The rule wants this.
    #[expect(clippy::needless_pass_by_value, reason = "reads as a sentence at every call")]
    pub fn expect<T: Show + PartialEq>(&self, what: &str, expected: T, seen: T) -> Ended {
        let holds = expected == seen;
        self.note(what, Some(expected.show()), seen.show(), holds)
    }

    /// The rule allows any of these.
    #[expect(clippy::needless_pass_by_value, reason = "as expect")]
    pub fn expect_one_of<T: Show + PartialEq>(&self, what: &str, allowed: &[T], seen: T) -> Ended {
        let words: Vec<String> = allowed.iter().map(Show::show).collect();
        let holds = allowed.contains(&seen);
        self.note(what, Some(words.join(" or ")), seen.show(), holds)
    }

    /// The rule wants something that takes words to say.
    pub fn expect_that(&self, what: &str, expected: &str, seen: &(impl Show + ?Sized), holds: bool) -> Ended {
        self.note(what, Some(expected.to_owned()), seen.show(), holds)
    }

    /// The rule wants these bytes.
    pub fn expect_bytes(&self, what: &str, expected: &[u8], seen: &[u8]) -> Ended {
        let words = |bytes: &[u8]| format!("{} bytes", bytes.len());
        let differing = if expected == seen {
            None
        } else {
            expected.iter().zip(seen).position(|(a, b)| a != b)
        };
        let shown = match differing {
            None => words(seen),
            Some(byte) => format!("{}, others from byte {byte} on", words(seen)),
        };
        self.note(what, Some(words(expected)), shown, expected == seen)
    }

    /// The rule leaves this open; it is good to know.
    pub fn report(&self, what: &str, seen: &(impl Show + ?Sized)) {
        // A report holds, so there is nothing to stop for.
        let _holds = self.note(what, None, seen.show(), true);
    }

    /// What was noted.
    pub fn into_notes(self) -> Vec<Observation> {
        self.notes.into_inner()
    }

    /// A name that no other object has.
    pub fn name(&self, prefix: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{prefix}{}", self.names.get())
    }

    /// Closes the handle when the case is over.
    pub fn keep(&self, handle: Handle) -> Handle {
        self.opened.borrow_mut().push(Kept::Handle(handle));
        handle
    }

    /// Closes a handle now.
    pub fn close(&self, handle: Handle) -> Ended {
        self.forget(Kept::Handle(handle));
        self.os.close(handle).map_err(trouble("CloseHandle"))
    }

    /// Ends what is still pending and closes everything, whatever became of the case.
    pub fn clear(&self) {
        let mut opened = self.opened.take();
        // The peers of pipes were opened first, and a blocked write ends when they close.
        while let Some(kept) = opened.pop() {
            match kept {
                Kept::Handle(handle) => {
                    let _pending = self.os.cancel_io_ex(handle, None);
                    let _closed = self.os.close(handle);
                }
                Kept::Interface(face) => _ = self.faces().release_ref(face),
                Kept::Channel(face) => _ = self.faces().wts_close(face),
            }
        }
    }

    /// Keeps no longer what was kept last of these.
    fn forget(&self, kept: Kept) {
        let mut opened = self.opened.borrow_mut();
        if let Some(index) = opened.iter().rposition(|other| *other == kept) {
            opened.remove(index);
        }
    }

    /// The stream and channel interfaces.
    pub fn faces(&self) -> &'a dyn Faces {
        self.os.faces()
    }

    /// Gives this reference back when the case is over.
    pub fn keep_ref(&self, interface: Face) -> Face {
        self.opened.borrow_mut().push(Kept::Interface(interface));
        interface
    }

    /// Gives a reference that was kept back now; how many are left.
    pub fn release_ref(&self, interface: Face) -> u32 {
        self.forget(Kept::Interface(interface));
        self.faces().release_ref(interface)
    }

    /// Closes a channel of the WTS functions when the case is over.
    pub fn keep_channel(&self, channel: Face) -> Face {
        self.opened.borrow_mut().push(Kept::Channel(channel));
        channel
    }

    /// WTSVirtualChannelClose of a channel that was kept, now.
    pub fn close_channel(&self, channel: Face) -> Returned {
        self.forget(Kept::Channel(channel));
        self.faces().wts_close(channel)
    }

    /// An event that is closed when the case is over.
    pub fn event(&self, manual_reset: bool, signalled: bool) -> Result<Handle, Stop> {
        let event = self.os.create_event(manual_reset, signalled);
        Ok(self.keep(event.map_err(trouble("CreateEvent"))?))
    }

    /// A completion port that is closed when the case is over.
    pub fn port(&self) -> Result<Handle, Stop> {
        let port = self.os.create_port();
        Ok(self.keep(port.map_err(trouble("CreateIoCompletionPort"))?))
    }

    /// Opens the target for reading and writing.
    pub fn open(&self, overlapped: bool) -> Result<Ends, Stop> {
        self.open_with(Open {
            access: Access::ReadWrite,
            disposition: Disposition::OpenExisting,
            overlapped,
            write_through: false,
            no_buffering: false,
        })
    }

    /// Opens the target. A file is made anew.
    pub fn open_with(&self, open: Open) -> Result<Ends, Stop> {
        match self.target {
            Target::Filtered(kind) | Target::Bare(kind) => self.open_path(kind.path(), open),
            Target::Device(path) | Target::Serial(path) | Target::Volume(path) => self.open_path(path, open),
            Target::Console => self.open_path("CONOUT$", open),
            Target::File => self.open_path(
                &self.os.scratch_path(&self.name("file")),
                Open {
                    disposition: Disposition::CreateAlways,
                    ..open
                },
            ),
            Target::Pipe => {
                let (peer, writer) = self.os.create_pipe(PIPE_BYTES).map_err(trouble("CreatePipe"))?;
                Ok(self.ends(writer, Some(peer)))
            }
            Target::NamedPipe => self.open_named_pipe(false, open),
            Target::MessagePipe => self.open_named_pipe(true, open),
            Target::Socket => {
                let (writer, peer) = self.os.socket_pair().map_err(trouble("connect two sockets"))?;
                Ok(self.ends(writer, Some(peer)))
            }
            Target::Mailslot => {
                let name = self.name(r"\\.\mailslot\kswrite-");
                let slot = self
                    .os
                    .create_mailslot(&name)
                    .map_err(trouble("CreateMailslot"))?;
                let slot = self.keep(slot);
                let open = Open {
                    access: Access::Write,
                    ..open
                };
                let ends = self.open_path(&name, open)?;
                Ok(Ends {
                    peer: Some(slot),
                    ..ends
                })
            }
        }
    }

    fn ends(&self, writer: Handle, peer: Option<Handle>) -> Ends {
        if let Some(peer) = peer {
            self.keep(peer);
        }
        let writer = self.keep(writer);
        Ends { writer, peer }
    }

    fn open_path(&self, path: &str, open: Open) -> Result<Ends, Stop> {
        let opened = self.os.create_file(path, open);
        let writer = opened.map_err(trouble(&format!("CreateFile of {path}")))?;
        Ok(self.ends(writer, None))
    }

    fn open_named_pipe(&self, message: bool, open: Open) -> Result<Ends, Stop> {
        let name = self.name(r"\\.\pipe\kswrite-");
        let pipe = NamedPipe {
            name: &name,
            message,
            overlapped: false,
            quota: PIPE_BYTES,
        };
        let server = self
            .os
            .create_named_pipe(&pipe)
            .map_err(trouble("CreateNamedPipe"))?;
        let server = self.keep(server);
        let ends = self.open_path(&name, open)?;
        Ok(Ends {
            peer: Some(server),
            ..ends
        })
    }

    /// Sets the script of a sink; on other targets the case cannot be run.
    pub fn script(&self, ends: &Ends, script: &Script) -> Ended {
        if !self.is(Kinds::SINK) {
            return Err(Stop::NotRun("this target cannot be scripted".to_owned()));
        }
        self.os.set_script(ends.writer, script).map_err(Stop::Trouble)
    }

    /// From now on writes pend, until [`let_go`](Self::let_go) or a cancel: a sink holds them, a pipe is full.
    pub fn hold(&self, ends: &Ends) -> Ended {
        if self.is(Kinds::SINK) {
            return self.script(ends, &held());
        }
        if !self.is(Kinds::HOLDING.and(Kinds::PIPE)) {
            return Err(Stop::NotRun("nothing holds the writes to this target".to_owned()));
        }
        let event = self.event(true, false)?;
        let overlapped = self.os.overlapped(&Overlapped {
            event: Some(event),
            ..Overlapped::default()
        });
        let data = pattern(PIPE_BYTES as usize);
        let returned = self.write(ends, &data, Some(overlapped));
        if !returned.returned && !returned.is_pending() {
            return Err(Stop::Trouble(format!("fill the pipe: {}", returned.show())));
        }
        match self.os.wait(event, Patience::Briefly) {
            Ok(Waited::Signalled) => Ok(()),
            _ => Err(Stop::Trouble(
                "the pipe does not take what its buffer has room for".to_owned(),
            )),
        }
    }

    /// Lets the held writes complete; they are `bytes` bytes in all.
    pub fn let_go(&self, ends: &Ends, bytes: usize) -> Ended {
        if self.is(Kinds::SINK) {
            let released = self.os.release(ends.writer).map_err(Stop::Trouble)?;
            return if released == 0 {
                Err(Stop::Trouble("the sink holds no write".to_owned()))
            } else {
                Ok(())
            };
        }
        let all = PIPE_BYTES as usize + bytes;
        let read = self.read(ends, all)?;
        if read.len() == all {
            Ok(())
        } else {
            Err(Stop::Trouble(format!(
                "{} of {all} bytes came through the pipe",
                read.len()
            )))
        }
    }

    /// WriteFile of these bytes, with a count unless there is an `OVERLAPPED`.
    pub fn write(&self, ends: &Ends, bytes: &[u8], overlapped: Option<Ov>) -> Returned {
        let buffer = self.os.buffer(bytes);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let count = if overlapped.is_some() {
            Count::Null
        } else {
            Count::Wanted
        };
        self.os
            .write_file(ends.writer, Data::Of(buffer), length, count, overlapped)
    }

    /// Reads from the other end until so many bytes, or nothing more, have come.
    pub fn read(&self, ends: &Ends, bytes: usize) -> Result<Vec<u8>, Stop> {
        let peer = ends.peer.unwrap_or(ends.writer);
        let buffer = self.os.buffer(&vec![0; bytes]);
        let mut all = Vec::new();
        while all.len() < bytes {
            let left = u32::try_from(bytes - all.len()).unwrap_or(u32::MAX);
            let returned = self.os.read_file(peer, buffer, left, Count::Wanted, None);
            let count = returned.count.unwrap_or_default() as usize;
            if !returned.returned || count == 0 {
                break;
            }
            all.extend(self.os.bytes(buffer).into_iter().take(count));
        }
        Ok(all)
    }
}

/// The script of writes that pend until they are released or cancelled.
pub fn held() -> Script {
    Script {
        fast: FastMode::Decline as u32,
        completion: Completion::Held as u32,
        ..Script::default()
    }
}
