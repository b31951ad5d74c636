//! Handles closed and processes ended with writes pending.

use std::{env, process::Command, time::Duration};

use kswrite_client::{CompletionPort, Operation, Started, Win32Error, sleep_alertably};
use kswrite_wire::{
    names::SinkKind,
    sink::{Completion, Script},
};

use crate::rig::{Rig, irp_script, open, pattern, start_pending, state};

const CHILD: &str = "KSWRITE_TEST_VICTIM";

/// The handle is closed with writes held: they complete as cancelled, nothing is left.
#[test]
fn handle_closed_with_writes_pending() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(kind, irp_script(Completion::Held));
        let held: Vec<_> = (0..8)
            .map(|i| start_pending(&file, i * 64, &pattern(64, 1)))
            .collect();
        // The last clone of the file goes with the last pending write, which dropping cancels.
        drop(file);
        drop(held);
        wait_for_quiet(&rig);
        rig.finish();
    }
}

/// WF-67: a process is killed with writes held.
#[test]
fn wf_67_process_killed_with_writes_pending() {
    if env::var_os(CHILD).is_some() {
        let files = SinkKind::ALL.map(|kind| open(kind, irp_script(Completion::Held)));
        let _held: Vec<_> = files
            .iter()
            .map(|file| start_pending(file, 0, &pattern(4096, 2)))
            .collect();
        assert!(files.iter().all(|file| state(file).outstanding == 1));
        // Ends without running a destructor, with the writes outstanding.
        std::process::abort();
    }
    let rig = Rig::new();
    let status = Command::new(env::current_exe().expect("this program"))
        .args([
            "--exact",
            "lifetime::wf_67_process_killed_with_writes_pending",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .status()
        .expect("a second process");
    assert!(!status.success(), "the victim was to die");
    wait_for_quiet(&rig);
    assert_eq!(rig.delta().cancelled, 3);
    rig.finish();
}

/// A write that ends at once with a warning is a failure for Win32 and none for the I/O manager, which
/// tells of it all the same: by a completion routine always. Each is reported once, with all its bytes.
#[test]
fn a_warning_at_once_is_reported_once() {
    const MORE_DATA: Result<u32, Win32Error> = Err(Win32Error(234));
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let script = Script {
            status: 0x8000_0005_u32.cast_signed(),
            ..irp_script(Completion::Inline)
        };
        let file = open(kind, script);
        let mut tokens = Vec::new();
        let mut idle = Operation::by_apc();
        for round in 0..20 {
            let write = match idle.with_token(round).write_at(&file, 0, pattern(64, 3)) {
                Started::Pending(write) => write,
                Started::Finished(finished) => panic!("{kind:?}: nobody waits for the routine: {finished:?}"),
            };
            while tokens.is_empty() {
                sleep_alertably(None, &mut tokens);
            }
            assert_eq!(std::mem::take(&mut tokens), [round], "{kind:?}");
            let finished = write.try_finish().expect("the routine was called");
            assert_eq!((finished.result, finished.bytes), (MORE_DATA, 64), "{kind:?}");
            idle = finished.operation;
        }
        drop((file, idle));
        let file = open(kind, script);
        let port = CompletionPort::new().expect("a port");
        port.associate(&file).expect("the file joins the port");
        let mut idle = port.operation();
        for round in 0..20 {
            match idle.with_token(round).write_at(&file, 0, pattern(64, 4)) {
                Started::Finished(finished) => {
                    assert_eq!((finished.result, finished.bytes), (MORE_DATA, 64), "{kind:?}");
                    idle = finished.operation;
                }
                Started::Pending(write) => panic!("{kind:?}: {write:?}"),
            }
            port.wait(Some(Duration::ZERO), &mut tokens)
                .expect("the port is there");
            assert_eq!(tokens, [], "{kind:?}: a packet of a write that was reported");
        }
        assert_eq!(
            (state(&file).writes, state(&file).bytes),
            (20, 20 * 64),
            "{kind:?}"
        );
        drop((file, idle, port));
        rig.finish();
    }
}

/// The system cancels and closes on its own time.
fn wait_for_quiet(rig: &Rig) {
    while rig.delta().in_flight != 0 {
        std::thread::yield_now();
    }
}
