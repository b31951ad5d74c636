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
    BufferMethod, FileFlags, FileWrite, IoStatus, NtStatus, Patience, ProcessorMode, Statistics,
};
use nt_model::{
    Body, Cpu, Irql, OnIrp, OwnedWrite, Script, World, WriteRecord,
    schedule::{Chooser, Enumerate, Scheduler},
};

use crate::{
    program::{
        BOTH, CANCELLED,
        End::{self, Dropped, Inline, Pended},
        How, Outcome, Setup, Shape, Told, contract,
    },
    rig::{ASYNCHRONOUS, BYTES, LENGTH, SYNCHRONOUS, WHOLE},
};

const BROKEN: IoStatus = IoStatus::failed(NtStatus::IO_DEVICE_ERROR);
const HELD: Script = Script::hold(BufferMethod::Buffered);
const STUBBORN: Script = Script {
    cancellable: false,
    ..HELD
};
const INLINE: Script = Script::inline(BufferMethod::Direct);
const ALERTABLE: FileFlags = FileFlags(SYNCHRONOUS.0 | FileFlags::ALERTABLE_IO.0);

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

/// A write, and who meddles with it.
#[derive(Clone, Copy, Debug)]
struct Program {
    shape: Shape,
    /// Whether the submitting thread exits after the write.
    exits: bool,
    meddlers: &'static [Meddler],
}

impl Program {
    const fn new(how: How, flags: FileFlags, script: Script, meddlers: &'static [Meddler]) -> Self {
        Self {
            shape: Shape::new(how, flags, script),
            exits: false,
            meddlers,
        }
    }

    const fn told(self, told: Told) -> Self {
        let shape = self.shape.told(told);
        Self { shape, ..self }
    }

    const fn filtered(self) -> Self {
        let shape = self.shape.filtered();
        Self { shape, ..self }
    }

    fn has(&self, wanted: fn(&Meddler) -> bool) -> bool {
        self.meddlers.iter().any(wanted)
    }

    fn closes(&self) -> bool {
        self.has(|meddler| matches!(meddler, Close))
    }
}

/// One run of a program.
struct Run {
    program: Program,
    setup: Setup,
    returned: Cell<Option<NtStatus>>,
    packet: Cell<Option<IoStatus>>,
    /// What was in the status block when the wait was over.
    block_then: Cell<Option<IoStatus>>,
}

impl Run {
    fn new(program: Program) -> Rc<Self> {
        let setup = Setup::new(program.shape);
        let cpu = setup.world.cpu(setup.submitter);
        if program.closes() {
            cpu.duplicate_file(setup.file);
        }
        setup.prepare(&cpu).unwrap();
        Rc::new(Self {
            program,
            setup,
            returned: Cell::new(None),
            packet: Cell::new(None),
            block_then: Cell::new(None),
        })
    }

    fn submit(&self, cpu: &Cpu<'_>) {
        self.returned.set(Some(self.setup.submit(cpu)));
        if self.program.closes() {
            cpu.close_file(self.setup.file);
        }
        if self.program.exits {
            cpu.exit_thread();
        }
    }

    fn meddle(&self, cpu: &Cpu<'_>, meddler: Meddler) {
        let Setup {
            device,
            file,
            submitter,
            ..
        } = self.setup;
        match meddler {
            Complete(status) => drop(cpu.complete_any(device, status)),
            CompleteAtDispatch(status) => {
                cpu.wait_for_work(device);
                let irql = cpu.raise_irql(Irql::Dispatch);
                cpu.complete_oldest(device, status);
                cpu.lower_irql(irql);
            }
            Cancel => self.setup.cancel(cpu),
            Close => cpu.close_file(file),
            Terminate => cpu.terminate(submitter),
            Alert => cpu.alert(submitter),
            Await => self.wait(cpu),
        }
    }

    fn wait(&self, cpu: &Cpu<'_>) {
        let Setup {
            file,
            event,
            port,
            block,
            ..
        } = self.setup;
        let until_over = Patience::UNTIL_OVER;
        match self.program.shape.told {
            Told::File => assert_eq!(cpu.wait_for_file_handle(file, until_over), NtStatus::SUCCESS),
            Told::Event => assert_eq!(cpu.wait_for(event, until_over), NtStatus::SUCCESS),
            Told::Port => self.packet.set(cpu.wait_for_packet(port).map(|packet| packet.io)),
        }
        let then = self.setup.world.block(block);
        self.block_then.set((then.writes > 0).then_some(then.io));
        cpu.discard_block(block);
        if self.program.shape.told == Told::Event {
            cpu.close_event(event);
        }
    }

    fn bodies(self: &Rc<Self>) -> Vec<Body> {
        let run = Rc::clone(self);
        let submit: Body = (
            self.setup.submitter,
            Box::new(move |cpu: &Cpu<'_>| run.submit(cpu)),
        );
        let meddlers = self.program.meddlers.iter().map(|meddler| {
            let run = Rc::clone(self);
            let thread = self.setup.world.thread(ProcessorMode::Kernel);
            let body: Body = (thread, Box::new(move |cpu: &Cpu<'_>| run.meddle(cpu, *meddler)));
            body
        });
        std::iter::once(submit).chain(meddlers).collect()
    }

    fn outcome(&self) -> Outcome {
        assert!(self.setup.irps() <= 1, "sent twice");
        let outcome = self.setup.outcome(self.returned.get().unwrap());
        Outcome {
            packet: outcome.packet.or(self.packet.get()),
            ..outcome
        }
    }
}

fn run_once(
    program: Program,
    scheduler: &mut Scheduler,
    chooser: &mut dyn Chooser,
) -> Result<Outcome, String> {
    let run = Run::new(program);
    let world = &run.setup.world;
    world.run(scheduler, run.bodies(), chooser).unwrap();
    // What nobody completed or cancelled, the device completes now.
    while world
        .system()
        .complete_oldest(run.setup.device, NtStatus::SUCCESS)
    {}
    let outcome = run.outcome();
    world.check().map_err(|report| report.to_string())?;
    let awaited = program.has(|meddler| matches!(meddler, Await));
    if awaited && run.block_then.get() != outcome.block {
        return Err(format!("woken with {:?}", run.block_then.get()));
    }
    Ok(outcome)
}

/// Runs a program in every order, and holds the outcomes against those of the ends.
#[track_caller]
fn explore(preemptions: usize, program: Program, ends: &[End]) {
    let legal: Vec<Outcome> = ends.iter().map(|end| contract(&program.shape, *end)).collect();
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
        let otherwise = if how.is_owned() {
            Inline(CANCELLED)
        } else {
            Pended(WHOLE)
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
        let mut in_kernel = program(SYNCHRONOUS, HELD, TERMINATE);
        in_kernel.shape.mode = ProcessorMode::Kernel;
        explore(2, in_kernel, &whole);

        let limited = |script| {
            let mut limited = program(SYNCHRONOUS, script, &[Complete(NtStatus::SUCCESS)]);
            limited.shape.mode = ProcessorMode::Kernel;
            limited.shape.time_limit = Some(1);
            limited
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

/// KS-65: without deferral the last stage of what was complete at once is an APC, whatever else goes on.
#[test]
fn ks_65_the_last_stage_by_an_apc() {
    for flags in [ASYNCHRONOUS, SYNCHRONOUS] {
        let program = Program::new(How::Managed, flags, INLINE, &[Cancel]);
        let mut scheduler = Scheduler::new();
        let explored = Enumerate::new(3).explore(|chooser| {
            let run = Run::new(program);
            let world = &run.setup.world;
            world.set_deferral(false);
            world.run(&mut scheduler, run.bodies(), chooser).unwrap();
            assert_eq!(run.outcome(), contract(&program.shape, Inline(WHOLE)));
            assert_eq!(world.apcs_queued(), 1);
            world.check()
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
