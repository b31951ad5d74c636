//! The stream and channel interfaces: COM objects of this process, and the functions of `kswrite_client.dll`.

mod channels;
mod library;
mod peer;
mod streams;
mod table;
mod wts;

use kswrite_client::Win32Error;
use kswrite_conform::faces::{Answered, Disconnect, Face, Faces, HResult, Reaction, Told, WtsOpen};
use kswrite_conform::win32::{Buffer, Count, Data, From, Handle, Ov, Returned};
use kswrite_faces::channel::{Bound, Traffic};

use super::native::Native;
pub(super) use table::Table;

impl Faces for Native {
    fn add_ref(&self, face: Face) -> u32 {
        self.case().faces.add_ref(face)
    }

    fn release_ref(&self, face: Face) -> u32 {
        self.case().faces.release_ref(face)
    }

    fn has_identity(&self, face: Face) -> bool {
        self.case().faces.has_identity(face)
    }

    fn stream(&self, file: Handle) -> Result<Face, String> {
        streams::open(self.case(), file)
    }

    fn write_async(
        &self,
        stream: Face,
        data: Data,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Answered {
        streams::write_async(self.case(), stream, data, length, count, overlapped)
    }

    fn read_async(
        &self,
        stream: Face,
        into: Buffer,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Answered {
        streams::read_async(self.case(), stream, into, length, count, overlapped)
    }

    fn overlapped_result(&self, stream: Face, overlapped: Option<Ov>, count: Count, wait: bool) -> Answered {
        streams::overlapped_result(self.case(), stream, overlapped, count, wait)
    }

    fn stream_cancel_io(&self, stream: Face) -> HResult {
        streams::cancel_io(self.case(), stream)
    }

    fn stream_write(&self, stream: Face, data: Data, length: u32, count: Count) -> Answered {
        streams::write(self.case(), stream, data, length, count)
    }

    fn stream_seek(&self, stream: Face, distance: i64, from: From) -> Result<u64, HResult> {
        streams::seek(self.case(), stream, distance, from)
    }

    fn channel(&self, file: Handle, bound: Bound, reaction: Reaction) -> Result<Face, String> {
        channels::open(self.case(), file, bound, reaction)
    }

    fn channel_write(&self, channel: Face, data: Data, length: u32, reserved: bool) -> HResult {
        channels::write(self.case(), channel, data, length, reserved)
    }

    fn channel_close(&self, channel: Face) -> HResult {
        channels::close(self.case(), channel)
    }

    fn channel_deliver(&self, channel: Face, message: &[u8]) -> HResult {
        channels::deliver(self.case(), channel, message)
    }

    fn channel_disconnect(&self, channel: Face, by: Disconnect) {
        channels::disconnect(self.case(), channel, by);
    }

    fn channel_told(&self, channel: Face) -> Told {
        self.case()
            .faces
            .peer(channel)
            .map(|peer| peer.told())
            .unwrap_or_default()
    }

    fn channel_traffic(&self, channel: Face) -> Traffic {
        let peer = self.case().faces.peer(channel);
        peer.map(|peer| peer.traffic()).unwrap_or_default()
    }

    fn wts_missing(&self) -> Option<String> {
        library::get().err()
    }

    fn wts_open(&self, open: &WtsOpen<'_>) -> Result<Face, Win32Error> {
        wts::open(self.case(), open)
    }

    fn wts_write(&self, channel: Face, data: Data, length: u32, count: Count) -> Returned {
        wts::write(self.case(), channel, data, length, count)
    }

    fn wts_read(&self, channel: Face, timeout: u32, into: Buffer, size: u32, count: Count) -> Returned {
        wts::read(self.case(), channel, timeout, into, size, count)
    }

    fn wts_query_file(&self, channel: Face) -> Result<Handle, Win32Error> {
        wts::query_file(self.case(), channel)
    }

    fn wts_purge(&self, channel: Face, input: bool) -> Returned {
        wts::purge(self.case(), channel, input)
    }

    fn wts_close(&self, channel: Face) -> Returned {
        wts::close(self.case(), channel)
    }
}
