//! One session: from the start of the Wine server to its end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use fs_err as fs;
use ksw::status::HostCounters;
use serde::de::DeserializeOwned;

use super::log::Findings;
use super::{drivers, prefix, prng};
use crate::layout::Layout;
use crate::lock;
use crate::process::Command;
use crate::step;
use crate::tools::{Tools, Wine};

/// How much is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// No driver.
    Nothing,
    /// Both drivers, no filter above the sinks.
    Sinks,
    /// Both drivers, the filter above each sink.
    Filter,
}

/// Which CPUs a session may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    /// All.
    No,
    /// One: no wake-up crosses CPUs, which is what a round trip to the Wine server costs most.
    OneCpu,
}

/// One job of a run; a write that is never completed must not stop a CI machine.
const JOB_TIMEOUT: Duration = Duration::from_mins(5);
/// The set-up commands of a session need a second at most.
const SETUP_TIMEOUT: Duration = Duration::from_mins(1);
/// What the drivers' processes print: errors, and DbgPrint.
const DRIVER_DEBUG: &str = "fixme-all,err+all,warn+debugstr";

/// A running session. It ends when this is dropped.
pub(crate) struct Session<'a> {
    layout: &'a Layout,
    wine: Wine,
    prefix: PathBuf,
    log: PathBuf,
    pin: Pin,
    _lock: std::fs::File,
}

impl<'a> Session<'a> {
    /// Resets the prefix, starts Wine and loads the drivers. The drivers' log is `logs/session-NAME.log`.
    pub(crate) fn start(layout: &'a Layout, tools: &Tools, name: &str, load: Load, pin: Pin) -> Result<Self> {
        let lock = lock(layout)?;
        prefix::ensure(layout, &tools.wine)?;
        let session = Self {
            layout,
            wine: tools.wine.clone(),
            prefix: layout.prefix(),
            log: layout.log(&format!("session-{name}")),
            pin,
            _lock: lock,
        };
        // Of a run that was killed.
        stop_server(&session.wine, &session.prefix);
        prefix::reset(&session.prefix)?;
        drivers::copy(layout)?;
        prng::install(layout, tools)?;
        session.boot()?;
        drivers::load(&session, load).with_context(|| session.log_tail())?;
        Ok(session)
    }

    /// Starts the server and the first process, whose standard error all driver processes inherit.
    fn boot(&self) -> Result<()> {
        fs::write(&self.log, "")?;
        // Without -p the drivers would be unloaded some seconds after each program.
        let server = self.environment(Command::new(&self.wine.server).arg("-p"));
        step::run(self.layout, "start the Wine server", "wine-server", &server)?;
        let first = self
            .environment(Command::new(&self.wine.loader).arg("wineboot"))
            .env("WINEDEBUG", DRIVER_DEBUG);
        step::run_appending(self.layout, "start Wine", &self.log, &first)
    }

    fn environment(&self, command: Command) -> Command {
        let command = wine_environment(command, &self.prefix)
            .env("WINEDEBUG", "-all")
            .timeout(SETUP_TIMEOUT);
        match self.pin {
            Pin::No => command,
            Pin::OneCpu => command.under("taskset", &["-c", &last_cpu()]),
        }
    }

    /// A Windows program with its arguments, ready to run in this session.
    pub(crate) fn windows<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        self.environment(Command::new(&self.wine.loader).args(words.iter().map(AsRef::as_ref)))
    }

    /// Runs a Windows program as a step.
    pub(crate) fn run(&self, title: &str, log: &str, words: &[&str]) -> Result<()> {
        step::run(self.layout, title, log, &self.windows(words))
    }

    /// Puts the filter above the sinks.
    pub(crate) fn attach(&self) -> Result<()> {
        self.run("attach the filter", "wine-attach", &["ksw", "host", "attach"])
    }

    /// Takes the filter away from the sinks.
    pub(crate) fn detach(&self) -> Result<()> {
        self.run("detach the filter", "wine-detach", &["ksw", "host", "detach"])
    }

    /// Runs a program that prints one JSON value. Its exit code is not judged: the value tells what went wrong.
    pub(crate) fn json<T: DeserializeOwned>(&self, title: &str, log: &str, words: &[&str]) -> Result<T> {
        let command = self.windows(words).timeout(JOB_TIMEOUT);
        let captured = step::capture(self.layout, title, log, &command)?;
        serde_json::from_str(&captured.text).with_context(|| captured.failure)
    }

    /// What the host says is outstanding in the drivers.
    pub(crate) fn counters(&self) -> Result<HostCounters> {
        self.json(
            "read the host's counters",
            "wine-counters",
            &["ksw", "host", "counters", "--json"],
        )
    }

    fn log_tail(&self) -> String {
        let lines = step::tail(&self.log, 15);
        format!(
            "the drivers' log {} ends with:\n    {}",
            self.layout.show(&self.log),
            lines.join("\n    ")
        )
    }

    /// Unloads the drivers, so that the host reports what they have left behind.
    pub(crate) fn unload(&self) -> Result<()> {
        drivers::unload(self).with_context(|| self.log_tail())
    }

    /// Ends the session and reads the drivers' log.
    pub(crate) fn finish(self) -> Result<Findings> {
        let log = self.log.clone();
        drop(self);
        Findings::read(&log)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        stop_server(&self.wine, &self.prefix);
    }
}

/// The last CPU that this process may use; the first one has the most interrupts.
fn last_cpu() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap_or_default();
    let last = allowed.rsplit([',', '-']).next().unwrap_or_default().trim();
    if last.is_empty() {
        "0".to_owned()
    } else {
        last.to_owned()
    }
}

/// What every Wine process needs.
pub(super) fn wine_environment(command: Command, prefix: &Path) -> Command {
    command
        .env("WINEPREFIX", prefix)
        .env("WINEARCH", "win64")
        // Neither .NET nor a browser: Wine would offer to download them. No desktop: without a display it fails to start,
        // or stays, and holds the pipes of the program that happened to want it.
        .env("WINEDLLOVERRIDES", "mscoree,mshtml,explorer.exe=")
        .env("WINEPATH", r"C:\kswrite")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("LD_LIBRARY_PATH")
}

/// Kills everything that runs in `prefix`, and waits until it is gone.
pub(crate) fn stop_server(wine: &Wine, prefix: &Path) {
    for flag in ["-k", "-w"] {
        let command = wine_environment(Command::new(&wine.server).arg(flag), prefix);
        let Ok(handle) = command
            .expression()
            .stdin_null()
            .stdout_null()
            .stderr_null()
            .start()
        else {
            return;
        };
        // The exit code only says whether a server was there.
        if !matches!(handle.wait_timeout(SETUP_TIMEOUT), Ok(Some(_))) {
            let _ = handle.kill();
        }
    }
}

/// `path` as Windows programs see it: Wine shows the whole file system as drive Z.
pub(crate) fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.display().to_string().replace('/', r"\"))
}

/// One session at a time: there is one prefix. Waits for another one to end.
pub(crate) fn lock(layout: &Layout) -> Result<std::fs::File> {
    lock::wait(&layout.out.join("session.lock"), "another Wine session")
}
