//! Which path a write takes, and what comes back on each.

use kswrite_client::Win32Error;
use kswrite_wire::{
    names::SinkKind,
    sink::{Completion, FastMode, Script},
};

use crate::rig::{Rig, irp_script, open, pattern, state, write};

/// KS-20, KS-25: an accepting fast routine takes the write, and no IRP is sent.
#[test]
fn ks_25_fast_success() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(kind, Script::default());
        let bytes = pattern(5000, 1);
        assert_eq!(write(&file, 0, &bytes), Ok(5000), "{kind:?}");
        let seen = rig.delta();
        assert_eq!(
            (seen.fast, seen.fast_bytes, seen.irp),
            (1, 5000, 0),
            "{kind:?} {seen:?}"
        );
        assert_eq!(state(&file).fast_writes, 1);
        drop(file);
        rig.finish();
    }
}

/// KS-24: a declining fast routine leaves the write to one IRP.
#[test]
fn ks_24_fast_declined() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(kind, irp_script(Completion::Inline));
        assert_eq!(write(&file, 0, &pattern(5000, 2)), Ok(5000), "{kind:?}");
        let seen = rig.delta();
        assert_eq!(
            (seen.declined, seen.irp, seen.inline, seen.irp_bytes),
            (1, 1, 1, 5000),
            "{kind:?} {seen:?}"
        );
        assert_eq!((state(&file).writes, state(&file).fast_writes), (1, 0));
        drop(file);
        rig.finish();
    }
}

/// KS-21: without a fast routine nothing is attempted.
#[test]
fn ks_21_no_fast_routine() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(
            kind,
            Script {
                fast: FastMode::Absent as u32,
                ..Script::default()
            },
        );
        assert_eq!(write(&file, 0, &pattern(100, 3)), Ok(100), "{kind:?}");
        let seen = rig.delta();
        assert_eq!((seen.skipped, seen.irp), (1, 1), "{kind:?} {seen:?}");
        drop(file);
        rig.finish();
    }
}

/// KS-26: TRUE with another status than success does not count; the IRP writes it, once.
#[test]
fn ks_26_fast_with_another_status() {
    let script = Script {
        fast: FastMode::OtherStatus as u32,
        fast_status: 0x4000_0000,
        ..Script::default()
    };
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(kind, script);
        assert_eq!(write(&file, 0, &pattern(100, 4)), Ok(100), "{kind:?}");
        let seen = rig.delta();
        assert_eq!(
            (seen.declined, seen.fast, seen.irp),
            (1, 0, 1),
            "{kind:?} {seen:?}"
        );
        assert_eq!(state(&file).writes, 1);
        drop(file);
        rig.finish();
    }
}

/// KS-13, WF-06: a zero-length write reaches the device on either path.
#[test]
fn ks_13_zero_length() {
    for kind in SinkKind::ALL {
        for script in [
            Script::default(),
            irp_script(Completion::Inline),
            irp_script(Completion::Pended),
        ] {
            let rig = Rig::new();
            let file = open(kind, script);
            assert_eq!(write(&file, 0, &[]), Ok(0), "{kind:?}");
            assert_eq!((state(&file).writes, state(&file).bytes), (1, 0), "{kind:?}");
            drop(file);
            rig.finish();
        }
    }
}

/// WF-20, WF-21: a write completes at once or later, as the device does, and says so.
#[test]
fn wf_20_21_immediate_and_pending() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(kind, irp_script(Completion::Pended));
        for round in 0..16 {
            assert_eq!(write(&file, round * 512, &pattern(512, 5)), Ok(512), "{kind:?}");
        }
        let seen = rig.delta();
        assert_eq!((seen.pended, seen.inline), (16, 0), "{kind:?} {seen:?}");
        drop(file);
        rig.finish();
    }
}

/// An error of the device is the error of the write, inline and pended, and counts as failed.
#[test]
fn device_errors_come_back() {
    const STATUS_IO_DEVICE_ERROR: i32 = 0xC000_0185_u32 as i32;
    const ERROR_IO_DEVICE: Win32Error = Win32Error(1117);
    for kind in SinkKind::ALL {
        for completion in [Completion::Inline, Completion::Pended] {
            let rig = Rig::new();
            let file = open(
                kind,
                Script {
                    status: STATUS_IO_DEVICE_ERROR,
                    ..irp_script(completion)
                },
            );
            assert_eq!(
                write(&file, 0, &pattern(64, 6)),
                Err(ERROR_IO_DEVICE),
                "{kind:?} {completion:?}"
            );
            assert_eq!(rig.delta().failed, 1);
            assert_eq!((state(&file).writes, state(&file).failed), (0, 1));
            drop(file);
            rig.finish();
        }
    }
}

/// A short write reports what was taken; every third one is short.
#[test]
fn short_writes_report_what_was_taken() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(
            kind,
            Script {
                short_by: 10,
                every: 3,
                ..irp_script(Completion::Inline)
            },
        );
        let counts: Vec<_> = (0..6).map(|i| write(&file, i * 64, &pattern(64, 7))).collect();
        assert_eq!(
            counts,
            [Ok(64), Ok(64), Ok(54), Ok(64), Ok(64), Ok(54)],
            "{kind:?}"
        );
        assert_eq!(state(&file).bytes, 6 * 64 - 20);
        drop(file);
        rig.finish();
    }
}
