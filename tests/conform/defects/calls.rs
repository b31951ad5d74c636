//! The calls of the model, with a defect in front.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use kswrite_client::Win32Error;
use kswrite_conform::{
    Venue,
    faces::{Face, Faces},
    win32::{
        Access, Body, Buffer, Count, Data, From, Handle, LAST_ERROR_BEFORE, NamedPipe, NtWrite, Open, Ov,
        Overlapped, OverlappedState, Packet, Patience, Protection, Resource, Returned, Routine,
        SKIP_SET_EVENT, UNTOUCHED, Waited, Win32,
    },
};
use kswrite_core::NtStatus;
use kswrite_wire::sink::{Script, State};

use super::Defect::{self, self as D};

/// What the calls remember.
#[derive(Default)]
pub(crate) struct Seen {
    /// The content of each OVERLAPPED.
    overlapped: HashMap<Ov, Overlapped>,
    synchronous: HashSet<Handle>,
    times: u64,
    /// The file of each stream and channel.
    pub(super) files: HashMap<Face, Handle>,
    /// Channels of the WTS functions whose reads have headers, and their devices.
    pub(super) devices: HashMap<Face, (bool, String)>,
    /// Messages that were written to channels.
    pub(super) messages: u32,
}

/// The calls with a defect.
pub(crate) struct Wrong<'a> {
    os: &'a dyn Win32,
    defect: Defect,
    seen: Arc<Mutex<Seen>>,
}

/// TRUE, of a call without a count.
pub(super) const DONE: Returned = Returned {
    returned: true,
    error: LAST_ERROR_BEFORE,
    count: None,
};

/// FALSE with this error.
pub(super) const fn failed(error: Win32Error, count: Option<u32>) -> Returned {
    Returned {
        returned: false,
        error,
        count,
    }
}

impl<'a> Wrong<'a> {
    pub(crate) fn new(os: &'a dyn Win32, defect: Defect, seen: Arc<Mutex<Seen>>) -> Self {
        Self { os, defect, seen }
    }

    pub(super) fn os(&self) -> &dyn Win32 {
        self.os
    }

    pub(super) fn defect(&self) -> Defect {
        self.defect
    }

    pub(super) fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("not poisoned")
    }

    pub(super) fn content(&self, overlapped: Option<Ov>) -> Overlapped {
        let content = overlapped.and_then(|overlapped| self.seen().overlapped.get(&overlapped).copied());
        content.unwrap_or_default()
    }

    /// What a write has to do with before it is made: another result, or other arguments.
    fn before_write(&self, file: Handle, count: Count, overlapped: &mut Option<Ov>) -> Option<Returned> {
        let no_count = (count == Count::Wanted).then_some(0);
        let synchronous = self.seen().synchronous.contains(&file);
        match self.defect {
            D::EverythingDenied => return Some(failed(Win32Error::ACCESS_DENIED, no_count)),
            D::CountRequired if count == Count::Null => {
                return Some(failed(Win32Error::INVALID_PARAMETER, None));
            }
            D::OffsetRefused if self.content(*overlapped).offset != 0 => {
                return Some(failed(Win32Error::INVALID_PARAMETER, no_count));
            }
            D::OverlappedIgnored if synchronous => *overlapped = None,
            D::OverlappedMadeUp => {
                *overlapped = overlapped.or(Some(self.os.overlapped(&Overlapped::default())));
            }
            _ => {}
        }
        None
    }

    fn after_write(&self, returned: Returned, event: Option<Handle>) -> Returned {
        let Returned { error, count, .. } = returned;
        let failure = !returned.returned && !returned.is_pending();
        match self.defect {
            D::CountUntouched if !returned.returned => Returned {
                count: count.map(|_| UNTOUCHED),
                ..returned
            },
            D::CountTooSmall if returned.returned => Returned {
                count: count.map(|count| count.wrapping_sub(1)),
                ..returned
            },
            D::LastErrorCleared if error == LAST_ERROR_BEFORE => Returned {
                error: Win32Error(0),
                ..returned
            },
            D::OneError if failure => failed(Win32Error(31), count),
            D::PendingIsFailure if returned.is_pending() => failed(Win32Error(31), count),
            D::TimeoutIsError if returned.returned => failed(Win32Error(121), count),
            D::EventSetAtOnce | D::EventNotSet => {
                if let Some(event) = event
                    && (self.is(D::EventSetAtOnce) || returned.returned)
                {
                    let _set = self.os.set_event(event, self.is(D::EventSetAtOnce));
                }
                returned
            }
            _ => returned,
        }
    }
}

macro_rules! pass_on {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        fn $name(&self, $($argument: $type),*) $(-> $result)? {
            self.os.$name($($argument),*)
        }
    )*};
}

type Done = Result<(), Win32Error>;
type Opened = Result<Handle, Win32Error>;

impl Win32 for Wrong<'_> {
    pass_on! {
        fn venue() -> Venue;
        fn buffer(bytes: &[u8]) -> Buffer;
        fn set_bytes(buffer: Buffer, offset: usize, bytes: &[u8]);
        fn bytes(buffer: Buffer) -> Vec<u8>;
        fn protect(buffer: Buffer, protection: Protection);
        fn scratch_path(name: &str) -> String;
        fn close(handle: Handle) -> Done;
        fn duplicate(handle: Handle) -> Opened;
        fn make_sparse(file: Handle) -> Done;
        fn unlock_file(file: Handle, offset: u64, length: u64) -> Done;
        fn sector_bytes(file: Handle) -> u32;
        fn disconnect_named_pipe(server: Handle) -> Done;
        fn socket_pair() -> Result<(Handle, Handle), Win32Error>;
        fn create_mailslot(name: &str) -> Opened;
        fn set_comm_write_timeout(comm: Handle, milliseconds: u32) -> Done;
        fn create_event(manual_reset: bool, signalled: bool) -> Opened;
        fn set_event(event: Handle, signalled: bool) -> Done;
        fn wait(object: Handle, patience: Patience) -> Result<Waited, Win32Error>;
        fn create_port() -> Opened;
        fn exit_code(process: Handle) -> Result<u32, Win32Error>;
        fn set_script(sink: Handle, script: &Script) -> Result<(), String>;
        fn release(sink: Handle) -> Result<u32, String>;
        fn sink_state(sink: Handle) -> Result<State, String>;
    }

    fn faces(&self) -> &dyn Faces {
        self
    }

    fn overlapped(&self, content: &Overlapped) -> Ov {
        let mut content = *content;
        if self.is(D::OffsetOf32Bits) && content.offset != u64::MAX {
            content.offset &= u64::from(u32::MAX);
        }
        if self.is(D::LowBitIgnored) {
            content.no_packet = false;
        }
        let overlapped = self.os.overlapped(&content);
        self.seen().overlapped.insert(overlapped, content);
        overlapped
    }

    fn overlapped_state(&self, overlapped: Ov) -> OverlappedState {
        let mut state = self.os.overlapped_state(overlapped);
        if self.is(D::OffsetChanges) {
            state.offset = state.offset.wrapping_add(1);
        }
        if self.is(D::InternalIsSuccess) {
            state.internal = 0;
        }
        state
    }

    fn create_file(&self, path: &str, open: Open) -> Opened {
        let mut open = open;
        match self.defect {
            D::ReadIsWrite if open.access == Access::Read => open.access = Access::ReadWrite,
            D::AppendIsWrite if open.access == Access::AppendData => open.access = Access::ReadWrite,
            D::NeverOverlapped => open.overlapped = false,
            D::NeverWriteThrough => open.write_through = false,
            D::AlwaysWriteThrough => open.write_through = true,
            D::NeverUnbuffered => open.no_buffering = false,
            _ => {}
        }
        let file = self.os.create_file(path, open)?;
        if !open.overlapped {
            self.seen().synchronous.insert(file);
        }
        if self.is(D::HandleNotSignalled) {
            let _set = self.os.set_notification_modes(file, SKIP_SET_EVENT);
        }
        Ok(file)
    }

    fn file_size(&self, file: Handle) -> Result<u64, Win32Error> {
        Ok(self.os.file_size(file)? + u64::from(self.is(D::FileGrows)))
    }

    fn set_file_pointer(&self, file: Handle, distance: i64, from: From) -> Result<u64, Win32Error> {
        let position = self.os.set_file_pointer(file, distance, from)?;
        Ok(if self.is(D::PositionStays) { 0 } else { position })
    }

    fn last_write_time(&self, file: Handle) -> Result<u64, Win32Error> {
        let time = self.os.last_write_time(file)?;
        let mut seen = self.seen();
        seen.times += u64::from(self.is(D::TimeGoesBack));
        Ok(time.saturating_sub(seen.times << 40))
    }

    fn lock_file(&self, file: Handle, offset: u64, length: u64, exclusive: bool) -> Done {
        match self.defect {
            D::LocksIgnored => Ok(()),
            _ => self.os.lock_file(file, offset, length, exclusive),
        }
    }

    fn set_notification_modes(&self, file: Handle, modes: u8) -> Done {
        match self.defect {
            D::ModesIgnored => Ok(()),
            _ => self.os.set_notification_modes(file, modes),
        }
    }

    fn lock_volume(&self, volume: Handle) -> Done {
        match self.defect {
            D::VolumesStayMounted => Ok(()),
            _ => self.os.lock_volume(volume),
        }
    }

    fn dismount_volume(&self, volume: Handle) -> Done {
        match self.defect {
            D::VolumesStayMounted => Ok(()),
            _ => self.os.dismount_volume(volume),
        }
    }

    fn console_cursor(&self, console: Handle) -> Result<(i16, i16), Win32Error> {
        let cursor = self.os.console_cursor(console)?;
        Ok(if self.is(D::CursorStays) { (0, 0) } else { cursor })
    }

    fn create_pipe(&self, bytes: u32) -> Result<(Handle, Handle), Win32Error> {
        let (reader, writer) = self
            .os
            .create_pipe(bytes << u32::from(self.is(D::PipesAreWide)))?;
        self.seen().synchronous.insert(writer);
        Ok((reader, writer))
    }

    fn create_named_pipe(&self, pipe: &NamedPipe<'_>) -> Opened {
        let quota = pipe.quota << u32::from(self.is(D::PipesAreWide));
        self.os.create_named_pipe(&NamedPipe { quota, ..*pipe })
    }

    fn set_pipe_wait(&self, pipe: Handle, message: bool, waits: bool) -> Done {
        self.os
            .set_pipe_wait(pipe, message, waits || self.is(D::PipesWait))
    }

    fn write_file(
        &self,
        file: Handle,
        data: Data,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Returned {
        let event = self.content(overlapped).event;
        let mut overlapped = overlapped;
        if let Some(returned) = self.before_write(file, count, &mut overlapped) {
            return returned;
        }
        let (data, length) = if self.is(D::NothingIsAByte) && length == 0 {
            (Data::Of(self.os.buffer(b"?")), 1)
        } else {
            (data, length)
        };
        let returned = self.os.write_file(file, data, length, count, overlapped);
        self.after_write(returned, event)
    }

    fn read_file(
        &self,
        file: Handle,
        into: Buffer,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Returned {
        let returned = self.os.read_file(file, into, length, count, overlapped);
        if self.is(D::ReadsWrong)
            && returned.returned
            && let Some(first) = self.os.bytes(into).first()
        {
            self.os.set_bytes(into, 0, &[!first]);
        }
        returned
    }

    fn write_file_ex(&self, file: Handle, data: Data, length: u32, overlapped: Ov) -> Returned {
        match self.defect {
            D::RoutineForgotten => {
                let returned = self
                    .os
                    .write_file(file, data, length, Count::Null, Some(overlapped));
                Returned {
                    returned: returned.returned || returned.is_pending(),
                    ..returned
                }
            }
            _ => self.os.write_file_ex(file, data, length, overlapped),
        }
    }

    fn nt_write_file(&self, write: &NtWrite) -> NtStatus {
        let mut write = *write;
        match self.defect {
            D::NegativeIsZero => write.offset = write.offset.map(|offset| offset.max(0)),
            D::RoutineForgotten => write.apc = false,
            _ => {}
        }
        self.os.nt_write_file(&write)
    }

    fn get_overlapped_result(&self, file: Handle, overlapped: Ov, wait: bool) -> Returned {
        let returned = self.os.get_overlapped_result(file, overlapped, wait);
        match self.defect {
            D::NeverIncomplete if returned.error == Win32Error(996) => Returned {
                returned: true,
                error: LAST_ERROR_BEFORE,
                count: Some(0),
            },
            D::ResultTooSmall if returned.returned => Returned {
                count: returned.count.map(|count| count.wrapping_sub(1)),
                ..returned
            },
            _ => returned,
        }
    }

    fn cancel_io(&self, file: Handle) -> Returned {
        match self.defect {
            D::CancelIoOfAll => self.os.cancel_io_ex(file, None),
            D::CancelIoRefused => failed(Win32Error::NOT_FOUND, None),
            D::CancelsIgnored => DONE,
            _ => self.os.cancel_io(file),
        }
    }

    fn cancel_io_ex(&self, file: Handle, overlapped: Option<Ov>) -> Returned {
        match (self.defect, overlapped) {
            (D::CancelIoExOfThread, None) => self.os.cancel_io(file),
            (D::CancelIoExOfAll, Some(_)) => self.os.cancel_io_ex(file, None),
            (D::CancelsIgnored, _) => DONE,
            _ => self.os.cancel_io_ex(file, overlapped),
        }
    }

    fn cancel_synchronous_io(&self, thread: Handle) -> Returned {
        match self.defect {
            D::CancelsIgnored => DONE,
            _ => self.os.cancel_synchronous_io(thread),
        }
    }

    fn sleep(&self, patience: Patience) -> Vec<Routine> {
        let ran = self.os.sleep(patience);
        let times = if self.is(D::RoutineTwice) { 2 } else { 1 };
        ran.repeat(times)
    }

    fn associate(&self, file: Handle, port: Handle, key: u64) -> Done {
        match self.defect {
            D::PortIgnored => Ok(()),
            _ => self.os.associate(file, port, key),
        }
    }

    fn dequeue(&self, port: Handle, patience: Patience) -> Result<Option<Packet>, Win32Error> {
        let packet = self.os.dequeue(port, patience)?;
        Ok(match (self.defect, packet) {
            (D::KeyLost, Some(packet)) => Some(Packet { key: 0, ..packet }),
            (D::PacketLost, Some(_)) => None,
            (D::PacketInvented, None) => Some(Packet {
                error: None,
                bytes: 0,
                key: 0,
                overlapped: None,
            }),
            (_, packet) => packet,
        })
    }

    fn spawn(&self, body: Body) -> Opened {
        let (defect, seen) = (self.defect, Arc::clone(&self.seen));
        self.os
            .spawn(Box::new(move |os| body(&Wrong::new(os, defect, seen))))
    }

    fn spawn_process(&self, role: &str, handles: &[Handle]) -> Opened {
        match self.defect {
            D::ProcessDoesNothing => self.os.spawn_process("nothing", handles),
            _ => self.os.spawn_process(role, handles),
        }
    }

    fn exhaust(&self, resource: Resource) -> Result<(), String> {
        match self.defect {
            D::NothingRunsOut => Ok(()),
            _ => self.os.exhaust(resource),
        }
    }
}
