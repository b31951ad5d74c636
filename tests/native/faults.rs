//! Kernel services that fail, one call at a time. Only the Wine host can do that; elsewhere the cases say so.

use kswrite_client::{Access, File, Win32Error, control};
use kswrite_wire::{
    names::SinkKind,
    sink::{Completion, Script},
    wine_host::{self, Fault, Service},
};

use crate::rig::{Rig, irp_script, open, pattern, state, write};

const ERROR_NO_SYSTEM_RESOURCES: Win32Error = Win32Error(1450);

/// The host's control device; `None` on Windows.
fn host() -> Option<File> {
    let host = File::open(wine_host::CONTROL_PATH, Access::ReadWrite).ok();
    if host.is_none() {
        println!("not run: no Wine host here, and Windows has no such switch");
    }
    host
}

fn arm(host: &File, service: Service, after: u32) {
    let fault = Fault {
        service: service as u32,
        after,
        times: 1,
        reserved: 0,
    };
    control::<Fault, ()>(host, wine_host::SET_FAULT, &fault).expect("the host arms the fault");
}

fn disarm(host: &File) {
    control::<Fault, ()>(host, wine_host::SET_FAULT, &Fault::default()).expect("the host disarms");
}

/// KS-40, KS-54: no IRP, no MDL: the write fails with the reason, nothing is sent, nothing leaks.
#[test]
fn ks_40_54_no_irp_or_mdl() {
    let Some(host) = host() else { return };
    for (kind, service) in [
        (SinkKind::Buffered, Service::AllocateIrp),
        (SinkKind::Direct, Service::AllocateIrp),
        (SinkKind::Neither, Service::AllocateIrp),
        (SinkKind::Direct, Service::AllocateMdl),
    ] {
        let rig = Rig::new();
        let file = open(kind, irp_script(Completion::Inline));
        arm(&host, service, 0);
        assert_eq!(
            write(&file, 0, &pattern(9000, 1)),
            Err(ERROR_NO_SYSTEM_RESOURCES),
            "{kind:?} {service:?}"
        );
        disarm(&host);
        let seen = rig.delta();
        assert_eq!((seen.rejected, seen.irp), (1, 0), "{kind:?} {service:?}");
        assert_eq!(state(&file).writes, 0, "{kind:?} {service:?}");
        assert_eq!(
            write(&file, 0, &pattern(9000, 1)),
            Ok(9000),
            "{kind:?} {service:?}"
        );
        drop(file);
        rig.finish();
    }
}

/// Each of the first calls of each service fails in turn, on each path. The write succeeds whole or fails
/// with a reason; the next one works; nothing leaks.
#[test]
fn every_early_call_of_every_service_fails_once() {
    let Some(host) = host() else { return };
    let services = [
        Service::Pool,
        Service::AllocateIrp,
        Service::AllocateMdl,
        Service::ProbeAndLock,
        Service::MapLockedPages,
        Service::ObjectCreate,
    ];
    let mut failures = 0;
    for kind in SinkKind::ALL {
        for script in [
            Script::default(),
            irp_script(Completion::Inline),
            irp_script(Completion::Pended),
        ] {
            for service in services {
                for after in 0..3 {
                    let rig = Rig::new();
                    let file = open(kind, script);
                    arm(&host, service, after);
                    match write(&file, 0, &pattern(5000, 2)) {
                        Ok(written) => assert_eq!(written, 5000),
                        Err(error) => {
                            assert!(
                                [1450, 8, 998].contains(&error.0),
                                "{kind:?} {service:?} {after}: {error:?}"
                            );
                            failures += 1;
                        }
                    }
                    disarm(&host);
                    assert_eq!(
                        write(&file, 0, &pattern(5000, 2)),
                        Ok(5000),
                        "{kind:?} {service:?} {after}"
                    );
                    drop(file);
                    rig.finish();
                }
            }
        }
    }
    assert!(failures >= 6, "the faults were felt {failures} times only");
}
