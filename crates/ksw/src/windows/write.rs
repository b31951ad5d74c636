//! `ksw write`.

use std::fs;
use std::io::{BufReader, IsTerminal, Read, stderr};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ksw::cli::WriteArgs;
use ksw::digest::Digests;
use ksw::exit::Exit;
use ksw::face::{Form, ReadBack, read_back};
use ksw::plan::{self, WritePlan, is_sink};
use ksw::report::{FilterCounters, Messages, SinkState, Verification, VerifiedBy, WriteReport};
use ksw::run::{Manner, Outcome, RunError, Shape, Stopwatch, WriteEngine, digest_of_accepted, run};
use kswrite_client::{Access, Operation};
use kswrite_wire::filter::DeviceSelector;
use kswrite_wire::sink;

use super::device::Device;
use super::engine::Releasing;
use super::faces;
use super::{Failure, interrupt, print};

/// Runs the command.
pub(super) fn command(args: WriteArgs) -> Result<Exit, Failure> {
    let (options, json) = args.into_options();
    let plan = options
        .check()
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    interrupt::install()?;
    let report = write(plan, json)?;
    print(&report, json)?;
    Ok(report.exit())
}

/// Opens, scripts, writes, verifies.
fn write(plan: WritePlan, quiet: bool) -> Result<WriteReport, Failure> {
    let (mut source, file_bytes) = open_source(&plan.file)?;
    let flags = faces::flags(plan.face, plan.engine);
    let device = Device::open_with(&plan.device, client_access(plan.access), flags)?;
    if let Some(script) = &plan.script {
        let () = device.ask("set the script of", sink::SET_SCRIPT, &script.wire())?;
    }
    let shape = Shape {
        total_bytes: file_bytes,
        block_bytes: plan.block_bytes,
        depth: plan.depth,
    };
    let before = filter_counters()?;
    let outcome = issue(&plan, &device, &mut source, shape, quiet)?;
    let after = filter_counters()?;
    let filter = after.zip(before).map(|(after, before)| after.since(&before));
    let readable = plan.access != plan::Access::Write;
    let sink = if is_sink(&plan.device) && readable {
        Some(SinkState::from(&device.sink_state()?))
    } else {
        None
    };
    // What was cancelled may have been taken or not.
    let verification = if plan.verify && outcome.abandoned == 0 {
        Some(verify(&plan, &device, sink.as_ref(), shape, &outcome)?)
    } else {
        None
    };
    Ok(report(plan, file_bytes, outcome, filter, sink, verification))
}

fn client_access(access: plan::Access) -> Access {
    match access {
        plan::Access::Read => Access::Read,
        plan::Access::Write => Access::Write,
        plan::Access::ReadWrite => Access::ReadWrite,
    }
}

fn open_source(path: &Path) -> Result<(fs::File, u64), Failure> {
    let failure = |error| {
        let code = kswrite_client::Win32Error::from_io(&error);
        Failure::io(&kswrite_client::Error::new(
            format!("open the file {}", path.display()),
            code,
        ))
    };
    let file = fs::File::open(path).map_err(failure)?;
    let length = file.metadata().map_err(failure)?.len();
    Ok((file, length))
}

/// The filter's counters over all devices; `None` when there is no filter. They are a part of the report
/// and not of the job, so whoever may not open the control device does without them.
fn filter_counters() -> Result<Option<FilterCounters>, Failure> {
    let Ok(filter) = Device::filter() else {
        return Ok(None);
    };
    Ok(Some(filter.statistics(DeviceSelector::ALL)?.into()))
}

/// Issues all writes and waits for them.
fn issue(
    plan: &WritePlan,
    device: &Device,
    source: &mut fs::File,
    shape: Shape,
    quiet: bool,
) -> Result<Outcome, Failure> {
    let mut engine = faces::new(plan.face, plan.engine, device.file.clone(), plan.depth)?;
    if plan.script.as_ref().is_some_and(ksw::script::ScriptText::holds) {
        engine = Box::new(Releasing {
            inner: engine,
            file: device.file.clone(),
        });
    }
    let bar = progress_bar(shape.total_bytes, quiet);
    let outcome = timed(source, shape, engine.as_mut(), &bar);
    bar.finish_and_clear();
    outcome.map_err(|error| match error {
        RunError::Engine(error) => error.into(),
        error => Failure::io(&error),
    })
}

fn timed(
    source: &mut dyn Read,
    shape: Shape,
    engine: &mut dyn WriteEngine,
    bar: &ProgressBar,
) -> Result<Outcome, RunError> {
    let manner = Manner {
        exceptions: true,
        clock: &Stopwatch::start(),
        stop: interrupt::flag(),
    };
    run(source, shape, engine, manner, &mut |bytes| bar.inc(bytes))
}

/// A bar on standard error; hidden with `--json` and where nobody watches.
fn progress_bar(bytes: u64, quiet: bool) -> ProgressBar {
    if quiet || !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10));
    let template = "{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
    // The template is a constant; should it be refused, the plain bar does.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Compares what was sent with what arrived. The file is read once more, so that hashing costs no time
/// while writes are measured.
fn verify(
    plan: &WritePlan,
    device: &Device,
    sink: Option<&SinkState>,
    shape: Shape,
    outcome: &Outcome,
) -> Result<Verification, Failure> {
    let sent = |form| digest(&plan.file, shape, outcome, form);
    let form = plan.face.form();
    let expected = sent(form)?;
    let back = if plan.face.is_channel() {
        channel_read_back(plan, device, sink, expected.bytes)?
    } else {
        None
    };
    let messages = match &back {
        Some(back) => {
            let expected = sent(Form::Messages)?;
            Some(Messages {
                verdict: Form::Messages.verdict(&expected, &back.messages),
                expected,
                found: back.messages.clone(),
            })
        }
        None => None,
    };
    let (by, found, window) = match (sink, back) {
        (Some(sink), _) => {
            let window = window(plan, device, sink, outcome)?;
            (VerifiedBy::SinkState, sink.digests.clone(), window)
        }
        (None, Some(back)) => (VerifiedBy::ReadBack, back.wire, None),
        (None, None) => {
            // The same digest over what the plain file has now.
            let found = digest(Path::new(&plan.device), shape, outcome, form)?;
            (VerifiedBy::ReadBack, found, None)
        }
    };
    let verdict = form.verdict(&expected, &found);
    Ok(Verification {
        by,
        expected,
        found,
        verdict,
        window,
        messages,
    })
}

fn digest(path: &Path, shape: Shape, outcome: &Outcome, form: Form) -> Result<Digests, Failure> {
    let (file, _) = open_source(path)?;
    digest_of_accepted(&mut BufReader::new(file), shape, outcome, form).map_err(|error| Failure::io(&error))
}

/// What a channel left in a plain file, or in a sink whose window holds all of it.
fn channel_read_back(
    plan: &WritePlan,
    device: &Device,
    sink: Option<&SinkState>,
    bytes: u64,
) -> Result<Option<ReadBack>, Failure> {
    let read = |source: &mut dyn Read| read_back(source, bytes).map_err(|error| Failure::io(&error));
    let Some(sink) = sink else {
        let (mut written, _) = open_source(Path::new(&plan.device))?;
        return read(&mut written).map(Some);
    };
    if sink.window_base > 0 {
        return Ok(None);
    }
    // The window is shorter than 4 GiB.
    let length = usize::try_from(sink.high_water).unwrap_or_default();
    let window = if length == 0 {
        Vec::new()
    } else {
        read_at(&plan.device, device, 0, length)?
    };
    read(&mut window.as_slice()).map(Some)
}

/// Whether ReadFile sees, in the sink's window, the bytes that the file has there.
fn window(
    plan: &WritePlan,
    device: &Device,
    sink: &SinkState,
    outcome: &Outcome,
) -> Result<Option<bool>, Failure> {
    let length = sink.high_water.saturating_sub(sink.window_base);
    if plan.face.is_channel() || !outcome.exceptions.is_empty() || length == 0 {
        return Ok(None);
    }
    let length = usize::try_from(length.min(u64::from(sink::WINDOW_BYTES))).unwrap_or_default();
    let seen = read_at(&plan.device, device, sink.window_base, length)?;
    let sent = read_at(
        &plan.file.display().to_string(),
        &source(plan)?,
        sink.window_base,
        length,
    )?;
    Ok(Some(seen == sent))
}

fn source(plan: &WritePlan) -> Result<Device, Failure> {
    Ok(Device::open(&plan.file.display().to_string(), Access::Read)?)
}

/// Reads, and returns what came.
pub(super) fn read_at(name: &str, device: &Device, offset: u64, length: usize) -> Result<Vec<u8>, Failure> {
    let finished = Operation::by_event()?
        .read_at(&device.file, offset, vec![0; length])
        .wait();
    let mut buffer = finished.buffer;
    let failure = |code| {
        let what = format!("read {length} bytes at offset {offset} from {name}");
        Failure::from(kswrite_client::Error::new(what, code))
    };
    buffer.truncate(finished.result.map_err(failure)? as usize);
    Ok(buffer)
}

fn report(
    plan: WritePlan,
    file_bytes: u64,
    outcome: Outcome,
    filter: Option<FilterCounters>,
    sink: Option<SinkState>,
    verification: Option<Verification>,
) -> WriteReport {
    WriteReport {
        plan,
        file_bytes,
        writes: outcome.writes,
        bytes: outcome.bytes,
        failed: outcome.failed,
        short: outcome.short,
        first_failure: outcome.first_failure,
        elapsed_ns: u64::try_from(outcome.elapsed.as_nanos()).unwrap_or(u64::MAX),
        mib_per_second: per_second(outcome.bytes, outcome.elapsed) / f64::from(1 << 20),
        writes_per_second: per_second(outcome.writes, outcome.elapsed),
        latency: outcome.times.total.finish(),
        submission: outcome.times.submission.finish(),
        immediate: outcome.immediate,
        pending: outcome.pending,
        abandoned: outcome.abandoned,
        stopped: outcome.stopped,
        depth: outcome.depth,
        filter,
        sink,
        verification,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is shown with one decimal")]
fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        0.0
    } else {
        count as f64 / elapsed.as_secs_f64()
    }
}
