//! The command `ksw` with bad input: a clear message, the right exit code, and nothing left behind.

use std::process::{Command, Output};

use crate::rig::{Rig, pattern};

/// `ksw` as it lies on the path.
fn ksw(arguments: &[&str]) -> Output {
    Command::new("ksw")
        .args(arguments)
        .output()
        .expect("ksw is on the path")
}

/// The exit code and what was said on the error stream.
fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let output = ksw(arguments);
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn a_file() -> String {
    std::env::current_exe()
        .expect("this program")
        .display()
        .to_string()
}

/// Values that no plan can have are usage errors that name the option.
#[test]
fn nonsense_options_are_usage_errors() {
    let rig = Rig::new();
    let file = a_file();
    for (option, value) in [
        ("--block", "0"),
        ("--block", "4GiB"),
        ("--block", "lots"),
        ("--depth", "0"),
        ("--engine", "carrier-pigeon"),
        ("--script", "fast=maybe"),
    ] {
        let (code, said) = refusal(&["write", "--device", "direct", "--file", &file, option, value]);
        assert_eq!(code, Some(2), "{option} {value}: {said}");
        assert!(said.contains(option), "{option} {value}: {said}");
    }
    rig.finish();
}

/// What is not there is named, with the system's error by name and number.
#[test]
fn missing_files_and_devices_are_named() {
    let rig = Rig::new();
    let file = a_file();
    for (device, path, named, exit) in [
        ("direct", r"C:\no\such\file", r"C:\no\such\file", 3),
        (r"\\.\KsSinkNowhere", &file, "KsSinkNowhere", 4),
    ] {
        let (code, said) = refusal(&["write", "--device", device, "--file", path]);
        assert_eq!(code, Some(exit), "{said}");
        assert!(said.contains(named) && said.contains("ERROR_"), "{said}");
    }
    rig.finish();
}

/// A write that the device refuses ends with an error code, and the next one works.
#[test]
fn a_failing_device_is_an_error_and_the_next_write_works() {
    let rig = Rig::new();
    let file = a_file();
    let write = |script: &str| {
        ksw(&[
            "write", "--device", "neither", "--file", &file, "--block", "1MiB", "--verify", "--script",
            script,
        ])
    };
    assert_ne!(write("fast=decline,status=0xC0000185").status.code(), Some(0));
    let good = write("fast=decline");
    assert_eq!(
        good.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&good.stderr)
    );
    rig.finish();
}

/// A short write is not a success when the digests are to agree.
#[test]
fn verification_fails_when_bytes_are_missing() {
    let rig = Rig::new();
    let file = a_file();
    let script = "fast=decline,short-by=1,every=2";
    let output = ksw(&[
        "write", "--device", "buffered", "--file", &file, "--verify", "--script", script,
    ]);
    assert_ne!(output.status.code(), Some(0));
    rig.finish();
}

/// `ksw ks` shows the decisions of one write, as a table and as JSON.
#[test]
fn ks_shows_the_decisions() {
    let rig = Rig::new();
    let file = std::env::temp_dir().join("ksw-ks.bin");
    std::fs::write(&file, pattern(777, 1)).expect("a place for temporary files");
    let file = file.display().to_string();
    let output = ksw(&["ks", "--device", "direct", "--file", &file, "--event"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for line in [
        "information   777",
        "fast I/O      done",
        "event         signalled",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let script = "fast=decline,completion=pended,status=0xC0000185";
    let output = ksw(&[
        "ks", "--device", "buffered", "--file", &file, "--script", script, "--json",
    ]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_ne!(output.status.code(), Some(0), "{said}");
    for part in [
        "\"attempt\":\"declined\"",
        "\"carrier\":\"system-buffer\"",
        "\"completion\":\"pended\"",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    rig.finish();
}

/// `ksw conform` names what makes no sense, and runs nothing then.
#[test]
fn conform_with_bad_input() {
    let rig = Rig::new();
    let missing = r"C:\no\such\folder\results.json";
    let no_json = a_file();
    for (arguments, named, exit) in [
        (["--target", "disk"], "'disk' is no target", 2),
        (["--only", "WF-99"], "'WF-99'", 2),
        (["--venue", "dream"], "--venue", 2),
        (["--against", missing], missing, 3),
        (["--against", &no_json], &no_json, 3),
        (["--json", missing], missing, 3),
        (["--target", r"device:\\.\KsSinkNowhere"], "KsSinkNowhere", 4),
    ] {
        let output = ksw(&[&["conform"], &arguments[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
    }
    for (arguments, named) in [
        (
            vec!["--target", "console", "--only", "WF-47"],
            "none of these rules",
        ),
        (vec!["--json", "-", "--junit", "-"], "only one of"),
    ] {
        let (code, said) = refusal(&[vec!["conform"], arguments].concat());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(named), "{said}");
    }
    assert_eq!(refusal(&["play-role", "nobody"]).0, Some(2));
    rig.finish();
}

/// One rule on a few targets: as a list, as a table, as JSON, JUnit and a page, and in agreement with itself.
#[test]
fn conform_tells_what_it_found() {
    let rig = Rig::new();
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let list = ksw(&["conform", "--list", "--only", "WF-47"]);
    assert!(
        said(&list).contains("WF-47") && !said(&list).contains("pass"),
        "{}",
        said(&list)
    );

    let folder = std::env::temp_dir();
    let path = |name: &str| folder.join(name).display().to_string();
    let [json, junit, html] = ["ksw-conform.json", "ksw-conform.xml", "ksw-conform.html"].map(path);
    let run = |more: &[&str]| {
        let what = [
            "conform",
            "--target",
            "filtered-direct",
            "--target",
            "named-pipe",
            "--only",
            "wf-47",
        ];
        ksw(&[&what[..], more].concat())
    };
    let first = run(&["--json", &json, "--junit", &junit, "--html", &html]);
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    for part in [
        "WF-47  filtered-direct  pass",
        "WF-47  named-pipe       pass",
        "0 FAIL",
    ] {
        assert!(said(&first).contains(part), "{part}: {}", said(&first));
    }
    for (file, part) in [
        (&json, "\"verdict\": \"pass\""),
        (&junit, "<testsuites"),
        (&html, "<html"),
    ] {
        let text = std::fs::read_to_string(file).expect("the file that was asked for");
        assert!(text.contains(part), "{file}: {text}");
    }
    let again = run(&["--against", &json]);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(said(&again).contains("0 disagree"), "{}", said(&again));

    // A run that has seen something else.
    let text = std::fs::read_to_string(&json).expect("the results");
    std::fs::write(&json, text.replace("\"pass\"", "\"fail\"")).expect("the file was made before");
    let other = run(&["--against", &json, "--json", "-"]);
    assert_eq!(other.status.code(), Some(1), "{}", said(&other));
    assert!(said(&other).trim_start().starts_with('{'), "{}", said(&other));
    assert!(String::from_utf8_lossy(&other.stderr).contains("DISAGREE WF-47 on filtered-direct"));
    for file in [json, junit, html] {
        std::fs::remove_file(file).expect("the file was there");
    }
    rig.finish();
}
