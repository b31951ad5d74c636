//! A suite is worth what it finds: calls that break a rule, and the rules whose cases must see it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use kswrite_client::Win32Error;
use kswrite_conform::{
    Venue,
    model::ModelRunner,
    result::{Results, Row, Verdict},
    suite::{self, CaseBody, Runner, Selection},
    target::Target,
    win32::{
        Access, Body, Buffer, Count, Data, Disposition, From, Handle, LAST_ERROR_BEFORE, NamedPipe, NtWrite, Open, Ov,
        Overlapped, OverlappedState, Packet, Patience, Protection, Resource, Returned, Routine, SKIP_SET_EVENT,
        UNTOUCHED, Waited, Win32,
    },
};
use kswrite_core::NtStatus;
use kswrite_wire::sink::{Script, State};

use crate::{UNSEEN, everything, words};

/// What the calls do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    /// A handle for reading can write.
    ReadIsWrite,
    /// FILE_APPEND_DATA is any writing.
    AppendIsWrite,
    /// FILE_FLAG_OVERLAPPED is ignored.
    NeverOverlapped,
    /// FILE_FLAG_WRITE_THROUGH is ignored.
    NeverWriteThrough,
    /// FILE_FLAG_WRITE_THROUGH is assumed.
    AlwaysWriteThrough,
    /// FILE_FLAG_NO_BUFFERING is ignored.
    NeverUnbuffered,
    /// Files are not signalled.
    HandleNotSignalled,
    /// An offset is cut to 32 bits, but for the one that appends.
    OffsetOf32Bits,
    /// The low bit of hEvent is ignored.
    LowBitIgnored,
    /// The offset in the OVERLAPPED changes.
    OffsetChanges,
    /// Internal says that all is well.
    InternalIsSuccess,
    /// A file is longer than it is.
    FileGrows,
    /// The position is always 0.
    PositionStays,
    /// Time goes back.
    TimeGoesBack,
    /// Locks lock nothing.
    LocksIgnored,
    /// Volumes are not locked or dismounted.
    VolumesStayMounted,
    /// Notification modes are ignored.
    ModesIgnored,
    /// The cursor of a console does not move.
    CursorStays,
    /// Timeouts of serial ports are errors.
    TimeoutIsError,
    /// A pipe always waits.
    PipesWait,
    /// Pipes have more room than they should.
    PipesAreWide,
    /// WriteFile leaves the count alone on a failure.
    CountUntouched,
    /// WriteFile wants a count.
    CountRequired,
    /// WriteFile counts a byte too few.
    CountTooSmall,
    /// WriteFile makes an OVERLAPPED up.
    OverlappedMadeUp,
    /// WriteFile ignores the OVERLAPPED of a synchronous handle.
    OverlappedIgnored,
    /// WriteFile writes a byte where none was given.
    NothingIsAByte,
    /// WriteFile sets the last error to 0 on success.
    LastErrorCleared,
    /// WriteFile has one error for everything.
    OneError,
    /// WriteFile does not know ERROR_IO_PENDING.
    PendingIsFailure,
    /// WriteFile sets the event when it returns.
    EventSetAtOnce,
    /// WriteFile resets the event when it returns TRUE.
    EventNotSet,
    /// WriteFile refuses offsets.
    OffsetRefused,
    /// Nothing can be written.
    EverythingDenied,
    /// What is read has another first byte.
    ReadsWrong,
    /// NtWriteFile takes any negative offset for 0.
    NegativeIsZero,
    /// NtWriteFile and WriteFileEx forget the routine.
    RoutineForgotten,
    /// A completion routine runs twice.
    RoutineTwice,
    /// GetOverlappedResult never says ERROR_IO_INCOMPLETE.
    NeverIncomplete,
    /// GetOverlappedResult counts a byte too few.
    ResultTooSmall,
    /// CancelIo cancels what all threads have pending.
    CancelIoOfAll,
    /// CancelIo does nothing, and says so.
    CancelIoRefused,
    /// CancelIoEx without an OVERLAPPED cancels what this thread has pending.
    CancelIoExOfThread,
    /// CancelIoEx cancels everything.
    CancelIoExOfAll,
    /// No cancel does anything.
    CancelsIgnored,
    /// A file is not bound to its port.
    PortIgnored,
    /// Packets have no key.
    KeyLost,
    /// Packets are lost.
    PacketLost,
    /// There is always one more packet.
    PacketInvented,
    /// Another process does nothing.
    ProcessDoesNothing,
    /// Nothing runs out.
    NothingRunsOut,
}

use Defect as D;

/// What each defect must break.
const FOUND: &[(Defect, &[&str])] = &[
];

#[derive(Default)]
struct Seen {
    /// The content of each OVERLAPPED.
    overlapped: HashMap<Ov, Overlapped>,
    synchronous: HashSet<Handle>,
    times: u64,
}

/// The calls with a defect.
struct Wrong<'a> {
    os: &'a dyn Win32,
    defect: Defect,
    seen: Arc<Mutex<Seen>>,
}

/// FALSE with this error.
const fn failed(error: Win32Error, count: Option<u32>) -> Returned {
    Returned {
        returned: false,
        error,
        count,
    }
}

impl Wrong<'_> {
    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("not poisoned")
    }

    fn content(&self, overlapped: Option<Ov>) -> Overlapped {
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
            D::OverlappedMadeUp => *overlapped = overlapped.or(Some(self.os.overlapped(&Overlapped::default()))),
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
        let (reader, writer) = self.os.create_pipe(bytes << u32::from(self.is(D::PipesAreWide)))?;
        self.seen().synchronous.insert(writer);
        Ok((reader, writer))
    }

    fn create_named_pipe(&self, pipe: &NamedPipe<'_>) -> Opened {
        let quota = pipe.quota << u32::from(self.is(D::PipesAreWide));
        self.os.create_named_pipe(&NamedPipe { quota, ..*pipe })
    }

    fn set_pipe_wait(&self, pipe: Handle, message: bool, waits: bool) -> Done {
        self.os.set_pipe_wait(pipe, message, waits || self.is(D::PipesWait))
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
                let returned = self.os.write_file(file, data, length, Count::Null, Some(overlapped));
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
        self.os.spawn(Box::new(move |os| body(&Wrong { os, defect, seen })))
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

/// TRUE, of a call without a count.
const DONE: Returned = Returned {
    returned: true,
    error: LAST_ERROR_BEFORE,
    count: None,
};

/// The model, with a defect in front.
struct WrongRunner(ModelRunner<'static>, Defect);

impl Runner for WrongRunner {
    fn venue(&self) -> Venue {
        self.0.venue()
    }

    fn system(&self) -> String {
        self.0.system()
    }

    fn prepare(&mut self, target: &Target) -> Result<(), String> {
        self.0.prepare(target)
    }

    fn run(&mut self, body: CaseBody) -> Result<(), String> {
        let defect = self.1;
        self.0.run(Box::new(move |os| {
            body(&Wrong {
                os,
                defect,
                seen: Arc::default(),
            });
        }))
    }
}
pub fn matrix(){
 let args:Vec<String>=std::env::args().skip(1).collect();
 for d in ALLD{
  let d=*d; if !args.is_empty() && !args.contains(&format!("{d:?}")){continue}
  let t=std::time::Instant::now();
  let mut r=WrongRunner(ModelRunner::with_seed(0),d);
  let res=suite::run(&mut r,&everything(),&mut |row|{ if std::env::var("V").is_ok(){println!("  {} {} {:?} {}",row.id,row.target,row.verdict,row.statement)}}).unwrap();
  let failed:BTreeSet<&str>=res.rows.iter().filter(|r|r.verdict==Verdict::Fail).map(|r|r.id.as_str()).collect();
  println!("{d:?} {}ms: {}",t.elapsed().as_millis(),failed.iter().map(|s|&s[3..]).collect::<Vec<_>>().join(" "));
 }
}
const ALLD:&[Defect]=&[D::ReadIsWrite,D::AppendIsWrite,D::NeverOverlapped,D::NeverWriteThrough,D::AlwaysWriteThrough,D::NeverUnbuffered,D::HandleNotSignalled,D::OffsetOf32Bits,D::LowBitIgnored,D::OffsetChanges,D::InternalIsSuccess,D::FileGrows,D::PositionStays,D::TimeGoesBack,D::LocksIgnored,D::VolumesStayMounted,D::ModesIgnored,D::CursorStays,D::TimeoutIsError,D::PipesWait,D::PipesAreWide,D::CountUntouched,D::CountRequired,D::CountTooSmall,D::OverlappedMadeUp,D::OverlappedIgnored,D::NothingIsAByte,D::LastErrorCleared,D::OneError,D::PendingIsFailure,D::EventSetAtOnce,D::EventNotSet,D::OffsetRefused,D::EverythingDenied,D::ReadsWrong,D::NegativeIsZero,D::RoutineForgotten,D::RoutineTwice,D::NeverIncomplete,D::ResultTooSmall,D::CancelIoOfAll,D::CancelIoRefused,D::CancelIoExOfThread,D::CancelIoExOfAll,D::CancelsIgnored,D::PortIgnored,D::KeyLost,D::PacketLost,D::PacketInvented,D::ProcessDoesNothing,D::NothingRunsOut];
