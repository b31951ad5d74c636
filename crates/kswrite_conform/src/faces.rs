//! What a program can call of the stream and channel interfaces, on any venue.
//!
//! As in [`win32`](crate::win32), the calls have the arguments and results of the methods and functions that they are
//! named after. Streams and dynamic channels are over a handle of the case, so the device that plays the peer is
//! scripted and looked at through that handle. The WTS functions open a device by themselves; its handle is what
//! [`wts_query_file`](Faces::wts_query_file) gives.

use kswrite_client::Win32Error;
pub use kswrite_faces::{
    channel::{Bound, Traffic},
    hresult::HResult,
};

use crate::win32::{Buffer, Count, Data, From, Handle, Ov, Returned};

/// An interface that the case holds one reference of, or a channel of the WTS functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Face(pub u32);

/// How a method with a count ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What it returned.
    pub hresult: HResult,
    /// The count variable after the call; `None` where NULL was given.
    pub count: Option<u32>,
}

/// What the callback of a channel does when it is told something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reaction {
    /// Notes it.
    #[default]
    None,
    /// Notes it, and writes a received message back from within the call.
    WriteBack,
    /// Notes it, and closes the channel from within the call; in OnClose too.
    Close,
}

/// What the callback of a channel was told. A call is noted when it ends, with what was answered within it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The messages of `OnDataReceived`, copied in the call.
    pub received: Vec<Vec<u8>>,
    /// Calls of `OnClose`.
    pub closes: u32,
    /// What the calls that the callback made from within a call returned.
    pub answers: Vec<HResult>,
}

/// Who ends a channel, other than its own Close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The client goes away: the device fails the write it has; one without a write closes.
    Client,
    /// The server closes the channel.
    Server,
}

/// The arguments of WTSVirtualChannelOpen and WTSVirtualChannelOpenEx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WtsOpen<'a> {
    /// The path of the device that plays the peer.
    pub device: &'a str,
    /// `hServer` is `WTS_CURRENT_SERVER_HANDLE`, or a server that is not; WTSVirtualChannelOpen only.
    pub current_server: bool,
    /// `SessionId` is `WTS_CURRENT_SESSION`, or another.
    pub current_session: bool,
    /// `pVirtualName`; `None` is NULL. A zero is put at the end.
    pub name: Option<&'a [u8]>,
    /// `flags` of WTSVirtualChannelOpenEx; `None` calls WTSVirtualChannelOpen.
    pub flags: Option<u32>,
}

/// The calls.
pub trait Faces {
    // All interfaces.

    /// AddRef.
    fn add_ref(&self, face: Face) -> u32;
    /// Release; how many references are left. The case must release what it holds.
    fn release_ref(&self, face: Face) -> u32;
    /// Whether QueryInterface of IUnknown gives the same pointer each time, and of an interface that it has not
    /// `E_NOINTERFACE` with NULL.
    fn has_identity(&self, face: Face) -> bool;

    // IStreamAsync.

    /// A stream over the file of this handle, which stays the case's own.
    fn stream(&self, file: Handle) -> Result<Face, String>;
    /// WriteAsync.
    fn write_async(
        &self,
        stream: Face,
        data: Data,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Answered;
    /// ReadAsync.
    fn read_async(
        &self,
        stream: Face,
        into: Buffer,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Answered;
    /// OverlappedResult.
    fn overlapped_result(&self, stream: Face, overlapped: Option<Ov>, count: Count, wait: bool) -> Answered;
    /// IStreamAsync::CancelIo.
    fn stream_cancel_io(&self, stream: Face) -> HResult;
    /// ISequentialStream::Write.
    fn stream_write(&self, stream: Face, data: Data, length: u32, count: Count) -> Answered;
    /// IStream::Seek; the new position.
    fn stream_seek(&self, stream: Face, distance: i64, from: From) -> Result<u64, HResult>;

    // IWTSVirtualChannel and its callback.

    /// A channel over the file of this handle, with a callback that reacts so. The file gets a completion port: whatever
    /// the case begins on the handle itself must keep its packet away, by
    /// [`Overlapped::no_packet`](crate::win32::Overlapped::no_packet).
    fn channel(&self, file: Handle, bound: Bound, reaction: Reaction) -> Result<Face, String>;
    /// IWTSVirtualChannel::Write, with or without something as `pReserved`.
    fn channel_write(&self, channel: Face, data: Data, length: u32, reserved: bool) -> HResult;
    /// IWTSVirtualChannel::Close.
    fn channel_close(&self, channel: Face) -> HResult;
    /// The other end writes a message; its memory is overwritten as soon as the callback has returned.
    fn channel_deliver(&self, channel: Face, message: &[u8]) -> HResult;
    /// Somebody else ends the channel.
    fn channel_disconnect(&self, channel: Face, by: Disconnect);
    /// What the callback was told until now, in every thread. Also after the last Release of the channel.
    fn channel_told(&self, channel: Face) -> Told;
    /// What is on its way, and what was.
    fn channel_traffic(&self, channel: Face) -> Traffic;

    // The WTS functions.

    /// Why they cannot be called here, and what helps.
    fn wts_missing(&self) -> Option<String> {
        None
    }
    /// WTSVirtualChannelOpen or WTSVirtualChannelOpenEx.
    fn wts_open(&self, open: &WtsOpen<'_>) -> Result<Face, Win32Error>;
    /// WTSVirtualChannelWrite.
    fn wts_write(&self, channel: Face, data: Data, length: u32, count: Count) -> Returned;
    /// WTSVirtualChannelRead, with a timeout in milliseconds.
    fn wts_read(&self, channel: Face, timeout: u32, into: Buffer, size: u32, count: Count) -> Returned;
    /// WTSVirtualChannelQuery of `WTSVirtualFileHandle`, and WTSFreeMemory of what it gave.
    fn wts_query_file(&self, channel: Face) -> Result<Handle, Win32Error>;
    /// WTSVirtualChannelPurgeInput, or WTSVirtualChannelPurgeOutput.
    fn wts_purge(&self, channel: Face, input: bool) -> Returned;
    /// WTSVirtualChannelClose. The number stays known, so that a case can go on to use what is closed.
    fn wts_close(&self, channel: Face) -> Returned;
}
