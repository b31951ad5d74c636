//! `ksw conform` and the stream and channel interfaces.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::rig::Rig;

/// Rules of each interface.
const RULES: [&str; 6] = ["SA-07", "SA-11", "WV-07", "WV-16", "DV-03", "DV-09"];

fn run(program: &str, words: &[&str], rules: &[&str]) -> (Option<i32>, String) {
    let rules = rules.iter().flat_map(|rule| ["--only", *rule]);
    let output: Output = Command::new(program)
        .arg("conform")
        .args(words)
        .args(rules)
        .output()
        .expect("ksw can be started");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// Where `ksw` lies on the path.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").expect("there is a path");
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("ksw.exe"));
    places.find(|place| place.is_file()).expect("ksw is on the path")
}

/// The rules are kept with the filter and without it, and what is seen is what the model sees.
#[test]
fn the_interfaces_keep_their_rules() {
    let rig = Rig::new();
    let model = std::env::temp_dir().join("ksw-conform-model.json");
    let file = model.display().to_string();
    let targets = ["--target", "filtered-direct", "--target", "bare-buffered"];
    let (code, said) = run(
        "ksw",
        &[&targets[..], &["--venue", "model", "--json", &file]].concat(),
        &RULES,
    );
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run("ksw", &[&targets[..], &["--against", &file]].concat(), &RULES);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "0 FAIL",
        "0 not run",
        "0 disagree",
        "; 0 were tried in one of the runs only",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for rule in RULES {
        let rows = said.lines().filter(|line| line.starts_with(rule));
        assert!(rows.count() >= 2, "{rule}: {said}");
    }
    std::fs::remove_file(model).expect("the file was there");
    rig.finish();
}

/// Without the library of the WTS functions their rules are not run, and the reason says where it comes from.
#[test]
fn without_the_library_the_rules_of_its_functions_are_not_run() {
    let rig = Rig::new();
    let folder = std::env::temp_dir().join(format!("ksw-alone-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for a copy of ksw");
    let alone = folder.join("ksw.exe");
    std::fs::copy(program(), &alone).expect("a copy of ksw");
    let (code, said) = run(
        &alone.display().to_string(),
        &["--target", "bare-direct"],
        &["WV-01", "DV-14"],
    );
    assert_eq!(code, Some(4), "{said}");
    for part in ["kswrite_client.dll", "`cargo xtask build`", "2 not run"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    std::fs::remove_dir_all(folder).expect("the folder was there");
    rig.finish();
}
