//! The examples of the client crate, as a reader would start them: over a sink, and where they write what they say,
//! over a file that shows it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use kswrite_client::{Devices, Filter};
use kswrite_wire::names::SinkKind;

use crate::rig::{Rig, pattern};

/// Bytes of a block in all of them.
const BLOCK: usize = 4096;

/// An example lies beside the folder of this program.
fn example(name: &str) -> Command {
    let this = std::env::current_exe().expect("this program");
    let folder = this.ancestors().nth(2).expect("the folder of the build");
    Command::new(folder.join("examples").join(name).with_extension("exe"))
}

/// Runs it, and gives what it printed; it must end well.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("cargo xtask test has built the examples");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{command:?}: {said}{complained}");
    said
}

/// A file for an example to write to, removed at the end.
struct Target(PathBuf);

impl Target {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kswrite-{name}-{}", std::process::id()));
        File::create(&path).expect("a file in the temporary folder");
        Self(path)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _removed = fs::remove_file(&self.0);
    }
}

/// Blocks whose bytes are the number of the block.
fn numbered(blocks: u8, first: u8) -> Vec<u8> {
    (0..blocks).flat_map(|block| [block + first; BLOCK]).collect()
}

#[test]
fn examples_write_to_a_sink() {
    for (name, writes, bytes) in [
        ("overlapped", 4, 4 * BLOCK),
        ("port", 8, 8 * BLOCK),
        ("reactor", 2, 2 * BLOCK),
        ("batch", 16, 16 * BLOCK),
        ("tokio", 4, 4 * BLOCK),
    ] {
        for kind in SinkKind::ALL {
            let rig = Rig::new();
            run(example(name).arg(kind.path()));
            let seen = rig.delta();
            assert_eq!(seen.attempted, writes, "{name}, {kind:?}: {seen:?}");
            let arrived = seen.fast_bytes + seen.irp_bytes;
            assert_eq!(arrived, bytes as u64, "{name}, {kind:?}: {seen:?}");
            rig.finish();
        }
    }
}

#[test]
fn examples_write_what_they_say() {
    for (name, wanted) in [
        ("overlapped", numbered(4, 0)),
        ("port", numbered(8, 0)),
        ("reactor", numbered(2, 1)),
        ("batch", numbered(16, 0)),
        ("tokio", numbered(4, 0)),
    ] {
        let target = Target::new(name);
        let said = run(example(name).arg(&target.0));
        assert!(said.contains("bytes"), "{name}: {said}");
        let written = fs::read(&target.0).expect("the file of the example");
        assert!(written == wanted, "{name}: {} bytes are there", written.len());
    }
}

#[test]
fn the_stream_example_copies_its_input() {
    let (input, target) = (Target::new("input"), Target::new("stream"));
    let bytes = pattern(200_000, 3);
    fs::write(&input.0, &bytes).expect("the input");
    let open = |path| Stdio::from(File::open(path).expect("the input"));
    let said = run(example("stream").arg(&target.0).stdin(open(&input.0)));
    assert!(said.contains("200000 bytes"), "{said}");
    assert!(fs::read(&target.0).expect("the file of the example") == bytes);

    let rig = Rig::new();
    run(example("stream")
        .arg(SinkKind::Buffered.path())
        .stdin(open(&input.0)));
    assert_eq!(rig.delta().fast_bytes, 200_000);
    rig.finish();
}

#[test]
fn the_cancel_example_ends_every_write() {
    let rig = Rig::new();
    let said = run(example("cancel").arg(SinkKind::Direct.path()));
    assert_eq!(said.matches("ERROR_OPERATION_ABORTED (995)").count(), 5, "{said}");
    assert_eq!(said.matches("ERROR_TIMEOUT (1460)").count(), 1, "{said}");
    let seen = rig.delta();
    assert_eq!((seen.pended, seen.cancelled), (7, 7), "{seen:?}");
    rig.finish();
}

#[test]
fn the_trace_example_shows_its_write() {
    let rig = Rig::new();
    let said = run(example("statistics_and_trace").arg(SinkKind::Direct.path()));
    for part in [
        "policy fast",
        "512 bytes at 0",
        "fast I/O: done",
        "fast 1, by IRP 0, of 1 attempted",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let filter = Filter::open().expect("the filter is loaded");
    assert_eq!(filter.trace_state().map(|state| state.on), Ok(0));
    // What the client tells is what the rig reads by the bare request.
    let (before, seen) = (filter.statistics(Devices::All), rig.delta());
    assert_eq!(before.map(|counted| counted.devices), Ok(seen.devices));
    let nowhere = filter
        .statistics(Devices::Number(63))
        .expect_err("there is no such device");
    assert_eq!(nowhere.code(), kswrite_client::Win32Error::INVALID_PARAMETER);
    drop(filter);
    rig.finish();
}

#[test]
fn the_ks_example_writes_by_the_driver() {
    let rig = Rig::new();
    let filter = Filter::open().expect("the filter is loaded");
    let before = filter.file_object_statistics().expect("the counters");
    let said = run(example("ks_write_file").arg(SinkKind::Neither.path()));
    assert_eq!(
        said.matches("status 0x00000000, event set: true").count(),
        2,
        "{said}"
    );
    let after = filter.file_object_statistics().expect("the counters");
    assert_eq!(after.attempted - before.attempted, 2, "{after:?}");
    drop(filter);
    rig.finish();
}

/// A device that is not there is named, and the exit code is not 0.
#[test]
fn an_example_without_its_device_says_so() {
    let output = example("overlapped").arg(r"\\.\KsSinkNowhere").output();
    let output = output.expect("cargo xtask test has built the examples");
    assert_eq!(output.status.code(), Some(1));
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(complained.contains("KsSinkNowhere"), "{complained}");
}
