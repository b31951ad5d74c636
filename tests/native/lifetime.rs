//! Handles closed and processes ended with writes pending.

use std::{env, process::Command};

use kswrite_wire::{names::SinkKind, sink::Completion};

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

/// The system cancels and closes on its own time.
fn wait_for_quiet(rig: &Rig) {
    while rig.delta().in_flight != 0 {
        std::thread::yield_now();
    }
}
