//! A cancel of the caller's write reaches the device below.

use kswrite_client::Win32Error;
use kswrite_wire::{
    names::SinkKind,
    sink::{Completion, Script},
};

use crate::rig::{Rig, irp_script, open, pattern, release, start_pending, state, write};

/// WF-28, WF-31, KS-71: a held write that is cancelled completes once, as aborted.
#[test]
fn wf_31_cancel_of_a_held_write() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(kind, irp_script(Completion::Held));
        let pending = start_pending(&file, 0, &pattern(4096, 1));
        assert_eq!(state(&file).outstanding, 1);
        pending.cancel().expect("there is a write to cancel");
        assert_eq!(
            pending.wait().result,
            Err(Win32Error::OPERATION_ABORTED),
            "{kind:?}"
        );
        let seen = state(&file);
        assert_eq!((seen.outstanding, seen.cancelled), (0, 1), "{kind:?}");
        assert_eq!(rig.delta().cancelled, 1);
        drop(file);
        rig.finish();
    }
}

/// WF-28: only the write that is named is cancelled.
#[test]
fn wf_28_cancel_of_one_of_many() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(kind, irp_script(Completion::Held));
        let mut held: Vec<_> = (0..5)
            .map(|i| start_pending(&file, i * 64, &pattern(64, 2)))
            .collect();
        let chosen = held.remove(2);
        chosen.cancel().expect("there is a write to cancel");
        assert_eq!(chosen.wait().result, Err(Win32Error::OPERATION_ABORTED));
        assert_eq!(release(&file), 4, "{kind:?}");
        for pending in held {
            assert_eq!(pending.wait().result, Ok(64));
        }
        drop(file);
        rig.finish();
    }
}

/// KS-71: cancels race the timer of pended writes; each write completes once, whole or aborted.
#[test]
fn ks_71_cancel_races_completion() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(
            kind,
            Script {
                delay_us: 200,
                ..irp_script(Completion::Pended)
            },
        );
        let (mut whole, mut aborted) = (0, 0);
        for round in 0..200_u64 {
            let pending = start_pending(&file, round * 64, &pattern(64, 3));
            if round % 3 == 0 {
                std::thread::yield_now();
            }
            // It may be over by now; both answers are right.
            let _racing = pending.cancel();
            match pending.wait().result {
                Ok(64) => whole += 1,
                Err(Win32Error::OPERATION_ABORTED) => aborted += 1,
                other => panic!("{kind:?}: {other:?}"),
            }
        }
        let seen = state(&file);
        assert_eq!(
            (seen.outstanding, seen.cancelled, whole + aborted),
            (0, aborted, 200),
            "{kind:?}"
        );
        drop(file);
        rig.finish();
    }
}

/// WF-30: dropping a pending write cancels it; the handle goes on working.
#[test]
fn wf_30_a_dropped_write_is_cancelled() {
    let rig = Rig::new();
    let file = open(SinkKind::Direct, irp_script(Completion::Held));
    drop(start_pending(&file, 0, &pattern(4096, 4)));
    while state(&file).outstanding != 0 {
        std::thread::yield_now();
    }
    crate::rig::set_script(&file, Script::default()).expect("the script makes sense");
    assert_eq!(write(&file, 0, b"after"), Ok(5));
    drop(file);
    rig.finish();
}
