//! What every case needs: a sink with a script, writes, and the final account.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kswrite_client::{Access, ByEvent, File, Finished, Operation, Pending, Started, Win32Error, control};
use kswrite_wire::{
    filter::{self, DeviceSelector, Statistics},
    names::{CONTROL_PATH, SinkKind},
    sink::{self, Completion, FastMode, Released, Script, State},
    wine_host::{self, Counters},
};

/// The counters of the drivers are shared by all programs, so one case runs at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A case in progress: it holds the turn, and remembers the counters at its start.
pub(crate) struct Rig {
    _turn: MutexGuard<'static, ()>,
    before: Statistics,
    findings_before: Option<u32>,
}

impl Rig {
    /// Waits for the turn.
    pub(crate) fn new() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            _turn: turn,
            before: statistics(),
            findings_before: host_counters().map(|c| c.findings),
        }
    }

    /// What the filter counted since the case began.
    pub(crate) fn delta(&self) -> Statistics {
        let (now, before) = (statistics(), self.before);
        Statistics {
            devices: now.devices,
            in_flight: now.in_flight,
            attempted: now.attempted - before.attempted,
            fast: now.fast - before.fast,
            declined: now.declined - before.declined,
            skipped: now.skipped - before.skipped,
            faulted: now.faulted - before.faulted,
            irp: now.irp - before.irp,
            inline: now.inline - before.inline,
            pended: now.pended - before.pended,
            cancelled: now.cancelled - before.cancelled,
            failed: now.failed - before.failed,
            rejected: now.rejected - before.rejected,
            fast_bytes: now.fast_bytes - before.fast_bytes,
            irp_bytes: now.irp_bytes - before.irp_bytes,
            forwarded_fast: now.forwarded_fast - before.forwarded_fast,
            bypassed: now.bypassed - before.bypassed,
        }
    }

    /// The final account; every handle of the case must be closed.
    pub(crate) fn finish(self) {
        let seen = self.delta();
        assert_eq!(seen.in_flight, 0, "writes are still in flight: {seen:?}");
        assert_eq!(
            seen.attempted,
            seen.fast + seen.declined + seen.skipped + seen.faulted,
            "{seen:?}"
        );
        assert_eq!(seen.attempted, seen.fast + seen.irp + seen.rejected, "{seen:?}");
        assert_eq!(seen.irp, seen.inline + seen.pended, "{seen:?}");
        let Some(host) = host_counters() else { return };
        assert_eq!(
            (host.irps, host.mdls, host.locked_mdls, host.references),
            (0, 0, 0, 0),
            "the drivers hold what they should have given back: {host:?}"
        );
        assert_eq!(
            Some(host.findings),
            self.findings_before,
            "the host found something wrong: see its log"
        );
    }
}

fn statistics() -> Statistics {
    let control_device = File::open(CONTROL_PATH, Access::ReadWrite).expect("the filter is loaded");
    control(
        &control_device,
        filter::GET_STATISTICS,
        &DeviceSelector {
            index: DeviceSelector::ALL,
        },
    )
    .expect("the filter tells its counters")
}

/// The counters of the Wine host; `None` on Windows.
pub(crate) fn host_counters() -> Option<Counters> {
    let host = File::open(wine_host::CONTROL_PATH, Access::ReadWrite).ok()?;
    Some(control(&host, wine_host::GET_COUNTERS, &()).expect("the host tells its counters"))
}

/// Opens a sink and gives it a script.
pub(crate) fn open(kind: SinkKind, script: Script) -> File {
    let file = File::open(kind.path(), Access::ReadWrite).expect("the sink is installed");
    set_script(&file, script).expect("the script makes sense");
    file
}

/// Sets the script of a handle.
pub(crate) fn set_script(file: &File, script: Script) -> Result<(), Win32Error> {
    control(file, sink::SET_SCRIPT, &script)
}

/// A script in which writes come as IRPs and complete so.
pub(crate) fn irp_script(completion: Completion) -> Script {
    Script {
        fast: FastMode::Decline as u32,
        completion: completion as u32,
        ..Script::default()
    }
}

/// What the sink was given through this handle.
pub(crate) fn state(file: &File) -> State {
    control(file, sink::GET_STATE, &()).expect("the sink tells its state")
}

/// Completes the held writes of this handle and says how many they were.
pub(crate) fn release(file: &File) -> u32 {
    control::<(), Released>(file, sink::RELEASE, &())
        .expect("the sink releases")
        .count
}

/// A write by event.
pub(crate) fn start(file: &File, offset: u64, bytes: &[u8]) -> Started<ByEvent> {
    Operation::by_event()
        .expect("an event")
        .write_at(file, offset, bytes.to_vec())
}

/// A write by event that must be pending.
pub(crate) fn start_pending(file: &File, offset: u64, bytes: &[u8]) -> Pending<ByEvent> {
    match start(file, offset, bytes) {
        Started::Pending(pending) => pending,
        Started::Finished(Finished { result, .. }) => panic!("the write was not held: {result:?}"),
    }
}

/// A write that is waited for.
pub(crate) fn write(file: &File, offset: u64, bytes: &[u8]) -> Result<u32, Win32Error> {
    start(file, offset, bytes).wait().result
}

/// Bytes in which every position can be told from the others nearby.
pub(crate) fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length)
        .map(|i| (i as u8).wrapping_mul(31).wrapping_add((i >> 8) as u8) ^ seed)
        .collect()
}

/// CRC-32C.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(bytes)
}
