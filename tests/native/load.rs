//! Many writes at a time.

use std::{env, process::Command};

use kswrite_client::CompletionPort;
use kswrite_wire::{
    names::SinkKind,
    sink::{Completion, Script},
};
use sha2::{Digest, Sha256};

use crate::rig::{Rig, irp_script, open, pattern, release, start_pending, state};

const CHILD: &str = "KSWRITE_TEST_CHILD";

/// 4,096 writes outstanding at one handle, then released.
#[test]
fn four_thousand_writes_outstanding() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(kind, irp_script(Completion::Held));
        let held: Vec<_> = (0..4096)
            .map(|i| start_pending(&file, i * 64, &pattern(64, i as u8)))
            .collect();
        assert_eq!(state(&file).outstanding, 4096);
        assert_eq!(rig.delta().in_flight, 4096);
        assert_eq!(release(&file), 4096, "{kind:?}");
        for pending in held {
            assert_eq!(pending.wait().result, Ok(64));
        }
        assert_eq!(state(&file).outstanding, 0);
        drop(file);
        rig.finish();
    }
}

/// Writes 32 deep through a completion port and says whether the digest of the sink agrees.
fn pump(kind: SinkKind, seed: u8) {
    let file = open(
        kind,
        Script {
            delay_us: 50,
            ..irp_script(Completion::Pended)
        },
    );
    let port = CompletionPort::new().expect("a port");
    port.associate(&file).expect("the file joins the port");
    let (mut hasher, mut pending, mut finished) =
        (Sha256::new(), std::collections::HashMap::new(), Vec::new());
    for block in 0..512_usize {
        let bytes = pattern(4096, seed ^ block as u8);
        hasher.update(&bytes);
        let operation = port.operation().with_token(block);
        match operation.write_at(&file, block as u64 * 4096, bytes) {
            kswrite_client::Started::Pending(write) => drop(pending.insert(block, write)),
            kswrite_client::Started::Finished(write) => assert_eq!(write.result, Ok(4096)),
        }
        while pending.len() >= 32 || (block == 511 && !pending.is_empty()) {
            finished.clear();
            port.wait(None, &mut finished).expect("completions come");
            for token in &finished {
                let write = pending.remove(token).expect("a token of ours");
                assert_eq!(write.try_finish().map_or(Ok(0), |done| done.result), Ok(4096));
            }
        }
    }
    assert_eq!(state(&file).sha256, <[u8; 32]>::from(hasher.finalize()));
}

/// Two processes write at once, each to its own file object of each sink.
#[test]
fn two_processes_at_once() {
    if let Ok(seed) = env::var(CHILD) {
        let seed = seed.parse().expect("a number");
        for kind in SinkKind::ALL {
            pump(kind, seed);
        }
        return;
    }
    let rig = Rig::new();
    let children: Vec<_> = [11, 22]
        .map(|seed: u8| {
            Command::new(env::current_exe().expect("this program"))
                .args(["--exact", "load::two_processes_at_once", "--nocapture"])
                .env(CHILD, seed.to_string())
                .spawn()
                .expect("a second process")
        })
        .into();
    for mut child in children {
        assert!(child.wait().expect("the child ends").success());
    }
    rig.finish();
}
