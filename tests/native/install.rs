//! `ksw install all`, `ksw uninstall all` and `ksw diag` on the system itself, whose drivers are put back at the end.

use std::path::PathBuf;
use std::process::{Command, Output};

use kswrite_wire::names::SinkKind;
use kswrite_wire::sink::{Completion, Script};

use crate::rig::{Rig, irp_script, open, pattern, write};

/// A folder with both packages, gathered from where the drivers were installed from.
struct Package(PathBuf);

impl Package {
    fn gather() -> Self {
        let folder = std::env::temp_dir().join("ksw-install-rows");
        std::fs::create_dir_all(&folder).expect("a place for temporary files");
        for (from, names) in [
            (
                PathBuf::from(r"C:\kswrite"),
                &["ksink.inf", "kswrite.inf", "ksink.sys"][..],
            ),
            (
                PathBuf::from(r"C:\windows\system32\drivers"),
                &["kswrite.sys"][..],
            ),
        ] {
            for name in names {
                std::fs::copy(from.join(name), folder.join(name)).expect("the drivers are installed");
            }
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn install(&self, more: &[&str]) -> (Option<i32>, String) {
        let mut words = vec!["install", "all", "--dir"];
        let folder = self.0.display().to_string();
        words.push(&folder);
        words.extend(more);
        run(&words)
    }
}

fn ksw(words: &[&str]) -> Output {
    Command::new("ksw")
        .args(words)
        .output()
        .expect("ksw is on the path")
}

/// Exit code, and everything that was said.
fn run(words: &[&str]) -> (Option<i32>, String) {
    let output = ksw(words);
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said)
}

/// The lines of the steps of one kind, `done` or `kept`.
fn steps<'a>(said: &'a str, word: &str) -> Vec<&'a str> {
    said.lines().filter(|line| line.starts_with(word)).collect()
}

/// What `ksw status` shows when nothing is installed: no package, device or `UpperFilters`, services not there.
fn nothing_is_left() {
    let (code, said) = run(&["status"]);
    assert_eq!(code, Some(4), "{said}");
    for gone in ["package", "device ", "UpperFilters", "running"] {
        assert!(!said.contains(gone), "{gone}: {said}");
    }
}

/// Twice removed, twice installed, by either way: each time the first one works and the second one finds nothing to do.
#[test]
fn installing_and_removing_twice_changes_nothing_the_second_time() {
    // The counters of the filter begin anew with it, so this case has no account of its own.
    let rig = Rig::new();
    let package = Package::gather();
    for way in ["inf", "registry", "inf"] {
        let (code, said) = run(&["uninstall", "all"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(!steps(&said, "done").is_empty(), "{said}");
        nothing_is_left();
        let (code, said) = run(&["uninstall", "all"]);
        assert_eq!((code, steps(&said, "done").len()), (Some(0), 0), "{said}");

        let (code, said) = package.install(&["--by", way]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(
            steps(&said, "done")
                .iter()
                .filter(|line| line.contains("created"))
                .count(),
            4,
            "{said}"
        );
        let (code, said) = package.install(&["--by", way]);
        assert_eq!((code, steps(&said, "done").len()), (Some(0), 0), "{said}");
        let (_, status) = run(&["status"]);
        assert_eq!(
            status.matches("UpperFilters").count(),
            if way == "registry" { 3 } else { 0 },
            "{status}"
        );

        // The filter is above the sink: a write through it is counted.
        let (_, before) = run(&["stats", "--json"]);
        let file = open(SinkKind::Direct, Script::default());
        assert_eq!(write(&file, 0, &pattern(512, 3)), Ok(512));
        drop(file);
        assert_ne!(run(&["stats", "--json"]).1, before);
    }
    drop(rig);
    Rig::new().finish();
}

/// While a program has a sink open, nothing is removed, and the handle goes on to work.
#[test]
fn removing_is_refused_while_a_sink_is_open() {
    let rig = Rig::new();
    let file = open(SinkKind::Buffered, irp_script(Completion::Inline));
    let (code, said) = run(&["uninstall", "all"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("nothing was removed") && said.contains("1 handles"),
        "{said}"
    );
    assert_eq!(write(&file, 0, &pattern(64, 4)), Ok(64));
    drop(file);
    assert_eq!(run(&["status"]).0, Some(0));
    rig.finish();
}

/// A package that is not whole, or for another machine, is named; nothing is changed.
#[test]
fn a_wrong_package_is_refused() {
    let rig = Rig::new();
    let package = Package::gather();
    let image = std::fs::read(package.path("kswrite.sys")).expect("it was copied");
    let mut other = image.clone();
    // Behind "PE\0\0": the machine, here ARM64.
    let header = usize::from(u16::from_le_bytes([image[0x3c], image[0x3d]]));
    other[header + 4..header + 6].copy_from_slice(&0xaa64_u16.to_le_bytes());
    for (content, exit, named) in [
        (Some(other), 5, "is built for ARM64 and this machine is x64"),
        (Some(b"MZ".to_vec()), 3, "no 64-bit Windows image"),
        (None, 3, "kswrite.sys"),
    ] {
        match content {
            Some(content) => std::fs::write(package.path("kswrite.sys"), content),
            None => std::fs::remove_file(package.path("kswrite.sys")),
        }
        .expect("a file of our own");
        let (code, said) = package.install(&[]);
        assert_eq!(code, Some(exit), "{said}");
        assert!(said.contains(named), "{said}");
    }
    let (code, said) = run(&["install", "all", "--dir", r"C:\no\such\folder"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(r"C:\no\such\folder"), "{said}");
    rig.finish();
}

/// One file for a report, which says what it holds, names no user, and is not written over another.
#[test]
fn a_report_is_one_file() {
    let rig = Rig::new();
    let path = std::env::temp_dir()
        .join("ksw-diag-rows.json")
        .display()
        .to_string();
    let (code, said) = run(&["diag", "--out", &path, "--force"]);
    assert_eq!(code, Some(0), "{said}");
    for part in ["system", "installed", "counters", "trace"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let text = std::fs::read_to_string(&path).expect("the report");
    for part in [
        "\"wine\"",
        "\"elevated\": true",
        "ROOT\\\\KSSINKDIRECT",
        "\"attempted\"",
        "\"sha256\"",
        "\"trace\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (code, said) = run(&["diag", "--out", &path]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("--force"), "{said}");
    rig.finish();
}
