//! `ksw trace --etw`: the Wine host in the place of a trace session.

use std::thread::sleep;

use ksw::cli::trace::TraceArgs;
use ksw::etw::decode;
use ksw::exit::Exit;
use kswrite_client::{Error, Win32Error, control_bytes};
use kswrite_wire::names::ETW_PROVIDER_ID;
use kswrite_wire::wine_host::{CONTROL_PATH, ENABLE_ETW, EtwBatch, EtwCursor, EtwEnable, READ_ETW};
use zerocopy::IntoBytes;

use super::device::Device;
use super::trace::{Output, PAUSE};
use super::{Failure, host, interrupt};

/// Room for the events of one answer, in bytes.
const ROOM: usize = 1 << 16;
/// Everything: `WINEVENT_LEVEL_VERBOSE`.
const VERBOSE: u32 = 5;

/// The provider, enabled until this is dropped.
struct Enabled(Device);

impl Enabled {
    fn new() -> Result<Self, Failure> {
        let host = host::open()?;
        let () = host.ask("enable the filter's ETW provider by", ENABLE_ETW, &wanted(1))?;
        Ok(Self(host))
    }

    fn read(&self, from: u64, room: usize) -> Result<Vec<u8>, Error> {
        control_bytes(&self.0.file, READ_ETW.0, EtwCursor { from }.as_bytes(), room).map_err(failed)
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        // Without the host there is no provider either.
        let _off = self
            .0
            .ask::<_, ()>("disable the filter's ETW provider by", ENABLE_ETW, &wanted(0));
    }
}

fn wanted(on: u32) -> EtwEnable {
    EtwEnable {
        provider: ETW_PROVIDER_ID.to_bytes(),
        keywords: u64::MAX,
        on,
        level: VERBOSE,
    }
}

fn failed(error: Win32Error) -> Error {
    Error::new(format!("read events of {CONTROL_PATH}"), error)
}

/// Shows events as they come, until Ctrl-C or enough have come.
pub(super) fn follow(args: &TraceArgs) -> Result<Exit, Failure> {
    interrupt::install()?;
    let session = Enabled::new()?;
    // Only the head fits, and it says where the next event will be.
    let head = session.read(u64::MAX, size_of::<EtwBatch>())?;
    let mut next = decode(&head)
        .ok_or_else(|| failed(Win32Error::INVALID_DATA))?
        .0
        .next;
    let mut out = Output::without_heads(args.json);
    let mut left = args.count.unwrap_or(u64::MAX);
    while !interrupt::asked() {
        let answer = session.read(next, ROOM)?;
        let (batch, lines) = decode(&answer).ok_or_else(|| failed(Win32Error::INVALID_DATA))?;
        next = batch.next;
        out.lost(batch.lost)?;
        for line in &lines {
            out.line(line)?;
            left -= 1;
            if left == 0 {
                out.flush()?;
                return Ok(Exit::Success);
            }
        }
        if lines.is_empty() {
            out.flush()?;
            sleep(PAUSE);
        }
    }
    out.flush()?;
    Ok(Exit::Success)
}
