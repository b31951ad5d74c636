//! Every target with bytes from a seed: what the fuzzer does for hours, for some seconds.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use fastrand::Rng;
use kswrite_fuzz::Target;

/// Inputs of each target.
const INPUTS: u64 = 10_000;
/// The longest input.
const LONGEST: usize = 256;

/// Bytes of all kinds: small numbers are more often something's name than large ones.
fn input(seed: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let length = rng.usize(..=LONGEST);
    let largest = [1, 4, 16, 255][rng.usize(..4)];
    (0..length).map(|_| rng.u8(..=largest)).collect()
}

fn feed(target: Target) {
    for seed in 0..INPUTS {
        if let Err(wrong) = target.run(&input(seed)) {
            panic!("{} with the input of seed {seed}: {wrong}", target.name());
        }
    }
}

#[test]
fn wire_file_write_takes_anything() {
    feed(Target::WireFileWrite);
}

#[test]
fn wire_filter_takes_anything() {
    feed(Target::WireFilter);
}

#[test]
fn wire_sink_takes_anything() {
    feed(Target::WireSink);
}

#[test]
fn wire_host_takes_anything() {
    feed(Target::WireHost);
}

#[test]
fn program_takes_anything() {
    feed(Target::Program);
}

/// libFuzzer drives what this test does: each target has its program, and each program is in the manifest.
#[test]
fn every_target_has_a_program() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let manifest = read("Cargo.toml");
    for target in Target::ALL {
        let path = format!("fuzz_targets/{}.rs", target.name());
        let call = format!("Target::{target:?}.run(bytes)");
        assert!(read(&path).contains(&call), "{path} does not call {call}");
        assert!(manifest.contains(&path), "the manifest has no {path}");
    }
}
