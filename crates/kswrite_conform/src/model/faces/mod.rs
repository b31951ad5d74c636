//! The stream and channel interfaces over handles of the model: what decides is that of `kswrite_faces`, as in the COM
//! objects and in the library.
//!
//! All threads of a case are one thread of the system, so no lock of the system is held while a call of the model may
//! give another thread its turn. Where the originals hold one, there is an event of the model here.

mod channel;
mod stream;
mod wts;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use kswrite_client::Win32Error;
use kswrite_faces::{
    channel::{Bound, Refusal, Traffic},
    stream::{Origin, StreamState},
    wts::registry::Registry,
};
use nt_model::user::TimeOut;

use super::{
    kernel32::{Call, Direction, nt},
    os::ModelThread,
};
use crate::{
    faces::{Answered, Disconnect, Face, Faces, HResult, Reaction, Told, WtsOpen},
    win32::{Buffer, Count, Data, From, Handle, Ov, Overlapped, Returned, UNTOUCHED, Win32},
};

/// The answer of an interface of which the case has no reference.
const NO_FACE: HResult = HResult::from_win32(Win32Error::INVALID_HANDLE);

/// An object with references.
struct Object {
    /// References of the case.
    held: Cell<u32>,
    /// Calls that go on.
    calls: Cell<u32>,
    kind: Kind,
}

enum Kind {
    Stream(stream::Stream),
    Channel(channel::Channel),
}

#[derive(Clone)]
enum Entry {
    Object(Rc<Object>),
    /// A handle of the WTS functions, open or not.
    Wts(usize),
}

/// The faces of a case.
#[derive(Default)]
pub(super) struct Table {
    entries: RefCell<Vec<Entry>>,
    wts: Registry<Rc<wts::Channel>>,
    findings: RefCell<Vec<String>>,
}

impl Table {
    fn add(&self, entry: Entry) -> Face {
        let mut entries = self.entries.borrow_mut();
        entries.push(entry);
        Face(u32::try_from(entries.len() - 1).unwrap_or(u32::MAX))
    }

    fn add_object(&self, kind: Kind) -> Face {
        self.add(Entry::Object(Rc::new(Object {
            held: Cell::new(1),
            calls: Cell::new(0),
            kind,
        })))
    }

    /// An object, also one that was released.
    fn object(&self, face: Face) -> Option<Rc<Object>> {
        match self.entries.borrow().get(face.0 as usize) {
            Some(Entry::Object(object)) => Some(Rc::clone(object)),
            _ => None,
        }
    }

    /// An object that the case has a reference of. That it has none is a finding.
    fn held(&self, face: Face) -> Option<Rc<Object>> {
        let held = self.object(face).filter(|object| object.held.get() > 0);
        if held.is_none() {
            let what = format!("a call of interface {}, which was released", face.0);
            self.findings.borrow_mut().push(what);
        }
        held
    }

    fn wts_handle(&self, face: Face) -> usize {
        match self.entries.borrow().get(face.0 as usize) {
            Some(Entry::Wts(handle)) => *handle,
            _ => 0,
        }
    }

    /// What was found, and what was not given back.
    pub(super) fn settle(&self) -> Vec<String> {
        let mut findings = self.findings.take();
        for (index, entry) in self.entries.borrow().iter().enumerate() {
            match entry {
                Entry::Object(object) if object.held.get() > 0 => {
                    findings.push(format!("interface {index} was not released"));
                }
                Entry::Wts(handle) if self.wts.find(*handle).is_ok() => {
                    findings.push(format!("channel {index} of the WTS functions was left open"));
                }
                _ => {}
            }
        }
        findings
    }
}

impl ModelThread<'_> {
    fn face_table(&self) -> &Table {
        &self.machine.faces
    }

    /// Runs something while no other thread does by the same event, which resets itself.
    fn in_turn<T>(&self, turn: Handle, act: impl FnOnce() -> T) -> T {
        // A handle that is closed lets everybody in: there is nothing left to take turns for.
        let _mine = self.cpu.nt_wait_for(nt(turn), TimeOut::Never);
        let done = act();
        let _next = self.cpu.nt_set_event(nt(turn), true);
        done
    }

    /// Closes what belongs to a face.
    fn close_all(&self, handles: &[Handle]) {
        for handle in handles {
            // They were open until now.
            let _closed = self.cpu.nt_close(nt(*handle));
        }
    }

    /// A transfer at an offset, to its end. `begun` runs when it has begun.
    fn transfer_to_end(
        &self,
        direction: Direction,
        file: Handle,
        offset: u64,
        (data, length): (Data, u32),
        begun: impl FnOnce(),
    ) -> Result<u32, Win32Error> {
        let event = self.create_event(true, false)?;
        let overlapped = self.machine.new_overlapped(Overlapped {
            offset,
            event: Some(event),
            no_packet: true,
        });
        let call = Call {
            direction,
            file: nt(file),
            data,
            length,
            count: Count::Null,
        };
        let returned = self.transfer(&call, Some(overlapped));
        begun();
        let ended = if returned.returned || returned.is_pending() {
            self.overlapped_result(nt(file), overlapped, true)
        } else {
            returned
        };
        self.close_all(&[event]);
        if ended.returned {
            Ok(ended.count.unwrap_or_default())
        } else {
            Err(ended.error)
        }
    }

    /// Calls a method of an object, which stays until the call is over.
    fn with_object<T>(&self, face: Face, call: impl FnOnce(&Kind) -> Option<T>) -> Option<T> {
        self.cpu.pause();
        let object = self.face_table().held(face)?;
        object.calls.set(object.calls.get() + 1);
        let result = call(&object.kind);
        object.calls.set(object.calls.get() - 1);
        self.end_if_over(&object);
        result
    }

    fn with_stream<T>(&self, face: Face, call: impl FnOnce(&stream::Stream) -> T) -> Option<T> {
        self.with_object(face, |kind| match kind {
            Kind::Stream(stream) => Some(call(stream)),
            Kind::Channel(_) => None,
        })
    }

    fn with_channel<T>(&self, face: Face, call: impl FnOnce(&channel::Channel) -> T) -> Option<T> {
        self.with_object(face, |kind| match kind {
            Kind::Channel(channel) => Some(call(channel)),
            Kind::Stream(_) => None,
        })
    }

    /// The last Release, or the last call, whichever is later, ends the object.
    fn end_if_over(&self, object: &Object) {
        if object.held.get() == 0 && object.calls.get() == 0 {
            match &object.kind {
                Kind::Stream(stream) => stream.end(self),
                Kind::Channel(channel) => channel.end(self),
            }
        }
    }
}

/// What a method with a count answers.
fn answered(count: Count, called: Option<(Result<(), HResult>, Option<u32>)>) -> Answered {
    let (result, seen) = called.unwrap_or((Err(NO_FACE), None));
    Answered {
        hresult: result.into(),
        count: (count == Count::Wanted).then(|| seen.unwrap_or(UNTOUCHED)),
    }
}

impl Faces for ModelThread<'_> {
    fn add_ref(&self, face: Face) -> u32 {
        self.cpu.pause();
        self.face_table().held(face).map_or(0, |object| {
            object.held.set(object.held.get() + 1);
            object.held.get()
        })
    }

    fn release_ref(&self, face: Face) -> u32 {
        self.cpu.pause();
        self.face_table().held(face).map_or(0, |object| {
            object.held.set(object.held.get() - 1);
            self.end_if_over(&object);
            object.held.get()
        })
    }

    fn has_identity(&self, face: Face) -> bool {
        self.face_table().held(face).is_some()
    }

    fn stream(&self, file: Handle) -> Result<Face, String> {
        let stream = stream::Stream::new(self, file).map_err(|error| error.to_string())?;
        Ok(self.face_table().add_object(Kind::Stream(stream)))
    }

    fn write_async(
        &self,
        stream: Face,
        data: Data,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Answered {
        answered(
            count,
            self.with_stream(stream, |stream| {
                stream.counted(self, |state, calls| {
                    state.write_async(
                        calls,
                        stream::place(data),
                        length,
                        stream::variable(count),
                        overlapped,
                    )
                })
            }),
        )
    }

    fn read_async(
        &self,
        stream: Face,
        into: Buffer,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Answered {
        answered(
            count,
            self.with_stream(stream, |stream| {
                stream.counted(self, |state, calls| {
                    state.read_async(calls, Some(into), length, stream::variable(count), overlapped)
                })
            }),
        )
    }

    fn overlapped_result(&self, stream: Face, overlapped: Option<Ov>, count: Count, wait: bool) -> Answered {
        answered(
            count,
            self.with_stream(stream, |stream| {
                stream.counted(self, |state, calls| {
                    state.overlapped_result(calls, overlapped, stream::variable(count), wait)
                })
            }),
        )
    }

    fn stream_cancel_io(&self, stream: Face) -> HResult {
        let asked = self.with_stream(stream, |stream| stream.counted(self, StreamState::cancel_io).0);
        asked.unwrap_or(Err(NO_FACE)).into()
    }

    fn stream_write(&self, stream: Face, data: Data, length: u32, count: Count) -> Answered {
        answered(
            count,
            self.with_stream(stream, |stream| {
                match stream.write(self, stream::place(data), length) {
                    Ok(written) => (Ok(()), Some(written)),
                    Err(error) => (Err(error), None),
                }
            }),
        )
    }

    fn stream_seek(&self, stream: Face, distance: i64, from: From) -> Result<u64, HResult> {
        let origin = match from {
            From::Begin => Origin::Begin,
            From::Current => Origin::Current,
            From::End => Origin::End,
        };
        let sought = self.with_stream(stream, |stream| stream.seek(self, distance, origin));
        sought.unwrap_or(Err(NO_FACE))
    }

    fn channel(&self, file: Handle, bound: Bound, reaction: Reaction) -> Result<Face, String> {
        let channel = channel::Channel::new(self, file, bound, reaction);
        let channel = channel.map_err(|error| error.to_string())?;
        Ok(self.face_table().add_object(Kind::Channel(channel)))
    }

    fn channel_write(&self, channel: Face, data: Data, length: u32, reserved: bool) -> HResult {
        let written = self.with_channel(channel, |channel| channel.write(self, data, length, reserved));
        written.unwrap_or(Err(NO_FACE)).into()
    }

    fn channel_close(&self, channel: Face) -> HResult {
        let closed = self.with_channel(channel, |channel| channel.close(self));
        closed.unwrap_or(Err(NO_FACE)).into()
    }

    fn channel_deliver(&self, channel: Face, message: &[u8]) -> HResult {
        match self.face_table().object(channel).as_deref() {
            Some(Object {
                kind: Kind::Channel(channel),
                ..
            }) => channel.deliver(self, message).into(),
            _ => Refusal::Closed.into(),
        }
    }

    fn channel_disconnect(&self, channel: Face, by: Disconnect) {
        if let Some(Object {
            kind: Kind::Channel(channel),
            ..
        }) = self.face_table().object(channel).as_deref()
        {
            channel.disconnect(self, by);
        }
    }

    fn channel_told(&self, channel: Face) -> Told {
        match self.face_table().object(channel).as_deref() {
            Some(Object {
                kind: Kind::Channel(channel),
                ..
            }) => channel.told(),
            _ => Told::default(),
        }
    }

    fn channel_traffic(&self, channel: Face) -> Traffic {
        match self.face_table().object(channel).as_deref() {
            Some(Object {
                kind: Kind::Channel(channel),
                ..
            }) => channel.traffic(),
            _ => Traffic::default(),
        }
    }

    fn wts_open(&self, open: &WtsOpen<'_>) -> Result<Face, Win32Error> {
        let handle = wts::open(self, open)?;
        Ok(self.face_table().add(Entry::Wts(handle)))
    }

    fn wts_write(&self, channel: Face, data: Data, length: u32, count: Count) -> Returned {
        wts::write(self, self.face_table().wts_handle(channel), data, length, count)
    }

    fn wts_read(&self, channel: Face, timeout: u32, into: Buffer, size: u32, count: Count) -> Returned {
        let handle = self.face_table().wts_handle(channel);
        wts::read(self, handle, timeout, (into, size), count)
    }

    fn wts_query_file(&self, channel: Face) -> Result<Handle, Win32Error> {
        wts::query_file(self, self.face_table().wts_handle(channel))
    }

    fn wts_purge(&self, channel: Face, _input: bool) -> Returned {
        wts::purge(self, self.face_table().wts_handle(channel))
    }

    fn wts_close(&self, channel: Face) -> Returned {
        wts::close(self, self.face_table().wts_handle(channel))
    }
}

/// The bytes at the start of a buffer, as many as the caller says there are.
fn message(thread: &ModelThread<'_>, data: Data, length: u32) -> Vec<u8> {
    let mut bytes = match data {
        Data::Null => Vec::new(),
        Data::Of(buffer) => thread.machine.bytes(buffer),
    };
    bytes.resize(length as usize, 0);
    bytes
}
