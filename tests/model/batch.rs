//! Several writes with one drain.

use std::{collections::BTreeSet, rc::Rc};

use kswrite_core::{
    BufferMethod, ByteOffset, FileFlags, NtStatus, Patience, ProcessorMode, batch::Submission,
};
use nt_model::{
    Body, Cpu, DeviceId, FastRoutine, OnIrp, OwnedWrite, Script, World, WriteRecord,
    schedule::{Enumerate, Scheduler},
};

use crate::rig::{ASYNCHRONOUS, Rig, SYNCHRONOUS, Signal, Write, rebound};

/// A program with writes to several devices of one world.
struct Several {
    world: World,
    rigs: Vec<Rig>,
}

impl Several {
    fn new(scripts: &[Script], flags: FileFlags) -> Self {
        let world = World::new();
        let rigs = scripts.iter().map(|script| {
            let device = world.device(*script);
            Rig::on(world.clone(), device, flags)
        });
        Self {
            rigs: rigs.collect(),
            world,
        }
    }

    /// Submits one write for each device, and returns their records.
    fn submit(&self, drain: &nt_model::Drain, writes: &[Write]) -> (Submission, Vec<WriteRecord>) {
        let rig = &self.rigs[0];
        let cpu = rig.cpu();
        let requests: Vec<_> = writes
            .iter()
            .map(|write| {
                let request = OwnedWrite::new(&cpu, write, &rig.statistics).unwrap();
                (*write, request)
            })
            .collect();
        let records = requests.iter().map(|(_, request)| request.record()).collect();
        (cpu.submit_batch(&rig.statistics, drain, requests), records)
    }
}

/// A batch: every write is submitted whatever became of the one before, the counts say what came of it, and the drain is
/// signalled once, by the last that ends.
#[test]
fn a_batch_has_one_drain() {
    let hold = Script::hold(BufferMethod::Direct);
    let scripts = [
        hold,
        Script::default(),
        Script::default().on_irp(OnIrp::Inline(NtStatus::IO_DEVICE_ERROR)),
        Script::default().with_fast(FastRoutine::Accept),
        hold,
        Script::default().on_irp(OnIrp::Inline(NtStatus::BUFFER_OVERFLOW)),
        Script::default(),
        hold,
    ];
    let several = Several::new(&scripts, ASYNCHRONOUS);
    let drain = several.world.drain();
    let mut writes: Vec<Write> = several.rigs.iter().map(Rig::write_with_event).collect();
    // This one makes no sense.
    writes[6] = writes[6].at(ByteOffset::At(-7));
    let (submission, records) = several.submit(&drain, &writes);
    let expected = Submission {
        done: 3,
        failed: 2,
        pending: 3,
        drained: false,
    };
    assert_eq!(submission, expected);
    assert_eq!(records[6].refused(), Some(NtStatus::INVALID_PARAMETER));
    let system = several.world.system();
    for (done, (number, status)) in (1..).zip([
        (4, NtStatus::SUCCESS),
        (0, NtStatus::IO_DEVICE_ERROR),
        (7, NtStatus::CANCELLED),
    ]) {
        assert_eq!(several.world.event_state(drain.event()).sets, 0);
        assert_eq!(drain.batch().outstanding(), 4 - done);
        let rig = &several.rigs[number];
        if status == NtStatus::CANCELLED {
            assert!(records[number].cancel(&system));
        } else {
            assert!(system.complete_next(rig.device, status));
        }
        assert_eq!(
            rig.effects().block.map(|io| io.status),
            Some(status),
            "each reports"
        );
        assert_eq!(rig.effects().event, Signal::Set);
    }
    let state = several.world.event_state(drain.event());
    assert_eq!((state.signalled, state.sets), (true, 1));
    assert_eq!(drain.batch().outstanding(), 0);
    assert!(records.iter().all(WriteRecord::is_over));
    several.rigs[0].check();
}

/// A batch that is over when all of it was submitted says so, and its drain is not signalled; an empty one too.
#[test]
fn a_batch_that_is_over_at_once() {
    for count in [0, 1, 5] {
        let several = Several::new(&[Script::default(); 5], SYNCHRONOUS);
        let drain = several.world.drain();
        let writes: Vec<Write> = several.rigs.iter().take(count).map(Rig::write).collect();
        let (submission, _records) = several.submit(&drain, &writes);
        let expected = Submission {
            done: u32::try_from(count).unwrap(),
            drained: true,
            ..Submission::default()
        };
        assert_eq!(submission, expected);
        assert_eq!(several.world.event_state(drain.event()).sets, 0);
        several.rigs[0].check();
    }
}

/// A large batch, completed from its end.
#[test]
fn a_batch_of_five_hundred() {
    let several = Several::new(&vec![Script::hold(BufferMethod::Buffered); 500], ASYNCHRONOUS);
    let drain = several.world.drain();
    let writes: Vec<Write> = several.rigs.iter().map(Rig::write).collect();
    let (submission, _records) = several.submit(&drain, &writes);
    assert_eq!((submission.pending, submission.drained), (500, false));
    for rig in several.rigs.iter().rev() {
        assert_eq!(several.world.event_state(drain.event()).sets, 0);
        assert!(
            several
                .world
                .system()
                .complete_next(rig.device, NtStatus::SUCCESS)
        );
    }
    assert_eq!(several.world.event_state(drain.event()).sets, 1);
    several.rigs[0].check();
}

/// The writes of a batch may end while others are still being submitted: either the submitter is told that all is
/// over, or the drain is signalled, once; never both, never neither.
#[test]
fn a_batch_drains_once_in_every_interleaving() {
    let mut scheduler = Scheduler::new();
    let mut drained = BTreeSet::new();
    let explored = Enumerate::new(2).explore(|chooser| {
        let several = Rc::new(Several::new(
            &[Script::hold(BufferMethod::Buffered); 2],
            ASYNCHRONOUS,
        ));
        let world = several.world.clone();
        let drain = world.drain();
        let (submitter, of_submitter) = (Rc::clone(&several), drain.clone());
        let told = Rc::new(std::cell::Cell::new(false));
        let result = Rc::clone(&told);
        let submit = move |cpu: &Cpu<'_>| {
            let statistics = &submitter.rigs[0].statistics;
            let writes = submitter.rigs.iter().map(|rig| {
                let write = rebound(&rig.write());
                (write, OwnedWrite::new(cpu, &write, statistics).unwrap())
            });
            let writes = writes.collect();
            let submission = cpu.submit_batch(statistics, &of_submitter, writes);
            result.set(submission.drained);
            if !submission.drained {
                let woken = cpu.wait_for(of_submitter.event(), Patience::UNTIL_OVER);
                assert_eq!(woken, NtStatus::SUCCESS);
            }
            assert_eq!(of_submitter.batch().outstanding(), 0);
        };
        let mut bodies: Vec<Body> = vec![(several.rigs[0].thread, Box::new(submit))];
        for rig in &several.rigs {
            let device: DeviceId = rig.device;
            let complete = move |cpu: &Cpu<'_>| {
                cpu.complete_any(device, NtStatus::SUCCESS);
            };
            bodies.push((world.thread(ProcessorMode::User), Box::new(complete)));
        }
        world.run(&mut scheduler, bodies, chooser).unwrap();
        let sets = world.event_state(drain.event()).sets;
        assert_eq!(sets, u32::from(!told.get()));
        drained.insert(told.get());
        world.check()
    });
    assert!(explored.is_ok(), "{explored:?}");
    assert_eq!(drained.len(), 2);
}
