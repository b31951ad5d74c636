//! What is refused, with what, and that the drivers go on working.

use kswrite_client::{Access, File, Win32Error, control_bytes};
use kswrite_wire::{
    filter,
    names::{CONTROL_PATH, SinkKind},
    sink::{self, Completion, FastMode, MAX_DELAY_US, Script},
};
use zerocopy::IntoBytes;

use crate::rig::{Rig, irp_script, open, pattern, release, set_script, start_pending, write};

const ERROR_INVALID_FUNCTION: Win32Error = Win32Error(1);
const ERROR_INSUFFICIENT_BUFFER: Win32Error = Win32Error(122);
const ERROR_BAD_LENGTH: Win32Error = Win32Error(24);
const ERROR_BUSY: Win32Error = Win32Error(170);

/// Buffers that are too short, too long or missing, on both drivers.
#[test]
fn ioctl_buffers_of_the_wrong_size() {
    let rig = Rig::new();
    let control = File::open(CONTROL_PATH, Access::ReadWrite).expect("the filter is loaded");
    let sink_file = open(SinkKind::Buffered, Script::default());
    let script = Script::default();
    let long = [script.as_bytes(), &[0; 8]].concat();
    for (file, code, input, room) in [
        (&control, filter::GET_VERSION.0, &[][..], 0),
        (&control, filter::GET_VERSION.0, &[], 15),
        (&control, filter::GET_STATISTICS.0, &[0; 4], 8),
        (&sink_file, sink::GET_STATE.0, &[], 16),
        (&sink_file, sink::RELEASE.0, &[], 0),
    ] {
        assert_eq!(
            control_bytes(file, code, input, room),
            Err(ERROR_INSUFFICIENT_BUFFER),
            "{code:#x} {room}"
        );
    }
    for (file, code, input) in [
        (&control, filter::GET_STATISTICS.0, &[][..]),
        (&control, filter::GET_STATISTICS.0, &[0; 3]),
        (&control, filter::GET_STATISTICS.0, &[0; 5]),
        (&sink_file, sink::SET_SCRIPT.0, &[]),
        (&sink_file, sink::SET_SCRIPT.0, &[0; 31]),
        (&sink_file, sink::SET_SCRIPT.0, &long),
    ] {
        let answer = control_bytes(file, code, input, 256);
        assert_eq!(answer, Err(ERROR_BAD_LENGTH), "{code:#x} {} bytes", input.len());
    }
    assert_eq!(write(&sink_file, 0, b"still works"), Ok(11));
    drop((control, sink_file));
    rig.finish();
}

/// Codes that nobody knows.
#[test]
fn unknown_ioctls() {
    let rig = Rig::new();
    let control = File::open(CONTROL_PATH, Access::ReadWrite).expect("the filter is loaded");
    let sink_file = open(SinkKind::Direct, Script::default());
    for file in [&control, &sink_file] {
        for code in [0x0022_2000, 0x0022_FFFC, 0xFFFF_FFFC, 0] {
            assert_eq!(
                control_bytes(file, code, &[1, 2, 3], 64),
                Err(ERROR_INVALID_FUNCTION),
                "{code:#x}"
            );
        }
    }
    assert_eq!(write(&sink_file, 0, b"still works"), Ok(11));
    drop((control, sink_file));
    rig.finish();
}

/// A device index that does not exist.
#[test]
fn statistics_of_a_device_that_is_not_there() {
    let rig = Rig::new();
    let control = File::open(CONTROL_PATH, Access::ReadWrite).expect("the filter is loaded");
    let answer = control_bytes(&control, filter::GET_STATISTICS.0, &1000_u32.to_le_bytes(), 256);
    assert_eq!(answer, Err(Win32Error::INVALID_PARAMETER));
    drop(control);
    rig.finish();
}

/// Scripts that make no sense leave the old one in place.
#[test]
fn scripts_with_nonsense_values() {
    let rig = Rig::new();
    let file = open(SinkKind::Neither, Script::default());
    let base = Script::default();
    for script in [
        Script { fast: 77, ..base },
        Script {
            fast: FastMode::OtherStatus as u32,
            ..base
        },
        Script {
            completion: 3,
            ..base
        },
        Script {
            completion: Completion::Pended as u32,
            delay_us: MAX_DELAY_US + 1,
            ..base
        },
        Script { delay_us: 1, ..base },
        Script {
            status: 0x103,
            ..base
        },
        Script { reserved: 1, ..base },
    ] {
        assert_eq!(
            set_script(&file, script),
            Err(Win32Error::INVALID_PARAMETER),
            "{script:?}"
        );
    }
    assert_eq!(write(&file, 0, b"still works"), Ok(11));
    assert_eq!(rig.delta().fast, 1);
    drop(file);
    rig.finish();
}

/// WF-01: a handle that was opened for reading only.
#[test]
fn wf_01_read_only_handle() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = File::open(kind.path(), Access::Read).expect("the sink is installed");
        assert_eq!(write(&file, 0, b"x"), Err(Win32Error::ACCESS_DENIED), "{kind:?}");
        assert_eq!(rig.delta().attempted, 0);
        drop(file);
        rig.finish();
    }
}

/// A sink forgets on request, but not while writes are outstanding.
#[test]
fn reset_while_writes_are_outstanding() {
    let rig = Rig::new();
    let file = open(SinkKind::Buffered, irp_script(Completion::Held));
    let pending = start_pending(&file, 0, &pattern(10, 1));
    let reset = |file: &File| control_bytes(file, sink::RESET.0, &[], 0);
    assert_eq!(reset(&file), Err(ERROR_BUSY));
    assert_eq!(release(&file), 1);
    assert_eq!(pending.wait().result, Ok(10));
    assert_eq!(reset(&file), Ok(Vec::new()));
    assert_eq!(crate::rig::state(&file).writes, 0);
    drop(file);
    rig.finish();
}

/// A device that is not there.
#[test]
fn missing_device() {
    let error = File::open(r"\\.\KsSinkNowhere", Access::ReadWrite).expect_err("no such device");
    assert_eq!(error.code(), Win32Error(2));
}
