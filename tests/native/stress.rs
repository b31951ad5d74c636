//! `ksw stress`: a short run finds nothing, and what is wrong is found.

use std::process::{Command, Output};

use kswrite_client::{Access, File, control};
use kswrite_wire::wine_host::{CONTROL_PATH, Fault, SET_FAULT, Service};

use crate::rig::Rig;

fn stress(arguments: &[&str]) -> (Output, String) {
    let output = Command::new("ksw")
        .arg("stress")
        .args(arguments)
        .output()
        .expect("ksw is on the path");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, said)
}

/// Two rounds of a fixed seed: cancels of all kinds, threads and processes ended with writes pending, the policy of
/// the filter changed meanwhile.
#[test]
fn a_short_run_finds_nothing() {
    let rig = Rig::new();
    let (output, said) = stress(&["--seed", "20", "--operations", "3000", "--round", "1500"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("no finding in 3 000 operations"), "{said}");
    rig.finish();
}

/// Without strangers the filter's counters must agree with the results exactly.
#[test]
fn counters_agree_with_results() {
    let rig = Rig::new();
    let arguments = [
        "--seed",
        "21",
        "--operations",
        "1500",
        "--no-victims",
        "--no-policy",
    ];
    let (output, said) = stress(&arguments);
    assert_eq!(output.status.code(), Some(0), "{said}");
    rig.finish();
}

/// A kernel service that fails once makes a write fail as no script does. The report says which, and how to
/// repeat it.
#[test]
fn a_fault_is_found() {
    let rig = Rig::new();
    let Ok(host) = File::open(CONTROL_PATH, Access::ReadWrite) else {
        return;
    };
    let fault = Fault {
        service: Service::AllocateIrp as u32,
        after: 100,
        times: 1,
        reserved: 0,
    };
    let arm = |fault: &Fault| control::<_, ()>(&host, SET_FAULT, fault).expect("the host takes faults");
    arm(&fault);
    let (output, said) = stress(&["--operations", "2000", "--no-victims", "--threads", "2"]);
    arm(&Fault::default());
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["finding of ", "--replay 0x", "the last operations of thread 1"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    rig.finish();
}
