//! Writes to file objects through the control device: KsWriteFile as a program can watch it.
//!
//! What Windows decides when a file is opened, such as whether it is synchronous, Wine does not know; there a
//! case sets it through the host. Cases that need the host say so elsewhere.

use kswrite_client::{
    Access, Event, File, FileObjectCall, FileObjectWrite, Win32Error, control, control_bytes,
};
use kswrite_wire::{
    file_write::{
        Attempt, Cancel, Carrier, CheckedReport, Completer, Completion, Header, Report, Skip,
        WRITE_FILE_OBJECT,
    },
    filter::{self, DeviceSelector, Statistics},
    names::{CONTROL_PATH, SinkKind},
    sink::{self, FastMode, Script},
    wine_host::{
        self, Fault, FileChange, FileFields, FileHandle, Mapped, PreviousMode, SentIrp, SentIrps, Service,
        Watch, sent,
    },
};
use zerocopy::IntoBytes;

use crate::rig::{Rig, host_counters, irp_script, open, pattern, release, state};

const SUCCESS: i32 = 0;
const PENDING: i32 = 0x103;
const INFORMATION: i32 = 0x4000_0000;
const BUFFER_OVERFLOW: i32 = 0x8000_0005_u32 as i32;
const ACCESS_VIOLATION: i32 = 0xC000_0005_u32 as i32;
const INVALID_PARAMETER: i32 = 0xC000_000D_u32 as i32;
const QUOTA_EXCEEDED: i32 = 0xC000_0044_u32 as i32;
const INSUFFICIENT_RESOURCES: i32 = 0xC000_009A_u32 as i32;
const CANCELLED: i32 = 0xC000_0120_u32 as i32;
const IO_DEVICE_ERROR: i32 = 0xC000_0185_u32 as i32;

const ERROR_INVALID_HANDLE: Win32Error = Win32Error(6);
const ERROR_NOT_SUPPORTED: Win32Error = Win32Error(50);
const ERROR_INSUFFICIENT_BUFFER: Win32Error = Win32Error(122);
const ERROR_QUOTA: Win32Error = Win32Error(1816);

const FO_SYNCHRONOUS_IO: u32 = 0x2;
const FO_NO_INTERMEDIATE_BUFFERING: u32 = 0x8;
const FO_WRITE_THROUGH: u32 = 0x10;
const FO_SKIP_SET_EVENT: u32 = 0x0400_0000;
const FO_SKIP_SET_FAST_IO: u32 = 0x0800_0000;
const IRP_NOCACHE: u32 = 0x1;
const IRP_BUFFERED_IO: u32 = 0x10;
const IRP_DEALLOCATE_BUFFER: u32 = 0x20;
const IRP_WRITE_OPERATION: u32 = 0x200;

/// The filter's control device.
fn filter_device() -> File {
    File::open(CONTROL_PATH, Access::ReadWrite).expect("the filter is loaded")
}

/// What stands for the parts of the kernel that Wine has not; `None` on Windows.
struct Host(File);

impl Host {
    fn find() -> Option<Self> {
        let host = File::open(wine_host::CONTROL_PATH, Access::ReadWrite).ok();
        if host.is_none() {
            println!("not run: no Wine host here to set or look at a file object");
        }
        host.map(Self)
    }

    fn fields(&self, file: &File) -> FileFields {
        let handle = FileHandle {
            handle: file.number(),
        };
        control(&self.0, wine_host::GET_FILE_OBJECT, &handle).expect("the handle is a sink's")
    }

    fn change(&self, file: &File, change: impl FnOnce(&mut FileFields)) {
        let mut fields = self.fields(file);
        change(&mut fields);
        let change = FileChange {
            handle: file.number(),
            fields,
        };
        control::<_, ()>(&self.0, wine_host::SET_FILE_OBJECT, &change).expect("the handle is a sink's");
    }

    fn previous_mode_is_kernel(&self, kernel: bool) {
        let mode = PreviousMode {
            kernel: kernel.into(),
        };
        control::<_, ()>(&self.0, wine_host::SET_PREVIOUS_MODE, &mode).expect("the host knows modes");
    }

    fn watch(&self, on: bool) -> SentIrps {
        control(&self.0, wine_host::WATCH_WRITES, &Watch { on: on.into() }).expect("the host watches")
    }

    /// The write IRP that came of `write`: the one to the top of the stack.
    fn sent(&self, write: impl FnOnce()) -> SentIrp {
        self.watch(true);
        write();
        let seen = self.watch(false);
        assert_eq!(seen.count, 2, "one IRP to the filter, and one to the sink");
        seen.irps[0]
    }

    fn arm(&self, service: Service, after: u32) {
        let fault = Fault {
            service: service as u32,
            after,
            times: 1,
            reserved: 0,
        };
        control::<_, ()>(&self.0, wine_host::SET_FAULT, &fault).expect("the host arms the fault");
    }

    fn disarm(&self) {
        control::<_, ()>(&self.0, wine_host::SET_FAULT, &Fault::default()).expect("the host disarms");
    }
}

/// Bytes of a program, at an address that the drivers can reach, behind which there is nothing.
struct Memory {
    host: Host,
    at: Mapped,
}

impl Memory {
    fn of(bytes: &[u8]) -> Option<Self> {
        let host = Host::find()?;
        let answer = control_bytes(&host.0, wine_host::MAP_BYTES.0, bytes, 8).expect("the host maps pages");
        let address = u64::from_le_bytes(answer.try_into().expect("an address"));
        Some(Self {
            host,
            at: Mapped { address },
        })
    }

    const fn address(&self) -> u64 {
        self.at.address
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _gone = control::<_, ()>(&self.host.0, wine_host::UNMAP_BYTES, &self.at);
    }
}

/// A case: the account of the rig, the filter's device, and what was counted before.
struct Case {
    rig: Rig,
    device: File,
    before: Statistics,
}

impl Case {
    fn new() -> Self {
        let (rig, device) = (Rig::new(), filter_device());
        let before = counted(&device);
        Self { rig, device, before }
    }

    /// A write that is waited for.
    fn write(&self, write: &FileObjectWrite) -> CheckedReport {
        write.write(&self.device).expect("the request is understood")
    }

    fn start(&self, write: &FileObjectWrite) -> FileObjectCall {
        let call = write.start(&self.device).expect("an event");
        assert!(call.is_pending());
        call
    }

    fn refused(&self, write: &FileObjectWrite) -> Win32Error {
        write.write(&self.device).expect_err("the request is refused")
    }

    /// The writes of this case, as the filter counted those to file objects.
    fn counted(&self) -> [u64; 9] {
        let now = counted(&self.device);
        let was = self.before;
        [
            now.attempted - was.attempted,
            now.fast - was.fast,
            now.irp - was.irp,
            now.inline - was.inline,
            now.pended - was.pended,
            now.cancelled - was.cancelled,
            now.failed - was.failed,
            now.rejected - was.rejected,
            now.fast_bytes + now.irp_bytes - was.fast_bytes - was.irp_bytes,
        ]
    }

    /// The final account; the files of the case must be closed.
    fn finish(self) {
        assert_eq!(counted(&self.device).in_flight, 0);
        drop(self.device);
        self.rig.finish();
    }
}

fn counted(device: &File) -> Statistics {
    let selector = DeviceSelector {
        index: DeviceSelector::FILE_OBJECTS,
    };
    control(device, filter::GET_STATISTICS, &selector).expect("the filter tells its counters")
}

/// What a status block says of a success. An option, as the reports have it.
#[expect(clippy::unnecessary_wraps, reason = "compared with what may be absent")]
fn ok(length: usize) -> Option<(i32, u64)> {
    Some((SUCCESS, length as u64))
}

/// KS-01, KS-02, KS-25, KS-74: fast I/O of the top of the stack does the write.
#[test]
fn ks_01_02_23_25_74_fast_success() {
    for kind in SinkKind::ALL {
        let case = Case::new();
        let file = open(kind, Script::default());
        let report = case.write(&FileObjectWrite::new(&file, &pattern(5000, 1)));
        assert_eq!((report.returned, report.final_status), (SUCCESS, SUCCESS));
        assert_eq!(report.block, ok(5000));
        assert_eq!(
            (report.attempt, report.completion),
            (Attempt::Done, Completion::Fast)
        );
        assert_eq!((report.carrier, report.cancel), (Carrier::None, Cancel::NotAsked));
        let seen = case.rig.delta();
        assert_eq!((seen.forwarded_fast, seen.irp), (1, 0), "{kind:?} {seen:?}");
        assert_eq!((state(&file).fast_writes, state(&file).bytes), (1, 5000));
        drop(file);
        case.finish();
    }
}

/// KS-04, KS-24: the event is clear while the write is on its way, and set when it is over.
#[test]
fn ks_04_24_event_is_cleared_first() {
    for kind in SinkKind::ALL {
        let case = Case::new();
        let file = open(kind, irp_script(sink::Completion::Held));
        let event = Event::new(true).expect("an event");
        let call = case.start(&FileObjectWrite::new(&file, &pattern(64, 1)).event(&event));
        assert!(!event.is_set(), "{kind:?}");
        assert_eq!(release(&file), 1);
        let report = call.wait().expect("a report");
        assert!(event.is_set(), "{kind:?}");
        assert_eq!((report.returned, report.final_status), (PENDING, SUCCESS));
        assert_eq!(
            (report.attempt, report.completion),
            (Attempt::Declined, Completion::Pended)
        );
        assert_eq!(report.block, ok(64));
        drop(file);
        case.finish();
    }
}

/// KS-05: references are held while the write is on its way, and given back on every path.
#[test]
fn ks_05_references() {
    let Some(host) = Host::find() else { return };
    for (script, pended) in [
        (Script::default(), false),
        (irp_script(sink::Completion::Inline), false),
        (failing(sink::Completion::Inline, IO_DEVICE_ERROR), false),
        (irp_script(sink::Completion::Held), true),
    ] {
        let case = Case::new();
        let file = open(SinkKind::Direct, script);
        let event = Event::new(false).expect("an event");
        let write = FileObjectWrite::new(&file, &pattern(64, 1)).event(&event);
        let call = write.start(&case.device).expect("an event");
        let held = host_counters().map(|counters| counters.references);
        assert_eq!(held, Some(if pended { 2 } else { 0 }), "{script:?}");
        release(&file);
        call.wait().expect("a report");
        drop(file);
        case.finish();
    }
    drop(host);
}

/// A script in which IRPs complete so, with this status.
fn failing(completion: sink::Completion, status: i32) -> Script {
    Script {
        status,
        ..irp_script(completion)
    }
}

/// KS-07, KS-44: without an event, that of an asynchronous file object tells the end.
#[test]
fn ks_07_44_the_event_of_the_file_object() {
    let Some(host) = Host::find() else { return };
    for kind in SinkKind::ALL {
        let case = Case::new();
        let file = open(kind, irp_script(sink::Completion::Held));
        host.change(&file, |fields| fields.event_set = 1);
        let call = case.start(&FileObjectWrite::new(&file, &pattern(64, 1)));
        assert_eq!(host.fields(&file).event_set, 0, "{kind:?}");
        assert_eq!(release(&file), 1);
        call.wait().expect("a report");
        let fields = host.fields(&file);
        assert_eq!((fields.event_set, fields.final_status), (1, SUCCESS), "{kind:?}");
        drop(file);
        case.finish();
    }
}

/// KS-08: an event with a synchronous file object is refused before anything is touched.
#[test]
fn ks_08_event_with_a_synchronous_file_object() {
    let Some(host) = Host::find() else { return };
    let case = Case::new();
    let file = open(SinkKind::Buffered, Script::default());
    host.change(&file, |fields| fields.flags |= FO_SYNCHRONOUS_IO);
    let event = Event::new(true).expect("an event");
    let report = case.write(&FileObjectWrite::new(&file, b"bytes").event(&event));
    assert_eq!(report.returned, INVALID_PARAMETER);
    assert_eq!(
        (report.attempt, report.skip),
        (Attempt::Skipped, Skip::BadParameter)
    );
    assert_eq!((report.block, report.carrier), (None, Carrier::None));
    assert!(event.is_set());
    assert_eq!(case.counted(), [0; 9]);
    assert_eq!(state(&file).writes, 0);
    drop(file);
    case.finish();
}

/// KS-09, KS-29: a packet that only the I/O manager could queue is refused; without a port, or without a
/// context, there is none to queue.
#[test]
fn ks_09_29_packets() {
    let Some(host) = Host::find() else { return };
    let case = Case::new();
    let file = open(SinkKind::Direct, Script::default());
    let event = Event::new(true).expect("an event");
    let write = FileObjectWrite::new(&file, b"bytes")
        .port_context(0x1234)
        .event(&event);
    assert_eq!(case.write(&write).returned, SUCCESS);
    host.change(&file, |fields| fields.has_port = 1);
    event.set().expect("an event");
    assert_eq!(case.refused(&write), ERROR_NOT_SUPPORTED);
    assert!(event.is_set());
    assert_eq!(state(&file).writes, 1);
    assert_eq!(
        case.write(&FileObjectWrite::new(&file, b"bytes")).returned,
        SUCCESS
    );
    host.change(&file, |fields| fields.has_port = 0);
    drop(file);
    case.finish();
}

/// KS-13, KS-32, KS-51, KS-55: a write of no bytes reaches the device on either path, and carries nothing.
#[test]
fn ks_13_32_51_55_zero_length() {
    for kind in SinkKind::ALL {
        let case = Case::new();
        let file = open(kind, Script::default());
        let report = case.write(&FileObjectWrite::new(&file, &[]));
        assert_eq!((report.completion, report.block), (Completion::Fast, ok(0)));
        crate::rig::set_script(&file, irp_script(sink::Completion::Inline)).expect("the script makes sense");
        // Nothing is read at an address of no bytes, whatever it is.
        for write in [
            FileObjectWrite::new(&file, &[]),
            FileObjectWrite::at_address(&file, u64::MAX, 0),
        ] {
            let report = case.write(&write);
            let carrier = match kind {
                SinkKind::Neither => Carrier::UserBuffer,
                SinkKind::Buffered | SinkKind::Direct => Carrier::Nothing,
            };
            assert_eq!((report.completion, report.carrier), (Completion::Inline, carrier));
            assert_eq!(report.block, ok(0), "{kind:?}");
        }
        assert_eq!((state(&file).writes, state(&file).bytes), (3, 0), "{kind:?}");
        drop(file);
        case.finish();
    }
}

/// KS-14: the key arrives on both paths.
#[test]
fn ks_14_key() {
    for kind in SinkKind::ALL {
        for script in [
            Script::default(),
            irp_script(sink::Completion::Inline),
            irp_script(sink::Completion::Pended),
        ] {
            let case = Case::new();
            let file = open(kind, script);
            for key in [0, 0x1234, u32::MAX] {
                let report = case.write(&FileObjectWrite::new(&file, b"bytes").key(key));
                assert_eq!(report.final_status, SUCCESS);
                assert_eq!(state(&file).last_key, key, "{kind:?}");
            }
            drop(file);
            case.finish();
        }
    }
}

/// KS-16, KS-17, KS-22: the write starts at the position of the file object, and leaves it where it is.
#[test]
fn ks_16_17_22_position() {
    let Some(host) = Host::find() else { return };
    for kind in SinkKind::ALL {
        for script in [Script::default(), irp_script(sink::Completion::Inline)] {
            let case = Case::new();
            let file = open(kind, script);
            for position in [0_i64, 5, (1 << 32) + 5, 0xFFFF_FFFF] {
                host.change(&file, |fields| fields.current_byte_offset = position);
                let report = case.write(&FileObjectWrite::new(&file, &pattern(100, 2)));
                assert_eq!(report.returned, SUCCESS);
                assert_eq!(host.fields(&file).current_byte_offset, position, "{kind:?}");
                let placed = state(&file).high_water;
                assert!(
                    placed >= position.cast_unsigned() + 100,
                    "{kind:?} {position:#x}: {placed:#x}"
                );
            }
            drop(file);
            case.finish();
        }
    }
}

/// Offsets of the caller's: explicit ones, the two special ones, and nonsense; and a position that is moved.
#[test]
fn explicit_offsets_and_advance() {
    let Some(host) = Host::find() else { return };
    for script in [Script::default(), irp_script(sink::Completion::Inline)] {
        let case = Case::new();
        let file = open(SinkKind::Buffered, script);
        host.change(&file, |fields| {
            fields.flags |= FO_SYNCHRONOUS_IO;
            fields.current_byte_offset = 7;
        });
        let write = FileObjectWrite::new(&file, b"bytes");
        let position = || host.fields(&file).current_byte_offset;
        case.write(&write.clone().at(1000));
        assert_eq!((state(&file).high_water, position()), (1005, 7));
        case.write(&write.clone().at(-1));
        assert_eq!((state(&file).high_water, position()), (1010, 7));
        case.write(&write.clone().at(-2).advance());
        assert_eq!((state(&file).writes, position()), (3, 12));
        case.write(&write.clone().advance());
        assert_eq!(position(), 17);
        case.write(&write.clone().at(2000).advance());
        assert_eq!((state(&file).high_water, position()), (2005, 2005));
        for offset in [-3, i64::MIN] {
            let report = case.write(&write.clone().at(offset));
            assert_eq!(
                (report.returned, report.skip),
                (INVALID_PARAMETER, Skip::BadParameter)
            );
        }
        assert_eq!(state(&file).writes, 5);
        drop(file);
        case.finish();
    }
}

/// KS-15, KS-20: fast I/O is forbidden exactly when a user's address would be believed; the IRP has the
/// requestor's mode.
#[test]
fn ks_15_20_modes() {
    let Some(host) = Host::find() else { return };
    let bytes = pattern(300, 3);
    let memory = Memory::of(&bytes).expect("the host maps pages");
    for kind in SinkKind::ALL {
        for (user, kernel_before, tried) in [
            (false, true, true),
            (false, false, true),
            (true, false, true),
            (true, true, false),
        ] {
            let case = Case::new();
            let file = open(kind, Script::default());
            let write = if user {
                FileObjectWrite::at_address(&file, memory.address(), 300)
            } else {
                FileObjectWrite::new(&file, &bytes)
            };
            host.previous_mode_is_kernel(kernel_before);
            let report = case.write(&write);
            host.previous_mode_is_kernel(false);
            let expected = if tried {
                (Attempt::Done, Skip::None)
            } else {
                (Attempt::Skipped, Skip::Mode)
            };
            assert_eq!(
                (report.attempt, report.skip),
                expected,
                "{kind:?} {user} {kernel_before}"
            );
            assert_eq!(report.block, ok(300));
            assert_eq!((state(&file).writes, state(&file).bytes), (1, 300));
            crate::rig::set_script(&file, irp_script(sink::Completion::Inline)).expect("a script");
            let irp = host.sent(|| {
                case.write(&write);
            });
            assert_eq!(irp.requestor_mode, u32::from(user), "{kind:?}");
            drop(file);
            case.finish();
        }
    }
}

/// KS-21: an empty slot at the bottom of the stack makes the filter above it decline.
#[test]
fn ks_21_no_fast_routine() {
    for kind in SinkKind::ALL {
        let case = Case::new();
        let file = open(
            kind,
            Script {
                fast: FastMode::Absent as u32,
                ..Script::default()
            },
        );
        let report = case.write(&FileObjectWrite::new(&file, &pattern(100, 4)));
        assert_eq!(
            (report.attempt, report.completion),
            (Attempt::Declined, Completion::Inline)
        );
        assert_eq!(report.block, ok(100));
        assert_eq!((state(&file).writes, state(&file).fast_writes), (1, 0));
        drop(file);
        case.finish();
    }
}

/// KS-26: TRUE with another status than success does not count; the IRP does the write, once.
#[test]
fn ks_26_fast_with_another_status() {
    for kind in SinkKind::ALL {
        for status in [INFORMATION, BUFFER_OVERFLOW, IO_DEVICE_ERROR] {
            let case = Case::new();
            let file = open(
                kind,
                Script {
                    fast: FastMode::OtherStatus as u32,
                    fast_status: status,
                    ..Script::default()
                },
            );
            let report = case.write(&FileObjectWrite::new(&file, &pattern(100, 4)));
            assert_eq!(
                (report.attempt, report.attempt_status),
                (Attempt::NotSuccess, status)
            );
            assert_eq!((report.completion, report.block), (Completion::Inline, ok(100)));
            assert_eq!(
                (state(&file).writes, state(&file).fast_writes),
                (1, 0),
                "{kind:?}"
            );
            drop(file);
            case.finish();
        }
    }
}

/// KS-27, KS-28: what is signalled when fast I/O did the write.
#[test]
fn ks_27_28_events_after_fast_success() {
    let Some(host) = Host::find() else { return };
    for kind in SinkKind::ALL {
        for (flags, event_set, file_event_set) in [
            (0, true, 1),
            (FO_SKIP_SET_FAST_IO, false, 1),
            (FO_SKIP_SET_EVENT, true, 0),
        ] {
            let case = Case::new();
            let file = open(kind, Script::default());
            host.change(&file, |fields| fields.flags |= flags);
            let event = Event::new(false).expect("an event");
            let report = case.write(&FileObjectWrite::new(&file, b"bytes").event(&event));
            assert_eq!(report.completion, Completion::Fast);
            assert_eq!(
                (event.is_set(), host.fields(&file).event_set),
                (event_set, 0),
                "{flags:#x}"
            );
            case.write(&FileObjectWrite::new(&file, b"bytes"));
            assert_eq!(host.fields(&file).event_set, file_event_set, "{flags:#x}");
            drop(file);
            case.finish();
        }
    }
}

/// KS-30, KS-53, KS-57, KS-59: a program's address that is bad in one way or another: the exception is the
/// status, nothing is written, nothing leaks, the event stays clear.
#[test]
fn ks_30_53_57_59_bad_addresses() {
    let memory = Memory::of(&pattern(5000, 5));
    let mut bad = vec![
        (0, 1),
        (0x10, 4096),
        (u64::MAX, 1),
        (u64::MAX - 100, 200),
        (0xFFFF_8000_0000_0000, 64),
    ];
    if let Some(memory) = &memory {
        // The first pages are there, the last is not.
        bad.push((memory.address(), 5001));
        bad.push((memory.address() + 4999, 2));
    }
    for kind in SinkKind::ALL {
        for fast in [FastMode::Accept, FastMode::Decline] {
            for (address, length) in &bad {
                let case = Case::new();
                let file = open(
                    kind,
                    Script {
                        fast: fast as u32,
                        ..Script::default()
                    },
                );
                let event = Event::new(true).expect("an event");
                let report = case.write(&FileObjectWrite::at_address(&file, *address, *length).event(&event));
                assert_eq!(
                    report.returned, ACCESS_VIOLATION,
                    "{kind:?} {address:#x} {length}"
                );
                assert_eq!(report.block, None);
                assert!(!event.is_set());
                assert_eq!((state(&file).writes, state(&file).bytes), (0, 0));
                drop(file);
                case.finish();
            }
        }
    }
}

/// KS-52, KS-56: a program's bytes in read-only pages are written whole, by whatever carries them.
#[test]
fn ks_52_56_a_programs_bytes() {
    let bytes = pattern(5000, 6);
    let Some(memory) = Memory::of(&bytes) else { return };
    for (kind, carrier) in [
        (SinkKind::Buffered, Carrier::SystemBuffer),
        (SinkKind::Direct, Carrier::Mdl),
        (SinkKind::Neither, Carrier::UserBuffer),
    ] {
        for (script, completion) in [
            (Script::default(), Completion::Fast),
            (irp_script(sink::Completion::Inline), Completion::Inline),
            (irp_script(sink::Completion::Pended), Completion::Pended),
        ] {
            let case = Case::new();
            let file = open(kind, script);
            let report = case.write(&FileObjectWrite::at_address(&file, memory.address(), 5000));
            assert_eq!(
                (report.completion, report.block),
                (completion, ok(5000)),
                "{kind:?}"
            );
            if completion != Completion::Fast {
                assert_eq!(report.carrier, carrier);
            }
            let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&bytes);
            assert_eq!(state(&file).crc32c, crc, "{kind:?}");
            drop(file);
            case.finish();
        }
    }
}

/// KS-34: a fast routine may wait if the file object is synchronous.
#[test]
fn ks_34_wait() {
    let Some(host) = Host::find() else { return };
    for (flags, waits) in [(0, 0), (FO_SYNCHRONOUS_IO, 1)] {
        let case = Case::new();
        let file = open(SinkKind::Direct, Script::default());
        host.change(&file, |fields| fields.flags |= flags);
        assert_eq!(
            case.write(&FileObjectWrite::new(&file, b"bytes")).completion,
            Completion::Fast
        );
        assert_eq!(state(&file).last_wait, waits);
        drop(file);
        case.finish();
    }
}

/// KS-41, KS-42, KS-43, KS-50, KS-51: the header, the flags and the stack location of the IRP. One that the driver
/// completes itself has no event and no status block of the I/O manager's.
#[test]
fn ks_41_42_43_50_51_the_irp() {
    let Some(host) = Host::find() else { return };
    for (kind, length, buffer, buffer_flag) in [
        (SinkKind::Buffered, 100, sent::SYSTEM_BUFFER, IRP_BUFFERED_IO),
        (SinkKind::Buffered, 0, 0, IRP_BUFFERED_IO),
        (SinkKind::Direct, 100, sent::MDL | sent::MDL_LOCKED, 0),
        (SinkKind::Direct, 0, 0, 0),
        (SinkKind::Neither, 100, sent::USER_BUFFER, 0),
    ] {
        for (flags, irp_flag, stack_flags) in [
            (0, 0, 0),
            (FO_NO_INTERMEDIATE_BUFFERING, IRP_NOCACHE, 0),
            (FO_WRITE_THROUGH, 0, sink::SL_WRITE_THROUGH),
        ] {
            let case = Case::new();
            let file = open(kind, irp_script(sink::Completion::Inline));
            host.change(&file, |fields| {
                fields.flags |= flags;
                fields.event_set = 1;
            });
            let event = Event::new(false).expect("an event");
            let write = FileObjectWrite::new(&file, &pattern(length, 7))
                .key(9)
                .at(1 << 33)
                .event(&event);
            let irp = host.sent(|| {
                assert_eq!(case.write(&write).block, ok(length));
            });
            let expected = SentIrp {
                offset: 1 << 33,
                apc_context: 0,
                length: length as u32,
                key: 9,
                irp_flags: IRP_WRITE_OPERATION | buffer_flag | irp_flag,
                stack_flags,
                requestor_mode: 0,
                fields: sent::THREAD | sent::FILE | buffer,
            };
            assert_eq!(irp, expected, "{kind:?} {length} {flags:#x}");
            let state = state(&file);
            let seen = (state.last_irp_flags, state.last_stack_flags);
            assert_eq!(
                seen,
                (expected.irp_flags, stack_flags),
                "{kind:?} {length} {flags:#x}"
            );
            drop(file);
            case.finish();
        }
    }
}

/// KS-40, KS-50, KS-53, KS-54: what fails before the device was called is the status, and leaves nothing behind.
#[test]
fn ks_40_50_53_54_failing_services() {
    let Some(host) = Host::find() else { return };
    // The state of the write takes the first allocation.
    for (kind, service, after, status) in [
        (SinkKind::Buffered, Service::Quota, 1, QUOTA_EXCEEDED),
        (SinkKind::Buffered, Service::Pool, 1, INSUFFICIENT_RESOURCES),
        (SinkKind::Direct, Service::AllocateMdl, 0, INSUFFICIENT_RESOURCES),
        (SinkKind::Direct, Service::ProbeAndLock, 0, ACCESS_VIOLATION),
        (
            SinkKind::Buffered,
            Service::AllocateIrp,
            0,
            INSUFFICIENT_RESOURCES,
        ),
        (SinkKind::Direct, Service::AllocateIrp, 0, INSUFFICIENT_RESOURCES),
        (SinkKind::Neither, Service::AllocateIrp, 0, INSUFFICIENT_RESOURCES),
        (
            SinkKind::Direct,
            Service::CompletionRoutine,
            0,
            INSUFFICIENT_RESOURCES,
        ),
    ] {
        let case = Case::new();
        let file = open(kind, irp_script(sink::Completion::Inline));
        let event = Event::new(true).expect("an event");
        let write = FileObjectWrite::new(&file, &pattern(9000, 8)).event(&event);
        host.arm(service, after);
        let report = case.write(&write);
        host.disarm();
        assert_eq!(
            (report.returned, report.block),
            (status, None),
            "{kind:?} {service:?}"
        );
        assert!(!event.is_set());
        assert_eq!(state(&file).writes, 0);
        assert_eq!(case.write(&write).block, ok(9000));
        drop(file);
        case.finish();
    }
    let case = Case::new();
    let file = open(SinkKind::Direct, Script::default());
    host.arm(Service::Quota, 0);
    assert_eq!(case.refused(&FileObjectWrite::new(&file, b"bytes")), ERROR_QUOTA);
    host.disarm();
    drop(file);
    case.finish();
}

/// One row of the completion table, as a program and the host see it.
struct Row {
    completer: Completer,
    synchronous: bool,
    with_event: bool,
    pended: bool,
    status: i32,
}

impl Row {
    fn is_error(&self) -> bool {
        self.status.cast_unsigned() >> 30 == 3
    }

    /// Whether the I/O manager would have completed it without a trace.
    fn silent(&self) -> bool {
        self.is_error() && !self.pended
    }

    fn check(&self, host: &Host, kind: SinkKind) {
        const OLD_FINAL_STATUS: i32 = 0x1234;
        let case = Case::new();
        let completion = if self.pended {
            sink::Completion::Pended
        } else {
            sink::Completion::Inline
        };
        let file = open(kind, failing(completion, self.status));
        host.change(&file, |fields| {
            fields.event_set = 1;
            fields.final_status = OLD_FINAL_STATUS;
            if self.synchronous {
                fields.flags |= FO_SYNCHRONOUS_IO;
            }
        });
        let event = Event::new(true).expect("an event");
        let mut write = FileObjectWrite::new(&file, &pattern(64, 9)).completer(self.completer);
        if self.with_event {
            write = write.event(&event);
        }
        let report = case.write(&write);
        let label = format!(
            "{kind:?} {} sync {} event {} pended {} {:#x}",
            self.completer.word(),
            self.synchronous,
            self.with_event,
            self.pended,
            self.status
        );
        let returned = if self.pended && !self.synchronous {
            PENDING
        } else {
            self.status
        };
        assert_eq!(
            (report.returned, report.final_status),
            (returned, self.status),
            "{label}"
        );
        let untouched = self.silent() || self.is_error() && self.synchronous;
        let bytes = if self.is_error() { 0 } else { 64 };
        let block = (!untouched).then_some((self.status, bytes));
        assert_eq!(report.block, block, "{label}");
        assert_eq!(event.is_set(), !self.with_event || !self.silent(), "{label}");
        let fields = host.fields(&file);
        let told = !self.silent() && !self.with_event;
        assert_eq!(fields.event_set, u32::from(told), "{label}");
        let final_status = if told { self.status } else { OLD_FINAL_STATUS };
        assert_eq!(fields.final_status, final_status, "{label}");
        drop(file);
        case.finish();
    }
}

/// KS-06, KS-60, KS-62, KS-67, KS-68: the table C1 to C10, over every class of status, whoever completes the IRP.
#[test]
fn ks_06_60_62_67_68_completion_table() {
    let Some(host) = Host::find() else { return };
    for completer in [Completer::Driver, Completer::IoManager] {
        for kind in SinkKind::ALL {
            for status in [SUCCESS, INFORMATION, BUFFER_OVERFLOW, IO_DEVICE_ERROR] {
                for pended in [false, true] {
                    for (synchronous, with_event) in [(true, false), (false, true), (false, false)] {
                        let row = Row {
                            completer,
                            synchronous,
                            with_event,
                            pended,
                            status,
                        };
                        row.check(&host, kind);
                    }
                }
            }
        }
    }
}

/// KS-41, KS-42, KS-43, KS-45: the IRP that the I/O manager completes has its event, status block and context, and
/// frees its buffer; references are taken for its end, and given back by it.
#[test]
fn ks_41_42_43_45_the_irp_of_the_io_manager() {
    let Some(host) = Host::find() else { return };
    for (kind, buffer, flags) in [
        (
            SinkKind::Buffered,
            sent::SYSTEM_BUFFER,
            IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER,
        ),
        (SinkKind::Direct, sent::MDL | sent::MDL_LOCKED, 0),
        (SinkKind::Neither, sent::USER_BUFFER, 0),
    ] {
        let case = Case::new();
        let file = open(kind, irp_script(sink::Completion::Inline));
        let event = Event::new(false).expect("an event");
        let write = FileObjectWrite::new(&file, &pattern(100, 7))
            .completer(Completer::IoManager)
            .key(9)
            .event(&event)
            .port_context(0x5678);
        let irp = host.sent(|| {
            assert_eq!(case.write(&write).block, ok(100));
        });
        let expected = SentIrp {
            offset: 0,
            apc_context: 0x5678,
            length: 100,
            key: 9,
            irp_flags: IRP_WRITE_OPERATION | flags,
            stack_flags: 0,
            requestor_mode: 0,
            fields: sent::THREAD | sent::FILE | sent::USER_EVENT | sent::USER_IOSB | buffer,
        };
        assert_eq!(irp, expected, "{kind:?}");
        // A packet is due now, so the attempt is not made: an IRP cannot fail to become one.
        crate::rig::set_script(&file, Script::default()).expect("the script makes sense");
        host.change(&file, |fields| fields.has_port = 1);
        let report = case.write(&write);
        assert_eq!((report.attempt, report.skip), (Attempt::Skipped, Skip::Packet));
        assert_eq!(report.block, ok(100));
        host.change(&file, |fields| fields.has_port = 0);
        assert_eq!(case.write(&write).completion, Completion::Fast);
        drop(file);
        case.finish();
    }
}

/// KS-40, KS-53: without an IRP of the thread nothing was sent, and a bad address is the exception.
#[test]
fn ks_40_53_no_irp_of_the_io_manager() {
    let Some(host) = Host::find() else { return };
    for kind in SinkKind::ALL {
        let case = Case::new();
        let file = open(kind, irp_script(sink::Completion::Inline));
        let write = FileObjectWrite::new(&file, b"bytes").completer(Completer::IoManager);
        host.arm(Service::AllocateIrp, 0);
        let report = case.write(&write);
        host.disarm();
        assert_eq!(
            (report.returned, report.block),
            (INSUFFICIENT_RESOURCES, None),
            "{kind:?}"
        );
        let write = FileObjectWrite::at_address(&file, 0x10, 64).completer(Completer::IoManager);
        assert_eq!(case.write(&write).returned, ACCESS_VIOLATION, "{kind:?}");
        assert_eq!(state(&file).writes, 0);
        drop(file);
        case.finish();
    }
}

/// KS-64: a synchronous write that takes too long is cancelled, and is over when the routine returns.
#[test]
fn ks_64_a_time_limit() {
    let Some(host) = Host::find() else { return };
    for (kind, completer) in SinkKind::ALL
        .into_iter()
        .flat_map(|kind| [(kind, Completer::Driver), (kind, Completer::IoManager)])
    {
        let case = Case::new();
        let file = open(kind, irp_script(sink::Completion::Held));
        host.change(&file, |fields| fields.flags |= FO_SYNCHRONOUS_IO);
        let write = FileObjectWrite::new(&file, &pattern(64, 10)).completer(completer);
        let report = case.write(&write.time_limit(10_000));
        assert_eq!((report.returned, report.block), (CANCELLED, None), "{kind:?}");
        assert_eq!(
            (report.completion, report.cancel),
            (Completion::Pended, Cancel::Cancelled)
        );
        assert_eq!((state(&file).outstanding, state(&file).cancelled), (0, 1));
        drop(file);
        case.finish();
    }
}

/// KS-70, KS-71: cancelling the request cancels the write; the event and the block tell, and what the sink had
/// taken by then.
#[test]
fn ks_70_71_cancel() {
    for kind in SinkKind::ALL {
        let case = Case::new();
        let file = open(kind, irp_script(sink::Completion::Held));
        let event = Event::new(false).expect("an event");
        let call = case.start(&FileObjectWrite::new(&file, &pattern(64, 11)).event(&event));
        assert_eq!(state(&file).outstanding, 1);
        call.cancel().expect("there is a write to cancel");
        let report = call.wait().expect("a report");
        assert_eq!(
            (report.returned, report.final_status),
            (PENDING, CANCELLED),
            "{kind:?}"
        );
        assert_eq!(
            (report.block, report.cancel),
            (Some((CANCELLED, 64)), Cancel::Cancelled)
        );
        assert!(event.is_set());
        assert_eq!((state(&file).outstanding, state(&file).cancelled), (0, 1));
        assert_eq!(case.counted(), [1, 0, 1, 0, 1, 1, 0, 0, 64]);
        drop(file);
        case.finish();
    }
}

/// KS-71: cancels race the timer; each write is over once, whole or cancelled.
#[test]
fn ks_71_cancel_races_completion() {
    for kind in SinkKind::ALL {
        let case = Case::new();
        let file = open(
            kind,
            Script {
                delay_us: 200,
                ..irp_script(sink::Completion::Pended)
            },
        );
        let (mut whole, mut cancelled) = (0, 0);
        for round in 0..200 {
            let write = FileObjectWrite::new(&file, &pattern(64, 12)).at(round * 64);
            let call = write.start(&case.device).expect("an event");
            if round % 3 == 0 {
                std::thread::yield_now();
            }
            // It may be over by now; both answers are right.
            let _racing = call.cancel();
            let report = call.wait().expect("a report");
            match report.final_status {
                SUCCESS => whole += 1,
                CANCELLED => cancelled += 1,
                other => panic!("{kind:?}: {other:#x}"),
            }
            assert_eq!(
                report.cancel == Cancel::Cancelled,
                report.final_status == CANCELLED
            );
        }
        let seen = state(&file);
        assert_eq!(
            (seen.outstanding, seen.cancelled, whole + cancelled),
            (0, cancelled, 200)
        );
        drop(file);
        case.finish();
    }
}

/// Dropping a write that is not over, and closing its file and its event: it is cancelled, and everything is
/// given back.
#[test]
fn close_with_a_write_pending() {
    for kind in SinkKind::ALL {
        let case = Case::new();
        let file = open(kind, irp_script(sink::Completion::Held));
        let event = Event::new(false).expect("an event");
        let call = case.start(&FileObjectWrite::new(&file, &pattern(64, 13)).event(&event));
        drop(file);
        drop(event);
        // The sink cancels what it holds when the last handle is closed.
        let report = call.wait().expect("a report");
        assert_eq!(report.final_status, CANCELLED, "{kind:?}");
        let file = open(kind, irp_script(sink::Completion::Held));
        drop(case.start(&FileObjectWrite::new(&file, &pattern(64, 13))));
        while state(&file).outstanding != 0 {
            std::thread::yield_now();
        }
        drop(file);
        while counted(&case.device).in_flight != 0 {
            std::thread::yield_now();
        }
        case.finish();
    }
}

/// KS-80 to KS-84, KS-86: writes to file objects are counted apart, by path and outcome; what was not sent counts
/// no operation, and what failed no bytes.
#[test]
fn ks_80_81_82_83_84_86_statistics() {
    let case = Case::new();
    let file = open(SinkKind::Direct, Script::default());
    let write = FileObjectWrite::new(&file, &pattern(64, 14));
    let script = |script| crate::rig::set_script(&file, script).expect("the script makes sense");
    case.write(&write);
    assert_eq!(case.counted(), [1, 1, 0, 0, 0, 0, 0, 0, 64]);
    script(irp_script(sink::Completion::Inline));
    case.write(&write);
    assert_eq!(case.counted(), [2, 1, 1, 1, 0, 0, 0, 0, 128]);
    script(irp_script(sink::Completion::Pended));
    case.write(&write);
    assert_eq!(case.counted(), [3, 1, 2, 1, 1, 0, 0, 0, 192]);
    script(failing(sink::Completion::Inline, IO_DEVICE_ERROR));
    case.write(&write);
    assert_eq!(case.counted(), [4, 1, 3, 2, 1, 0, 1, 0, 192]);
    case.write(&FileObjectWrite::at_address(&file, 0x10, 64));
    assert_eq!(case.counted(), [5, 1, 3, 2, 1, 0, 1, 1, 192]);
    let bad = FileObjectWrite::new(&file, b"bytes").at(-5);
    assert_eq!(case.write(&bad).returned, INVALID_PARAMETER);
    assert_eq!(case.counted(), [5, 1, 3, 2, 1, 0, 1, 1, 192]);
    drop(file);
    case.finish();
}

/// Handles that are none, of another type, without the right to write, or of the control device itself.
#[test]
fn bad_handles() {
    let case = Case::new();
    let file = open(SinkKind::Direct, Script::default());
    let event = Event::new(true).expect("an event");
    let whole = FileObjectWrite::new(&file, b"bytes").event(&event).to_bytes();
    let with = |change: &dyn Fn(&mut Header)| {
        let mut header = header_of(&whole);
        change(&mut header);
        let input = [header.as_bytes(), b"bytes"].concat();
        control_bytes(&case.device, WRITE_FILE_OBJECT.0, &input, size_of::<Report>()).map(|_| ())
    };
    assert_eq!(with(&|_| {}), Ok(()));
    event.set().expect("an event");
    let closed = {
        let file = open(SinkKind::Direct, Script::default());
        file.number()
    };
    for handle in [0, 0xABCD_EF00, u64::MAX - 0xFFFF, closed] {
        assert_eq!(
            with(&|header| header.file = handle),
            Err(ERROR_INVALID_HANDLE),
            "{handle:#x}"
        );
    }
    assert_eq!(
        with(&|header| header.event = 0xABCD_EF00),
        Err(ERROR_INVALID_HANDLE)
    );
    // STATUS_OBJECT_TYPE_MISMATCH is an invalid handle to Win32.
    let event_handle = header_of(&whole).event;
    assert_eq!(
        with(&|header| header.file = event_handle),
        Err(ERROR_INVALID_HANDLE)
    );
    assert_eq!(
        with(&|header| header.event = header.file),
        Err(ERROR_INVALID_HANDLE)
    );
    let reader = File::open(SinkKind::Direct.path(), Access::Read).expect("the sink is installed");
    assert_eq!(
        with(&|header| header.file = reader.number()),
        Err(Win32Error::ACCESS_DENIED)
    );
    let own = case.device.number();
    assert_eq!(
        with(&|header| header.file = own),
        Err(Win32Error::INVALID_PARAMETER)
    );
    assert!(event.is_set(), "a write that was refused touches nothing");
    assert_eq!(state(&file).writes, 1);
    drop((file, reader));
    case.finish();
}

fn header_of(input: &[u8]) -> Header {
    use zerocopy::FromBytes;
    Header::read_from_prefix(input).expect("a header").0
}

/// Requests that make no sense: too short, without room for the answer, with values that nobody knows; and a
/// kernel-mode write from an address, which would be the kernel's word for what is there.
#[test]
fn bad_requests() {
    let case = Case::new();
    let file = open(SinkKind::Buffered, Script::default());
    let whole = FileObjectWrite::new(&file, b"bytes").to_bytes();
    let send = |input: &[u8], room| control_bytes(&case.device, WRITE_FILE_OBJECT.0, input, room).map(|_| ());
    let room = size_of::<Report>();
    assert_eq!(send(&whole, room), Ok(()));
    assert_eq!(send(&whole, room - 1), Err(ERROR_INSUFFICIENT_BUFFER));
    assert_eq!(send(&whole, 0), Err(ERROR_INSUFFICIENT_BUFFER));
    for length in [
        0,
        4,
        size_of::<Header>() - 1,
        size_of::<Header>(),
        whole.len() - 1,
    ] {
        assert_eq!(
            send(&whole[..length], room),
            Err(Win32Error::INVALID_PARAMETER),
            "{length}"
        );
    }
    let header = header_of(&whole);
    for header in [
        Header { size: 0, ..header },
        Header {
            flags: 0x80,
            ..header
        },
        Header { offset: 1, ..header },
        Header { mode: 2, ..header },
        Header {
            completer: 2,
            ..header
        },
        Header {
            buffer: 0x10_0000,
            ..header
        },
        Header {
            length: 0,
            buffer: 0x10_0000,
            ..header
        },
    ] {
        let input = [header.as_bytes(), b"bytes"].concat();
        assert_eq!(
            send(&input, room),
            Err(Win32Error::INVALID_PARAMETER),
            "{header:?}"
        );
    }
    assert_eq!(state(&file).writes, 1);
    drop(file);
    case.finish();
}

/// A generator of numbers: xorshift64*.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below.max(1)
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        let index = self.next(values.len() as u64) as usize;
        *values.get(index).expect("an index below the length")
    }

    fn script(&mut self) -> Script {
        let completions = [
            sink::Completion::Inline,
            sink::Completion::Pended,
            sink::Completion::Held,
        ];
        Script {
            fast: self.next(2) as u32,
            completion: self.one_of(&completions) as u32,
            status: self.one_of(&[SUCCESS, SUCCESS, SUCCESS, BUFFER_OVERFLOW, IO_DEVICE_ERROR]),
            short_by: self.one_of(&[0, 0, 7]),
            ..Script::default()
        }
    }
}

/// One program: a few writes with scripts, cancels and releases between them. Gives the bytes that the reports
/// say were written, and whether that is all: a sink that finds a write cancelled after it took it, and before
/// it holds it, says nothing of the bytes.
fn run_program(case: &Case, file: &File, numbers: &mut Numbers) -> (u64, bool) {
    let event = Event::new(false).expect("an event");
    let mut calls = Vec::new();
    let (mut written, mut is_all) = (0, true);
    for _ in 0..=numbers.next(6) {
        match numbers.next(4) {
            0 => {
                crate::rig::set_script(file, numbers.script()).expect("the script makes sense");
            }
            1 => {
                release(file);
            }
            2 => {
                if let Some(call) = calls.last() {
                    let _racing = FileObjectCall::cancel(call);
                }
            }
            _ => {
                let length = numbers.one_of(&[0, 1, 100, 4096, 5000, 70_000]);
                let mut write = FileObjectWrite::new(file, &pattern(length, 15))
                    .key(numbers.next(1 << 31) as u32)
                    .at(numbers.next(1 << 20) as i64);
                if numbers.next(2) == 0 {
                    write = write.event(&event);
                }
                calls.push(write.start(&case.device).expect("an event"));
            }
        }
    }
    release(file);
    for call in calls {
        let report = call.wait().expect("a report");
        written += report.block.map_or(0, |(_, bytes)| bytes);
        is_all &= report.block != Some((CANCELLED, 0));
    }
    (written, is_all)
}

/// A thousand programs by seed, on all three kinds: every write is over once, what is written is what the reports
/// say, and nothing is left.
#[test]
fn random_programs() {
    let case = Case::new();
    for seed in 1..=1000 {
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let kind = numbers.one_of(&SinkKind::ALL);
        let file = open(kind, numbers.script());
        let (written, is_all) = run_program(&case, &file, &mut numbers);
        let seen = state(&file);
        assert!(seen.bytes >= written, "seed {seed}: {} of {written}", seen.bytes);
        assert!(
            !is_all || seen.bytes == written,
            "seed {seed}: {} of {written}",
            seen.bytes
        );
        assert_eq!(seen.outstanding, 0, "seed {seed}");
    }
    case.finish();
}
