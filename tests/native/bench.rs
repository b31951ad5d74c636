//! `ksw bench`: what it refuses, measures, verifies, compares and puts back.
#![expect(unsafe_code, reason = "makes the reading end of a pipe")]

use std::fs;
use std::io::Read;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::process::{Command, Output};
use std::ptr;
use std::thread;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::PIPE_ACCESS_INBOUND;
use windows_sys::Win32::System::Pipes::{CreateNamedPipeW, PIPE_TYPE_BYTE, PIPE_WAIT};

use crate::rig::Rig;

/// `ksw bench` as it lies on the path, without warm-up.
fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new("ksw");
    command.args(["bench", "--warm-up", "0s"]).args(arguments);
    command.output().expect("ksw is on the path")
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn expect(exit: i32, arguments: &[&str]) -> String {
    let output = bench(arguments);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
    said
}

/// Each sentence names the option.
#[test]
fn nonsense_is_a_usage_error() {
    let rig = Rig::new();
    for (named, rest) in [
        ("--block 0", ["--block", "0"].as_slice()),
        ("--depth 65537", &["--depth", "65537"]),
        ("--duration and --count", &["--duration", "1s", "--count", "1"]),
        ("--no-buffering", &["--block", "1000", "--no-buffering"]),
        ("--compare", &["--compare", "filter=on"]),
        ("--engine", &["--face", "ks", "--engine", "apc"]),
        ("--depth", &["--compare", "faces", "--depth", "8"]),
        ("--offsets random", &["--face", "dvc", "--offsets", "random"]),
        ("--create", &["--create", "1MiB"]),
    ] {
        let arguments = [&["--device", "direct"], rest].concat();
        let said = expect(2, &arguments);
        assert!(said.contains(named), "{named}: {said}");
    }
    rig.finish();
}

/// Every engine writes every byte; one that the system does not have is named.
#[test]
fn every_engine_is_measured_and_verified() {
    let rig = Rig::new();
    let engines = "sync,event,iocp,apc";
    let json = ["--depth", "1", "--count", "100", "--verify", "--json", "-"];
    let at_once = expect(
        0,
        &[&["--device", "neither", "--engine", engines], json.as_slice()].concat(),
    );
    assert_eq!(at_once.matches("\"verdict\":\"agree\"").count(), 4, "{at_once}");
    let script = ["--script", "fast=decline,completion=pended", "--threads", "2"];
    let later = [
        "--device",
        "direct",
        "--engine",
        "event,iocp,apc",
        "--depth",
        "8,80",
    ];
    let later = expect(
        0,
        &[
            later.as_slice(),
            &script,
            &["--count", "200", "--verify", "--json", "-"],
        ]
        .concat(),
    );
    assert_eq!(later.matches("\"verdict\":\"agree\"").count(), 6, "{later}");
    let unavailable = bench(&[
        "--device", "direct", "--engine", "ioring", "--depth", "4", "--count", "10",
    ]);
    match unavailable.status.code() {
        Some(0) => {}
        Some(4) => assert!(
            said(&unavailable).contains("KernelBase.dll has no"),
            "{}",
            said(&unavailable)
        ),
        _ => panic!("{}", said(&unavailable)),
    }
    rig.finish();
}

/// Both sides count, and the policy is afterwards what it was.
#[test]
fn a_comparison_puts_back_what_it_switched() {
    let rig = Rig::new();
    let policies = || {
        let output = Command::new("ksw").args(["policy", "--json"]).output();
        output.expect("ksw is on the path").stdout
    };
    let before = policies();
    let compare = ["--compare", "policy=irp,bypass", "--rounds", "2"];
    let page = std::env::temp_dir().join("ksw-bench.html");
    let page_path = page.display().to_string();
    let rest = [
        "--device", "direct", "--count", "50", "--verify", "--html", &page_path,
    ];
    let said = expect(0, &[rest.as_slice(), &compare].concat());
    assert!(said.contains("policy irp / policy bypass"), "{said}");
    assert_eq!(policies(), before);
    let html = fs::read_to_string(&page).expect("the page was written");
    assert!(html.contains("<svg") && !html.contains("http"), "{html}");
    fs::remove_file(page).expect("it is ours");
    rig.finish();
}

/// All faces against WriteFile: measured in turns, verified, in one table of text, JSON and page. A face is swept as an
/// engine is.
#[test]
fn all_faces_are_compared() {
    let rig = Rig::new();
    let page = std::env::temp_dir().join("ksw-bench-faces.html");
    let page_path = page.display().to_string();
    let both = ["--device", "direct", "--count", "20", "--verify"];
    let compare = ["--compare", "faces", "--rounds", "2", "--block", "4KiB,5000"];
    let said = expect(0, &[both.as_slice(), &compare, &["--html", &page_path]].concat());
    let table = said
        .split("writes/s, side / file")
        .nth(1)
        .expect("one table of ratios");
    for (side, engine) in [
        ("ks", "event"),
        ("stream", "event"),
        ("wts", "sync"),
        ("dvc", "iocp"),
    ] {
        let rows = table
            .lines()
            .filter(|line| line.split_whitespace().take(2).eq([side, engine]));
        assert_eq!(rows.count(), 2, "{side}: {said}");
    }
    assert_eq!(said.matches("agree").count(), 2 * 5, "{said}");
    let html = fs::read_to_string(&page).expect("the page was written");
    assert!(html.contains("writes/s, side / file"), "{html}");
    fs::remove_file(page).expect("it is ours");
    let script = ["--script", "fast=decline,completion=pended", "--json", "-"];
    let sweep = ["--face", "file,ks,stream,dvc", "--depth", "1,8", "--threads", "2"];
    let swept = expect(0, &[both.as_slice(), &sweep, &script].concat());
    assert_eq!(swept.matches("\"verdict\":\"agree\"").count(), 8, "{swept}");
    rig.finish();
}

/// A file is made when that is asked for, read back, and not made twice.
#[test]
fn a_file_is_made_and_read_back() {
    let rig = Rig::new();
    let file = std::env::temp_dir().join(format!("ksw-bench-{}.bin", std::process::id()));
    let path = file.display().to_string();
    let run = [
        "--device",
        &path,
        "--count",
        "100",
        "--verify",
        "--block",
        "4KiB",
        "--offsets",
        "random",
    ];
    let flags = ["--no-buffering", "--write-through", "--create", "1MiB"];
    let made = expect(0, &[run.as_slice(), &flags].concat());
    assert!(made.contains("agree"), "{made}");
    let again = expect(3, &[run.as_slice(), &flags].concat());
    assert!(again.contains("ERROR_FILE_EXISTS"), "{again}");
    assert_eq!(fs::metadata(&file).expect("it stays").len(), 1 << 20);
    fs::remove_file(file).expect("it is ours");
    let gone = expect(4, &run);
    assert!(gone.contains("ERROR_FILE_NOT_FOUND"), "{gone}");
    rig.finish();
}

/// The reading end of a pipe gets every byte, and by a channel every header.
#[test]
fn a_pipe_is_written_by_its_path() {
    for (face, depth, bytes) in [
        ("file", "4", 1024),
        ("stream", "4", 1024),
        ("wts", "1", 1032),
        ("dvc", "4", 1032),
    ] {
        let rig = Rig::new();
        let name = format!(r"\\.\pipe\ksw-bench-{face}-{}", std::process::id());
        let reader = pipe(&name);
        let reading = thread::spawn(move || read_all(reader));
        let load = ["--block", "1KiB", "--count", "50"];
        let by = ["--device", &name, "--face", face, "--depth", depth];
        expect(0, &[by.as_slice(), &load].concat());
        assert_eq!(reading.join().expect("it reads"), 50 * bytes, "{face}");
        rig.finish();
    }
}

/// How many bytes come until the other end is closed.
fn read_all(mut reader: fs::File) -> usize {
    /// `ERROR_PIPE_LISTENING`: nobody has opened the other end yet.
    const LISTENING: i32 = 536;
    let (mut buffer, mut total) = ([0; 4096], 0);
    loop {
        match reader.read(&mut buffer) {
            Ok(bytes) if bytes > 0 => total += bytes,
            Err(error) if error.raw_os_error() == Some(LISTENING) => thread::yield_now(),
            // The other end was closed.
            _ => break total,
        }
    }
}

/// The reading end, as the server.
fn pipe(name: &str) -> fs::File {
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a zero; no attributes.
    let server = unsafe {
        CreateNamedPipeW(
            wide.as_ptr(),
            PIPE_ACCESS_INBOUND,
            PIPE_TYPE_BYTE | PIPE_WAIT,
            1,
            4096,
            4096,
            0,
            ptr::null(),
        )
    };
    assert_ne!(server, INVALID_HANDLE_VALUE, "the name is free");
    // SAFETY: new, and nobody else's.
    unsafe { OwnedHandle::from_raw_handle(server) }.into()
}
