//! Every interleaving of submit, pend, complete, cancel, close and thread exit, for small programs.
//!
//! A program is one write, and others that meddle with it, each in a thread of its own. It is run once for every order
//! in which the threads can take turns, with at most so many preemptions. What each run comes to is compared with the
//! completion table, and all runs together must come to exactly the ends that the program can have: an end that is
//! missing means that the race was not met.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
};

use kswrite_core::{
    BufferMethod, FileFlags, FileWrite, IoStatus, NtStatus, Patience, ProcessorMode, Statistics, managed,
    owned,
};
use nt_model::{
    BlockId, Body, Cpu, DeviceId, EventId, FastRoutine, FileId, Irql, NtWrite, OnIrp, OwnedWrite,
    PortContext, PortId, Script, ThreadId, UNTOUCHED, World, WriteRecord,
    schedule::{Chooser, Enumerate, Scheduler},
};

use crate::rig::{ASYNCHRONOUS, BYTES, LENGTH, SYNCHRONOUS, WHOLE};

const CANCELLED: IoStatus = IoStatus::failed(NtStatus::CANCELLED);
const BROKEN: IoStatus = IoStatus::failed(NtStatus::IO_DEVICE_ERROR);
const HELD: Script = Script::hold(BufferMethod::Buffered);
const STUBBORN: Script = Script {
    cancellable: false,
    ..HELD
};
const INLINE: Script = Script::inline(BufferMethod::Direct);
const ALERTABLE: FileFlags = FileFlags(SYNCHRONOUS.0 | FileFlags::ALERTABLE_IO.0);

/// By what routine the write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// KsWriteFile.
    Managed,
    /// With an IRP of the driver's own, and a token.
    Owned,
    /// NtWriteFile of a program.
    Nt,
}

const BOTH: [How; 2] = [How::Managed, How::Owned];

/// Where the end of the write is told, besides the status block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The event of the file object.
    File,
    /// An event.
    Event,
    /// An event, and a completion port.
    Port,
}

/// What another thread does.
#[derive(Clone, Copy, Debug)]
enum Meddler {
    /// The device completes what it holds, with this status.
    Complete(NtStatus),
    /// The same at `DISPATCH_LEVEL`.
    CompleteAtDispatch(NtStatus),
    /// The write is cancelled: by its token, or with all writes to its file object.
    Cancel,
    /// The last handle but the submitter's is closed; the submitter closes its own after the write.
    Close,
    /// The submitter is terminated, and exits when it is back.
    Terminate,
    /// The submitter is alerted.
    Alert,
    /// Somebody waits to be told of the end, and then gives up the memory that the write reports to.
    Await,
}

use Meddler::{Alert, Await, Cancel, Close, Complete, CompleteAtDispatch, Terminate};

#[derive(Clone, Copy, Debug)]
struct Program {
    how: How,
    /// Whether the routine under test is also a filter above the device.
    filter: bool,
    flags: FileFlags,
    told: Told,
    script: Script,
    mode: ProcessorMode,
    time_limit: Option<u64>,
    /// Whether the submitting thread exits after the write.
    exits: bool,
    meddlers: &'static [Meddler],
}

impl Program {
    const fn new(how: How, flags: FileFlags, script: Script, meddlers: &'static [Meddler]) -> Self {
        Self {
            how,
            filter: false,
            flags,
            told: Told::File,
            script,
            mode: ProcessorMode::User,
            time_limit: None,
            exits: false,
            meddlers,
        }
    }

    const fn told(self, told: Told) -> Self {
        Self { told, ..self }
    }

    const fn filtered(self) -> Self {
        Self { filter: true, ..self }
    }

    fn closes(&self) -> bool {
        self.meddlers.iter().any(|meddler| matches!(meddler, Close))
    }
}

/// How a write comes to its end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// At once.
    Inline(IoStatus),
    /// Later.
    Pended(IoStatus),
    /// Later, when its thread is gone: nobody is told.
    Dropped,
}

use End::{Dropped, Inline, Pended};

/// What there is to see of a write that is over.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    returned: NtStatus,
    block: Option<IoStatus>,
    event: bool,
    file_event: bool,
    final_status: Option<NtStatus>,
    packet: Option<IoStatus>,
    taken: usize,
}

/// The completion table (C1 to C10).
fn contract(program: &Program, end: End) -> Outcome {
    let (io, pended, gone) = match end {
        Inline(io) => (io, false, false),
        Pended(io) => (io, true, false),
        Dropped => (WHOLE, true, true),
    };
    let synchronous = program.flags.is_synchronous();
    let error = io.status.is_error();
    // C2, C6, C9 say nothing at all; C4 signals, and says nothing else.
    let signals = (!error || pended) && !gone;
    let reports = signals && !(error && synchronous);
    let on_file = signals && program.told == Told::File;
    Outcome {
        returned: if pended && !synchronous {
            NtStatus::PENDING
        } else {
            io.status
        },
        block: reports.then_some(io),
        event: signals && !on_file,
        file_event: on_file,
        final_status: on_file.then_some(io.status),
        packet: (reports && program.told == Told::Port).then_some(io),
        taken: io.information,
    }
}

/// One run of a program.
struct Run {
    program: Program,
    world: World,
    device: DeviceId,
    file: FileId,
    block: BlockId,
    event: EventId,
    port: PortId,
    submitter: ThreadId,
    statistics: Rc<Statistics>,
    record: RefCell<Option<WriteRecord>>,
    request: RefCell<Option<OwnedWrite>>,
    buffer: nt_model::Address,
    returned: Cell<Option<NtStatus>>,
    packet: Cell<Option<IoStatus>>,
    /// What was in the status block when the wait was over.
    block_then: Cell<Option<IoStatus>>,
}

const CONTEXT: PortContext = PortContext(7);

impl Run {
    fn new(program: Program) -> Rc<Self> {
        let world = World::new();
        let device = world.device(program.script);
        if program.filter {
            let _top = world.attach_filter(device, true);
        }
        let file = world.file(device, program.flags);
        let port = world.port();
        if program.told == Told::Port {
            world.associate(file, port, 1).unwrap();
        }
        let run = Self {
            device,
            file,
            port,
            block: world.status_block(),
            event: world.event(),
            submitter: world.thread(ProcessorMode::User),
            statistics: Rc::new(Statistics::new()),
            record: RefCell::new(None),
            request: RefCell::new(None),
            buffer: world.user_buffer(BYTES),
            returned: Cell::new(None),
            packet: Cell::new(None),
            block_then: Cell::new(None),
            program,
            world,
        };
        let cpu = run.world.cpu(run.submitter);
        if run.program.closes() {
            cpu.duplicate_file(file);
        }
        if run.program.how == How::Owned {
            let request = OwnedWrite::new(&cpu, &run.write(), &run.statistics).unwrap();
            run.record.replace(Some(request.record()));
            run.request.replace(Some(request));
        }
        Rc::new(run)
    }

    fn event(&self) -> Option<EventId> {
        (self.program.told != Told::File).then_some(self.event)
    }

    fn write<'a>(&self) -> FileWrite<Cpu<'a>> {
        let context = (self.program.told == Told::Port).then_some(CONTEXT);
        let write = FileWrite::new(
            self.file,
            self.event(),
            context,
            self.block,
            self.buffer,
            LENGTH,
            0,
            self.program.mode,
        );
        FileWrite {
            time_limit: self.program.time_limit,
            ..write
        }
    }

    fn nt_write(&self) -> NtWrite {
        NtWrite {
            event: self.event(),
            port_context: (self.program.told == Told::Port).then_some(CONTEXT),
            ..NtWrite::new(self.file, self.block, self.buffer, LENGTH)
        }
    }

    fn submit(&self, cpu: &Cpu<'_>) {
        let status = match self.program.how {
            How::Managed => managed::write(cpu, &self.statistics, &self.write()).status,
            How::Owned => {
                let request = self.request.take().unwrap();
                owned::write(cpu, &self.statistics, &self.write(), request)
            }
            How::Nt => cpu.nt_write_file(&self.nt_write()),
        };
        self.returned.set(Some(status));
        if self.program.closes() {
            cpu.close_file(self.file);
        }
        if self.program.exits {
            cpu.exit_thread();
        }
    }

    fn meddle(&self, cpu: &Cpu<'_>, meddler: Meddler) {
        match meddler {
            Complete(status) => {
                cpu.complete_any(self.device, status);
            }
            CompleteAtDispatch(status) => {
                cpu.wait_for_work(self.device);
                let irql = cpu.raise_irql(Irql::Dispatch);
                cpu.complete_oldest(self.device, status);
                cpu.lower_irql(irql);
            }
            Cancel => {
                let record = self.record.borrow().clone();
                match record {
                    Some(record) => {
                        record.cancel(cpu);
                    }
                    // There may be nothing to cancel yet, or any more.
                    None => drop(cpu.cancel_io(self.file, None)),
                }
            }
            Close => cpu.close_file(self.file),
            Terminate => cpu.terminate(self.submitter),
            Alert => cpu.alert(self.submitter),
            Await => self.wait(cpu),
        }
    }

    fn wait(&self, cpu: &Cpu<'_>) {
        match self.program.told {
            Told::File => drop(cpu.wait_for_file_handle(self.file, Patience::UNTIL_OVER)),
            Told::Event => drop(cpu.wait_for(self.event, Patience::UNTIL_OVER)),
            Told::Port => self
                .packet
                .set(cpu.wait_for_packet(self.port).map(|packet| packet.io)),
        }
        let block = self.world.block(self.block);
        self.block_then.set((block.writes > 0).then_some(block.io));
        cpu.discard_block(self.block);
        if self.program.told == Told::Event {
            cpu.close_event(self.event);
        }
    }

    fn bodies(self: &Rc<Self>) -> Vec<Body> {
        let run = Rc::clone(self);
        let submit: Body = (self.submitter, Box::new(move |cpu: &Cpu<'_>| run.submit(cpu)));
        let meddlers = self.program.meddlers.iter().map(|meddler| {
            let run = Rc::clone(self);
            let thread = self.world.thread(ProcessorMode::Kernel);
            let body: Body = (thread, Box::new(move |cpu: &Cpu<'_>| run.meddle(cpu, *meddler)));
            body
        });
        std::iter::once(submit).chain(meddlers).collect()
    }

    fn outcome(&self) -> Outcome {
        let cpu = self.world.system();
        let block = self.world.block(self.block);
        let event = self.world.event_state(self.event);
        let file = self.world.file_state(self.file);
        let queued = cpu.dequeue(self.port).map(|packet| packet.io);
        assert!(cpu.dequeue(self.port).is_none(), "a second packet");
        assert!(
            block.writes <= 1 && event.sets <= 1 && file.sets <= 1,
            "told twice"
        );
        let counted = self.statistics.snapshot();
        assert_eq!(counted.in_flight, 0);
        let seen = self.world.seen(self.device);
        let irps = seen.iter().filter(|seen| seen.came.irp().is_some());
        assert!(irps.count() <= 1, "sent twice");
        let read = seen.iter().filter(|seen| seen.came.irp().is_some());
        assert!(
            read.map(|seen| &seen.bytes)
                .all(|bytes| bytes.as_deref() == Ok(BYTES))
        );
        Outcome {
            returned: self.returned.get().unwrap(),
            block: (block.writes > 0).then_some(block.io),
            event: event.signalled,
            file_event: file.signalled,
            final_status: (file.final_status != UNTOUCHED.status).then_some(file.final_status),
            packet: queued.or(self.packet.get()),
            taken: self.world.accepted(self.device).len(),
        }
    }

    fn awaited(&self) -> bool {
        self.program
            .meddlers
            .iter()
            .any(|meddler| matches!(meddler, Await))
    }
}

fn run_once(
    program: Program,
    scheduler: &mut Scheduler,
    chooser: &mut dyn Chooser,
) -> Result<Outcome, String> {
    let run = Run::new(program);
    run.world.run(scheduler, run.bodies(), chooser).unwrap();
    // What nobody completed or cancelled, the device completes now.
    let cpu = run.world.system();
    while cpu.complete_oldest(run.device, NtStatus::SUCCESS) {}
    let outcome = run.outcome();
    run.world.check().map_err(|report| report.to_string())?;
    if run.awaited() && run.block_then.get() != outcome.block {
        return Err(format!("woken with {:?}", run.block_then.get()));
    }
    Ok(outcome)
}

/// Runs a program in every order, and holds the outcomes against those of the ends.
#[track_caller]
fn explore(preemptions: usize, program: Program, ends: &[End]) {
    let legal: Vec<Outcome> = ends.iter().map(|end| contract(&program, *end)).collect();
    let mut met = BTreeSet::new();
    let mut scheduler = Scheduler::new();
    let explored = Enumerate::new(preemptions).explore(|chooser| {
        let outcome = run_once(program, &mut scheduler, chooser)?;
        if !legal.contains(&outcome) {
            return Err(format!("{outcome:#?}"));
        }
        met.insert(format!("{outcome:?}"));
        Ok(())
    });
    match explored {
        Err((choices, error)) => panic!("{program:?}\nwith the choices {choices}:\n{error}"),
        Ok(runs) => println!("{runs} interleavings, at most {preemptions} preemptions: {program:?}"),
    }
    let legal: BTreeSet<String> = legal.iter().map(|outcome| format!("{outcome:?}")).collect();
    assert_eq!(met, legal, "{program:?}");
}

/// A cancel that comes before the driver has armed its own IRP keeps it from being sent.
fn cancelled_ends(how: How) -> Vec<End> {
    let mut ends = vec![Pended(WHOLE), Pended(CANCELLED)];
    if how == How::Owned {
        ends.push(Inline(CANCELLED));
    }
    ends
}

/// KS-71, PF-01: a write that is cancelled while the device completes it ends once, in one of the two ways, and the
/// other comes too late.
#[test]
fn ks_71_pf_01_a_cancel_against_a_completion() {
    for how in BOTH {
        for told in [Told::File, Told::Event, Told::Port] {
            let meddlers = &[Complete(NtStatus::SUCCESS), Cancel];
            let program = Program::new(how, ASYNCHRONOUS, HELD, meddlers).told(told);
            explore(2, program, &cancelled_ends(how));
        }
        let meddlers = &[CompleteAtDispatch(NtStatus::SUCCESS), Cancel];
        let program = Program::new(how, SYNCHRONOUS, HELD, meddlers);
        explore(2, program, &cancelled_ends(how));
    }
}

/// KS-70: a device that cannot be cancelled ends the write as it likes; two cancels are one.
#[test]
fn ks_70_cancels_of_what_cannot_be_cancelled_and_two_cancels() {
    for how in BOTH {
        let mut refused = vec![Pended(WHOLE)];
        if how == How::Owned {
            refused.push(Inline(CANCELLED));
        }
        let meddlers = &[Complete(NtStatus::SUCCESS), Cancel];
        let program = Program::new(how, ASYNCHRONOUS, STUBBORN, meddlers);
        explore(2, program.told(Told::Event), &refused);

        // A token that was cancelled stays so. Otherwise a cancel may come too early, and the device completes the
        // write in the end.
        let program = Program::new(how, ASYNCHRONOUS, HELD, &[Cancel, Cancel]);
        let otherwise = match how {
            How::Owned => Inline(CANCELLED),
            How::Managed | How::Nt => Pended(WHOLE),
        };
        explore(2, program.told(Told::Event), &[Pended(CANCELLED), otherwise]);
    }
}

/// KS-61, KS-71: a cancel of what a device completes at once, marked pending or not, is too late, or in time to keep
/// it from being sent.
#[test]
fn ks_61_71_a_cancel_of_what_is_complete_at_once() {
    let success = NtStatus::SUCCESS;
    for (irp, pended) in [
        (OnIrp::Inline(success), false),
        (OnIrp::InlineAsPending(success), true),
    ] {
        let script = INLINE.on_irp(irp);
        for flags in [ASYNCHRONOUS, SYNCHRONOUS] {
            let managed = Program::new(How::Managed, flags, script, &[Cancel]);
            let whole = if pended { Pended(WHOLE) } else { Inline(WHOLE) };
            explore(3, managed, &[whole]);

            let owned = Program::new(How::Owned, flags, script, &[Cancel]);
            let mut ends = vec![whole, Inline(CANCELLED)];
            // While the cancel goes on, a thread that does not wait leaves the write to it.
            ends.extend((!flags.is_synchronous()).then_some(Pended(WHOLE)));
            explore(3, owned, &ends);
        }
    }
}

/// KS-11, KS-69, PF-06: who is woken finds the status block written, and may reuse it, close the event and take the
/// packet at once: nothing of the write is touched after that.
#[test]
fn ks_11_69_pf_06_who_is_woken_may_reuse_everything() {
    for how in BOTH {
        for told in [Told::File, Told::Event, Told::Port] {
            for status in [NtStatus::SUCCESS, NtStatus::IO_DEVICE_ERROR] {
                let meddlers: &[Meddler] = if status == NtStatus::SUCCESS {
                    &[Complete(NtStatus::SUCCESS), Await]
                } else {
                    &[CompleteAtDispatch(NtStatus::IO_DEVICE_ERROR), Await]
                };
                let end = if status.is_error() { BROKEN } else { WHOLE };
                let program = Program::new(how, ASYNCHRONOUS, HELD, meddlers).told(told);
                explore(2, program, &[Pended(end)]);
            }
            let program = Program::new(how, ASYNCHRONOUS, INLINE, &[Await]).told(told);
            explore(3, program, &[Inline(WHOLE)]);
        }
    }
}

/// KS-05, KS-45: the last handle may be closed while the write is under way: the device cancels it, and the file
/// object is deleted when the write drops its reference.
#[test]
fn ks_05_45_a_close_against_a_completion() {
    for how in [How::Managed, How::Owned, How::Nt] {
        for told in [Told::Event, Told::Port] {
            let meddlers = &[Complete(NtStatus::SUCCESS), Close];
            let program = Program::new(how, ASYNCHRONOUS, HELD, meddlers).told(told);
            explore(2, program, &[Pended(WHOLE), Pended(CANCELLED)]);
        }
    }
}

/// KS-45, KS-71: a close and a cancel meet.
#[test]
fn ks_45_71_a_close_against_a_cancel() {
    for how in BOTH {
        let program = Program::new(how, ASYNCHRONOUS, HELD, &[Cancel, Close]);
        let mut ends = vec![Pended(CANCELLED)];
        if how == How::Owned {
            ends.push(Inline(CANCELLED));
        }
        explore(2, program.told(Told::Event), &ends);
    }
}

/// KS-46: a thread that exits cancels its writes and waits for them; what it cannot wait for any longer loses its
/// thread, and reports to nobody. An IRP of the driver's own has no thread, and its write goes on.
#[test]
fn ks_46_a_thread_exits_under_its_write() {
    const COMPLETE: &[Meddler] = &[Complete(NtStatus::SUCCESS)];
    let exiting = |how, script, meddlers| Program {
        exits: true,
        ..Program::new(how, ASYNCHRONOUS, script, meddlers).told(Told::Port)
    };
    for how in [How::Managed, How::Nt] {
        let ends = [Pended(WHOLE), Pended(CANCELLED), Dropped];
        explore(3, exiting(how, HELD, COMPLETE), &ends);
        explore(3, exiting(how, STUBBORN, COMPLETE), &[Pended(WHOLE), Dropped]);
        explore(3, exiting(how, HELD, &[]), &[Pended(CANCELLED)]);
        explore(3, exiting(how, STUBBORN, &[]), &[Dropped]);
    }
    explore(3, exiting(How::Owned, HELD, COMPLETE), &[Pended(WHOLE)]);
    let cancelled = exiting(How::Owned, HELD, &[Complete(NtStatus::SUCCESS), Cancel]);
    explore(2, cancelled, &cancelled_ends(How::Owned));
}

/// KS-64: a wait that is broken, by the end of the thread, an alert, or its time limit, cancels the write, and goes on
/// until it is over.
#[test]
fn ks_64_a_broken_wait() {
    const TERMINATE: &[Meddler] = &[Complete(NtStatus::SUCCESS), Terminate];
    const ALERT: &[Meddler] = &[Complete(NtStatus::SUCCESS), Alert];
    let either = [Pended(WHOLE), Pended(CANCELLED)];
    let whole = [Pended(WHOLE)];
    for how in BOTH {
        let program = |flags, script, meddlers| Program::new(how, flags, script, meddlers);
        explore(2, program(SYNCHRONOUS, HELD, TERMINATE), &either);
        explore(2, program(ALERTABLE, HELD, ALERT), &either);
        // What cannot be cancelled is waited for all the same.
        explore(2, program(SYNCHRONOUS, STUBBORN, TERMINATE), &whole);
        explore(2, program(ALERTABLE, STUBBORN, ALERT), &whole);
        // These break nothing.
        explore(2, program(SYNCHRONOUS, HELD, ALERT), &whole);
        let in_kernel = Program {
            mode: ProcessorMode::Kernel,
            ..program(SYNCHRONOUS, HELD, TERMINATE)
        };
        explore(2, in_kernel, &whole);

        let limited = |script| Program {
            time_limit: Some(1),
            mode: ProcessorMode::Kernel,
            ..program(SYNCHRONOUS, script, &[Complete(NtStatus::SUCCESS)])
        };
        explore(3, limited(HELD), &either);
        explore(3, limited(STUBBORN), &whole);
    }
}

/// KS-62, KS-64: a write with an error, a cancel and a broken wait, all at once, is over with one of the two.
#[test]
fn ks_62_64_everything_at_once() {
    for how in BOTH {
        let meddlers = &[Complete(NtStatus::IO_DEVICE_ERROR), Cancel, Terminate];
        let program = Program::new(how, SYNCHRONOUS, HELD, meddlers);
        let mut ends = vec![Pended(BROKEN), Pended(CANCELLED)];
        ends.extend((how == How::Owned).then_some(Inline(CANCELLED)));
        explore(1, program, &ends);
    }
}

/// PF-01, PF-02, PF-11: a filter holds the request of its caller: cancelled, completed, and closed above it, in any
/// order. A cancel that comes before it is armed is answered at once.
#[test]
fn pf_01_02_11_a_filter_between() {
    let ends = [Pended(WHOLE), Pended(CANCELLED), Inline(CANCELLED)];
    let complete = &[Complete(NtStatus::SUCCESS), Cancel];
    for flags in [ASYNCHRONOUS, SYNCHRONOUS] {
        let program = Program::new(How::Nt, flags, HELD, complete).filtered();
        explore(2, program, &ends);
    }
    let program = Program::new(How::Nt, ASYNCHRONOUS, STUBBORN, complete).filtered();
    explore(2, program.told(Told::Port), &[Pended(WHOLE), Inline(CANCELLED)]);
    // The cancel goes on while the device completes at once: the caller is told to wait.
    let program = Program::new(How::Nt, ASYNCHRONOUS, INLINE, &[Cancel]).filtered();
    let at_once = [Inline(WHOLE), Pended(WHOLE), Inline(CANCELLED)];
    explore(3, program.told(Told::Event), &at_once);

    let close = &[CompleteAtDispatch(NtStatus::SUCCESS), Close];
    let program = Program::new(How::Nt, ASYNCHRONOUS, HELD, close).filtered();
    explore(2, program.told(Told::Event), &[Pended(WHOLE), Pended(CANCELLED)]);
}

/// PF-01: KsWriteFile, in both ways, above a filter that is KsWriteFile itself.
#[test]
fn pf_01_a_filter_below() {
    let complete = &[Complete(NtStatus::SUCCESS), Cancel];
    for how in BOTH {
        let ends = [Pended(WHOLE), Pended(CANCELLED), Inline(CANCELLED)];
        let program = Program::new(how, ASYNCHRONOUS, HELD, complete).filtered();
        explore(1, program.told(Told::Event), &ends);
    }
    let exiting = Program {
        exits: true,
        ..Program::new(How::Managed, ASYNCHRONOUS, HELD, &[Complete(NtStatus::SUCCESS)]).filtered()
    };
    explore(2, exiting, &[Pended(WHOLE), Pended(CANCELLED), Dropped]);
}

/// KS-65: without deferral the last stage of what was complete at once is an APC, which comes at any time.
#[test]
fn ks_65_the_last_stage_by_an_apc() {
    for flags in [ASYNCHRONOUS, SYNCHRONOUS] {
        let program = Program::new(
            How::Managed,
            flags,
            INLINE.with_fast(FastRoutine::Decline),
            &[Cancel],
        );
        let mut scheduler = Scheduler::new();
        let explored = Enumerate::new(3).explore(|chooser| {
            let run = Run::new(program);
            run.world.set_deferral(false);
            run.world.run(&mut scheduler, run.bodies(), chooser).unwrap();
            assert_eq!(run.outcome(), contract(&program, Inline(WHOLE)));
            assert_eq!(run.world.apcs_queued(), 1);
            run.world.check()
        });
        explored.unwrap();
    }
}

/// A batch: its drain is signalled once, when the last write is over, and not if all were over at the submission.
#[test]
fn a_batch_drains_once() {
    let mut scheduler = Scheduler::new();
    let mut drained = BTreeSet::new();
    let explored = Enumerate::new(2).explore(|chooser| {
        let world = World::new();
        let device = world.device(HELD);
        let file = world.open(device, false);
        let buffer = world.user_buffer(BYTES);
        let (submitter, other) = (
            world.thread(ProcessorMode::User),
            world.thread(ProcessorMode::Kernel),
        );
        let statistics = Rc::new(Statistics::new());
        let drain = world.drain();
        let blocks = [world.status_block(), world.status_block()];
        let all_in_time = Rc::new(Cell::new(false));
        let first = Rc::new(RefCell::new(None));
        let submit: Body = {
            let (drain, statistics, all_in_time, first) = (
                drain.clone(),
                Rc::clone(&statistics),
                Rc::clone(&all_in_time),
                Rc::clone(&first),
            );
            let body = move |cpu: &Cpu<'_>| {
                let writes = blocks.map(|block| {
                    let user = ProcessorMode::User;
                    let write = FileWrite::new(file, None, None, block, buffer, LENGTH, 0, user);
                    (write, OwnedWrite::new(cpu, &write, &statistics).unwrap())
                });
                first.replace(Some(writes[0].1.record()));
                let submission = cpu.submit_batch(&statistics, &drain, writes.into());
                assert_eq!(submission.done, 0, "all are held");
                all_in_time.set(submission.drained);
                if !submission.drained {
                    let woken = cpu.wait_for(drain.event(), Patience::UNTIL_OVER);
                    assert_eq!(woken, NtStatus::SUCCESS);
                }
            };
            (submitter, Box::new(body))
        };
        let meddle: Body = (
            other,
            Box::new(move |cpu: &Cpu<'_>| {
                cpu.complete_any(device, NtStatus::SUCCESS);
                let record: Option<WriteRecord> = first.borrow().clone();
                if let Some(record) = record {
                    record.cancel(cpu);
                }
                cpu.complete_any(device, NtStatus::SUCCESS);
            }),
        );
        world.run(&mut scheduler, vec![submit, meddle], chooser).unwrap();
        let event = world.event_state(drain.event());
        assert_eq!(
            (event.signalled, event.sets),
            (!all_in_time.get(), u32::from(!all_in_time.get()))
        );
        assert_eq!(drain.batch().outstanding(), 0);
        assert!(blocks.iter().all(|block| world.block(*block).writes == 1));
        drained.insert(all_in_time.get());
        world.check()
    });
    println!("{} interleavings", explored.unwrap());
    assert_eq!(drained, BTreeSet::from([false, true]));
}
