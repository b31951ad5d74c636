//! What the filter may do with the writes of its devices.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use kswrite_client::{Access, Devices, File, Filter, TraceReader, Win32Error, control, control_bytes};
use kswrite_wire::{
    file_write::Skip,
    filter::{DeviceSelector, WIRE_VERSION},
    names::{CONTROL_PATH, SinkKind},
    policy::{GET_POLICIES, Policy, PolicyChange, SET_POLICY},
    sink::{self, Script},
    trace::MIN_RECORDS,
    wine_host::{self, Stacks},
};
use zerocopy::IntoBytes;

use crate::rig::{Rig, irp_script, open, pattern, release, start, start_pending, state, write};

const ERROR_BAD_LENGTH: Win32Error = Win32Error(24);
const ERROR_INSUFFICIENT_BUFFER: Win32Error = Win32Error(122);

/// The filter, whose policies are as new again at the end, whatever happens.
struct Policies(Filter);

impl Policies {
    fn all(policy: Policy) -> Self {
        let filter = Filter::open().expect("the filter is loaded, in the version of this program");
        filter.set_policy(Devices::All, policy).expect("a policy");
        Self(filter)
    }
}

impl Drop for Policies {
    fn drop(&mut self) {
        let _reset = self.0.set_policy(Devices::All, Policy::Fast);
    }
}

/// With the policy `irp` no fast I/O is attempted, and the record says why.
#[test]
fn irp_never_attempts_fast_io() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let policies = Policies::all(Policy::Irp);
        let file = open(kind, Script::default());
        let mut reader = TraceReader::follow(&policies.0, MIN_RECORDS).expect("the trace is switched on");
        assert_eq!(write(&file, 0, &pattern(3000, 1)), Ok(3000));
        let seen = rig.delta();
        assert_eq!(
            (seen.attempted, seen.skipped, seen.fast, seen.irp, seen.bypassed),
            (1, 1, 0, 1, 0),
            "{kind:?} {seen:?}"
        );
        assert_eq!((state(&file).writes, state(&file).fast_writes), (1, 0));
        let records = reader.read().expect("the trace is on").records;
        assert_eq!(records[0].begun.map(|begun| begun.skip), Some(Skip::Policy));
        drop(reader);
        drop((file, policies));
        rig.finish();
    }
}

/// With the policy `bypass` the device gets what it would get without the filter, which counts it and no more.
#[test]
fn bypass_passes_writes_down_untouched() {
    for kind in SinkKind::ALL {
        for completion in [sink::Completion::Inline, sink::Completion::Pended] {
            let rig = Rig::new();
            let policies = Policies::all(Policy::Bypass);
            let file = open(
                kind,
                Script {
                    completion: completion as u32,
                    ..Script::default()
                },
            );
            for i in 0..8 {
                assert_eq!(write(&file, i * 512, &pattern(512, 2)), Ok(512), "{kind:?}");
            }
            assert_eq!(write(&file, 0, &[]), Ok(0));
            let seen = rig.delta();
            assert_eq!((seen.bypassed, seen.attempted, seen.irp), (9, 0, 0), "{seen:?}");
            let taken = state(&file);
            assert_eq!(
                (taken.writes, taken.fast_writes, taken.bytes),
                (9, 0, 8 * 512),
                "{kind:?}"
            );
            drop((file, policies));
            rig.finish();
        }
    }
}

/// A write that went down untouched is held, cancelled and completed by the device alone; what the policy becomes
/// meanwhile makes no difference to it.
#[test]
fn what_was_bypassed_is_the_devices() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let policies = Policies::all(Policy::Bypass);
        let file = open(kind, irp_script(sink::Completion::Held));
        let first = start_pending(&file, 0, &pattern(10, 3));
        let second = start_pending(&file, 10, &pattern(10, 3));
        policies
            .0
            .set_policy(Devices::All, Policy::Fast)
            .expect("a policy");
        first.cancel().expect("it is pending");
        assert_eq!(
            first.wait().result,
            Err(Win32Error::OPERATION_ABORTED),
            "{kind:?}"
        );
        assert_eq!(release(&file), 1);
        assert_eq!(second.wait().result, Ok(10));
        let seen = rig.delta();
        assert_eq!((seen.bypassed, seen.attempted, seen.cancelled), (2, 0, 0));
        drop((file, policies));
        rig.finish();
    }
}

/// Policies change while writes go on: each goes by one of them, whole.
#[test]
fn policies_change_in_flight() {
    const WRITES: u64 = 1500;
    let rig = Rig::new();
    let policies = Policies::all(Policy::Fast);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for policy in Policy::ALL.iter().cycle() {
                policies.0.set_policy(Devices::All, *policy).expect("a policy");
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for kind in SinkKind::ALL {
            let file = open(kind, Script::default());
            let mut digest = Vec::new();
            for i in 0..WRITES / 3 {
                let bytes = pattern(64, i as u8);
                digest.extend_from_slice(&bytes);
                assert_eq!(start(&file, i * 64, &bytes).wait().result, Ok(64), "{kind:?}");
            }
            let taken = state(&file);
            assert_eq!((taken.writes, taken.bytes), (WRITES / 3, digest.len() as u64));
        }
        done.store(true, Ordering::Relaxed);
    });
    let seen = rig.delta();
    assert_eq!(seen.attempted + seen.bypassed, WRITES, "{seen:?}");
    assert!(
        seen.fast > 0 && seen.irp > 0 && seen.bypassed > 0,
        "each policy had its writes: {seen:?}"
    );
    drop(policies);
    rig.finish();
}

/// A device has a policy of its own, and a new one begins with `fast`.
#[test]
fn a_device_has_its_own_policy() {
    let rig = Rig::new();
    let filter = Filter::open().expect("the filter is loaded");
    let before = filter.policies().expect("policies");
    assert!(
        before.iter().all(|(_, policy)| *policy == Policy::Fast),
        "{before:?}"
    );
    let (first, _) = *before.first().expect("a device");
    filter
        .set_policy(Devices::Number(first), Policy::Irp)
        .expect("the device is there");
    let changed = filter.policies().expect("policies");
    for (device, policy) in &changed {
        let expected = if *device == first {
            Policy::Irp
        } else {
            Policy::Fast
        };
        assert_eq!(*policy, expected, "{changed:?}");
    }
    drop(filter);
    if let Ok(host) = File::open(wine_host::CONTROL_PATH, Access::ReadWrite) {
        control::<(), Stacks>(&host, wine_host::DETACH_FILTER, &()).expect("no handle is open");
        control::<(), Stacks>(&host, wine_host::ATTACH_FILTER, &()).expect("the filter is loaded");
    } else {
        println!("not run: no Wine host here to attach the filter anew");
        let filter = Filter::open().expect("the filter is loaded");
        filter.set_policy(Devices::All, Policy::Fast).expect("a policy");
    }
    let filter = Filter::open().expect("the filter is loaded");
    assert_eq!(filter.policies(), Ok(before));
    drop(filter);
    // The counters are new as well, so the account is another rig's.
    drop(rig);
    Rig::new().finish();
}

/// Changes that make no sense are refused, and change nothing.
#[test]
fn bad_policy_requests() {
    let rig = Rig::new();
    let device = File::open(CONTROL_PATH, Access::ReadWrite).expect("the filter is loaded");
    let all = PolicyChange::new(DeviceSelector::ALL, Policy::Bypass);
    for (change, error) in [
        (
            PolicyChange {
                version: WIRE_VERSION + 1,
                ..all
            },
            Win32Error::REVISION_MISMATCH,
        ),
        (PolicyChange { policy: 3, ..all }, Win32Error::INVALID_PARAMETER),
        (PolicyChange { reserved: 1, ..all }, Win32Error::INVALID_PARAMETER),
        (PolicyChange { device: 63, ..all }, Win32Error::INVALID_PARAMETER),
        (PolicyChange { device: 64, ..all }, Win32Error::INVALID_PARAMETER),
        (
            PolicyChange {
                device: DeviceSelector::FILE_OBJECTS,
                ..all
            },
            Win32Error::INVALID_PARAMETER,
        ),
    ] {
        let answer = control_bytes(&device, SET_POLICY.0, change.as_bytes(), 0);
        assert_eq!(answer, Err(error), "{change:?}");
    }
    for length in [0, 4, 15] {
        let answer = control_bytes(&device, SET_POLICY.0, &all.as_bytes()[..length], 0);
        assert_eq!(answer, Err(ERROR_BAD_LENGTH), "{length}");
    }
    for room in [0, 63] {
        let answer = control_bytes(&device, GET_POLICIES.0, &[], room);
        assert_eq!(answer, Err(ERROR_INSUFFICIENT_BUFFER), "{room}");
    }
    let filter = Filter::open().expect("the filter is loaded");
    let policies = filter.policies().expect("policies");
    assert!(
        policies.iter().all(|(_, policy)| *policy == Policy::Fast),
        "{policies:?}"
    );
    drop((filter, device));
    rig.finish();
}

/// `ksw policy` shows and sets.
#[test]
fn the_command_shows_and_sets() {
    let rig = Rig::new();
    let ksw = |arguments: &[&str]| {
        let output = Command::new("ksw")
            .arg("policy")
            .args(arguments)
            .output()
            .expect("ksw is on the path");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (code, text) = ksw(&["--set", "bypass", "--device-index", "1", "--json"]);
    assert_eq!(
        (code, text.trim()),
        (Some(0), r#"{"devices":[{"device":1,"policy":"bypass"}]}"#)
    );
    let (code, text) = ksw(&["--set", "fast"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("fast") && !text.contains("bypass"), "{text}");
    let (code, text) = ksw(&["--device-index", "50"]);
    assert_eq!(code, Some(4), "{text}");
    let (code, text) = ksw(&["--set", "irp", "--device-index", "50"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("device 50"), "{text}");
    rig.finish();
}
