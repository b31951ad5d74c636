//! The COM objects over a plain file and a pipe: the rules SA-01 to SA-12 and DV-05 to DV-12, on Windows and in Wine.
#![cfg(windows)]
#![expect(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    reason = "windows-rs declares every COM method unsafe; where no comment stands, all memory is alive for the call"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::arc_with_non_send_sync,
    reason = "COM interfaces are not Send in windows-rs"
)]
#![expect(
    clippy::ref_as_ptr,
    clippy::inline_always,
    reason = "in what #[implement] writes"
)]

use std::io::Read;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::{fs, ptr};

use kswrite_client::{Access, File, Reactor};
use kswrite_faces::channel::{Bound, Refusal};
use kswrite_faces::chunk::{CHANNEL_CHUNK_LENGTH, Reassembler};
use kswrite_faces::{ChannelManager, DeviceTransport, Stream};
use windows::Win32::Foundation::{CloseHandle, E_INVALIDARG, E_POINTER, HANDLE, S_FALSE, S_OK};
use windows::Win32::System::Com::{
    IStream, STATFLAG_NONAME, STATSTG, STGC_DEFAULT, STREAM_SEEK_CUR, STREAM_SEEK_END, STREAM_SEEK_SET,
};
use windows::Win32::System::IO::OVERLAPPED;
use windows::Win32::System::RemoteDesktop::{
    IWTSListenerCallback, IWTSListenerCallback_Impl, IWTSVirtualChannel, IWTSVirtualChannelCallback,
    IWTSVirtualChannelCallback_Impl, IWTSVirtualChannelManager,
};
use windows::Win32::UI::Shell::IStreamAsync;
use windows::core::{BOOL, BSTR, HRESULT, IUnknown, Interface, OutRef, Ref, Result, implement, s};
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, PIPE_ACCESS_OUTBOUND};
use windows_sys::Win32::System::Pipes::{CreateNamedPipeW, PIPE_TYPE_BYTE, PIPE_WAIT};
use windows_sys::Win32::System::Threading::{CreateEventW, WaitForSingleObject};

static NUMBER: AtomicU32 = AtomicU32::new(0);

fn unique(what: &str) -> String {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("kswrite-faces-{what}-{}-{number}", std::process::id())
}

struct TempFile(PathBuf);

impl TempFile {
    fn new() -> Self {
        let path = std::env::temp_dir().join(unique("file"));
        fs::write(&path, []).unwrap();
        Self(path)
    }

    fn stream(&self) -> IStreamAsync {
        Stream::open(self.0.to_str().unwrap()).unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A stream into a pipe that is full, so that writes pend, and its reading end.
fn pipe() -> (IStreamAsync, fs::File) {
    let name = format!(r"\\.\pipe\{}", unique("pipe"));
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a zero; no attributes.
    let server = unsafe {
        CreateNamedPipeW(
            wide.as_ptr(),
            PIPE_ACCESS_OUTBOUND | FILE_FLAG_OVERLAPPED,
            PIPE_TYPE_BYTE | PIPE_WAIT,
            1,
            4096,
            4096,
            0,
            ptr::null(),
        )
    };
    // SAFETY: new, and nobody else's.
    let server = unsafe { OwnedHandle::from_raw_handle(server) };
    let reader = fs::File::open(&name).unwrap();
    (Stream::new(File::from_overlapped(server), &name).into(), reader)
}

/// More than a pipe takes at once.
const LARGE: usize = 1 << 20;

/// An `OVERLAPPED` with an event, which is set at first.
struct Op {
    overlapped: Box<OVERLAPPED>,
}

impl Op {
    fn at(offset: u32) -> Self {
        let mut overlapped = Box::<OVERLAPPED>::default();
        overlapped.Anonymous.Anonymous.Offset = offset;
        // SAFETY: no attributes and no name.
        overlapped.hEvent = HANDLE(unsafe { CreateEventW(ptr::null(), 1, 1, ptr::null()) });
        Self { overlapped }
    }

    fn is_set(&self) -> bool {
        // SAFETY: the event is open.
        unsafe { WaitForSingleObject(self.overlapped.hEvent.0, 0) == 0 }
    }

    fn write(&self, stream: &IStreamAsync, bytes: &[u8]) -> Result<()> {
        let length = u32::try_from(bytes.len()).unwrap();
        // SAFETY: the tests keep both until the operation is over.
        unsafe { stream.WriteAsync(bytes.as_ptr().cast(), length, None, &raw const *self.overlapped) }
    }

    fn result(&self, stream: &IStreamAsync, wait: bool) -> Result<u32> {
        let mut bytes = 0;
        // SAFETY: the OVERLAPPED is alive.
        unsafe { stream.OverlappedResult(&raw const *self.overlapped, &raw mut bytes, wait) }?;
        Ok(bytes)
    }
}

impl Drop for Op {
    fn drop(&mut self) {
        // SAFETY: the event is this operation's.
        let _ = unsafe { CloseHandle(self.overlapped.hEvent) };
    }
}

fn code<T>(result: Result<T>) -> HRESULT {
    result.err().map_or(S_OK, |error| error.code())
}

const PENDING: HRESULT = HRESULT(0x8007_03E5_u32.cast_signed());
const INCOMPLETE: HRESULT = HRESULT(0x8007_03E4_u32.cast_signed());
const ABORTED: HRESULT = HRESULT(0x8007_03E3_u32.cast_signed());

/// SA-01, SA-02, SA-03, SA-04: the bytes are at their offset.
#[test]
fn sa_01_bytes_at_their_offset() {
    let target = TempFile::new();
    let stream = target.stream();
    for (offset, bytes) in [(4096, b"second".as_slice()), (0, b"first")] {
        let op = Op::at(offset);
        let begun = code(op.write(&stream, bytes));
        assert!([S_OK, PENDING].contains(&begun), "{begun:?}");
        assert_eq!(op.result(&stream, true).unwrap() as usize, bytes.len());
    }
    let written = fs::read(&target.0).unwrap();
    assert_eq!(
        (&written[..5], &written[4096..]),
        (b"first".as_slice(), b"second".as_slice())
    );
}

/// SA-05, SA-06, SA-08: a write that pends.
#[test]
fn sa_05_a_write_that_pends() {
    let (stream, mut reader) = pipe();
    let bytes = vec![7; LARGE];
    let op = Op::at(0);
    assert_eq!(code(op.write(&stream, &bytes)), PENDING);
    assert!(!op.is_set(), "the event is reset when the operation begins");
    assert_eq!(code(op.result(&stream, false)), INCOMPLETE);
    let mut read = vec![0; LARGE];
    reader.read_exact(&mut read).unwrap();
    assert_eq!(op.result(&stream, true).unwrap() as usize, LARGE);
    assert!(op.is_set() && read == bytes);
}

/// A stream, for another thread.
struct Agile(IStreamAsync);
// SAFETY: the object is free-threaded: `Stream` is Send and Sync.
unsafe impl Send for Agile {}

/// SA-09, SA-10: CancelIo cancels all, of other threads too.
#[test]
fn sa_09_cancel_io_cancels_all() {
    let (stream, _reader) = pipe();
    let bytes = vec![7; LARGE];
    let ops = [Op::at(0), Op::at(0)];
    for op in &ops {
        assert_eq!(code(op.write(&stream, &bytes)), PENDING);
    }
    let other = Agile(stream.clone());
    std::thread::spawn(move || {
        let other = other;
        // SAFETY: a plain call.
        unsafe { other.0.CancelIo() }.unwrap();
    })
    .join()
    .unwrap();
    for op in &ops {
        assert_eq!(code(op.result(&stream, true)), ABORTED);
        assert!(op.is_set());
    }
    // SAFETY: a plain call.
    assert_eq!(
        code(unsafe { stream.CancelIo() }),
        S_OK,
        "nothing is pending any more"
    );
}

/// SA-11: the last Release cancels what is pending.
#[test]
fn sa_11_release_with_a_pending_write() {
    let (stream, _reader) = pipe();
    let bytes = vec![7; LARGE];
    let op = Op::at(0);
    assert_eq!(code(op.write(&stream, &bytes)), PENDING);
    drop(stream);
    // SAFETY: the event is open.
    let waited = unsafe { WaitForSingleObject(op.overlapped.hEvent.0, 10_000) };
    assert_eq!(waited, 0, "the operation is over");
}

/// SA-12: the synchronous methods have their own seek pointer.
#[test]
fn sa_12_the_seek_pointer() {
    let target = TempFile::new();
    let stream = target.stream();
    let mut count = 0;
    // SAFETY: the bytes are alive, the count is written before the call returns.
    assert_eq!(
        unsafe { stream.Write(b"0123456789".as_ptr().cast(), 10, Some(&raw mut count)) },
        S_OK
    );
    let op = Op::at(100);
    let _begun = op.write(&stream, b"far away");
    op.result(&stream, true).unwrap();
    let mut position = 0;
    // SAFETY: the position is written before the call returns, here and below.
    unsafe { stream.Seek(0, STREAM_SEEK_CUR, Some(&raw mut position)) }.unwrap();
    assert_eq!((count, position), (10, 10));
    unsafe { stream.Seek(-4, STREAM_SEEK_END, Some(&raw mut position)) }.unwrap();
    assert_eq!(position, 104);
    let mut tail = [0_u8; 8];
    // SAFETY: the buffer has eight bytes.
    let read = unsafe { stream.Read(tail.as_mut_ptr().cast(), 8, Some(&raw mut count)) };
    assert_eq!((read, count, &tail[..4]), (S_FALSE, 4, b"away".as_slice()));
    assert!(unsafe { stream.Seek(-1, STREAM_SEEK_SET, None) }.is_err());
}

/// The other members of IStream.
#[test]
fn istream_is_whole() {
    let target = TempFile::new();
    let stream = target.stream();
    // SAFETY: plain calls with memory that is alive.
    unsafe {
        stream.Write(b"abcdef".as_ptr().cast(), 6, None).unwrap();
        let clone: IStream = stream.Clone().unwrap();
        clone.Seek(0, STREAM_SEEK_SET, None).unwrap();
        let copy = TempFile::new();
        let to = copy.stream();
        let (mut read, mut written) = (0, 0);
        clone
            .CopyTo(&to, u64::MAX, Some(&raw mut read), Some(&raw mut written))
            .unwrap();
        assert_eq!(
            (read, written, fs::read(&copy.0).unwrap().as_slice()),
            (6, 6, b"abcdef".as_slice())
        );
        stream.Commit(STGC_DEFAULT).unwrap();
        stream.Revert().unwrap();
        stream.SetSize(3).unwrap();
        let mut stat = STATSTG::default();
        stream.Stat(&raw mut stat, STATFLAG_NONAME).unwrap();
        assert_eq!((stat.cbSize, stat.r#type, stat.pwcsName.is_null()), (3, 2, true));
    }
}

/// NULL where memory is needed, an `OVERLAPPED` that is in use, one that was never used.
#[test]
fn bad_arguments_are_refused() {
    let (stream, _reader) = pipe();
    let bytes = vec![7; LARGE];
    let op = Op::at(0);
    // SAFETY: what is NULL is checked.
    unsafe {
        let null = stream.WriteAsync(bytes.as_ptr().cast(), 1, None, ptr::null());
        assert_eq!(code(null), E_INVALIDARG);
        let null = stream.WriteAsync(ptr::null(), 1, None, &raw const *op.overlapped);
        assert_eq!(code(null), E_POINTER);
    }
    assert_eq!(code(op.write(&stream, &bytes)), PENDING);
    assert_eq!(
        code(op.write(&stream, &bytes)),
        E_INVALIDARG,
        "one operation at a time"
    );
    assert_eq!(code(Op::at(0).result(&stream, false)), E_INVALIDARG, "never used");
    // SAFETY: a plain call.
    unsafe { stream.CancelIo() }.unwrap();
    assert_eq!(code(op.result(&stream, true)), ABORTED);
}

/// What a plug-in saw.
#[derive(Default)]
struct Seen {
    channel: Mutex<Option<IWTSVirtualChannel>>,
    messages: Mutex<Vec<Vec<u8>>>,
    closes: AtomicU32,
}

#[implement(IWTSListenerCallback)]
struct Plugin {
    seen: Arc<Seen>,
    accepts: bool,
}

#[implement(IWTSVirtualChannelCallback)]
struct Owner(Arc<Seen>);

impl IWTSListenerCallback_Impl for Plugin_Impl {
    fn OnNewChannelConnection(
        &self,
        channel: Ref<IWTSVirtualChannel>,
        _data: &BSTR,
        accepts: *mut BOOL,
        callback: OutRef<IWTSVirtualChannelCallback>,
    ) -> Result<()> {
        *self.seen.channel.lock().unwrap() = channel.cloned();
        // SAFETY: the manager gives a place for it.
        unsafe { accepts.write(self.accepts.into()) };
        callback.write(Some(Owner(Arc::clone(&self.seen)).into()))
    }
}

impl IWTSVirtualChannelCallback_Impl for Owner_Impl {
    fn OnDataReceived(&self, length: u32, buffer: *const u8) -> Result<()> {
        // SAFETY: the channel gives so many bytes.
        let message = unsafe { std::slice::from_raw_parts(buffer, length as usize) };
        self.0.messages.lock().unwrap().push(message.to_vec());
        let channel = self.0.channel.lock().unwrap().clone().unwrap();
        // SAFETY: as above. Write is allowed in the callback.
        unsafe { channel.Write(message, None::<&IUnknown>) }
    }

    fn OnClose(&self) -> Result<()> {
        self.0.closes.fetch_add(1, Ordering::SeqCst);
        self.0.channel.lock().unwrap().take();
        Ok(())
    }
}

fn transport(target: &TempFile) -> DeviceTransport {
    let file = File::open(target.0.to_str().unwrap(), Access::ReadWrite).unwrap();
    DeviceTransport::new(Reactor::new().unwrap().attach(file).unwrap())
}

/// DV-05 to DV-12 through COM: a plug-in is connected, echoes, and is closed once.
#[test]
fn dv_a_plugin_is_driven() {
    let target = TempFile::new();
    let seen = Arc::new(Seen::default());
    let manager = ChannelManager::new();
    let interface: IWTSVirtualChannelManager = manager.to_interface();
    let plugin: IWTSListenerCallback = Plugin {
        seen: Arc::clone(&seen),
        accepts: true,
    }
    .into();
    // SAFETY: the name is a constant.
    unsafe { interface.CreateListener(s!("echo"), 0, &plugin) }.unwrap();
    assert!(
        unsafe { interface.CreateListener(s!("echo"), 0, &plugin) }.is_err(),
        "taken"
    );
    assert!(
        manager
            .connect("nobody", transport(&target), Bound::Memory)
            .is_err()
    );
    let connection = manager
        .connect("echo", transport(&target), Bound::Memory)
        .unwrap();
    let messages = [Vec::new(), b"hello".to_vec(), vec![3; 100_000]];
    for message in &messages {
        connection.deliver(message).unwrap();
    }
    connection.flush().unwrap();
    let channel = connection.channel();
    // SAFETY: the bytes are alive; the interface is a valid one.
    let reserved = unsafe { channel.Write(b"no", &channel.cast::<IUnknown>().unwrap()) };
    assert_eq!(code(reserved), E_INVALIDARG);
    // SAFETY: plain calls.
    unsafe { channel.Close() }.unwrap();
    assert!(unsafe { channel.Close() }.is_err());
    assert!(unsafe { channel.Write(b"late", None::<&IUnknown>) }.is_err());
    assert_eq!(connection.deliver(b"late"), Err(Refusal::Closed));
    drop((connection, channel));
    assert_eq!(*seen.messages.lock().unwrap(), messages);
    assert_eq!(seen.closes.load(Ordering::SeqCst), 1);
    let mut reassembler = Reassembler::new(CHANNEL_CHUNK_LENGTH, u32::MAX);
    let mut echoed = Vec::new();
    reassembler
        .push(&fs::read(&target.0).unwrap(), |message| echoed.push(message))
        .unwrap();
    assert_eq!(echoed, messages);
    drop((plugin, interface, manager));
    assert_eq!(Arc::strong_count(&seen), 1, "every reference is given back");
}

/// A listener that does not accept gets no channel.
#[test]
fn dv_a_plugin_may_refuse() {
    let target = TempFile::new();
    let seen = Arc::new(Seen::default());
    let manager = ChannelManager::new();
    let interface: IWTSVirtualChannelManager = manager.to_interface();
    let plugin: IWTSListenerCallback = Plugin {
        seen: Arc::clone(&seen),
        accepts: false,
    }
    .into();
    // SAFETY: the name is a constant.
    unsafe { interface.CreateListener(s!("echo"), 0, &plugin) }.unwrap();
    let refused = manager.connect("echo", transport(&target), Bound::Memory);
    assert_eq!(code(refused.map(|_| ())), HRESULT::from_win32(1225));
    seen.channel.lock().unwrap().take();
    drop((plugin, interface, manager));
    assert_eq!(Arc::strong_count(&seen), 1);
}
