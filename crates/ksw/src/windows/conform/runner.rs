//! Runs each case in a thread of its own, and takes stock after it.
#![expect(
    unsafe_code,
    reason = "frees what a case has lent, and unblocks the thread of a case that hangs"
)]

use std::fs;
use std::os::windows::io::AsRawHandle;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use kswrite_client::{Access, File, Operation};
use kswrite_conform::Venue;
use kswrite_conform::suite::{CaseBody, Runner};
use kswrite_conform::target::Target;
use kswrite_wire::filter::DeviceSelector;
use kswrite_wire::names::SinkKind;
use kswrite_wire::wine_host::{ATTACH_FILTER, CONTROL_PATH, Counters, DETACH_FILTER, GET_COUNTERS, Stacks};
use windows_sys::Win32::System::IO::CancelSynchronousIo;

use super::super::{device::Device, interrupt};
use super::case::Case;
use super::console::Console;
use super::devices;
use super::native::Native;
use super::venue::venue;

/// How long a case may take. The longest waits within one are a third of this.
const WATCHDOG: Duration = Duration::from_mins(1);
/// How long a case that was unblocked, or a driver, may take to come to an end.
const ENDING: Duration = Duration::from_secs(5);

/// The native venue.
pub(crate) struct NativeRunner {
    venue: Venue,
    system: String,
    /// The Wine host, where it is.
    host: Option<Device>,
    /// Whether the filter was on the stacks at the start.
    was_filtered: bool,
    /// Whether the present target is below the filter.
    filtered: bool,
    /// A console that was made for the cases.
    console: Option<Console>,
    folder: PathBuf,
    cases: u32,
}

impl NativeRunner {
    /// Finds out where it is.
    ///
    /// # Errors
    ///
    /// There is no place for files.
    pub(crate) fn new() -> Result<Self, String> {
        let (venue, system) = venue();
        let folder = std::env::temp_dir().join(format!("ksw-conform-{}", std::process::id()));
        fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
        let host = Device::open(CONTROL_PATH, Access::ReadWrite).ok();
        Ok(Self {
            venue,
            system,
            host,
            was_filtered: filtered_devices() > 0,
            filtered: false,
            console: None,
            folder,
            cases: 0,
        })
    }

    /// Puts the filter on the stacks or takes it off, where this can be done at all.
    fn place_filter(&self, on: bool) -> Result<(), String> {
        let Some(host) = &self.host else { return Ok(()) };
        let (what, code) = if on {
            ("attach the filter by", ATTACH_FILTER)
        } else {
            ("detach the filter by", DETACH_FILTER)
        };
        let placed: Result<Stacks, _> = host.ask(what, code, &());
        placed.map(drop).map_err(|error| error.to_string())
    }

    fn prepare_sink(&self, kind: SinkKind, filtered: bool) -> Result<(), String> {
        // That it answers at all is the first question; a filter cannot come or go while it is open.
        let opened = Device::open(kind.path(), Access::ReadWrite);
        drop(opened.map_err(|error| error.to_string())?);
        self.place_filter(filtered)?;
        match (is_filtered(kind)?, filtered) {
            (false, true) => Err(format!(
                "the filter is not above {}: install it with `ksw install filter`",
                kind.path()
            )),
            (true, false) => Err(format!(
                "the filter is above {}, and on Windows it is taken off by uninstalling it",
                kind.path()
            )),
            _ => Ok(()),
        }
    }

    fn counters(&self) -> Option<Counters> {
        let host = self.host.as_ref()?;
        host.ask("read the counters of", GET_COUNTERS, &()).ok()
    }

    /// Waits until the drivers have given back what they took since `before`.
    fn take_stock(&self, before: Option<Counters>) -> Result<(), String> {
        let Some(before) = before else { return Ok(()) };
        let deadline = Instant::now() + ENDING;
        loop {
            let finding = match self.counters() {
                Some(now) => finding(&before, &now),
                None => Some("the Wine host does not answer any more".to_owned()),
            };
            match finding {
                None => return Ok(()),
                Some(finding) if Instant::now() > deadline => return Err(finding),
                Some(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// What the host counts that it did not count before.
fn finding(before: &Counters, now: &Counters) -> Option<String> {
    let kept: Vec<String> = [
        ("requests not complete", before.requests, now.requests),
        ("IRPs not freed", before.irps, now.irps),
        ("MDLs not freed", before.mdls, now.mdls),
        ("MDLs locked", before.locked_mdls, now.locked_mdls),
        ("references not given back", before.references, now.references),
        (
            "findings, which are in the drivers' log",
            before.findings,
            now.findings,
        ),
    ]
    .into_iter()
    .filter(|(_, before, now)| now > before)
    .map(|(what, before, now)| format!("{} {what}", now - before))
    .collect();
    let open = now.open_files.saturating_sub(before.open_files);
    let open = (open > 0).then(|| format!("{open} files of drivers still open"));
    let all: Vec<String> = kept.into_iter().chain(open).collect();
    (!all.is_empty()).then(|| format!("the Wine host counts {}", all.join(", ")))
}

/// How many devices the filter is above.
fn filtered_devices() -> u32 {
    let statistics = Device::filter().and_then(|filter| filter.statistics(DeviceSelector::ALL));
    statistics.map_or(0, |statistics| statistics.devices)
}

/// Whether a write to this sink passes the filter.
fn is_filtered(kind: SinkKind) -> Result<bool, String> {
    let Ok(filter) = Device::filter() else {
        return Ok(false);
    };
    let attempted = || {
        let statistics = filter.statistics(DeviceSelector::ALL);
        statistics.map(|statistics| statistics.attempted)
    };
    let before = attempted().map_err(|error| error.to_string())?;
    let sink = Device::open(kind.path(), Access::ReadWrite).map_err(|error| error.to_string())?;
    let operation = Operation::by_event().map_err(|error| error.to_string())?;
    let written = operation.write_at(&sink.file, 0, vec![0]).wait().result;
    written.map_err(|error| format!("a write to {} fails: {error}", kind.path()))?;
    Ok(attempted().map_err(|error| error.to_string())? > before)
}

/// Runs a case in a thread of its own.
fn attend(case: &Arc<Case>, body: CaseBody) -> Result<(), String> {
    let (sender, receiver) = mpsc::channel();
    let shared = Arc::clone(case);
    let thread = thread::Builder::new().spawn(move || {
        let native = Native::new(shared);
        body(&native);
        // The receiver is gone only if the case was abandoned.
        let _heard = sender.send(native.case().settle());
    });
    let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
    if let Ok(settled) = receiver.recv_timeout(WATCHDOG) {
        let _ended = thread.join();
        if case.is_idle() {
            // SAFETY: every operation has ended, and so has every thread of the case.
            unsafe { case.memory.free() };
        }
        return settled;
    }
    // SAFETY: the thread's handle is open.
    unsafe { CancelSynchronousIo(thread.as_raw_handle()) };
    case.end();
    let seconds = WATCHDOG.as_secs();
    Err(match receiver.recv_timeout(ENDING) {
        Ok(_) => format!("it hung for {seconds} s, until its writes were cancelled and its handles closed"),
        Err(_) => format!("it hung for {seconds} s and was abandoned: its thread still runs"),
    })
}

impl Runner for NativeRunner {
    fn venue(&self) -> Venue {
        self.venue
    }

    fn system(&self) -> String {
        self.system.clone()
    }

    fn prepare(&mut self, target: &Target) -> Result<(), String> {
        self.filtered = matches!(target, Target::Filtered(_));
        match target {
            Target::Filtered(kind) => self.prepare_sink(*kind, true),
            Target::Bare(kind) => self.prepare_sink(*kind, false),
            Target::Console => {
                if self.console.is_none() {
                    self.console = Console::ensure()?;
                }
                Ok(())
            }
            Target::Device(path) | Target::Serial(path) | Target::Volume(path) => {
                let opened = File::open(path, Access::Write);
                opened.map(drop).map_err(|error| error.to_string())
            }
            Target::File
            | Target::Pipe
            | Target::NamedPipe
            | Target::MessagePipe
            | Target::Socket
            | Target::Mailslot => Ok(()),
        }
    }

    fn run(&mut self, body: CaseBody) -> Result<(), String> {
        self.cases += 1;
        let folder = self.folder.join(self.cases.to_string());
        fs::create_dir(&folder)
            .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
        let case = Arc::new(Case::new(self.venue, self.filtered, self.cases, folder.clone()));
        let before = self.counters();
        let ended = attend(&case, body);
        if self.host.is_some() {
            // A fault that the case armed and nothing met.
            devices::fault(None)?;
        }
        let stock = self.take_stock(before);
        // A case that was abandoned may still have files there; the folder is a temporary one.
        let _removed = fs::remove_dir_all(&folder);
        match (ended, stock) {
            (Ok(()), stock) => stock,
            (Err(finding), Ok(())) => Err(finding),
            (Err(one), Err(other)) => Err(format!("{one}; {other}")),
        }
    }

    fn stopped(&self) -> bool {
        interrupt::asked()
    }
}

impl Drop for NativeRunner {
    fn drop(&mut self) {
        // Nobody is left to be told, and the next run finds out for itself.
        let _placed = self.place_filter(self.was_filtered);
        let _removed = fs::remove_dir_all(&self.folder);
    }
}
